//! Who belongs to a program: its leader, its group, its session, whoever descends from them, and whoever carries the run's mark.
//!
//! A process that was seen to belong keeps belonging, whatever it changes afterwards. Only one that leaves group, session and
//! ancestors behind and takes off the mark between two looks gets away; in a sandbox with process ids of its own, none does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::table::{ProcessStat, all, mark_of, signal_group, signal_process, stat};

/// How long [`Members::end`] goes on against programs that start others faster than they die.
const PATIENCE: Duration = Duration::from_secs(4);

/// Between two passes, in which the kernel takes the killed ones away.
const PAUSE: Duration = Duration::from_millis(2);

/// The processes of one program; clones share what was seen.
#[derive(Debug, Clone)]
pub struct Members {
    leader: i32,
    leader_start: u64,
    mark: Option<String>,
    seen: Arc<Mutex<Seen>>,
}

/// Processes by id and start time.
#[derive(Debug, Default)]
struct Seen {
    members: BTreeSet<(i32, u64)>,
    strangers: BTreeSet<(i32, u64)>,
}

impl Members {
    /// The members of the program whose leader has this id and start time; `mark` is its run's.
    pub fn of(leader: i32, leader_start: u64, mark: Option<String>) -> Self {
        Self { leader, leader_start, mark, seen: Arc::default() }
    }

    /// Whoever carries the run's mark, and nobody else.
    pub fn marked(mark: String) -> Self {
        Self::of(0, 0, Some(mark))
    }

    /// Looks who belongs right now. Blocks for some milliseconds.
    pub fn living(&self) -> BTreeMap<i32, ProcessStat> {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let table: BTreeMap<i32, ProcessStat> = all()
            .into_iter()
            .filter(|pid| *pid != own)
            .filter_map(|pid| Some((pid, stat(pid)?)))
            .filter(|(_, found)| !found.zombie && !found.kernel)
            .collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let number_is_ours = self.leader > 1
            && table.get(&self.leader).is_none_or(|found| found.start_ticks == self.leader_start);
        let mut members: BTreeSet<i32> = BTreeSet::new();
        for (pid, found) in &table {
            let key = (*pid, found.start_ticks);
            let by_number = number_is_ours
                && found.start_ticks >= self.leader_start
                && [*pid, found.group, found.session].contains(&self.leader);
            if by_number || seen.members.contains(&key) || self.is_marked(key, &mut seen) {
                members.insert(*pid);
            }
        }
        // Children of members are members, and theirs.
        loop {
            let known = members.len();
            let children = table.iter().filter(|(_, found)| members.contains(&found.parent));
            let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
            members.extend(children);
            if members.len() == known {
                break;
            }
        }
        let living: BTreeMap<i32, ProcessStat> =
            table.into_iter().filter(|(pid, _)| members.contains(pid)).collect();
        seen.members = living.iter().map(|(pid, found)| (*pid, found.start_ticks)).collect();
        living
    }

    /// Says whether a process carries the mark. A stranger is looked at once; its children come by the mark only through a member.
    fn is_marked(&self, key: (i32, u64), seen: &mut Seen) -> bool {
        let Some(mark) = &self.mark else { return false };
        if seen.strangers.contains(&key) {
            return false;
        }
        let marked = mark_of(key.0).as_ref() == Some(mark);
        if !marked {
            seen.strangers.insert(key);
        }
        marked
    }

    /// Asks everybody to end, except `spared`.
    pub fn ask(&self, spared: Option<i32>) {
        for pid in self.living().into_keys().filter(|pid| Some(*pid) != spared) {
            signal_process(pid, Signal::TERM);
        }
    }

    /// Kills the leader and its group at once, as far as they are known to be the program's; does not look for others.
    pub fn kill_group(&self) {
        let is_ours = stat(self.leader).is_none_or(|found| found.start_ticks == self.leader_start);
        if self.leader > 1 && is_ours {
            signal_group(self.leader, Signal::KILL);
            signal_process(self.leader, Signal::KILL);
        }
    }

    /// Kills everybody, and again until a look finds nobody. Blocks, at most for some seconds.
    pub fn end(&self) {
        let begun = Instant::now();
        self.kill_group();
        loop {
            let living = self.living();
            if living.is_empty() {
                return;
            }
            if begun.elapsed() > PATIENCE {
                tracing::warn!(
                    leader = self.leader,
                    left = living.len(),
                    "programs are left that do not die"
                );
                return;
            }
            // Stopped first, so that none of them starts another while the rest are being killed.
            if living.len() > 1 {
                living.keys().for_each(|pid| signal_process(*pid, Signal::STOP));
            }
            living.keys().for_each(|pid| signal_process(*pid, Signal::KILL));
            std::thread::sleep(PAUSE);
        }
    }
}
