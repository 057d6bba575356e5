//! Things the domain's tests talk about: commits, requests, reports, and one of every event.

use agentpr::domain::action::{ActionKind, ActionLine, ActionResult, ActionsReport, ActionsRequest, Risk};
use agentpr::domain::actor::{Actor, Channel};
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::quota::{Exhausted, Pool};
use agentpr::domain::agent::record::{AgentRecord, Session};
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::{MoneySource, Tokens, Usage};
use agentpr::domain::command::{Approval, Failure, StepOutcome};
use agentpr::domain::event::{
    ActionsDecided, ActionsExecuted, ActionsRequested, ArtifactRegistered, AttemptEnded, AttemptStarted,
    AuthGranted, Cancelled, ChangeCaptured, CheckRecorded, ChecksFinished, ChecksPassed, ChecksPending,
    CommentRecorded, DiscoveryStarted, Event, FixRequested, ForgeParked, GuardViolated, HeadMoved, HeadSeen,
    HumanReviewRequested, ImplementationStarted, MarkedDone, PausedByPerson, PlanReady, PolicyScanned,
    PrApproved, PrClosed, PrLinked, PrRequestCancelled, PrRequested, ProcessStarted, PullChanged, Pushed,
    QuotaLifted, QuotaParked, RepositoryChanged, Resumed, Retried, ReviewRecorded, RunCreated, SentBack,
    SessionNamed, Skipped, StepFailed, TimedOut, TokenRefused, ValidationStarted, VerdictRendered,
    VerifySpecPinned, WorkspacePrepared,
};
use agentpr::domain::evidence::{
    AttemptEvidence, AttemptOutcome, Change, CheckOutcome, CheckReport, CheckResult, CheckSource, Contract,
    DiffStat, LogRef, Prepared, ProcessRef, Step,
};
use agentpr::domain::forge::fact::PullState;
use agentpr::domain::gate::{CancelReason, Drift, PolicyReport, PrBinding, PrRequest, REQUEST_TTL};
use agentpr::domain::guard::{Breach, GuardReport, Scope, Violation};
use agentpr::domain::id::{AttemptNo, BranchName, CommitSha, Digest, PrNumber, RequestId, RunId, TreeSha};
use agentpr::domain::policy::Policy;
use agentpr::domain::spec::{Delivery, Limits, RunSpec};
use agentpr::domain::state::State;
use agentpr::domain::time::{Moment, Timestamp};
use agentpr::domain::verdict::{Evidence, verdict};
use agentpr::domain::verification::{Blocked, Stage};

use super::facts;

pub(super) fn run_id() -> RunId {
    RunId::new("run-1").unwrap()
}

pub(super) fn sha(n: u8) -> CommitSha {
    CommitSha::new(format!("{n:02x}").repeat(20)).unwrap()
}

pub(super) fn digest(n: u8) -> Digest {
    Digest::new(format!("{n:02x}").repeat(32)).unwrap()
}

pub(super) fn branch(name: &str) -> BranchName {
    BranchName::new(name).unwrap()
}

pub(super) fn pr(number: u64) -> PrNumber {
    PrNumber::new(number).unwrap()
}

pub(super) fn person() -> Actor {
    Actor::cli("ann")
}

pub(super) fn github() -> Actor {
    Actor { channel: Channel::Github, name: "github".to_owned() }
}

/// Ten o'clock: where every story begins.
pub(super) fn start() -> Moment {
    Moment { wall: Timestamp(36_000_000), boot: "boot-1".to_owned(), monotonic_ms: 1_000_000 }
}

/// Ten o'clock and so many minutes by both clocks.
pub(super) fn minutes(n: u64) -> Moment {
    let begun = start();
    Moment {
        wall: Timestamp(begun.wall.0 + i64::try_from(n * 60_000).unwrap()),
        monotonic_ms: begun.monotonic_ms + n * 60_000,
        ..begun
    }
}

/// An order whose steps a person gives one by one.
pub(super) fn manual_spec() -> RunSpec {
    RunSpec {
        repo: "octo/hello".parse().unwrap(),
        prompt_version: "v1".to_owned(),
        task: "mend the test".to_owned(),
        agent: None,
        model: None,
        roles: std::collections::BTreeMap::default(),
        budgets: agentpr::domain::agent::budget::Budgets::default(),
        checks: vec!["cargo test".to_owned()],
        base_branch: None,
        remote: None,
        head_branch: branch("agentpr/run-1"),
        delivery: Delivery::Pr,
        title: None,
        limits: Limits::default(),
        policy: Policy::default(),
    }
}

/// An order the engine drives.
pub(super) fn driven_spec() -> RunSpec {
    RunSpec { agent: Some("codex".to_owned()), ..manual_spec() }
}

pub(super) fn contract() -> Contract {
    Contract { path: "contract.md".to_owned(), sha256: Some(digest(7)) }
}

pub(super) fn prepared() -> Prepared {
    Prepared {
        base_branch: branch("main"),
        base_sha: sha(0xb0),
        workspace: "/w/octo/hello/run-1".to_owned(),
        remote: "https://example.test/octo/hello".to_owned(),
    }
}

pub(super) fn change(n: u8) -> Change {
    Change {
        head_sha: sha(n),
        tree: TreeSha::new(format!("{n:02x}").repeat(20)).unwrap(),
        parent_sha: sha(0xb0),
        diff_digest: digest(n),
        stat: DiffStat { files: 1, insertions: 2, deletions: 3 },
    }
}

pub(super) fn report(n: u8, outcome: CheckOutcome) -> CheckReport {
    let result = |code| CheckResult {
        command: "cargo test".to_owned(),
        exit_code: Some(code),
        duration_ms: 5,
        timed_out: false,
        log: None,
        excerpt: String::new(),
        stage: Stage::Tests,
        tries: 1,
        limit: None,
        known_failure: None,
    };
    let (source, results) = match outcome {
        CheckOutcome::Passed => (CheckSource::Given, vec![result(0)]),
        CheckOutcome::Failed => (CheckSource::Given, vec![result(101)]),
        CheckOutcome::NoEvidence => (CheckSource::Nothing, vec![]),
        CheckOutcome::Blocked => (CheckSource::Contract, vec![]),
    };
    let blocked = (outcome == CheckOutcome::Blocked)
        .then(|| Blocked { code: "blocked_by_policy".to_owned(), detail: "`sudo make`".to_owned() });
    CheckReport { results, blocked, ..CheckReport::empty(sha(n), source) }
}

/// The facts of a request about change `n`, were it made now.
pub(super) fn binding(n: u8) -> PrBinding {
    PrBinding {
        repo: "octo/hello".parse().unwrap(),
        repo_id: Some(42),
        base_branch: branch("main"),
        base_sha: sha(0xb0),
        head_branch: branch("agentpr/run-1"),
        head_sha: sha(n),
        tree: TreeSha::new(format!("{n:02x}").repeat(20)).unwrap(),
        diff_digest: digest(n),
        text_digest: digest(0xee),
        policy_digest: digest(0xef),
    }
}

pub(super) fn request_id(n: u8) -> RequestId {
    RequestId::new(format!("request-{n}")).unwrap()
}

/// Request `id` about change `n`; its token's hash is `digest(id)`.
pub(super) fn request(id: u8, n: u8) -> PrRequest {
    PrRequest {
        id: request_id(id),
        binding: binding(n),
        title: "Mend the test".to_owned(),
        body: "It was broken.".to_owned(),
        draft: false,
        requester: Actor::engine(),
        issued: start(),
        ttl_secs: REQUEST_TTL.as_secs(),
        token_hash: digest(id),
        card: PolicyReport { checks: Some(CheckOutcome::Passed), ..PolicyReport::default() },
    }
}

/// The right confirmation of `request(id, n)`.
pub(super) fn approval(id: u8, n: u8) -> Approval {
    Approval {
        request: Some(request_id(id)),
        token_hash: digest(id),
        confirmed: true,
        facts: Some(binding(n)),
    }
}

pub(super) fn evidence() -> AttemptEvidence {
    AttemptEvidence {
        exit_code: Some(0),
        signal: None,
        duration_ms: 12,
        program: "codex 1.0".to_owned(),
        log: Some(LogRef { path: "run-1/1.log".to_owned(), sha256: digest(9), bytes: 3, truncated: false }),
        message: "ended".to_owned(),
        ..AttemptEvidence::default()
    }
}

pub(super) fn process() -> ProcessRef {
    ProcessRef { pid: 4321, start_ticks: 99, boot: "boot-1".to_owned() }
}

pub(super) fn failure(retryable: bool) -> StepOutcome {
    StepOutcome::Failed(Failure {
        outcome: AttemptOutcome::Failed,
        reason_code: "remote_unavailable".to_owned(),
        message: "no route".to_owned(),
        retryable,
    })
}

pub(super) fn attempt(n: u32) -> AttemptNo {
    AttemptNo(n)
}

/// A credential's allowance.
pub(super) fn pool() -> Pool {
    Pool::new("codex:CODEX_API_KEY")
}

/// A conversation that was left in the middle.
pub(super) fn session() -> Session {
    let total = Tokens { input: 900, cached: 600, output: 80, reasoning: 40, ..Tokens::default() };
    Session { agent: "codex".to_owned(), id: "session-1".to_owned(), total }
}

/// What is known of an agent that used its allowance up.
pub(super) fn agent_record() -> AgentRecord {
    AgentRecord {
        model: Some("model-1".to_owned()),
        session: Some(session()),
        usage: Usage { tokens: session().total, micros: 12_300, source: MoneySource::Reported, turns: 3 },
        pool: Some(pool()),
        exhausted: Some(Exhausted { pool: pool(), reset_at: None, reset_secs: None }),
        ..AgentRecord::of(OutcomeClass::Quota, Some(Trouble::QuotaExhausted))
    }
}

/// One of every event, with the variants that matter to where it leads.
pub(super) fn every_event() -> Vec<(String, Event)> {
    let mut events: Vec<Event> = vec![
        RunCreated { spec: manual_spec() }.into(),
        DiscoveryStarted {}.into(),
        WorkspacePrepared { prepared: prepared() }.into(),
        VerifySpecPinned { spec: None }.into(),
        AuthGranted {}.into(),
        PlanReady { contract: contract() }.into(),
        ImplementationStarted {}.into(),
        AttemptStarted { attempt: attempt(1), step: Step::Agent, generation: 1, reserved: None }.into(),
        ProcessStarted { attempt: attempt(1), process: process() }.into(),
        SessionNamed { attempt: attempt(1), role: Role::Build, session: session() }.into(),
        QuotaParked { pool: pool(), reset_at: Some(minutes(30).wall), until: minutes(31).wall, times: 1 }
            .into(),
        QuotaLifted { pool: pool() }.into(),
        AttemptEnded {
            attempt: attempt(1),
            step: Step::Agent,
            outcome: AttemptOutcome::Succeeded,
            evidence: evidence(),
        }
        .into(),
        GuardViolated {
            attempt: attempt(1),
            report: GuardReport::of(
                Scope::Build,
                vec![Violation { path: "pipeline.yml".to_owned(), breach: Breach::Changed }],
            ),
        }
        .into(),
        ActionsRequested { attempt: attempt(1), request: asked_actions(true) }.into(),
        ActionsDecided { granted: true }.into(),
        ActionsExecuted { report: acted() }.into(),
        ChangeCaptured { change: change(1) }.into(),
        ValidationStarted {}.into(),
        ChecksFinished { report: report(1, CheckOutcome::Passed) }.into(),
        PolicyScanned { head_sha: sha(1), findings: Vec::new(), blocking: 0 }.into(),
        VerdictRendered {
            verdict: verdict(&Evidence::of(AttemptOutcome::TimedOut, true, &Policy::default())),
        }
        .into(),
        FixRequested { round: 1, reason: "verify_failed".to_owned() }.into(),
        human("ready_for_review"),
        TimedOut { step: "agent".to_owned() }.into(),
        PrRequested { request: request(1, 1) }.into(),
        TokenRefused { request: request_id(1), wrong_tokens: 1 }.into(),
        PrRequestCancelled {
            request: request_id(1),
            reason: CancelReason::Stale,
            drift: vec![Drift::BaseMoved],
        }
        .into(),
        PrApproved { request: request_id(1), by: person(), standing: false }.into(),
        pushed(1),
        linked(5),
        CommentRecorded { comment: facts::comment(1, 1) }.into(),
        PullChanged { pull: facts::pull(PullState::Open, 1, 1) }.into(),
        HeadSeen { head: facts::head(1, 1) }.into(),
        RepositoryChanged { repository: facts::repository(true, 1) }.into(),
        ChecksPassed { head_sha: sha(1) }.into(),
        ChecksPending { head_sha: sha(1) }.into(),
        SentBack { head_sha: sha(1), checks: vec!["build".to_owned()], reviewers: vec!["mona".to_owned()] }
            .into(),
        HeadMoved { sha: sha(0xfe), by: Some("mona".to_owned()) }.into(),
        PrClosed { merged: true, by: Some("mona".to_owned()) }.into(),
        ForgeParked { until: minutes(5).wall, reason: "too many requests".to_owned(), times: 1 }.into(),
        MarkedDone {}.into(),
        PausedByPerson {}.into(),
        Cancelled { reason: "not now".to_owned() }.into(),
        Skipped { reason: String::new() }.into(),
        ArtifactRegistered {
            kind: "prompt".to_owned(),
            path: "run-1/p".to_owned(),
            sha256: digest(3),
            bytes: 4,
        }
        .into(),
    ];
    let mut named: Vec<(String, Event)> =
        events.drain(..).map(|event| (event.name().to_owned(), event)).collect();
    let mut add = |variant: &str, event: Event| named.push((format!("{}, {variant}", event.name()), event));
    let reserved = Some(Allowance { tokens: Some(1_000), turns: Some(4), ..Allowance::default() });
    add(
        "reserved",
        AttemptStarted { attempt: attempt(1), step: Step::Agent, generation: 1, reserved }.into(),
    );
    let ended = AttemptEnded {
        attempt: attempt(1),
        step: Step::Agent,
        outcome: AttemptOutcome::Failed,
        evidence: AttemptEvidence { agent: Some(Box::new(agent_record())), ..evidence() },
    };
    add("of an agent that is known", ended.into());
    add("retryable", step_failed(true));
    add("not retryable", step_failed(false));
    for (about, head) in [("our head", Some(1)), ("another head", Some(2)), ("no head told", None)] {
        for (colour, word) in [("green", "success"), ("red", "failure"), ("unknown", "in_progress")] {
            add(&format!("{colour}, {about}"), check(word, head));
        }
    }
    for (about, head) in [("our head", Some(1)), ("another head", Some(2)), ("no head told", None)] {
        for state in ["approved", "changes_requested", "commented"] {
            let review = ReviewRecorded { state: state.to_owned(), head_sha: head.map(sha), review: None };
            add(&format!("{state}, {about}"), review.into());
        }
    }
    for (colour, word) in [("green", Some("success")), ("red", Some("failure")), ("running", None)] {
        let fact = facts::check_run("build", 1, word, 1);
        let conclusion = word.unwrap_or("pending").to_owned();
        let (head_sha, check) = (Some(sha(1)), Some(Box::new(fact)));
        let told = CheckRecorded { conclusion, head_sha, pr_number: Some(pr(5)), check };
        add(&format!("{colour}, told by the forge"), told.into());
    }
    let verdict = facts::verdict_of("mona", "changes_requested", 1, 1, 1);
    let (state, head_sha) = (verdict.state.clone(), verdict.commit.clone());
    let told = ReviewRecorded { state, head_sha, review: Some(Box::new(verdict)) };
    add("changes_requested, told by the forge", told.into());
    let standing = PrApproved { request: request_id(1), by: person(), standing: true };
    add("standing", standing.into());
    add("not merged", PrClosed { merged: false, by: None }.into());
    for target_state in State::ALL {
        add(&format!("to {target_state}"), Resumed { target_state }.into());
        add(&format!("to {target_state}"), Retried { target_state }.into());
    }
    let place = |event: &Event| Event::NAMES.iter().position(|(name, _)| *name == event.name());
    named.sort_by_key(|(_, event)| place(event));
    named
}

pub(super) fn human(reason: &str) -> Event {
    HumanReviewRequested { reason: reason.to_owned(), message: "look".to_owned() }.into()
}

pub(super) fn step_failed(retryable: bool) -> Event {
    StepFailed {
        step: "agent".to_owned(),
        reason_code: "runtime_timeout".to_owned(),
        error_message: "it took too long".to_owned(),
        retryable,
    }
    .into()
}

pub(super) fn pushed(n: u8) -> Event {
    Pushed { branch: branch("agentpr/run-1"), sha: sha(n), request: Some(request_id(1)) }.into()
}

pub(super) fn linked(number: u64) -> Event {
    PrLinked {
        pr_number: pr(number),
        url: Some("https://example.test/5".to_owned()),
        request: Some(request_id(1)),
    }
    .into()
}

pub(super) fn check(word: &str, head: Option<u8>) -> Event {
    CheckRecorded { conclusion: word.to_owned(), head_sha: head.map(sha), pr_number: None, check: None }
        .into()
}

/// What came of one action.
pub(super) fn acted() -> ActionsReport {
    let done = ActionResult { id: "a1".to_owned(), exit_code: Some(0), error: String::new(), log: None };
    ActionsReport { quarantined: None, detail: String::new(), results: vec![done] }
}

/// A request for one action.
pub(super) fn asked_actions(needs_person: bool) -> ActionsRequest {
    let risk = if needs_person { Risk::High } else { Risk::Low };
    let line =
        ActionLine { id: "a1".to_owned(), kind: ActionKind::RunCmd, what: "make deps".to_owned(), risk };
    ActionsRequest {
        copy: "run-1/actions-1.yml".to_owned(),
        sha256: digest(11),
        actions: vec![line],
        needs_person,
    }
}
