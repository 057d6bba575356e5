//! What goes wrong around a run: a damaged log, a store that refuses, a machine that slept, a person in a hurry.

use std::sync::Arc;
use std::time::Duration;

use agentpr::app::engine::{Engine, EngineOptions};
use agentpr::app::execute::By;
use agentpr::app::gate::Confirmation;
use agentpr::app::gc::GcOrder;
use agentpr::app::{AppError, StoreError};
use agentpr::domain::actor::Actor;
use agentpr::domain::command::Command;
use agentpr::domain::event::{Event, MarkedDone};
use agentpr::domain::evidence::{AttemptOutcome, Step};
use agentpr::domain::id::RunId;
use agentpr::domain::next::Wait;
use agentpr::domain::run::Run;
use agentpr::domain::state::State;
use agentpr::ports::store::{Append, EventStore};
use tokio_util::sync::CancellationToken;

use super::Scene;
use crate::harness::faulty::FaultyStore;
use crate::harness::world::AgentDoes;

fn options(max_loops: Option<u64>) -> EngineOptions {
    EngineOptions { only: None, max_parallel: 2, interval: Duration::from_secs(5), max_loops }
}

impl Scene {
    fn command(&self, run: &RunId, command: &Command) {
        self.app.execute(run, command, &By::actor(Self::person())).unwrap();
    }

    /// A run whose performer dies in the middle of the agent's work; its lease has run out.
    async fn left_by_a_dead_performer(&self, name: &str) -> RunId {
        self.world.agent_does(&[AgentDoes::Waits]);
        let run = self.submit(name);
        let (app, stop, id) = (Arc::clone(&self.app), self.stop.clone(), run.clone());
        let task = tokio::spawn(async move { app.drive(&id, &stop).await });
        self.world.waiting.acquire().await.unwrap().forget();
        task.abort();
        let _cut = task.await;
        self.world.pass(Duration::from_secs(31));
        assert!(self.app.run(&run).unwrap().open.is_some());
        run
    }

    /// An approved run, and the task that carries it out while the remote does not answer.
    async fn being_pushed(&self) -> (RunId, tokio::task::JoinHandle<Result<Run, AppError>>) {
        let run = self.submit("r1");
        self.app.drive(&run, &self.stop).await.unwrap();
        let confirmation = Confirmation { token: self.world.token(&run), confirmed: true, claimed: None };
        self.app.confirm(&run, &confirmation, &Self::person()).await.unwrap();
        self.world.pushes_fail(1);
        let (app, stop, id) = (Arc::clone(&self.app), self.stop.clone(), run.clone());
        let task = tokio::spawn(async move { app.complete_approved(&id, &stop).await });
        self.world.waiting.acquire().await.unwrap().forget();
        (run, task)
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_is_one_runs_trouble() {
    let scene = Scene::new();
    let (damaged, fine) = (scene.submit("r1"), scene.submit("r2"));
    let run = scene.app.run(&damaged).unwrap();
    let append = Append {
        run: run.id,
        expected: run.version,
        fence: None,
        actor: Actor::engine(),
        at: run.updated_at,
        cause: None,
        key: None,
        events: vec![(MarkedDone {}.into(), State::Queued)],
    };
    scene.store.append(&append).unwrap();
    let report = Engine::new(Arc::clone(&scene.app), options(Some(1))).run(&scene.stop).await.unwrap();
    assert_eq!(scene.app.run(&fine).unwrap().state, State::NeedsHumanReview);
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    assert_eq!(report.failures[0].0, damaged);
}

#[tokio::test(start_paused = true)]
async fn an_engine_outlives_a_store_that_cannot_be_read() {
    let scene = Scene::new();
    let store = FaultyStore::over(&scene.store);
    let app = scene.world.app(&store, "engine");
    scene.world.agent_does(&[AgentDoes::Waits, AgentDoes::Waits]);
    let first = scene.submit("r1");
    let (engine, stop) = (Engine::new(app, options(None)), scene.stop.clone());
    let task = tokio::spawn(async move { engine.run(&stop).await });
    scene.world.waiting.acquire().await.unwrap().forget();
    store.unreadable(true);
    let second = scene.submit("r2");
    scene.world.go.add_permits(1);
    while scene.app.run(&first).unwrap().state != State::NeedsHumanReview {
        tokio::task::yield_now().await;
    }
    store.unreadable(false);
    scene.world.waiting.acquire().await.unwrap().forget();
    assert_eq!(scene.app.run(&second).unwrap().state, State::Implementing);
    scene.stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pass_over_a_store_that_cannot_be_read_says_so() {
    let scene = Scene::new();
    let store = FaultyStore::over(&scene.store);
    store.unreadable(true);
    let engine = Engine::new(scene.world.app(&store, "engine"), options(Some(1)));
    let failed = engine.run(&scene.stop).await.unwrap_err();
    assert!(matches!(failed, AppError::Store(StoreError::Unavailable { .. })), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_outlived_its_engine_is_ended_though_a_person_cancelled_the_run_meanwhile() {
    let scene = Scene::new();
    let run = scene.left_by_a_dead_performer("r1").await;
    scene.command(&run, &Command::Cancel { reason: "not wanted".to_owned() });
    Engine::new(Arc::clone(&scene.app), options(Some(1))).run(&scene.stop).await.unwrap();
    let ended = scene.app.run(&run).unwrap();
    assert_eq!((ended.state, ended.open), (State::FailedTerminal, None));
    assert_eq!(scene.world.leftovers_ended(), 1);

    let events = scene.names(&run).len();
    Engine::new(Arc::clone(&scene.app), options(Some(1))).run(&scene.stop).await.unwrap();
    assert_eq!(scene.names(&run).len(), events, "nothing is left to be ended");
}

#[tokio::test(start_paused = true)]
async fn a_workspace_is_not_removed_under_an_attempt_that_has_not_ended() {
    let scene = Scene::new();
    let run = scene.left_by_a_dead_performer("r1").await;
    scene.command(&run, &Command::Cancel { reason: "not wanted".to_owned() });
    let order = GcOrder { older_than: Duration::ZERO, artifacts: true, dry_run: false };
    assert!(scene.app.gc(&order).await.unwrap().is_empty());
    Engine::new(Arc::clone(&scene.app), options(Some(1))).run(&scene.stop).await.unwrap();
    assert_eq!(scene.app.gc(&order).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_cancelled_while_another_process_died_is_found_by_a_later_pass() {
    let scene = Scene::new();
    let (engine, stop) =
        (Engine::new(scene.world.app(&scene.store, "daemon"), options(None)), CancellationToken::new());
    let over = stop.clone();
    let task = tokio::spawn(async move { engine.run(&over).await });
    let order = agentpr::app::submit::RunOrder { agent: None, ..Scene::order("r1") };
    let run = scene.app.submit(order, &Scene::person(), None).unwrap().run.id;
    scene.command(&run, &Command::StartDiscovery);
    scene.command(&run, &Command::StartAttempt { step: Step::Prepare, generation: 1, reserved: None });
    scene.command(&run, &Command::Cancel { reason: String::new() });
    let ended = async {
        while scene.app.run(&run).unwrap().open.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_the_moment_a_run_is_taken_hold_of_is_seen() {
    let scene = Scene::new();
    let run = scene.submit("r1");
    let hold = scene.app.hold(&run, &scene.stop).await.unwrap();
    scene.command(&run, &Command::Pause);
    tokio::time::timeout(Duration::from_secs(1), hold.stop.cancelled()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_performer_that_slept_through_its_lease_stops_and_leaves_no_lease_behind() {
    let scene = Scene::new();
    let run = scene.submit("r1");
    let slept = scene.app.hold(&run, &scene.stop).await.unwrap();
    scene.world.pass(Duration::from_secs(3_600));
    let heir = scene.world.app(&scene.store, "heir");
    drop(heir.hold(&run, &scene.stop).await.unwrap());
    slept.stop.cancelled().await;
    let late = scene.app.execute(&run, &Command::StartDiscovery, &slept.by(&Actor::engine())).unwrap_err();
    assert!(matches!(late, AppError::Store(StoreError::Fenced { .. })), "{late}");
    heir.hold(&run, &scene.stop).await.unwrap();
}

#[tokio::test]
async fn an_outcome_that_could_not_be_written_is_an_interruption_once_there_is_room_again() {
    let scene = Scene::new();
    let store = FaultyStore::over(&scene.store);
    let app = scene.world.app(&store, "engine");
    let run = scene.submit("r1");
    // Discovery, the attempt's start; its end does not fit.
    store.room_for(2);
    let failed = app.drive(&run, &scene.stop).await.unwrap_err();
    assert!(matches!(failed, AppError::Store(StoreError::Unavailable { .. })), "{failed}");
    store.room_for(-1);
    assert_eq!(app.drive(&run, &scene.stop).await.unwrap().wait, Wait::Approval);
    let cut = |event: &Event| matches!(event, Event::AttemptEnded(body) if body.outcome == AttemptOutcome::Interrupted);
    assert_eq!(scene.count(&run, cut), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_before_anything_was_sent_is_not_pushed() {
    let scene = Scene::new();
    let (run, task) = scene.being_pushed().await;
    scene.command(&run, &Command::Cancel { reason: "not wanted".to_owned() });
    let after = task.await.unwrap().unwrap();
    assert_eq!((after.state, after.open), (State::FailedTerminal, None));
    assert!(scene.world.pushes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_expires_while_the_remote_does_not_answer_is_not_carried_out() {
    let scene = Scene::new();
    let (_, task) = scene.being_pushed().await;
    scene.world.pass(Duration::from_secs(31 * 60));
    // The machine slept, and nobody else was there to take the lease.
    let after = task.await.unwrap().unwrap();
    assert_eq!(after.last_error.unwrap().reason_code, "expired");
    assert!(scene.world.pushes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_performer_whose_lease_was_taken_over_pushes_nothing() {
    let scene = Scene::new();
    let (run, task) = scene.being_pushed().await;
    scene.world.pass(Duration::from_secs(31));
    let heir = scene.world.app(&scene.store, "heir");
    let hold = heir.hold(&run, &scene.stop).await.unwrap();
    let failed = task.await.unwrap().unwrap_err();
    assert!(matches!(failed, AppError::Store(StoreError::Fenced { .. })), "{failed}");
    assert!(scene.world.pushes().is_empty());
    drop(hold);
    assert_eq!(heir.complete_approved(&run, &scene.stop).await.unwrap().state, State::CiWait);
    assert_eq!((scene.world.pushes().len(), scene.world.pulls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_push_goes_on_when_the_remote_answers_again() {
    let scene = Scene::new();
    let (_, task) = scene.being_pushed().await;
    assert_eq!(task.await.unwrap().unwrap().state, State::CiWait);
    assert_eq!((scene.world.pushes().len(), scene.world.pulls()), (1, 1));
}
