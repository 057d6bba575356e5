//! A program that serves beside this one: started, heard until it says that it is ready, and ended with whoever holds it.
//!
//! It is for programs of our own. Nothing confines it but its environment and a process group, and nobody restarts it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::table::signal_group;

/// The longest line it may say that it is ready in, in bytes.
const LONGEST_LINE: u64 = 4 * 1024;

/// What to start.
#[derive(Debug, Clone)]
pub struct ServiceOrder {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its current directory.
    pub dir: PathBuf,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// A file for what it prints on standard error.
    pub log: PathBuf,
    /// How long it may take until it is ready.
    pub limit: Duration,
}

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It could not be started.
    #[error("it cannot be started: {0}")]
    System(#[from] std::io::Error),
    /// It ended before it was ready.
    #[error("it ended before it was ready")]
    Ended,
    /// It did not say in time that it was ready.
    #[error("it was not ready within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// A running program. It and everything it started is killed when this is dropped; however this process ends, its standard input
/// is closed then.
#[derive(Debug)]
pub struct Service {
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Service {
    /// Starts it, and gives the first line it prints.
    ///
    /// # Errors
    /// [`ServiceError`]; then nothing of it is left.
    #[expect(clippy::disallowed_methods, reason = "this is one of the places that start programs")]
    pub fn start(order: &ServiceOrder) -> Result<(Self, String), ServiceError> {
        let mut child = Command::new(&order.program)
            .args(&order.args)
            .current_dir(&order.dir)
            .env_clear()
            .envs(&order.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&order.log)?)
            // A signal from the terminal is for us, who end it when all else has ended.
            .process_group(0)
            .spawn()?;
        let said = child.stdout.take().map(first_line);
        let stdin = child.stdin.take();
        let service = Self { child, _stdin: stdin };
        let line = said.map_or(Err(RecvTimeoutError::Disconnected), |said| said.recv_timeout(order.limit));
        match line {
            Ok(line) if !line.is_empty() => Ok((service, line)),
            Ok(_) | Err(RecvTimeoutError::Disconnected) => Err(ServiceError::Ended),
            Err(RecvTimeoutError::Timeout) => Err(ServiceError::TimedOut(order.limit)),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        signal_group(i32::try_from(self.child.id()).unwrap_or(0), Signal::KILL);
        // Killed or gone by itself: there is nothing else to be told of its end.
        let _ended = self.child.wait();
    }
}

/// Reads the first line in a thread of its own, and whatever follows, so that it never waits for a reader.
fn first_line(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        if stdout.by_ref().take(LONGEST_LINE).read_line(&mut line).is_ok() {
            // Whoever waited may have given up.
            let _late = sender.send(line.trim_end().to_owned());
        }
        let _rest = std::io::copy(&mut stdout, &mut std::io::sink());
    });
    receiver
}
