//! The whole state, and the few things every part of it needs: finding a repository, naming a user, sending an event.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::app::App;
use crate::chance;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::hook::Delivery;
use crate::limit::Limits;
use crate::log::Log;
use crate::repository::Repository;
use crate::sender::Sending;
use crate::user::{Token, User, Who};

/// What all connections and the sender share.
pub(crate) struct Shared {
    world: Mutex<World>,
    /// Rings when a delivery was queued, was recorded, or may be sent again.
    pub bell: Notify,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self { world: Mutex::new(world), bell: Notify::new() }
    }

    /// The state; a request that panicked leaves it as it was then.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything the fake knows.
pub(crate) struct World {
    pub dir: PathBuf,
    /// `http://127.0.0.1:PORT`.
    pub origin: String,
    pub clock: Clock,
    /// By login in lower case.
    pub users: BTreeMap<String, User>,
    /// By their text.
    pub tokens: HashMap<String, Token>,
    pub apps: BTreeMap<u64, App>,
    pub repositories: BTreeMap<u64, Repository>,
    /// Names that led to a repository once, in lower case.
    pub moved: BTreeMap<String, u64>,
    /// How many looks at a new fork find nothing.
    pub fork_looks: u32,
    /// Logs of jobs by the secret name they are fetched with.
    pub blobs: HashMap<String, String>,
    pub limits: Limits,
    pub faults: Faults,
    pub log: Log,
    pub sending: Sending,
    next: u64,
}

/// Where a name leads.
pub(crate) enum Found {
    Here(u64),
    /// The repository has another name now.
    Moved(u64),
    Nowhere,
}

impl World {
    pub(crate) fn new(dir: PathBuf, origin: String) -> Self {
        Self {
            dir,
            origin,
            clock: Clock::default(),
            users: BTreeMap::new(),
            tokens: HashMap::new(),
            apps: BTreeMap::new(),
            repositories: BTreeMap::new(),
            moved: BTreeMap::new(),
            fork_looks: 1,
            blobs: HashMap::new(),
            limits: Limits::default(),
            faults: Faults::default(),
            log: Log::default(),
            sending: Sending::default(),
            // Real ids have long been past 32 bits.
            next: 5_000_000_000,
        }
    }

    /// An id that nothing else has.
    pub(crate) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The base of the REST API.
    pub(crate) fn api(&self) -> String {
        format!("{}/api/v3", self.origin)
    }

    /// Where the REST API has a repository.
    pub(crate) fn url(&self, repository: &Repository) -> String {
        format!("{}/repos/{}", self.api(), repository.full_name())
    }

    /// Somebody by login, who comes to be when first named.
    pub(crate) fn user(&mut self, login: &str) -> User {
        let id = self.next + 1;
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        let made = User { login: login.to_owned(), id, kind: kind.to_owned() };
        let user = self.users.entry(login.to_lowercase()).or_insert(made).clone();
        self.next = self.next.max(user.id);
        user
    }

    /// A user's shape; `null` for `ghost`, which is how deleted people are shown.
    pub(crate) fn user_json(&self, login: &str) -> Value {
        let user = self.users.get(&login.to_lowercase()).filter(|_| login != "ghost");
        user.map_or(Value::Null, |user| user.json(&self.origin))
    }

    pub(crate) fn find(&self, owner: &str, name: &str) -> Found {
        let key = Repository::key(owner, name);
        let mut all = self.repositories.values();
        let here = all.find(|own| !own.is_gone && Repository::key(&own.owner, &own.name) == key);
        match (here, self.moved.get(&key)) {
            (Some(repository), _) => Found::Here(repository.id),
            (None, Some(&id)) if self.alive(id).is_some() => Found::Moved(id),
            (None, _) => Found::Nowhere,
        }
    }

    /// A repository that was not deleted.
    pub(crate) fn alive(&self, id: u64) -> Option<&Repository> {
        self.repositories.get(&id).filter(|repository| !repository.is_gone)
    }

    pub(crate) fn repository_json(&self, id: u64, who: Option<&Who>) -> Value {
        let Some(repository) = self.alive(id) else { return Value::Null };
        let nobody = User { login: repository.owner.clone(), id: 0, kind: "User".to_owned() };
        let owner = self.users.get(&repository.owner.to_lowercase()).unwrap_or(&nobody);
        repository.json(owner, &self.origin, who)
    }

    /// The root of a fork network: the repository whose object store all its forks share.
    pub(crate) fn root(&self, id: u64) -> u64 {
        let parent = self.repositories.get(&id).and_then(|repository| repository.parent);
        parent.filter(|parent| self.repositories.contains_key(parent)).map_or(id, |parent| self.root(parent))
    }

    /// Queues an event for every hook of the repository that wants it.
    pub(crate) fn emit(&mut self, id: u64, event: &str, action: Option<&str>, sender: &str, more: Value) {
        let mut body = Map::new();
        if let Some(action) = action {
            body.insert("action".to_owned(), json!(action));
        }
        if let Value::Object(more) = more {
            body.extend(more);
        }
        self.user(sender);
        let mut shape = self.repository_json(id, None);
        if let ("push", Some(repository)) = (event, self.repositories.get(&id)) {
            // Pushes alone tell these two in seconds.
            shape["created_at"] = json!(repository.created_ms.div_euclid(1_000));
            shape["pushed_at"] = json!(repository.pushed_ms.div_euclid(1_000));
        }
        body.insert("repository".to_owned(), shape);
        body.insert("sender".to_owned(), self.user_json(sender));
        self.queue(id, None, event, action, &Value::Object(body));
    }

    /// Queues a body for one hook, or for all that want the event.
    pub(crate) fn queue(
        &mut self,
        id: u64,
        only: Option<u64>,
        event: &str,
        action: Option<&str>,
        body: &Value,
    ) {
        let now = self.now();
        let Some(repository) = self.repositories.get_mut(&id) else { return };
        for hook in &mut repository.hooks {
            if !hook.wants(event) || only.is_some_and(|only| only != hook.id) {
                continue;
            }
            self.next += 1;
            let delivery = Delivery {
                id: self.next,
                guid: chance::uuid(),
                event: event.to_owned(),
                action: action.map(str::to_owned),
                repository: id,
                is_redelivery: false,
                body: body.clone(),
                delivered_ms: now,
                duration_ms: 0,
                status: String::new(),
                code: 0,
                answer: String::new(),
            };
            match self.sending.lose() {
                None => hook.queue.push_back(delivery),
                Some(is_logged) if is_logged => hook.record(Delivery {
                    status: "failed to connect to host".to_owned(),
                    code: 502,
                    ..delivery
                }),
                Some(_) => {}
            }
        }
    }
}
