//! Runs that hold still: paused, with a person, failed, or while something is on its way to the remote.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, Flow};
use agentpr::domain::event::{PausedByPerson, RunCreated};
use agentpr::domain::evidence::Step;
use agentpr::domain::state::State;

use super::samples::{contract, github, manual_spec, person, pr, request, sha};
use super::scenario::{given, in_state};

use State::{
    CiWait, FailedRetryable, FailedTerminal, Implementing, Iterating, NeedsHumanReview, Paused, Pushed,
    ReviewWait,
};

#[test]
fn a_held_run_is_moved_by_persons_only() {
    for state in [Paused, NeedsHumanReview, FailedRetryable] {
        for actor in [Actor::engine(), github()] {
            for command in [
                Command::StartDiscovery,
                Command::MarkPlanReady { contract: contract() },
                Command::StartImplementation,
                Command::MarkLocalValidated,
                Command::MarkDone,
                Command::Resume { target: None },
                Command::Retry { target: None },
                Command::Cancel { reason: String::new() },
                Command::Skip { reason: String::new() },
            ] {
                let mut story = in_state(state);
                let code = story.refused(actor.clone(), command.clone());
                assert!(
                    matches!(code, "held" | "illegal_transition"),
                    "{actor}: {} in {state}: {code}",
                    command.name()
                );
                assert_eq!(story.state(), state);
            }
        }
    }
}

#[test]
fn a_held_run_notes_what_github_says_and_stays() {
    let from = [RunCreated { spec: manual_spec() }.into(), PausedByPerson {}.into()];
    let red = Command::RecordCheck { conclusion: "failure".to_owned(), head_sha: None, pr_number: None };
    let asks = Command::RecordReview { state: "changes_requested".to_owned(), head_sha: None };
    assert!(given(from).by(github()).when(red.clone()).moves_nothing());
    for state in [Paused, NeedsHumanReview, FailedRetryable] {
        for command in [red.clone(), asks.clone()] {
            let mut story = in_state(state);
            let decision = story.ask(&github(), &command).unwrap();
            assert_eq!((decision.events.len(), story.state()), (1, state));
        }
    }
}

#[test]
fn results_count_only_for_the_pushed_commit_and_only_when_clear() {
    let told = |word: &str, head| Command::RecordCheck {
        conclusion: word.to_owned(),
        head_sha: head,
        pr_number: None,
    };
    for (word, head, then) in [
        ("success", Some(sha(1)), ReviewWait),
        ("neutral", Some(sha(1)), ReviewWait),
        ("failure", Some(sha(1)), Iterating),
        ("timed_out", None, Iterating),
        ("success", Some(sha(8)), CiWait),
        ("failure", Some(sha(8)), CiWait),
        ("in_progress", Some(sha(1)), CiWait),
        ("faliure", Some(sha(1)), CiWait),
    ] {
        let mut story = in_state(CiWait);
        story.ask(&github(), &told(word, head.clone())).unwrap();
        assert_eq!(story.state(), then, "{word} about {head:?}");
        let again = story.ask(&github(), &told(word, head)).unwrap();
        assert_eq!(again.events, [], "{word} is heard once");
    }
}

#[test]
fn a_push_under_way_holds_the_run_where_its_end_can_be_told() {
    let verbs = [
        Command::MarkPlanReady { contract: contract() },
        Command::MarkLocalValidated,
        Command::Retry { target: None },
        Command::Skip { reason: String::new() },
        Command::MarkDone,
        Command::LinkPr { number: pr(5), url: None },
        Command::RequestPr { request: Box::new(request(2, 1)) },
    ];
    for command in verbs {
        let mut story = in_state(NeedsHumanReview).approved();
        story.begin(&Actor::engine(), Step::Push);
        assert_eq!(story.refused(person(), command.clone()), "attempt_under_way", "{}", command.name());
    }
    for command in [
        Command::StartDiscovery,
        Command::StartImplementation,
        Command::Resume { target: Some(Implementing) },
        Command::MarkPlanReady { contract: contract() },
    ] {
        let mut story = in_state(NeedsHumanReview).approved();
        story.begin(&Actor::engine(), Step::Push).person(Command::Pause);
        assert_eq!(story.refused(person(), command.clone()), "attempt_under_way", "{}", command.name());
    }
}

#[test]
fn what_reached_the_remote_is_recorded_wherever_a_person_moved_the_run() {
    for command in [Command::Pause, Command::Cancel { reason: String::new() }] {
        let mut story = in_state(NeedsHumanReview).approved();
        story.begin(&Actor::engine(), Step::Push).person(command);
        story.end(story.good(Step::Push, Flow::Unattended));
        assert!(story.run().pushed.is_some() && matches!(story.state(), Paused | FailedTerminal));
    }
    let mut story = in_state(NeedsHumanReview).approved();
    story.begin(&Actor::engine(), Step::Push).person(Command::Pause);
    story.end(story.good(Step::Push, Flow::Unattended));
    assert_eq!(story.then(Command::Resume { target: None }).state(), Pushed);
    let mut story = in_state(Pushed);
    story.begin(&Actor::engine(), Step::PrCreate).person(Command::Pause);
    story.engine(Command::Escalate { reason: "look".to_owned(), message: String::new() });
    story.end(story.good(Step::PrCreate, Flow::Unattended));
    assert_eq!(story.run().pr.as_ref().map(|linked| linked.number), Some(pr(5)));
}
