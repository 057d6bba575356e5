//! Directories of the engine's own, and removing what programs made in them.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::beneath::remove_at;

/// Makes a directory that only its owner can enter, with its parents.
///
/// # Errors
/// What the file system says.
pub fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory below `root` that only its owner can enter, with its parents.
///
/// A program can write in `root`: a link or a file that it put in the way is removed, so that nothing is made where a link leads.
///
/// # Errors
/// What the file system says.
pub fn private_dir_below(root: &Path, path: &Path) -> io::Result<()> {
    private_dir(root)?;
    let inner = path.strip_prefix(root).map_err(io::Error::other)?;
    let mut place = root.to_owned();
    for part in inner.components() {
        place.push(part);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => continue,
            Ok(_) => fs::remove_file(&place)?,
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
        fs::DirBuilder::new().mode(0o700).create(&place)?;
    }
    Ok(())
}

/// Writes a file where a program can write too: never through a link that it may have put there.
///
/// # Errors
/// What the file system says.
pub fn write_anew(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

/// Removes a tree without following links and says how many bytes its files had; nothing there is no error.
///
/// Tools make read-only directories (Go's module cache does), so each directory is made writable before it is emptied. No tree
/// is too deep for it.
///
/// # Errors
/// What the file system says, after as much as possible was removed.
pub fn remove_tree(path: &Path) -> io::Result<u64> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no name"));
    };
    let around = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(around, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(0),
        Err(errno) => Err(errno.into()),
        Ok(folder) => remove_at(folder.as_fd(), name.as_bytes()),
    }
}
