//! The launcher: this very program, started in the place of an agent or a check, which shuts itself in and becomes it.
//!
//! `agentpr __launch ORDER PROGRAM ARGS` takes a session of its own, sets limits, puts up the wall and replaces itself. It
//! allocates little, starts no thread and opens nothing else, so that it costs a few milliseconds. Inside bubblewrap it is called
//! once more (`__launch inner PROGRAM ARGS`), because only from there can it be told whether the program itself began.
//!
//! What it has to say it says on standard error, marked with a number that only the supervisor knows (`super::handshake`). The
//! number never stands where the program could read it: in no argument and no environment that outlives the launch.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, setrlimit, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use serde::{Deserialize, Serialize};

use super::handshake::{began, failed};
use super::landlock::{self, Rules};

/// The first argument that makes this program the launcher.
pub const WORD: &str = "__launch";

/// Stands in the place of an order for the second call, inside bubblewrap.
const INNER: &str = "inner";

/// Carries the number to the second call; it is set inside the sandbox only and taken off before the program begins.
const INNER_NUMBER: &str = "AGENTPR_LAUNCH_NUMBER";

/// Where this program lies inside the sandbox.
const INSIDE: &str = "/.agentpr-launch";

/// The exit code of a launch that failed; what a shell says of a program that is not there.
const NOT_LAUNCHED: u8 = 127;

/// How readily the kernel ends a program when memory runs out, from -1000 to 1000; the supervisor itself has 0 (proc_pid_oom_score_adj(5)).
const OOM_SCORE: &str = "500";

/// What the launcher is told, as JSON in its second argument.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LaunchOrder {
    /// The number that marks its messages.
    pub(super) number: String,
    /// Largest file it may write, in bytes.
    pub(super) file_size: Option<u64>,
    /// Most threads its user may have.
    pub(super) threads: Option<u64>,
    /// The wall.
    pub(super) wall: Wall,
}

/// A wall, with all that is needed to put it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wall {
    /// None.
    Open,
    /// Landlock.
    Landlock(Rules),
    /// Bubblewrap.
    Bubblewrap {
        /// The `bwrap` program.
        program: PathBuf,
        /// Its arguments, up to the program's.
        args: Vec<String>,
        /// Files that are to look empty.
        empty: Vec<PathBuf>,
    },
}

/// Plays the launcher when the arguments of this process ask for it; comes back with a code only when the launch failed.
///
/// Called first of all in `main`, before anything is read or opened.
pub fn entry(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let _own_name = args.next();
    if args.next()? != WORD {
        return None;
    }
    let (Some(order), Some(program)) = (args.next(), args.next()) else {
        return Some(give_up("", "the launcher was called without an order"));
    };
    let rest: Vec<OsString> = args.collect();
    Some(if order == INNER { inner(&program, &rest) } else { outer(&order, &program, &rest) })
}

fn outer(order: &OsStr, program: &OsStr, rest: &[OsString]) -> ExitCode {
    let order: LaunchOrder = match serde_json::from_str(&order.to_string_lossy()) {
        Ok(order) => order,
        Err(err) => return give_up("", &format!("the launcher cannot read its order: {err}")),
    };
    if let Err(why) = prepare(&order) {
        return give_up(&order.number, &why);
    }
    match &order.wall {
        Wall::Open => become_program(&order.number, program, rest),
        Wall::Landlock(rules) => match give_up_capabilities().and_then(|()| landlock::shut_in(rules)) {
            Ok(()) => become_program(&order.number, program, rest),
            Err(why) => give_up(&order.number, &why),
        },
        Wall::Bubblewrap { program: bwrap, args, empty } => {
            let why = match become_bwrap(&order.number, bwrap, args, empty, program, rest) {
                Ok(never) => match never {},
                Err(err) => format!("`{}`: {err}", bwrap.display()),
            };
            give_up(&order.number, &why)
        }
    }
}

/// The second call: the mounts are in place, what is left is to begin.
#[expect(clippy::disallowed_methods, reason = "the number comes by a variable of this call's own")]
fn inner(program: &OsStr, rest: &[OsString]) -> ExitCode {
    let number = std::env::var(INNER_NUMBER).unwrap_or_default();
    if let Err(why) = close_inherited().and_then(|()| landlock::shut_in_scope()) {
        return give_up(&number, &why);
    }
    become_program(&number, program, rest)
}

fn prepare(order: &LaunchOrder) -> Result<(), String> {
    let refused = |what: &str, err: rustix::io::Errno| format!("{what}: {err}");
    close_inherited()?;
    setsid().map_err(|err| refused("it got no session of its own", err))?;
    limit(Resource::Core, 0).map_err(|err| refused("core files cannot be turned off", err))?;
    if let Some(bytes) = order.file_size {
        limit(Resource::Fsize, bytes).map_err(|err| refused("the size of files cannot be limited", err))?;
    }
    if let Some(threads) = order.threads {
        limit(Resource::Nproc, threads).map_err(|err| refused("processes cannot be limited", err))?;
    }
    // A system without the file ends the largest program first, which is often the right one too.
    let _absent = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    // A `bwrap` that is installed set-user-id needs its right to do so, and gives it up itself before it starts a program.
    if !matches!(order.wall, Wall::Bubblewrap { .. }) {
        rustix::thread::set_no_new_privs(true)
            .map_err(|err| refused("privileges cannot be given up", err))?;
    }
    Ok(())
}

/// Closes everything but the three standard streams. What the shell or the service that started the engine had left open would
/// reach the program otherwise, and what is open already is past every wall.
fn close_inherited() -> Result<(), String> {
    let listed =
        fs::read_dir("/proc/self/fd").map_err(|err| format!("open files cannot be listed: {err}"))?;
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let open: Vec<i32> = listed.flatten().filter_map(number).collect();
    for file in open.into_iter().filter(|file| *file > 2) {
        // The list itself was one of them, and is closed by now.
        let _closed = nix::unistd::close(file);
    }
    Ok(())
}

/// Takes root's capabilities away for good: with them it could look into other programs past Landlock (`CAP_PERFMON` reads any
/// `/proc/PID/environ` since Linux 6.14). Who has none keeps having none, since no new privileges can be had.
fn give_up_capabilities() -> Result<(), String> {
    let refused = |err: rustix::io::Errno| format!("capabilities cannot be given up: {err}");
    let held = capabilities(None).map_err(refused)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            // A kernel older than this list does not know the last ones.
            if capability_is_in_bounding_set(capability).unwrap_or(false) {
                remove_capability_from_bounding_set(capability).map_err(refused)?;
            }
        }
    }
    if held.permitted.is_empty() && held.inheritable.is_empty() {
        return Ok(());
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).map_err(refused)
}

/// Lowers a limit, soft and hard; one that is lower already stays.
fn limit(resource: Resource, value: u64) -> rustix::io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let value = now.maximum.map_or(value, |maximum| maximum.min(value));
    setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
}

#[expect(clippy::disallowed_methods, reason = "becoming a program is what the launcher is for")]
fn become_program(number: &str, program: &OsStr, rest: &[OsString]) -> ExitCode {
    say(&began(number));
    let err = Command::new(program).args(rest).env_remove(INNER_NUMBER).exec();
    give_up(number, &format!("`{}`: {err}", Path::new(program).display()))
}

/// Nothing: this process has become another program.
enum Never {}

/// Becomes `bwrap`, whose options go by an open file: neither they nor the number stand in any list of processes.
#[expect(clippy::disallowed_methods, reason = "becoming a program is what the launcher is for")]
fn become_bwrap(
    number: &str,
    bwrap: &Path,
    args: &[String],
    empty: &[PathBuf],
    program: &OsStr,
    rest: &[OsString],
) -> std::io::Result<Never> {
    let mut options: Vec<OsString> = args.iter().map(OsString::from).collect();
    // Kept open up to the exec.
    let mut kept = Vec::new();
    for path in empty {
        let nothing = inherited(File::open("/dev/null")?)?;
        options.extend(["--ro-bind-data".into(), fd_number(&nothing).into(), path.into()]);
        kept.push(nothing);
    }
    match own_path() {
        Some(path) => options.extend(["--ro-bind".into(), path.into(), INSIDE.into()]),
        None => {
            // An upgrade took the file's place: the program that runs is copied in.
            let own = inherited(File::open("/proc/self/exe")?)?;
            options.extend([
                "--perms".into(),
                "0555".into(),
                "--ro-bind-data".into(),
                fd_number(&own).into(),
                INSIDE.into(),
            ]);
            kept.push(own);
        }
    }
    options.extend(["--setenv".into(), INNER_NUMBER.into(), number.into()]);
    options.extend(["--remount-ro".into(), "/".into()]);
    let list = inherited(options_file(&options)?)?;
    let number = fd_number(&list);
    Err(Command::new(bwrap)
        .args(["--args", &number, "--", INSIDE, WORD, INNER])
        .arg(program)
        .args(rest)
        .exec())
}

/// The path of this program, as long as it still is the file this process was started from.
fn own_path() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let path = fs::read_link("/proc/self/exe").ok()?;
    let (there, running) = (fs::metadata(&path).ok()?, fs::metadata("/proc/self/exe").ok()?);
    ((there.dev(), there.ino()) == (running.dev(), running.ino())).then_some(path)
}

fn options_file(options: &[OsString]) -> std::io::Result<File> {
    use std::os::unix::ffi::OsStrExt;
    let mut file = File::from(rustix::fs::memfd_create("agentpr", MemfdFlags::CLOEXEC)?);
    let mut bytes = Vec::new();
    for option in options {
        bytes.extend_from_slice(option.as_bytes());
        bytes.push(0);
    }
    file.write_all(&bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Keeps a file open over the exec.
fn inherited(file: File) -> std::io::Result<File> {
    rustix::io::fcntl_setfd(&file, FdFlags::empty())?;
    Ok(file)
}

fn fd_number(file: &File) -> String {
    use std::os::fd::AsRawFd;
    file.as_raw_fd().to_string()
}

fn give_up(number: &str, why: &str) -> ExitCode {
    let mut message = failed(number);
    message.extend_from_slice(why.as_bytes());
    say(&message);
    ExitCode::from(NOT_LAUNCHED)
}

fn say(message: &[u8]) {
    // Whoever started this has gone away when it cannot be told.
    let _gone = std::io::stderr().write_all(message);
}
