//! File work beneath one directory that never follows a link, whatever was put in the place of a folder.
//!
//! Every path is walked one name at a time from an open directory, so no length of path is too long and no link leads out.
//! A file is replaced by another one of its name, never written into: it may be a hard link to something outside.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RawMode, Stat, Timespec, Timestamps};
use rustix::io::Errno;

/// How many folders deep a removal holds one open directory each; what is deeper is moved up first.
const DEPTH: usize = 64;

/// How the names begin that the engine uses while it puts things back. What a crash leaves of them is nobody's.
pub(in crate::adapters) const PASSING: &[u8] = b".agentpr-passing";

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory; every path is relative to it.
pub(in crate::adapters) struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens a directory; a link in its place is refused.
    pub(in crate::adapters) fn open(path: &Path) -> io::Result<Self> {
        match rustix::fs::open(path, FOLDER, Mode::empty()) {
            Err(Errno::ACCESS) => {
                // A workspace that was shut is ours to open again.
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                set_mode(&rustix::fs::open(path, flags, Mode::empty())?, 0o700)?;
                Ok(Self { fd: rustix::fs::open(path, FOLDER, Mode::empty())? })
            }
            opened => Ok(Self { fd: opened? }),
        }
    }

    /// Opens a folder below it; the empty path is the root itself.
    pub(in crate::adapters) fn folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut fd = rustix::fs::openat(&self.fd, ".", FOLDER, Mode::empty())?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            fd = enter(fd.as_fd(), name)?;
        }
        Ok(fd)
    }

    fn parent<'a>(&self, path: &'a [u8]) -> io::Result<(OwnedFd, &'a [u8])> {
        let (folder, name) = split(path);
        Ok((self.folder(folder)?, name))
    }

    /// What is at a path; nothing, when a folder on the way is none.
    pub(in crate::adapters) fn stat(&self, path: &[u8]) -> io::Result<Option<Stat>> {
        match self.parent(path) {
            Ok((folder, name)) => stat_at(folder.as_fd(), name),
            Err(err) if is_absent(&err) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Opens a regular file for reading, and makes it readable for that when it is nobody else's.
    pub(in crate::adapters) fn read(&self, path: &[u8]) -> io::Result<File> {
        let (folder, name) = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(&folder, name, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::ACCESS) => {
                let Some(found) = stat_at(folder.as_fd(), name)? else { return Err(Errno::NOENT.into()) };
                if found.st_nlink > 1 {
                    return Err(Errno::ACCESS.into());
                }
                let mode = found.st_mode & 0o7777;
                set_mode_at(folder.as_fd(), name, mode | 0o400)?;
                let opened = open();
                set_mode_at(folder.as_fd(), name, mode)?;
                opened
            }
            opened => opened,
        };
        let file = File::from(opened?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }

    /// Where a link points.
    pub(in crate::adapters) fn target(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let (folder, name) = self.parent(path)?;
        Ok(rustix::fs::readlinkat(&folder, name, Vec::new())?.into_bytes())
    }

    /// Makes every folder on the way to a path; gives those that had to make room.
    pub(in crate::adapters) fn make_way(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut moved = Vec::new();
        let mut fd = self.folder(b"")?;
        let mut end = 0;
        for name in split(path).0.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            end += name.len() + usize::from(end > 0);
            if let Some(found) = stat_at(fd.as_fd(), name)?
                && !is_kind(&found, FileType::Directory)
            {
                unlink(fd.as_fd(), name)?;
                moved.push(path.get(..end).unwrap_or_default().to_vec());
            }
            match writable(fd.as_fd(), || rustix::fs::mkdirat(&fd, name, Mode::from_raw_mode(0o755))) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            fd = enter(fd.as_fd(), name)?;
        }
        Ok(moved)
    }

    /// Puts a file at a path, in the place of whatever is there; `mtime` in seconds and nanoseconds, `None` is now.
    pub(in crate::adapters) fn put(
        &self,
        path: &[u8],
        content: &[u8],
        mode: u32,
        mtime: Option<(i64, u32)>,
    ) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let passing = [PASSING, b".new"].concat();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(&folder, passing.as_slice(), flags, Mode::from_raw_mode(0o600));
        unlink_any(folder.as_fd(), &passing)?;
        let mut file = File::from(writable(folder.as_fd(), open)?);
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        if let Some((seconds, nanoseconds)) = mtime {
            let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
            rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
        }
        self.rename_over(&folder, &passing, name)
    }

    /// Puts a link at a path, in the place of whatever is there.
    pub(in crate::adapters) fn put_link(&self, path: &[u8], target: &[u8]) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let passing = [PASSING, b".new"].concat();
        unlink_any(folder.as_fd(), &passing)?;
        writable(folder.as_fd(), || rustix::fs::symlinkat(target, &folder, passing.as_slice()))?;
        self.rename_over(&folder, &passing, name)
    }

    /// Puts a named pipe at a path, in the place of whatever is there.
    pub(in crate::adapters) fn put_pipe(&self, path: &[u8], mode: u32) -> io::Result<()> {
        self.remove(path)?;
        let (folder, name) = self.parent(path)?;
        let mode = Mode::from_raw_mode(mode);
        writable(folder.as_fd(), || rustix::fs::mknodat(&folder, name, FileType::Fifo, mode, 0))?;
        Ok(())
    }

    fn rename_over(&self, folder: &OwnedFd, from: &[u8], to: &[u8]) -> io::Result<()> {
        if stat_at(folder.as_fd(), to)?.is_some_and(|found| is_kind(&found, FileType::Directory)) {
            remove_at(folder.as_fd(), to)?;
        }
        Ok(rustix::fs::renameat(folder, from, folder, to)?)
    }

    /// Makes a folder, in the place of whatever else is there.
    pub(in crate::adapters) fn put_folder(&self, path: &[u8]) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        match stat_at(folder.as_fd(), name)? {
            Some(found) if is_kind(&found, FileType::Directory) => return Ok(()),
            Some(_) => unlink(folder.as_fd(), name)?,
            None => {}
        }
        writable(folder.as_fd(), || rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o700)))?;
        Ok(())
    }

    /// Sets the mode of a file or folder; of a link, never.
    pub(in crate::adapters) fn set_mode(&self, path: &[u8], mode: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        set_mode_at(folder.as_fd(), name, mode)
    }

    /// Removes whatever is at a path, with everything below it; nothing there is no error.
    pub(in crate::adapters) fn remove(&self, path: &[u8]) -> io::Result<()> {
        match self.parent(path) {
            Ok((folder, name)) => remove_at(folder.as_fd(), name).map(drop),
            Err(err) if is_absent(&err) => Ok(()),
            Err(err) => Err(err),
        }
    }

    /// Removes a folder if it is empty.
    pub(in crate::adapters) fn remove_empty(&self, path: &[u8]) -> io::Result<()> {
        let (folder, name) = match self.parent(path) {
            Ok(found) => found,
            Err(err) if is_absent(&err) => return Ok(()),
            Err(err) => return Err(err),
        };
        match writable(folder.as_fd(), || rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Folder and name of a path.
pub(in crate::adapters) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

/// Opens a folder in a folder, and makes it one that its owner can look into.
pub(in crate::adapters) fn enter(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let opened = match rustix::fs::openat(folder, name, FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let Some(found) = stat_at(folder, name)? else { return Err(Errno::NOENT.into()) };
            set_mode_at(folder, name, (found.st_mode & 0o7777) | 0o700)?;
            rustix::fs::openat(folder, name, FOLDER, Mode::empty())?
        }
        opened => opened?,
    };
    let mode = rustix::fs::fstat(&opened)?.st_mode & 0o7777;
    if mode & 0o500 != 0o500 {
        // When it is somebody else's and still closed, looking into it says so.
        let _refused = rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode | 0o700));
    }
    Ok(opened)
}

/// What is at a name, links not followed.
pub(in crate::adapters) fn stat_at(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Says whether something is of a kind.
pub(in crate::adapters) fn is_kind(found: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(found.st_mode) == kind
}

/// The names in a folder.
pub(in crate::adapters) fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            found.push(name);
        }
    }
    Ok(found)
}

/// Says whether an error means that there is nothing of that path.
pub(in crate::adapters) fn is_absent(err: &io::Error) -> bool {
    let absent = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(Errno::raw_os_error);
    err.raw_os_error().is_some_and(|code| absent.contains(&code))
}

/// Reads at most `limit` bytes of a file and says whether there were more.
pub(in crate::adapters) fn read_up_to(file: File, limit: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    let is_more = content.len() as u64 > limit;
    Ok((content, is_more))
}

/// Does something in a folder, and once more with the folder made writable when its mode was in the way.
fn writable<T>(folder: BorrowedFd<'_>, act: impl Fn() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    match act() {
        Err(Errno::ACCESS) => {
            let mode = rustix::fs::fstat(folder)?.st_mode & 0o7777;
            rustix::fs::fchmod(folder, Mode::from_raw_mode(mode | 0o700))?;
            act()
        }
        done => done,
    }
}

fn unlink(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(writable(folder, || rustix::fs::unlinkat(folder, name, AtFlags::empty()))?)
}

fn unlink_any(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlink(folder, name) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::IsADirectory => remove_at(folder, name).map(drop),
        done => done,
    }
}

/// Sets a mode through the very file that was looked at; `chmod` by name would follow a link put there since.
fn set_mode_at(folder: BorrowedFd<'_>, name: &[u8], mode: RawMode) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    set_mode(&rustix::fs::openat(folder, name, flags, Mode::empty())?, mode)
}

/// Sets the mode of a file that was opened as a path only.
fn set_mode(file: &OwnedFd, mode: RawMode) -> io::Result<()> {
    if is_kind(&rustix::fs::fstat(file)?, FileType::Symlink) {
        return Err(Errno::LOOP.into());
    }
    fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), fs::Permissions::from_mode(mode))
}

/// Removes a name with everything below it; says how many bytes its files had. Nothing there is no error.
///
/// What lies deeper than [`DEPTH`] is moved up into the folder that is removed, and goes in turn.
///
/// # Errors
/// What the file system says, after as much as possible was removed.
pub(in crate::adapters) fn remove_at(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<u64> {
    let Some(found) = stat_at(folder, name)? else { return Ok(0) };
    if !is_kind(&found, FileType::Directory) {
        unlink(folder, name)?;
        return Ok(size(&found));
    }
    let inner = enter(folder, name)?;
    let mut removal = Removal { top: inner.as_fd(), moved: Vec::new(), count: 0, freed: 0 };
    let mut outcome = removal.empty(inner.as_fd(), 0);
    while let Some(next) = removal.moved.pop() {
        outcome = outcome.and(removal.take(inner.as_fd(), &next, 0));
    }
    outcome?;
    writable(folder, || rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR))?;
    Ok(removal.freed)
}

fn size(found: &Stat) -> u64 {
    u64::try_from(found.st_size).unwrap_or(0)
}

struct Removal<'a> {
    top: BorrowedFd<'a>,
    moved: Vec<Vec<u8>>,
    count: u32,
    freed: u64,
}

impl Removal<'_> {
    fn take(&mut self, folder: BorrowedFd<'_>, name: &[u8], depth: usize) -> io::Result<()> {
        let Some(found) = stat_at(folder, name)? else { return Ok(()) };
        if !is_kind(&found, FileType::Directory) {
            unlink(folder, name)?;
            self.freed += size(&found);
            return Ok(());
        }
        if depth > DEPTH {
            return self.move_up(folder, name, found.st_mode);
        }
        let inner = enter(folder, name)?;
        self.empty(inner.as_fd(), depth)?;
        Ok(writable(folder, || rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR))?)
    }

    fn empty(&mut self, folder: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        let mut outcome = Ok(());
        for entry in names(folder)? {
            outcome = outcome.and(self.take(folder, &entry, depth + 1));
        }
        outcome
    }

    fn move_up(&mut self, folder: BorrowedFd<'_>, name: &[u8], mode: RawMode) -> io::Result<()> {
        let place = loop {
            self.count += 1;
            let place = [PASSING, format!(".{}", self.count).as_bytes()].concat();
            if stat_at(self.top, &place)?.is_none() {
                break place;
            }
        };
        // A folder that its owner may not write cannot be moved, as its `..` changes.
        set_mode_at(folder, name, (mode & 0o7777) | 0o700)?;
        writable(folder, || rustix::fs::renameat(folder, name, self.top, place.as_slice()))?;
        self.moved.push(place);
        Ok(())
    }
}
