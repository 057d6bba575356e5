//! Short programs, run synchronously: git, and nothing that an agent can replace.
//!
//! The same care as for agents: an environment of its own, a process group that is killed at the time limit and at the end,
//! output up to a cap. Blocks; call it from a blocking thread.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::table::signal_group;

/// Time given to the pipes to close after the program ended.
const DRAIN: Duration = Duration::from_secs(2);

/// What to run.
#[derive(Debug, Clone)]
pub struct ShortOrder {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its current directory.
    pub dir: PathBuf,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// How long it may take.
    pub limit: Duration,
    /// Bytes of each output stream to keep, from the beginning.
    pub output_cap: usize,
}

/// What it left.
#[derive(Debug, Clone)]
pub struct ShortOutput {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, at most the cap.
    pub stdout: Vec<u8>,
    /// Whether standard output was longer.
    pub truncated: bool,
    /// Standard error, at most the cap.
    pub stderr: Vec<u8>,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ShortError {
    /// It could not be started, or its end could not be seen.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// It ran into its time limit and was killed.
    #[error("it took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Runs a program to its end or its time limit.
///
/// # Errors
/// [`ShortError`]; a program that fails is no error here.
pub fn run_short(order: &ShortOrder) -> Result<ShortOutput, ShortError> {
    run_short_seen(order, |_| ())
}

/// As [`run_short`], and tells `begun` the program's process id, which is its group's too, once it runs.
///
/// # Errors
/// As [`run_short`].
#[expect(clippy::disallowed_methods, reason = "this is one of the two places that start programs")]
pub fn run_short_seen(order: &ShortOrder, begun: impl FnOnce(i32)) -> Result<ShortOutput, ShortError> {
    let mut child = Command::new(&order.program)
        .args(&order.args)
        .current_dir(&order.dir)
        .env_clear()
        .envs(&order.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = i32::try_from(child.id()).unwrap_or(0);
    begun(group);
    let stdout = collect(child.stdout.take(), order.output_cap);
    let stderr = collect(child.stderr.take(), order.output_cap);
    feed(&mut child, order.stdin.clone());
    let (done, watch) = mpsc::channel::<()>();
    let limit = order.limit;
    let watchdog = thread::spawn(move || {
        let late = watch.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if late {
            signal_group(group, Signal::KILL);
        }
        late
    });
    let status = child.wait();
    drop(done);
    let late = watchdog.join().unwrap_or(false);
    signal_group(group, Signal::KILL);
    if late {
        return Err(ShortError::TimedOut(limit));
    }
    let (stdout, truncated) = stdout.recv_timeout(DRAIN).unwrap_or_default();
    let (stderr, _) = stderr.recv_timeout(DRAIN).unwrap_or_default();
    Ok(ShortOutput { code: status?.code(), stdout, truncated, stderr })
}

/// Reads a pipe to its end in a thread of its own, keeping the first `cap` bytes.
fn collect<R: Read + Send + 'static>(pipe: Option<R>, cap: usize) -> Receiver<(Vec<u8>, bool)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut truncated = false;
        let mut buffer = vec![0; 64 * 1024];
        if let Some(mut pipe) = pipe {
            while let Ok(count) = pipe.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                let room = cap.saturating_sub(kept.len()).min(count);
                kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
                truncated |= room < count;
            }
        }
        // The caller may have stopped waiting.
        let _late = sender.send((kept, truncated));
    });
    receiver
}

fn feed(child: &mut Child, bytes: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take() {
        thread::spawn(move || {
            // A program that does not read what it is given says why itself.
            let _unread = stdin.write_all(&bytes);
        });
    }
}
