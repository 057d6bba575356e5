//! Files and directories: what can be written, how much room there is, who else may read.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::ProbeSettings;
use crate::ports::probe::{GitDir, LooseMode};

/// What the names of probe files begin with: a process that was killed in the middle leaves one.
pub(super) const PROBE_PREFIX: &str = ".agentpr_doctor_probe";

/// Makes probe names of one process differ.
static PROBES: AtomicU32 = AtomicU32::new(0);

/// Makes a directory if need be and tries to write in it. Two at once do not meet: names are random.
pub(super) fn writable(directory: &Path) -> Result<(), String> {
    crate::adapters::process::tree::private_dir(directory).map_err(|err| err.to_string())?;
    tempfile::Builder::new()
        .prefix(PROBE_PREFIX)
        .tempfile_in(directory)
        .map(drop)
        .map_err(|err| err.to_string())
}

/// Tries to write in `.git` of a workspace.
///
/// An agent may have put a link there: every step goes through a handle of the directory before, and none is followed.
pub(super) fn git_writable(workspace: &Path) -> GitDir {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = match rustix::fs::openat(CWD, workspace, folder, Mode::empty()) {
        Ok(root) => root,
        Err(err) => return GitDir::Absent(format!("the workspace: {err}")),
    };
    let git = match rustix::fs::openat(&root, ".git", folder | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(git) => git,
        Err(Errno::LOOP) => return GitDir::Absent("`.git` is a link".to_owned()),
        Err(Errno::NOTDIR) => return GitDir::Absent(not_a_directory(&root)),
        Err(Errno::NOENT) => return GitDir::Absent("there is no `.git`".to_owned()),
        Err(err) => return GitDir::ReadOnly(format!("`.git`: {err}")),
    };
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let name = format!(".agentpr_write_probe.{}.{number}", std::process::id());
    let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&git, &name, create, Mode::RUSR | Mode::WUSR) {
        // Left by a process of the same number that was killed: it was written, which is what is asked.
        Ok(_) | Err(Errno::EXIST) => match rustix::fs::unlinkat(&git, &name, AtFlags::empty()) {
            Ok(()) => GitDir::Writable,
            Err(err) => GitDir::ReadOnly(format!("a file in `.git` cannot be removed: {err}")),
        },
        Err(err) => GitDir::ReadOnly(format!("`.git`: {err}")),
    }
}

/// Systems say `ENOTDIR` for a link too when a directory was asked for.
fn not_a_directory(root: &OwnedFd) -> String {
    let found = rustix::fs::statat(root, ".git", AtFlags::SYMLINK_NOFOLLOW);
    match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => "`.git` is a link",
        _ => "`.git` is no directory",
    }
    .to_owned()
}

/// Reads a plain file whole, at most `cap` bytes of it; no link is followed and no pipe is waited for.
pub(super) fn read_plain(path: &Path, cap: u64) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut text = String::new();
    fs::File::from(file).take(cap).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Room at the nearest directory that exists.
pub(super) fn free_space(path: &Path) -> Result<u64, String> {
    let there = path.ancestors().find(|place| place.exists()).unwrap_or_else(|| Path::new("/"));
    let found = rustix::fs::statvfs(there).map_err(|err| err.to_string())?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The engine's places whose modes let others in; places that are not there are as they should be.
pub(super) fn loose_modes(settings: &ProbeSettings) -> Vec<LooseMode> {
    let beside = |ending: &str| {
        let mut name = settings.db.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let data = &settings.data_dir;
    let folders = [data.clone(), data.join("artifacts"), data.join("runtime"), data.join("scratch")];
    let files = [settings.db.clone(), beside("-wal"), beside("-shm")];
    let secret = Some(&settings.config_file).filter(|path| holds_secrets(path)).cloned();
    let folders = folders.into_iter().map(|path| (path, 0o700));
    let files = files.into_iter().chain(secret).map(|path| (path, 0o600));
    folders.chain(files).filter_map(|(path, wanted)| loose(path, wanted)).collect()
}

fn loose(path: PathBuf, wanted: u32) -> Option<LooseMode> {
    let mode = fs::metadata(&path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(LooseMode { path, mode, wanted })
}

/// Whether a settings file has a key that sounds like a secret and is no name of a file.
fn holds_secrets(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    match text.parse::<toml::Table>() {
        Ok(table) => table.iter().any(|(name, value)| is_secret(name, value)),
        // What cannot be read as settings may hold anything.
        Err(_) => true,
    }
}

fn is_secret(name: &str, value: &toml::Value) -> bool {
    match value {
        toml::Value::Table(table) => table.iter().any(|(name, value)| is_secret(name, value)),
        toml::Value::Array(items) => items.iter().any(|item| is_secret(name, item)),
        toml::Value::String(text) => {
            let sounds = ["token", "secret", "password", "private_key", "api_key"];
            !text.is_empty() && !name.ends_with("_file") && sounds.iter().any(|word| name.contains(word))
        }
        _ => false,
    }
}

/// Takes the rights of group and others away; a link is not followed.
pub(super) fn tighten(loose: &LooseMode) -> Result<(), String> {
    let found = fs::symlink_metadata(&loose.path).map_err(|err| err.to_string())?;
    if found.is_symlink() {
        return Err("it is a link".to_owned());
    }
    fs::set_permissions(&loose.path, Permissions::from_mode(loose.wanted)).map_err(|err| err.to_string())
}
