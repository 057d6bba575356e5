//! A person's own repository on this machine, looked at before a run is made from it.
//!
//! Nothing in it is changed here, and nothing its configuration names is run: it may have been unpacked from anywhere.

use std::path::{Path, PathBuf};

use crate::adapters::git::program::{Git, GitError};
use crate::domain::id::{BranchName, RepoSlug};
use crate::ports::local::LocalRepo;
use crate::ports::workspace::WorkspaceError;

/// Looks at the repository that `path` is in.
///
/// # Errors
/// [`WorkspaceError::Failed`] when there is none, or when it has no commit yet.
pub(super) fn look(git: &Git, path: &Path) -> Result<LocalRepo, WorkspaceError> {
    let shown = path.display();
    let path = path.canonicalize().map_err(|err| WorkspaceError::Failed(format!("`{shown}`: {err}")))?;
    let ask = |args: &[&str]| {
        let mut call = git.anywhere(&path);
        for arg in args {
            call = call.arg(*arg);
        }
        call.text().map_err(|err| {
            WorkspaceError::Failed(format!("`{shown}` is not a usable repository: {}", err.said()))
        })
    };
    let git_dir = PathBuf::from(ask(&["rev-parse", "--absolute-git-dir"])?);
    ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        .map_err(|_| WorkspaceError::Failed(format!("`{shown}` has no commit yet: make one first")))?;
    let bare = ask(&["rev-parse", "--is-bare-repository"])? == "true";
    let root = if bare { git_dir } else { PathBuf::from(ask(&["rev-parse", "--show-toplevel"])?) };
    let branch =
        ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]).ok().and_then(|name| BranchName::new(name).ok());
    let uncommitted = if bare {
        0
    } else {
        changed_files(git, &path).map_err(|err| {
            WorkspaceError::Failed(format!("`{shown}` is not a usable repository: {}", err.said()))
        })?
    };
    let origin = ask(&["remote", "get-url", "origin"]).ok();
    let slug = origin.as_deref().and_then(slug_of_address).unwrap_or(slug_of_directory(&root)?);
    Ok(LocalRepo { slug, remote: root.display().to_string(), branch, uncommitted })
}

/// How many files differ from the last commit, as far as git can tell without the filters that the configuration names, and
/// without looking into submodules, which have configurations of their own.
fn changed_files(git: &Git, path: &Path) -> Result<usize, GitError> {
    let named = git.anywhere(path).run(["config", "-z", "--name-only", "--get-regexp", r"^filter\."]);
    let named = named.answer()?.stdout;
    let mut status = git.anywhere(path).run(["status", "--porcelain", "--ignore-submodules=dirty"]);
    let names = String::from_utf8_lossy(&named);
    // As variables, because `-c` would cut a name at its first `=`.
    let names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    for (number, name) in names.iter().enumerate() {
        let value = if name.ends_with(".required") { "false" } else { "" };
        status = status.env(&format!("GIT_CONFIG_KEY_{number}"), *name);
        status = status.env(&format!("GIT_CONFIG_VALUE_{number}"), value);
    }
    let status = status.env("GIT_CONFIG_COUNT", names.len().to_string());
    Ok(status.text()?.lines().count())
}

/// The last two parts of an address, as forges name repositories.
fn slug_of_address(address: &str) -> Option<RepoSlug> {
    let path = without_ending(address.trim_end_matches('/'));
    let (rest, repo) = path.rsplit_once('/')?;
    let owner = rest.rsplit(['/', ':']).next()?;
    RepoSlug::new(owner, repo).ok()
}

fn slug_of_directory(root: &Path) -> Result<RepoSlug, WorkspaceError> {
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(100)
        .collect();
    let clean = without_ending(clean.trim_start_matches(['-', '.']));
    RepoSlug::new("local", if clean.is_empty() { "repository" } else { clean })
        .map_err(|err| WorkspaceError::Failed(err.to_string()))
}

/// A name without the ending git puts on bare repositories; once, and as a whole.
fn without_ending(name: &str) -> &str {
    name.strip_suffix(".git").unwrap_or(name)
}
