//! Properties: whatever is asked, in whatever order, by whomever.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use agentpr::domain::actor::Actor;
use agentpr::domain::agent::quota::Exhausted;
use agentpr::domain::agent::role::Role;
use agentpr::domain::command::{Approval, Command, Flow, StepOutcome};
use agentpr::domain::event::{Event, Recorded};
use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, Step};
use agentpr::domain::forge::fact::{ForgeFact, PullState};
use agentpr::domain::gate::{Drift, Gate, PolicyReport, PrBinding, PrRequest};
use agentpr::domain::id::{EventSeq, Version};
use agentpr::domain::next::next;
use agentpr::domain::run::Run;
use agentpr::domain::spec::{Delivery, Limits, RunSpec};
use agentpr::domain::state::State;

use super::facts;
use super::samples::{
    approval, attempt, branch, change, contract, digest, driven_spec, every_event, evidence, failure, github,
    linked, manual_spec, minutes, person, pool, pr, prepared, process, pushed, report, request, request_id,
    run_id, session, sha, start,
};
use super::scenario::Story;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn specs() -> impl Strategy<Value = RunSpec> {
    let limits = Limits {
        max_iteration_count: 1,
        max_run_minutes: Some(40),
        max_interruptions: 1,
        ..Limits::default()
    };
    let driven = RunSpec { limits, ..driven_spec() };
    select(vec![RunSpec { delivery: Delivery::None, ..driven.clone() }, driven, manual_spec()])
}

fn actors() -> impl Strategy<Value = Actor> {
    select(vec![person(), person(), Actor::engine(), Actor::engine(), github()])
}

fn steps() -> impl Strategy<Value = Step> {
    use Step::{Agent, Checks, Plan, PrCreate, PrRequest, Prepare, Push};
    select(vec![Prepare, Plan, Agent, Checks, PrRequest, Push, PrCreate])
}

fn states() -> impl Strategy<Value = State> {
    select(State::ALL.to_vec())
}

fn requests() -> impl Strategy<Value = Box<PrRequest>> {
    (1..5u8, 1..4u8, any::<bool>()).prop_map(|(id, n, accepted)| {
        let accepted_because = accepted.then(|| "I looked".to_owned());
        let card = PolicyReport { accepted_because, ..PolicyReport::default() };
        Box::new(PrRequest { card, ..request(id, n) })
    })
}

fn outcomes() -> impl Strategy<Value = StepOutcome> {
    let flows = select(vec![
        Flow::Unattended,
        Flow::ByHand { success: None },
        Flow::ByHand { success: Some(State::LocalValidating) },
        Flow::ByHand { success: Some(State::NeedsHumanReview) },
        Flow::ByHand { success: Some(State::Done) },
    ]);
    use AttemptOutcome::{CouldNotStart, Failed, Interrupted, Stopped, Succeeded, TimedOut};
    let ends =
        select(vec![Succeeded, Succeeded, Succeeded, Failed, TimedOut, CouldNotStart, Interrupted, Stopped]);
    let checks = select(vec![
        CheckOutcome::Passed,
        CheckOutcome::Passed,
        CheckOutcome::Failed,
        CheckOutcome::NoEvidence,
    ]);
    prop_oneof![
        Just(StepOutcome::Prepared { prepared: prepared(), spec: None }),
        Just(StepOutcome::Planned(contract())),
        (ends, proptest::option::of(1..4u8), flows.clone()).prop_map(|(outcome, n, flow)| {
            StepOutcome::AgentEnded { outcome, change: n.map(change), actions: None, flow }
        }),
        (1..4u8, checks, flows).prop_map(|(n, outcome, flow)| StepOutcome::Checked {
            report: report(n, outcome),
            findings: Vec::new(),
            flow
        }),
        (1..4u8, proptest::option::of(1..5u8)).prop_map(|(n, id)| StepOutcome::PushDone {
            branch: branch("agentpr/run-1"),
            sha: sha(n),
            request: id.map(request_id),
        }),
        (1..5u8).prop_map(|id| StepOutcome::PrOpened { number: pr(5), url: None, request: request_id(id) }),
        requests().prop_map(StepOutcome::Requested),
        any::<bool>().prop_map(failure),
        Just(StepOutcome::Parked { until: minutes(20).wall, reason: "enough".to_owned() }),
        Just(StepOutcome::Interrupted),
        Just(StepOutcome::Stopped),
    ]
}

/// Something a forge says, about a commit that may be the run's.
fn facts() -> impl Strategy<Value = ForgeFact> {
    let words = select(vec![None, Some("success"), Some("failure"), Some("in_progress")]);
    let verdicts = select(vec!["approved", "changes_requested", "dismissed", "commented"]);
    let ends = select(vec![PullState::Open, PullState::Open, PullState::Closed, PullState::Merged]);
    prop_oneof![
        8 => (1..4u8, words, 0..9i64).prop_map(|(n, word, at)| {
            ForgeFact::Check(facts::check_run("build", n, word, at))
        }),
        1 => (1..4u8, 0..9i64).prop_map(|(n, at)| facts::awaiting_maintainer(n, at)),
        4 => (1..4u8, verdicts, 1..9u64, 0..9i64)
            .prop_map(|(n, word, id, at)| facts::reviewed("mona", word, id, n, at)),
        1 => (1..9u64, 0..9i64).prop_map(|(id, at)| ForgeFact::Comment(facts::comment(id, at))),
        1 => (ends, 1..5u8, 0..9i64).prop_map(|(state, n, at)| ForgeFact::Pull(facts::pull(state, n, at))),
        1 => (1..5u8, 0..9i64).prop_map(|(n, at)| ForgeFact::Head(facts::head(n, at))),
        1 => (any::<bool>(), 0..9i64)
            .prop_map(|(archived, at)| ForgeFact::Repository(facts::repository(archived, at))),
    ]
}

fn commands() -> impl Strategy<Value = Command> {
    let simple = select(vec![
        Command::StartDiscovery,
        Command::StartImplementation,
        Command::MarkLocalValidated,
        Command::MarkPlanReady { contract: contract() },
        Command::MarkDone,
        Command::Pause,
        Command::Create { spec: Box::new(manual_spec()) },
        Command::Skip { reason: "no".to_owned() },
        Command::Cancel { reason: String::new() },
        Command::Escalate { reason: "look".to_owned(), message: "at it".to_owned() },
        Command::NoteProcess { attempt: attempt(1), process: process() },
        Command::NoteSession { attempt: attempt(1), role: Role::Build, session: session() },
        Command::Park { exhausted: Exhausted { pool: pool(), reset_at: None, reset_secs: None } },
        Command::LiftQuota { pool: pool() },
        Command::RegisterArtifact {
            kind: "prompt".to_owned(),
            path: "p".to_owned(),
            sha256: digest(1),
            bytes: 1,
        },
    ]);
    let words = select(vec!["success", "failure", "in_progress", "neutral", "", "SUCCESS"]);
    let reviews = select(vec!["approved", "changes_requested", "commented"]);
    prop_oneof![
        4 => simple,
        3 => steps().prop_map(|step| Command::StartAttempt { step, generation: 1, reserved: None }),
        1 => (0..9u32, outcomes())
            .prop_map(|(no, outcome)| Command::EndAttempt { attempt: attempt(no), evidence: evidence(), outcome }),
        1 => (1..4u8).prop_map(|n| Command::NoteChange { change: change(n) }),
        2 => requests().prop_map(|request| Command::RequestPr { request }),
        2 => (1..5u8, 1..4u8, any::<bool>(), any::<bool>()).prop_map(|(id, n, right, confirmed)| {
            let token_hash = if right { digest(id) } else { digest(0xff) };
            Command::Approve(Approval { token_hash, confirmed, ..approval(id, n) })
        }),
        1 => (1..5u8, any::<bool>()).prop_map(|(id, moved)| Command::CancelRequest {
            request: request_id(id),
            drift: if moved { vec![Drift::BaseMoved] } else { vec![] },
        }),
        1 => (5..7u64).prop_map(|number| Command::LinkPr { number: pr(number), url: None }),
        2 => (words, proptest::option::of(1..4u8)).prop_map(|(word, head)| Command::RecordCheck {
            conclusion: word.to_owned(),
            head_sha: head.map(sha),
            pr_number: None,
        }),
        1 => (reviews, proptest::option::of(1..4u8)).prop_map(|(state, head)| Command::RecordReview {
            state: state.to_owned(),
            head_sha: head.map(sha),
        }),
        4 => prop::collection::vec(facts(), 1..4).prop_map(|facts| Command::Observe { facts }),
        1 => Just(Command::Settle),
        1 => proptest::option::of(states()).prop_map(|target| Command::Resume { target }),
        1 => proptest::option::of(states()).prop_map(|target| Command::Retry { target }),
    ]
}

/// One thing that happens in a generated story.
#[derive(Debug, Clone)]
enum Deed {
    /// What is due is done, and goes well.
    Go,
    /// The attempt under way ends somehow.
    End(StepOutcome),
    /// The newest request is confirmed as it should be.
    Confirm,
    /// Somebody asks something.
    Ask(Actor, Box<Command>),
    /// Time passes.
    Wait(u64),
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        5 => Just(Deed::Go),
        3 => outcomes().prop_map(Deed::End),
        1 => Just(Deed::Confirm),
        6 => (actors(), commands()).prop_map(|(actor, command)| Deed::Ask(actor, Box::new(command))),
        1 => (0..50u64).prop_map(Deed::Wait),
    ]
}

/// Does the deed as far as it is accepted, and answers what was asked last.
fn act(story: &mut Story, deed: &Deed) -> Option<(Actor, Command)> {
    let (actor, command) = match deed {
        Deed::Go => {
            story.go();
            return None;
        }
        Deed::End(outcome) => {
            let no = story.run().open.as_ref()?.no;
            let command = Command::EndAttempt { attempt: no, evidence: evidence(), outcome: outcome.clone() };
            (Actor::engine(), command)
        }
        Deed::Confirm => {
            let Gate::Open { request, .. } = &story.run().gate else { return None };
            let facts: PrBinding = request.binding.clone();
            let (request, token_hash) = (Some(request.id.clone()), request.token_hash.clone());
            (
                person(),
                Command::Approve(Approval { request, token_hash, confirmed: true, facts: Some(facts) }),
            )
        }
        Deed::Ask(actor, command) => (actor.clone(), (**command).clone()),
        Deed::Wait(span) => {
            story.now = Some(minutes(*span));
            return None;
        }
    };
    let _answer = story.ask(&actor, &command);
    Some((actor, command))
}

proptest! {
    #![proptest_config(config(400))]

    /// `Story` folds each accepted event as it comes and panics when one does not.
    #[test]
    fn whatever_is_accepted_folds_and_replay_equals_live(
        spec in specs(),
        deeds in prop::collection::vec(deeds(), 1..60),
    ) {
        let mut story = Story::of(spec);
        for deed in &deeds {
            let before = story.run().clone();
            let asked = act(&mut story, deed);
            let after = story.run();
            if before.state.is_terminal() {
                prop_assert_eq!(after.state, before.state);
            }
            if let Some((actor, command)) = asked {
                let completes = matches!(command, Command::EndAttempt { outcome: StepOutcome::PushDone { .. }, .. });
                if before.state.is_held() && !actor.is_person() && !completes {
                    prop_assert_eq!(after.state, before.state, "{} by {}", command.name(), actor);
                }
            }
            let row = story.row.as_ref().unwrap();
            prop_assert_eq!(row.state, after.state);
            prop_assert_eq!(&row.reason, &after.reason.code);
            prop_assert_eq!(row.last_error.clone(), after.last_error.as_ref().map(ToString::to_string));
            prop_assert_eq!(row.pr_number, after.pr.as_ref().map(|linked| linked.number));
            prop_assert_eq!(after.paused_from.is_some(), after.state == State::Paused);
        }
        let replayed = Run::fold(&story.log).unwrap();
        prop_assert_eq!(&replayed, &story.run);
        prop_assert!(story.log.iter().enumerate().all(|(n, recorded)| recorded.version.0 == n as u64 + 1));
    }

    #[test]
    fn what_was_just_accepted_changes_nothing_when_it_is_asked_again(
        spec in specs(),
        deeds in prop::collection::vec(deeds(), 1..40),
        command in commands(),
    ) {
        let mut story = Story::of(spec);
        deeds.iter().for_each(|deed| drop(act(&mut story, deed)));
        // These say something new each time: another request, another guess, another file.
        let once = !matches!(command, Command::RequestPr { .. } | Command::Approve(_) | Command::RegisterArtifact { .. }
            | Command::NoteProcess { .. } | Command::LiftQuota { .. });
        if once && story.ask(&person(), &command).is_ok() {
            let state = story.state();
            if let Ok(decision) = story.ask(&person(), &command) {
                prop_assert_eq!(decision.events, vec![], "{} again in {}", command.name(), state);
            }
        }
    }

    #[test]
    fn no_log_makes_the_fold_panic(
        picks in prop::collection::vec(any::<Index>(), 0..30),
        versions in prop::collection::vec(prop_oneof![8 => Just(None), 1 => any::<u64>().prop_map(Some)], 30),
        born in any::<bool>(),
    ) {
        let pool = arbitrary_events();
        let mut log: Vec<Recorded> = Vec::new();
        for (place, pick) in picks.iter().enumerate() {
            let event = if place == 0 && born { pool[0].clone() } else { pick.get(&pool).clone() };
            let version = versions[place].unwrap_or(place as u64 + 1);
            log.push(Recorded {
                seq: EventSeq(version),
                run: run_id(),
                version: Version(version),
                at: start().wall,
                actor: person(),
                cause: None,
                key: None,
                state: State::Queued,
                event,
            });
        }
        if let Ok(Some(run)) = Run::fold(&log) {
            let _due = next(&run, &minutes(50));
        }
    }
}

/// Stories that end at once would prove little.
#[test]
fn generated_stories_get_far() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    let told = (specs(), prop::collection::vec(deeds(), 1..60));
    for _ in 0..2_000 {
        let (spec, deeds) = told.new_tree(&mut runner).unwrap().current();
        let mut story = Story::of(spec);
        for deed in &deeds {
            act(&mut story, deed);
            seen.insert(story.state());
        }
    }
    assert_eq!(seen.len(), State::ALL.len(), "{seen:?}");
}

/// The creation first, then one of every event and more of those that carry numbers.
fn arbitrary_events() -> Vec<Event> {
    let mut events: Vec<Event> = every_event().into_iter().map(|(_, event)| event).collect();
    events.extend([2u8, 3].map(pushed));
    events.push(linked(6));
    events.extend([1u32, u32::MAX].into_iter().flat_map(|no| {
        let mut all: Vec<Event> = Vec::new();
        for (_, event) in every_event() {
            match event {
                Event::AttemptStarted(mut body) => {
                    body.attempt = attempt(no);
                    all.push(body.into());
                }
                Event::TokenRefused(mut body) => {
                    body.wrong_tokens = no;
                    all.push(body.into());
                }
                Event::FixRequested(mut body) => {
                    body.round = no;
                    all.push(body.into());
                }
                _ => {}
            }
        }
        all
    }));
    events
}

#[test]
fn every_event_survives_its_json_and_unknown_fields_are_ignored() {
    for (label, event) in every_event() {
        let body = event.body().unwrap();
        assert_eq!(Event::read(event.name(), event.schema(), &body).unwrap(), event, "{label}");
        let wider = if body == "{}" {
            "{\"from_the_future\":[1]}".to_owned()
        } else {
            body.replacen('{', "{\"from_the_future\":[1],", 1)
        };
        assert_eq!(Event::read(event.name(), event.schema(), &wider).unwrap(), event, "{label}");
        assert!(Event::read(event.name(), event.schema() + 1, &body).is_err(), "{label} of a newer schema");
        assert!(Event::read("nobody.knows", 1, &body).is_err());
        assert!(
            Event::read(event.name(), event.schema(), "[]").is_err() || body == "{}",
            "{label} as a list"
        );
        assert!(Event::read(event.name(), event.schema(), "{").is_err(), "{label} cut off");
    }
}

#[test]
fn the_sample_has_every_event() {
    let mut names: Vec<&str> = every_event().iter().map(|(_, event)| event.name()).collect();
    names.dedup();
    let all: Vec<&str> = Event::NAMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, all);
}

#[test]
fn a_log_that_no_run_can_have_is_named() {
    let story = super::scenario::in_state(State::Implementing);
    let mut gap = story.log.clone();
    gap.remove(2);
    assert!(Run::fold(&gap).unwrap_err().to_string().contains("gap"));
    assert!(Run::fold(&story.log[1..]).unwrap_err().to_string().contains("does not begin"));
    let mut late = story.log.clone();
    late[0].version = Version(7);
    assert!(Run::fold(&late[..1]).is_err(), "a log begins at version 1");
    let mut illegal = story.log;
    illegal[1].event = pushed(1);
    assert!(Run::fold(&illegal).unwrap_err().to_string().contains("cannot follow"));
    assert_eq!(Run::fold(&[]), Ok(None));
}
