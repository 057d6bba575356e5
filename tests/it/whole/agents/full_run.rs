//! A run of each real agent from `submit` to the gate, through the real program, git and store: a real edit, a check by the
//! engine, tokens on record, and nothing touched outside its own place.

use std::path::Path;

use serde_json::Value;

use super::super::{CHECK, FILES};
use super::MACHINE;
use super::bench::{KEY, key_of, model_of};
use super::trace::{picture, same};
use crate::harness::agents::need;
use crate::harness::model::{Client, Model, Used};
use crate::harness::sandbox::finish;
use crate::harness::{Answer, Sandbox, git};

/// A world whose settings send an agent to a scripted model.
struct Land {
    sandbox: Sandbox,
    model: Model,
    client: Client,
}

impl Land {
    fn new(client: Client, program: &Path) -> Self {
        let model = Model::start(client, client.repairs("answer.txt", "41\n", "42\n", CHECK));
        let sandbox = Sandbox::empty();
        let settings = format!(
            "[agents.{}]\nprogram = {:?}\nmodel = {:?}\nbase_url = {:?}\nkey_env = {:?}\n",
            client.name(),
            program.display().to_string(),
            model_of(client),
            model.base_url(),
            key_of(client),
        );
        sandbox.write("home/.config/agentpr/config.toml", &settings);
        std::fs::create_dir_all(sandbox.path().join("tmp")).unwrap();
        sandbox.with_remote("acme", "parser", FILES);
        Self { sandbox, model, client }
    }

    /// The program as a person types it, with the key in its environment and a folder of its own for temporary files.
    fn types(&self, line: &str) -> Answer {
        let words = shell_words::split(line).unwrap();
        let mut command = self.sandbox.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.env(key_of(self.client), KEY).env("TMPDIR", self.sandbox.path().join("tmp"));
        finish(command.spawn().unwrap())
    }

    fn events(&self, run: &str) -> Vec<Value> {
        let said = self.types(&format!("--json events {run}")).ok().stdout;
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn reaches_the_gate(client: Client) {
    let Some(program) = need(client) else { return };
    let land = Land::new(client, &program);
    let _made = land.types("init-db").ok();
    let refs = git::all_refs(&land.sandbox.remote("acme", "parser"));
    let outside = ["home", "tmp"].map(|folder| land.sandbox.path().join(folder));
    let alone = MACHINE.blocking_write();
    let before = picture(&outside);

    let order = format!("--owner acme --repo parser --run-id r1 --task 'Say 42.' --check '{CHECK}'");
    let _submitted = land.types(&format!("submit {order} --agent {}", client.name())).ok();
    let ticked = land.types("manager-tick --run-id r1").ok();
    same(&before, &picture(&outside));
    drop(alone);

    let events = land.events("r1");
    let state = events.last().unwrap()["state"].as_str().unwrap();
    let story = || {
        events
            .iter()
            .map(|event| format!("{} {}\n", event["event_type"], event["payload"]))
            .collect::<String>()
    };
    assert_eq!(state, "NEEDS_HUMAN_REVIEW", "{}\n{}", ticked.stderr, story());
    let ends: Vec<&Value> = events
        .iter()
        .filter(|event| event["event_type"] == "attempt.ended")
        .map(|event| &event["payload"])
        .collect();
    let agent = ends.iter().find(|end| end["step"] == "agent").unwrap_or_else(|| panic!("{}", story()));
    let record = &agent["evidence"]["agent"];
    assert_eq!(record["class"], "succeeded", "{}", story());
    assert!(record["identity"]["version"].as_str().is_some(), "{record}");

    // A real edit, judged by a real check of the engine's.
    let diff = land.types("diff r1");
    assert!(
        diff.stdout.contains("-41") && diff.stdout.contains("+42"),
        "{diff:?}\n{}\n{}",
        story(),
        land.types("logs r1").stdout
    );
    let shown = land.types("--json show r1").ok().json();
    assert!(shown["waits_for"].as_str().unwrap().contains("confirmations"), "{shown}");
    let checked = events.iter().any(|event| {
        event["event_type"] == "verdict.rendered" && event["payload"]["verdict"]["grade"] == "PASS"
    });
    assert!(checked, "{}", story());

    // Every token the model counted, and nothing else.
    let asked = land.model.asked();
    let each = Used::default();
    let tokens = &record["usage"]["tokens"];
    let count = u64::try_from(asked.len()).unwrap();
    assert_eq!(tokens["input"], count * each.input, "{record}");
    assert_eq!(tokens["output"], count * each.output, "{record}");
    assert!(asked.iter().all(|asked| asked.has_auth), "the key was sent");

    // Nothing left the machine, and the key is nowhere.
    assert_eq!(git::all_refs(&land.sandbox.remote("acme", "parser")), refs);
    let store = std::fs::read(land.sandbox.db()).unwrap();
    assert!(!store.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "the key is in the store");
}

#[test]
fn codex_reaches_the_gate() {
    reaches_the_gate(Client::Codex);
}

#[test]
fn claude_reaches_the_gate() {
    reaches_the_gate(Client::Claude);
}

#[test]
fn opencode_reaches_the_gate() {
    reaches_the_gate(Client::Opencode);
}

#[test]
fn aider_reaches_the_gate() {
    reaches_the_gate(Client::Aider);
}
