//! The receiver as a process of its own, over the store of a sandbox.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout};

use agentpr::adapters::store::SqliteStore;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::deliveries::{Client, Delivery, Reply, SECRET};
use super::sandbox::Sandbox;

/// The program, listening. It is killed when this is dropped.
pub(crate) struct Receiver {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it said when it began to listen.
    pub(crate) said: Value,
    stdout: BufReader<ChildStdout>,
}

impl Receiver {
    /// Starts it with the secret of the tests, on a port of its own.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        Self::start_with(sandbox, &[], &[("AGENTPR_GITHUB_WEBHOOK_SECRET", SECRET)])
    }

    /// The same, with these arguments and variables instead.
    pub(crate) fn start_with(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let all = [&["--json", "run-github-webhook", "--port", "0"], args].concat();
        let mut command = sandbox.command(&all);
        command.envs(variables.iter().copied()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|err| panic!("{err}: it said {line:?}"));
        let port = u16::try_from(said["port"].as_u64().unwrap()).unwrap();
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), said, stdout }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// Sends a delivery on a connection of its own.
    #[track_caller]
    pub(crate) fn send(&self, delivery: &Delivery) -> Reply {
        self.client().send(&delivery.request()).unwrap()
    }

    /// Sends it a signal and waits for its end; `None` for one that died of it.
    pub(crate) fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let _rest = std::io::copy(&mut self.stdout, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap().code()
    }

    /// The most memory it ever had, in KiB.
    pub(crate) fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A world with these runs in it, each with its pull request.
pub(crate) fn world_with(runs: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let store = SqliteStore::open(&sandbox.db()).unwrap();
    for n in 0..runs {
        super::deliveries::publish(&store, n, true);
    }
    sandbox
}
