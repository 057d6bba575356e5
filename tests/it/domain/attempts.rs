//! Attempts: begun where they make sense, ended wherever the run is, with what follows only where it waits for them.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, Flow, StepOutcome};
use agentpr::domain::event::Event;
use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, Step};
use agentpr::domain::gate::{CancelReason, Gate};
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::spec::{Delivery, Limits, RunSpec};
use agentpr::domain::state::State;

use super::samples::{
    attempt, change, contract, driven_spec, evidence, failure, manual_spec, person, process, report, request,
    sha,
};
use super::scenario::{Story, in_state};

use State::{
    Discovery, Done, FailedRetryable, FailedTerminal, Implementing, Iterating, LocalValidating,
    NeedsHumanReview, Paused, PlanReady, Pushed,
};

const STEPS: [Step; 7] =
    [Step::Prepare, Step::Plan, Step::Agent, Step::Checks, Step::PrRequest, Step::Push, Step::PrCreate];

fn agent(outcome: AttemptOutcome, n: Option<u8>) -> StepOutcome {
    StepOutcome::AgentEnded { outcome, change: n.map(change), actions: None, flow: Flow::Unattended }
}

fn checked(n: u8, outcome: CheckOutcome) -> StepOutcome {
    StepOutcome::Checked { report: report(n, outcome), findings: Vec::new(), flow: Flow::Unattended }
}

fn limited(limits: Limits) -> Story {
    Story::of(RunSpec { limits, ..driven_spec() })
}

#[test]
fn each_step_begins_in_its_states() {
    let states = |step: Step, actor: &Actor| -> Vec<State> {
        let begins = |state: &State| {
            in_state(*state)
                .ask(actor, &Command::StartAttempt { step, generation: 1, reserved: None })
                .is_ok()
        };
        State::ALL.into_iter().filter(begins).collect()
    };
    let by_engine: [(Step, &[State]); 7] = [
        (Step::Prepare, &[Discovery, PlanReady, Implementing]),
        (Step::Plan, &[Discovery]),
        (Step::Agent, &[Implementing]),
        (Step::Checks, &[LocalValidating]),
        (Step::PrRequest, &[Pushed, NeedsHumanReview]),
        (Step::Push, &[Pushed]),
        (Step::PrCreate, &[Pushed]),
    ];
    for (step, wanted) in by_engine {
        assert_eq!(states(step, &Actor::engine()), wanted, "{}", step.name());
    }
    assert_eq!(states(Step::Agent, &person()), [Discovery, Implementing, LocalValidating, Iterating]);
    assert_eq!(states(Step::Checks, &person()), [Implementing, LocalValidating, Iterating, NeedsHumanReview]);
    assert_eq!(states(Step::Push, &person()), [LocalValidating, Pushed, NeedsHumanReview]);
}

#[test]
fn the_engine_pushes_a_run_under_review_only_when_it_is_approved() {
    let push = Command::StartAttempt { step: Step::Push, generation: 1, reserved: None };
    assert_eq!(in_state(NeedsHumanReview).refused(Actor::engine(), push.clone()), "illegal_transition");
    assert_eq!(in_state(NeedsHumanReview).approved().refused(Actor::engine(), push), "accepted");
}

#[test]
fn attempts_are_numbered_and_one_at_a_time() {
    let mut story = in_state(Implementing);
    let before = story.run().attempts.0;
    story.begin(&Actor::engine(), Step::Agent);
    for step in STEPS {
        let code = story.refused(person(), Command::StartAttempt { step, generation: 1, reserved: None });
        assert_eq!(code, "attempt_under_way");
    }
    let wrong =
        Command::EndAttempt { attempt: attempt(99), evidence: evidence(), outcome: StepOutcome::Interrupted };
    assert_eq!(story.refused(Actor::engine(), wrong), "attempt_ended");
    let note = |no| Command::NoteProcess { attempt: attempt(no), process: process() };
    story.engine(note(before + 1));
    assert_eq!(story.run().open.as_ref().and_then(|open| open.process.clone()), Some(process()));
    assert_eq!(story.refused(Actor::engine(), note(99)), "attempt_ended");
    story.end(StepOutcome::Interrupted).begin(&Actor::engine(), Step::Agent);
    assert_eq!(story.run().attempts, attempt(before + 2));
    let again = Command::EndAttempt {
        attempt: attempt(before + 1),
        evidence: evidence(),
        outcome: StepOutcome::Interrupted,
    };
    assert_eq!(story.refused(Actor::engine(), again), "attempt_ended", "an older one does not end the newer");
}

#[test]
fn an_attempt_ends_only_as_its_own_step_can() {
    let mut story = in_state(Implementing);
    story.begin(&Actor::engine(), Step::Agent);
    for step in STEPS.into_iter().filter(|step| *step != Step::Agent) {
        let mut story = story.clone();
        let outcome = match step {
            Step::Push => StepOutcome::PushDone {
                branch: story.run().spec.head_branch.clone(),
                sha: sha(1),
                request: None,
            },
            Step::PrRequest => StepOutcome::Requested(Box::new(request(1, 1))),
            Step::PrCreate => StepOutcome::PrOpened {
                number: super::samples::pr(5),
                url: None,
                request: super::samples::request_id(1),
            },
            Step::Prepare | Step::Plan | Step::Agent | Step::Actions | Step::Checks => {
                story.good(step, Flow::Unattended)
            }
        };
        let end = Command::EndAttempt { attempt: story.run().attempts, evidence: evidence(), outcome };
        assert_eq!(story.refused(Actor::engine(), end), "illegal_transition", "{}", step.name());
    }
}

#[test]
fn an_interrupted_step_is_due_again_until_its_limit() {
    for (state, step) in [
        (Discovery, Step::Prepare),
        (Discovery, Step::Plan),
        (Implementing, Step::Agent),
        (LocalValidating, Step::Checks),
        (NeedsHumanReview, Step::PrRequest),
        (NeedsHumanReview, Step::Push),
        (Pushed, Step::PrCreate),
    ] {
        let mut story = Story::of(driven_spec());
        while story.due() != Due::Perform(step) {
            if story.due() == Due::Wait(Wait::Approval) {
                story = story.approved();
            } else {
                assert!(story.go());
            }
        }
        assert_eq!(story.state(), state);
        for _ in 0..3 {
            story.step(&Actor::engine(), step, StepOutcome::Interrupted);
            assert_eq!(story.due(), Due::Perform(step), "{}", step.name());
        }
        story.step(&Actor::engine(), step, StepOutcome::Interrupted);
        assert_eq!(
            (story.state(), story.due()),
            (NeedsHumanReview, Due::Wait(Wait::Person)),
            "{}",
            step.name()
        );
    }
}

#[test]
fn interruptions_count_in_a_row_and_a_person_takes_them_back() {
    let mut story = in_state(Implementing);
    for _ in 0..3 {
        story.step(&Actor::engine(), Step::Agent, StepOutcome::Interrupted);
    }
    story.begin(&Actor::engine(), Step::Agent).person(Command::Pause).end(StepOutcome::Stopped);
    assert_eq!(story.run().interruptions, Some((Step::Agent, 3)), "a stop counts neither way");
    story.person(Command::Resume { target: None });
    assert_eq!(story.run().interruptions, None);
    story.step(&Actor::engine(), Step::Agent, StepOutcome::Interrupted);
    story.step(&Actor::engine(), Step::Agent, agent(AttemptOutcome::Succeeded, Some(1)));
    assert_eq!(story.run().interruptions, None, "a whole attempt ends the row");
}

#[test]
fn an_interrupted_push_keeps_its_approval_until_the_limit_and_then_loses_it() {
    let mut story = in_state(NeedsHumanReview).approved();
    for _ in 0..3 {
        story.step(&Actor::engine(), Step::Push, StepOutcome::Interrupted);
        assert!(matches!(story.run().gate, Gate::Approved { .. }));
    }
    story.step(&Actor::engine(), Step::Push, StepOutcome::Interrupted);
    assert!(matches!(story.run().gate, Gate::Cancelled { reason: CancelReason::Withdrawn, .. }));
}

#[test]
fn failed_checks_order_fix_rounds_until_their_limit() {
    let mut story = limited(Limits { max_iteration_count: 2, ..Limits::default() }).until(LocalValidating);
    for round in 1..=2u8 {
        story.step(&Actor::engine(), Step::Checks, checked(round, CheckOutcome::Failed));
        assert_eq!((story.state(), story.run().fix_rounds), (Implementing, u32::from(round)));
        story.step(&Actor::engine(), Step::Agent, agent(AttemptOutcome::Succeeded, Some(round + 1)));
        assert_eq!(story.state(), LocalValidating);
    }
    story.step(&Actor::engine(), Step::Checks, checked(3, CheckOutcome::Failed));
    assert_eq!((story.state(), story.run().reason.code.as_str()), (NeedsHumanReview, "verify_failed"));
    let story = story.then(Command::Retry { target: None });
    assert_eq!((story.state(), story.run().fix_rounds), (Implementing, 0), "a person gives the rounds back");
}

#[test]
fn passed_checks_give_the_fix_rounds_back() {
    let mut story = in_state(LocalValidating);
    story.step(&Actor::engine(), Step::Checks, checked(1, CheckOutcome::Failed));
    story.step(&Actor::engine(), Step::Agent, agent(AttemptOutcome::Succeeded, Some(2)));
    assert_eq!(story.run().fix_rounds, 1);
    story.step(&Actor::engine(), Step::Checks, checked(2, CheckOutcome::Passed));
    assert_eq!((story.state(), story.run().fix_rounds), (NeedsHumanReview, 0));
}

#[test]
fn an_agent_that_changes_nothing_is_a_persons_matter() {
    let mut story = in_state(Implementing);
    story.step(&Actor::engine(), Step::Agent, agent(AttemptOutcome::Succeeded, None));
    assert_eq!((story.state(), story.run().reason.code.as_str()), (NeedsHumanReview, "no_change"));
    let mut story = in_state(LocalValidating);
    story.step(&Actor::engine(), Step::Checks, checked(1, CheckOutcome::Failed));
    story.step(&Actor::engine(), Step::Agent, agent(AttemptOutcome::Succeeded, Some(1)));
    assert_eq!(story.run().reason.code, "no_change", "the same tree that failed is no change");
}

#[test]
fn no_check_is_no_pass() {
    let mut story = in_state(LocalValidating);
    story.step(&Actor::engine(), Step::Checks, checked(1, CheckOutcome::NoEvidence));
    assert_eq!(
        (story.state(), story.run().reason.code.as_str()),
        (NeedsHumanReview, "missing_test_evidence")
    );
    assert_eq!(story.due(), Due::Wait(Wait::Person));
}

#[test]
fn a_run_that_delivers_nothing_is_done_when_its_checks_pass() {
    let story = Story::of(RunSpec { delivery: Delivery::None, ..driven_spec() }).until(Done);
    assert!(story.run().pushed.is_none() && story.run().requests.is_empty());
    assert_eq!(story.due(), Due::Wait(Wait::Nothing));
}

#[test]
fn each_end_of_an_agent_leads_to_its_place() {
    for (outcome, n, state, code) in [
        (AttemptOutcome::TimedOut, None, FailedRetryable, "runtime_timeout"),
        (AttemptOutcome::Failed, None, FailedRetryable, "runtime_unknown_failure"),
        (AttemptOutcome::Failed, Some(1), FailedRetryable, "runtime_unknown_failure"),
        (AttemptOutcome::CouldNotStart, None, NeedsHumanReview, "runtime_hard_failure"),
        (AttemptOutcome::Succeeded, Some(1), LocalValidating, "validation_started"),
    ] {
        let mut story = in_state(Implementing);
        story.step(&Actor::engine(), Step::Agent, agent(outcome, n));
        assert_eq!((story.state(), story.run().reason.code.as_str()), (state, code), "{outcome:?}");
    }
}

#[test]
fn an_end_in_a_paused_or_finished_run_is_recorded_and_moves_nothing() {
    for (command, state) in
        [(Command::Pause, Paused), (Command::Cancel { reason: String::new() }, FailedTerminal)]
    {
        for outcome in [
            agent(AttemptOutcome::Succeeded, Some(1)),
            agent(AttemptOutcome::TimedOut, None),
            failure(true),
            StepOutcome::Interrupted,
            StepOutcome::Stopped,
        ] {
            let mut story = in_state(Implementing);
            story.begin(&Actor::engine(), Step::Agent).person(command.clone()).end(outcome);
            assert_eq!((story.state(), story.run().open.is_none()), (state, true));
        }
    }
    let mut story = in_state(Implementing);
    story
        .begin(&Actor::engine(), Step::Agent)
        .person(Command::Pause)
        .end(agent(AttemptOutcome::Succeeded, Some(1)));
    let mut story = story.then(Command::Resume { target: None });
    assert_eq!(story.due(), Due::Command(Command::MarkLocalValidated), "its change is not lost");
    assert!(story.go());
    assert_eq!(story.due(), Due::Perform(Step::Checks));
}

#[test]
fn checks_of_an_older_change_say_nothing_about_the_newer() {
    let mut story = in_state(LocalValidating);
    story.begin(&Actor::engine(), Step::Checks).person(Command::NoteChange { change: change(2) });
    story.end(checked(1, CheckOutcome::Passed));
    assert_eq!((story.state(), story.run().evidence()), (LocalValidating, None));
    assert!(story.run().fresh_change, "nobody looked at the newer one");
    assert_eq!(story.due(), Due::Perform(Step::Checks));
}

#[test]
fn checks_end_where_the_run_went_meanwhile_without_moving_it() {
    for outcome in [CheckOutcome::Passed, CheckOutcome::Failed, CheckOutcome::NoEvidence] {
        for target in [Discovery, PlanReady, Implementing, Iterating] {
            let mut story = in_state(LocalValidating);
            story.begin(&Actor::engine(), Step::Checks).person(Command::Pause);
            story.person(Command::Resume { target: Some(target) }).end(checked(1, outcome));
            assert_eq!(story.state(), target);
        }
    }
}

#[test]
fn a_request_that_comes_too_late_ends_its_attempt_and_opens_nothing() {
    let mut story = Story::of(driven_spec()).until(NeedsHumanReview);
    story.begin(&Actor::engine(), Step::PrRequest).person(Command::Pause);
    let end = Command::EndAttempt {
        attempt: story.run().attempts,
        evidence: evidence(),
        outcome: StepOutcome::Requested(Box::new(request(1, 1))),
    };
    assert_eq!(story.refused(Actor::engine(), end), "illegal_transition");
    assert_eq!((&story.run().open, &story.run().gate), (&None, &Gate::Closed));
    let story = story.then(Command::Resume { target: None });
    assert_eq!(story.due(), Due::Perform(Step::PrRequest), "it is asked again");
}

#[test]
fn a_persons_request_stands_when_the_engines_own_comes_later() {
    let mut story = Story::of(driven_spec()).until(NeedsHumanReview);
    story.begin(&Actor::engine(), Step::PrRequest);
    story.person(Command::RequestPr { request: Box::new(request(2, 1)) });
    story.end(StepOutcome::Requested(Box::new(request(1, 1))));
    let Gate::Open { request: open, .. } = &story.run().gate else { panic!("{:?}", story.run().gate) };
    assert_eq!(open.id, request(2, 1).id);
    assert_eq!(story.run().open, None);
}

#[test]
fn by_hand_a_passed_step_leads_where_the_operator_said() {
    let ends = |state: Option<State>| {
        let mut story = Story::of(manual_spec()).then(Command::StartDiscovery);
        story.person(Command::MarkPlanReady { contract: contract() }).person(Command::StartImplementation);
        for step in [Step::Agent, Step::Checks] {
            story.begin(&person(), step);
            story.end(story.good(step, Flow::ByHand { success: state }));
        }
        story.state()
    };
    assert_eq!(ends(None), Implementing);
    assert_eq!(ends(Some(LocalValidating)), LocalValidating);
    assert_eq!(ends(Some(NeedsHumanReview)), NeedsHumanReview);
}

#[test]
fn a_verdict_is_recorded_with_what_it_rests_on() {
    let story = in_state(NeedsHumanReview);
    let names: Vec<&str> = story.log.iter().map(|recorded| recorded.event.name()).collect();
    assert!(names.windows(2).any(|pair| pair == ["checks.finished", "verdict.rendered"]));
    assert!(story.log.iter().any(|recorded| matches!(&recorded.event, Event::VerdictRendered(_))));
}
