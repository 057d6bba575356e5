//! Updates that go on the first confirmation, and a forge that takes nothing for now.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, StepOutcome};
use agentpr::domain::event::{Event, PrApproved};
use agentpr::domain::evidence::Step;
use agentpr::domain::forge::fact::ForgeFact;
use agentpr::domain::gate::{Approved, Gate, PolicyReport, PrBinding, PrRequest};
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::policy::{Policy, UpdatePush};
use agentpr::domain::spec::RunSpec;
use agentpr::domain::state::State;

use super::facts::head;
use super::forge::tell;
use super::samples::{binding, branch, driven_spec, minutes, person, pr, request, request_id};
use super::scenario::{Story, in_state};

use State::{CiWait, Iterating, NeedsHumanReview, Pushed};

fn first(update_push: UpdatePush) -> Story {
    let policy = Policy { update_push, ..Policy::default() };
    Story::of(RunSpec { policy, ..driven_spec() }).until(NeedsHumanReview).asked()
}

/// A run whose update is about to be asked for; its first request was confirmed by a person.
fn update(update_push: UpdatePush) -> Story {
    first(update_push).approved().until(CiWait).hears("failure").until(NeedsHumanReview)
}

/// Asks for the update; answers the events of that decision.
fn asks(mut story: Story, request: PrRequest) -> (Story, Vec<&'static str>) {
    let before = story.log.len();
    story.begin(&Actor::engine(), Step::PrRequest).end(StepOutcome::Requested(Box::new(request)));
    let names = story.log[before + 1..].iter().map(|recorded| recorded.event.name()).collect();
    (story, names)
}

const AUTO: UpdatePush = UpdatePush::AutoAfterFirstApproval;

#[test]
fn an_update_goes_on_the_first_confirmation_where_the_rules_say_so() {
    assert!(matches!(first(AUTO).run().gate, Gate::Open { .. }), "the first is always asked for");
    let (story, names) = asks(update(AUTO), request(2, 2));
    assert_eq!(names, ["attempt.ended", "pr.requested", "pr.approved"]);
    let standing = PrApproved { request: request_id(2), by: person(), standing: true };
    assert_eq!(story.log.last().map(|recorded| recorded.event.clone()), Some(Event::from(standing)));
    assert_eq!(story.due(), Due::Perform(Step::Push));
    let story = story.until(CiWait);
    let (_, names) = asks(story.hears("failure").until(NeedsHumanReview), request(3, 3));
    assert_eq!(names.last(), Some(&"pr.approved"), "and so does the next one");
}

#[test]
fn an_update_is_asked_for_where_the_rules_say_nothing() {
    assert_eq!(Policy::default().update_push, UpdatePush::Confirm);
    let (story, names) = asks(update(UpdatePush::Confirm), request(2, 2));
    assert_eq!(names, ["attempt.ended", "pr.requested"]);
    assert_eq!(story.due(), Due::Wait(Wait::Approval));
}

#[test]
fn an_update_that_is_not_plain_is_asked_for() {
    let card = request(2, 2).card;
    let protected = PolicyReport { protected: vec![".github/workflows/ci.yml".to_owned()], ..card.clone() };
    let accepted = PolicyReport { accepted_because: Some("I looked".to_owned()), ..card };
    let elsewhere = PrBinding { head_branch: branch("agentpr/other"), ..binding(2) };
    for request in [
        PrRequest { card: protected, ..request(2, 2) },
        PrRequest { card: accepted, ..request(2, 2) },
        PrRequest { binding: elsewhere, ..request(2, 2) },
    ] {
        let (story, names) = asks(update(AUTO), request);
        assert_eq!(names, ["attempt.ended", "pr.requested"]);
        assert_eq!(story.due(), Due::Wait(Wait::Approval));
    }
}

#[test]
fn a_change_with_blocking_findings_is_not_even_asked_for() {
    let mut story = update(AUTO);
    let card = PolicyReport { blocking: 1, ..request(2, 2).card };
    let mut refused = story.clone();
    refused.begin(&Actor::engine(), Step::PrRequest);
    let attempt = refused.run().open.as_ref().map(|open| open.no).unwrap();
    let outcome = StepOutcome::Requested(Box::new(PrRequest { card: card.clone(), ..request(2, 2) }));
    let command = Command::EndAttempt { attempt, evidence: Default::default(), outcome };
    assert_eq!(refused.refused(Actor::engine(), command), "policy_findings");
    // A person may ask for it, and then the confirmation is a person's too.
    let card = PolicyReport { accepted_because: Some("I looked".to_owned()), ..card };
    story.person(Command::RequestPr { request: Box::new(PrRequest { card, ..request(2, 2) }) });
    assert_eq!(story.due(), Due::Wait(Wait::Approval));
}

#[test]
fn a_request_by_a_person_waits_for_its_confirmations() {
    let mut story = update(AUTO);
    story.person(Command::RequestPr { request: Box::new(request(2, 2)) });
    assert_eq!(story.due(), Due::Wait(Wait::Approval));
}

#[test]
fn a_pull_request_that_nobody_confirmed_stands_for_no_update() {
    let story = first(AUTO).approved().until(Pushed);
    let mut linked = story.then(Command::LinkPr { number: pr(5), url: None });
    assert_eq!((linked.state(), linked.run().first_approval.is_none()), (CiWait, true));
    linked = linked.hears("failure").until(NeedsHumanReview);
    let (story, names) = asks(linked, request(2, 2));
    assert_eq!(names, ["attempt.ended", "pr.requested"]);
    assert_eq!(story.due(), Due::Wait(Wait::Approval));
}

#[test]
fn an_update_over_a_commit_of_somebody_else_is_asked_for() {
    let mut story = first(AUTO).approved().until(CiWait);
    tell(&mut story, [ForgeFact::Head(head(0xfe, 1))]);
    story.person(Command::Resume { target: Some(Iterating) });
    let (_, names) = asks(story.until(NeedsHumanReview), request(2, 2));
    assert_eq!(names, ["attempt.ended", "pr.requested"]);
    let mut not_accepted = update(AUTO);
    tell(&mut not_accepted, [ForgeFact::Head(head(0xfe, 1))]);
    let (_, names) = asks(not_accepted, request(2, 2));
    assert_eq!(
        names,
        ["attempt.ended", "pr.requested"],
        "nor is one that nobody has accepted yet passed over"
    );
}

fn parked(until: u64) -> StepOutcome {
    StepOutcome::Parked { until: minutes(until).wall, reason: "too many requests".to_owned() }
}

fn at(mut story: Story, minute: u64) -> Story {
    story.now = Some(minutes(minute));
    story
}

#[test]
fn a_forge_that_takes_nothing_is_waited_for_and_asked_again() {
    let mut story = in_state(NeedsHumanReview).approved();
    story.step(&Actor::engine(), Step::Push, parked(5));
    let names: Vec<_> = story.log.iter().rev().take(2).map(|recorded| recorded.event.name()).collect();
    assert_eq!(names, ["forge.parked", "attempt.ended"]);
    assert_eq!(story.state(), NeedsHumanReview);
    assert_eq!((story.run().last_error.is_none(), story.run().retries), (true, 0), "it is no failure");
    assert_eq!(story.due(), Due::Wait(Wait::ForgeLimit(minutes(5).wall)));
    let mut story = at(story, 5);
    assert_eq!(story.due(), Due::Perform(Step::Push));
    story.step(&Actor::engine(), Step::Push, parked(9));
    assert_eq!(story.run().forge_parked, Some((minutes(9).wall, 2)), "it counts how often");
    let mut story = at(story, 9).until(Pushed);
    assert_eq!(story.run().forge_parked, None, "a push that went through begins anew");
    story.step(&Actor::engine(), Step::PrCreate, parked(12));
    assert_eq!(story.run().forge_parked, Some((minutes(12).wall, 1)));
    assert_eq!((story.state(), story.due()), (Pushed, Due::Wait(Wait::ForgeLimit(minutes(12).wall))));
    let story = at(story, 12).until(CiWait);
    assert_eq!(story.run().forge_parked, None);
}

#[test]
fn a_request_that_could_not_be_made_is_made_later() {
    let mut story = Story::of(driven_spec()).until(NeedsHumanReview);
    story.step(&Actor::engine(), Step::PrRequest, parked(5));
    assert_eq!(story.due(), Due::Wait(Wait::ForgeLimit(minutes(5).wall)));
    assert_eq!(at(story, 5).due(), Due::Perform(Step::PrRequest));
}

#[test]
fn an_approval_that_expires_while_the_forge_takes_nothing_is_not_carried_out() {
    let mut story = in_state(NeedsHumanReview).approved();
    story.step(&Actor::engine(), Step::Push, parked(600));
    assert_eq!(at(story.clone(), 29).due(), Due::Wait(Wait::ForgeLimit(minutes(600).wall)));
    let story = at(story, 31);
    assert_eq!(story.due(), Due::Perform(Step::Push), "the performer looks, and cancels it");
    assert!(Approved::verify(story.run(), &binding(1), &story.now()).is_err());
}

#[test]
fn a_person_who_sends_a_run_on_does_not_wait_for_the_forge() {
    let mut story = in_state(NeedsHumanReview).approved();
    story.step(&Actor::engine(), Step::Push, parked(20));
    let story = story.then(Command::Pause).then(Command::Resume { target: None });
    assert_eq!((story.run().forge_parked, story.due()), (None, Due::Perform(Step::Push)));
}

#[test]
fn a_run_that_a_person_ended_meanwhile_is_not_parked() {
    let mut story = in_state(NeedsHumanReview).approved();
    story.begin(&Actor::engine(), Step::Push);
    story.person(Command::Cancel { reason: String::new() });
    story.end(parked(5));
    assert_eq!(story.log.last().map(|recorded| recorded.event.name()), Some("attempt.ended"));
}
