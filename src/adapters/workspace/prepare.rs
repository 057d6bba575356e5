//! Making a workspace: fetch the base into the control repository, then copy it into a clone for the agent.
//!
//! The clone is made beside its place and renamed when it is whole, so a clone in its place is a finished one. What was
//! prepared is written down before that, so preparing again after a crash gives the same base commit.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::guard::{EXCLUDE, PARKED, PARKED_PREFIX};
use super::{GitWorkspace, at};
use crate::adapters::git::control::{ControlRepos, show};
use crate::adapters::git::remote::Remote;
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::domain::evidence::Prepared;
use crate::domain::id::{BranchName, CommitSha, RepoSlug, RunId};
use crate::domain::spec::RunSpec;
use crate::ports::workspace::WorkspaceError;

/// Where a clone is while it is made.
pub(super) fn unfinished(clone: &Path) -> PathBuf {
    let mut name = clone.file_name().unwrap_or_default().to_owned();
    // A run id has no dot, so no run's clone is ever called this.
    name.push(".unfinished");
    clone.with_file_name(name)
}

/// Removes what is in the place of a clone and no folder, such as a link that an agent without a wall put there: it leads
/// elsewhere, and the clone could not be made again.
fn clear_place(clone: &Path) -> Result<(), WorkspaceError> {
    match clone.symlink_metadata() {
        Ok(found) if !found.is_dir() => fs::remove_file(clone).map_err(|err| at(clone, err)),
        _ => Ok(()),
    }
}

/// What a remote says of the branch to build on.
struct Base {
    branch: BranchName,
    sha: CommitSha,
    default: Option<BranchName>,
}

impl GitWorkspace {
    pub(super) fn prepare_blocking(&self, run: &RunId, spec: &RunSpec) -> Result<Prepared, WorkspaceError> {
        let clone = self.clone_path(&spec.repo, run);
        let record = self.scratch(run).join("prepared.json");
        clear_place(&clone)?;
        if clone.is_dir()
            && let Some(prepared) = read_record(&record)
        {
            return Ok(prepared);
        }
        if let Some(prepared) = read_record(&record)
            && self.control.has(&spec.repo, &prepared.base_sha)
        {
            // It was deleted, or a crash came before the rename: made again as it was when it was last captured.
            let newest = self.kept(&spec.repo, run)?.unwrap_or_else(|| prepared.base_sha.clone());
            self.make_clone(run, spec, &clone, &newest)?;
            fs::rename(unfinished(&clone), &clone).map_err(|err| at(&clone, err))?;
            return Ok(prepared);
        }
        let remote = self.remotes.of(spec).map_err(|err| WorkspaceError::Failed(err.to_string()))?;
        let base = self.base_of(&remote, spec)?;
        if spec.head_branch == base.branch || Some(&spec.head_branch) == base.default.as_ref() {
            return Err(WorkspaceError::OwnBranch(spec.head_branch.to_string()));
        }
        let base_sha = self.fetch_base(run, spec, &remote, &base)?;
        self.make_clone(run, spec, &clone, &base_sha)?;
        let prepared =
            Prepared { base_branch: base.branch, base_sha, workspace: show(&clone), remote: remote.shown() };
        write_record(&record, &prepared).map_err(|err| at(&record, err))?;
        fs::rename(unfinished(&clone), &clone).map_err(|err| at(&clone, err))?;
        Ok(prepared)
    }

    fn base_of(&self, remote: &Remote, spec: &RunSpec) -> Result<Base, WorkspaceError> {
        let unreadable = |why: String| WorkspaceError::Remote { remote: remote.shown(), why };
        let mut call = self.control.git().anywhere(&self.settings.data_dir).question();
        call = call.run(["ls-remote", "--symref", "--"]).to(remote).arg("HEAD");
        if let Some(branch) = &spec.base_branch {
            call = call.arg(format!("refs/heads/{branch}"));
        }
        private_dir(&self.settings.data_dir).map_err(|err| at(&self.settings.data_dir, err))?;
        let answer = call.text().map_err(|err| unreadable(err.said()))?;
        let rows = || answer.lines().filter_map(|line| line.split_once('\t'));
        let default = rows()
            .filter(|(_, name)| *name == "HEAD")
            .find_map(|(value, _)| BranchName::new(value.strip_prefix("ref: refs/heads/")?).ok());
        let branch = spec
            .base_branch
            .clone()
            .or_else(|| default.clone())
            .ok_or_else(|| WorkspaceError::NoBranch { remote: remote.shown(), branch: "HEAD".to_owned() })?;
        let wanted =
            spec.base_branch.as_ref().map_or("HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
        let sha = rows()
            .filter(|(_, name)| *name == wanted)
            .find_map(|(value, _)| CommitSha::new(value).ok())
            .ok_or_else(|| WorkspaceError::NoBranch { remote: remote.shown(), branch: branch.to_string() })?;
        Ok(Base { branch, sha, default })
    }

    fn fetch_base(
        &self,
        run: &RunId,
        spec: &RunSpec,
        remote: &Remote,
        base: &Base,
    ) -> Result<CommitSha, WorkspaceError> {
        if base.sha.as_str().len() != 40 {
            return Err(WorkspaceError::Failed(
                "repositories with SHA-256 object names are not supported".to_owned(),
            ));
        }
        let lock = self.control.lock(&spec.repo)?;
        let control = self.control.ensure(&spec.repo, &lock)?;
        let base_ref = ControlRepos::base_ref(run);
        self.control
            .git()
            .on(&control)
            .transfer()
            .run(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--update-shallow"])
            .run(["--no-write-fetch-head", "--"])
            .to(remote)
            .arg(format!("+refs/heads/{}:{base_ref}", base.branch))
            .output()
            .map_err(|err| WorkspaceError::Remote { remote: remote.shown(), why: err.said() })?;
        // The branch may have moved since it was listed; what was fetched is what the run is built on.
        let sha = self.control.git().on(&control).run(["rev-parse", "--verify"]).arg(&base_ref).text()?;
        CommitSha::new(sha).map_err(super::failed)
    }

    /// The commit captured last, if one was.
    fn kept(&self, repo: &RepoSlug, run: &RunId) -> Result<Option<CommitSha>, WorkspaceError> {
        let git = self.control.git().on(&self.control.path(repo));
        let answer =
            git.run(["rev-parse", "--verify", "--quiet"]).arg(ControlRepos::head_ref(run)).answer()?;
        Ok(CommitSha::new(String::from_utf8_lossy(&answer.stdout).trim()).ok())
    }

    /// Makes the agent's clone at a commit, with objects of its own: no hard links, no alternates, no remote.
    fn make_clone(
        &self,
        run: &RunId,
        spec: &RunSpec,
        clone: &Path,
        commit: &CommitSha,
    ) -> Result<(), WorkspaceError> {
        let made = unfinished(clone);
        for path in [clone, &made] {
            remove_tree(path).map_err(|err| at(path, err))?;
        }
        private_dir(&made).map_err(|err| at(&made, err))?;
        let git = self.control.git();
        let branch = format!("--initial-branch={}", spec.head_branch);
        git.anywhere(&made)
            .run(["init", "--quiet", "--template="])
            .arg(branch)
            .arg("--")
            .arg(show(&made))
            .output()?;
        git.in_tree(&made)
            .transfer()
            .run(["fetch", "--quiet", "--no-tags", "--update-shallow", "--no-write-fetch-head", "--"])
            .arg(show(&self.control.path(&spec.repo)))
            .arg(format!("{}:refs/agentpr/base", ControlRepos::base_ref(run)))
            .arg(commit.as_str())
            .output()?;
        git.in_tree(&made).transfer().run(["reset", "--quiet", "--hard"]).arg(commit.as_str()).output()?;
        self.identify(&made).map_err(|err| at(&made, err))?;
        self.hide(&made)
    }

    /// Puts the name and address of commits into the clone's own settings: two calls of git would cost more than the rest of a start.
    fn identify(&self, made: &Path) -> std::io::Result<()> {
        // Inside quotes git takes all but these two as they are (git-config(1), SYNTAX); the settings have no line breaks.
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let (name, email) = (quoted(&self.settings.author_name), quoted(&self.settings.author_email));
        let mut settings = std::fs::OpenOptions::new().append(true).open(made.join(".git/config"))?;
        settings.write_all(format!("[user]\n\tname = \"{name}\"\n\temail = \"{email}\"\n").as_bytes())
    }

    /// Tells the clone's git what is not its business: the engine's folder, and tracked files that are parked while an agent
    /// works and would look deleted to it.
    fn hide(&self, made: &Path) -> Result<(), WorkspaceError> {
        let exclude = made.join(".git/info/exclude");
        if let Some(folder) = exclude.parent() {
            private_dir(folder).map_err(|err| at(folder, err))?;
        }
        fs::write(&exclude, EXCLUDE).map_err(|err| at(&exclude, err))?;
        let git = self.control.git();
        let parked = git.in_tree(made).run(["ls-files", "-z", "--"]).run(PARKED);
        let parked = parked.arg(format!(":(glob){PARKED_PREFIX}*")).output()?.stdout;
        if !parked.is_empty() {
            let call = git.in_tree(made).run(["update-index", "--skip-worktree", "-z", "--stdin"]);
            call.stdin(parked).output()?;
        }
        Ok(())
    }
}

pub(super) fn read_record(path: &Path) -> Option<Prepared> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_record(path: &Path, prepared: &Prepared) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        private_dir(folder)?;
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, serde_json::to_vec(prepared)?)?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, path)
}
