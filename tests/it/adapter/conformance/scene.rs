//! What a subject of the conformance suite can be made to do, and where.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentpr::adapters::worker::agent::{Agent, Setup};
use agentpr::adapters::worker::{WorkerSettings, Workers};
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::{Price, Tokens};
use agentpr::domain::confine::ProcessLimits;
use agentpr::domain::id::AttemptNo;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::WorkOrder;

use crate::adapter::world::{World, open, run, supervisor};

/// What the agent of a scene does. Files are in its workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapter) enum Deed {
    /// Writes `yes` to the file `made`, says [`Subject::last_words`] at the end, and reports [`Subject::usage`].
    Succeed,
    /// Says [`Subject::spoken`], waits for the file `go`, and succeeds.
    Pause,
    /// Starts a program in a session of its own, writes its number to the file `child`, and says nothing any more.
    Hang,
    /// Starts the same program and succeeds.
    LeaveChild,
    /// Ends in this class, one of [`Subject::endings`].
    End(OutcomeClass),
    /// Its program is not there.
    Absent,
    /// Its program is too old to be safe.
    TooOld,
    /// Its program lacks an option that is needed.
    Lacking,
}

/// An agent that can be made to do things.
pub(in crate::adapter) trait Subject: Sync {
    /// A new world with the agent in it, made to do this, and the order to run it.
    fn scene(&self, deed: Deed) -> Scene;

    /// What it uses when it succeeds, each time it is started.
    fn usage(&self) -> Tokens;

    /// The classes it can be made to end in.
    fn endings(&self) -> &'static [OutcomeClass];

    /// What its last words have in them.
    fn last_words(&self) -> &'static str {
        "I changed it"
    }

    /// What it says before it waits.
    fn spoken(&self) -> &'static str {
        "spoken"
    }

    /// Whether it names its conversation.
    fn has_sessions(&self) -> bool {
        false
    }

    /// Long enough for [`Deed::Hang`] to have come as far as its silence.
    fn patience(&self) -> Duration {
        Duration::from_millis(1_500)
    }
}

/// A world, an agent in it, and what it is asked.
pub(in crate::adapter) struct Scene {
    pub(in crate::adapter) world: World,
    pub(in crate::adapter) workers: Workers,
    pub(in crate::adapter) order: WorkOrder,
}

impl Scene {
    /// A scene for the agent `name`. `setup` is given the world's folder.
    pub(in crate::adapter) fn new(
        name: &str,
        agents: Vec<Box<dyn Agent>>,
        setup: impl FnOnce(&Path) -> Setup,
    ) -> Self {
        let world = World::new();
        let setup = setup(world.root.path());
        let mut settings = WorkerSettings::default();
        settings.setups.insert(name.split(':').next().unwrap().to_owned(), setup);
        let price = Price { input: 1_000_000, cached: 1_000_000, cache_write: 1_000_000, output: 2_000_000 };
        settings.prices.insert("small".to_owned(), price);
        settings.cache = Some(world.root.path().join("data/programs.json"));
        let workers = workers(&world, settings, agents);
        let order = order(&world, name);
        Self { world, workers, order }
    }
}

/// Workers in a world, with agents of the test's choice.
pub(in crate::adapter) fn workers(
    world: &World,
    settings: WorkerSettings,
    agents: Vec<Box<dyn Agent>>,
) -> Workers {
    let artifacts: Arc<dyn Artifacts> = Arc::clone(&world.artifacts) as Arc<_>;
    let hidden = vec![world.root.path().join("data")];
    Workers::with_agents(world.environment.clone(), artifacts, supervisor(hidden), settings, agents)
}

/// An order for an agent, in a workspace of its own.
pub(in crate::adapter) fn order(world: &World, agent: &str) -> WorkOrder {
    let workspace = world.root.path().join("files");
    std::fs::create_dir_all(&workspace).unwrap();
    WorkOrder {
        run: run().0,
        attempt: AttemptNo(1),
        role: Role::Build,
        agent: agent.to_owned(),
        model: Some("stub/small".to_owned()),
        extra_args: Vec::new(),
        workspace,
        prompt: "please change it".to_owned(),
        output_schema: None,
        resume: None,
        confinement: open(),
        limits: ProcessLimits::wall(Duration::from_secs(30)),
        allowance: Allowance::default(),
    }
}
