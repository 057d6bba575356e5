//! The whole program, as a person or a script uses it: real processes, real git, real files.

mod agents;
mod bad_input;
mod demo;
mod documents;
mod gate;
mod github;
mod hostile;
mod hostile_agent;
mod hostile_order;
mod hostile_repository;
mod iteration;
mod layout;
mod leak;
mod neighbours;
mod pr_openings;
mod quick_start;
mod terminal;
mod unattended;

use std::path::PathBuf;

use crate::harness::Sandbox;

/// A repository whose test fails until `answer.txt` says 42.
const FILES: &[(&str, &str)] = &[
    ("answer.txt", "41\n"),
    ("check.sh", "#!/bin/sh\ngrep -qx 42 answer.txt || { echo 'FAIL: not 42'; exit 1; }\n"),
];

const CHECK: &str = "sh check.sh";

/// A world with the repository `acme/parser` in it, an agent that repairs it, and a store.
struct Scene {
    sandbox: Sandbox,
    remote: PathBuf,
    agent: String,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let remote = sandbox.with_remote("acme", "parser", FILES);
        let agent = sandbox.fake_agent("fix.script", "write answer.txt 42\nwrite new.txt a new file\n");
        Self { sandbox, remote, agent }
    }

    /// Submits a run on `acme/parser` with that agent and what else is typed.
    fn submit(&self, run: &str, agent: &str, more: &str) {
        let agent = shell_words::quote(agent);
        let order = format!("--owner acme --repo parser --run-id {run} --task 'Say 42' --check '{CHECK}'");
        let _run = self.sandbox.types(&format!("submit {order} --agent {agent} {more}")).ok();
    }

    /// A driven run that waits at the gate.
    fn at_the_gate(&self, run: &str) {
        self.submit(run, &self.agent, "");
        let _ticked = self.sandbox.types(&format!("manager-tick --run-id {run}")).ok();
        assert_eq!(self.sandbox.state(run), "NEEDS_HUMAN_REVIEW");
    }

    /// Asks for a pull request by hand; gives the token and the request file.
    fn ask(&self, run: &str) -> (String, PathBuf) {
        let asked = self.sandbox.json(&[
            "request-open-pr",
            "--run-id",
            run,
            "--title",
            "feat: say 42",
            "--body",
            "It said 41.",
        ]);
        let token = asked["confirm_token"].as_str().unwrap().to_owned();
        (token, PathBuf::from(asked["request_file"].as_str().unwrap()))
    }

    /// Confirms by hand.
    fn approve(&self, run: &str, token: &str, file: &std::path::Path) -> crate::harness::Answer {
        let file = file.display().to_string();
        self.sandbox.agentpr(&[
            "--json",
            "approve-open-pr",
            "--run-id",
            run,
            "--request-file",
            &file,
            "--confirm-token",
            token,
            "--confirm",
        ])
    }
}
