//! One run on its way: what the engine does by itself, and where it stops.

use std::time::Duration;

use agentpr::app::execute::By;
use agentpr::app::{AppError, StoreError};
use agentpr::domain::command::Command;
use agentpr::domain::event::Event;
use agentpr::domain::evidence::{AttemptOutcome, Step};
use agentpr::domain::next::Wait;
use agentpr::domain::spec::Limits;
use agentpr::domain::state::State;

use super::Scene;
use crate::harness::world::AgentDoes;

#[tokio::test]
async fn a_run_goes_to_the_gate_by_itself_and_waits_for_its_approval() {
    let scene = Scene::new();
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!((driven.run.state, driven.wait), (State::NeedsHumanReview, Wait::Approval));
    assert_eq!(driven.run.reason.code, "ready_for_review");
    assert!(scene.world.pushes().is_empty(), "nothing is pushed before the approval");
    assert!(!scene.world.token(&run).is_empty());
}

#[tokio::test]
async fn failed_checks_send_the_agent_back_with_what_they_printed() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, true]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
    assert_eq!(scene.count(&run, |event| matches!(event, Event::FixRequested(_))), 1);
    let prompts = scene.world.prompts();
    assert!(prompts[0].contains("Accept trailing commas") && !prompts[0].contains("Repair"));
    assert!(prompts[1].contains("FAIL: one is not two"), "{}", prompts[1]);
}

#[tokio::test]
async fn when_the_fix_rounds_are_used_up_a_person_is_asked() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false; 10]);
    let run = scene.submit_with("r1", Limits { max_iteration_count: 2, ..Limits::default() });
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!((driven.run.state, driven.wait), (State::NeedsHumanReview, Wait::Person));
    assert_eq!(driven.run.reason.code, "verify_failed");
    assert_eq!(scene.count(&run, |event| matches!(event, Event::FixRequested(_))), 2);
}

#[tokio::test]
async fn an_agent_that_changes_nothing_is_a_persons_matter() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Nothing]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.run.state, State::NeedsHumanReview);
    assert_eq!(driven.run.reason.code, "no_change");
}

#[tokio::test]
async fn a_failing_agent_leaves_a_run_that_a_person_can_retry() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Fails]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.run.state, State::FailedRetryable);
    assert!(
        driven.run.last_error.as_ref().unwrap().to_string().starts_with("agent:runtime_unknown_failure:")
    );

    let retry = Command::Retry { target: None };
    scene.app.execute(&run, &retry, &By::actor(Scene::person())).unwrap();
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_remote_fails_the_preparation_and_a_retry_succeeds() {
    let scene = Scene::new();
    scene.world.unreachable(true);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.run.state, State::FailedRetryable);
    assert_eq!(driven.run.last_error.unwrap().reason_code, "remote_unavailable");
    scene.world.unreachable(false);
    scene.app.execute(&run, &Command::Retry { target: None }, &By::actor(Scene::person())).unwrap();
    assert_eq!(scene.app.drive(&run, &scene.stop).await.unwrap().wait, Wait::Approval);
}

#[tokio::test(start_paused = true)]
async fn pausing_stops_the_agent_and_resuming_starts_it_again() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    let run = scene.submit("r1");
    let task = scene.at_work(&run).await;

    scene.app.execute(&run, &Command::Pause, &By::actor(Scene::person())).unwrap();
    let driven = task.await.unwrap().unwrap();
    assert_eq!(driven.run.state, State::Paused);
    assert!(driven.run.open.is_none());
    let stopped =
        |event: &Event| matches!(event, Event::AttemptEnded(body) if body.outcome == AttemptOutcome::Stopped);
    assert_eq!(scene.count(&run, stopped), 1);

    scene.app.execute(&run, &Command::Resume { target: None }, &By::actor(Scene::person())).unwrap();
    assert_eq!(scene.app.drive(&run, &scene.stop).await.unwrap().wait, Wait::Approval);
}

#[tokio::test(start_paused = true)]
async fn only_one_performer_works_on_a_run_and_its_end_sets_the_other_free() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    let run = scene.submit("r1");
    let task = scene.at_work(&run).await;

    let other = scene.world.app(&scene.store, "another engine");
    let refused = other.drive(&run, &scene.stop).await.unwrap_err();
    assert!(matches!(refused, AppError::Store(StoreError::LeaseHeld { .. })), "{refused}");
    scene.world.go.add_permits(1);
    task.await.unwrap().unwrap();
    assert_eq!(other.drive(&run, &scene.stop).await.unwrap().wait, Wait::Approval);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_performer_left_is_ended_and_done_again() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    let run = scene.submit("r1");
    let task = scene.at_work(&run).await;
    // The task is cut off where it stands, as a crash would do; its lease is not given back by a dead process, but
    // expires, which the clock says.
    task.abort();
    let _cut = task.await;
    scene.world.pass(Duration::from_secs(31));

    let heir = scene.world.app(&scene.store, "heir");
    let driven = heir.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
    assert_eq!(scene.world.leftovers_ended(), 1);
    let interrupted = |event: &Event| matches!(event, Event::AttemptEnded(body) if body.outcome == AttemptOutcome::Interrupted);
    assert_eq!(scene.count(&run, interrupted), 1);
    let agents = |event: &Event| matches!(event, Event::AttemptStarted(body) if body.step == Step::Agent);
    assert_eq!(scene.count(&run, agents), 2);
}

#[tokio::test]
async fn a_run_whose_time_is_over_starts_no_new_step() {
    let scene = Scene::new();
    let run = scene.submit_with("r1", Limits { max_run_minutes: Some(1), ..Limits::default() });
    scene.app.execute(&run, &Command::StartDiscovery, &By::actor(Scene::person())).unwrap();
    scene.world.pass(Duration::from_secs(61));
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::NeedsHumanReview, "budget_exhausted")
    );
    assert!(!scene.names(&run).contains(&"attempt.started"));

    scene.app.execute(&run, &Command::Retry { target: None }, &By::actor(Scene::person())).unwrap();
    assert_eq!(scene.app.drive(&run, &scene.stop).await.unwrap().wait, Wait::Approval);
}

#[tokio::test]
async fn a_run_without_an_agent_is_left_to_its_operator() {
    let scene = Scene::new();
    let order = agentpr::app::submit::RunOrder { agent: None, ..Scene::order("r1") };
    let run = scene.app.submit(order, &Scene::person(), None).unwrap().run.id;
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!((driven.run.state, driven.wait), (State::Queued, Wait::Operator));
}

#[tokio::test]
async fn an_order_whose_remote_carries_credentials_is_refused_and_recorded_nowhere() {
    let scene = Scene::new();
    let order = |remote: &str| agentpr::app::submit::RunOrder {
        remote: Some(remote.to_owned()),
        ..Scene::order("r1")
    };
    for remote in [
        "https://me:hunter2@example.com/a/b.git",
        "https://ghp_hunter2@example.com/a/b",
        "SSH://git:hunter2@h/x",
    ] {
        let refused = scene.app.submit(order(remote), &Scene::person(), None).unwrap_err();
        assert!(matches!(refused, AppError::Invalid(_)), "{refused}");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    assert_eq!(scene.app.store().last_seq().unwrap().0, 0);
    scene.app.submit(order("ssh://git@example.com/a/b.git"), &Scene::person(), None).unwrap();
}
