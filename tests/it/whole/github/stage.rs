//! A fake GitHub with one repository, an operator's settings for it, and the two processes that work on one store.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Sandbox;
use crate::harness::github::FakeGitHub;
use crate::harness::sandbox::Answer;

/// The repository, with a letter that the forge's names do not fold.
pub(super) const REPO: &str = "Acme/Parser";

const SECRET: &str = "a secret of the hook";

/// What runs in the repository and at home.
const FILES: &[(&str, &str)] = &[
    ("answer.txt", "41\n"),
    ("check.sh", "#!/bin/sh\ngrep -qx 42 answer.txt || { echo 'FAIL: not 42'; exit 1; }\n"),
    (
        ".github/pull_request_template.md",
        "## Summary\n\n## How has this been tested?\n\n- [ ] I read the rules\n",
    ),
];

/// Says 42, and mends what CI found once it is told.
const AGENT: &str = "prompt=$(cat)
echo 42 > answer.txt
case \"$prompt\" in *'Another round'*) echo mended > mended.txt ;; esac
";

/// Longer than any step of a story takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the run hears of the forge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// By webhooks alone.
    Webhooks,
    /// By asking alone.
    Questions,
}

pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    pub(super) github: FakeGitHub,
    pub(super) token: String,
    hears: Hears,
    port: u16,
    running: Vec<Child>,
}

impl Stage {
    pub(super) fn new(hears: Hears) -> Self {
        let github = FakeGitHub::start();
        let _owner = github.user("Acme");
        github.repository(REPO, FILES);
        let token = github.user("helpful-bot");
        let sandbox = Sandbox::new();
        let settings = format!(
            "forge = \"github\"\n\n[github]\napi_url = \"{}\"\nwrite_gap_ms = 50\nlabels = [\"automated\"]\n",
            github.api()
        );
        sandbox.write("home/.config/agentpr/config.toml", &settings);
        sandbox.write("agent.sh", AGENT);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut stage = Self { sandbox, github, token, hears, port, running: Vec::new() };
        stage.start();
        if hears == Hears::Webhooks {
            let url = format!("http://127.0.0.1:{port}/github/webhook");
            stage.github.hook(REPO, &url, SECRET, &["*"]);
        }
        stage
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(args);
        command.env("AGENTPR_GITHUB_TOKEN", &self.token).env("AGENTPR_GITHUB_WEBHOOK_SECRET", SECRET);
        command
    }

    pub(super) fn agentpr(&self, args: &[&str]) -> Answer {
        crate::harness::sandbox::finish(self.command(args).spawn().unwrap())
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        self.agentpr(&all).ok().json()
    }

    /// Starts the engine, and the receiver of webhooks where there is one; returns when that listens.
    fn start(&mut self) {
        let engine = self.command(&["run-manager-loop", "--interval-sec", "1"]);
        self.spawn(engine, "engine.log");
        if self.hears == Hears::Webhooks {
            let port = self.port.to_string();
            let receiver = self.command(&["run-github-webhook", "--port", &port]);
            self.spawn(receiver, "receiver.log");
            let address = ("127.0.0.1", self.port);
            self.until("the receiver listens", |_| std::net::TcpStream::connect(address).is_ok());
        }
    }

    fn spawn(&mut self, mut command: Command, log: &str) {
        let log = File::options().create(true).append(true).open(self.sandbox.path().join(log)).unwrap();
        let errors = log.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap();
        self.running.push(child);
    }

    /// Kills every process that works on the store, as a power cut would, and starts them again.
    pub(super) fn die_and_rise(&mut self) {
        self.kill();
        self.start();
    }

    fn kill(&mut self) {
        for mut child in self.running.drain(..) {
            child.kill().unwrap();
            let _reaped = child.wait();
        }
    }

    /// Waits until something is so.
    #[track_caller]
    pub(super) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            if begun.elapsed() > PATIENCE {
                let log =
                    |name: &str| std::fs::read_to_string(self.sandbox.path().join(name)).unwrap_or_default();
                let events = self.agentpr(&["events", "r1"]).stdout;
                panic!("not so: {what}\n{events}\n{}\n{}", log("engine.log"), log("receiver.log"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the run is in a state for a reason. Where nothing is sent, the forge is asked meanwhile.
    #[track_caller]
    pub(super) fn reaches(&self, state: &str, reason: &str) {
        self.until(&format!("{state} because of {reason}"), |stage| {
            if stage.hears == Hears::Questions {
                let _asked = stage.agentpr(&["sync-github"]).ok();
            }
            let shown = stage.json(&["show", "r1"]);
            shown["state"] == state && shown["reason"]["code"] == reason
        });
    }

    /// Gives both confirmations of the change that waits.
    pub(super) fn confirm_twice(&self) {
        let asked = self.json(&["request-open-pr", "--run-id", "r1", "--title", "feat: say 42"]);
        let token = asked["confirm_token"].as_str().unwrap();
        let args = ["approve-open-pr", "--run-id", "r1", "--confirm-token", token, "--confirm"];
        let _opened = self.agentpr(&args).ok();
    }

    /// A check of the repository ends on a commit.
    pub(super) fn check(&self, sha: &str, conclusion: &str) {
        let log = "step 1\nFAIL: mended.txt is missing\n";
        let body = json!({
            "sha": sha, "name": "ci / unit", "status": "completed", "conclusion": conclusion,
            "title": "unit tests", "summary": "see the log", "log": log,
        });
        self.github.check(REPO, &body);
    }

    /// The one pull request.
    pub(super) fn pull(&self) -> Value {
        let pulls = self.github.pulls(REPO);
        assert_eq!(pulls.len(), 1, "{pulls:?}");
        pulls[0].clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }
}
