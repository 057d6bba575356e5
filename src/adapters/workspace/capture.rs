//! Capturing: the files an agent left become a commit in the control repository.
//!
//! The agent's own git directory is never read. The files are looked at through a bare repository of the engine's, made for
//! this look, which borrows the control repository's objects; its configuration names no filter, hook or monitor, so what
//! `.gitattributes` asks for has nothing to run. The commit travels as a bundle: its size is capped, and its objects are
//! checked (fsck) on the way in.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::guard::{EXCLUDE, unpark};
use super::{GitWorkspace, at, failed, inspect};
use crate::adapters::git::control::{ControlRepos, show};
use crate::adapters::git::program::GitCall;
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::domain::evidence::Change;
use crate::domain::id::{CommitSha, TreeSha};
use crate::ports::workspace::{CaptureOrder, WorkspaceError};

/// The branch of the short-lived repository.
const CAPTURED: &str = "refs/heads/captured";

impl GitWorkspace {
    pub(super) fn capture_blocking(&self, order: &CaptureOrder) -> Result<Option<Change>, WorkspaceError> {
        let files = self.clone_path(&order.repo, &order.run);
        // A link in its place would let an agent choose what is captured.
        if !fs::symlink_metadata(&files).is_ok_and(|found| found.is_dir()) {
            return Err(WorkspaceError::Missing(files));
        }
        unpark(self, &order.repo, &order.run)?;
        let scratch = self.scratch(&order.run).join("capture");
        remove_tree(&scratch).map_err(|err| at(&scratch, err))?;
        private_dir(&scratch).map_err(|err| at(&scratch, err))?;
        let look = Look { workspace: self, order, files: &files, scratch: &scratch };
        let captured = look.take();
        let removed = remove_tree(&scratch).map_err(|err| at(&scratch, err));
        captured.and_then(|change| removed.map(|_| change))
    }
}

/// One look at an agent's files.
struct Look<'a> {
    workspace: &'a GitWorkspace,
    order: &'a CaptureOrder,
    files: &'a Path,
    scratch: &'a Path,
}

impl Look<'_> {
    fn take(&self) -> Result<Option<Change>, WorkspaceError> {
        let order = self.order;
        self.make_repository()?;
        self.git().run(["read-tree"]).arg(order.parent_sha.as_str()).output()?;
        self.add_files()?;
        let tree = TreeSha::new(self.git().run(["write-tree"]).text()?).map_err(failed)?;
        if tree == self.tree_of(&order.base_sha)? {
            return Ok(None);
        }
        if let Some(last) = order.last.as_ref().filter(|last| self.is_on_record(last, &tree)) {
            return Ok(Some(last.clone()));
        }
        let head_sha = self.commit(&tree)?;
        self.bring_in(&head_sha)?;
        let found = inspect::inspect(&self.workspace.control, &order.repo, &order.base_sha, &head_sha)?;
        Ok(Some(Change {
            head_sha,
            tree,
            parent_sha: order.parent_sha.clone(),
            diff_digest: found.diff_digest,
            stat: found.stat,
        }))
    }

    /// A command that sees the agent's files as its work tree and only the engine's configuration.
    fn git(&self) -> GitCall<'_> {
        let call = self.workspace.control.git().on(&self.scratch.join("look.git"));
        call.arg(format!("--work-tree={}", self.files.display())).from(self.files)
    }

    fn make_repository(&self) -> Result<(), WorkspaceError> {
        let repository = self.scratch.join("look.git");
        let git = self.workspace.control.git();
        git.anywhere(self.scratch)
            .run(["init", "--quiet", "--bare", "--template=", "--"])
            .arg(show(&repository))
            .output()?;
        let exclude = repository.join("info/exclude");
        if let Some(folder) = exclude.parent() {
            private_dir(folder).map_err(|err| at(folder, err))?;
        }
        fs::write(&exclude, EXCLUDE).map_err(|err| at(&exclude, err))?;
        let control = self.workspace.control.path(&self.order.repo);
        // Where the remote's history is cut off, it is cut off here too.
        let shallow = control.join("shallow");
        if shallow.is_file() {
            fs::copy(&shallow, repository.join("shallow")).map_err(|err| at(&shallow, err))?;
        }
        let objects = control.join("objects");
        let alternates = repository.join("objects/info/alternates");
        if let Some(folder) = alternates.parent() {
            private_dir(folder).map_err(|err| at(folder, err))?;
        }
        fs::write(&alternates, format!("{}\n", objects.display())).map_err(|err| at(&alternates, err))
    }

    /// Puts every file into the index but ignored ones and submodules.
    ///
    /// Git would look into a repository inside the work tree with that repository's own configuration, so submodules stay
    /// as the base has them, and a new repository is refused by name rather than silently left out.
    fn add_files(&self) -> Result<(), WorkspaceError> {
        let limit = self.workspace.settings.change_cap;
        let too_big = || WorkspaceError::TooBig { limit };
        let staged = self.list(&["--stage"])?;
        let mut submodules = Vec::new();
        for row in rows(&staged) {
            let Some(name) = row.splitn(2, |byte| *byte == b'\t').nth(1) else { continue };
            if row.starts_with(b"160000 ") {
                submodules.push(name);
            } else if self.size_of(name) > limit {
                return Err(too_big());
            }
        }
        let new = self.list(&["--others", "--exclude-standard"])?;
        let mut bytes = 0_u64;
        for name in rows(&new) {
            match name.strip_suffix(b"/") {
                Some(folder) if submodules.contains(&folder) => {}
                Some(folder) => return Err(own_repository(folder)),
                None => bytes = bytes.saturating_add(self.size_of(name)),
            }
        }
        if bytes > limit {
            return Err(too_big());
        }
        let mut paths = b".\0".to_vec();
        for submodule in submodules {
            paths.extend_from_slice(b":(exclude,literal)");
            paths.extend_from_slice(submodule);
            paths.push(0);
        }
        let add =
            self.git().transfer().run(["add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul"]);
        add.stdin(paths).output()?;
        Ok(())
    }

    fn list(&self, which: &[&str]) -> Result<Vec<u8>, WorkspaceError> {
        let call = which.iter().fold(self.git().run(["ls-files", "-z"]), |call, option| call.arg(*option));
        let listed = call.output()?;
        if listed.truncated {
            return Err(WorkspaceError::TooBig { limit: self.workspace.settings.change_cap });
        }
        Ok(listed.stdout)
    }

    fn size_of(&self, name: &[u8]) -> u64 {
        fs::symlink_metadata(self.files.join(OsStr::from_bytes(name))).map_or(0, |found| found.len())
    }

    fn tree_of(&self, commit: &CommitSha) -> Result<TreeSha, WorkspaceError> {
        let tree = self.git().run(["rev-parse", "--verify"]).arg(format!("{commit}^{{tree}}")).text()?;
        TreeSha::new(tree).map_err(failed)
    }

    /// Says whether the commit on record is what a new one would be, or is the parent and nothing was added to it.
    fn is_on_record(&self, last: &Change, tree: &TreeSha) -> bool {
        if last.tree != *tree || !self.workspace.control.has(&self.order.repo, &last.head_sha) {
            return false;
        }
        if last.head_sha == self.order.parent_sha {
            return true;
        }
        let message = self.git().run(["log", "-1", "--format=%B"]).arg(last.head_sha.as_str()).text();
        last.parent_sha == self.order.parent_sha
            && message.is_ok_and(|message| message.trim_end() == self.order.message.trim_end())
    }

    fn commit(&self, tree: &TreeSha) -> Result<CommitSha, WorkspaceError> {
        let settings = &self.workspace.settings;
        let made = self
            .git()
            .env("GIT_AUTHOR_NAME", &settings.author_name)
            .env("GIT_AUTHOR_EMAIL", &settings.author_email)
            .env("GIT_COMMITTER_NAME", &settings.author_name)
            .env("GIT_COMMITTER_EMAIL", &settings.author_email)
            .run(["commit-tree", "-F", "-", "-p"])
            .arg(self.order.parent_sha.as_str())
            .arg(tree.as_str())
            .stdin(format!("{}\n", self.order.message.trim_end()).into_bytes())
            .text()?;
        CommitSha::new(made).map_err(failed)
    }

    /// Carries the commit over as a bundle and keeps it by the run's ref.
    fn bring_in(&self, commit: &CommitSha) -> Result<(), WorkspaceError> {
        let order = self.order;
        self.git().run(["update-ref", CAPTURED]).arg(commit.as_str()).output()?;
        let bundle = self.scratch.join("change.bundle");
        let parent = format!("^{}", order.parent_sha);
        self.git()
            .transfer()
            .run(["bundle", "create", "--quiet"])
            .arg(show(&bundle))
            .arg(CAPTURED)
            .arg(parent)
            .output()?;
        let bytes = fs::metadata(&bundle).map_err(|err| at(&bundle, err))?.len();
        let limit = self.workspace.settings.change_cap;
        if bytes > limit {
            return Err(WorkspaceError::TooBig { limit });
        }
        let control = &self.workspace.control;
        let _lock = control.lock(&order.repo)?;
        control
            .git()
            .on(&control.path(&order.repo))
            .transfer()
            .run(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--"])
            .arg(show(&bundle))
            .arg(format!("+{CAPTURED}:{}", ControlRepos::head_ref(&order.run)))
            .output()?;
        Ok(())
    }
}

fn rows(listed: &[u8]) -> impl Iterator<Item = &[u8]> {
    listed.split(|byte| *byte == 0).filter(|row| !row.is_empty())
}

fn own_repository(folder: &[u8]) -> WorkspaceError {
    let folder: String = String::from_utf8_lossy(folder).chars().filter(|c| !c.is_control()).collect();
    WorkspaceError::Failed(format!(
        "`{folder}` in the workspace is a git repository of its own; remove its `.git` or ignore it"
    ))
}
