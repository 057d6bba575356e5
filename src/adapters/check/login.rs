//! What a person's login left: kept for the checks of the same run, which get a copy of it in their fresh home.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::domain::evidence::CheckReport;
use crate::domain::id::RunId;

/// Where programs keep a login: not the caches.
const FOLDERS: [&str; 4] = ["home", "config", "state", "data"];

/// Bytes and files of a login at most; one is a few files.
const BYTES: u64 = 64 * 1024 * 1024;
const FILES: usize = 10_000;

/// Where the login of a run is kept.
pub(super) fn kept(environment: &ChildEnvironment, run: &RunId) -> PathBuf {
    environment.scratch_dir(run).join("login")
}

/// Whether every command of a login passed, and there was one.
pub(super) fn succeeded(report: &CheckReport) -> bool {
    report.blocked.is_none()
        && !report.results.is_empty()
        && report.results.iter().all(crate::domain::evidence::CheckResult::passed)
}

/// Keeps what is in a runtime directory in place of what was kept before.
pub(super) fn replace(runtime: &Path, kept: &Path) -> io::Result<()> {
    remove_tree(kept)?;
    copy(runtime, kept)
}

/// Copies a login from one runtime directory to another; nothing where there is none.
///
/// Files and folders only: a link could lead anywhere.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut left = (BYTES, FILES);
    for folder in FOLDERS {
        copy_folder(&from.join(folder), &to.join(folder), &mut left)?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, left: &mut (u64, usize)) -> io::Result<()> {
    if !fs::symlink_metadata(from).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    private_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let found = entry.metadata()?;
        let target = to.join(entry.file_name());
        if found.is_dir() {
            copy_folder(&entry.path(), &target, left)?;
        } else if found.is_file() {
            let enough = left.0.checked_sub(found.len()).zip(left.1.checked_sub(1));
            *left = enough.ok_or_else(|| io::Error::other("the login left too much to keep"))?;
            fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}
