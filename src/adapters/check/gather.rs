//! What commands left in `AIDER_FSM_ARTIFACTS_DIR`: copied beside the artifacts, for they cannot write there themselves.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::record::Record;

/// The folder in the artifacts.
const FOLDER: &str = "files";

/// Files that are kept, bytes of all of them, bytes of one, and folders in folders.
const FILES: usize = 200;
const ALL_BYTES: u64 = 64 * 1024 * 1024;
const BYTES: u64 = 10 * 1024 * 1024;
const DEPTH: usize = 4;

/// What may still be copied.
struct Left {
    files: usize,
    bytes: u64,
}

/// Copies regular files, as many as are allowed; links and everything else stay behind.
pub(super) fn gather(given: &Path, record: &Record) {
    let is_empty = fs::read_dir(given).map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return;
    }
    let mut left = Left { files: FILES, bytes: ALL_BYTES };
    let copied = record.inner(FOLDER).and_then(|folder| copy(given, &folder, DEPTH, &mut left));
    if let Err(err) = copied {
        tracing::warn!(path = %given.display(), %err, "not all files that checks left are kept");
    }
}

fn copy(from: &Path, to: &Record, depth: usize, left: &mut Left) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let found = entry.file_type()?;
        if found.is_dir() && depth > 1 {
            copy(&entry.path(), &to.inner(name)?, depth - 1, left)?;
        } else if found.is_file() {
            left.files = left.files.checked_sub(1).ok_or_else(|| io::Error::other("they are too many"))?;
            let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
            let file = OpenOptions::new().read(true).custom_flags(flags).open(entry.path())?;
            let mut bytes = Vec::new();
            file.take(BYTES).read_to_end(&mut bytes)?;
            let bytes_left = left.bytes.checked_sub(bytes.len() as u64);
            left.bytes = bytes_left.ok_or_else(|| io::Error::other("they are too large"))?;
            to.write(name, &bytes);
        }
    }
    Ok(())
}
