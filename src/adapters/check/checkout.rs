//! Clean checkouts: one commit of a control repository in a directory made for it, and gone afterwards.

use std::path::{Path, PathBuf};

use crate::adapters::git::control::{ControlRepos, show};
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::ports::check::{CheckOrder, ChecksError};

/// Removes the checkout when dropped, so that a caller who goes away leaves none behind.
pub(super) struct LeftBehind(pub(super) PathBuf);

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Err(err) = remove_tree(&self.0) {
            tracing::warn!(path = %self.0.display(), %err, "cannot remove a checkout; the next checks of the run try again");
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChecksError> + Send + 'static,
) -> Result<T, ChecksError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|err| Err(ChecksError::Unavailable(err.to_string())))
}

pub(super) fn clear(place: &Path) -> Result<(), ChecksError> {
    let unavailable = |err: std::io::Error| ChecksError::Unavailable(format!("`{}`: {err}", place.display()));
    remove_tree(place).map_err(unavailable)?;
    private_dir(place).map_err(unavailable)
}

/// Makes a repository of its own with the one commit, so that tools that ask git find an answer.
pub(super) fn check_out(control: &ControlRepos, tree: &Path, order: &CheckOrder) -> Result<(), ChecksError> {
    let unavailable = |err: &dyn std::fmt::Display| ChecksError::Unavailable(err.to_string());
    private_dir(tree).map_err(|err| unavailable(&err))?;
    let git = control.git();
    git.anywhere(tree)
        .run(["init", "--quiet", "--template=", "--initial-branch=checked", "--"])
        .arg(show(tree))
        .output()
        .map_err(|err| unavailable(&err))?;
    git.in_tree(tree)
        .transfer()
        .run(["fetch", "--quiet", "--no-tags", "--depth=1", "--no-write-fetch-head", "--"])
        .arg(show(&control.path(&order.repo)))
        .arg(order.head_sha.as_str())
        .output()
        .map_err(|err| unavailable(&err))?;
    git.in_tree(tree)
        .transfer()
        .run(["reset", "--quiet", "--hard"])
        .arg(order.head_sha.as_str())
        .output()
        .map_err(|err| unavailable(&err))?;
    Ok(())
}
