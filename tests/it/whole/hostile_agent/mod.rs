//! Agents that mean harm or know no better, under the real program: what they did is in the log, nothing of them is left, and
//! the same engine takes the next run.
//!
//! Each case runs without a wall and behind the best one this machine has. The large ones grow with `AGENTPR_HOSTILE_FLOOD`
//! (bytes, 200 MB unless set) and `AGENTPR_HOSTILE_FILES` (10,000 unless set).

mod actions;
mod death;
mod ending;
mod workspace;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Scene;
use crate::harness::skip::skipped;

/// Walls a case is tried behind: none, and the best there is.
const MODES: [&str; 2] = ["danger-full-access", "auto"];

/// The most memory an engine may have had.
const PEAK_KIB: u64 = 256 * 1024;

/// How soon after its end nothing of an agent is left.
const GONE: Duration = Duration::from_secs(5);

/// How long a run may take to come to rest.
const REST: Duration = Duration::from_secs(240);

/// A world with one engine at work in it.
struct Stage {
    scene: Scene,
    engine: Child,
}

/// What the log tells of a run that came to rest.
struct Told {
    events: Vec<Value>,
    state: String,
}

impl Stage {
    fn start() -> Self {
        Self::over(Scene::new())
    }

    fn over(scene: Scene) -> Self {
        let engine = engine_of(&scene);
        Self { scene, engine }
    }

    /// Lets an agent play a script in a run, and waits until the run rests.
    #[track_caller]
    fn plays(&self, run: &str, script: &str, more: &str) -> Told {
        let agent = self.scene.sandbox.fake_agent(&format!("{run}.script"), script);
        self.scene.submit(run, &agent, more);
        self.rests(run)
    }

    /// The same behind each wall; the run's name ends with the mode's number.
    #[track_caller]
    fn in_each_mode(&self, script: &str, more: &str, look: impl Fn(&Told, &str)) {
        for (at, mode) in MODES.into_iter().enumerate() {
            let run = format!("bad-{at}");
            let told = self.plays(&run, script, &format!("--sandbox {mode} {more}"));
            let tier = told.agent()["evidence"]["tier"].as_str().unwrap_or("open").to_owned();
            if mode == "auto" && tier == "open" {
                skipped("sandbox not found");
            }
            assert!(mode == "auto" || tier == "open", "{tier}");
            look(&told, &tier);
            self.is_gone(&run);
        }
    }

    #[track_caller]
    fn rests(&self, run: &str) -> Told {
        let begun = Instant::now();
        loop {
            let told = self.told(run);
            let count = |name: &str| told.of(name).len();
            let is_open = count("attempt.started") > count("attempt.ended");
            let rests = ["NEEDS_HUMAN_REVIEW", "FAILED_RETRYABLE", "FAILED_TERMINAL", "DONE"];
            if !is_open && rests.contains(&told.state.as_str()) {
                return told;
            }
            assert!(begun.elapsed() < REST, "the run does not come to rest: {}", told.lines());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the engine took a run up again.
    #[track_caller]
    fn moves_on(&self, run: &str, before: &Told) {
        let begun = Instant::now();
        while self.told(run).of("attempt.started").len() == before.of("attempt.started").len() {
            assert!(begun.elapsed() < REST, "nobody takes the run up");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn told(&self, run: &str) -> Told {
        let said = self.scene.sandbox.agentpr(&["--json", "events", run]).ok().stdout;
        let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let state = events.last().unwrap()["state"].as_str().unwrap().to_owned();
        Told { events, state }
    }

    /// Nothing that names this world runs any more, but the engine.
    #[track_caller]
    fn is_gone(&self, run: &str) {
        let begun = Instant::now();
        loop {
            let left = processes_of(self.scene.sandbox.path(), self.engine.id());
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < GONE, "of {run} there is left: {left:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The same engine takes a good run, and never had too much memory; then it ends when it is told.
    #[track_caller]
    fn goes_on(mut self) {
        assert_eq!(self.engine.try_wait().unwrap(), None, "the engine is alive");
        self.scene.submit("good", &self.scene.agent, "");
        let told = self.rests("good");
        assert_eq!((told.state.as_str(), told.reason()), ("NEEDS_HUMAN_REVIEW", "ready_for_review"));
        let peak = peak_kib(self.engine.id());
        assert!(peak <= PEAK_KIB, "the engine had {peak} KiB");
        let verified = self.scene.sandbox.json(&["verify-log"]);
        assert_eq!(verified["ok"], true, "{verified}");
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.engine.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(self.engine.wait().unwrap().code(), Some(130));
        self.is_gone("all runs");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ended = self.engine.kill();
        let _reaped = self.engine.wait();
    }
}

impl Told {
    /// What the events of a name say, in order.
    fn of(&self, name: &str) -> Vec<&Value> {
        let named = self.events.iter().filter(|event| event["event_type"] == name);
        named.map(|event| &event["payload"]).collect()
    }

    /// The end of the last attempt of the agent.
    #[track_caller]
    fn agent(&self) -> &Value {
        let ends = self.of("attempt.ended").into_iter().rev().find(|end| end["step"] == "agent");
        ends.unwrap_or_else(|| panic!("no agent ended: {}", self.lines()))
    }

    /// The reason code of the last verdict.
    #[track_caller]
    fn reason(&self) -> &str {
        let verdict = self.of("verdict.rendered").into_iter().next_back();
        let Some(verdict) = verdict else { panic!("no verdict: {}", self.lines()) };
        if verdict["verdict"]["grade"] == "PASS" {
            let review = self.of("review.requested").into_iter().next_back();
            return review.unwrap()["reason"].as_str().unwrap();
        }
        verdict["verdict"]["reason_code"].as_str().unwrap()
    }

    /// The reason code of the last failed step.
    #[track_caller]
    fn failure(&self) -> &str {
        let failed = self.of("worker.step.failed").into_iter().next_back();
        failed.unwrap_or_else(|| panic!("nothing failed: {}", self.lines()))["reason_code"].as_str().unwrap()
    }

    /// What the guard found in all phases, as `path breach`.
    fn breaches(&self) -> Vec<String> {
        let reports = self.of("guard.violated");
        let found = reports.iter().flat_map(|body| body["report"]["violations"].as_array().unwrap());
        found
            .map(|one| format!("{} {}", one["path"].as_str().unwrap(), one["breach"].as_str().unwrap()))
            .collect()
    }

    fn lines(&self) -> String {
        let lines = self.events.iter().map(|event| format!("{} {}", event["event_type"], event["payload"]));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn is(&self, state: &str, reason: &str) {
        assert_eq!((self.state.as_str(), self.reason()), (state, reason), "{}", self.lines());
    }
}

/// Starts an engine in a process group of its own, so that what an agent does to that group does not reach the test.
fn engine_of(scene: &Scene) -> Child {
    let mut command = scene.sandbox.command(&["run-manager-loop", "--interval-sec", "1"]);
    let quiet = || std::process::Stdio::null();
    command.process_group(0).stdout(quiet()).stderr(quiet()).spawn().unwrap()
}

/// Processes whose environment or command line names the world, `engine` left out.
fn processes_of(world: &Path, engine: u32) -> Vec<String> {
    let needle = world.to_str().unwrap().as_bytes();
    let names_it = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let line = read("cmdline");
        if ![engine, std::process::id()].contains(&pid) && (names_it(&line) || names_it(&read("environ"))) {
            found.push(format!("{pid}: {}", String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// The most memory a process ever had.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A size from the environment.
#[expect(clippy::disallowed_methods, reason = "a test reads its own variables")]
fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
