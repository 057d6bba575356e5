//! What is due, in every state, for a run the engine drives and for one a person does.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, StepOutcome};
use agentpr::domain::evidence::Step;
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::spec::{Limits, RunSpec};
use agentpr::domain::state::State;

use super::samples::{approval, change, driven_spec, manual_spec, minutes, person, request, sha};
use super::scenario::{Story, in_state};

use State::{
    CiWait, Discovery, Done, FailedRetryable, FailedTerminal, Implementing, Iterating, LocalValidating,
    NeedsHumanReview, Paused, PlanReady, Pushed, Queued, ReviewWait, Skipped,
};

#[test]
fn a_driven_run_has_its_next_step_in_every_state() {
    let cases = [
        (Queued, Due::Command(Command::StartDiscovery)),
        (Discovery, Due::Perform(Step::Prepare)),
        (PlanReady, Due::Command(Command::StartImplementation)),
        (Implementing, Due::Perform(Step::Agent)),
        (LocalValidating, Due::Perform(Step::Checks)),
        (Pushed, Due::Perform(Step::PrCreate)),
        (CiWait, Due::Wait(Wait::Forge)),
        (ReviewWait, Due::Wait(Wait::Forge)),
        (Iterating, Due::Command(Command::StartImplementation)),
        (Paused, Due::Wait(Wait::Person)),
        (NeedsHumanReview, Due::Wait(Wait::Approval)),
        (FailedRetryable, Due::Wait(Wait::Person)),
        (Done, Due::Wait(Wait::Nothing)),
        (Skipped, Due::Wait(Wait::Nothing)),
        (FailedTerminal, Due::Wait(Wait::Nothing)),
    ];
    assert_eq!(cases.len(), State::ALL.len());
    for (state, due) in cases {
        assert_eq!(in_state(state).due(), due, "{state}");
    }
}

#[test]
fn a_run_by_hand_waits_for_its_operator() {
    for state in State::ALL {
        let mut story = in_state(state);
        if let Some(run) = story.run.as_mut() {
            run.spec.agent = None;
        }
        let wanted = match state {
            Queued | Discovery | PlanReady | Implementing | LocalValidating | Iterating => {
                Due::Wait(Wait::Operator)
            }
            // What a person confirmed is completed for them.
            Pushed => Due::Perform(Step::PrCreate),
            CiWait | ReviewWait => Due::Wait(Wait::Forge),
            NeedsHumanReview => Due::Wait(Wait::Approval),
            Paused | FailedRetryable => Due::Wait(Wait::Person),
            Done | Skipped | FailedTerminal => Due::Wait(Wait::Nothing),
        };
        assert_eq!(story.due(), wanted, "{state}");
    }
}

#[test]
fn an_attempt_under_way_is_waited_for_everywhere() {
    for command in [Command::Pause, Command::Cancel { reason: String::new() }] {
        let mut story = in_state(Implementing);
        story.begin(&Actor::engine(), Step::Agent);
        assert_eq!(story.due(), Due::Wait(Wait::Attempt(Step::Agent)));
        assert_eq!(story.then(command).due(), Due::Wait(Wait::Attempt(Step::Agent)));
    }
}

#[test]
fn discovery_prepares_and_then_plans() {
    let mut story = in_state(Discovery);
    assert!(story.go());
    assert_eq!((story.state(), story.due()), (Discovery, Due::Perform(Step::Plan)));
}

#[test]
fn a_run_that_skipped_discovery_is_prepared_first() {
    let story =
        Story::of(driven_spec()).then(Command::Pause).then(Command::Resume { target: Some(Implementing) });
    assert_eq!(story.due(), Due::Perform(Step::Prepare));
}

#[test]
fn a_change_made_by_a_person_is_checked_and_not_handed_to_the_agent() {
    let story = in_state(NeedsHumanReview).then(Command::NoteChange { change: change(2) });
    let story = story.then(Command::Retry { target: None });
    assert_eq!((story.state(), story.due()), (Implementing, Due::Command(Command::MarkLocalValidated)));
}

#[test]
fn validation_without_a_change_is_a_persons_matter() {
    let story =
        Story::of(driven_spec()).then(Command::Pause).then(Command::Resume { target: Some(LocalValidating) });
    let Due::Command(Command::Escalate { reason, .. }) = story.due() else { panic!("it is not checked") };
    assert_eq!(reason, "no_change");
}

#[test]
fn an_approved_commit_is_pushed_then_opened_and_never_the_other_way() {
    let story = in_state(NeedsHumanReview).approved();
    assert_eq!(story.due(), Due::Perform(Step::Push));
    let story = story.until(Pushed);
    assert_eq!(story.due(), Due::Perform(Step::PrCreate));
    let mut moved = in_state(Iterating);
    while moved.go() {}
    assert_eq!(moved.approved().due(), Due::Perform(Step::Push), "the remote has the older commit");
}

#[test]
fn a_commit_that_is_at_the_remote_is_not_asked_about_again() {
    let mut story = in_state(Iterating);
    assert_eq!(story.run().pushed.as_ref().map(|pushed| pushed.sha.clone()), Some(sha(1)));
    story.person(Command::MarkLocalValidated);
    assert!(story.go());
    assert_eq!((story.state(), story.due()), (NeedsHumanReview, Due::Wait(Wait::Person)));
}

#[test]
fn a_run_paused_before_it_could_ask_asks_when_it_is_resumed() {
    let story = Story::of(driven_spec()).until(NeedsHumanReview).then(Command::Pause);
    let story = story.then(Command::Resume { target: None });
    assert_eq!(story.due(), Due::Perform(Step::PrRequest));
}

#[test]
fn a_failed_request_is_a_persons_matter() {
    let mut story = Story::of(driven_spec()).until(NeedsHumanReview);
    story.step(&Actor::engine(), Step::PrRequest, super::samples::failure(true));
    assert_eq!(story.due(), Due::Wait(Wait::Person));
    let story = story.then(Command::RequestPr { request: Box::new(request(1, 1)) });
    assert_eq!((story.due(), &story.run().last_error), (Due::Wait(Wait::Approval), &None));
}

#[test]
fn a_run_out_of_time_begins_nothing_new() {
    let limits = Limits { max_run_minutes: Some(30), ..Limits::default() };
    for state in [Discovery, PlanReady, Implementing, LocalValidating] {
        let mut story = Story::of(RunSpec { limits: limits.clone(), ..driven_spec() }).until(state);
        story.now = Some(minutes(29));
        assert!(!matches!(story.due(), Due::Command(Command::Escalate { .. })), "{state}");
        story.now = Some(minutes(30));
        assert!(story.go());
        let code = story.run().reason.code.clone();
        assert_eq!((story.state(), code.as_str()), (NeedsHumanReview, "budget_exhausted"), "{state}");
        assert_eq!(story.due(), Due::Wait(Wait::Person));
    }
    let mut story = Story::of(RunSpec { limits, ..driven_spec() }).until(NeedsHumanReview).asked();
    story.now = Some(minutes(29));
    story.person(Command::Approve(approval(1, 1)));
    story.now = Some(minutes(45));
    assert_eq!(story.due(), Due::Perform(Step::Push), "what was approved is completed");
}

#[test]
fn a_crash_changes_nothing_about_what_is_due() {
    let mut story = Story::of(driven_spec());
    loop {
        match story.due() {
            Due::Perform(step) => {
                story.step(&Actor::engine(), step, StepOutcome::Interrupted);
                assert_eq!(story.due(), Due::Perform(step), "after a crash in {}", step.name());
                assert!(story.go());
            }
            Due::Command(_) => assert!(story.go()),
            Due::Wait(Wait::Approval) => story = story.approved(),
            Due::Wait(_) => break,
        }
    }
    assert_eq!(story.state(), CiWait);
}

#[test]
fn a_push_by_hand_before_the_gate_leaves_the_rest_to_a_person() {
    for spec in [manual_spec(), driven_spec()] {
        let mut story = Story::of(driven_spec()).until(LocalValidating);
        if let Some(run) = story.run.as_mut() {
            run.spec = spec;
        }
        story.begin(&person(), Step::Push);
        story.end(StepOutcome::PushDone {
            branch: story.run().spec.head_branch.clone(),
            sha: sha(1),
            request: None,
        });
        assert_eq!(story.state(), Pushed);
        assert!(matches!(story.due(), Due::Wait(Wait::Person | Wait::Operator)));
    }
}
