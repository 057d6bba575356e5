//! What a program with everything it starts uses, which limit it went over, and which signs of life it gives.
//!
//! Looked at a few times a second; the files every few seconds, less often the longer a look takes. So a limit can be passed for
//! that long.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::files::{Places, Trace};
use super::members::Members;
use super::signs::Signs;
use super::table::ProcessStat;
use crate::domain::agent::liveness::{Liveness, Vitals};
use crate::domain::confine::{LimitKind, ProcessLimits};

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(200);

/// Between two looks at the files, at least.
const FILES_LOOK: Duration = Duration::from_secs(5);

/// How many times as long as a look at the files took, it rests.
const FILES_REST: u32 = 20;

/// Watches over a program until a limit is passed or nobody listens any more.
pub(super) struct Watch {
    pub(super) limits: ProcessLimits,
    pub(super) members: Members,
    /// Bytes that moved through its pipes.
    pub(super) moved: Arc<AtomicU64>,
    /// Its files.
    pub(super) places: Places,
    /// What is known of it besides, and where each look is put down.
    pub(super) signs: Signs,
    /// Whether anybody wants to know of its files before a limit makes it necessary.
    pub(super) is_shown: bool,
}

/// A program that is watched.
pub(super) struct Watched {
    /// Tells the limit that was passed.
    pub(super) over: oneshot::Receiver<LimitKind>,
    /// What each look saw.
    pub(super) signs: Signs,
}

/// When each sign was last seen.
struct Active {
    bytes_at: Instant,
    moved: u64,
    cpu_at: Instant,
    ticks: u64,
    files_at: Instant,
    trace: Option<Trace>,
    files_due: Instant,
}

impl Active {
    fn new() -> Self {
        let now = Instant::now();
        let (bytes_at, cpu_at, files_at, files_due) = (now, now, now, now + LOOK);
        Self { bytes_at, moved: 0, cpu_at, ticks: 0, files_at, trace: None, files_due }
    }

    fn trace(&mut self, trace: Trace) {
        // The first look shows what was there before.
        if self.trace.is_some_and(|before| before != trace) {
            self.files_at = Instant::now();
        }
        self.trace = Some(trace);
    }
}

impl Watch {
    /// Begins to watch; the answer comes once, if ever, and the watch ends when the receiver is dropped.
    pub(super) fn start(self) -> Watched {
        let (mut over, told) = oneshot::channel();
        let watched = Watched { over: told, signs: self.signs.clone() };
        tokio::spawn(async move {
            let mut watch = self;
            let mut active = Active::new();
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = over.closed() => return,
                }
                let looked = tokio::task::spawn_blocking(move || {
                    let found = watch.look(&mut active);
                    (watch, active, found)
                });
                let found;
                match looked.await {
                    Ok(back) => (watch, active, found) = back,
                    Err(_) => return,
                }
                if let Some(kind) = found {
                    let _nobody_listens = over.send(kind);
                    return;
                }
            }
        });
        watched
    }

    fn look(&self, active: &mut Active) -> Option<LimitKind> {
        let living = self.members.living();
        let limits = &self.limits;
        let is_full = Instant::now() >= active.files_due && self.look_at_files(active);
        let mut vitals = self.vitals(&living, active);
        if vitals.liveness(limits.silence) == Liveness::Stalled {
            // What happened to its files since the last look speaks for it, too.
            active.trace(self.places.trace());
            vitals = self.vitals(&living, active);
        }
        self.signs.see(vitals);
        if limits.processes.is_some_and(|most| living.len() > most as usize) {
            return Some(LimitKind::Processes);
        }
        if limits.memory.is_some_and(|most| resident(&living) > most) {
            return Some(LimitKind::Memory);
        }
        if vitals.liveness(limits.silence) == Liveness::Stalled {
            return Some(LimitKind::Silence);
        }
        is_full.then_some(LimitKind::Disk)
    }

    /// Says whether they take more of the disk than allowed.
    fn look_at_files(&self, active: &mut Active) -> bool {
        let begun = Instant::now();
        let mut is_full = false;
        if let Some(most) = self.limits.disk {
            is_full = self.places.bytes(most) > most;
        }
        if self.limits.silence.is_some() || self.is_shown {
            active.trace(self.places.trace());
        }
        active.files_due = Instant::now() + FILES_LOOK.max(begun.elapsed() * FILES_REST);
        is_full
    }

    /// The signs now.
    fn vitals(&self, living: &BTreeMap<i32, ProcessStat>, active: &mut Active) -> Vitals {
        let moved = self.moved.load(Ordering::Relaxed);
        if moved != active.moved {
            (active.bytes_at, active.moved) = (Instant::now(), moved);
        }
        let ticks: u64 = living.values().map(|found| found.used_ticks).sum();
        let idle = active.cpu_at.elapsed();
        let used = u128::from(ticks.saturating_sub(active.ticks)) * 1_000
            / u128::from(rustix::param::clock_ticks_per_second().max(1));
        // The sum falls when a process ends that nobody waited for; what is left is the new beginning.
        if ticks < active.ticks || used * 100 > idle.as_millis() * u128::from(self.signs.idle_percent()) {
            (active.cpu_at, active.ticks) = (Instant::now(), ticks);
        }
        let seen = Vitals {
            is_running: !living.is_empty(),
            bytes_secs: active.bytes_at.elapsed().as_secs(),
            cpu_secs: active.cpu_at.elapsed().as_secs(),
            files_secs: active.trace.map(|_| active.files_at.elapsed().as_secs()),
            ..Vitals::default()
        };
        self.signs.said().beside(seen)
    }
}

/// Says whether more than the allowed number are left of a program whose leader has ended: it may have come up against the kernel's
/// own bound before anybody looked. Blocks.
pub(super) fn too_many_left(limits: &ProcessLimits, members: &Members) -> bool {
    limits.processes.is_some_and(|most| members.living().len() > most as usize)
}

/// Memory of processes together: what each has of its own, and of what is shared the largest part once.
fn resident(living: &BTreeMap<i32, ProcessStat>) -> u64 {
    let page = rustix::param::page_size() as u64;
    let (mut own, mut shared) = (0, 0);
    for pid in living.keys() {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/statm")) else { continue };
        let mut fields = text.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
        let (all, with_others) = (fields.next().unwrap_or(0), fields.next().unwrap_or(0));
        own += all.saturating_sub(with_others);
        shared = shared.max(with_others);
    }
    (own + shared) * page
}
