//! A person at a terminal: what is asked, what is typed, and that a no is a no.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::{Sandbox, git};

use super::{CHECK, Scene};

/// How long a person waits for the next question.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pseudo terminal with the program at its other end.
struct Terminal {
    screen: File,
    seen: String,
    child: Child,
}

impl Terminal {
    fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let line = || Stdio::from(OwnedFd::from(File::options().read(true).write(true).open(&name).unwrap()));
        let child = sandbox
            .command(args)
            .env("AGENTPR_FORGE_ROOT", sandbox.path().join("forge"))
            .env("TMPDIR", sandbox.path())
            .env("NO_COLOR", "1")
            .env("TERM", "dumb")
            .stdin(line())
            .stdout(line())
            .stderr(line())
            .spawn()
            .unwrap();
        Self { screen: File::from(controller), seen: String::new(), child }
    }

    /// Reads until a text is on the screen, and gives everything since the last time.
    #[track_caller]
    fn until(&mut self, text: &str) -> String {
        let start = Instant::now();
        let mut chunk = [0; 4096];
        while !self.seen.contains(text) {
            assert!(start.elapsed() < PATIENCE, "`{text}` never came; the screen says: {}", self.seen);
            match self.screen.read(&mut chunk) {
                Ok(count) if count > 0 => self.seen.push_str(&String::from_utf8_lossy(&chunk[..count])),
                _ => panic!("the program ended before `{text}`: {}", self.seen),
            }
        }
        std::mem::take(&mut self.seen)
    }

    fn types(&mut self, text: &str) {
        writeln!(self.screen, "{text}").unwrap();
    }

    /// Reads to the end and gives the exit code.
    fn end(mut self) -> (Option<i32>, String) {
        let mut chunk = [0; 4096];
        // The other end of a pseudo terminal that is closed reads as an error.
        while let Ok(count) = self.screen.read(&mut chunk) {
            self.seen.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
        (self.child.wait().unwrap().code(), self.seen)
    }
}

/// The token on the screen.
fn token(screen: &str) -> String {
    let rest = screen.split("token: ").last().unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn yes_and_the_token_open_the_pull_request() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let mut terminal = Terminal::start(&scene.sandbox, &["approve", "r1"]);
    let card = terminal.until("[y/N]");
    for shown in ["acme/parser", "main at", "agentpr/r1 at", "answer.txt", "new.txt", "passed on this commit"]
    {
        assert!(card.contains(shown), "`{shown}` is not on the card: {card}");
    }
    terminal.types("y");
    let screen = terminal.until("Type the token to confirm:");
    terminal.types(&token(&screen));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(git::pull_requests(&scene.remote), [1]);
}

#[test]
fn a_no_leaves_everything_as_it_was() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let before = git::all_refs(&scene.remote);
    let mut terminal = Terminal::start(&scene.sandbox, &["approve", "r1"]);
    terminal.until("[y/N]");
    terminal.types("n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(3), "{screen}");
    assert_eq!(git::all_refs(&scene.remote), before);
}

#[test]
fn a_mistyped_token_opens_nothing_and_says_how_many_tries_are_left() {
    let scene = Scene::new();
    scene.at_the_gate("r1");
    let before = git::all_refs(&scene.remote);
    let mut terminal = Terminal::start(&scene.sandbox, &["approve", "r1"]);
    terminal.until("[y/N]");
    terminal.types("yes");
    terminal.until("Type the token to confirm:");
    terminal.types("nonsense");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(3), "{screen}");
    assert!(screen.contains("4 tries are left"), "{screen}");
    assert_eq!(git::all_refs(&scene.remote), before);
}

#[test]
fn run_asks_at_the_terminal_it_was_started_from() {
    let scene = Scene::new();
    let own = scene.sandbox.path().join("own");
    git::git(scene.sandbox.path(), &["clone", "--quiet", &scene.remote.display().to_string(), "own"]);
    let repo = own.display().to_string();
    let args = [
        "run",
        "--repo",
        &repo,
        "--task",
        "Say 42",
        "--agent",
        &scene.agent,
        "--check",
        CHECK,
        "--run-id",
        "mine",
    ];
    let mut terminal = Terminal::start(&scene.sandbox, &args);
    let screen = terminal.until("[y/N]");
    assert!(screen.contains("LOCAL_VALIDATING"), "the events are shown as they come: {screen}");
    terminal.types("y");
    let screen = terminal.until("Type the token to confirm:");
    terminal.types(&token(&screen).to_lowercase());
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(git::tip(&own, "refs/heads/agentpr/mine").is_some());
    assert_eq!(git::pull_requests(&own), [1]);
}

#[test]
fn the_demo_asks_twice_at_a_terminal() {
    let sandbox = Sandbox::empty();
    let mut terminal = Terminal::start(&sandbox, &["demo"]);
    terminal.until("[y/N]");
    terminal.types("y");
    let screen = terminal.until("Type the token to confirm:");
    terminal.types(&token(&screen));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("the commit that was approved"), "{screen}");
}

/// What demos left in the folder they were given.
fn left_by_demos(sandbox: &Sandbox) -> usize {
    let names = std::fs::read_dir(sandbox.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("agentpr-demo-")).count()
}

#[test]
fn a_person_confirms_both_pushes_of_the_demo_at_a_fake_github() {
    let sandbox = Sandbox::empty();
    let mut terminal = Terminal::start(&sandbox, &["demo", "--forge", "fake-github"]);
    for _ in 0..2 {
        terminal.until("[y/N]");
        terminal.types("y");
        let screen = terminal.until("Type the token to confirm:");
        terminal.types(&token(&screen));
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("there is exactly one pull request"), "{screen}");
    assert_eq!(left_by_demos(&sandbox), 0);
}

#[test]
fn a_signal_at_a_question_of_a_demo_ends_it_and_leaves_nothing() {
    for forge in ["local", "fake-github"] {
        let sandbox = Sandbox::empty();
        let mut terminal = Terminal::start(&sandbox, &["demo", "--forge", forge]);
        terminal.until("[y/N]");
        assert_eq!(left_by_demos(&sandbox), 1);
        kill_process(Pid::from_child(&terminal.child), Signal::INT).unwrap();
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(130), "{forge}: {screen}");
        assert_eq!(left_by_demos(&sandbox), 0, "{forge}");
    }
}
