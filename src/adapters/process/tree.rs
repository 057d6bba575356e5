//! Directory trees that programs left: how large they are, and removing them whatever was done to their modes.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

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
/// Tools make read-only directories (Go's module cache does), so each directory is made writable before it is emptied.
///
/// # Errors
/// What the file system says, after as much as possible was removed.
pub fn remove_tree(path: &Path) -> io::Result<u64> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(err) => return Err(err),
    };
    if !found.is_dir() {
        fs::remove_file(path)?;
        return Ok(found.size());
    }
    // When this is refused, emptying the directory says so.
    let _refused = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    let mut freed = 0;
    let mut failed = None;
    for entry in fs::read_dir(path)? {
        match entry.and_then(|entry| remove_tree(&entry.path())) {
            Ok(bytes) => freed += bytes,
            Err(err) => failed = Some(err),
        }
    }
    match failed {
        Some(err) => Err(err),
        None => fs::remove_dir(path).map(|()| freed),
    }
}
