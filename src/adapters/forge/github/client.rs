//! The one way to the API of one GitHub: asks in turn, keeps to limits, remembers answers, and never repeats a write.
//!
//! `meter` says when, `wire` how, [`super::answer`] what it means. Reads are repeated twice where nothing or nothing
//! whole came; whether a write was carried out then, only looking tells, and that is the caller's.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::address::{Address, Place};
pub use super::answer::Answer;
use super::answer::{self, Said};
use super::app_token::{self, AppToken};
pub use super::auth::{Login, Secret};
use super::etag::{Known, Memory};
use super::limit::{self, Heard, Scope, Told};
use super::meter::{Course, Meter, Purpose};
use super::session::Session;
use super::wire::{Call, Reply, Wire};
use crate::ports::clock::Clock;
use crate::ports::forge::ForgeError;

/// Writes are this far apart at any GitHub but one on this machine: GitHub asks for a second.
const GAP: Duration = Duration::from_secs(1);

/// A call of a time limit without meaning gets this one.
const SHORTEST: Duration = Duration::from_millis(10);

/// Redirects that are followed.
const HOPS: usize = 3;

/// Pauses before a read is repeated.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// Pages that are followed at most, whatever they hold.
const PAGES: usize = 1_000;

/// What a client is made of.
#[derive(Debug)]
pub struct ClientSettings {
    /// The base of the API: `https://api.github.com`, `https://HOST/api/v3`, or HTTP on this machine.
    pub api_url: String,
    /// Who asks.
    pub login: Login,
    /// Where limits and the last write are kept for all processes; made when it is not there.
    pub state_dir: PathBuf,
    /// The time between two writes, a second at least except on this machine.
    pub write_gap: Duration,
    /// The longest one call may take.
    pub time_limit: Duration,
}

/// One way to the API of one GitHub; cheap to clone.
#[derive(Clone)]
pub struct GitHubClient(Arc<Inner>);

struct Inner {
    address: Address,
    session: Session,
    wire: Wire,
    meter: Meter,
    memory: Memory,
    clock: Arc<dyn Clock>,
    me: OnceCell<String>,
}

/// How something is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Makes something.
    Post,
    /// Changes something.
    Patch,
    /// Sets something.
    Put,
    /// Takes something away.
    Delete,
}

impl fmt::Debug for GitHubClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubClient").field("host", &self.0.address.host()).finish_non_exhaustive()
    }
}

impl GitHubClient {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] for an address that is none.
    pub fn new(settings: ClientSettings, clock: Arc<dyn Clock>) -> Result<Self, ForgeError> {
        let address = Address::read(&settings.api_url)?;
        let is_loopback = address.is_loopback();
        let gap = if is_loopback { settings.write_gap } else { settings.write_gap.max(GAP) };
        let time_limit = settings.time_limit.max(SHORTEST);
        let meter = Meter::new(&settings.state_dir, &address.host(), gap, time_limit);
        Ok(Self(Arc::new(Inner {
            wire: Wire::new(time_limit, address.network()),
            address,
            session: Session::new(settings.login),
            meter,
            memory: Memory::default(),
            clock,
            me: OnceCell::new(),
        })))
    }

    /// Reads what is at a path below the API's base, such as `/repos/o/r/pulls?state=all`. What did not change since comes from memory.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn get(&self, path: &str) -> Result<Answer, ForgeError> {
        let url = self.0.address.url(path)?;
        for pause in PAUSES {
            match self.read(url.clone()).await {
                Err(ForgeError::Unavailable(_)) => tokio::time::sleep(pause).await,
                ended => return ended,
            }
        }
        self.read(url).await
    }

    /// Reads a list page by page: the items of the array that is answered, or of the first array in what is answered; at most `most`.
    ///
    /// # Errors
    /// [`ForgeError`]; [`ForgeError::NotFound`] when there is no such list.
    pub async fn pages(&self, path: &str, most: usize) -> Result<Vec<Value>, ForgeError> {
        let mut found = Vec::new();
        let mut next = Some(path.to_owned());
        for _ in 0..PAGES {
            let Some(path) = next.take().filter(|_| found.len() < most) else { break };
            let page = self.get(&path).await?;
            if !page.is_success() {
                return Err(match page.status {
                    404 | 410 => ForgeError::NotFound(path),
                    status => ForgeError::Refused(format!("GitHub answered {status}: `{}`", page.message())),
                });
            }
            let items = match page.body {
                Value::Array(items) => items,
                Value::Object(fields) => fields
                    .into_iter()
                    .find_map(|(_, value)| if let Value::Array(items) = value { Some(items) } else { None })
                    .unwrap_or_default(),
                _ => Vec::new(),
            };
            found.extend(items);
            next = page.next;
        }
        found.truncate(most);
        Ok(found)
    }

    /// Changes something, once: an answer that is lost is an error, and nothing is sent again. A redirect is followed with the same verb,
    /// because it says that nothing was carried out.
    ///
    /// # Errors
    /// [`ForgeError`]; after [`ForgeError::Unavailable`] only looking tells whether it was carried out.
    pub async fn write(&self, verb: Verb, path: &str, body: &Value) -> Result<Answer, ForgeError> {
        let method = match verb {
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        };
        let mut url = self.0.address.url(path)?;
        let mut has_moved = false;
        for _ in 0..=HOPS {
            let call = Call { body: Some(body.clone()), ..plain(method.clone(), url.clone()) };
            let said = self.ask(call, Scope::Core, Purpose::Write).await?;
            match said.reply.status {
                307 | 308 => {}
                301 | 302 if !has_moved => has_moved = true,
                _ => return self.judge(said),
            }
            url = self.here(&said.reply, &url)?;
        }
        Err(astray())
    }

    /// Asks GraphQL, once. The answer is the whole document, which may have errors beside its data.
    ///
    /// # Errors
    /// [`ForgeError`] when it has no data.
    pub async fn graphql(&self, query: &str, variables: Value) -> Result<Value, ForgeError> {
        let body = Some(json!({"query": query, "variables": variables}));
        let call = Call { body, ..plain(Method::POST, self.0.address.graphql()) };
        let said = self.ask(call, Scope::Graphql, Purpose::Read).await?;
        let answer = self.judge(said)?;
        match answer.status {
            200..=299 => answer::with_data(answer.body),
            404 | 410 => Err(ForgeError::NotFound("GraphQL".to_owned())),
            status => Err(ForgeError::Refused(format!(
                "GitHub's GraphQL answered {status}: `{}`",
                answer.message()
            ))),
        }
    }

    /// Reads the end of a text that the API only redirects to, such as a job's log: its last `most` bytes. Another host does not get the
    /// token. `None` when it is gone or may not be read.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn text_elsewhere(&self, path: &str, most: usize) -> Result<Option<String>, ForgeError> {
        let mut url = self.0.address.url(path)?;
        for _ in 0..=HOPS {
            let call = Call { last: Some(most), ..plain(Method::GET, url.clone()) };
            let said = match self.ask(call, Scope::Core, Purpose::Read).await {
                Err(ForgeError::Denied(_)) => return Ok(None),
                said => said?,
            };
            match said.reply.status {
                200..=299 => return Ok(Some(end_of(&said.reply.body, most))),
                403 | 404 | 410 => return Ok(None),
                301 | 302 | 307 | 308 => {}
                _ => return self.judge(said).map(|_| None),
            }
            match self.0.address.redirect(&said.reply.headers, &url)? {
                Place::Here(here) => url = here,
                Place::Elsewhere(elsewhere) => return self.foreign(elsewhere, most).await,
            }
        }
        Err(astray())
    }

    /// The token for git; an App's is renewed before it ends.
    ///
    /// # Errors
    /// [`ForgeError::Denied`] when nobody has one, else as for a write.
    pub async fn token(&self) -> Result<Secret, ForgeError> {
        if let Some(token) = self.token_of_now().await {
            return Ok(token);
        }
        let Login::App { app_id, installation, key_pem } = self.0.session.login() else {
            return Err(ForgeError::Denied(
                "there is no login for GitHub; give a token, or log in with `gh auth login`".to_owned(),
            ));
        };
        let _renewing = self.0.session.renewing.lock().await;
        if let Some(token) = self.token_of_now().await {
            return Ok(token);
        }
        let path = format!("/app/installations/{installation}/access_tokens");
        let bearer = self.app_bearer(*app_id, key_pem)?;
        let call = Call {
            body: Some(json!({})),
            bearer: Some(bearer.clone()),
            ..plain(Method::POST, self.0.address.url(&path)?)
        };
        let said = self.once(call, Scope::App, Purpose::Write).await?;
        let answer = self.judge(said)?;
        let Some(token) = AppToken::read(&answer.body).filter(|_| answer.is_success()) else {
            return Err(ForgeError::Denied(format!(
                "GitHub gives no token to installation {installation} of App {app_id} ({}: `{}`)",
                answer.status,
                answer.message()
            )));
        };
        let secret = token.secret.clone();
        self.0.session.renew(token);
        Ok(secret)
    }

    /// The newest known token, for callers that cannot wait; a login of later is asked for it, which blocks once.
    pub fn token_now(&self) -> Option<Secret> {
        self.0.session.newest(self.0.clock.now().wall)
    }

    /// Whether an App asks, of whose rights GitHub says nothing where it shows a repository.
    pub(super) fn is_app(&self) -> bool {
        self.0.session.is_app()
    }

    /// Whether an App's installation may change what is in repositories, as its newest token was granted.
    pub(super) fn app_may_push(&self) -> Option<bool> {
        self.0.session.app_may_push()
    }

    /// The name of whoever asks, remembered: the person's, or an App's bot's.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn me(&self) -> Result<String, ForgeError> {
        let name = self.0.me.get_or_try_init(|| async {
            let (answer, field) = match self.0.session.login() {
                Login::Token(_) | Login::Later(_) => (self.get("/user").await?, "login"),
                Login::App { app_id, key_pem, .. } => {
                    let bearer = Some(self.app_bearer(*app_id, key_pem)?);
                    let call = Call { bearer, ..plain(Method::GET, self.0.address.url("/app")?) };
                    (self.judge(self.once(call, Scope::App, Purpose::Read).await?)?, "slug")
                }
            };
            let name = answer.body.get(field).and_then(Value::as_str).filter(|_| answer.is_success());
            let name =
                name.ok_or_else(|| ForgeError::Denied("GitHub does not say whose token it is".to_owned()))?;
            Ok(if field == "slug" { format!("{name}[bot]") } else { name.to_owned() })
        });
        name.await.cloned()
    }

    /// Reads once, following redirects on this host.
    async fn read(&self, mut url: Url) -> Result<Answer, ForgeError> {
        for _ in 0..=HOPS {
            let known = self.0.memory.get(url.as_str());
            let etag = known.as_ref().map(|known| known.etag.clone());
            let said = self
                .ask(Call { etag, ..plain(Method::GET, url.clone()) }, Scope::Core, Purpose::Read)
                .await?;
            match (said.reply.status, known) {
                (304, Some(known)) => {
                    let (body, next) = (known.body.clone(), known.next.clone());
                    return Ok(Answer { status: known.status, body, next });
                }
                (301 | 302 | 307 | 308, _) => url = self.here(&said.reply, &url)?,
                _ => return self.remember(&url, said),
            }
        }
        Err(astray())
    }

    fn remember(&self, url: &Url, said: Said) -> Result<Answer, ForgeError> {
        let etag = said.reply.headers.get(http::header::ETAG).and_then(|value| value.to_str().ok());
        let (etag, bytes) = (etag.map(str::to_owned), said.reply.body.len());
        let answer = self.judge(said)?;
        if let Some(etag) = etag.filter(|_| answer.status == 200) {
            let (body, next) = (answer.body.clone(), answer.next.clone());
            self.0.memory.put(url.as_str(), Known { etag, status: answer.status, body, next, bytes });
        }
        Ok(answer)
    }

    /// Asks with the login's token; an App's that is not taken is renewed once, which repeats nothing that was carried out.
    async fn ask(&self, call: Call, scope: Scope, purpose: Purpose) -> Result<Said, ForgeError> {
        let bearer = self.token().await?;
        let said = self.once(Call { bearer: Some(bearer.clone()), ..call.clone() }, scope, purpose).await?;
        if said.reply.status != 401 || !self.0.session.give_up(&bearer) {
            return Ok(said);
        }
        let bearer = Some(self.token().await?);
        self.once(Call { bearer, ..call }, scope, purpose).await
    }

    /// Asks once, in turn.
    async fn once(&self, call: Call, scope: Scope, purpose: Purpose) -> Result<Said, ForgeError> {
        let Inner { session, meter, wire, clock, .. } = &*self.0;
        let bearer = call.bearer.clone();
        if bearer.as_ref().is_some_and(|bearer| !bearer.is_header()) {
            return Err(ForgeError::Denied(
                "the token for GitHub has characters that no token has".to_owned(),
            ));
        }
        let login = bearer.as_ref().map(|bearer| session.name(bearer)).unwrap_or_default();
        let is_log = call.last.is_some();
        let turn = meter.turn(&login, scope, purpose, &**clock).await?;
        let unavailable = |why: String| {
            let why = bearer.as_ref().map_or_else(|| why.clone(), |bearer| bearer.mask(&why));
            ForgeError::Unavailable(format!("GitHub at `{}`: {why}", self.0.address.host()))
        };
        let reply = match wire.send(call).await {
            Ok(reply) if reply.status < 400 => reply,
            // Whoever repeats what was sent to it gets no token into our words.
            Ok(reply) => match &bearer {
                Some(bearer) => {
                    Reply { body: bearer.mask(&String::from_utf8_lossy(&reply.body)).into_bytes(), ..reply }
                }
                None => reply,
            },
            Err(why) => {
                turn.end(Course::Failed(Told::default()), &**clock).await?;
                return Err(unavailable(why));
            }
        };
        let document = match reply.status {
            200..=299 if is_log => Ok(Value::Null),
            _ => answer::document(&reply, purpose == Purpose::Read),
        };
        let (status, message) =
            answer::limiting(&reply, document.as_ref().unwrap_or(&Value::Null), scope == Scope::Graphql);
        let heard = Heard { status, headers: &reply.headers, message: &message };
        let told = limit::read(heard, scope, turn.blind(), clock.now().wall);
        let course = if document.is_ok() { Course::Answered(told) } else { Course::Failed(told) };
        turn.end(course, &**clock).await?;
        if reply.is_cut && !is_log {
            return Err(ForgeError::Refused(
                "GitHub's answer is longer than 16 MiB; ask for less".to_owned(),
            ));
        }
        Ok(Said { reply, body: document.map_err(unavailable)? })
    }

    /// Reads at another host, without a token and outside the turns: it is no part of GitHub's API.
    async fn foreign(&self, url: Url, most: usize) -> Result<Option<String>, ForgeError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let reply = self.0.wire.send(Call { last: Some(most), ..plain(Method::GET, url) }).await;
        let reply = reply.map_err(|why| ForgeError::Unavailable(format!("`{host}`: {why}")))?;
        match reply.status {
            200..=299 => Ok(Some(end_of(&reply.body, most))),
            403 | 404 | 410 => Ok(None),
            status => Err(ForgeError::Unavailable(format!("`{host}` answered {status}"))),
        }
    }

    async fn token_of_now(&self) -> Option<Secret> {
        let now = self.0.clock.now().wall;
        match self.0.session.login() {
            Login::Token(_) | Login::App { .. } => self.0.session.token(now),
            Login::Later(_) => {
                let inner = Arc::clone(&self.0);
                tokio::task::spawn_blocking(move || inner.session.token(now)).await.ok().flatten()
            }
        }
    }

    fn app_bearer(&self, app_id: u64, key_pem: &Secret) -> Result<Secret, ForgeError> {
        app_token::sign(app_id, key_pem, self.0.clock.now().wall)
            .map_err(|why| ForgeError::Denied(format!("the key of the GitHub App cannot be used: {why}")))
    }

    fn judge(&self, said: Said) -> Result<Answer, ForgeError> {
        let next = self.0.address.next(&said.reply.headers);
        answer::judge(said, next)
    }

    fn here(&self, reply: &Reply, asked: &Url) -> Result<Url, ForgeError> {
        match self.0.address.redirect(&reply.headers, asked)? {
            Place::Here(url) => Ok(url),
            Place::Elsewhere(url) => Err(ForgeError::Refused(format!(
                "GitHub answered with a redirect to another host (`{}`); set the address of its API",
                url.host_str().unwrap_or_default()
            ))),
        }
    }
}

fn plain(method: Method, url: Url) -> Call {
    Call { method, url, body: None, etag: None, bearer: None, last: None }
}

fn astray() -> ForgeError {
    ForgeError::Refused("GitHub answered with one redirect after the other".to_owned())
}

/// The last `most` bytes as text.
fn end_of(bytes: &[u8], most: usize) -> String {
    let is_cut = bytes.len() >= most;
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = if is_cut { text.trim_start_matches('\u{fffd}') } else { text };
    text.to_owned()
}
