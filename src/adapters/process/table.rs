//! The process table as `/proc` shows it: who a process is, and which of them belong to a run.
//!
//! Every program that is started for a run carries [`RUN_MARK`] in its environment, and so does everything it starts,
//! even in a session of its own. Where there is no `/proc` these functions find nothing, and the group is all that is known.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::domain::evidence::ProcessRef;

/// The environment variable that names the run a process belongs to.
///
/// Not `AGENTPR_RUN_ID`, which a person may well export in a shell of theirs: whatever carries this is ended with the run's
/// programs.
pub const RUN_MARK: &str = "AGENTPR_CHILD_OF_RUN";

/// Passes over the process table before [`end_marked`] gives up on a program that forks faster than it dies.
const SWEEPS: usize = 5;

/// Looks at an environment that seems empty, a millisecond apart; an exec takes far less.
const LOOKS: usize = 20;

/// `PF_KTHREAD` among the flags of a process (include/linux/sched.h).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its process group.
    pub group: i32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
    /// Whether it has ended and waits for its parent to notice.
    pub zombie: bool,
    /// Whether it is a thread of the kernel's, which never has an environment.
    pub kernel: bool,
}

/// Reads a process's entry; `None` when there is none.
///
/// The program's name may hold spaces and parentheses, so fields are counted from the last `)` (proc_pid_stat(5)).
pub fn stat(pid: i32) -> Option<ProcessStat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    Some(ProcessStat {
        zombie: matches!(*fields.first()?, "Z" | "X"),
        kernel: fields.get(6)?.parse::<u64>().ok()? & KERNEL_THREAD != 0,
        group: fields.get(2)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// The id of this boot, empty where the system has none.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// A reference that tells the process apart from a later one of the same number.
pub fn process_ref(pid: i32) -> ProcessRef {
    let start_ticks = stat(pid).map_or(0, |stat| stat.start_ticks);
    ProcessRef { pid, start_ticks, boot: boot_id() }
}

/// The run a process belongs to, by the environment it was started with.
///
/// While a program takes another's place (execve) its environment looks empty for a moment, so an empty one is looked at again.
pub fn mark_of(pid: i32) -> Option<String> {
    for _ in 0..LOOKS {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        if !environ.is_empty() {
            return environ.split(|byte| *byte == 0).find_map(|entry| {
                let value = entry.strip_prefix(RUN_MARK.as_bytes())?.strip_prefix(b"=")?;
                Some(String::from_utf8_lossy(value).into_owned())
            });
        }
        if stat(pid).is_none_or(|found| found.zombie || found.kernel) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Process ids of all processes.
pub fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Sends a signal to a process group; one that is gone is no error.
pub fn signal_group(group: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(group).filter(|_| group > 1) {
        // The group may be empty by now, which is what the caller wants.
        let _gone = kill_process_group(pid, signal);
    }
}

/// Kills every living process that carries the run's mark, except this one, and what they start meanwhile.
pub fn end_marked(run: &str) {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    for _ in 0..SWEEPS {
        let mut found = false;
        for pid in all().into_iter().filter(|pid| *pid != own) {
            let alive = stat(pid).is_some_and(|stat| !stat.zombie);
            if alive && mark_of(pid).as_deref() == Some(run) {
                found = true;
                if let Some(pid) = Pid::from_raw(pid) {
                    let _gone = kill_process(pid, Signal::KILL);
                }
            }
        }
        if !found {
            return;
        }
    }
}
