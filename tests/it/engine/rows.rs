//! What the first loop got wrong between its iterations, seen from this engine: the order of steps, who counts the repairs, who
//! owns a run, and what a prompt holds.

use std::time::Duration;

use agentpr::app::execute::By;
use agentpr::app::{AppError, StoreError};
use agentpr::domain::command::Command;
use agentpr::domain::event::Event;
use agentpr::domain::evidence::Step;
use agentpr::domain::id::{RunId, Version};
use agentpr::domain::next::Wait;
use agentpr::domain::run::Run;
use agentpr::domain::spec::Limits;
use agentpr::domain::state::State;
use agentpr::ports::store::EventStore;

use super::Scene;
use crate::harness::world::AgentDoes;

impl Scene {
    fn rounds(&self, run: &RunId) -> Vec<u32> {
        let events = self.store.events_of(run, Version(0)).unwrap();
        let round = |event: &Event| match event {
            Event::FixRequested(body) => Some(body.round),
            _ => None,
        };
        events.iter().filter_map(|recorded| round(&recorded.event)).collect()
    }
}

#[tokio::test]
async fn f19_after_a_fix_the_next_thing_is_verification() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, false, true]);
    let run = scene.submit("r1");
    assert_eq!(scene.app.drive(&run, &scene.stop).await.unwrap().wait, Wait::Approval);
    let started = |event: &Event| match event {
        Event::AttemptStarted(body) => Some(body.step),
        _ => None,
    };
    let events = scene.store.events_of(&run, Version(0)).unwrap();
    let steps: Vec<Step> = events.iter().filter_map(|recorded| started(&recorded.event)).collect();
    let (agent, checks) = (Step::Agent, Step::Checks);
    let wanted = [Step::Prepare, Step::Plan, agent, checks, agent, checks, agent, checks, Step::PrRequest];
    assert_eq!(steps, wanted, "one attempt of the agent for each verification, and no step planned again");
}

#[tokio::test(start_paused = true)]
async fn f20_repairs_are_counted_by_the_events_of_the_run_and_survive_a_restart() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false; 20]);
    scene.world.agent_does(&[AgentDoes::Changes, AgentDoes::Waits]);
    let limits = || Limits { max_iteration_count: 2, ..Limits::default() };
    let run = scene.submit_with("r1", limits());
    // The engine dies in the middle of the first repair.
    let task = scene.at_work(&run).await;
    task.abort();
    let _cut = task.await;
    assert_eq!(scene.rounds(&run), [1]);
    scene.world.pass(Duration::from_secs(31));

    let heir = scene.world.app(&scene.store, "heir");
    let driven = heir.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::NeedsHumanReview, "verify_failed")
    );
    assert_eq!(scene.rounds(&run), [1, 2]);
    let folded = Run::fold(&scene.store.events_of(&run, Version(0)).unwrap()).unwrap().unwrap();
    assert_eq!((folded.fix_rounds, &folded), (2, &driven.run));

    let other = scene.submit_with("r2", limits());
    heir.drive(&other, &scene.stop).await.unwrap();
    assert_eq!(scene.rounds(&other), [1, 2], "no run pays for another one's repairs");
    heir.execute(&run, &Command::Retry { target: None }, &By::actor(Scene::person())).unwrap();
    heir.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(scene.rounds(&run), [1, 2, 1, 2], "a person gives it its rounds back");
}

#[tokio::test(start_paused = true)]
async fn fsm_29_f21_a_second_performer_is_refused_with_the_owners_name() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    let run = scene.submit("r1");
    let task = scene.at_work(&run).await;
    let before = scene.names(&run).len();
    let other = scene.world.app(&scene.store, "another engine");
    match other.drive(&run, &scene.stop).await.unwrap_err() {
        AppError::Store(err @ StoreError::LeaseHeld { .. }) => {
            assert!(err.to_string().contains("run `r1` is worked on by `engine-"), "{err}");
        }
        err => panic!("{err}"),
    }
    assert_eq!(scene.names(&run).len(), before, "a refusal leaves no event");
    scene.world.go.add_permits(1);
    assert_eq!(task.await.unwrap().unwrap().wait, Wait::Approval);
}

#[tokio::test]
async fn f27_a_repair_prompt_holds_the_excerpt_and_is_no_longer_in_a_later_round() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false; 4]);
    let run = scene.submit_with("r1", Limits { max_iteration_count: 3, ..Limits::default() });
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let prompts = scene.world.prompts();
    assert_eq!(prompts.len(), 4);
    for prompt in &prompts[1..] {
        assert_eq!(prompt.matches("FAIL: one is not two").count(), 1, "{prompt}");
        // Safety, task and frame: the output of a check adds at most 2,000 characters, and earlier rounds nothing.
        assert!(prompt.len() < 4_000, "{}", prompt.len());
        assert_eq!(prompt.len(), prompts[1].len());
    }
}
