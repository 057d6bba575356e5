//! Where a pull request stands by what the forge says: checks, verdicts, and what was told by hand beside them.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, Flow};
use agentpr::domain::event::Event;
use agentpr::domain::evidence::Step;
use agentpr::domain::forge::fact::{CheckFact, CheckKind, ForgeFact, PullState, ReviewFact};
use agentpr::domain::forge::standing::{CiStatus, ReviewStatus};
use agentpr::domain::forge::view::KEPT;
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::state::State;

use super::facts::{
    awaiting_maintainer, check_run, checked, comment, head, pull, repository, reviewed, running, told,
    verdict_of,
};
use super::samples::{github, minutes, sha};
use super::scenario::{Story, in_state};

use State::{CiWait, Done, Implementing, Iterating, NeedsHumanReview, ReviewWait};

/// Tells facts; answers the names of the events they leave.
pub(super) fn tell(story: &mut Story, facts: impl Into<Vec<ForgeFact>>) -> Vec<&'static str> {
    let decision = story.ask(&github(), &told(facts)).unwrap();
    decision.events.iter().map(Event::name).collect()
}

/// Repairs a run that was sent back, and pushes the update, twenty minutes later.
pub(super) fn updated(mut story: Story) -> Story {
    story.now = Some(minutes(20));
    story.until(NeedsHumanReview).asked().approved().until(CiWait)
}

fn ci(story: &Story) -> CiStatus {
    story.run().ci().unwrap()
}

fn review(story: &Story) -> ReviewStatus {
    story.run().forge.review(&story.run().pushed.as_ref().unwrap().sha)
}

#[test]
fn one_green_check_of_two_is_not_green() {
    let mut story = in_state(CiWait);
    tell(&mut story, [checked("build", 1, "success", 1), running("test", 1, 1)]);
    assert_eq!((story.state(), ci(&story)), (CiWait, CiStatus::Running));
    assert_eq!(story.due(), Due::Wait(Wait::Forge));
    let left = tell(&mut story, [checked("test", 1, "success", 2)]);
    assert_eq!(left, ["github.check.completed", "pr.checks_passed"]);
    assert_eq!((story.state(), ci(&story)), (ReviewWait, CiStatus::Green));
    assert_eq!(story.run().reason.code, "checks_passed");
}

#[test]
fn a_failed_check_sends_the_run_back_by_its_name_while_others_run() {
    let mut story = in_state(CiWait);
    let left = tell(&mut story, [running("test", 1, 1), checked("build", 1, "failure", 1)]);
    assert_eq!(left, ["github.check.completed", "github.check.completed", "pr.sent_back"]);
    assert_eq!((story.state(), ci(&story)), (Iterating, CiStatus::Red));
    assert_eq!(story.run().reason.code, "sent_back");
    assert_eq!(story.run().reason.message, "checks failed: build");
    assert_eq!(story.run().forge_checks, Some((Some(sha(1)), "failure".to_owned())));
}

#[test]
fn a_result_for_another_or_an_older_commit_changes_nothing() {
    let mut story = in_state(CiWait);
    let before = story.run().clone();
    assert_eq!(tell(&mut story, [checked("build", 9, "failure", 1)]), [""; 0]);
    assert_eq!(*story.run(), before);
    tell(&mut story, [checked("build", 1, "failure", 1)]);
    let mut story = updated(story);
    assert_eq!(story.run().pushed.as_ref().unwrap().sha, sha(2));
    let late = checked("build", 1, "failure", 9_000);
    tell(&mut story, [late]);
    assert_eq!((story.state(), ci(&story)), (CiWait, CiStatus::Silent));
}

#[test]
fn a_check_of_the_commit_on_its_way_counts_once_that_is_there() {
    let mut story = in_state(NeedsHumanReview).approved();
    story.begin(&Actor::engine(), Step::Push);
    assert_eq!(tell(&mut story, [checked("build", 1, "failure", 1)]), ["github.check.completed"]);
    assert_eq!(story.state(), NeedsHumanReview);
    let outcome = story.good(Step::Push, Flow::Unattended);
    story.end(outcome);
    let mut story = story.until(CiWait);
    assert_eq!(story.due(), Due::Command(Command::Settle));
    assert!(story.go());
    assert_eq!(story.state(), Iterating);
}

#[test]
fn a_check_that_begins_after_the_others_passed_is_waited_for() {
    let mut story = in_state(CiWait);
    tell(&mut story, [checked("build", 1, "success", 1)]);
    assert_eq!(tell(&mut story, [running("late", 1, 2)]), ["github.check.completed", "pr.checks_pending"]);
    assert_eq!((story.state(), story.run().reason.code.as_str()), (CiWait, "checks_pending"));
}

#[test]
fn a_word_nobody_knows_is_not_green() {
    for word in ["passed", "SUCCESS", "requested", ""] {
        let mut story = in_state(CiWait);
        tell(&mut story, [checked("build", 1, word, 1)]);
        assert_eq!((story.state(), ci(&story)), (CiWait, CiStatus::Running), "{word}");
    }
}

#[test]
fn a_suite_that_is_through_does_not_outshine_its_check_runs() {
    let mut story = in_state(CiWait);
    let suite = check_run("", 1, Some("success"), 9);
    let suite = CheckFact { kind: CheckKind::Suite, ..suite };
    tell(&mut story, [ForgeFact::Check(suite), running("build", 1, 1)]);
    assert_eq!(story.state(), CiWait);
}

#[test]
fn a_repeated_check_that_passes_brings_a_run_back_that_nobody_has_started() {
    let mut story = in_state(CiWait);
    tell(&mut story, [checked("build", 1, "failure", 1)]);
    let left = tell(&mut story.clone(), [checked("build", 1, "success", 2)]);
    assert_eq!(left, ["github.check.completed", "pr.checks_passed"]);
    assert_eq!(tell(&mut story.clone(), [running("build", 1, 2)])[1], "pr.checks_pending");
    let mut begun = story.until(Implementing);
    assert_eq!(tell(&mut begun, [checked("build", 1, "success", 2)]), ["github.check.completed"]);
    assert_eq!(begun.state(), Implementing, "what an agent works on is not taken from it");
}

#[test]
fn checks_of_a_new_contributor_wait_for_a_maintainer_and_are_no_failure() {
    let mut story = in_state(CiWait);
    tell(&mut story, [awaiting_maintainer(1, 1)]);
    assert_eq!((story.state(), ci(&story)), (CiWait, CiStatus::Held));
    assert_eq!(story.due(), Due::Wait(Wait::Maintainer));
    tell(&mut story, [running("build", 1, 2)]);
    assert_eq!(story.due(), Due::Wait(Wait::Maintainer), "one suite was let run, the other was not");
    // Of an app of somebody else the same word says that the author has to act.
    let other =
        CheckFact { app: "licence-bot".to_owned(), ..check_run("licence", 1, Some("action_required"), 3) };
    tell(&mut story, [ForgeFact::Check(other)]);
    assert_eq!(story.state(), Iterating);
}

#[test]
fn the_latest_verdict_of_each_reviewer_counts() {
    let mut story = in_state(CiWait);
    tell(&mut story, [checked("build", 1, "success", 1)]);
    tell(&mut story, [reviewed("mona", "approved", 1, 1, 1), reviewed("hubot", "approved", 2, 1, 2)]);
    assert_eq!((story.state(), review(&story)), (ReviewWait, ReviewStatus::Approved));
    tell(&mut story, [reviewed("Mona", "changes_requested", 3, 1, 3)]);
    assert_eq!((story.state(), review(&story)), (Iterating, ReviewStatus::ChangesRequested));
    assert_eq!(story.run().reason.message, "changes were asked for by Mona");
    assert_eq!(tell(&mut story, [reviewed("mona", "approved", 1, 1, 1)]), [""; 0], "the older verdict");
    tell(&mut story, [reviewed("mona", "approved", 4, 1, 4)]);
    assert_eq!((story.state(), review(&story)), (ReviewWait, ReviewStatus::Approved));
}

#[test]
fn a_dismissed_verdict_counts_no_more() {
    let mut story = in_state(CiWait);
    tell(&mut story, [checked("build", 1, "success", 1), reviewed("mona", "changes_requested", 1, 1, 2)]);
    assert_eq!(story.state(), Iterating);
    tell(&mut story, [reviewed("mona", "dismissed", 1, 1, 2)]);
    assert_eq!((story.state(), review(&story)), (ReviewWait, ReviewStatus::Open));
    assert_eq!(tell(&mut story, [reviewed("mona", "changes_requested", 1, 1, 2)]), [""; 0]);
}

#[test]
fn a_comment_decides_nothing_and_is_kept() {
    let mut story = in_state(ReviewWait);
    assert_eq!(tell(&mut story, [reviewed("mona", "commented", 1, 1, 1)]), [""; 0]);
    assert_eq!(tell(&mut story, [ForgeFact::Comment(comment(1, 1))]), ["github.comment.created"]);
    assert_eq!((story.state(), review(&story)), (ReviewWait, ReviewStatus::Open));
    assert_eq!(story.run().forge.comments.len(), 1);
}

#[test]
fn a_verdict_from_before_the_update_does_not_send_it_back_again() {
    let mut story = in_state(CiWait);
    tell(&mut story, [reviewed("mona", "changes_requested", 1, 1, 1)]);
    let mut story = updated(story);
    // A forge points it at the new commit, and one that was lost comes only now.
    let moved = verdict_of("mona", "changes_requested", 1, 2, 1);
    let moved = ReviewFact { body: "please, with a later edit".to_owned(), ..moved };
    tell(&mut story, [ForgeFact::Review(moved), reviewed("hubot", "changes_requested", 2, 2, 2)]);
    assert_eq!((story.state(), review(&story)), (CiWait, ReviewStatus::Open));
    tell(&mut story, [reviewed("mona", "changes_requested", 3, 2, 21 * 60)]);
    assert_eq!(story.state(), Iterating, "a verdict about the update counts");
}

#[test]
fn facts_told_twice_leave_one_event() {
    let mut story = in_state(CiWait);
    let facts = vec![
        checked("build", 1, "success", 1),
        reviewed("mona", "approved", 1, 1, 1),
        ForgeFact::Comment(comment(1, 1)),
        ForgeFact::Pull(pull(PullState::Open, 1, 1)),
        ForgeFact::Head(head(1, 1)),
        ForgeFact::Repository(repository(false, 1)),
    ];
    let twice = [facts.clone(), facts.clone()].concat();
    assert_eq!(tell(&mut story, twice).len(), 7, "six facts and one move");
    assert_eq!(tell(&mut story, facts), [""; 0]);
}

#[test]
fn facts_after_the_end_leave_nothing() {
    for state in [Done, State::Skipped, State::FailedTerminal] {
        let mut story = in_state(state);
        let facts = [ForgeFact::Pull(pull(PullState::Merged, 1, 1)), ForgeFact::Comment(comment(1, 1))];
        assert_eq!(tell(&mut story, facts), [""; 0], "{state}");
        assert_eq!(story.ask(&github(), &Command::Settle).unwrap().events, []);
    }
}

fn record(word: &str) -> Command {
    Command::RecordCheck { conclusion: word.to_owned(), head_sha: Some(sha(1)), pr_number: None }
}

#[test]
fn what_is_told_by_hand_moves_as_ever_and_its_last_word_counts() {
    let mut story = in_state(CiWait);
    story.person(record("success"));
    assert_eq!((story.state(), story.due()), (ReviewWait, Due::Wait(Wait::Forge)));
    story.person(record("failure"));
    assert_eq!((story.state(), story.due()), (Iterating, Due::Command(Command::StartImplementation)));
    story.person(record("success"));
    assert_eq!(story.due(), Due::Command(Command::Settle), "the last word counts at the same moment, too");
    assert!(story.go());
    assert_eq!(story.state(), ReviewWait);
    let state = "changes_requested".to_owned();
    story.person(Command::RecordReview { state, head_sha: Some(sha(1)) });
    assert_eq!((story.state(), story.due()), (Iterating, Due::Command(Command::StartImplementation)));
    story.person(Command::RecordReview { state: "approved".to_owned(), head_sha: Some(sha(1)) });
    assert!(story.go());
    assert_eq!(story.state(), ReviewWait);
}

#[test]
fn what_is_told_by_hand_lives_beside_what_the_forge_tells() {
    let mut story = in_state(CiWait);
    story.person(record("failure"));
    tell(&mut story, [checked("build", 1, "success", 1)]);
    assert_eq!((story.state(), ci(&story)), (Iterating, CiStatus::Red), "a red word by hand stays red");
    let mut story = in_state(CiWait);
    tell(&mut story, [running("build", 1, 1)]);
    story.person(record("success"));
    assert!(story.go());
    assert_eq!((story.state(), ci(&story)), (CiWait, CiStatus::Running), "a green one waits for the others");
    let mut story = updated(in_state(Iterating));
    tell(&mut story, [checked("build", 2, "success", 1)]);
    assert_eq!(story.state(), ReviewWait, "a push answers what was told by hand");
}

#[test]
fn where_a_person_sent_it_a_run_goes_on_whatever_passes() {
    let mut story = in_state(CiWait);
    tell(&mut story, [checked("build", 1, "success", 1)]);
    story.person(Command::Pause);
    story.person(Command::Resume { target: Some(Iterating) });
    assert_eq!(story.due(), Due::Command(Command::StartImplementation));
}

#[test]
fn with_more_checks_than_are_kept_nothing_is_green() {
    let mut story = in_state(CiWait);
    let green: Vec<ForgeFact> = (0..KEPT).map(|n| checked(&format!("job {n}"), 1, "success", 1)).collect();
    tell(&mut story, green);
    assert_eq!((story.state(), ci(&story)), (CiWait, CiStatus::Running));
    tell(&mut story, [checked("job 1", 1, "failure", 2)]);
    assert_eq!((story.state(), ci(&story)), (Iterating, CiStatus::Red));
}
