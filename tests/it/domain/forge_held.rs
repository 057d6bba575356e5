//! What ends or holds a pull request: merged, closed, moved by somebody else, its repository archived; and held runs that hear of it.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, Flow, StepOutcome};
use agentpr::domain::evidence::Step;
use agentpr::domain::forge::fact::{ForgeFact, HeadFact, PullState, RepositoryFact};
use agentpr::domain::gate::{CancelReason, Gate};
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::state::State;

use super::facts::{checked, head, pull, repository, reviewed, second};
use super::forge::{tell, updated};
use super::samples::{change, contract, manual_spec, minutes, person, pr, sha};
use super::scenario::{Story, in_state};

use State::{
    CiWait, Done, Implementing, Iterating, LocalValidating, NeedsHumanReview, Paused, Pushed, ReviewWait,
};

/// Somebody else's commit.
const FOREIGN: u8 = 0xfe;

fn merged(at: i64) -> ForgeFact {
    ForgeFact::Pull(pull(PullState::Merged, 1, at))
}

/// A run with a pull request, in one of the states in which the forge moves it.
fn with_pr(state: State) -> Story {
    match state {
        Implementing | LocalValidating => in_state(Iterating).until(state),
        Pushed => in_state(Iterating).until(NeedsHumanReview).asked().approved().until(Pushed),
        _ => in_state(state),
    }
}

/// A driven run whose update waits for its confirmations.
fn update_asked() -> Story {
    with_pr(Iterating).until(NeedsHumanReview).asked()
}

#[test]
fn a_merged_pull_request_ends_the_run_wherever_it_works() {
    for state in [CiWait, ReviewWait, Iterating, Implementing, LocalValidating, Pushed] {
        let mut story = with_pr(state);
        assert_eq!(story.state(), state);
        tell(&mut story, [merged(1)]);
        assert_eq!((story.state(), story.run().reason.code.as_str()), (Done, "merged"), "{state}");
        assert_eq!(story.run().reason.message, "the pull request was merged by mona");
        assert_eq!(story.due(), Due::Wait(Wait::Nothing));
        assert!(!matches!(story.run().gate, Gate::Open { .. } | Gate::Approved { .. }), "{state}");
    }
}

#[test]
fn a_pull_request_closed_unmerged_ends_the_run_and_says_so() {
    let mut story = in_state(ReviewWait);
    let closed = ForgeFact::Pull(pull(PullState::Closed, 1, 1));
    assert_eq!(tell(&mut story, [closed]), ["github.pull_request.changed", "pr.closed"]);
    assert_eq!((story.state(), story.run().reason.code.as_str()), (Done, "closed"));
}

#[test]
fn nothing_undoes_a_merge() {
    let mut story = in_state(CiWait);
    story.person(Command::Pause);
    tell(&mut story, [merged(1)]);
    assert_eq!(tell(&mut story, [ForgeFact::Pull(pull(PullState::Open, 1, 9))]), [""; 0]);
    assert!(story.run().pr_is_over());
}

#[test]
fn an_agent_at_work_is_not_asked_when_its_pull_request_is_merged() {
    let mut story = with_pr(Implementing);
    story.begin(&Actor::engine(), Step::Agent);
    tell(&mut story, [merged(1)]);
    assert_eq!(story.state(), Done);
    let outcome = story.good(Step::Agent, Flow::Unattended);
    story.end(outcome);
    assert_eq!((story.state(), story.due()), (Done, Due::Wait(Wait::Nothing)));
}

#[test]
fn a_paused_run_records_and_settles_when_it_is_resumed() {
    let mut story = in_state(CiWait);
    story.person(Command::Pause);
    assert_eq!(tell(&mut story, [checked("build", 1, "failure", 1)]), ["github.check.completed"]);
    assert_eq!((story.state(), story.due()), (Paused, Due::Wait(Wait::Person)));
    story.person(Command::Resume { target: None });
    assert_eq!((story.state(), story.due()), (CiWait, Due::Command(Command::Settle)));
    assert!(story.go());
    assert_eq!(story.state(), Iterating);
}

#[test]
fn a_paused_run_whose_pull_request_was_merged_is_done_when_it_is_resumed() {
    let mut story = with_pr(Implementing);
    story.person(Command::Pause);
    assert_eq!(tell(&mut story, [merged(1)]), ["github.pull_request.changed"]);
    story.person(Command::Resume { target: None });
    assert!(story.go());
    assert_eq!((story.state(), story.run().reason.code.as_str()), (Done, "merged"));
}

#[test]
fn a_request_for_a_pull_request_that_is_over_is_withdrawn() {
    let mut story = update_asked();
    let left = tell(&mut story, [merged(1)]);
    assert_eq!(left, ["github.pull_request.changed", "pr.request_cancelled"]);
    assert!(matches!(story.run().gate, Gate::Cancelled { reason: CancelReason::Withdrawn, .. }));
    assert_eq!((story.state(), story.due()), (NeedsHumanReview, Due::Wait(Wait::Person)));
    let mut not_asked = with_pr(Iterating).until(NeedsHumanReview);
    tell(&mut not_asked, [merged(1)]);
    assert_eq!(not_asked.due(), Due::Wait(Wait::Person), "nothing is asked for what is over");
}

#[test]
fn a_commit_of_somebody_else_pauses_the_run() {
    for state in [CiWait, ReviewWait, Iterating, Implementing, LocalValidating, Pushed] {
        let mut story = with_pr(state);
        assert_eq!(
            tell(&mut story, [ForgeFact::Head(head(FOREIGN, 5))]),
            ["github.head.seen", "pr.head_moved"]
        );
        assert_eq!((story.state(), story.run().paused_from), (Paused, Some(state)));
        assert_eq!(story.run().reason.code, "head_moved");
        assert!(story.run().reason.message.starts_with("mona moved the branch"), "{state}");
    }
    let mut story = in_state(CiWait);
    tell(&mut story, [ForgeFact::Pull(pull(PullState::Open, FOREIGN, 5))]);
    assert_eq!(story.state(), Paused, "the pull request tells of it as well as the branch");
}

#[test]
fn the_runs_own_push_does_not_pause_it_whichever_is_told_first() {
    let mut story = in_state(CiWait);
    tell(&mut story, [ForgeFact::Head(head(1, 1)), ForgeFact::Pull(pull(PullState::Open, 1, 2))]);
    assert_eq!(story.state(), CiWait);
    let mut story = update_asked().approved();
    story.begin(&Actor::engine(), Step::Push);
    tell(&mut story, [ForgeFact::Pull(pull(PullState::Open, 2, 5))]);
    let outcome = story.good(Step::Push, Flow::Unattended);
    story.end(outcome);
    let mut story = story.until(CiWait);
    assert_eq!(story.due(), Due::Wait(Wait::Forge));
    // What was true before the push comes late.
    tell(&mut story, [ForgeFact::Head(head(1, 6))]);
    assert_eq!(story.state(), CiWait);
}

#[test]
fn a_branch_that_is_gone_is_nobodys_commit() {
    let mut story = in_state(CiWait);
    tell(&mut story, [ForgeFact::Head(HeadFact { sha: None, by: None, at: second(1) })]);
    assert_eq!(story.state(), CiWait);
}

#[test]
fn a_commit_that_a_person_accepted_does_not_pause_again_and_is_theirs_to_repair() {
    let mut story = in_state(CiWait);
    tell(&mut story, [ForgeFact::Head(head(FOREIGN, 1))]);
    story.person(Command::Resume { target: None });
    assert_eq!((story.state(), story.due()), (CiWait, Due::Wait(Wait::Forge)));
    tell(&mut story, [ForgeFact::Head(head(FOREIGN, 2)), ForgeFact::Pull(pull(PullState::Open, FOREIGN, 3))]);
    assert_eq!(story.state(), CiWait);
    let mut green = story.clone();
    tell(&mut green, [checked("build", FOREIGN, "success", 4)]);
    assert_eq!(green.state(), ReviewWait, "results count for the commit that was accepted");
    tell(&mut story, [checked("build", FOREIGN, "failure", 4)]);
    assert_eq!((story.state(), story.run().reason.code.as_str()), (NeedsHumanReview, "foreign_head"));
    assert_eq!(story.due(), Due::Wait(Wait::Person));
}

#[test]
fn another_commit_of_somebody_else_pauses_again() {
    let mut story = in_state(CiWait);
    tell(&mut story, [ForgeFact::Head(head(FOREIGN, 1))]);
    story.person(Command::Resume { target: None });
    tell(&mut story, [ForgeFact::Head(head(0xfd, 2))]);
    assert_eq!(story.state(), Paused);
}

#[test]
fn a_run_that_pushed_over_an_accepted_commit_repairs_its_own_again() {
    let mut story = in_state(CiWait);
    tell(&mut story, [ForgeFact::Head(head(FOREIGN, 1))]);
    story.person(Command::Resume { target: Some(Iterating) });
    let mut story = updated(story);
    tell(&mut story, [ForgeFact::Head(head(2, 21 * 60)), checked("build", 2, "failure", 21 * 60)]);
    assert_eq!((story.state(), story.run().reason.code.as_str()), (Iterating, "sent_back"));
}

#[test]
fn a_repository_that_takes_nothing_any_more_is_a_persons() {
    let gone = RepositoryFact { deleted: true, ..repository(false, 1) };
    for (fact, reason) in [(repository(true, 1), "repository_archived"), (gone, "repository_deleted")] {
        let mut story = in_state(ReviewWait);
        let left = tell(&mut story, [ForgeFact::Repository(fact)]);
        assert_eq!(left, ["github.repository.changed", "review.requested"]);
        assert_eq!((story.state(), story.run().reason.code.as_str()), (NeedsHumanReview, reason));
        assert_eq!(story.due(), Due::Wait(Wait::Person));
        assert!(story.run().reason.message.contains("cancel the run"));
    }
}

#[test]
fn a_repository_with_another_name_moves_nothing() {
    let mut story = in_state(ReviewWait);
    let renamed = RepositoryFact { name: "octo/new".parse().unwrap(), ..repository(false, 1) };
    assert_eq!(tell(&mut story, [ForgeFact::Repository(renamed)]), ["github.repository.changed"]);
    assert_eq!(story.state(), ReviewWait);
}

#[test]
fn a_run_that_a_person_drives_settles_too() {
    let mut story = Story::of(manual_spec());
    for command in [
        Command::StartDiscovery,
        Command::MarkPlanReady { contract: contract() },
        Command::StartImplementation,
        Command::NoteChange { change: change(1) },
        Command::MarkLocalValidated,
    ] {
        story.person(command);
    }
    let by_hand = |story: &Story, step| {
        let outcome = story.good(step, Flow::ByHand { success: None });
        match outcome {
            StepOutcome::PushDone { branch, sha, .. } => StepOutcome::PushDone { branch, sha, request: None },
            other => other,
        }
    };
    let pushed = by_hand(&story, Step::Push);
    story.step(&person(), Step::Push, pushed);
    story.person(Command::LinkPr { number: pr(5), url: None });
    assert_eq!((story.state(), story.run().pushed.as_ref().map(|at| at.sha.clone())), (CiWait, Some(sha(1))));
    tell(&mut story, [checked("build", 1, "failure", 1)]);
    assert_eq!((story.state(), story.due()), (Iterating, Due::Wait(Wait::Operator)));
    story.now = Some(minutes(1));
    tell(&mut story, [merged(2)]);
    assert_eq!(story.state(), Done);
}

#[test]
fn a_verdict_on_a_commit_whose_push_a_crash_left_unrecorded_sends_it_back() {
    let mut story = update_asked().approved();
    story.begin(&Actor::engine(), Step::Push);
    story.end(StepOutcome::Interrupted);
    tell(&mut story, [reviewed("mona", "changes_requested", 9, 2, 5 * 60)]);
    assert_eq!(story.state(), NeedsHumanReview);
    story.now = Some(minutes(29));
    story.begin(&Actor::engine(), Step::Push);
    let outcome = story.good(Step::Push, Flow::Unattended);
    story.end(outcome);
    while !matches!(story.state(), CiWait | Iterating) {
        assert!(story.go(), "it waits in {}", story.state());
    }
    story.go();
    assert_eq!(story.state(), Iterating);
}
