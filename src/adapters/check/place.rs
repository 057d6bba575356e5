//! Places inside the repository that a contract names: never outside, whatever links are in between.

use std::path::{Path, PathBuf};

/// The directory `relative` below `tree`, as the file system has it; both are resolved, links and all.
///
/// # Errors
/// A sentence for people: it is missing, no directory, or leads out of the repository.
pub(super) fn directory(tree: &Path, relative: &str) -> Result<PathBuf, String> {
    let shown = if relative.is_empty() { "." } else { relative };
    let root = tree.canonicalize().map_err(|err| format!("the repository cannot be entered: {err}"))?;
    let found = root
        .join(relative)
        .canonicalize()
        .map_err(|err| format!("workdir `{shown}` cannot be used: {err}"))?;
    if !found.starts_with(&root) {
        return Err(format!("workdir `{shown}` leads out of the repository"));
    }
    if !found.is_dir() {
        return Err(format!("workdir `{shown}` is not a directory"));
    }
    Ok(found)
}
