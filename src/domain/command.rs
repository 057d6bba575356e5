//! What may be asked of a run: imperatives, each with the facts that deciding needs.
//!
//! A command that reads the world carries what was read. [`super::decide`] answers with events or a refusal.

use super::action::{ActionsReport, ActionsRequest};
use super::agent::budget::Allowance;
use super::agent::quota::{Exhausted, Pool};
use super::agent::record::Session;
use super::agent::role::Role;
use super::event::Event;
use super::evidence::{
    AttemptEvidence, AttemptOutcome, Change, CheckReport, Contract, Prepared, ProcessRef, Step,
};
use super::forge::fact::ForgeFact;
use super::gate::{Drift, PrBinding, PrRequest};
use super::guard::GuardReport;
use super::id::{AttemptNo, BranchName, CommitSha, Digest, PrNumber, RequestId};
use super::policy::Finding;
use super::spec::RunSpec;
use super::state::State;
use super::time::Timestamp;
use super::verification::PinnedSpec;

/// One thing asked of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make the run.
    Create {
        /// The order.
        spec: Box<RunSpec>,
    },
    /// Begin discovery.
    StartDiscovery,
    /// Accept a contract by hand.
    MarkPlanReady {
        /// The contract.
        contract: Contract,
    },
    /// Begin implementation.
    StartImplementation,
    /// Go on to validation: there is a change worth checking.
    MarkLocalValidated,
    /// Begin an attempt: the intent before an effect.
    StartAttempt {
        /// What it will do.
        step: Step,
        /// Generation of the lease it is begun under.
        generation: u64,
        /// What its agent may use at most; `None` where no budget is set or no agent runs.
        reserved: Option<Allowance>,
    },
    /// Note the conversation an attempt's agent named.
    NoteSession {
        /// The attempt.
        attempt: AttemptNo,
        /// What the agent is used for.
        role: Role,
        /// The conversation.
        session: Session,
    },
    /// Wait: the allowance the run's agent needs is used up, as another run or attempt learned.
    Park {
        /// The allowance.
        exhausted: Exhausted,
    },
    /// Go on: the allowance is there again, a person says.
    LiftQuota {
        /// The allowance.
        pool: Pool,
    },
    /// Note the program an attempt started.
    NoteProcess {
        /// The attempt.
        attempt: AttemptNo,
        /// The program.
        process: ProcessRef,
    },
    /// Note what the guard found and put back during an attempt.
    NoteGuard {
        /// The attempt.
        attempt: AttemptNo,
        /// What was found.
        report: GuardReport,
    },
    /// End an attempt: the outcome after an effect.
    EndAttempt {
        /// The attempt.
        attempt: AttemptNo,
        /// What it left behind.
        evidence: AttemptEvidence,
        /// What came of it.
        outcome: StepOutcome,
    },
    /// Note a captured change that no attempt of the agent made: a person worked in the workspace.
    NoteChange {
        /// The change.
        change: Change,
    },
    /// Fix the verification contract anew, or withdraw it.
    PinVerifySpec {
        /// The contract.
        spec: Option<PinnedSpec>,
    },
    /// Give up before an agent was started: the workspace is not fit for one.
    FailPreflight {
        /// Whether what is missing may come back by itself.
        transient: bool,
        /// What is wrong, joined by `; `.
        failures: String,
    },
    /// Grant the interactive login the verification contract asks for.
    GrantAuth,
    /// Decide about actions that wait for a person.
    DecideActions {
        /// Whether they may run.
        granted: bool,
    },
    /// Hand the run to a person.
    Escalate {
        /// Reason code.
        reason: String,
        /// One sentence.
        message: String,
    },
    /// Ask for a pull request.
    RequestPr {
        /// The request; its facts were computed just before.
        request: Box<PrRequest>,
    },
    /// Confirm a request.
    Approve(Approval),
    /// End a request that cannot lead to a pull request any more.
    CancelRequest {
        /// The request.
        request: RequestId,
        /// What moved; empty when it expired.
        drift: Vec<Drift>,
    },
    /// Link a pull request by hand.
    LinkPr {
        /// Its number.
        number: PrNumber,
        /// Where it is.
        url: Option<String>,
    },
    /// Note a check of the forge.
    RecordCheck {
        /// The conclusion, lower-case.
        conclusion: String,
        /// The commit it is about.
        head_sha: Option<CommitSha>,
        /// The pull request it is about.
        pr_number: Option<PrNumber>,
    },
    /// Note a review of the forge.
    RecordReview {
        /// The review's state, lower-case.
        state: String,
        /// The commit it is about.
        head_sha: Option<CommitSha>,
    },
    /// Take in what the forge said, and go where the pull request stands by it.
    Observe {
        /// What it said.
        facts: Vec<ForgeFact>,
    },
    /// Go where the pull request stands by what is known.
    Settle,
    /// Call the run done.
    MarkDone,
    /// Pause.
    Pause,
    /// Resume, where it was paused unless another place is named.
    Resume {
        /// Where to go on.
        target: Option<State>,
    },
    /// Try again, where it failed unless another place is named.
    Retry {
        /// Where to start again.
        target: Option<State>,
    },
    /// End the run without success.
    Cancel {
        /// Why.
        reason: String,
    },
    /// End the run as not wanted.
    Skip {
        /// Why.
        reason: String,
    },
    /// Register a file with the run.
    RegisterArtifact {
        /// What it is.
        kind: String,
        /// Its path.
        path: String,
        /// Digest of its bytes.
        sha256: Digest,
        /// Its size.
        bytes: u64,
    },
}

/// A confirmation as it was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The request it names; `None` means the open one.
    pub request: Option<RequestId>,
    /// SHA-256 of the offered token.
    pub token_hash: Digest,
    /// Whether the second confirmation was given too.
    pub confirmed: bool,
    /// The facts as they are now; `None` before they were computed, which is refused when nothing else is.
    pub facts: Option<PrBinding>,
}

/// Who moves a run on after a step of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The engine, by the verdict.
    Unattended,
    /// An operator who ordered this one step.
    ByHand {
        /// Where a passed step leads: `LOCAL_VALIDATING`, `NEEDS_HUMAN_REVIEW`, or nowhere.
        success: Option<State>,
    },
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// The workspace is there.
    Prepared {
        /// What was made.
        prepared: Prepared,
        /// The verification contract that was found at the base commit.
        spec: Option<PinnedSpec>,
    },
    /// The contract is written.
    Planned(Contract),
    /// The agent ended.
    AgentEnded {
        /// How.
        outcome: AttemptOutcome,
        /// What it left; `None` when nothing differs from the base, or when it did not succeed.
        change: Option<Change>,
        /// The request for actions it left, or what became of an unusable one.
        actions: Option<ActionsFound>,
        /// Who moves the run on.
        flow: Flow,
    },
    /// The checks ran.
    Checked {
        /// What they said.
        report: CheckReport,
        /// What the look at the change's objects found.
        findings: Vec<Finding>,
        /// Who moves the run on.
        flow: Flow,
    },
    /// The branch is at the remote.
    PushDone {
        /// The branch.
        branch: BranchName,
        /// The commit, read back.
        sha: CommitSha,
        /// The request it belongs to.
        request: Option<RequestId>,
    },
    /// The pull request is open.
    PrOpened {
        /// Its number.
        number: PrNumber,
        /// Where it is.
        url: Option<String>,
        /// The request it belongs to.
        request: RequestId,
    },
    /// Requested actions were carried out.
    Acted(ActionsReport),
    /// A request to open a pull request is made.
    Requested(Box<PrRequest>),
    /// The forge takes nothing for now: the same step is due again later.
    Parked {
        /// When.
        until: Timestamp,
        /// Why, in a sentence.
        reason: String,
    },
    /// The step failed.
    Failed(Failure),
    /// Whoever performed it went away in the middle.
    Interrupted,
    /// A person paused or ended the run.
    Stopped,
}

/// What became of a file with action requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionsFound {
    /// It can be carried out.
    Request(ActionsRequest),
    /// It was put aside.
    PutAside(ActionsReport),
}

/// A failed step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the attempt ended.
    pub outcome: AttemptOutcome,
    /// A stable word.
    pub reason_code: String,
    /// What happened.
    pub message: String,
    /// Whether another try makes sense without a person.
    pub retryable: bool,
}

impl Command {
    /// The command's name, as refusals and documents spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::StartDiscovery => "start discovery",
            Self::MarkPlanReady { .. } => "mark plan ready",
            Self::StartImplementation => "start implementation",
            Self::MarkLocalValidated => "mark local validated",
            Self::StartAttempt { .. } => "start attempt",
            Self::NoteProcess { .. } => "note process",
            Self::NoteSession { .. } => "note session",
            Self::Park { .. } => "park",
            Self::LiftQuota { .. } => "lift quota",
            Self::NoteGuard { .. } => "note guard",
            Self::EndAttempt { .. } => "end attempt",
            Self::NoteChange { .. } => "note change",
            Self::PinVerifySpec { .. } => "pin verify spec",
            Self::FailPreflight { .. } => "fail preflight",
            Self::GrantAuth => "grant auth",
            Self::DecideActions { .. } => "decide actions",
            Self::Escalate { .. } => "escalate",
            Self::RequestPr { .. } => "request pr",
            Self::Approve(_) => "approve",
            Self::CancelRequest { .. } => "cancel request",
            Self::LinkPr { .. } => "link pr",
            Self::RecordCheck { .. } => "record check",
            Self::RecordReview { .. } => "record review",
            Self::Observe { .. } => "observe",
            Self::Settle => "settle",
            Self::MarkDone => "mark done",
            Self::Pause => "pause",
            Self::Resume { .. } => "resume",
            Self::Retry { .. } => "retry",
            Self::Cancel { .. } => "cancel",
            Self::Skip { .. } => "skip",
            Self::RegisterArtifact { .. } => "register artifact",
        }
    }

    /// Every command name, for documents.
    pub const NAMES: &'static [&'static str] = &[
        "create",
        "start discovery",
        "mark plan ready",
        "start implementation",
        "mark local validated",
        "start attempt",
        "note process",
        "note session",
        "park",
        "lift quota",
        "note guard",
        "end attempt",
        "note change",
        "pin verify spec",
        "fail preflight",
        "grant auth",
        "decide actions",
        "escalate",
        "request pr",
        "approve",
        "cancel request",
        "link pr",
        "record check",
        "record review",
        "observe",
        "settle",
        "mark done",
        "pause",
        "resume",
        "retry",
        "cancel",
        "skip",
        "register artifact",
    ];

    /// Says whether `recorded` is what this command would have recorded: the test a repeated idempotency key must pass.
    ///
    /// Only commands that accept a key can answer yes.
    pub fn is_occurrence(&self, recorded: &Event) -> bool {
        match (self, recorded) {
            (Self::StartDiscovery, Event::DiscoveryStarted(_))
            | (Self::StartImplementation, Event::ImplementationStarted(_))
            | (Self::MarkLocalValidated, Event::ValidationStarted(_))
            | (Self::MarkDone, Event::MarkedDone(_))
            | (Self::Pause, Event::PausedByPerson(_)) => true,
            (Self::Create { spec }, Event::RunCreated(body)) => **spec == body.spec,
            (Self::MarkPlanReady { contract }, Event::PlanReady(body)) => *contract == body.contract,
            (Self::LinkPr { number, url }, Event::PrLinked(body)) => {
                *number == body.pr_number && *url == body.url
            }
            (Self::RecordCheck { conclusion, head_sha, pr_number }, Event::CheckRecorded(body)) => {
                *conclusion == body.conclusion && *head_sha == body.head_sha && *pr_number == body.pr_number
            }
            (Self::RecordReview { state, head_sha }, Event::ReviewRecorded(body)) => {
                *state == body.state && *head_sha == body.head_sha
            }
            (Self::Resume { target }, Event::Resumed(body)) => target.is_none_or(|t| t == body.target_state),
            (Self::Retry { target }, Event::Retried(body)) => target.is_none_or(|t| t == body.target_state),
            (Self::PinVerifySpec { spec }, Event::VerifySpecPinned(body)) => *spec == body.spec,
            (Self::DecideActions { granted }, Event::ActionsDecided(body)) => *granted == body.granted,
            (Self::Cancel { reason }, Event::Cancelled(body)) => *reason == body.reason,
            (Self::Skip { reason }, Event::Skipped(body)) => *reason == body.reason,
            _ => false,
        }
    }
}
