//! What a program with everything it starts uses, and which limit it went over.
//!
//! Looked at a few times a second; the disk every few seconds, less often the longer a look takes. So a limit can be passed for
//! that long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::members::Members;
use super::table::ProcessStat;
use crate::domain::confine::{LimitKind, ProcessLimits};

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(200);

/// Between two looks at the disk, at least.
const DISK_LOOK: Duration = Duration::from_secs(5);

/// How many times as long as a look at the disk took, it rests.
const DISK_REST: u32 = 20;

/// Files a look at the disk counts at most; a tree with more is over every limit that makes sense.
const MOST_FILES: u64 = 5_000_000;

/// The part of one processor below which a program counts as idle: an event loop that waits turns over a little.
const IDLE_PERCENT: u128 = 1;

/// Watches over a program until a limit is passed or nobody listens any more.
pub(super) struct Watch {
    pub(super) limits: ProcessLimits,
    pub(super) members: Members,
    /// Bytes that moved through its pipes.
    pub(super) moved: Arc<AtomicU64>,
    /// Folders whose bytes count.
    pub(super) folders: Vec<PathBuf>,
}

/// When the program was last seen at work.
struct Active {
    at: Instant,
    moved: u64,
    ticks: u64,
}

impl Watch {
    /// Begins to watch; the answer comes once, if ever, and the watch ends when the receiver is dropped.
    pub(super) fn start(self) -> oneshot::Receiver<LimitKind> {
        let (mut over, told) = oneshot::channel();
        tokio::spawn(async move {
            let mut watch = self;
            let mut active = Active { at: Instant::now(), moved: 0, ticks: 0 };
            let mut disk_due = Instant::now() + LOOK;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = over.closed() => return,
                }
                let looked = tokio::task::spawn_blocking(move || {
                    let found = watch.look(&mut active, &mut disk_due);
                    (watch, active, disk_due, found)
                });
                let found;
                match looked.await {
                    Ok(back) => (watch, active, disk_due, found) = back,
                    Err(_) => return,
                }
                if let Some(kind) = found {
                    let _nobody_listens = over.send(kind);
                    return;
                }
            }
        });
        told
    }

    fn look(&self, active: &mut Active, disk_due: &mut Instant) -> Option<LimitKind> {
        let living = self.members.living();
        let limits = &self.limits;
        if limits.processes.is_some_and(|most| living.len() > most as usize) {
            return Some(LimitKind::Processes);
        }
        if limits.memory.is_some_and(|most| resident(&living) > most) {
            return Some(LimitKind::Memory);
        }
        if limits.silence.is_some_and(|most| self.idle_for(&living, active) > most) {
            return Some(LimitKind::Silence);
        }
        if let Some(most) = limits.disk
            && Instant::now() >= *disk_due
        {
            let begun = Instant::now();
            let used = disk_use(&self.folders, most);
            *disk_due = Instant::now() + DISK_LOOK.max(begun.elapsed() * DISK_REST);
            if used > most {
                return Some(LimitKind::Disk);
            }
        }
        None
    }

    /// How long it has been since it printed, read or calculated.
    fn idle_for(&self, living: &BTreeMap<i32, ProcessStat>, active: &mut Active) -> Duration {
        let moved = self.moved.load(Ordering::Relaxed);
        let ticks: u64 = living.values().map(|found| found.used_ticks).sum();
        let idle = active.at.elapsed();
        let used = u128::from(ticks.saturating_sub(active.ticks)) * 1_000
            / u128::from(rustix::param::clock_ticks_per_second().max(1));
        // The sum falls when a process ends that nobody waited for; what is left is the new beginning.
        if moved != active.moved || ticks < active.ticks || used * 100 > idle.as_millis() * IDLE_PERCENT {
            *active = Active { at: Instant::now(), moved, ticks };
            return Duration::ZERO;
        }
        idle
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

/// Bytes that the files below some folders take on the disk, without following links; stops counting beyond `enough`.
fn disk_use(folders: &[PathBuf], enough: u64) -> u64 {
    let mut linked = BTreeSet::new();
    let mut count = Count { bytes: 0, files: 0, enough };
    for folder in folders {
        count.folder(folder, &mut linked);
    }
    count.bytes
}

struct Count {
    bytes: u64,
    files: u64,
    enough: u64,
}

impl Count {
    fn folder(&mut self, folder: &Path, linked: &mut BTreeSet<(u64, u64)>) {
        let mut waiting = vec![folder.to_owned()];
        while let Some(folder) = waiting.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let Ok(found) = entry.metadata() else { continue };
                if found.is_dir() {
                    waiting.push(entry.path());
                } else if found.nlink() > 1 && !linked.insert((found.dev(), found.ino())) {
                    continue;
                }
                // The unit of st_blocks is 512 bytes (stat(2)).
                self.bytes += found.blocks() * 512;
                self.files += 1;
                if self.bytes > self.enough {
                    return;
                }
                if self.files > MOST_FILES {
                    self.bytes = u64::MAX;
                    return;
                }
            }
        }
    }
}
