//! A model of everything outside the engine: a remote, a workspace, an agent and checks that do what a test says.
//!
//! It has state, so a test reads like the story: what the agent leaves is what the checks see and what is pushed.

mod ports;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agentpr::adapters::forge::github::payload::GitHubPayloads;
use agentpr::adapters::forge::none::NoHooks;
use agentpr::app::prompt::Prompts;
use agentpr::app::{App, KnownGitHub, Ports, Settings};
use agentpr::domain::agent::budget::Budgets;
use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::quota::{Exhausted, Pool};
use agentpr::domain::agent::record::{AgentRecord, Session};
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::Tokens;
use agentpr::domain::evidence::{LogRef, ProcessRef};
use agentpr::domain::forge::fact::ForgeFact;
use agentpr::domain::gate::PrRequest;
use agentpr::domain::guard::Breach;
use agentpr::domain::id::{AttemptNo, CommitSha, Digest, RunId};
use agentpr::domain::policy::{Finding, Policy};
use agentpr::domain::spec::Limits;
use agentpr::domain::time::{Moment, Timestamp};
use agentpr::domain::verification::PinnedSpec;
use agentpr::ports::action::Actions;
use agentpr::ports::artifact::{ArtifactError, Artifacts};
use agentpr::ports::check::Checks;
use agentpr::ports::clock::Clock;
use agentpr::ports::forge::Forge;
use agentpr::ports::inbox::Inbox;
use agentpr::ports::ledger::Ledger;
use agentpr::ports::local::{LocalRepo, LocalRepos, Sample};
use agentpr::ports::notifier::Notifier;
use agentpr::ports::probe::Probe;
use agentpr::ports::random::{NoRandom, Random};
use agentpr::ports::store::{EventStore, LeaseOwner, Upkeep};
use agentpr::ports::worker::{AgentStatus, WorkOrder, Worker};
use agentpr::ports::workspace::{Workspace, WorkspaceError};
use tokio::sync::Semaphore;

/// What the agent does the next time it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentDoes {
    /// Leaves a new change and ends well.
    Changes,
    /// Ends well and changes nothing.
    Nothing,
    /// Ends with code 1.
    Fails,
    /// Works until it is let go or stopped.
    Waits,
    /// Changes something, and pushes it to the run's branch by itself.
    Pushes,
}

/// What an agent says of itself at its end.
#[derive(Debug, Clone)]
pub(crate) struct Says {
    /// Its record.
    pub record: AgentRecord,
    /// Its last words.
    pub words: String,
}

impl Says {
    /// It ended in trouble, or well.
    pub(crate) fn trouble(trouble: Option<Trouble>) -> Self {
        let class = trouble.map_or(OutcomeClass::Succeeded, Trouble::class);
        Self { record: AgentRecord::of(class, trouble), words: String::new() }
    }

    /// It used up the allowance of `pool`, which is back after so many seconds.
    pub(crate) fn quota(pool: &str, reset_secs: Option<u64>) -> Self {
        let mut says = Self::trouble(Some(Trouble::QuotaExhausted));
        says.record.exhausted = Some(Exhausted { pool: Pool::new(pool), reset_at: None, reset_secs });
        says
    }

    /// It ended well with these words.
    pub(crate) fn words(words: &str) -> Self {
        Self { words: words.to_owned(), ..Self::trouble(None) }
    }

    /// It had this conversation.
    pub(crate) fn session(mut self, role: Role, agent: &str, id: &str) -> Self {
        self.record.role = role;
        self.record.session =
            Some(Session { agent: agent.to_owned(), id: id.to_owned(), total: Tokens::default() });
        self
    }
}

#[derive(Default)]
struct State {
    agent: VecDeque<AgentDoes>,
    checks_pass: VecDeque<bool>,
    branches: BTreeMap<String, CommitSha>,
    pulls: Vec<String>,
    changes: u64,
    last_changed: bool,
    tokens: Vec<(RunId, String)>,
    pushes: Vec<CommitSha>,
    ended_leftovers: Vec<ProcessRef>,
    agents_at_once: usize,
    most_agents_at_once: usize,
    unreachable: bool,
    facts: Vec<ForgeFact>,
    limited: Option<Timestamp>,
    waited_for: bool,
    failing_pushes: u32,
    failing_captures: u32,
    prompts: Vec<String>,
    contract: Option<Vec<u8>>,
    template: Option<Vec<u8>>,
    commands: Option<Vec<String>>,
    breaches: VecDeque<Option<Breach>>,
    findings: Vec<Finding>,
    checkpoints: Vec<AttemptNo>,
    contracts_used: Vec<Option<PinnedSpec>>,
    agents: Vec<AgentStatus>,
    asked_actions: VecDeque<Option<(String, bool)>>,
    actions_run: u32,
    says: VecDeque<Says>,
    orders: Vec<WorkOrder>,
    files: BTreeMap<String, Vec<u8>>,
}

/// The model; hands itself out as every port but the store.
pub(crate) struct World {
    state: Mutex<State>,
    /// Permits let waiting agents go on.
    pub go: Semaphore,
    /// A permit for each agent that has begun to wait, and for each push that failed.
    pub waiting: Semaphore,
    wall: AtomicU64,
    boot: AtomicU64,
    chance: AtomicU64,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let world = Self {
            state: Mutex::default(),
            go: Semaphore::new(0),
            waiting: Semaphore::new(0),
            wall: AtomicU64::new(1_000_000),
            boot: AtomicU64::new(50_000),
            chance: AtomicU64::new(1),
        };
        world.lock().branches.insert("main".to_owned(), sha(1));
        Arc::new(world)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Says which agents are on this machine.
    pub(crate) fn has_agents(&self, agents: Vec<AgentStatus>) {
        self.lock().agents = agents;
    }

    /// Says what the agent does in its next runs; afterwards it changes something.
    pub(crate) fn agent_does(&self, plays: &[AgentDoes]) {
        self.lock().agent.extend(plays);
    }

    /// Says what the next agents say of themselves; afterwards they say nothing.
    pub(crate) fn agents_say(&self, says: &[Says]) {
        self.lock().says.extend(says.iter().cloned());
    }

    /// A file that was kept for a run, by its relative path.
    pub(crate) fn file(&self, path: &str) -> String {
        String::from_utf8(self.lock().files[path].clone()).unwrap()
    }

    /// The orders agents were given.
    pub(crate) fn orders(&self) -> Vec<WorkOrder> {
        self.lock().orders.clone()
    }

    /// Says how the next checks end; afterwards they pass.
    pub(crate) fn checks_pass(&self, plays: &[bool]) {
        self.lock().checks_pass.extend(plays);
    }

    /// Moves a branch of the remote to another commit.
    pub(crate) fn move_branch(&self, branch: &str, number: u64) {
        self.lock().branches.insert(branch.to_owned(), sha(number));
    }

    pub(crate) fn delete_branch(&self, branch: &str) {
        self.lock().branches.remove(branch);
    }

    /// Makes the forge one that runs wait for when it cannot be reached.
    pub(crate) fn forge_is_waited_for(&self) {
        self.lock().waited_for = true;
    }

    /// Has the forge take nothing before this moment, or everything again.
    pub(crate) fn forge_takes_nothing_before(&self, until: Option<Timestamp>) {
        self.lock().limited = until;
    }

    /// Says what the forge answers when it is asked where a pull request stands.
    pub(crate) fn forge_says(&self, facts: &[ForgeFact]) {
        self.lock().facts = facts.to_vec();
    }

    pub(crate) fn pulls(&self) -> usize {
        self.lock().pulls.len()
    }

    pub(crate) fn pushes(&self) -> Vec<CommitSha> {
        self.lock().pushes.clone()
    }

    /// The newest token that was handed to the operator for a run.
    pub(crate) fn token(&self, run: &RunId) -> String {
        let state = self.lock();
        state.tokens.iter().rev().find(|(of, _)| of == run).map(|(_, token)| token.clone()).unwrap()
    }

    pub(crate) fn leftovers_ended(&self) -> usize {
        self.lock().ended_leftovers.len()
    }

    pub(crate) fn most_agents_at_once(&self) -> usize {
        self.lock().most_agents_at_once
    }

    /// Says what the repository has as its verification contract.
    pub(crate) fn has_contract(&self, text: &str) {
        self.lock().contract = Some(text.as_bytes().to_vec());
    }

    /// Says what the guard finds after the next phases of the agent; afterwards nothing.
    pub(crate) fn guard_finds(&self, breaches: &[Option<Breach>]) {
        self.lock().breaches.extend(breaches);
    }

    /// Says what the look at every change finds.
    pub(crate) fn scan_finds(&self, findings: &[Finding]) {
        self.lock().findings = findings.to_vec();
    }

    /// Says what the next agents leave as a request for actions, and whether it is fresh.
    pub(crate) fn asks_for_actions(&self, asked: &[Option<(&str, bool)>]) {
        let owned = asked.iter().map(|one| one.map(|(text, fresh)| (text.to_owned(), fresh)));
        self.lock().asked_actions.extend(owned);
    }

    /// Says what the repository has as its template of pull requests.
    pub(crate) fn has_template(&self, text: &str) {
        self.lock().template = Some(text.as_bytes().to_vec());
    }

    /// Says which commands checks run, instead of `make test`.
    pub(crate) fn checks_with(&self, commands: &[String]) {
        self.lock().commands = Some(commands.to_vec());
    }

    /// The contracts that checks were told to follow.
    pub(crate) fn contracts_used(&self) -> Vec<Option<PinnedSpec>> {
        self.lock().contracts_used.clone()
    }

    /// How often actions were carried out.
    pub(crate) fn actions_run(&self) -> u32 {
        self.lock().actions_run
    }

    /// The attempts whose commit was kept as a checkpoint.
    pub(crate) fn checkpoints(&self) -> Vec<AttemptNo> {
        self.lock().checkpoints.clone()
    }

    pub(crate) fn prompts(&self) -> Vec<String> {
        self.lock().prompts.clone()
    }

    /// Makes the remote unreachable, or reachable again.
    pub(crate) fn unreachable(&self, unreachable: bool) {
        self.lock().unreachable = unreachable;
    }

    /// Makes the next pushes fail as a remote does that cannot be reached.
    pub(crate) fn pushes_fail(&self, count: u32) {
        self.lock().failing_pushes = count;
    }

    /// Makes the next captures fail as those of a change that is too large.
    pub(crate) fn captures_fail(&self, count: u32) {
        self.lock().failing_captures = count;
    }

    /// Lets time pass on both clocks.
    pub(crate) fn pass(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap();
        self.wall.fetch_add(ms, Ordering::SeqCst);
        self.boot.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the wall clock back; the machine's own clock goes on.
    pub(crate) fn set_wall_back(&self, span: Duration) {
        self.wall.fetch_sub(u64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// An app over `store` in this world.
    pub(crate) fn app<S: EventStore + Upkeep + Ledger + Inbox + 'static>(
        self: &Arc<Self>,
        store: &Arc<S>,
        process: &str,
    ) -> Arc<App> {
        self.app_with(store, process, |_| {})
    }

    /// The same, with settings of the test's own.
    pub(crate) fn app_with<S: EventStore + Upkeep + Ledger + Inbox + 'static>(
        self: &Arc<Self>,
        store: &Arc<S>,
        process: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Arc<App> {
        let ports = Ports {
            store: Arc::clone(store) as Arc<dyn EventStore>,
            upkeep: Arc::clone(store) as Arc<dyn Upkeep>,
            ledger: Arc::clone(store) as Arc<dyn Ledger>,
            inbox: Arc::clone(store) as Arc<dyn Inbox>,
            payloads: Arc::new(GitHubPayloads),
            hooks: Arc::new(NoHooks),
            clock: Arc::clone(self) as Arc<dyn Clock>,
            random: Arc::clone(self) as Arc<dyn Random>,
            redaction: Arc::new(agentpr::adapters::process::redact::Redactor::none()),
            probe: Arc::clone(self) as Arc<dyn Probe>,
            workspace: Arc::clone(self) as Arc<dyn Workspace>,
            worker: Arc::clone(self) as Arc<dyn Worker>,
            checks: Arc::clone(self) as Arc<dyn Checks>,
            actions: Arc::clone(self) as Arc<dyn Actions>,
            forge: Arc::clone(self) as Arc<dyn Forge>,
            artifacts: Arc::clone(self) as Arc<dyn Artifacts>,
            local: Arc::clone(self) as Arc<dyn LocalRepos>,
            notifier: Arc::clone(self) as Arc<dyn Notifier>,
        };
        let owner = LeaseOwner {
            host: format!("the machine of {process}"),
            boot: "boot".to_owned(),
            pid: 1,
            start_ticks: 1,
            name: process.to_owned(),
        };
        let mut settings = Settings {
            owner,
            branch_prefix: "agentpr/".to_owned(),
            max_parallel: 2,
            limits: Limits::default(),
            policy: Policy::default(),
            repository_policies: BTreeMap::new(),
            agent: None,
            workspace_root: PathBuf::from("/nowhere"),
            trailers: Vec::new(),
            github: KnownGitHub {
                login: None,
                web_url: "https://github.com".to_owned(),
                api_url: "https://api.github.com".to_owned(),
            },
            roles: BTreeMap::new(),
            budgets: Budgets::default(),
            prompts: Prompts::default(),
        };
        change(&mut settings);
        Arc::new(App::new(ports, settings))
    }
}

/// A commit id made of a number.
pub(crate) fn sha(number: u64) -> CommitSha {
    CommitSha::new(format!("{number:040x}")).unwrap()
}

fn digest(number: u64) -> Digest {
    Digest::new(format!("{number:064x}")).unwrap()
}

fn number(sha: &CommitSha) -> u64 {
    u64::from_str_radix(&sha.as_str()[24..], 16).unwrap()
}

impl Clock for World {
    fn now(&self) -> Moment {
        Moment {
            wall: Timestamp(i64::try_from(self.wall.load(Ordering::SeqCst)).unwrap()),
            boot: "boot".to_owned(),
            monotonic_ms: self.boot.load(Ordering::SeqCst),
        }
    }
}

impl Random for World {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandom> {
        for byte in bytes {
            let step = self.chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            *byte = u8::try_from((step >> 32) & 0xFF).unwrap();
        }
        Ok(())
    }
}

impl Notifier for World {
    fn token_issued(&self, run: &RunId, _request: &PrRequest, token: &str) {
        self.lock().tokens.push((run.clone(), token.to_owned()));
    }
}

impl Artifacts for World {
    fn write(&self, run: &RunId, name: &str, bytes: &[u8]) -> Result<LogRef, ArtifactError> {
        if name.ends_with("prompt.md") {
            self.lock().prompts.push(String::from_utf8_lossy(bytes).into_owned());
        }
        self.lock().files.insert(format!("{run}/{name}"), bytes.to_vec());
        let bytes = u64::try_from(bytes.len()).unwrap();
        Ok(LogRef { path: format!("{run}/{name}"), sha256: digest(bytes), bytes, truncated: false })
    }

    fn read_tail(&self, path: &str, _limit: u64) -> Result<Vec<u8>, ArtifactError> {
        let is_contract = path.contains("/pipeline-");
        let state = self.lock();
        let kept = state.files.get(path).cloned();
        Ok(state.contract.clone().filter(|_| is_contract).or(kept).unwrap_or_default())
    }

    fn absolute(&self, path: &str) -> PathBuf {
        Path::new("/nowhere").join(path)
    }

    fn remove(&self, _run: &RunId) -> Result<u64, ArtifactError> {
        Ok(0)
    }
}

impl LocalRepos for World {
    fn look(&self, path: &Path) -> Result<LocalRepo, WorkspaceError> {
        Err(WorkspaceError::Missing(path.to_owned()))
    }

    fn make_scratch(&self, dir: &Path) -> Result<(), WorkspaceError> {
        Err(WorkspaceError::Missing(dir.to_owned()))
    }

    fn make_sample(&self, dir: &Path, _remote: &Path) -> Result<Sample, WorkspaceError> {
        Err(WorkspaceError::Missing(dir.to_owned()))
    }
}
