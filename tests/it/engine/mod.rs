//! The engine with a model of the world around it: no process, no disk, no waiting for real time.

mod agent;
mod agents;
mod budget;
mod doctor;
mod drive;
mod forge;
mod gate;
mod inbox;
mod inbox_trouble;
mod judged;
mod many;
mod pr_text;
mod prompts;
mod rows;
mod spending;
mod trouble;

use std::sync::Arc;

use agentpr::adapters::store::memory::MemoryStore;
use agentpr::app::drive::Driven;
use agentpr::app::submit::RunOrder;
use agentpr::app::{App, AppError};
use agentpr::domain::actor::Actor;
use agentpr::domain::event::Event;
use agentpr::domain::id::{RepoSlug, RunId, Version};
use agentpr::domain::spec::{Delivery, Limits};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::world::World;

/// A world with one app in it.
struct Scene {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    app: Arc<App>,
    stop: CancellationToken,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let store = Arc::new(MemoryStore::new());
        let app = world.app(&store, "engine");
        Self { world, store, app, stop: CancellationToken::new() }
    }

    fn person() -> Actor {
        Actor::cli("ada")
    }

    fn order(name: &str) -> RunOrder {
        RunOrder {
            run: Some(RunId::new(name).unwrap()),
            repo: RepoSlug::new("acme", "parser").unwrap(),
            prompt_version: "v1".to_owned(),
            task: "Accept trailing commas".to_owned(),
            agent: Some("model".to_owned()),
            model: None,
            roles: None,
            budgets: None,
            checks: vec!["make test".to_owned()],
            base_branch: None,
            head_branch: None,
            remote: None,
            delivery: Delivery::Pr,
            title: None,
            limits: None,
            policy: None,
        }
    }

    fn submit(&self, name: &str) -> RunId {
        self.app.submit(Self::order(name), &Self::person(), None).unwrap().run.id
    }

    fn submit_with(&self, name: &str, limits: Limits) -> RunId {
        let order = RunOrder { limits: Some(limits), ..Self::order(name) };
        self.app.submit(order, &Self::person(), None).unwrap().run.id
    }

    /// Drives a run until its agent is at work and waits; the task goes on.
    async fn at_work(&self, run: &RunId) -> JoinHandle<Result<Driven, AppError>> {
        let (app, stop, run) = (Arc::clone(&self.app), self.stop.clone(), run.clone());
        let mut task = tokio::spawn(async move { app.drive(&run, &stop).await });
        tokio::select! {
            permit = self.world.waiting.acquire() => permit.unwrap().forget(),
            ended = &mut task => panic!("it ended before its agent was at work: {ended:?}"),
        }
        task
    }

    fn names(&self, run: &RunId) -> Vec<&'static str> {
        use agentpr::ports::store::EventStore;
        let events = self.store.events_of(run, Version(0)).unwrap();
        events.iter().map(|recorded| recorded.event.name()).collect()
    }

    fn count(&self, run: &RunId, matches: impl Fn(&Event) -> bool) -> usize {
        use agentpr::ports::store::EventStore;
        let events = self.store.events_of(run, Version(0)).unwrap();
        events.iter().filter(|recorded| matches(&recorded.event)).count()
    }
}
