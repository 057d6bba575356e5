//! Keeping `.aider_fsm/` out of a person's `git status`: in `.git/info/exclude`, which belongs to this clone alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The line.
const LINE: &str = ".aider_fsm/";

/// Bytes of a file of git's that are read; larger ones are left alone.
const CAP: u64 = 1024 * 1024;

/// Adds the line once; nothing where there is no repository.
///
/// # Errors
/// What the file system says. `.gitignore` is never touched.
pub(super) fn hide(tree: &Path) -> io::Result<()> {
    let Some(git_dir) = tree.ancestors().find_map(git_dir) else { return Ok(()) };
    let info = git_dir.join("info");
    let exclude = info.join("exclude");
    let old = match small(&exclude) {
        Ok(old) => old,
        Err(err) if err.kind() == io::ErrorKind::NotFound => String::new(),
        Err(err) => return Err(err),
    };
    if old.lines().any(|line| line.trim() == LINE) {
        return Ok(());
    }
    fs::create_dir_all(&info)?;
    let mut file = OpenOptions::new().create(true).append(true).open(&exclude)?;
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{gap}{LINE}\n").as_bytes())
}

/// The directory whose `info/exclude` counts for a checkout: the common one, where several share it.
fn git_dir(folder: &Path) -> Option<PathBuf> {
    let found = folder.join(".git");
    let own = if found.is_dir() {
        found
    } else {
        let text = small(&found).ok()?;
        folder.join(text.strip_prefix("gitdir:")?.trim())
    };
    let common = small(&own.join("commondir")).ok().map(|text| own.join(text.trim()));
    common.or(Some(own)).filter(|dir| dir.join("objects").is_dir())
}

fn small(path: &Path) -> io::Result<String> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.len() > CAP {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a small regular file"));
    }
    fs::read_to_string(path)
}
