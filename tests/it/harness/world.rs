//! A model of everything outside the engine: a remote, a workspace, an agent and checks that do what a test says.
//!
//! It has state, so a test reads like the story: what the agent leaves is what the checks see and what is pushed.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agentpr::app::{App, Ports, Settings};
use agentpr::domain::evidence::{
    AttemptEvidence, AttemptOutcome, Change, CheckReport, CheckResult, CheckSource, DiffStat, LogRef,
    Prepared, ProcessRef,
};
use agentpr::domain::gate::{Approved, PrRequest, PushPermit};
use agentpr::domain::guard::{Breach, GuardReport, Violation};
use agentpr::domain::id::{AttemptNo, BranchName, CommitSha, Digest, PrNumber, RepoSlug, RunId, TreeSha};
use agentpr::domain::policy::{Finding, Policy};
use agentpr::domain::signal::Signals;
use agentpr::domain::spec::{Limits, RunSpec};
use agentpr::domain::time::{Moment, Timestamp};
use agentpr::domain::verification::Stage;
use agentpr::ports::artifact::{ArtifactError, Artifacts};
use agentpr::ports::check::{CheckOrder, Checks, ChecksError};
use agentpr::ports::clock::Clock;
use agentpr::ports::forge::{Forge, ForgeError, OpenedPr};
use agentpr::ports::local::{LocalRepo, LocalRepos, Sample};
use agentpr::ports::notifier::Notifier;
use agentpr::ports::probe::Probe;
use agentpr::ports::random::{NoRandom, Random};
use agentpr::ports::store::{EventStore, LeaseOwner, Upkeep};
use agentpr::ports::worker::{OnStart, WorkOrder, WorkReport, Worker, WorkerError};
use agentpr::ports::workspace::{CaptureOrder, GuardOrder, Inspection, Workspace, WorkspaceError};
use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

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
    failing_pushes: u32,
    prompts: Vec<String>,
    contract: Option<Vec<u8>>,
    breaches: VecDeque<Option<Breach>>,
    findings: Vec<Finding>,
    checkpoints: Vec<AttemptNo>,
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

    /// Says what the agent does in its next runs; afterwards it changes something.
    pub(crate) fn agent_does(&self, plays: &[AgentDoes]) {
        self.lock().agent.extend(plays);
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
    pub(crate) fn app<S: EventStore + Upkeep + 'static>(
        self: &Arc<Self>,
        store: &Arc<S>,
        process: &str,
    ) -> Arc<App> {
        let ports = Ports {
            store: Arc::clone(store) as Arc<dyn EventStore>,
            upkeep: Arc::clone(store) as Arc<dyn Upkeep>,
            clock: Arc::clone(self) as Arc<dyn Clock>,
            random: Arc::clone(self) as Arc<dyn Random>,
            probe: Arc::clone(self) as Arc<dyn Probe>,
            workspace: Arc::clone(self) as Arc<dyn Workspace>,
            worker: Arc::clone(self) as Arc<dyn Worker>,
            checks: Arc::clone(self) as Arc<dyn Checks>,
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
        let settings = Settings {
            owner,
            branch_prefix: "agentpr/".to_owned(),
            max_parallel: 2,
            limits: Limits::default(),
            policy: Policy::default(),
            agent: None,
            workspace_root: PathBuf::from("/nowhere"),
        };
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
        let bytes = u64::try_from(bytes.len()).unwrap();
        Ok(LogRef { path: format!("{run}/{name}"), sha256: digest(bytes), bytes, truncated: false })
    }

    fn read_tail(&self, _path: &str, _limit: u64) -> Result<Vec<u8>, ArtifactError> {
        Ok(Vec::new())
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

    fn make_sample(&self, dir: &Path, _remote: &Path) -> Result<Sample, WorkspaceError> {
        Err(WorkspaceError::Missing(dir.to_owned()))
    }
}

#[async_trait]
impl Workspace for World {
    async fn prepare(&self, _run: &RunId, spec: &RunSpec) -> Result<Prepared, WorkspaceError> {
        let state = self.lock();
        if state.unreachable {
            return Err(WorkspaceError::Remote {
                remote: "model".to_owned(),
                why: "it does not answer".to_owned(),
            });
        }
        let base_branch = spec.base_branch.clone().unwrap_or_else(|| BranchName::new("main").unwrap());
        let base_sha = state.branches[base_branch.as_str()].clone();
        Ok(Prepared { base_branch, base_sha, workspace: "/nowhere/w".to_owned(), remote: "model".to_owned() })
    }

    async fn capture(&self, order: &CaptureOrder) -> Result<Option<Change>, WorkspaceError> {
        let mut state = self.lock();
        if !std::mem::take(&mut state.last_changed) {
            return Ok(order.last.clone());
        }
        state.changes += 1;
        let change = 100 + state.changes;
        Ok(Some(Change {
            head_sha: sha(change),
            tree: TreeSha::new(format!("{change:040x}")).unwrap(),
            parent_sha: order.parent_sha.clone(),
            diff_digest: digest(change),
            stat: DiffStat { files: 1, insertions: 1, deletions: 0 },
        }))
    }

    async fn inspect(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        head: &CommitSha,
    ) -> Result<Inspection, WorkspaceError> {
        Ok(Inspection {
            tree: TreeSha::new(head.as_str()).unwrap(),
            diff_digest: digest(number(head)),
            stat: DiffStat { files: 1, insertions: 1, deletions: 0 },
            paths: vec!["a.txt".to_owned()],
            protected: Vec::new(),
        })
    }

    async fn diff(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        _: &CommitSha,
        _: usize,
    ) -> Result<(Vec<u8>, bool), WorkspaceError> {
        Ok((b"+a\n".to_vec(), false))
    }

    async fn read_file(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        _: &str,
        _: u64,
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        Ok(self.lock().contract.clone())
    }

    async fn begin_phase(&self, order: &GuardOrder) -> Result<GuardReport, WorkspaceError> {
        Ok(GuardReport::clean(order.scope))
    }

    async fn end_phase(&self, order: &GuardOrder) -> Result<GuardReport, WorkspaceError> {
        let breach = self.lock().breaches.pop_front().flatten();
        let violation = breach.map(|breach| Violation { path: "pipeline.yml".to_owned(), breach });
        Ok(GuardReport::of(order.scope, violation.into_iter().collect()))
    }

    async fn take_actions(&self, _: &RepoSlug, _: &RunId) -> Result<Option<(Vec<u8>, bool)>, WorkspaceError> {
        Ok(None)
    }

    async fn scan(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        _: &CommitSha,
        _: &Policy,
    ) -> Result<Vec<Finding>, WorkspaceError> {
        Ok(self.lock().findings.clone())
    }

    async fn checkpoint(
        &self,
        _: &RepoSlug,
        _: &RunId,
        attempt: AttemptNo,
        _: &CommitSha,
    ) -> Result<(), WorkspaceError> {
        self.lock().checkpoints.push(attempt);
        Ok(())
    }

    fn path(&self, repo: &RepoSlug, run: &RunId) -> PathBuf {
        Path::new("/nowhere").join(repo.key()).join(run.as_str())
    }

    async fn remove(&self, _: &RepoSlug, _: &RunId) -> Result<u64, WorkspaceError> {
        Ok(1)
    }
}

#[async_trait]
impl Worker for World {
    async fn run(
        &self,
        order: &WorkOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError> {
        started(ProcessRef { pid: 7, start_ticks: u64::from(order.attempt.0), boot: "boot".to_owned() });
        let does = {
            let mut state = self.lock();
            state.agents_at_once += 1;
            state.most_agents_at_once = state.most_agents_at_once.max(state.agents_at_once);
            state.agent.pop_front().unwrap_or(AgentDoes::Changes)
        };
        let outcome = match does {
            AgentDoes::Fails => AttemptOutcome::Failed,
            AgentDoes::Nothing => AttemptOutcome::Succeeded,
            AgentDoes::Changes => {
                self.lock().last_changed = true;
                AttemptOutcome::Succeeded
            }
            AgentDoes::Waits => {
                self.waiting.add_permits(1);
                tokio::select! {
                    permit = self.go.acquire() => {
                        permit.unwrap().forget();
                        self.lock().last_changed = true;
                        AttemptOutcome::Succeeded
                    }
                    () = stop.cancelled() => AttemptOutcome::Stopped,
                }
            }
        };
        self.lock().agents_at_once -= 1;
        Ok(WorkReport { outcome, evidence: AttemptEvidence::default(), signals: Signals::default() })
    }

    fn probe(&self, agent: &str) -> Result<(), WorkerError> {
        match agent {
            "model" => Ok(()),
            other => {
                Err(WorkerError::UnknownAgent { agent: other.to_owned(), why: "not a model".to_owned() })
            }
        }
    }

    async fn end_leftover(&self, process: &ProcessRef) {
        self.lock().ended_leftovers.push(process.clone());
    }
}

#[async_trait]
impl Checks for World {
    async fn run(
        &self,
        order: &CheckOrder,
        _started: OnStart<'_>,
        _stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        let passes = self.lock().checks_pass.pop_front().unwrap_or(true);
        let result = CheckResult {
            command: "make test".to_owned(),
            exit_code: Some(i32::from(!passes)),
            duration_ms: 1,
            timed_out: false,
            log: None,
            excerpt: if passes { String::new() } else { "FAIL: one is not two".to_owned() },
            stage: Stage::Tests,
            tries: 1,
            limit: None,
        };
        Ok(CheckReport {
            results: vec![result],
            ..CheckReport::empty(order.head_sha.clone(), CheckSource::Given)
        })
    }

    fn read_contract(&self, bytes: &[u8]) -> Result<(), Vec<String>> {
        if bytes.starts_with(b"version: 1") { Ok(()) } else { Err(vec!["version: missing".to_owned()]) }
    }
}

#[async_trait]
impl Forge for World {
    async fn repo_id(&self, _: &RunSpec) -> Result<Option<u64>, ForgeError> {
        Ok(None)
    }

    async fn branch_head(&self, _: &RunSpec, branch: &BranchName) -> Result<Option<CommitSha>, ForgeError> {
        let state = self.lock();
        if state.unreachable {
            return Err(ForgeError::Unavailable("it does not answer".to_owned()));
        }
        Ok(state.branches.get(branch.as_str()).cloned())
    }

    async fn push(
        &self,
        _: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        let mut state = self.lock();
        if state.failing_pushes > 0 {
            state.failing_pushes -= 1;
            self.waiting.add_permits(1);
            return Err(ForgeError::Unavailable("it does not answer".to_owned()));
        }
        let found = state.branches.get(permit.branch().as_str()).cloned();
        if found.as_ref() != Some(permit.sha()) {
            if found.is_some() && found.as_ref() != expected {
                let found = found.map_or_else(|| "nothing".to_owned(), |sha| sha.to_string());
                return Err(ForgeError::Moved { branch: permit.branch().to_string(), found });
            }
            state.branches.insert(permit.branch().to_string(), permit.sha().clone());
            state.pushes.push(permit.sha().clone());
        }
        Ok(permit.sha().clone())
    }

    async fn open_pr(&self, _: &RunSpec, approved: &Approved) -> Result<OpenedPr, ForgeError> {
        let mut state = self.lock();
        let head = approved.request().binding.head_branch.to_string();
        let found = state.pulls.iter().position(|pull| *pull == head);
        let at = found.unwrap_or_else(|| {
            state.pulls.push(head);
            state.pulls.len() - 1
        });
        let number = PrNumber::new(u64::try_from(at).unwrap() + 1).unwrap();
        Ok(OpenedPr { number, url: None, found: found.is_some() })
    }

    async fn pr_document(&self, _: &RunSpec, _: PrNumber) -> Result<Option<String>, ForgeError> {
        Ok(None)
    }
}
