//! Many runs in one process: bounded, woken by appends, and one run's trouble is its own.

use std::sync::Arc;
use std::time::Duration;

use agentpr::app::engine::{Engine, EngineOptions};
use agentpr::domain::state::State;

use super::Scene;
use crate::harness::world::AgentDoes;

fn options(max_loops: Option<u64>) -> EngineOptions {
    EngineOptions { only: None, max_parallel: 2, interval: Duration::from_secs(5), max_loops }
}

#[tokio::test(start_paused = true)]
async fn one_pass_drives_every_run_to_where_it_waits() {
    let scene = Scene::new();
    let runs: Vec<_> = (1..=5).map(|number| scene.submit(&format!("r{number}"))).collect();
    let report = Engine::new(Arc::clone(&scene.app), options(Some(1))).run(&scene.stop).await.unwrap();
    assert_eq!(report.driven.len(), 5);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    for run in &runs {
        assert_eq!(scene.app.run(run).unwrap().state, State::NeedsHumanReview);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_agents_run_at_once_than_allowed() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits; 4]);
    for number in 1..=4 {
        scene.submit(&format!("r{number}"));
    }
    let (engine, stop) = (Engine::new(Arc::clone(&scene.app), options(Some(1))), scene.stop.clone());
    let task = tokio::spawn(async move { engine.run(&stop).await });
    scene.world.waiting.acquire_many(2).await.unwrap().forget();
    scene.world.go.add_permits(4);
    assert_eq!(task.await.unwrap().unwrap().driven.len(), 4);
    assert_eq!(scene.world.most_agents_at_once(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_runs_failure_leaves_the_others_alone() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Fails]);
    let failing = scene.submit("r1");
    let fine = scene.submit("r2");
    Engine::new(Arc::clone(&scene.app), EngineOptions { max_parallel: 1, ..options(Some(1)) })
        .run(&scene.stop)
        .await
        .unwrap();
    assert_eq!(scene.app.run(&failing).unwrap().state, State::FailedRetryable);
    assert_eq!(scene.app.run(&fine).unwrap().state, State::NeedsHumanReview);
}

#[tokio::test(start_paused = true)]
async fn an_engine_told_to_stop_stops_its_agents_and_loses_nothing() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    let run = scene.submit("r1");
    let engine = Engine::new(Arc::clone(&scene.app), options(None));
    let stop = scene.stop.clone();
    let task = tokio::spawn(async move { engine.run(&stop).await });
    scene.world.waiting.acquire().await.unwrap().forget();
    scene.stop.cancel();
    task.await.unwrap().unwrap();
    let stopped = scene.app.run(&run).unwrap();
    assert_eq!((stopped.state, stopped.open), (State::Implementing, None));

    let next = tokio_util::sync::CancellationToken::new();
    Engine::new(Arc::clone(&scene.app), options(Some(1))).run(&next).await.unwrap();
    assert_eq!(scene.app.run(&run).unwrap().state, State::NeedsHumanReview);
}

#[tokio::test(start_paused = true)]
async fn a_dry_pass_says_what_is_due_and_does_nothing() {
    let scene = Scene::new();
    let run = scene.submit("r1");
    let lines = Engine::dry_run(&scene.app, None).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].run.clone(), lines[0].due.as_str()), (run.clone(), "start discovery"));
    assert_eq!(scene.names(&run), ["command.run.create"]);
}
