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

/// Looks at an environment that seems empty, a millisecond apart; an exec takes far less.
const LOOKS: usize = 20;

/// `PF_KTHREAD` among the flags of a process (include/linux/sched.h).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Processor time of its own and of children it waited for, in clock ticks.
    pub used_ticks: u64,
    /// Its threads.
    pub threads: u64,
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
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(ProcessStat {
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        used_ticks: (11..=14).map(number).sum::<Option<u64>>()?,
        threads: number(17)?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        kernel: number(6)? & KERNEL_THREAD != 0,
        group: fields.get(2)?.parse().ok()?,
        start_ticks: number(19)?,
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

/// Sends a signal to one process; one that is gone is no error.
pub fn signal_process(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 1) {
        let _gone = kill_process(pid, signal);
    }
}

/// Threads of all processes of this process's user: what the kernel compares with `RLIMIT_NPROC`.
pub fn threads_of_user() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::getuid().as_raw();
    let is_own = |pid: &i32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|found| found.uid() == own);
    all().into_iter().filter(is_own).filter_map(stat).map(|found| found.threads).sum()
}
