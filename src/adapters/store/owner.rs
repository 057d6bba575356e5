//! Owners of leases: who this process is, and whether another one is still there.
//!
//! A process id means something only within one boot and one pid namespace, so the host's name carries the namespace when
//! it is not the machine's own. Owners elsewhere are never called gone; their lease runs out instead.

use std::fs;

use crate::ports::store::LeaseOwner;

/// The inode of the first pid namespace of every boot (`PROC_PID_INIT_INO` in the kernel's `proc_ns.h`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// This process as the owner of leases; `name` tells engines within it apart.
///
/// What the system does not tell stays empty or 0; such an owner is never taken for gone, its lease runs out.
pub fn this_process(name: &str) -> LeaseOwner {
    let pid = std::process::id();
    let hostname = rustix::system::uname().nodename().to_string_lossy().replace('/', "_");
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned());
    let host = match namespace {
        Ok(namespace) if namespace != INITIAL_PID_NAMESPACE => {
            let inode: String = namespace.chars().filter(char::is_ascii_digit).collect();
            format!("{hostname}@{inode}")
        }
        Ok(_) | Err(_) => hostname,
    };
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    LeaseOwner { host, boot, pid, start_ticks: start_ticks(pid).unwrap_or(0), name: name.to_owned() }
}

/// Says whether `holder`'s process is known to be gone, as seen by `asker`, which runs here.
pub fn is_gone(holder: &LeaseOwner, asker: &LeaseOwner) -> bool {
    if holder.host != asker.host || holder.boot.is_empty() || asker.boot.is_empty() {
        return false;
    }
    if holder.boot != asker.boot {
        return true;
    }
    if holder.start_ticks == 0 || asker.start_ticks == 0 {
        // Without start times a pid may have been given to somebody else, in both directions.
        return false;
    }
    match start_ticks(holder.pid) {
        Ok(ticks) => ticks != holder.start_ticks,
        Err(err) => err.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The stored form: `host/boot/pid/start_ticks/name`.
pub fn to_text(owner: &LeaseOwner) -> String {
    let LeaseOwner { host, boot, pid, start_ticks, name } = owner;
    format!("{host}/{boot}/{pid}/{start_ticks}/{name}")
}

/// Reads the stored form; `None` for any other text.
pub fn from_text(text: &str) -> Option<LeaseOwner> {
    let mut parts = text.splitn(5, '/');
    Some(LeaseOwner {
        host: parts.next()?.to_owned(),
        boot: parts.next()?.to_owned(),
        pid: parts.next()?.parse().ok()?,
        start_ticks: parts.next()?.parse().ok()?,
        name: parts.next()?.to_owned(),
    })
}

/// The start of a process in clock ticks since boot: field 22 of `/proc/PID/stat`.
///
/// The second field is the program's name in brackets and may itself hold blanks and brackets, so fields are counted
/// behind the last `)`.
fn start_ticks(pid: u32) -> std::io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(')')
        .and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19))
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidData, "no start time in /proc/PID/stat")
        })
}
