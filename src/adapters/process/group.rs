//! A program with everything it starts: shut in, run to its end, a limit or a stop, and then all of it is gone.
//!
//! The ladder: TERM to everybody, grace, KILL to everybody, until nobody is found, then a bounded wait for the pipes to close. A
//! grandchild that holds a pipe therefore never holds the caller.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::files::Places;
use super::launch::{LaunchOrder, WORD, Wall};
use super::lines::LineSink;
use super::members::Members;
use super::output::Captured;
use super::redact::Redactor;
use super::sandbox::Room;
use super::signs::Signs;
use super::streams::Streams;
use super::table::{RUN_MARK, process_ref, threads_of_user};
use super::transcript::{OutputSink, STREAM_CAP, StoredLog, Transcript};
use super::usage::{Watch, Watched, too_many_left};
use crate::domain::agent::liveness::Vitals;
use crate::domain::confine::{Confinement, LimitKind, ProcessLimits, SandboxMode, Tier};
use crate::domain::evidence::ProcessRef;
use crate::ports::worker::OnStart;

/// Time between TERM and KILL: enough for an agent to write its session down.
pub const GRACE: Duration = Duration::from_secs(5);

/// The same when a person stopped it, or the program is to end: with the look at the log it is gone within a second.
pub const STOP_GRACE: Duration = Duration::from_millis(500);

/// The same when it went over a limit that the machine suffers from.
const LIMIT_GRACE: Duration = Duration::from_millis(500);

/// Time given to the pipes to close after KILL; the kernel needs milliseconds.
const DRAIN: Duration = Duration::from_secs(2);

/// Threads for each process that is allowed, as far as the kernel counts: a backstop behind the limit on processes, which is
/// looked at a few times a second only.
const THREADS_PER_PROCESS: u64 = 16;

/// As many at least: a program that meets the backstop before the next look only fails, and nobody learns why.
const FEWEST_THREADS: u64 = 4_096;

/// What to run.
#[derive(Clone)]
pub struct GroupOrder {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its current directory, in the workspace.
    pub dir: PathBuf,
    /// Its whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// What it reads on its standard input, which is closed afterwards; `None` is nothing at all.
    pub stdin: Option<String>,
    /// The folder it works on.
    pub workspace: PathBuf,
    /// The folder for everything else of its own.
    pub runtime: PathBuf,
    /// What it may read besides: files its command line names.
    pub readable: Vec<PathBuf>,
    /// What it is shut in with.
    pub confinement: Confinement,
    /// What it may use.
    pub limits: ProcessLimits,
    /// Time between TERM and KILL at the time limit; a stop waits no longer than [`STOP_GRACE`].
    pub grace: Duration,
    /// A file that gets the output as it arrives: for people who watch, and for what a crash cuts off.
    pub log: Option<PathBuf>,
    /// Gets each line of standard output as it arrives.
    pub lines: Option<LineSink>,
    /// Gets both outputs as they arrive, told apart.
    pub sink: Option<OutputSink>,
    /// Shares what is known of it with whoever reads its protocol; `None` when nobody does.
    pub signs: Option<Signs>,
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
    /// At another limit.
    OverLimit(LimitKind),
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
    /// Exit code of the leader, if it has one. In tier 2 a program that a signal ended has 128 and the signal's number.
    pub exit_code: Option<i32>,
    /// Signal that ended the leader, if one did.
    pub signal: Option<i32>,
    /// Wall time.
    pub duration: Duration,
    /// Beginning and end of both outputs in the order they arrived, harmless and without secrets.
    pub output: Captured,
    /// The log file; `None` when none was asked for, or the program never came to be started.
    pub log: Option<StoredLog>,
    /// The tier it ran under.
    pub tier: Tier,
    /// The signs of life at the last look before it was ended, or ended by itself; `None` when it never ran.
    pub vitals: Option<Vitals>,
}

/// Runs programs.
#[derive(Clone)]
pub struct Supervisor {
    launcher: PathBuf,
    sandbox: super::sandbox::Sandbox,
    redactor: Redactor,
}

/// A program is not started: its tier is not to be had, or its log cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Supervisor {
    /// Puts it together. `launcher` is this very program, which is started first in each program's place: `/proc/self/exe` in the
    /// program itself, where it is right even after an upgrade took the file's place.
    pub fn new(launcher: PathBuf, sandbox: super::sandbox::Sandbox, redactor: Redactor) -> Self {
        Self { launcher, sandbox, redactor }
    }

    /// What takes secrets out of what programs print.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What it shuts programs in with.
    pub fn sandbox(&self) -> &super::sandbox::Sandbox {
        &self.sandbox
    }

    /// Runs a program; all that belongs to it is gone when this returns or is dropped.
    ///
    /// Whatever else carries the same run's mark is ended first: it is what an earlier engine left.
    /// `started` is called once, right after the start and before anything is read or written.
    ///
    /// # Errors
    /// [`Refused`] before anything is started. How a program ended is never an error.
    pub async fn run(
        &self,
        order: &GroupOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<GroupReport, Refused> {
        let begun = Instant::now();
        if stop.is_cancelled() {
            return Ok(never_ran(Ending::Stopped, Tier::Open));
        }
        let prepared = self.prepare(order).await?;
        let Prepared { tier, env, launch, transcript } = prepared;
        let encoded = serde_json::to_string(&launch).map_err(|err| Refused(err.to_string()))?;
        let mut child = match self.spawn(order, &env, &encoded) {
            Ok(child) => child,
            Err(err) => return Ok(never_ran(Ending::CouldNotStart(err.to_string()), tier)),
        };
        let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else {
            return Ok(never_ran(Ending::CouldNotStart("it has no process id".to_owned()), tier));
        };
        let process = process_ref(pid);
        let group = Group(Members::of(pid, process.start_ticks, env.get(RUN_MARK).cloned()));
        started(ProcessRef::clone(&process));

        let mut streams = Streams::of(
            &mut child,
            order.stdin.as_deref(),
            &launch.number,
            transcript,
            &self.redactor,
            order.lines.clone(),
            order.sink.clone(),
        );
        let signs = order.signs.clone().unwrap_or_default();
        signs.started(pid);
        let watch = Watch {
            limits: order.limits,
            members: group.0.clone(),
            moved: streams.moved(),
            places: Places { workspace: order.workspace.clone(), runtime: order.runtime.clone() },
            signs: signs.clone(),
            is_shown: order.signs.is_some(),
        }
        .start();
        let (status, cut) = attend(order, stop, &mut child, &mut streams, watch, &group.0, tier).await;
        group.0.kill_group();
        let status = match status {
            Some(status) => Some(status),
            None => timeout(DRAIN, child.wait()).await.ok().and_then(Result::ok),
        };
        // The look at the process table blocks.
        if tokio::task::spawn_blocking(move || drop(group)).await.is_err() {
            tracing::warn!(pid, "the sweep after a program did not end");
        }
        let _late = timeout(DRAIN, streams.drain()).await;
        let finished = streams.finish();
        let cut = cut.or_else(|| over_file_size(order, status).then_some(Ending::OverLimit(LimitKind::Disk)));
        let ending = cut.unwrap_or_else(|| match finished.failure {
            Some(why) => Ending::CouldNotStart(why),
            None => by_itself(status),
        });
        let log = match finished.transcript {
            Some(transcript) => Some(stored(transcript).await?),
            None => None,
        };
        Ok(GroupReport {
            ending,
            exit_code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            duration: begun.elapsed(),
            output: finished.output,
            log,
            tier,
            vitals: signs.vitals(),
        })
    }

    /// Everything that blocks before a start: the sweep, the tier, the plan of what is seen, the log file.
    async fn prepare(&self, order: &GroupOrder) -> Result<Prepared, Refused> {
        let (sandbox, order) = (self.sandbox.clone(), order.clone());
        let work = move || {
            // A crash between a start and its record leaves a program that no log knows; a run has one group at a time.
            if let Some(mark) = order.env.get(RUN_MARK) {
                Members::marked(mark.clone()).end();
            }
            let tier = sandbox.tier(&order.confinement).map_err(Refused)?;
            let mut env = order.env.clone();
            super::sandbox::own_caches(tier, &mut env, &order.runtime, order.confinement.network);
            let room = Room {
                workspace: &order.workspace,
                runtime: &order.runtime,
                dir: &order.dir,
                writable: order.confinement.mode != SandboxMode::ReadOnly,
                network: order.confinement.network,
                readable: &order.readable,
            };
            let wall = sandbox.wall(tier, &order.program, &env, &room);
            let launch = launch_order(&order.limits, wall)?;
            let transcript = order.log.as_deref().map(begin_log).transpose()?;
            Ok(Prepared { tier, env, launch, transcript })
        };
        tokio::task::spawn_blocking(work).await.map_err(|err| Refused(err.to_string()))?
    }

    #[expect(clippy::disallowed_methods, reason = "this is one of the places that start programs")]
    fn spawn(
        &self,
        order: &GroupOrder,
        env: &BTreeMap<String, String>,
        launch: &str,
    ) -> std::io::Result<Child> {
        Command::new(&self.launcher)
            .args([WORD, launch])
            .arg(&order.program)
            .args(&order.args)
            .current_dir(&order.dir)
            .env_clear()
            .envs(env)
            .stdin(if order.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// What a start needs.
struct Prepared {
    tier: Tier,
    env: BTreeMap<String, String>,
    launch: LaunchOrder,
    transcript: Option<Transcript>,
}

fn launch_order(limits: &ProcessLimits, wall: Wall) -> Result<LaunchOrder, Refused> {
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|err| Refused(format!("no random number: {err}")))?;
    // The kernel does not hold root to it.
    let threads = limits
        .processes
        .filter(|_| !rustix::process::getuid().is_root())
        .map(|most| threads_of_user() + (u64::from(most) * THREADS_PER_PROCESS).max(FEWEST_THREADS));
    Ok(LaunchOrder { number: hex::encode(number), file_size: limits.disk, threads, wall })
}

fn begin_log(path: &Path) -> Result<Transcript, Refused> {
    Transcript::create(path, STREAM_CAP)
        .map_err(|err| Refused(format!("cannot write the log `{}`: {err}", path.display())))
}

async fn stored(transcript: Transcript) -> Result<StoredLog, Refused> {
    let finished = tokio::task::spawn_blocking(move || transcript.finish()).await;
    finished
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|err| Refused(format!("the log cannot be kept: {err}")))
}

/// Serves a program up to its end, or ends it.
async fn attend(
    order: &GroupOrder,
    stop: &CancellationToken,
    child: &mut Child,
    streams: &mut Streams,
    mut watch: Watched,
    members: &Members,
    tier: Tier,
) -> (Option<ExitStatus>, Option<Ending>) {
    let deadline = tokio::time::sleep(order.limits.wall);
    tokio::pin!(deadline);
    let mut watched = true;
    let ending = loop {
        tokio::select! {
            biased;
            status = child.wait() => {
                let (limits, left) = (order.limits, members.clone());
                let looked = tokio::task::spawn_blocking(move || too_many_left(&limits, &left)).await;
                let over = looked.unwrap_or(false).then_some(Ending::OverLimit(LimitKind::Processes));
                return (status.ok(), over);
            }
            () = stop.cancelled() => break Ending::Stopped,
            () = &mut deadline => break Ending::TimedOut,
            over = &mut watch.over, if watched => match over {
                Ok(kind) => break Ending::OverLimit(kind),
                Err(_) => watched = false,
            },
            () = streams.step() => {}
        }
    };
    watch.signs.hold();
    let grace = match ending {
        Ending::Stopped => order.grace.min(STOP_GRACE),
        Ending::OverLimit(LimitKind::Silence) | Ending::TimedOut => order.grace,
        _ => order.grace.min(LIMIT_GRACE),
    };
    if ending != Ending::OverLimit(LimitKind::Processes) {
        // Bubblewrap itself dies of TERM at once, and what is inside with it.
        let spared =
            (tier == Tier::Bubblewrap).then(|| child.id().and_then(|pid| i32::try_from(pid).ok())).flatten();
        let asked = members.clone();
        let asking = tokio::task::spawn_blocking(move || asked.ask(spared));
        let waiting = async {
            loop {
                tokio::select! {
                    biased;
                    status = child.wait() => break status.ok(),
                    () = streams.step() => {}
                }
            }
        };
        let status = timeout(grace, waiting).await.ok().flatten();
        if asking.await.is_err() {
            tracing::warn!("a program could not be asked to end");
        }
        return (status, Some(ending));
    }
    (None, Some(ending))
}

fn by_itself(status: Option<ExitStatus>) -> Ending {
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => Ending::Exited(code),
        Some((None, signal)) => Ending::Signalled(signal.unwrap_or(0)),
        None => Ending::Signalled(0),
    }
}

/// Says whether the kernel ended the leader for a file that grew beyond the limit on the disk.
fn over_file_size(order: &GroupOrder, status: Option<ExitStatus>) -> bool {
    let signal = Signal::XFSZ.as_raw();
    order.limits.disk.is_some()
        && status.is_some_and(|status| status.signal() == Some(signal) || status.code() == Some(128 + signal))
}

fn never_ran(ending: Ending, tier: Tier) -> GroupReport {
    GroupReport {
        ending,
        exit_code: None,
        signal: None,
        duration: Duration::ZERO,
        output: Captured::default(),
        log: None,
        tier,
        vitals: None,
    }
}

/// Ends the program when dropped, so that a caller who goes away leaves nothing behind.
struct Group(Members);

impl Drop for Group {
    fn drop(&mut self) {
        self.0.end();
    }
}
