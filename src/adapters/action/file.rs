//! Writing a file into a workspace an agent has had its hands in: every folder on the way is opened by itself, never
//! through a link, and the file is put in place by its name. So neither a link nor a second name leads anywhere else.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// A stable word and a sentence.
pub(super) type Fault = (&'static str, &'static str);

/// Folders that belong to git or to the engine, wherever they lie.
const OWNED: [&str; 2] = [".git", ".aider_fsm"];

/// The parts of a path below a workspace.
///
/// # Errors
/// `path_outside_repo` or `path_is_protected`.
pub(super) fn parts_of(path: &str) -> Result<Vec<&str>, Fault> {
    const OUTSIDE: Fault = ("path_outside_repo", "must be relative and stay in the repository");
    if path.starts_with(['/', '~'])
        || path.ends_with('/')
        || path.contains(|c: char| c.is_control() || c == '\\')
    {
        return Err(OUTSIDE);
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() || parts.contains(&"..") {
        return Err(OUTSIDE);
    }
    // Some file systems take `.GIT` for `.git`.
    if parts.iter().any(|part| OWNED.iter().any(|owned| part.eq_ignore_ascii_case(owned))) {
        return Err(("path_is_protected", "belongs to git or to the engine"));
    }
    if let [first, second, ..] = parts.as_slice()
        && first.eq_ignore_ascii_case(".github")
        && (second.eq_ignore_ascii_case("workflows") || second.eq_ignore_ascii_case("actions"))
    {
        return Err(("path_is_protected", "decides what runs at the forge"));
    }
    Ok(parts)
}

/// Writes a file below `workspace`, with the folders on the way; `protected` and what lies below them is not touched.
///
/// The old file stays until the new one is whole, and lends it its permissions.
///
/// # Errors
/// `path_outside_repo`, `path_is_protected`, `path_is_link`, `not_a_file` or `write_failed`, with a sentence.
pub(super) fn write_inside(
    workspace: &Path,
    path: &str,
    content: &[u8],
    protected: &[String],
) -> Result<(), (&'static str, String)> {
    let told = |(code, why): Fault| (code, why.to_owned());
    let failed = |err: io::Error| ("write_failed", err.to_string());
    let parts = parts_of(path).map_err(told)?;
    if protected.iter().any(|other| covers(other, &parts)) {
        return Err(("path_is_protected", "is the plan, the contract or a protected path".to_owned()));
    }
    let Some((name, folders)) = parts.split_last() else {
        return Err(("path_outside_repo", "names no file".to_owned()));
    };
    // The workspace's own path is the engine's; only what lies below it is not trusted.
    let mut folder =
        openat(CWD, workspace, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|err| failed(err.into()))?;
    for part in folders {
        folder = enter(&folder, part)?;
    }
    let mode = match statat(&folder, *name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Mode::from_raw_mode(0o644),
        Err(err) => return Err(failed(err.into())),
        Ok(found) => match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Mode::from_raw_mode(found.st_mode & 0o777),
            FileType::Symlink => return Err(("path_is_link", "the file is a link".to_owned())),
            _ => return Err(("not_a_file", "something that is no file has that name".to_owned())),
        },
    };
    put(&folder, name, content, mode).map_err(failed)
}

/// Says whether `other` is the path itself or a folder above it; letter case does not matter.
fn covers(other: &str, parts: &[&str]) -> bool {
    let other: Vec<&str> = other.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    !other.is_empty()
        && other.len() <= parts.len()
        && other.iter().zip(parts).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Opens a folder below another, making it when it is not there.
fn enter(folder: &OwnedFd, part: &str) -> Result<OwnedFd, (&'static str, String)> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match openat(folder, part, flags, Mode::empty()) {
        Err(Errno::NOENT) => match mkdirat(folder, part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => openat(folder, part, flags, Mode::empty()),
            Err(err) => Err(err),
        },
        opened => opened,
    };
    opened.map_err(|err| match err {
        // A link is refused as `ELOOP`, or as `ENOTDIR` because a folder was asked for.
        Errno::LOOP => ("path_is_link", format!("`{part}` is a link")),
        Errno::NOTDIR => match statat(folder, part, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Symlink => {
                ("path_is_link", format!("`{part}` is a link"))
            }
            _ => ("not_a_file", format!("`{part}` is no folder")),
        },
        err => ("write_failed", io::Error::from(err).to_string()),
    })
}

/// Writes beside and renames: a file with a second name elsewhere keeps its content under that name.
fn put(folder: &OwnedFd, name: &str, content: &[u8], mode: Mode) -> io::Result<()> {
    const PARTIAL: &str = ".agentpr-partial";
    let folder = folder.as_fd();
    match unlinkat(folder, PARTIAL, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(err) => return Err(err.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, PARTIAL, flags, mode)?);
    // The engine's own mask may have taken some permissions away.
    let allowed = fchmod(&file, mode).map_err(io::Error::from);
    let written = allowed.and_then(|()| file.write_all(content)).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| renameat(folder, PARTIAL, folder, name).map_err(io::Error::from));
    if placed.is_err() {
        // What failed first is what the caller wants to hear of.
        let _left = unlinkat(folder, PARTIAL, AtFlags::empty());
    }
    placed
}
