//! Looking at a commit's objects: the raw diff that an approval is bound to, its size, its paths, its text.
//!
//! The digest is SHA-256 over `git diff-tree -r -z --raw --full-index --no-renames BASE HEAD`: modes, full object ids and
//! paths of everything that differs, and nothing that depends on a diff algorithm or a version of git.

use sha2::{Digest as _, Sha256};

use super::failed;
use super::protected::is_protected;
use crate::adapters::git::control::ControlRepos;
use crate::domain::evidence::DiffStat;
use crate::domain::id::{CommitSha, Digest, RepoSlug, TreeSha};
use crate::ports::workspace::{Inspection, WorkspaceError};

pub(super) fn inspect(
    control: &ControlRepos,
    repo: &RepoSlug,
    base: &CommitSha,
    head: &CommitSha,
) -> Result<Inspection, WorkspaceError> {
    let path = control.path(repo);
    let git = || control.git().on(&path);
    let tree = git().run(["rev-parse", "--verify"]).arg(format!("{head}^{{tree}}")).text()?;
    let raw = git()
        .run(["diff-tree", "-r", "-z", "--raw", "--full-index", "--no-renames"])
        .arg(base.as_str())
        .arg(head.as_str())
        .output()?;
    if raw.truncated {
        return Err(WorkspaceError::Failed("the change touches more files than can be looked at".to_owned()));
    }
    let numbers = git()
        .run(["diff-tree", "-r", "-z", "--numstat", "--no-renames"])
        .arg(base.as_str())
        .arg(head.as_str())
        .output()?
        .stdout;
    let mut paths = paths_of(&raw.stdout);
    paths.sort();
    let (insertions, deletions) = lines_of(&numbers);
    let files = u32::try_from(paths.len()).unwrap_or(u32::MAX);
    Ok(Inspection {
        tree: TreeSha::new(tree).map_err(failed)?,
        diff_digest: Digest::new(hex::encode(Sha256::digest(&raw.stdout))).map_err(failed)?,
        stat: DiffStat { files, insertions, deletions },
        protected: paths.iter().filter(|path| is_protected(path)).cloned().collect(),
        paths,
    })
}

pub(super) fn diff(
    control: &ControlRepos,
    repo: &RepoSlug,
    base: &CommitSha,
    head: &CommitSha,
    limit: usize,
) -> Result<(Vec<u8>, bool), WorkspaceError> {
    let output = control
        .git()
        .on(&control.path(repo))
        .cap(limit)
        .run(["diff-tree", "-r", "-p", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color"])
        .arg(base.as_str())
        .arg(head.as_str())
        .output()?;
    Ok((output.stdout, output.truncated))
}

/// A regular file of a commit; links, submodules and folders are no files here.
pub(super) fn file(
    control: &ControlRepos,
    repo: &RepoSlug,
    commit: &CommitSha,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, WorkspaceError> {
    let place = control.path(repo);
    let git = || control.git().on(&place);
    let listed = git()
        .run(["--literal-pathspecs", "ls-tree", "-z", "-l"])
        .arg(commit.as_str())
        .arg("--")
        .arg(path)
        .output()?
        .stdout;
    let row = String::from_utf8_lossy(&listed).into_owned();
    let Some((head, name)) = row.trim_end_matches('\0').split_once('\t') else { return Ok(None) };
    let fields: Vec<&str> = head.split_ascii_whitespace().collect();
    let [mode, "blob", object, size] = fields.as_slice() else { return Ok(None) };
    if !mode.starts_with("100") || name != path {
        return Ok(None);
    }
    if size.parse::<u64>().unwrap_or(u64::MAX) > limit {
        return Err(WorkspaceError::TooBig { limit });
    }
    let cap = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Some(git().cap(cap).run(["cat-file", "blob"]).arg(*object).output()?.stdout))
}

/// Paths of `--raw -z` rows: `:modes ids status NUL path NUL`, as renames are off.
fn paths_of(raw: &[u8]) -> Vec<String> {
    let mut fields = raw.split(|byte| *byte == 0);
    let mut paths = Vec::new();
    while let (Some(row), Some(path)) = (fields.next(), fields.next()) {
        if row.starts_with(b":") {
            paths.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    paths
}

/// Sums of `--numstat -z` rows: `added TAB removed TAB path NUL`; binary files have `-` and count none.
fn lines_of(numbers: &[u8]) -> (u32, u32) {
    let text = String::from_utf8_lossy(numbers);
    let mut sums = (0_u32, 0_u32);
    for row in text.split('\0') {
        let mut fields = row.splitn(3, '\t').map(|field| field.parse::<u32>().unwrap_or(0));
        sums.0 = sums.0.saturating_add(fields.next().unwrap_or(0));
        sums.1 = sums.1.saturating_add(fields.next().unwrap_or(0));
    }
    sums
}
