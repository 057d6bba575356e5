//! What is made of an agent's signals while it works and when it ends, with programs that print signals as they are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentpr::adapters::artifact::ArtifactStore;
use agentpr::adapters::process::group::{Ending, GroupReport, Supervisor};
use agentpr::adapters::process::output::Captured;
use agentpr::adapters::worker::agent::{Exit, Installed, Launch, Protocol, Setup, Stage};
use agentpr::adapters::worker::attendance::attend;
use agentpr::adapters::worker::conversation::{converse, report};
use agentpr::adapters::worker::recorder::Recorder;
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::class::{Judgement, OutcomeClass, Trouble};
use agentpr::domain::agent::liveness::Vitals;
use agentpr::domain::agent::record::{AgentRecord, Identity, Session};
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::signal::AgentSignal;
use agentpr::domain::agent::usage::Price;
use agentpr::domain::confine::{ProcessLimits, Tier};
use agentpr::domain::evidence::{AttemptOutcome, ProcessRef};
use agentpr::domain::id::AttemptNo;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::{Listener, WorkOrder, WorkReport};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::world::{World, ignore, open, put, run, supervisor};

/// Everything around a program that prints signals, one JSON object a line.
pub(super) struct Talk {
    pub(super) world: World,
    pub(super) order: WorkOrder,
    pub(super) price: Option<Price>,
    setup: Setup,
    supervisor: Supervisor,
    pub(super) stop: CancellationToken,
}

impl Talk {
    pub(super) fn new() -> Self {
        let world = World::new();
        let workspace = world.root.path().join("files");
        std::fs::create_dir_all(&workspace).unwrap();
        let order = WorkOrder {
            run: run().0,
            attempt: AttemptNo(3),
            role: Role::Build,
            agent: "codex".to_owned(),
            model: Some("some-model".to_owned()),
            extra_args: Vec::new(),
            workspace,
            prompt: String::new(),
            output_schema: None,
            resume: None,
            confinement: open(),
            limits: ProcessLimits::wall(Duration::from_secs(20)),
            allowance: Allowance::default(),
        };
        let runtime = world.root.path().join("runtime");
        std::fs::create_dir_all(runtime.join("home")).unwrap();
        std::fs::create_dir_all(world.artifacts.absolute(&order.run.to_string())).unwrap();
        let (setup, supervisor, stop) = (Setup::default(), supervisor(Vec::new()), CancellationToken::new());
        Self { world, order, price: None, setup, supervisor, stop }
    }

    /// A file of the workspace.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.order.workspace.join(name)
    }

    /// The pulse of the attempt.
    pub(super) fn pulse(&self) -> PathBuf {
        self.world.artifacts.absolute(&format!("{}/attempt-3.pulse.json", self.order.run))
    }

    pub(super) fn stage<'a>(&'a self, installed: &'a Installed, listener: &'a dyn Listener) -> Stage<'a> {
        let runtime = self.world.root.path().join("runtime");
        let artifacts: Arc<dyn Artifacts> = Arc::<ArtifactStore>::clone(&self.world.artifacts);
        Stage {
            order: &self.order,
            installed,
            setup: &self.setup,
            home: runtime.join("home"),
            runtime,
            env: BTreeMap::new(),
            tier: Tier::Open,
            price: self.price,
            supervisor: &self.supervisor,
            artifacts,
            listener,
            stop: &self.stop,
        }
    }

    /// Plays a script of the fake agent.
    pub(super) async fn play(&self, script: &str) -> WorkReport {
        self.play_to(script, &ignore).await
    }

    pub(super) async fn play_to(&self, script: &str, listener: &dyn Listener) -> WorkReport {
        let path = self.world.root.path().join("script");
        put(&path, script);
        let args = vec![path.display().to_string()];
        self.run(env!("CARGO_BIN_EXE_fake-agent"), args, listener).await
    }

    /// Runs a line of shell.
    pub(super) async fn shell(&self, line: &str) -> WorkReport {
        self.run("/bin/sh", vec!["-c".to_owned(), line.to_owned()], &ignore).await
    }

    async fn run(&self, program: &str, args: Vec<String>, listener: &dyn Listener) -> WorkReport {
        let installed = installed(program);
        let stage = self.stage(&installed, listener);
        let env = BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]);
        let launch = Launch { args, env, stdin: None, readable: Vec::new() };
        converse(&stage, launch, Box::new(Plain::default())).await.unwrap()
    }
}

pub(super) fn installed(program: &str) -> Installed {
    let identity = Identity { program: program.to_owned(), ..Identity::default() };
    Installed { identity, folders: Vec::new(), help: String::new() }
}

/// A line is a signal; done is who said so.
#[derive(Default)]
struct Plain {
    end: Option<bool>,
    trouble: Option<(Trouble, String)>,
}

impl Protocol for Plain {
    fn line(&mut self, line: &[u8], signals: &mut Vec<AgentSignal>) {
        let Ok(signal) = serde_json::from_slice(line) else { return };
        match &signal {
            AgentSignal::End { ok, .. } => self.end = Some(*ok),
            AgentSignal::Error { trouble, message } => self.trouble = Some((*trouble, message.clone())),
            AgentSignal::Turn => self.trouble = None,
            _ => {}
        }
        signals.push(signal);
    }

    fn judge(&mut self, exit: &Exit<'_>) -> Judgement {
        match (self.trouble.take(), self.end) {
            (Some((trouble, message)), _) => Judgement::trouble(trouble, message),
            (None, Some(true)) => Judgement::done(format!("done, and ended with {:?}", exit.code)),
            (None, Some(false)) => Judgement::trouble(Trouble::GaveUp, "it gave up"),
            (None, None) => Judgement::trouble(Trouble::Protocol, "it did not say how it ended"),
        }
    }
}

pub(super) fn record(report: &WorkReport) -> &AgentRecord {
    report.evidence.agent.as_deref().unwrap()
}

/// Class, trouble and outcome of a report.
fn end(report: &WorkReport) -> (OutcomeClass, Option<Trouble>, AttemptOutcome) {
    (record(report).class, record(report).trouble, report.outcome)
}

const DONE: &str = r#"print {"kind":"end","ok":true,"text":"all is well"}"#;

/// A line of a script that reports tokens.
fn used(step: &str, tokens: u64, micros: Option<u64>) -> String {
    let reading = json!({"kind": "usage", "span": "step", "step": step,
        "tokens": {"input": tokens, "output": 0}, "cost_micros": micros});
    format!("print {reading}")
}

#[tokio::test]
async fn the_record_has_session_usage_and_last_words() {
    let talk = Talk::new();
    let script = format!(
        "print {{\"kind\":\"session\",\"id\":\"s-1\"}}\nprint {{\"kind\":\"turn\"}}\n{}\n{}\n{}\nprint no signal at all\n{DONE}",
        used("a", 10, None),
        used("b", 5, None),
        used("a", 20, None),
    );
    let report = talk.play(&script).await;
    let record = record(&report);
    assert_eq!(end(&report), (OutcomeClass::Succeeded, None, AttemptOutcome::Succeeded));
    assert_eq!((record.usage.tokens.total(), record.usage.turns), (25, 1));
    assert_eq!(record.session.as_ref().unwrap().id, "s-1");
    assert_eq!((record.last_words.as_str(), report.last_message.as_str()), ("all is well", "all is well"));
    assert_eq!((record.vitals, record.exhausted.clone()), (None, None), "it ended by itself");
}

/// Puts a file down for each session it is told.
struct Notes {
    folder: PathBuf,
    told: Mutex<Vec<String>>,
}

impl Listener for Notes {
    fn started(&self, _: ProcessRef) {}

    fn session(&self, session: &Session) {
        self.told.lock().unwrap().push(session.id.clone());
        put(&self.folder.join(format!("told-{}", session.id)), "");
    }
}

#[tokio::test]
async fn a_session_is_told_while_the_program_still_runs_and_once_for_each_name() {
    let talk = Talk::new();
    let notes = Notes { folder: talk.order.workspace.clone(), told: Mutex::default() };
    let session = |id: &str| format!("print {{\"kind\":\"session\",\"id\":\"{id}\"}}\n");
    let wait = |id: &str| format!("wait-file {}\n", talk.at(&format!("told-{id}")).display());
    let script = [
        session("one"),
        wait("one"),
        session("one"),
        session("--last"),
        session("two"),
        wait("two"),
        session("x/../up"),
        session("--last"),
    ]
    .concat();
    let report = talk.play_to(&format!("{script}{DONE}"), &notes).await;
    assert_eq!(end(&report).0, OutcomeClass::Succeeded, "{}", report.evidence.message);
    assert_eq!(*notes.told.lock().unwrap(), ["one", "two"]);
}

#[tokio::test]
async fn an_allowance_that_is_used_up_ends_the_program() {
    let mut talk = Talk::new();
    let turns = "print {\"kind\":\"turn\"}\nprint {\"kind\":\"turn\"}".to_owned();
    let cheap = Allowance { micros: Some(100), ..Allowance::default() };
    let cases = [
        (Allowance { tokens: Some(30), ..Allowance::default() }, used("a", 30, None), "30 of 30 tokens"),
        (cheap, used("a", 1_000_000, None), "of 0.0001 dollars"),
        (Allowance { turns: Some(2), ..Allowance::default() }, turns, "2 of 2 turns"),
        (Allowance { secs: Some(1), ..Allowance::default() }, "print x".to_owned(), "1 of 1 seconds"),
    ];
    talk.price = Some(Price { input: 2_000_000, ..Price::default() });
    for (allowance, line, words) in cases {
        talk.order.allowance = allowance;
        let report = talk.play(&format!("{line}\nsleep 60")).await;
        let wanted = (OutcomeClass::Killed, Some(Trouble::Budget), AttemptOutcome::Failed);
        assert_eq!(end(&report), wanted, "{}", report.evidence.message);
        assert!(report.evidence.message.contains(words), "{}", report.evidence.message);
        assert!(record(&report).vitals.is_some_and(|vitals| vitals.is_running), "{allowance:?}");
    }
    talk.order.allowance = Allowance { tokens: Some(30), ..Allowance::default() };
    let report = talk.play(&format!("{}\n{DONE}", used("a", 29, None))).await;
    assert_eq!(end(&report).0, OutcomeClass::Succeeded);
}

#[tokio::test]
async fn a_limit_on_money_is_never_ignored_for_want_of_a_price() {
    let mut talk = Talk::new();
    talk.order.allowance.micros = Some(1_000_000);
    let started = AtomicUsize::new(0);
    let count = |_: ProcessRef| {
        started.fetch_add(1, Ordering::Relaxed);
    };
    let report = talk.play_to(DONE, &count).await;
    assert_eq!(end(&report).1, Some(Trouble::Budget));
    assert_eq!(report.evidence.message, "no price is known for some-model: add [prices.\"some-model\"]");
    assert_eq!((started.load(Ordering::Relaxed), report.evidence.log.clone()), (0, None), "nothing ran");
    // One that says with each step what it cost is started, and ended when it says nothing or nothing but zero.
    talk.order.agent = "opencode".to_owned();
    for cost in [None, Some(0)] {
        let report = talk.play(&format!("{}\nsleep 60", used("a", 5, cost))).await;
        assert_eq!(end(&report).1, Some(Trouble::Budget), "{}", report.evidence.message);
    }
    let report = talk.play(&format!("{}\n{DONE}", used("a", 5, Some(7)))).await;
    assert_eq!((end(&report).0, record(&report).usage.micros), (OutcomeClass::Succeeded, 7));
    // One that says it at its end cannot be held to it before.
    talk.order.agent = "claude".to_owned();
    let report = talk.play(&format!("{}\n{}\n{DONE}", used("a", 5, None), used("a", 5, Some(9)))).await;
    assert_eq!((end(&report).0, record(&report).usage.micros), (OutcomeClass::Succeeded, 9));
}

#[tokio::test]
async fn nothing_starts_with_an_allowance_of_nothing() {
    let mut talk = Talk::new();
    talk.order.allowance.tokens = Some(0);
    let report = talk.play(DONE).await;
    assert_eq!((end(&report).1, report.evidence.tier), (Some(Trouble::Budget), None));
    assert_eq!(report.evidence.message, "nothing is left of the budget: 0 of 0 tokens");
}

#[tokio::test]
async fn a_signal_from_outside_is_told_from_an_end_of_its_own() {
    let talk = Talk::new();
    for line in ["kill -9 $$", "exit 143", "exit 137"] {
        assert_eq!(end(&talk.shell(line).await).0, OutcomeClass::Killed, "{line}");
    }
    for line in ["exit 0", "exit 1", "exit 200"] {
        let wanted = (OutcomeClass::Unknown, Some(Trouble::Protocol), AttemptOutcome::Failed);
        assert_eq!(end(&talk.shell(line).await), wanted, "{line}");
    }
    let said = r#"echo '{"kind":"end","ok":true,"text":""}'; kill -9 $$"#;
    assert_eq!(end(&talk.shell(said).await).0, OutcomeClass::Succeeded, "it had said its end");
    talk.stop.cancel();
    let wanted = (OutcomeClass::Killed, None, AttemptOutcome::Stopped);
    assert_eq!(end(&talk.shell("sleep 60").await), wanted);
}

#[tokio::test]
async fn a_refusal_of_the_provider_that_passed_is_no_quota() {
    let talk = Talk::new();
    let limited = r#"print {"kind":"rate_limit","reset_secs":60,"reset_at_ms":null,"message":"slow down"}"#;
    let error = r#"print {"kind":"error","trouble":"rate_limited","message":"slow down"}"#;
    let turn = r#"print {"kind":"turn"}"#;
    let report = talk.play(&format!("{limited}\n{error}\n{turn}\n{DONE}")).await;
    assert_eq!((end(&report).0, record(&report).exhausted.clone()), (OutcomeClass::Succeeded, None));
    let report = talk.play(&format!("{limited}\n{error}\nexit 1")).await;
    let exhausted = record(&report).exhausted.clone().unwrap();
    assert_eq!((end(&report).0, exhausted.pool.as_str()), (OutcomeClass::Quota, "codex:default"));
    assert_eq!(exhausted.reset_secs, Some(60));
    let report = talk.play(&format!("{limited}\n{turn}\n{error}\nexit 1")).await;
    assert_eq!(record(&report).exhausted.clone().unwrap().reset_secs, None, "the old moment is over");
}

#[tokio::test]
async fn what_escapes_hid_in_the_protocol_is_made_harmless_where_it_comes_out() {
    let talk = Talk::new();
    let line = r#"echo '{"kind":"end","ok":true,"text":"red \u001b[31mwords ghp_x7Kq9ZbT2mWv4RnY8cLd1\u0046gH6sJp3AeUo5Qi"}'"#;
    let report = talk.shell(line).await;
    assert_eq!(report.last_message, "red words ***");
    assert_eq!(record(&report).last_words, report.last_message);
}

#[tokio::test(start_paused = true)]
async fn one_that_stays_after_its_end_is_ended_and_its_word_stands() {
    let talk = Talk::new();
    let (installed, begun) = (installed("/bin/true"), tokio::time::Instant::now());
    let stage = talk.stage(&installed, &ignore);
    let recorder = Recorder::new(&stage);
    recorder.take(&[AgentSignal::End { ok: true, text: "done".to_owned() }]);
    attend(&stage, &recorder, recorder.halt_token().cancelled()).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let ended = GroupReport {
        ending: Ending::Stopped,
        exit_code: None,
        signal: Some(15),
        duration: begun.elapsed(),
        output: Captured::default(),
        log: None,
        tier: Tier::Open,
        vitals: Some(Vitals { is_running: true, ..Vitals::default() }),
    };
    let told = report(&stage, &recorder, ended, Judgement::done("it is done")).await.unwrap();
    assert_eq!(end(&told), (OutcomeClass::Succeeded, None, AttemptOutcome::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_on_after_its_end_is_left_to_work() {
    let talk = Talk::new();
    let installed = installed("/bin/true");
    let stage = talk.stage(&installed, &ignore);
    let recorder = Recorder::new(&stage);
    let call = AgentSignal::ToolCall { id: "1".to_owned(), tool: "sh".to_owned(), input: "make".to_owned() };
    recorder.take(&[AgentSignal::End { ok: true, text: String::new() }]);
    let work = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        recorder.take(&[call]);
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    attend(&stage, &recorder, work).await;
    assert!(!recorder.halt_token().is_cancelled());
}
