//! The gate before a pull request: what it refuses, with which word, and what trace is left.

use std::time::Duration;

use agentpr::domain::actor::{Actor, Channel};
use agentpr::domain::command::{Approval, Command, Flow, StepOutcome};
use agentpr::domain::event::{Event, PrApproved, PrRequestCancelled, TokenRefused};
use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, Step};
use agentpr::domain::gate::{
    Approved, CancelReason, Drift, Gate, MAX_WRONG_TOKENS, NotApproved, PolicyReport, PrBinding, PrRequest,
    PushPermit,
};
use agentpr::domain::id::{RepoSlug, TreeSha};
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::state::State;
use agentpr::domain::time::{Moment, Timestamp};

use super::samples::{
    approval, binding, branch, change, digest, driven_spec, failure, github, minutes, person, request,
    request_id, sha, start,
};
use super::scenario::{Story, in_state};

/// A run that waits for the confirmation of request 1 about change 1.
fn waiting() -> Story {
    in_state(State::NeedsHumanReview)
}

fn right() -> Command {
    Command::Approve(approval(1, 1))
}

fn wrong() -> Command {
    Command::Approve(Approval { token_hash: digest(0xff), ..approval(1, 1) })
}

fn ended(story: &Story) -> Option<CancelReason> {
    match &story.run().gate {
        Gate::Cancelled { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn newest(story: &Story) -> Event {
    story.log.last().unwrap().event.clone()
}

fn cancelled(reason: CancelReason, drift: Vec<Drift>) -> Event {
    PrRequestCancelled { request: request_id(1), reason, drift }.into()
}

#[test]
fn the_right_token_confirmed_twice_approves_and_names_the_person() {
    let mut story = waiting();
    let telegram = Actor { channel: Channel::Telegram, name: "ann".to_owned() };
    story.ask(&telegram, &right()).unwrap();
    assert_eq!(newest(&story), PrApproved { request: request_id(1), by: telegram, standing: false }.into());
    assert_eq!((story.state(), story.due()), (State::NeedsHumanReview, Due::Perform(Step::Push)));
}

#[test]
fn five_wrong_tokens_end_the_request() {
    let mut story = waiting();
    for tries in 1..MAX_WRONG_TOKENS {
        assert_eq!(story.refused(person(), wrong()), "wrong_token");
        assert_eq!(newest(&story), TokenRefused { request: request_id(1), wrong_tokens: tries }.into());
    }
    assert_eq!(story.refused(person(), wrong()), "too_many_wrong_tokens");
    assert_eq!(ended(&story), Some(CancelReason::WrongTokens));
    assert_eq!(story.refused(person(), right()), "too_many_wrong_tokens", "the right one comes too late");
    assert_eq!(story.due(), Due::Wait(Wait::Person), "it is not asked again by itself");
}

#[test]
fn four_wrong_tokens_leave_room_for_the_right_one() {
    let mut story = waiting();
    for _ in 1..MAX_WRONG_TOKENS {
        story.refused(person(), wrong());
    }
    story.person(right());
    assert!(matches!(story.run().gate, Gate::Approved { .. }));
}

#[test]
fn a_token_works_once() {
    let mut story = waiting().approved();
    assert_eq!(story.refused(person(), right()), "token_already_used");
    let mut story = story.until(State::CiWait);
    assert_eq!(story.refused(person(), right()), "token_already_used");
    assert_eq!(story.run().gate, Gate::Used { request: request_id(1) });
}

#[test]
fn a_request_expires_by_whichever_clock_says_so_first() {
    let (begun, ttl) = (start(), 30 * 60_000);
    let at = |wall: i64, monotonic: u64, boot: &str| Moment {
        wall: Timestamp(begun.wall.0 + wall),
        boot: boot.to_owned(),
        monotonic_ms: begun.monotonic_ms + monotonic,
    };
    let expired = [
        ("both", at(ttl, 1_800_000, "boot-1")),
        ("the wall clock alone", at(ttl, 0, "boot-1")),
        ("the monotonic clock, the wall set back", at(-7_200_000, 1_800_000, "boot-1")),
        ("the wall clock after another boot", at(ttl, 0, "boot-2")),
    ];
    for (which, now) in expired {
        let mut story = waiting();
        story.now = Some(now);
        assert_eq!(story.refused(person(), right()), "expired", "{which}");
        assert_eq!(newest(&story), cancelled(CancelReason::Expired, vec![]), "{which}");
        assert_eq!(story.refused(person(), right()), "expired", "and stays so");
    }
    let open = [
        ("a minute before", at(ttl - 60_000, 1_740_000, "boot-1")),
        ("a high monotonic reading of another boot", at(60_000, 9_000_000, "boot-2")),
        ("a monotonic reading that begins anew", Moment { monotonic_ms: 5, ..at(60_000, 0, "boot-2") }),
    ];
    for (which, now) in open {
        let mut story = waiting();
        story.now = Some(now);
        story.person(right());
        assert!(matches!(story.run().gate, Gate::Approved { .. }), "{which}");
    }
}

#[test]
fn an_expired_request_is_ended_by_the_engine_and_asked_for_by_a_person() {
    let mut story = waiting();
    story.now = Some(minutes(31));
    let Due::Command(command) = story.due() else { panic!("its end is due") };
    story.engine(command);
    assert_eq!((ended(&story), story.due()), (Some(CancelReason::Expired), Due::Wait(Wait::Person)));
    let again = PrRequest { issued: minutes(31), ..request(2, 1) };
    story.person(Command::RequestPr { request: Box::new(again) });
    assert_eq!(story.due(), Due::Wait(Wait::Approval));
}

#[test]
fn time_beyond_all_numbers_neither_panics_nor_lasts_for_ever() {
    let endless = PrRequest { ttl_secs: u64::MAX, ..request(1, 1) };
    assert!(!endless.is_expired(&minutes(1_000_000)));
    let last = Moment { wall: Timestamp(i64::MAX), boot: "b".to_owned(), monotonic_ms: u64::MAX };
    assert!(endless.is_expired(&last));
    assert_eq!(Timestamp(i64::MIN).since(Timestamp(i64::MAX)), Duration::ZERO);
    assert_eq!(Timestamp(5).plus(Duration::MAX), Timestamp(i64::MAX));
}

#[test]
fn a_newer_request_takes_the_place_of_the_older() {
    let mut story = waiting().then(Command::RequestPr { request: Box::new(request(2, 1)) });
    assert!(story.log.iter().any(|recorded| recorded.event == cancelled(CancelReason::Superseded, vec![])));
    assert_eq!(story.refused(person(), right()), "superseded");
    story.person(Command::Approve(approval(2, 1)));
    let story = story.then(Command::RequestPr { request: Box::new(request(3, 1)) });
    assert!(matches!(story.run().gate, Gate::Open { .. }), "an approval ends with it too");
}

#[test]
fn a_token_of_another_run_is_told_apart_from_a_wrong_one() {
    let mut story = waiting();
    assert_eq!(story.refused(person(), Command::Approve(approval(9, 1))), "token_of_another_run");
    assert!(matches!(story.run().gate, Gate::Open { wrong_tokens: 0, .. }), "it does not count");
    let mut unasked = in_state(State::Implementing);
    assert_eq!(unasked.refused(person(), right()), "no_open_request");
}

#[test]
fn each_thing_that_moved_makes_the_request_stale_and_is_named() {
    let other = |change: fn(&mut PrBinding)| {
        let mut facts = binding(1);
        change(&mut facts);
        facts
    };
    let cases: [(PrBinding, Drift); 10] = [
        (other(|b| b.repo = RepoSlug::new("octo", "other").unwrap()), Drift::Repository),
        (other(|b| b.repo_id = Some(43)), Drift::Repository),
        (other(|b| b.base_branch = branch("next")), Drift::BaseBranch),
        (other(|b| b.base_sha = sha(0xb1)), Drift::BaseMoved),
        (other(|b| b.head_branch = branch("evil")), Drift::HeadBranch),
        (other(|b| b.head_sha = sha(2)), Drift::HeadMoved),
        (other(|b| b.tree = TreeSha::new("02".repeat(20)).unwrap()), Drift::Content),
        (other(|b| b.diff_digest = digest(2)), Drift::Content),
        (other(|b| b.text_digest = digest(2)), Drift::Text),
        (other(|b| b.policy_digest = digest(2)), Drift::Policy),
    ];
    for (facts, drift) in cases {
        let mut story = waiting();
        let offered = Command::Approve(Approval { facts: Some(facts.clone()), ..approval(1, 1) });
        assert_eq!(story.refused(person(), offered), "stale");
        assert_eq!(newest(&story), cancelled(CancelReason::Stale, vec![drift]));
        assert_eq!(story.refused(person(), right()), "stale", "it has to be asked for again");
        let after = waiting().approved();
        let NotApproved::Stale { drift: late } =
            Approved::verify(after.run(), &facts, &after.now()).unwrap_err()
        else {
            panic!("{drift:?} is found before acting too");
        };
        assert_eq!(late, [drift]);
    }
    assert_eq!(binding(1).drift(&PrBinding { repo: "OCTO/Hello".parse().unwrap(), ..binding(1) }), []);
}

#[test]
fn a_wrong_token_learns_nothing_about_drift_or_confirmation() {
    let moved = PrBinding { base_sha: sha(0xb1), ..binding(1) };
    let mut story = waiting();
    let offered =
        Approval { token_hash: digest(0xff), confirmed: false, facts: Some(moved), ..approval(1, 1) };
    assert_eq!(story.refused(person(), Command::Approve(offered)), "wrong_token");
}

#[test]
fn without_the_second_confirmation_nothing_happens() {
    let mut story = waiting();
    let half = Command::Approve(Approval { confirmed: false, ..approval(1, 1) });
    let before = story.log.len();
    assert_eq!(story.refused(person(), half), "not_confirmed");
    assert_eq!(story.log.len(), before);
    story.person(right());
}

#[test]
fn only_a_person_approves() {
    for actor in [Actor::engine(), github()] {
        let mut story = waiting();
        assert_eq!(story.refused(actor, right()), "not_a_person");
        assert!(matches!(story.run().gate, Gate::Open { wrong_tokens: 0, .. }));
    }
}

#[test]
fn a_paused_run_is_not_approved_but_keeps_its_request() {
    let mut story = waiting().then(Command::Pause);
    assert_eq!(story.refused(person(), right()), "illegal_transition");
    let story = story.then(Command::Resume { target: None }).then(right());
    assert!(matches!(story.run().gate, Gate::Approved { .. }));
}

#[test]
fn a_paused_approval_waits_for_the_resume() {
    let story = waiting().approved().then(Command::Pause);
    assert_eq!(story.due(), Due::Wait(Wait::Person));
    let mut story = story.then(Command::Resume { target: None });
    assert_eq!(story.due(), Due::Perform(Step::Push));
    assert!(story.go());
}

#[test]
fn a_new_change_withdraws_the_request() {
    for story in [waiting(), waiting().approved()] {
        let mut story = story.then(Command::NoteChange { change: change(2) });
        assert_eq!(ended(&story), Some(CancelReason::Withdrawn));
        assert_eq!(story.refused(person(), right()), "withdrawn");
        let again = Command::RequestPr { request: Box::new(request(2, 2)) };
        assert_eq!(story.refused(person(), again), "missing_test_evidence", "the new one was not checked");
    }
}

#[test]
fn a_change_that_an_agent_brings_late_withdraws_the_request() {
    let mut story = in_state(State::Iterating);
    while story.due() != Due::Perform(Step::Checks) {
        assert!(story.go());
    }
    story.go();
    story.person(Command::Retry { target: Some(State::Implementing) }).begin(&Actor::engine(), Step::Agent);
    story.person(Command::Escalate { reason: "look".to_owned(), message: String::new() });
    story.person(Command::RequestPr { request: Box::new(request(9, 2)) });
    let mut story = story.approved();
    let late = StepOutcome::AgentEnded {
        outcome: AttemptOutcome::Succeeded,
        change: Some(change(3)),
        actions: None,
        flow: Flow::Unattended,
    };
    story.end(late);
    assert_eq!(ended(&story), Some(CancelReason::Withdrawn));
}

#[test]
fn a_commit_approved_after_another_was_pushed_is_pushed_before_its_pull_request() {
    let mut story = Story::of(driven_spec()).until(State::LocalValidating);
    story.begin(&person(), Step::Push);
    story.end(story.good(Step::Push, Flow::ByHand { success: None }));
    story.person(Command::NoteChange { change: change(2) });
    let card = PolicyReport { accepted_because: Some("I looked".to_owned()), ..PolicyReport::default() };
    story.person(Command::RequestPr { request: Box::new(PrRequest { card, ..request(1, 2) }) });
    let mut story = story.approved();
    assert_eq!((story.state(), story.due()), (State::Pushed, Due::Perform(Step::Push)));
    let early = Command::StartAttempt { step: Step::PrCreate, generation: 1, reserved: None };
    assert_eq!(story.refused(Actor::engine(), early), "illegal_transition");
    assert!(story.go());
    assert_eq!(story.due(), Due::Perform(Step::PrCreate));
}

#[test]
fn a_failed_push_withdraws_the_approval() {
    for (state, step) in [(State::NeedsHumanReview, Step::Push), (State::Pushed, Step::PrCreate)] {
        for retryable in [true, false] {
            let mut story = waiting().approved().until(state);
            story.step(&Actor::engine(), step, failure(retryable));
            assert_eq!(
                (story.state(), ended(&story)),
                (State::NeedsHumanReview, Some(CancelReason::Withdrawn))
            );
            assert_eq!(story.due(), Due::Wait(Wait::Person), "a person asks again");
            assert!(matches!(
                Approved::verify(story.run(), &binding(1), &story.now()),
                Err(NotApproved::NoConfirmation)
            ));
        }
    }
}

#[test]
fn a_request_is_about_the_newest_change_with_passed_checks() {
    let asks = |id, n| Command::RequestPr { request: Box::new(request(id, n)) };
    assert_eq!(waiting().refused(person(), asks(2, 7)), "not_the_captured_change");
    assert_eq!(in_state(State::Implementing).refused(person(), asks(1, 1)), "illegal_transition");
    let mut unchanged = Story::of(driven_spec()).until(State::Implementing);
    unchanged.person(Command::Escalate { reason: "look".to_owned(), message: String::new() });
    assert_eq!(unchanged.refused(person(), asks(1, 1)), "no_change");
}

#[test]
fn a_person_may_accept_a_change_without_passed_checks_and_says_why() {
    let mut story = Story::of(driven_spec()).until(State::LocalValidating);
    let report = super::samples::report(1, CheckOutcome::NoEvidence);
    story.step(
        &Actor::engine(),
        Step::Checks,
        StepOutcome::Checked { report, findings: Vec::new(), flow: Flow::Unattended },
    );
    assert_eq!(story.run().reason.code, "missing_test_evidence");
    let card = PolicyReport {
        accepted_because: Some("there are no tests yet".to_owned()),
        ..PolicyReport::default()
    };
    let accepted = Command::RequestPr { request: Box::new(PrRequest { card, ..request(1, 1) }) };
    assert_eq!(story.refused(Actor::engine(), accepted.clone()), "missing_test_evidence");
    assert_eq!(
        story.refused(person(), Command::RequestPr { request: Box::new(request(1, 1)) }),
        "missing_test_evidence"
    );
    assert!(matches!(story.then(accepted).run().gate, Gate::Open { .. }));
}

#[test]
fn permission_is_made_by_a_recorded_approval_only() {
    let story = waiting();
    assert!(matches!(
        Approved::verify(story.run(), &binding(1), &story.now()),
        Err(NotApproved::NoConfirmation)
    ));
    let story = story.approved();
    let proof = Approved::verify(story.run(), &binding(1), &story.now()).unwrap();
    assert_eq!(
        (proof.push_permit().sha(), proof.push_permit().branch()),
        (&sha(1), &branch("agentpr/run-1"))
    );
    assert!(proof.by().is_person());
    let story = story.until(State::CiWait);
    assert!(Approved::verify(story.run(), &binding(1), &story.now()).is_err(), "it is used up");
}

#[test]
fn an_ordered_push_is_a_persons_and_about_the_captured_change() {
    let story = waiting();
    assert!(PushPermit::ordered(story.run(), &Actor::engine()).is_none());
    assert_eq!(PushPermit::ordered(story.run(), &person()).unwrap().sha(), &sha(1));
    assert!(PushPermit::ordered(in_state(State::Queued).run(), &person()).is_none());
}
