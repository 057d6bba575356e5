//! What it costs to listen to an agent: 100,000 lines of a JSON protocol, from the pipe to the record. `cargo bench --bench signal`.
//!
//! The program prints a prepared file. Its lines go the way of every agent's: made harmless, secrets out, log, lines, protocol, signals,
//! recorder, with everything that happens beside an agent while it works.

#![expect(clippy::unwrap_used, reason = "a measurement may stop where it stands")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentpr::adapters::artifact::ArtifactStore;
use agentpr::adapters::process::group::Supervisor;
use agentpr::adapters::process::redact::Redactor;
use agentpr::adapters::process::sandbox::{Sandbox, SandboxSettings};
use agentpr::adapters::worker::agent::{Exit, Installed, Launch, Protocol, Setup, Stage};
use agentpr::adapters::worker::conversation::converse;
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::class::{Judgement, Trouble};
use agentpr::domain::agent::record::Identity;
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::signal::{AgentSignal, FileChange, cut, cut_words};
use agentpr::domain::agent::usage::{Price, Reading, Span, Tokens};
use agentpr::domain::confine::{Confinement, ProcessLimits, SandboxMode, Tier};
use agentpr::domain::evidence::{AttemptOutcome, ProcessRef};
use agentpr::domain::id::{AttemptNo, RunId};
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::WorkOrder;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Lines of the protocol.
const LINES: usize = 100_000;

fn main() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("lines");
    std::fs::write(&file, lines()).unwrap();
    let megabytes = file.metadata().unwrap().len() / 1_000_000;
    let runtime = Runtime::new().unwrap();
    runtime.block_on(listen(place.path(), Path::new("/dev/null")));
    for _ in 0..3 {
        let (before, begun) = (cpu_ms(), Instant::now());
        let tokens = runtime.block_on(listen(place.path(), &file));
        println!(
            "{LINES} lines of signals, {megabytes} MB: {} ms of the processor, {} ms by the clock, {tokens} tokens",
            cpu_ms() - before,
            begun.elapsed().as_millis(),
        );
    }
}

fn cpu_ms() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    (usage.user_time() + usage.system_time()).num_milliseconds()
}

/// A conversation as codex prints one: calls, commands with some lines of output, words, edits, and the tokens of each turn.
fn lines() -> String {
    let mut text = String::new();
    for number in 0..LINES {
        let id = format!("item_{}", number / 2);
        let line = match number % 10 {
            0 | 2 | 4 => json!({"type": "item.started", "item": {"id": id, "type": "command_execution",
                "command": format!("/bin/bash -lc 'sed -n {number},+40p src/lib.rs'"), "aggregated_output": "",
                "exit_code": null, "status": "in_progress"}}),
            1 | 3 | 5 => json!({"type": "item.completed", "item": {"id": id, "type": "command_execution",
                "command": format!("/bin/bash -lc 'sed -n {},+40p src/lib.rs'", number - 1),
                "aggregated_output": format!("line {number} of a file, as long as most are\n").repeat(12),
                "exit_code": 0, "status": "completed"}}),
            6 => {
                json!({"type": "item.completed", "item": {"id": id, "type": "reasoning", "text": "I look at it. ".repeat(10)}})
            }
            7 => {
                json!({"type": "item.completed", "item": {"id": id, "type": "agent_message", "text": "Now the tests. ".repeat(10)}})
            }
            8 => json!({"type": "item.completed", "item": {"id": id, "type": "file_change",
                "changes": [{"path": format!("/repo/src/{number}.rs"), "kind": "update"}], "status": "completed"}}),
            _ => {
                json!({"type": "turn.completed", "usage": {"input_tokens": number * 10, "cached_input_tokens": number,
                "output_tokens": number, "reasoning_output_tokens": 1}})
            }
        };
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

#[derive(Default)]
struct Codexlike {
    has_ended: bool,
}

impl Protocol for Codexlike {
    fn line(&mut self, line: &[u8], signals: &mut Vec<AgentSignal>) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let item = &value["item"];
        let id = text(item, "id");
        match (value["type"].as_str(), item["type"].as_str()) {
            (Some("turn.completed"), _) => {
                let count = |name: &str| value["usage"][name].as_u64().unwrap_or_default();
                let tokens = Tokens {
                    input: count("input_tokens"),
                    cached: count("cached_input_tokens"),
                    cache_write: 0,
                    output: count("output_tokens"),
                    reasoning: count("reasoning_output_tokens"),
                };
                let step = String::new();
                signals.push(AgentSignal::Turn);
                signals.push(AgentSignal::Usage(Reading {
                    span: Span::Conversation,
                    step,
                    tokens,
                    cost_micros: None,
                }));
                self.has_ended = true;
            }
            (Some("item.started"), Some("command_execution")) => {
                let (tool, input) = ("shell".to_owned(), cut(&text(item, "command")));
                signals.push(AgentSignal::ToolCall { id, tool, input });
            }
            (_, Some("command_execution")) => {
                let exit_code = item["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok());
                let (command, output) = (cut(&text(item, "command")), cut(&text(item, "aggregated_output")));
                signals.push(AgentSignal::Command { id, command, exit_code, output });
            }
            (_, Some("reasoning")) => {
                let chars = text(item, "text").chars().count() as u64;
                signals.push(AgentSignal::Reasoning { chars });
            }
            (_, Some("agent_message")) => {
                signals.push(AgentSignal::Text { text: cut_words(&text(item, "text")) });
            }
            (_, Some("file_change")) => {
                let path = text(&item["changes"][0], "path");
                signals.push(AgentSignal::FileEdit { path, change: FileChange::Updated });
            }
            _ => {}
        }
    }

    fn judge(&mut self, _exit: &Exit<'_>) -> Judgement {
        if self.has_ended { Judgement::done("done") } else { Judgement::trouble(Trouble::Protocol, "no end") }
    }
}

/// Lets `cat` print a file as an agent, and says how many tokens were counted.
async fn listen(place: &Path, file: &Path) -> u64 {
    let settings = SandboxSettings { search_path: String::new(), hidden: Vec::new(), readable: Vec::new() };
    let known = ["a-secret-value-of-some-length".to_owned(), "another-secret-0123456789".to_owned()];
    let redactor = Redactor::new(known);
    let supervisor =
        Supervisor::new(env!("CARGO_BIN_EXE_agentpr").into(), Sandbox::new(settings), redactor.clone());
    let artifacts: Arc<dyn Artifacts> = Arc::new(ArtifactStore::new(place.join("artifacts"), redactor));
    let (workspace, runtime) = (place.join("workspace"), place.join("runtime"));
    let run = RunId::new("run-1").unwrap();
    for folder in [workspace.clone(), runtime.join("home"), artifacts.absolute(run.as_str())] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let order = WorkOrder {
        run,
        attempt: AttemptNo(1),
        role: Role::Build,
        agent: "codex".to_owned(),
        model: None,
        extra_args: Vec::new(),
        workspace,
        prompt: String::new(),
        output_schema: None,
        resume: None,
        confinement: Confinement { mode: SandboxMode::DangerFullAccess, required: Tier::Open, network: true },
        limits: ProcessLimits {
            silence: Some(Duration::from_secs(300)),
            ..ProcessLimits::wall(Duration::from_secs(600))
        },
        allowance: Allowance { tokens: Some(u64::MAX), micros: Some(u64::MAX), ..Allowance::default() },
    };
    let identity = Identity { program: "/bin/cat".to_owned(), ..Identity::default() };
    let installed = Installed { identity, folders: Vec::new(), help: String::new() };
    let ignore = |_: ProcessRef| {};
    let (setup, stop) = (Setup::default(), CancellationToken::new());
    let stage = Stage {
        order: &order,
        installed: &installed,
        setup: &setup,
        home: runtime.join("home"),
        runtime,
        env: BTreeMap::new(),
        tier: Tier::Open,
        price: Some(Price { input: 1, ..Price::default() }),
        supervisor: &supervisor,
        artifacts,
        listener: &ignore,
        stop: &stop,
    };
    let launch = Launch { args: vec![file.display().to_string()], ..Launch::default() };
    let report = converse(&stage, launch, Box::new(Codexlike::default())).await.unwrap();
    let record = report.evidence.agent.unwrap();
    let is_empty = file == Path::new("/dev/null");
    assert!(is_empty || report.outcome == AttemptOutcome::Succeeded, "{}", report.evidence.message);
    record.usage.tokens.total()
}
