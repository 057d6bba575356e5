//! A program with everything it starts: run to its end, its time limit or a stop, and then all of it is gone.
//!
//! The ladder: TERM to the group, grace, KILL to the group, KILL to whatever left the group but carries the run's mark, then a
//! bounded wait for the pipes to close. A grandchild that holds a pipe therefore never holds the caller.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::output::{CappedLog, Captured, LiveLog};
use super::table::{RUN_MARK, end_marked, process_ref, signal_group};
use crate::ports::worker::OnStart;

/// Output kept of one program.
pub const OUTPUT_CAP: usize = 10 * 1024 * 1024;

/// Time between TERM and KILL: enough for an agent to write its session down.
pub const GRACE: Duration = Duration::from_secs(5);

/// The same when a person stopped it, or the program is to end: with the look at the log it is gone within a second.
pub const STOP_GRACE: Duration = Duration::from_millis(500);

/// Time given to the pipes to close after KILL; the kernel needs milliseconds.
const DRAIN: Duration = Duration::from_secs(2);

/// What to run.
#[derive(Debug, Clone)]
pub struct GroupOrder {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its current directory.
    pub dir: PathBuf,
    /// Its whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// What it reads on its standard input, which is closed afterwards.
    pub stdin: Option<String>,
    /// How long it may take.
    pub limit: Duration,
    /// Time between TERM and KILL at the time limit; a stop waits no longer than [`STOP_GRACE`].
    pub grace: Duration,
    /// Bytes of output to keep.
    pub output_cap: usize,
    /// A file that gets the output as it arrives, up to the cap: for people who watch, and for what a crash cuts off.
    pub live_log: Option<PathBuf>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// At its time limit.
    TimedOut,
    /// By the caller's wish.
    Stopped,
    /// It never ran; what the system said.
    CouldNotStart(String),
}

/// What is known afterwards.
#[derive(Debug, Clone)]
pub struct GroupReport {
    /// How it ended.
    pub ending: Ending,
    /// Exit code of the leader, if it has one.
    pub exit_code: Option<i32>,
    /// Signal that ended the leader, if one did.
    pub signal: Option<i32>,
    /// Wall time.
    pub duration: Duration,
    /// Standard output and standard error in the order they arrived.
    pub output: Captured,
}

/// Runs a program in a process group of its own; all of the group is gone when this returns or is dropped.
///
/// Whatever else carries the same run's mark is ended first: it is what an earlier engine left.
/// `started` is called once, right after the start and before anything is read or written.
pub async fn run_group(order: &GroupOrder, started: OnStart<'_>, stop: &CancellationToken) -> GroupReport {
    let begun = Instant::now();
    if stop.is_cancelled() {
        return never_ran(Ending::Stopped);
    }
    // A crash between a start and its record leaves a program that no log knows; a run has one group at a time.
    let run = order.env.get(RUN_MARK).cloned();
    if let Some(run) = run.clone()
        && tokio::task::spawn_blocking(move || end_marked(&run)).await.is_err()
    {
        tracing::warn!("the sweep before a program did not end");
    }
    let mut child = match spawn(order) {
        Ok(child) => child,
        Err(err) => return never_ran(Ending::CouldNotStart(err.to_string())),
    };
    let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else {
        return never_ran(Ending::CouldNotStart("it has no process id".to_owned()));
    };
    let group = Group { pid, run };
    started(process_ref(pid));

    let mut streams = Streams::of(&mut child, order);
    let deadline = tokio::time::sleep(order.limit);
    tokio::pin!(deadline);
    let cause = loop {
        tokio::select! {
            biased;
            status = child.wait() => break Cause::Ended(status.ok()),
            () = stop.cancelled() => break Cause::Cut(Ending::Stopped),
            () = &mut deadline => break Cause::Cut(Ending::TimedOut),
            () = streams.step() => {}
        }
    };
    let (status, cut) = match cause {
        Cause::Ended(status) => (status, None),
        Cause::Cut(ending) => {
            let grace = if ending == Ending::Stopped { order.grace.min(STOP_GRACE) } else { order.grace };
            (ask_to_end(pid, grace, &mut child, &mut streams).await, Some(ending))
        }
    };
    group.kill();
    let status = match status {
        Some(status) => Some(status),
        None => timeout(DRAIN, child.wait()).await.ok().and_then(Result::ok),
    };
    // What left the group by a session of its own still carries the mark. The look at the process table blocks.
    if tokio::task::spawn_blocking(move || drop(group)).await.is_err() {
        tracing::warn!(pid, "the sweep after a program did not end");
    }
    let _late = timeout(DRAIN, streams.drain()).await;
    report(status, cut, begun.elapsed(), streams.log.finish())
}

enum Cause {
    Ended(Option<ExitStatus>),
    Cut(Ending),
}

#[expect(clippy::disallowed_methods, reason = "this is one of the two places that start programs")]
fn spawn(order: &GroupOrder) -> std::io::Result<Child> {
    Command::new(&order.program)
        .args(&order.args)
        .current_dir(&order.dir)
        .env_clear()
        .envs(&order.env)
        .stdin(if order.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn ask_to_end(
    pid: i32,
    grace: Duration,
    child: &mut Child,
    streams: &mut Streams,
) -> Option<ExitStatus> {
    signal_group(pid, Signal::TERM);
    let waiting = async {
        loop {
            tokio::select! {
                biased;
                status = child.wait() => break status.ok(),
                () = streams.step() => {}
            }
        }
    };
    timeout(grace, waiting).await.ok().flatten()
}

fn report(
    status: Option<ExitStatus>,
    cut: Option<Ending>,
    duration: Duration,
    output: Captured,
) -> GroupReport {
    let exit_code = status.and_then(|status| status.code());
    let signal = status.and_then(|status| status.signal());
    let by_itself = match (exit_code, signal) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or(0)),
    };
    GroupReport { ending: cut.unwrap_or(by_itself), exit_code, signal, duration, output }
}

fn never_ran(ending: Ending) -> GroupReport {
    GroupReport {
        ending,
        exit_code: None,
        signal: None,
        duration: Duration::ZERO,
        output: Captured::default(),
    }
}

/// Ends the group when dropped, so that a caller who goes away leaves nothing behind.
struct Group {
    pid: i32,
    run: Option<String>,
}

impl Group {
    fn kill(&self) {
        signal_group(self.pid, Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        if let Some(run) = &self.run {
            end_marked(run);
        }
    }
}

/// The pipes of a program; one step moves some bytes on one of them.
struct Streams {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    stdin: Option<ChildStdin>,
    unwritten: Vec<u8>,
    written: usize,
    out_buffer: Vec<u8>,
    err_buffer: Vec<u8>,
    log: CappedLog,
    live: Option<LiveLog>,
}

impl Streams {
    fn of(child: &mut Child, order: &GroupOrder) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            stdin: child.stdin.take(),
            unwritten: order.stdin.clone().unwrap_or_default().into_bytes(),
            written: 0,
            out_buffer: vec![0; 16 * 1024],
            err_buffer: vec![0; 16 * 1024],
            log: CappedLog::new(order.output_cap),
            live: order.live_log.as_deref().and_then(|path| LiveLog::open(path, order.output_cap)),
        }
    }

    /// Waits for one pipe to be ready and serves it; never returns once all are closed. Safe to drop at any point.
    async fn step(&mut self) {
        let rest = self.unwritten.get(self.written..).unwrap_or_default();
        tokio::select! {
            count = read_some(&mut self.stdout, &mut self.out_buffer) => {
                keep(&mut self.log, &mut self.live, self.out_buffer.get(..count));
            }
            count = read_some(&mut self.stderr, &mut self.err_buffer) => {
                keep(&mut self.log, &mut self.live, self.err_buffer.get(..count));
            }
            count = write_some(&mut self.stdin, rest) => self.written += count,
        }
    }

    /// Reads until both outputs are closed.
    async fn drain(&mut self) {
        self.stdin = None;
        while self.stdout.is_some() || self.stderr.is_some() {
            self.step().await;
        }
    }
}

fn keep(log: &mut CappedLog, live: &mut Option<LiveLog>, bytes: Option<&[u8]>) {
    let bytes = bytes.unwrap_or_default();
    log.push(bytes);
    if let Some(live) = live {
        live.push(bytes);
    }
}

/// Reads some bytes; 0 and a closed pipe at its end. A pipe that is closed already is never ready.
async fn read_some<R: AsyncRead + Unpin>(pipe: &mut Option<R>, buffer: &mut [u8]) -> usize {
    let Some(open) = pipe else { return std::future::pending().await };
    let count = open.read(buffer).await.unwrap_or(0);
    if count == 0 {
        *pipe = None;
    }
    count
}

/// Writes some bytes and closes the pipe after the last one. A program that does not read (EPIPE) is within its rights.
async fn write_some(pipe: &mut Option<ChildStdin>, rest: &[u8]) -> usize {
    let Some(open) = pipe else { return std::future::pending().await };
    let count = if rest.is_empty() { 0 } else { open.write(rest).await.unwrap_or(0) };
    if count == rest.len() || count == 0 {
        *pipe = None;
    }
    count
}
