//! A fingerprint of a workspace: whether its files are still what they were when calls began to repeat.
//!
//! Reads and never writes, follows no link, and has a bound on everything: what is in a workspace is the agent's.

use std::collections::VecDeque;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use tokio::time::Instant;

/// Files and folders that are looked at; some 0.2 s of the processor.
const MOST: usize = 50_000;

/// Time a look takes at most, on disks that are slow.
const LONGEST: Duration = Duration::from_secs(3);

/// Bytes that are read in one look, and of one file. Only files that changed since the agent began are read at all.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// The same of one file.
const MOST_OF_FILE: u64 = 1024 * 1024;

/// Folders that tools make from the rest: they change without the work getting anywhere.
const DERIVED: &[&str] = &[
    ".git",
    ".gradle",
    ".mypy_cache",
    ".next",
    ".pytest_cache",
    ".ruff_cache",
    ".tox",
    ".venv",
    "__pycache__",
    "node_modules",
    "target",
    "venv",
];

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What a workspace looks like: an entry for each file, one level of folders after the other, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    entries: Vec<u64>,
    is_whole: bool,
}

impl Fingerprint {
    /// Looks at a workspace. Files that changed since `since` (seconds since 1970, by the file's time) count by what is in them, so that
    /// one that was written anew with the same content is the same; others by size and time. Blocks.
    pub(super) fn of(workspace: &Path, since: i64) -> Self {
        let mut look = Look {
            entries: Vec::new(),
            since,
            left: MOST_BYTES,
            until: Instant::now() + LONGEST,
            most: MOST,
        };
        let is_whole = look.all(workspace);
        Self { entries: look.entries, is_whole }
    }

    /// Says whether nothing changed between two looks. Of a workspace that is too large to be looked at as a whole, the part counts that
    /// both looked at: what is nearest to its top.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        if self.is_whole && other.is_whole {
            return self.entries == other.entries;
        }
        self.entries.iter().zip(&other.entries).all(|(one, other)| one == other)
    }

    /// Says whether it covers the workspace as a whole.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

struct Look {
    entries: Vec<u64>,
    since: i64,
    left: u64,
    until: Instant,
    most: usize,
}

impl Look {
    /// Says whether it came to the end.
    fn all(&mut self, workspace: &Path) -> bool {
        let Ok(root) = rustix::fs::open(workspace, FOLDER, Mode::empty()) else { return true };
        let mut waiting = VecDeque::from([PathBuf::new()]);
        while let Some(path) = waiting.pop_front() {
            let Ok(folder) = below(&root, &path) else { continue };
            let Ok(mut names) = names(folder.as_fd()) else { continue };
            names.sort();
            for name in names {
                if self.entries.len() >= self.most || Instant::now() >= self.until {
                    return false;
                }
                let Ok(found) = rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                    continue;
                };
                let path = path.join(&name);
                if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                    if !DERIVED.contains(&name.as_str()) {
                        self.put(&(&path, found.st_mode));
                        waiting.push_back(path);
                    }
                } else {
                    self.file(folder.as_fd(), &name, &path, &found);
                }
            }
        }
        true
    }

    fn file(&mut self, folder: BorrowedFd<'_>, name: &str, path: &Path, found: &Stat) {
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        let size = u64::try_from(found.st_size).unwrap_or(u64::MAX);
        if is_file && found.st_mtime >= self.since && size <= MOST_OF_FILE.min(self.left) {
            self.left -= size;
            if let Ok(content) = content(folder, name) {
                return self.put(&(path, found.st_mode, content));
            }
        }
        self.put(&(path, found.st_mode, size, found.st_mtime, found.st_mtime_nsec));
    }

    fn put(&mut self, what: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.entries.push(hasher.finish());
    }
}

/// Opens a folder one name after the other, so that none on the way is a link.
fn below(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let mut folder = rustix::fs::openat(root, ".", FOLDER, Mode::empty())?;
    for name in path {
        folder = rustix::fs::openat(&folder, name, FOLDER, Mode::empty())?;
    }
    Ok(folder)
}

/// The names in a folder. One that is no text counts by what can be read of it; its file then cannot be found, and is passed over.
fn names(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            found.push(name);
        }
        if found.len() > MOST {
            break;
        }
    }
    Ok(found)
}

/// A digest of a file; one that is a pipe by now does not hold us up.
fn content(folder: BorrowedFd<'_>, name: &str) -> std::io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    file.take(MOST_OF_FILE).read_to_end(&mut bytes)?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Ok(hasher.finish())
}
