//! The verbs of the seed and the short ones, in every state.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, Flow};
use agentpr::domain::decide::{Ctx, decide};
use agentpr::domain::event::{Cancelled, Event, PausedByPerson, PrRequestCancelled, Resumed, RunCreated};
use agentpr::domain::evidence::{Contract, Step};
use agentpr::domain::gate::{CancelReason, Gate};
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::spec::{Delivery, RunSpec};
use agentpr::domain::state::State;

use super::samples::github;
use super::samples::{
    approval, change, contract, driven_spec, failure, human, linked, manual_spec, person, pr, pushed,
    request, request_id, sha, start, step_failed,
};
use super::scenario::{Story, given, in_state};

use State::{
    CiWait, Discovery, Done, FailedRetryable, FailedTerminal, Implementing, Iterating, LocalValidating,
    NeedsHumanReview, Paused, PlanReady, Pushed, Queued, ReviewWait, Skipped,
};

fn accepts(state: State, command: &Command) -> bool {
    in_state(state).ask(&person(), command).is_ok()
}

/// The states in which a person's command is accepted.
#[expect(clippy::needless_pass_by_value, reason = "a case reads better without borrows")]
fn accepted_in(command: Command) -> Vec<State> {
    State::ALL.into_iter().filter(|state| accepts(*state, &command)).collect()
}

#[test]
fn the_quick_start_of_the_seed_runs_as_written() {
    let by_hand = |success| Flow::ByHand { success: Some(success) };
    let mut story = Story::of(manual_spec());
    story.person(Command::StartDiscovery);
    story.begin(&person(), Step::Prepare);
    story.end(story.good(Step::Prepare, by_hand(NeedsHumanReview)));
    story.person(Command::MarkPlanReady { contract: contract() }).person(Command::StartImplementation);
    for step in [Step::Agent, Step::Checks] {
        story.begin(&person(), step);
        story.end(story.good(step, by_hand(NeedsHumanReview)));
    }
    assert_eq!(story.state(), NeedsHumanReview);
    story.person(Command::MarkLocalValidated);
    story.begin(&person(), Step::Push);
    story.end(story.good(Step::Push, by_hand(NeedsHumanReview)));
    assert_eq!(story.state(), Pushed);
    assert_eq!(story.due(), Due::Wait(Wait::Operator));
    story.person(Command::RequestPr { request: Box::new(request(1, 1)) });
    assert_eq!(story.due(), Due::Wait(Wait::Approval));
    story.person(Command::Approve(approval(1, 1)));
    assert_eq!(story.due(), Due::Perform(Step::PrCreate), "it is at the remote already");
    let story = story
        .until(CiWait)
        .hears("success")
        .then(Command::RecordReview { state: "approved".to_owned(), head_sha: None });
    assert_eq!(story.state(), ReviewWait);
    assert_eq!(story.then(Command::MarkDone).state(), Done);
}

#[test]
fn the_manual_path_may_link_a_pull_request_by_hand() {
    let story = in_state(Pushed).then(Command::LinkPr { number: pr(8), url: None });
    assert_eq!(story.state(), CiWait);
    assert!(
        matches!(story.run().gate, Gate::Cancelled { reason: CancelReason::Withdrawn, .. }),
        "it is answered"
    );
}

#[test]
fn an_unattended_run_goes_to_its_gate_and_after_it_to_ci() {
    let mut story = Story::of(driven_spec());
    while story.go() {}
    assert_eq!((story.state(), story.due()), (NeedsHumanReview, Due::Wait(Wait::Approval)));
    let mut story = story.approved();
    while story.go() {}
    assert_eq!((story.state(), story.due()), (CiWait, Due::Wait(Wait::Forge)));
    let mut states: Vec<State> = story.log.iter().map(|recorded| recorded.state).collect();
    states.dedup();
    let path =
        [Queued, Discovery, PlanReady, Implementing, LocalValidating, NeedsHumanReview, Pushed, CiWait];
    assert_eq!(states, path);
}

#[test]
fn a_red_check_leads_through_another_round_and_another_approval_to_the_same_pull_request() {
    let mut story = in_state(Iterating);
    while story.go() {}
    assert_eq!((story.state(), story.due()), (NeedsHumanReview, Due::Wait(Wait::Approval)));
    let story = story.approved().until(CiWait).hears("success");
    assert_eq!(story.state(), ReviewWait);
    assert_eq!(story.run().pushed.as_ref().map(|pushed| pushed.sha.clone()), Some(sha(2)));
    assert_eq!(story.run().pr.as_ref().map(|linked| linked.number), Some(pr(5)));
}

#[test]
fn each_verb_has_its_states() {
    assert_eq!(accepted_in(Command::StartDiscovery), [Queued, Discovery, Paused, FailedRetryable]);
    assert_eq!(accepted_in(Command::StartImplementation), [PlanReady, Implementing, Iterating, Paused]);
    let other = Contract { path: "other.md".to_owned(), sha256: None };
    assert_eq!(
        accepted_in(Command::MarkPlanReady { contract: other }),
        [Discovery, PlanReady, Paused, NeedsHumanReview]
    );
    assert_eq!(
        accepted_in(Command::MarkLocalValidated),
        [Implementing, LocalValidating, Iterating, Paused, NeedsHumanReview]
    );
    assert_eq!(accepted_in(Command::MarkDone), [Pushed, CiWait, ReviewWait, NeedsHumanReview, Done]);
    let resumes = Command::Resume { target: None };
    assert_eq!(accepted_in(resumes), [Paused]);
    assert_eq!(accepted_in(Command::Retry { target: None }), [NeedsHumanReview, FailedRetryable]);
    let living: Vec<State> = State::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
    let pausable: Vec<State> = living.iter().copied().filter(|state| *state != FailedRetryable).collect();
    assert_eq!(accepted_in(Command::Pause), pausable);
    let cancels: Vec<State> = living.iter().copied().chain([FailedTerminal]).collect();
    assert_eq!(accepted_in(Command::Cancel { reason: String::new() }), cancels);
    assert_eq!(
        accepted_in(Command::Skip { reason: String::new() }),
        [Queued, Discovery, PlanReady, Paused, NeedsHumanReview, FailedRetryable, Skipped]
    );
}

#[test]
fn what_is_so_already_is_not_said_twice() {
    let created = RunCreated { spec: manual_spec() };
    given([created.clone().into(), PausedByPerson {}.into()]).when(Command::Pause).then_nothing();
    given([created.clone().into(), Cancelled { reason: "x".to_owned() }.into()])
        .when(Command::Cancel { reason: "y".to_owned() })
        .then_nothing();
    given([created.into()]).when(Command::Pause).then([PausedByPerson {}.into()]);
    for (state, command) in [
        (Discovery, Command::StartDiscovery),
        (PlanReady, Command::MarkPlanReady { contract: contract() }),
        (Implementing, Command::StartImplementation),
        (LocalValidating, Command::MarkLocalValidated),
        (CiWait, Command::LinkPr { number: pr(5), url: None }),
        (Done, Command::MarkDone),
        (Skipped, Command::Skip { reason: "again".to_owned() }),
        (NeedsHumanReview, Command::NoteChange { change: change(1) }),
        (
            NeedsHumanReview,
            Command::Escalate { reason: "ready_for_review".to_owned(), message: String::new() },
        ),
    ] {
        let events = in_state(state).ask(&person(), &command).unwrap().events;
        assert_eq!(events, [], "{} in {state}", command.name());
    }
}

#[test]
fn pausing_goes_back_to_where_it_was() {
    for state in State::ALL.into_iter().filter(|state| accepts(*state, &Command::Pause) && *state != Paused) {
        let story = in_state(state).then(Command::Pause);
        assert_eq!((story.state(), story.run().paused_from), (Paused, Some(state)));
        assert_eq!(story.due(), Due::Wait(Wait::Person), "{state}");
        let story = story.then(Command::Resume { target: None });
        assert_eq!((story.state(), story.run().paused_from), (state, None));
    }
}

#[test]
fn a_run_resumes_to_a_named_place_but_not_to_an_end() {
    let created = || given([RunCreated { spec: manual_spec() }.into(), PausedByPerson {}.into()]);
    created()
        .when(Command::Resume { target: Some(PlanReady) })
        .then([Resumed { target_state: PlanReady }.into()]);
    for target in [Done, Skipped, FailedTerminal, Paused, FailedRetryable] {
        created().when(Command::Resume { target: Some(target) }).then_refused("target_not_allowed");
    }
    let mut paused = in_state(Paused);
    assert_eq!(paused.refused(person(), Command::Resume { target: Some(Queued) }), "illegal_transition");
}

#[test]
fn another_try_starts_where_the_run_fell() {
    let cases = [
        (Discovery, Step::Plan, true, Discovery),
        (Implementing, Step::Agent, true, Implementing),
        (Implementing, Step::Agent, false, Implementing),
        (LocalValidating, Step::Checks, true, LocalValidating),
        (LocalValidating, Step::Checks, false, Implementing),
        (Pushed, Step::PrCreate, true, Pushed),
    ];
    for (state, step, retryable, again) in cases {
        let mut story = in_state(state);
        while story.due() != Due::Perform(step) {
            assert!(story.go());
        }
        story.step(&Actor::engine(), step, failure(retryable));
        assert!(story.state().is_held(), "{state}");
        assert!(story.run().last_error.is_some());
        let story = story.then(Command::Retry { target: None });
        assert_eq!(story.state(), again, "after {} in {state}", step.name());
        assert_eq!(story.run().last_error, None);
    }
    let mut story = in_state(NeedsHumanReview);
    assert_eq!(story.refused(person(), Command::Retry { target: Some(Done) }), "target_not_allowed");
    assert_eq!(story.refused(person(), Command::Retry { target: Some(Paused) }), "target_not_allowed");
}

#[test]
fn another_try_after_a_failure_behind_a_pause_starts_where_it_was_paused() {
    let mut story = in_state(Pushed);
    story.begin(&Actor::engine(), Step::PrCreate).person(Command::Pause).end(failure(false));
    assert_eq!(story.run().paused_from, Some(NeedsHumanReview));
    let story = story.then(Command::Resume { target: None }).then(Command::Retry { target: None });
    assert_eq!(story.state(), Pushed);
}

#[test]
fn another_pull_request_is_not_linked_over_the_first() {
    let mut story = in_state(CiWait);
    assert_eq!(story.refused(person(), Command::LinkPr { number: pr(6), url: None }), "other_pr_linked");
}

#[test]
fn leaving_the_gate_withdraws_an_open_request() {
    for command in [
        Command::MarkLocalValidated,
        Command::Retry { target: Some(Implementing) },
        Command::MarkDone,
        Command::Cancel { reason: String::new() },
        Command::Skip { reason: String::new() },
    ] {
        let story = in_state(NeedsHumanReview).then(command.clone());
        let reason = CancelReason::Withdrawn;
        assert_eq!(
            story.run().gate,
            Gate::Cancelled { request: request_id(1), reason },
            "{}",
            command.name()
        );
        let cancelled = |event: &Event| matches!(event, Event::PrRequestCancelled(PrRequestCancelled { .. }));
        assert_eq!(story.log.iter().filter(|recorded| cancelled(&recorded.event)).count(), 1);
    }
    let story = in_state(NeedsHumanReview).then(Command::Pause);
    assert!(matches!(story.run().gate, Gate::Open { .. }), "a pause keeps it");
}

#[test]
fn a_run_that_is_there_is_not_made_again_and_one_that_is_not_obeys_nothing() {
    let spec = Box::new(RunSpec { delivery: Delivery::None, ..manual_spec() });
    given([RunCreated { spec: manual_spec() }.into()])
        .when(Command::Create { spec })
        .then_refused("run_exists");
    let ctx = Ctx { now: start(), actor: person() };
    assert_eq!(decide(None, &Command::Pause, &ctx).unwrap_err().code(), "no_such_run");
}

#[test]
fn a_newer_reason_for_a_person_is_heard_once() {
    let mut story = in_state(NeedsHumanReview);
    let look =
        Command::Escalate { reason: "closed_unmerged".to_owned(), message: "the forge says so".to_owned() };
    story.engine(look.clone());
    assert_eq!(story.run().reason.code, "closed_unmerged");
    assert_eq!(story.row.as_ref().map(|row| row.reason.as_str()), Some("closed_unmerged"));
    assert_eq!(story.ask(&Actor::engine(), &look).unwrap().events, []);
    let mut paused = in_state(Paused);
    paused.engine(look.clone());
    assert_eq!(paused.run().reason.code, "paused");
    assert_eq!(paused.ask(&Actor::engine(), &look).unwrap().events, []);
}

#[test]
fn an_occurrence_is_known_by_its_type_and_content() {
    let same = [
        (Command::Pause, PausedByPerson {}.into()),
        (Command::LinkPr { number: pr(5), url: Some("https://example.test/5".to_owned()) }, linked(5)),
        (Command::Resume { target: None }, Resumed { target_state: CiWait }.into()),
    ];
    for (command, event) in &same {
        assert!(command.is_occurrence(event), "{}", command.name());
    }
    let others = [
        (Command::Pause, pushed(1)),
        (Command::LinkPr { number: pr(6), url: None }, linked(5)),
        (Command::Resume { target: Some(Pushed) }, Resumed { target_state: CiWait }.into()),
        (Command::Escalate { reason: "x".to_owned(), message: "look".to_owned() }, human("x")),
        (Command::MarkDone, step_failed(true)),
    ];
    for (command, event) in &others {
        assert!(!command.is_occurrence(event), "{}", command.name());
    }
}

#[test]
fn a_review_of_an_older_commit_moves_nothing() {
    let asks = |head_sha| Command::RecordReview { state: "changes_requested".to_owned(), head_sha };
    for state in [CiWait, ReviewWait] {
        let mut story = in_state(state);
        let head = story.run().pushed.as_ref().map(|pushed| pushed.sha.clone());
        story.ask(&github(), &asks(Some(sha(0xdd)))).unwrap();
        assert_eq!((story.state(), &story.run().review), (state, &None));
        story.ask(&github(), &asks(head)).unwrap();
        assert_eq!(story.state(), Iterating);
    }
}
