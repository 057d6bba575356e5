//! A person and an engine who bring runs to their pull requests while the program keeps dying.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Output};
use std::time::Duration;

use serde_json::Value;

use crate::audit::{Audit, audit};
use crate::sandbox::Sandbox;

/// How a process dies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Death {
    /// When it passes a named point for the n-th time.
    At { point: &'static str, nth: u32 },
    /// So long after it was started.
    After { micros: u64 },
    /// Not at all.
    Never,
}

/// Steps after which a run that is let live must have come to its pull request.
const MOST_STEPS: u32 = 40;

pub(crate) struct Story {
    sandbox: Sandbox,
    remote: PathBuf,
    agent: String,
    name: &'static str,
    number: u32,
    current: Option<String>,
    /// The newest version of each run that the program acknowledged.
    acknowledged: BTreeMap<String, u64>,
    /// The token of each run's newest request, when its answer arrived.
    tokens: BTreeMap<String, String>,
    last: Audit,
}

impl Story {
    pub(crate) fn new(name: &'static str) -> Self {
        let sandbox = Sandbox::new();
        let files = [("answer.txt", "41\n"), ("check.sh", "grep -qx 42 answer.txt\n")];
        let remote = sandbox.with_remote("acme", "parser", &files);
        let agent = sandbox.fake_agent("fix.script", "write answer.txt 42\nprint done\n");
        Self {
            sandbox,
            remote,
            agent,
            name,
            number: 0,
            current: None,
            acknowledged: BTreeMap::new(),
            tokens: BTreeMap::new(),
            last: Audit::default(),
        }
    }

    pub(crate) fn runs(&self) -> u64 {
        self.last.runs
    }

    pub(crate) fn events(&self) -> u64 {
        self.last.events
    }

    /// Brings one new run to its end, each of its processes dying that way if it comes to it; says how many died.
    pub(crate) fn whole_run(&mut self, death: &Death) -> u32 {
        self.current = None;
        let mut died = 0;
        for _ in 0..MOST_STEPS {
            // A process that died at a point is not sent there again: the next one goes on.
            let plan = if died == 0 { *death } else { Death::Never };
            let (dead, ended) = self.step(plan);
            died += u32::from(dead);
            if ended {
                return died;
            }
        }
        panic!("run {:?} comes to no end: {}", self.current, self.log());
    }

    /// Takes steps until the current run ends, each dying in its turn; says how many died.
    pub(crate) fn some_steps(&mut self, death: &mut dyn FnMut() -> Death) -> u32 {
        let mut died = 0;
        for _ in 0..10 {
            let (dead, ended) = self.step(death());
            died += u32::from(dead);
            if ended {
                self.current = None;
                break;
            }
        }
        died
    }

    /// Lets every run live to its end.
    pub(crate) fn finish_all(&mut self) {
        let runs: Vec<String> = self.acknowledged.keys().cloned().collect();
        for run in runs {
            self.current = Some(run);
            let ended = (0..MOST_STEPS).any(|_| self.step(Death::Never).1);
            assert!(ended, "run {:?} comes to no end: {}", self.current, self.log());
        }
    }

    /// The log of the current run, for a person who has to find out.
    fn log(&self) -> String {
        self.current.as_deref().map_or_else(String::new, |run| self.sandbox.agentpr(&["events", run]).stdout)
    }

    /// One process: what a person or an engine would start next. Says whether it died, and whether the run is at its end.
    fn step(&mut self, death: Death) -> (bool, bool) {
        let Some(run) = self.current.clone() else {
            self.number += 1;
            let run = format!("{}-{}", self.name, self.number);
            let agent = self.agent.clone();
            let args = [
                "submit",
                "--owner",
                "acme",
                "--repo",
                "parser",
                "--run-id",
                &run,
                "--task",
                "Say 42",
                "--agent",
                &agent,
                "--check",
                "sh check.sh",
            ];
            let (dead, _) = self.start(&run, &args, death);
            // A submission that died before its append has made nothing, and is made again under the same name.
            if self.last.versions.contains_key(&run) {
                self.current = Some(run);
            } else {
                assert!(dead, "an acknowledged submission is not in the log");
                self.number -= 1;
            }
            return (dead, false);
        };
        let shown = self.sandbox.json(&["show", &run]);
        let state = shown["state"].as_str().unwrap();
        let gate =
            shown["gate"]["status"].as_str().or_else(|| shown["gate"]["state"].as_str()).unwrap_or("closed");
        let known = self.tokens.get(&run).cloned();
        let ready = shown["reason"]["code"] == "ready_for_review";
        let (dead, answer) = match (state, gate) {
            ("CI_WAIT", _) => return (false, true),
            ("FAILED_RETRYABLE", _) => self.start(&run, &["retry", &run], death),
            ("NEEDS_HUMAN_REVIEW" | "PUSHED", "approved") => {
                self.start(&run, &["manager-tick", "--run-id", &run], death)
            }
            ("NEEDS_HUMAN_REVIEW" | "PUSHED", "open") if known.is_some() => {
                let token = known.unwrap_or_default();
                self.start(
                    &run,
                    &["approve-open-pr", "--run-id", &run, "--confirm-token", &token, "--confirm"],
                    death,
                )
            }
            ("PUSHED", _) | ("NEEDS_HUMAN_REVIEW", "open" | "cancelled") => self.ask(&run, death),
            ("NEEDS_HUMAN_REVIEW", _) if ready => {
                self.start(&run, &["manager-tick", "--run-id", &run], death)
            }
            ("NEEDS_HUMAN_REVIEW", _) => self.start(&run, &["retry", &run], death),
            _ => self.start(&run, &["manager-tick", "--run-id", &run], death),
        };
        if let Some(token) = answer.as_ref().and_then(|output| token_in(&output.stderr)) {
            self.tokens.insert(run, token);
        }
        (dead, false)
    }

    /// Asks for the pull request by hand: the token of the engine's own request died with its process.
    fn ask(&mut self, run: &str, death: Death) -> (bool, Option<Output>) {
        let args =
            ["--json", "request-open-pr", "--run-id", run, "--title", "Say 42", "--body", "It said 41."];
        let (dead, output) = self.start(run, &args, death);
        self.tokens.remove(run);
        let told = output.as_ref().and_then(|output| serde_json::from_slice::<Value>(&output.stdout).ok());
        if let Some(token) = told.as_ref().and_then(|told| told["confirm_token"].as_str()) {
            self.tokens.insert(run.to_owned(), token.to_owned());
        }
        (dead, output)
    }

    /// Starts the program, lets it die as planned, and audits what it left. The output is of a process that lived.
    fn start(&mut self, run: &str, args: &[&str], death: Death) -> (bool, Option<Output>) {
        let mut command = self.sandbox.command(args);
        if let Death::At { point, nth } = death {
            command.env("AGENTPR_CRASH_AT", format!("{point}#{nth}"));
        }
        let mut child = command.spawn().unwrap();
        if let Death::After { micros } = death {
            kill_after(&mut child, Duration::from_micros(micros));
        }
        let output = child.wait_with_output().unwrap();
        let dead = output.status.signal() == Some(9);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            dead || output.status.code().is_some_and(|code| code < 100),
            "{args:?} ended with {}: {words}",
            output.status
        );
        self.last = audit(&self.sandbox.db(), &self.remote);
        for (of, version) in &self.acknowledged {
            let now = self.last.versions.get(of).copied().unwrap_or(0);
            assert!(
                now >= *version,
                "run {of} was at version {version} and is at {now} after {args:?} {death:?}"
            );
        }
        if !dead {
            assert!(output.status.success() || self.may_refuse(args), "{args:?} was refused: {words}");
            // What was answered is acknowledged, and so is everything before it.
            let at = self.last.versions.get(run).copied().unwrap_or(0);
            self.acknowledged.insert(run.to_owned(), at);
        }
        (dead, (!dead).then_some(output))
    }

    /// A confirmation whose process died after its append is refused the second time, and a tick may end at a person.
    fn may_refuse(&self, args: &[&str]) -> bool {
        ["approve-open-pr", "manager-tick", "retry"].iter().any(|verb| args.contains(verb))
    }
}

/// Kills a process after a time, unless it ended before.
fn kill_after(child: &mut Child, span: Duration) {
    let deadline = std::time::Instant::now() + span;
    while std::time::Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    // It may end by itself in this very moment.
    let _killed = child.kill();
}

fn token_in(words: &[u8]) -> Option<String> {
    let words = String::from_utf8_lossy(words);
    let mut words = words.split_whitespace();
    words.find(|word| *word == "--confirm-token")?;
    words.next().map(str::to_owned)
}
