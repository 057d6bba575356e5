//! What the engine saw with its own eyes: attempts, captured changes, checks it ran.

use serde::{Deserialize, Serialize};

use super::agent::record::AgentRecord;
use super::confine::{LimitKind, Tier};
use super::id::{AttemptNo, BranchName, CommitSha, Digest, TreeSha};
use super::signal::Signals;
use super::verification::{Blocked, Stage};

/// One kind of work an attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Control repository, the agent's clone, the base commit.
    Prepare,
    /// The contract is written.
    Plan,
    /// The agent works, and its change is captured.
    Agent,
    /// Actions the agent asked for are carried out.
    Actions,
    /// The checks run on the exact commit.
    Checks,
    /// A request to open a pull request is made.
    PrRequest,
    /// The approved commit goes to the remote.
    Push,
    /// The pull request is opened.
    PrCreate,
}

impl Step {
    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Plan => "plan",
            Self::Agent => "agent",
            Self::Actions => "actions",
            Self::Checks => "checks",
            Self::PrRequest => "pr_request",
            Self::Push => "push",
            Self::PrCreate => "pr_create",
        }
    }

    /// Says whether the step changes something outside this machine's data directory.
    ///
    /// Such a step is never cut off on purpose, and always looks before it acts.
    pub fn touches_the_world(self) -> bool {
        matches!(self, Self::Push | Self::PrCreate)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It did what the step is for.
    Succeeded,
    /// It ran to its end and did not.
    Failed,
    /// It was stopped at its time limit.
    TimedOut,
    /// It was stopped at another limit; the evidence says which.
    OverLimit,
    /// It could not be started.
    CouldNotStart,
    /// The process that performed it went away in the middle.
    Interrupted,
    /// A person paused or cancelled the run.
    Stopped,
}

/// What a step that was given to another program leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttemptEvidence {
    /// Exit code; `None` when a signal ended it or it never ran.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Wall time in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
    /// The agent by its name without arguments, such as `codex` or `command`; empty where none ran.
    #[serde(default)]
    pub worker: String,
    /// The program that ran and its version, as far as known.
    #[serde(default)]
    pub program: String,
    /// Where the captured output lies, relative to the artifact directory.
    #[serde(default)]
    pub log: Option<LogRef>,
    /// One line that says what happened, for people.
    #[serde(default)]
    pub message: String,
    /// The tier it ran under; `None` where no program ran.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// The limit that ended it.
    #[serde(default)]
    pub limit: Option<LimitKind>,
    /// What its transcript says; `None` where none was read.
    #[serde(default)]
    pub signals: Option<Box<Signals>>,
    /// What is known of the agent; `None` where none ran.
    #[serde(default)]
    pub agent: Option<Box<AgentRecord>>,
}

/// A log kept as a file beside the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRef {
    /// Path relative to the artifact directory.
    pub path: String,
    /// SHA-256 of the stored bytes.
    pub sha256: Digest,
    /// Stored bytes.
    pub bytes: u64,
    /// Whether bytes beyond the cap were dropped.
    #[serde(default)]
    pub truncated: bool,
}

/// The workspace as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The branch the work is built on.
    pub base_branch: BranchName,
    /// Its commit when the workspace was made.
    pub base_sha: CommitSha,
    /// Where the agent's clone lies, absolute.
    pub workspace: String,
    /// The remote as shown to people, without credentials.
    pub remote: String,
}

/// The contract a run works from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Path as given by the operator, or relative to the artifact directory when the engine wrote it.
    pub path: String,
    /// SHA-256 of its bytes when it was accepted; `None` when it could not be read then.
    #[serde(default)]
    pub sha256: Option<Digest>,
}

/// A commit the engine made from what the agent left, in the control repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The commit.
    pub head_sha: CommitSha,
    /// Its tree.
    pub tree: TreeSha,
    /// Its parent: the base commit, or the commit pushed last.
    pub parent_sha: CommitSha,
    /// Digest of the raw diff from the run's base commit to this one.
    pub diff_digest: Digest,
    /// Size of that diff.
    pub stat: DiffStat,
}

/// The size of a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DiffStat {
    /// Files touched.
    pub files: u32,
    /// Lines added; binary files count none.
    pub insertions: u32,
    /// Lines removed; binary files count none.
    pub deletions: u32,
}

/// One check command and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The command as a person would type it.
    pub command: String,
    /// Exit code; `None` when a signal or the time limit ended it, or it could not start.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Wall time in milliseconds.
    pub duration_ms: u64,
    /// Whether the time limit ended it.
    #[serde(default)]
    pub timed_out: bool,
    /// Its output.
    #[serde(default)]
    pub log: Option<LogRef>,
    /// The lines a fixer needs: errors first, at most 2,000 characters.
    #[serde(default)]
    pub excerpt: String,
    /// The stage it belongs to.
    #[serde(default)]
    pub stage: Stage,
    /// Which try this was, starting at 1; earlier tries are only in the artifacts.
    #[serde(default = "first_try")]
    pub tries: u32,
    /// The limit that ended it, wall time aside.
    #[serde(default)]
    pub limit: Option<LimitKind>,
    /// The operator's pattern that says this failure is known; such a failure stops nothing.
    #[serde(default)]
    pub known_failure: Option<String>,
}

fn first_try() -> u32 {
    1
}

impl CheckResult {
    /// Says whether a test runner ended with its own code for "no tests found": pytest's 5.
    ///
    /// Such a command is no failure and no proof. Source: pytest's list of exit codes, `NO_TESTS_COLLECTED`.
    pub fn ran_nothing(&self) -> bool {
        let names_pytest = self.command.split_whitespace().any(|word| word.ends_with("pytest"));
        self.exit_code == Some(5) && names_pytest && !self.timed_out && self.limit.is_none()
    }

    /// Says whether it stops nothing: it passed, found nothing to run, or failed in a way that is known.
    pub fn is_acceptable(&self) -> bool {
        self.passed() || self.ran_nothing() || self.known_failure.is_some()
    }

    /// Says whether the command ended by itself with code 0.
    pub fn passed(&self) -> bool {
        self.exit_code == Some(0) && !self.timed_out && self.limit.is_none()
    }
}

/// Where a run's check commands came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckSource {
    /// Named by the operator.
    Given,
    /// Named by the verification contract.
    Contract,
    /// Found by looking at the repository.
    Detected,
    /// None found.
    Nothing,
}

/// What the checks said about one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The commit they ran on, in a clean checkout.
    pub head_sha: CommitSha,
    /// Where the commands came from.
    pub source: CheckSource,
    /// One entry per command that ran, with its last try; the first failure is the last entry.
    pub results: Vec<CheckResult>,
    /// The contract it followed, by digest; `None` where there is none.
    #[serde(default)]
    pub contract: Option<Digest>,
    /// Why it did not run to an answer.
    #[serde(default)]
    pub blocked: Option<Blocked>,
    /// What is wrong with the measurements, one entry each; empty when they are right or were not asked for.
    #[serde(default)]
    pub metrics_errors: Vec<String>,
    /// What went wrong without changing the answer: a teardown that failed, a file that could not be kept.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The lowest tier a command ran under.
    #[serde(default)]
    pub tier: Option<Tier>,
}

/// The one-word answer of a [`CheckReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// Every command passed, and there was at least one.
    Passed,
    /// A command failed.
    Failed,
    /// There was nothing to run, or nothing that proves anything.
    NoEvidence,
    /// The contract could not be carried out; the report says why.
    Blocked,
}

impl CheckOutcome {
    /// The name that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NoEvidence => "no evidence",
            Self::Blocked => "blocked",
        }
    }
}

impl CheckReport {
    /// A report of one commit with nothing in it yet.
    pub fn empty(head_sha: CommitSha, source: CheckSource) -> Self {
        Self {
            head_sha,
            source,
            results: Vec::new(),
            contract: None,
            blocked: None,
            metrics_errors: Vec::new(),
            warnings: Vec::new(),
            tier: None,
        }
    }

    /// The answer: passed only when something that proves anything ran, and all of it passed.
    pub fn outcome(&self) -> CheckOutcome {
        if self.blocked.is_some() {
            CheckOutcome::Blocked
        } else if !self.results.iter().all(CheckResult::is_acceptable) || !self.metrics_errors.is_empty() {
            CheckOutcome::Failed
        } else if self.evidence() == 0 {
            CheckOutcome::NoEvidence
        } else {
            CheckOutcome::Passed
        }
    }

    /// How many commands ran that prove something: they passed, or failed only in a way the operator knows.
    pub fn evidence(&self) -> u32 {
        let proves = |result: &&CheckResult| {
            result.stage.is_evidence() && (result.passed() || result.known_failure.is_some())
        };
        let proofs = self.results.iter().filter(proves);
        u32::try_from(proofs.count()).unwrap_or(u32::MAX)
    }

    /// The stage that failed.
    pub fn failed_stage(&self) -> Option<Stage> {
        let command = self.results.iter().find(|result| !result.is_acceptable());
        command.map(|result| result.stage).or((!self.metrics_errors.is_empty()).then_some(Stage::Metrics))
    }
}

/// A program started for an attempt, so that a later boot can find what an earlier one left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Process id, also the id of its process group.
    pub pid: i32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat`: tells a reused pid apart.
    pub start_ticks: u64,
    /// The boot it belongs to.
    pub boot: String,
}

/// An attempt that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Its number.
    pub no: AttemptNo,
    /// What it does.
    pub step: Step,
    /// The fencing generation of the lease it was begun under.
    pub generation: u64,
    /// The program it started, once known.
    pub process: Option<ProcessRef>,
}
