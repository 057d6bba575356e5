//! The world of opencode's tests: a stage to run it on, and what it hears.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentpr::adapters::artifact::ArtifactStore;
use agentpr::adapters::process::environment::ChildEnvironment;
use agentpr::adapters::process::group::Supervisor;
use agentpr::adapters::process::overrides::Overrides;
use agentpr::adapters::process::redact::Redactor;
use agentpr::adapters::worker::agent::{Agent, Installed, Key, Setup, Stage};
use agentpr::adapters::worker::opencode::{OpenCode, Patience};
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::record::{Identity, Session};
use agentpr::domain::agent::role::Role;
use agentpr::domain::confine::{ProcessLimits, Tier};
use agentpr::domain::evidence::ProcessRef;
use agentpr::domain::id::AttemptNo;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::{Listener, WorkOrder, WorkReport, WorkerError};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::opencode::{FakeServer, Script};

use super::world::{open, parent, run, supervisor};

/// Everything around one start, to be changed before it.
pub(super) struct Scene {
    pub(super) root: TempDir,
    pub(super) setup: Setup,
    pub(super) order: WorkOrder,
    pub(super) program: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) tier: Tier,
    pub(super) patience: Patience,
    pub(super) stop: CancellationToken,
    pub(super) heard: Heard,
    supervisor: Supervisor,
    artifacts: Arc<ArtifactStore>,
    runtime: PathBuf,
}

/// What the listener heard.
#[derive(Clone, Default)]
pub(super) struct Heard {
    pub(super) started: Arc<Mutex<Vec<ProcessRef>>>,
    pub(super) sessions: Arc<Mutex<Vec<String>>>,
}

impl Listener for Heard {
    fn started(&self, process: ProcessRef) {
        self.started.lock().unwrap().push(process);
    }

    fn session(&self, session: &Session) {
        self.sessions.lock().unwrap().push(session.id.clone());
    }
}

impl Scene {
    /// A start of `program` in an empty workspace.
    pub(super) fn of(program: &Path) -> Self {
        let root = tempfile::tempdir().unwrap();
        let workspace = root.path().join("files");
        std::fs::create_dir_all(&workspace).unwrap();
        let (id, _) = run();
        let environment = ChildEnvironment::new(root.path().join("data"), &parent(), Overrides::default());
        let runtime = environment.runtime_dir(&id);
        std::fs::create_dir_all(runtime.join("opencode")).unwrap();
        let env = environment.make(&id, &workspace, &runtime).unwrap();
        let order = WorkOrder {
            run: id,
            attempt: AttemptNo(1),
            role: Role::Build,
            agent: "opencode".to_owned(),
            model: Some("stub/m".to_owned()),
            extra_args: Vec::new(),
            workspace,
            prompt: "Fix the failing test.".to_owned(),
            output_schema: None,
            resume: None,
            allowance: Allowance::default(),
            confinement: open(),
            limits: ProcessLimits::wall(Duration::from_secs(60)),
        };
        Self {
            setup: Setup::default(),
            order,
            program: program.to_owned(),
            env,
            tier: Tier::Open,
            patience: Patience { poll: Duration::from_millis(200), ..Patience::default() },
            stop: CancellationToken::new(),
            heard: Heard::default(),
            supervisor: supervisor(vec![root.path().join("data")]),
            artifacts: Arc::new(ArtifactStore::new(root.path().join("data/artifacts"), Redactor::none())),
            runtime,
            root,
        }
    }

    /// A start of the fake program, which does what `script` says and logs what it got.
    pub(super) fn fake(script: &Script) -> Self {
        let mut scene = Self::of(Path::new(env!("CARGO_BIN_EXE_fake-opencode")));
        let script = Script { log: Some(scene.path("calls")), ..script.clone() };
        std::fs::write(scene.path("script"), serde_json::to_string(&script).unwrap()).unwrap();
        scene.env.insert("FAKE_OPENCODE".to_owned(), scene.path("script"));
        scene
    }

    /// A start on a server that runs already.
    pub(super) fn foreign(server: &FakeServer) -> Self {
        let mut scene = Self::of(Path::new("/no/program/is/needed"));
        scene.setup.url = Some(server.url());
        scene
    }

    /// A path in the root, as text.
    pub(super) fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    /// What the fake program logged: its start first, then the calls.
    pub(super) fn logged(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What was called, in order.
    pub(super) fn called(&self) -> Vec<String> {
        self.logged().iter().filter_map(|call| Some(call["what"].as_str()?.to_owned())).collect()
    }

    /// The first call of this kind.
    pub(super) fn call(&self, what: &str) -> Value {
        self.logged().into_iter().find(|call| call["what"] == what).unwrap()
    }

    /// The model's server, with a key.
    pub(super) fn model_at(&mut self, url: &str) {
        self.setup.base_url = Some(url.to_owned());
        self.setup.key = Some(Key { variable: "STUB_KEY".to_owned(), value: "key-of-the-stub".to_owned() });
    }

    /// Runs it.
    pub(super) async fn run(&self) -> Result<WorkReport, WorkerError> {
        let folder = self.program.parent().unwrap().to_owned();
        let program = self.program.display().to_string();
        let installed = Installed {
            identity: Identity { program, version: None, sha256: None },
            folders: vec![folder],
            help: String::new(),
        };
        let stage = Stage {
            order: &self.order,
            installed: &installed,
            setup: &self.setup,
            home: self.runtime.join("opencode"),
            runtime: self.runtime.clone(),
            env: self.env.clone(),
            tier: self.tier,
            price: None,
            supervisor: &self.supervisor,
            artifacts: Arc::<ArtifactStore>::clone(&self.artifacts),
            listener: &self.heard,
            stop: &self.stop,
        };
        OpenCode { patience: self.patience }.run(&stage).await
    }

    /// The log of the attempt.
    pub(super) fn log(&self) -> String {
        let path = format!("{}/attempt-1.log", self.order.run);
        String::from_utf8(self.artifacts.read_tail(&path, 1_000_000).unwrap()).unwrap()
    }
}

/// The id of the answer in [`answered`].
pub(super) const ANSWER: &str = "msg_2";

/// The info of the model's answer, stopped as `finish` says.
pub(super) fn info(finish: &str) -> Value {
    json!({"id": ANSWER, "sessionID": "SES", "role": "assistant", "finish": finish})
}

/// An event.
#[expect(clippy::needless_pass_by_value, reason = "it is written where it is handed over")]
pub(super) fn event(kind: &str, properties: Value) -> Value {
    json!({"type": kind, "properties": properties})
}

/// A part of the answer, as an event.
pub(super) fn part(id: &str, mut part: Value) -> Value {
    part["id"] = json!(id);
    part["messageID"] = json!(ANSWER);
    part["sessionID"] = json!("SES");
    event("message.part.updated", json!({"part": part}))
}

/// A finished text of the answer, as an event.
pub(super) fn text(id: &str, text: &str) -> Value {
    part(id, json!({"type": "text", "text": text, "time": {"start": 1, "end": 2}}))
}

/// The session has stopped.
pub(super) fn idle() -> Value {
    event("session.idle", json!({"sessionID": "SES"}))
}

/// Events of a turn that says `words` and stops.
pub(super) fn answered(words: &str) -> Vec<Value> {
    let tokens = json!({"input": 10, "output": 5, "reasoning": 1, "cache": {"read": 100, "write": 7}});
    vec![
        event("message.updated", json!({"info": {"id": ANSWER, "sessionID": "SES", "role": "assistant"}})),
        part("prt_1", json!({"type": "step-start"})),
        text("prt_2", words),
        part("prt_3", json!({"type": "step-finish", "reason": "stop", "tokens": tokens, "cost": 0.25})),
        event("message.updated", json!({"info": info("stop")})),
        idle(),
    ]
}

/// Kills one process.
pub(super) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
