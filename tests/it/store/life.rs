//! The events of a made-up run, as a real one has them: shared by the store's tests, the benches and `make_store`.

use agentpr::domain::actor::Actor;
use agentpr::domain::event::{
    AttemptEnded, AttemptStarted, ChangeCaptured, ChecksFinished, DiscoveryStarted, Event, FixRequested,
    ImplementationStarted, PlanReady, ProcessStarted, Recorded, RunCreated, ValidationStarted,
    VerdictRendered, WorkspacePrepared,
};
use agentpr::domain::evidence::{
    AttemptEvidence, AttemptOutcome, Change, CheckReport, CheckResult, CheckSource, Contract, DiffStat,
    LogRef, Prepared, ProcessRef, Step,
};
use agentpr::domain::id::{AttemptNo, CommitSha, Digest, EventSeq, RunId, TreeSha, Version};
use agentpr::domain::policy::Policy;
use agentpr::domain::run::Run;
use agentpr::domain::spec::{Delivery, Limits, RunSpec};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;
use agentpr::domain::verdict::{Evidence, verdict};
use agentpr::domain::verification::Stage;

/// The first `count` events of a run that needs ever another fix round, each with the state after it.
pub(crate) fn life(run: &RunId, count: usize) -> Vec<(Event, State)> {
    let mut told: Vec<(Event, State)> = vec![(created(run), State::Queued)];
    let mut fold = Run::birth(&record(run, 1, told[0].0.clone(), State::Queued)).unwrap();
    let mut round = 0;
    while told.len() < count {
        let next = if round == 0 { beginning() } else { fix_round(round) };
        round += 1;
        for event in next.into_iter().take(count - told.len()) {
            let state = fold.state_after(&event).unwrap();
            let version = u64::try_from(told.len()).unwrap() + 1;
            fold.evolve(&record(run, version, event.clone(), state)).unwrap();
            told.push((event, state));
        }
    }
    told.truncate(count);
    told
}

fn record(run: &RunId, version: u64, event: Event, state: State) -> Recorded {
    Recorded {
        seq: EventSeq(version),
        run: run.clone(),
        version: Version(version),
        at: Timestamp(0),
        actor: Actor::engine(),
        cause: None,
        key: None,
        state,
        event,
    }
}

/// The order of a made-up run.
pub(crate) fn spec(run: &RunId) -> RunSpec {
    RunSpec {
        repo: "acme/widget".parse().unwrap(),
        prompt_version: "v1".to_owned(),
        task: format!(
            "Round half to even in the price column\n\nThe invoice of {run} is a cent off; see the table."
        ),
        agent: Some("codex".to_owned()),
        model: None,
        roles: std::collections::BTreeMap::default(),
        budgets: agentpr::domain::agent::budget::Budgets::default(),
        checks: vec!["cargo test".to_owned()],
        base_branch: None,
        remote: None,
        head_branch: format!("agentpr/{run}").parse().unwrap(),
        delivery: Delivery::Pr,
        title: None,
        limits: Limits::default(),
        policy: Policy::default(),
    }
}

/// The creation of a made-up run.
pub(crate) fn created(run: &RunId) -> Event {
    RunCreated { spec: spec(run) }.into()
}

fn beginning() -> Vec<Event> {
    vec![
        DiscoveryStarted {}.into(),
        started(1, Step::Prepare),
        WorkspacePrepared { prepared: prepared() }.into(),
        ended(1, Step::Prepare, AttemptOutcome::Succeeded),
        started(2, Step::Plan),
        ended(2, Step::Plan, AttemptOutcome::Succeeded),
        PlanReady { contract: contract() }.into(),
        ImplementationStarted {}.into(),
    ]
}

fn fix_round(round: u32) -> Vec<Event> {
    let agent = 2 * round + 1;
    let checks = agent + 1;
    let (policy, failed) = (Policy::default(), report(round));
    let weighed =
        Evidence { checks: Some(&failed), ..Evidence::of(AttemptOutcome::Succeeded, true, &policy) };
    vec![
        started(agent, Step::Agent),
        ProcessStarted { attempt: AttemptNo(agent), process: process() }.into(),
        ended(agent, Step::Agent, AttemptOutcome::Succeeded),
        ChangeCaptured { change: change(round) }.into(),
        ValidationStarted {}.into(),
        started(checks, Step::Checks),
        ended(checks, Step::Checks, AttemptOutcome::Succeeded),
        ChecksFinished { report: report(round) }.into(),
        VerdictRendered { verdict: verdict(&weighed) }.into(),
        FixRequested { round, reason: "verify_failed".to_owned() }.into(),
    ]
}

/// The beginning of an attempt.
pub(crate) fn started(attempt: u32, step: Step) -> Event {
    AttemptStarted { attempt: AttemptNo(attempt), step, generation: 1, reserved: None }.into()
}

/// The end of an attempt, with a log.
pub(crate) fn ended(attempt: u32, step: Step, outcome: AttemptOutcome) -> Event {
    let log = LogRef {
        path: format!("run/attempt-{attempt}.log"),
        sha256: digest(attempt),
        bytes: 48_213,
        truncated: false,
    };
    let evidence = AttemptEvidence {
        exit_code: Some(0),
        signal: None,
        duration_ms: 81_230,
        program: "codex 0.41".to_owned(),
        log: Some(log),
        message: "the program ended by itself".to_owned(),
        ..AttemptEvidence::default()
    };
    AttemptEnded { attempt: AttemptNo(attempt), step, outcome, evidence }.into()
}

/// A program as it is noted.
pub(crate) fn process() -> ProcessRef {
    ProcessRef { pid: 4711, start_ticks: 918_273, boot: "7b1f6f0e-6a4e-4c69-9d0e-2f2d2c1b0a99".to_owned() }
}

/// A workspace as it is noted.
pub(crate) fn prepared() -> Prepared {
    Prepared {
        base_branch: "main".parse().unwrap(),
        base_sha: sha(1),
        workspace: "/srv/agentpr/workspaces/acme/widget/run".to_owned(),
        remote: "https://github.com/acme/widget".to_owned(),
    }
}

/// A contract as it is noted.
pub(crate) fn contract() -> Contract {
    Contract { path: "run/contract.md".to_owned(), sha256: Some(digest(7)) }
}

/// A captured change.
pub(crate) fn change(n: u32) -> Change {
    Change {
        head_sha: sha(n + 2),
        tree: TreeSha::new(format!("{:040x}", n + 1_000)).unwrap(),
        parent_sha: sha(1),
        diff_digest: digest(n),
        stat: DiffStat { files: 3, insertions: 41, deletions: 7 },
    }
}

/// What checks said: one passed and one failed.
pub(crate) fn report(n: u32) -> CheckReport {
    let result = |exit_code, excerpt: &str| CheckResult {
        command: "cargo test".to_owned(),
        exit_code: Some(exit_code),
        duration_ms: 12_345,
        timed_out: false,
        log: None,
        excerpt: excerpt.to_owned(),
        stage: Stage::Tests,
        tries: 1,
        limit: None,
        known_failure: None,
    };
    CheckReport {
        results: vec![
            result(0, ""),
            result(101, "assertion `left == right` failed\n  left: 1.005\n right: 1.01\nsrc/price.rs:81:9"),
        ],
        ..CheckReport::empty(sha(n + 2), CheckSource::Given)
    }
}

/// A commit id.
pub(crate) fn sha(n: u32) -> CommitSha {
    CommitSha::new(format!("{n:040x}")).unwrap()
}

/// A digest.
pub(crate) fn digest(n: u32) -> Digest {
    Digest::new(format!("{n:064x}")).unwrap()
}
