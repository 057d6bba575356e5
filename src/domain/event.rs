//! The events of a run: everything that ever happened to it, in the past tense.
//!
//! The stored name of an event is a literal in the table below, so renaming a Rust type cannot change the log. Names of
//! the seed (`command.run.create`, `worker.step.failed`, ...) stand where the seed has one. A shape never changes in
//! place: a new shape gets a new schema number and an upcast here. Unknown fields in a stored body are ignored, so an
//! older program reads what a newer one wrote as long as the schema number is known. `docs/events.md` lists them all.

use serde::{Deserialize, Serialize};

use super::action::{ActionsReport, ActionsRequest};
use super::actor::Actor;
use super::agent::budget::Allowance;
use super::agent::quota::Pool;
use super::agent::record::Session;
use super::agent::role::Role;
use super::evidence::{
    AttemptEvidence, AttemptOutcome, Change, CheckReport, Contract, Prepared, ProcessRef, Step,
};
use super::forge::fact::{CheckFact, CommentFact, HeadFact, PullFact, RepositoryFact, ReviewFact};
use super::gate::{CancelReason, Drift, PrRequest};
use super::guard::GuardReport;
use super::id::{
    AttemptNo, BranchName, CommitSha, Digest, EventSeq, IdempotencyKey, PrNumber, RequestId, RunId, Version,
};
use super::policy::Finding;
use super::spec::RunSpec;
use super::state::State;
use super::time::Timestamp;
use super::verdict::Verdict;
use super::verification::PinnedSpec;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $wire:literal / $schema:literal { $($(#[$fdoc:meta])* $field:ident : $ty:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name { $($(#[$fdoc])* pub $field: $ty),* }

            impl From<$name> for Event {
                fn from(body: $name) -> Self {
                    Event::$name(body)
                }
            }
        )*

        /// One thing that happened to a run.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name($name)),*
        }

        impl Event {
            /// Stored names of all events with their current schema numbers, in the order of a run's life.
            pub const NAMES: &'static [(&'static str, u32)] = &[$(($wire, $schema)),*];

            /// The stored name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $wire),* }
            }

            /// The schema number the body is written with.
            pub fn schema(&self) -> u32 {
                match self { $(Self::$name(_) => $schema),* }
            }

            /// The body as JSON text, fields in declaration order.
            ///
            /// # Errors
            /// Only when serialising a value fails, which no event type can cause.
            pub fn body(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$name(body) => serde_json::to_string(body)),* }
            }

            /// Reads a stored event.
            ///
            /// # Errors
            /// [`UnreadableEvent`] for an unknown name, a schema newer than this program, or a body that does not fit.
            pub fn read(name: &str, schema: u32, body: &str) -> Result<Self, UnreadableEvent> {
                let wrong = |why: String| UnreadableEvent { name: name.to_owned(), schema, why };
                match name {
                    $($wire if schema == $schema => serde_json::from_str::<$name>(body)
                        .map(Self::$name)
                        .map_err(|err| wrong(err.to_string())),)*
                    _ => Err(wrong("this program does not know that name and schema".to_owned())),
                }
            }
        }
    };
}

/// A stored event that this program cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{name}` (schema {schema}) is unreadable: {why}")]
pub struct UnreadableEvent {
    /// Stored name.
    pub name: String,
    /// Stored schema number.
    pub schema: u32,
    /// What is wrong.
    pub why: String,
}

events! {
    /// The run was accepted.
    RunCreated = "command.run.create" / 1 {
        /// The order it was made from.
        spec: RunSpec,
    }
    /// Discovery began.
    DiscoveryStarted = "command.start.discovery" / 1 {}
    /// The control repository, the base commit and the agent's clone are there.
    WorkspacePrepared = "workspace.prepared" / 1 {
        /// What was made.
        prepared: Prepared,
    }
    /// The verification contract the run is judged by was read and fixed, or fixed anew by a person.
    VerifySpecPinned = "verify.pinned" / 1 {
        /// The contract; `None` when a person withdrew it, so that the commands given or found are used again.
        spec: Option<PinnedSpec>,
    }
    /// A person granted the interactive login the verification contract asks for.
    AuthGranted = "auth.granted" / 1 {}
    /// There is a contract to work from.
    PlanReady = "worker.discovery.completed" / 1 {
        /// The contract.
        contract: Contract,
    }
    /// Implementation began, or began again.
    ImplementationStarted = "command.start.implementation" / 1 {}
    /// An attempt began: the intent before an effect.
    AttemptStarted = "attempt.started" / 1 {
        /// Its number in the run.
        attempt: AttemptNo,
        /// What it does.
        step: Step,
        /// Fencing generation of the lease it was begun under.
        generation: u64,
        /// What its agent may use at most, by the budgets; it is charged this much when nobody can read what it used.
        #[serde(default)]
        reserved: Option<Allowance>,
    }
    /// The attempt started a program.
    ProcessStarted = "attempt.process" / 1 {
        /// The attempt.
        attempt: AttemptNo,
        /// The program.
        process: ProcessRef,
    }
    /// The agent of an attempt named its conversation, which a later attempt can go on with.
    SessionNamed = "attempt.session" / 1 {
        /// The attempt.
        attempt: AttemptNo,
        /// What the agent is used for.
        role: Role,
        /// The conversation.
        session: Session,
    }
    /// The run waits for an agent's allowance to come back.
    QuotaParked = "quota.parked" / 1 {
        /// Whose allowance.
        pool: Pool,
        /// When it is there again as far as the provider said, without the run's own spread; `None` when it did not say.
        reset_at: Option<Timestamp>,
        /// Until when the run waits.
        until: Timestamp,
        /// How many times in a row it waits, this time included.
        times: u32,
    }
    /// A person said that an allowance is there again.
    QuotaLifted = "quota.lifted" / 1 {
        /// Whose allowance.
        pool: Pool,
    }
    /// An attempt ended: the outcome after an effect.
    AttemptEnded = "attempt.ended" / 1 {
        /// Its number in the run.
        attempt: AttemptNo,
        /// What it did.
        step: Step,
        /// How it ended.
        outcome: AttemptOutcome,
        /// What it left behind.
        evidence: AttemptEvidence,
    }
    /// A phase touched what it may not; what can be put back was put back.
    GuardViolated = "guard.violated" / 1 {
        /// The attempt.
        attempt: AttemptNo,
        /// What was found.
        report: GuardReport,
    }
    /// The agent left a request for actions; nothing of it has run yet.
    ActionsRequested = "actions.requested" / 1 {
        /// The attempt that left it.
        attempt: AttemptNo,
        /// What is asked for.
        request: ActionsRequest,
    }
    /// A person decided about requested actions.
    ActionsDecided = "actions.decided" / 1 {
        /// Whether they may run.
        granted: bool,
    }
    /// The engine carried requested actions out, or put the request aside.
    ActionsExecuted = "actions.executed" / 1 {
        /// What came of them.
        report: ActionsReport,
    }
    /// The engine made a commit from what the agent left.
    ChangeCaptured = "change.captured" / 1 {
        /// The commit.
        change: Change,
    }
    /// Validation began: there is a change worth checking.
    ValidationStarted = "command.local.validation.passed" / 1 {}
    /// The engine ran the checks.
    ChecksFinished = "checks.finished" / 1 {
        /// What they said.
        report: CheckReport,
    }
    /// The objects of a change were looked at by the run's policy.
    PolicyScanned = "policy.scanned" / 1 {
        /// The commit.
        head_sha: CommitSha,
        /// What was found, blocking findings first, at most 50.
        findings: Vec<Finding>,
        /// Blocking findings, however many are listed.
        blocking: u32,
    }
    /// The evidence was weighed.
    VerdictRendered = "verdict.rendered" / 1 {
        /// The verdict.
        verdict: Verdict,
    }
    /// Checks failed and another round is left.
    FixRequested = "fix.requested" / 1 {
        /// Number of the round, starting at 1.
        round: u32,
        /// Why.
        reason: String,
    }
    /// A person has to decide.
    HumanReviewRequested = "review.requested" / 1 {
        /// Reason code, such as `ready_for_review`.
        reason: String,
        /// One sentence for people.
        message: String,
    }
    /// A step failed.
    StepFailed = "worker.step.failed" / 1 {
        /// The step as the seed names it, or a step's own name.
        step: String,
        /// Reason code.
        reason_code: String,
        /// What happened.
        error_message: String,
        /// Whether another try makes sense without a person.
        retryable: bool,
    }
    /// A step ran out of time.
    TimedOut = "timer.timeout" / 1 {
        /// The step.
        step: String,
    }
    /// A request to open a pull request was made; an older one is cancelled by it.
    PrRequested = "pr.requested" / 1 {
        /// The request.
        request: PrRequest,
    }
    /// A wrong token was offered.
    TokenRefused = "pr.token_refused" / 1 {
        /// The request it was offered for.
        request: RequestId,
        /// Wrong tokens so far, this one included.
        wrong_tokens: u32,
    }
    /// A request ended without a pull request.
    PrRequestCancelled = "pr.request_cancelled" / 1 {
        /// The request.
        request: RequestId,
        /// Why.
        reason: CancelReason,
        /// What moved, when it is stale.
        drift: Vec<Drift>,
    }
    /// A person confirmed a request; its token is used up.
    PrApproved = "pr.approved" / 1 {
        /// The request.
        request: RequestId,
        /// Who confirmed, and through which door.
        by: Actor,
        /// Whether it follows from what that person confirmed before: the run's rules let updates of an approved pull request go
        /// without being asked for again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        standing: bool,
    }
    /// The branch is at the remote.
    Pushed = "worker.push.completed" / 1 {
        /// The branch.
        branch: BranchName,
        /// The commit it points to, read back.
        sha: CommitSha,
        /// The request it was approved by; `None` when an operator ordered it before the gate.
        request: Option<RequestId>,
    }
    /// The run has its pull request.
    PrLinked = "command.pr.linked" / 1 {
        /// Its number.
        pr_number: PrNumber,
        /// Where it is, when known.
        url: Option<String>,
        /// The request it was opened for; `None` when a person linked it by hand.
        request: Option<RequestId>,
    }
    /// A check at the forge ended.
    CheckRecorded = "github.check.completed" / 1 {
        /// The conclusion, lower-case.
        conclusion: String,
        /// The commit it was about; `None` when the teller did not say.
        head_sha: Option<CommitSha>,
        /// The pull request it was about.
        pr_number: Option<PrNumber>,
        /// The one check, as the forge told it; `None` when a person or a script told of all of them together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check: Option<Box<CheckFact>>,
    }
    /// A review was submitted at the forge.
    ReviewRecorded = "github.review.submitted" / 1 {
        /// The review's state, lower-case.
        state: String,
        /// The commit it was about; `None` when the teller did not say.
        #[serde(default)]
        head_sha: Option<CommitSha>,
        /// The verdict, as the forge told it; `None` when a person or a script told it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        review: Option<Box<ReviewFact>>,
    }
    /// Something was written at the pull request.
    CommentRecorded = "github.comment.created" / 1 {
        /// What.
        comment: CommentFact,
    }
    /// The pull request changed at the forge.
    PullChanged = "github.pull_request.changed" / 1 {
        /// What it is now.
        pull: PullFact,
    }
    /// The branch of the work points somewhere else.
    HeadSeen = "github.head.seen" / 1 {
        /// Where.
        head: HeadFact,
    }
    /// The repository was renamed, transferred, archived, or is gone.
    RepositoryChanged = "github.repository.changed" / 1 {
        /// What it is now.
        repository: RepositoryFact,
    }
    /// All checks of the pull request passed.
    ChecksPassed = "pr.checks_passed" / 1 {
        /// The commit.
        head_sha: CommitSha,
    }
    /// Checks of the pull request are to be waited for, again.
    ChecksPending = "pr.checks_pending" / 1 {
        /// The commit.
        head_sha: CommitSha,
    }
    /// The pull request was sent back.
    SentBack = "pr.sent_back" / 1 {
        /// The commit.
        head_sha: CommitSha,
        /// Names of the checks that failed, at most 50.
        checks: Vec<String>,
        /// Who asks for changes, at most 50.
        reviewers: Vec<String>,
    }
    /// Somebody else moved the branch of the pull request.
    HeadMoved = "pr.head_moved" / 1 {
        /// Where to.
        sha: CommitSha,
        /// Who, by login, where known.
        by: Option<String>,
    }
    /// The pull request is over.
    PrClosed = "pr.closed" / 1 {
        /// Whether it was merged.
        merged: bool,
        /// Who ended it, by login, where known.
        by: Option<String>,
    }
    /// The forge takes nothing for now; what is approved waits.
    ForgeParked = "forge.parked" / 1 {
        /// Until when nothing is asked of it for this run.
        until: Timestamp,
        /// Why, in a sentence.
        reason: String,
        /// How many times in a row, this time included.
        times: u32,
    }
    /// A person, or the forge, called it done.
    MarkedDone = "command.mark.done" / 1 {}
    /// A person paused the run.
    PausedByPerson = "command.pause" / 1 {}
    /// A person resumed the run.
    Resumed = "command.resume" / 1 {
        /// Where it goes on.
        target_state: State,
    }
    /// A person ordered another try.
    Retried = "command.retry" / 1 {
        /// Where it starts again.
        target_state: State,
    }
    /// A person cancelled the run.
    Cancelled = "command.cancel" / 1 {
        /// Why, in the person's words; may be empty.
        reason: String,
    }
    /// The run is not wanted any more.
    Skipped = "command.skip" / 1 {
        /// Why, in the person's words; may be empty.
        reason: String,
    }
    /// A file was registered with the run.
    ArtifactRegistered = "artifact.registered" / 1 {
        /// What it is: `contract`, `prompt`, `pr_open_request`, `agent_runtime_report`, ...
        kind: String,
        /// Path, relative to the artifact directory unless absolute.
        path: String,
        /// SHA-256 of its bytes.
        sha256: Digest,
        /// Its size.
        bytes: u64,
    }
}

/// An event as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Position in the whole log.
    pub seq: EventSeq,
    /// The run.
    pub run: RunId,
    /// Position within the run, starting at 1.
    pub version: Version,
    /// When it was appended, by the wall clock; order comes from `seq`, never from this.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The event that led to it, when one did.
    pub cause: Option<EventSeq>,
    /// The caller's name for the occurrence.
    pub key: Option<IdempotencyKey>,
    /// State of the run after it.
    pub state: State,
    /// What happened.
    pub event: Event,
}
