//! The rules of a push, whichever forge it goes to: look first, move nothing that somebody else moved, believe only what the
//! remote says afterwards.

use crate::adapters::git::program::{GitCall, said};
use crate::adapters::git::remote::{Remote, mask_credentials};
use crate::adapters::process::short::ShortOutput;
use crate::domain::gate::PushPermit;
use crate::domain::id::{BranchName, CommitSha};
use crate::domain::spec::RunSpec;
use crate::ports::forge::ForgeError;

/// Refuses a branch that others build on: the base branch of the run, and the default branch of a repository it goes to.
pub(super) fn refuse_shared(
    spec: &RunSpec,
    branch: &BranchName,
    defaults: &[&str],
) -> Result<(), ForgeError> {
    if defaults.contains(&branch.as_str()) || spec.base_branch.as_ref() == Some(branch) {
        return Err(ForgeError::Refused(format!("`{branch}` is a branch that others build on")));
    }
    Ok(())
}

/// A push that is due.
pub(super) struct Lease<'a> {
    branch: &'a BranchName,
    sha: &'a CommitSha,
    expected: Option<&'a CommitSha>,
}

impl<'a> Lease<'a> {
    /// What is to be done about a permit, by what the branch points to now; `None` when it is there already.
    ///
    /// # Errors
    /// [`ForgeError::Moved`] when the branch is neither where it was left nor gone.
    pub(super) fn of(
        permit: &'a PushPermit,
        expected: Option<&'a CommitSha>,
        found: Option<&CommitSha>,
    ) -> Result<Option<Self>, ForgeError> {
        if found == Some(permit.sha()) {
            return Ok(None);
        }
        // A branch that somebody removed is made again: the permit was given for it as it is now, and nothing is lost.
        let expected = expected.filter(|_| found.is_some());
        if found != expected {
            return Err(moved(permit.branch(), found));
        }
        Ok(Some(Self { branch: permit.branch(), sha: permit.sha(), expected }))
    }

    /// The command on the repository that has the commit.
    pub(super) fn push<'g>(&self, git: GitCall<'g>, remote: &Remote) -> GitCall<'g> {
        let name = format!("refs/heads/{}", self.branch);
        let expected = self.expected.map_or("", CommitSha::as_str);
        git.transfer()
            .run(["push", "--quiet", "--no-verify", "--porcelain"])
            .arg(format!("--force-with-lease={name}:{expected}"))
            .arg("--")
            .to(remote)
            .arg(format!("{}:{name}", self.sha))
    }

    /// What came of it, by what the branch points to afterwards: an answer can get lost on the way, in either direction.
    ///
    /// # Errors
    /// [`ForgeError::Moved`], or [`ForgeError::Refused`] with what git and the remote said.
    pub(super) fn outcome(
        &self,
        answer: &ShortOutput,
        found: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        if found == Some(self.sha) {
            return Ok(self.sha.clone());
        }
        if found != self.expected || answer.code == Some(0) {
            return Err(moved(self.branch, found));
        }
        Err(ForgeError::Refused(why(answer)))
    }
}

/// A branch that is not where it was left.
pub(super) fn moved(branch: &BranchName, found: Option<&CommitSha>) -> ForgeError {
    let found = found.map_or("nothing".to_owned(), CommitSha::to_string);
    ForgeError::Moved { branch: branch.to_string(), found }
}

/// Why a push was refused: the row of the ref, which has the remote's reason, and git's words.
fn why(answer: &ShortOutput) -> String {
    let rows = String::from_utf8_lossy(&answer.stdout);
    let row = rows.lines().find_map(|row| row.strip_prefix("!\t")?.split_once('\t'));
    let reason: String = row.map_or("", |(_, reason)| reason).chars().filter(|c| !c.is_control()).collect();
    let words = said(answer);
    if reason.is_empty() { words } else { format!("{}; {words}", mask_credentials(&reason)) }
}
