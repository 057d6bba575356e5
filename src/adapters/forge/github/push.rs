//! Pushing: over https, with the token by git's own question, from the control repository, with a lease; then read back twice.

use std::path::PathBuf;
use std::time::Duration;

use super::forge::GitHubForge;
use super::repository::Repository;
use crate::adapters::forge::lease::{Lease, refuse_shared};
use crate::adapters::git::control::ControlRepos;
use crate::adapters::git::credential::Credential;
use crate::adapters::git::program::GitCall;
use crate::adapters::git::remote::Remote;
use crate::adapters::process::short::ShortOutput;
use crate::domain::gate::PushPermit;
use crate::domain::id::{BranchName, CommitSha};
use crate::domain::spec::RunSpec;
use crate::ports::forge::ForgeError;

/// How long the API may take to show what git took in.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest wait between two looks.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Where workflows of GitHub Actions are.
const WORKFLOWS: &str = ".github/workflows";

/// Words of git that say that the other side was not heard, or that it failed, and not that it said no.
const PASSING: [&str; 12] = [
    "could not resolve host",
    "connection refused",
    "connection reset",
    "connection timed out",
    "operation timed out",
    "timed out after",
    "unexpected disconnect",
    "hung up unexpectedly",
    "early eof",
    "rpc failed",
    "returned error: 5",
    "returned error: 429",
];

impl GitHubForge {
    pub(super) async fn push_permitted(
        &self,
        spec: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        let base = self.base_of(spec).await?;
        base.refuse_closed()?;
        refuse_shared(spec, permit.branch(), &[&base.default_branch])?;
        let pulls = self.pulls_from(&base, permit.branch()).await?;
        let head = self.head_for_push(&base, permit.branch(), &pulls).await?;
        head.refuse_closed()?;
        refuse_shared(spec, permit.branch(), &[&head.default_branch])?;
        let (remote, credential) = self.way_to(&head.name).await?;
        let (control, repo) = (self.control.clone(), spec.repo.clone());
        let (permit, expected) = (permit.clone(), expected.cloned());
        let (branch, sha) = (permit.branch().clone(), permit.sha().clone());
        let pushed = tokio::task::spawn_blocking(move || {
            let refused = |err: &dyn std::fmt::Display| ForgeError::Refused(err.to_string());
            let path = match control.ready(&repo) {
                Some(path) => path,
                None => {
                    let lock = control.lock(&repo).map_err(|err| refused(&err))?;
                    control.ensure(&repo, &lock).map_err(|err| refused(&err))?
                }
            };
            Link { control, path, remote, credential }.push(&permit, expected.as_ref())
        });
        let pushed = pushed.await.unwrap_or_else(|err| Err(ForgeError::Unavailable(err.to_string())));
        match pushed {
            Ok(sha) => self.read_back(&head, &branch, sha).await,
            Err(ForgeError::Refused(why)) if names_workflows(&why) => {
                Err(self.without_workflows(spec, &base, &head, &sha, &why).await)
            }
            Err(err) => {
                // What we believed of our rights may be why.
                self.repositories.forget(&spec.repo);
                Err(err)
            }
        }
    }

    /// Waits until the API shows what git took in: a pull request that is opened before would be of the commit before.
    async fn read_back(
        &self,
        head: &Repository,
        branch: &BranchName,
        sha: CommitSha,
    ) -> Result<CommitSha, ForgeError> {
        let begin = self.clock.now();
        let mut wait = Duration::from_millis(250);
        loop {
            if self.repositories.tip(&head.name, branch).await?.as_ref() == Some(&sha) {
                return Ok(sha);
            }
            if self.clock.now().has_passed_since(&begin, PATIENCE) {
                let why = format!("GitHub does not show commit {} on `{branch}` yet", sha.short());
                return Err(self.later(30, why));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Says which of two things a refusal because of workflow files is: the change touches some, or the fork is behind.
    async fn without_workflows(
        &self,
        spec: &RunSpec,
        base: &Repository,
        head: &Repository,
        sha: &CommitSha,
        why: &str,
    ) -> ForgeError {
        let fork = (head.id != base.id).then_some(head);
        if let Some(fork) = fork
            && self.touches_no_workflow(spec, base, sha).await
        {
            return ForgeError::Refused(format!(
                "FORK_BEHIND_WORKFLOWS: the fork `{fork}` is behind `{base}` in `{WORKFLOWS}`, and the token may not change \
                 workflows; the change itself touches none. Bring the fork up to date with `gh repo sync {fork} --branch {main}` or \
                 the button `Sync fork` on its page, then retry the run. GitHub said: {why}",
                fork = fork.name,
                base = base.name,
                main = base.default_branch,
            ));
        }
        ForgeError::Refused(format!(
            "the change touches `{WORKFLOWS}`, and the token may not change workflows: have the change leave them alone, or push \
             it with a token that may. GitHub said: {why}"
        ))
    }

    /// Whether the change is known to leave workflows alone, seen from the base branch as it is now.
    async fn touches_no_workflow(&self, spec: &RunSpec, base: &Repository, sha: &CommitSha) -> bool {
        let branch = spec.base_branch.clone().or_else(|| BranchName::new(base.default_branch.clone()).ok());
        let Some(branch) = branch else { return false };
        let Ok(Some(base_sha)) = self.repositories.tip(&base.name, &branch).await else { return false };
        let (control, repo, change) =
            (self.control.clone(), spec.repo.clone(), format!("{base_sha}...{sha}"));
        let looked = tokio::task::spawn_blocking(move || {
            let git = control.git().on(&control.path(&repo));
            let call = git.run(["diff", "--quiet", "--no-ext-diff", "--no-textconv"]);
            let answer = call.arg(change).arg("--").arg(WORKFLOWS).answer();
            answer.is_ok_and(|answer| answer.code == Some(0))
        });
        looked.await.unwrap_or(false)
    }
}

/// One control repository and the place it pushes to.
struct Link {
    control: ControlRepos,
    path: PathBuf,
    remote: Remote,
    credential: Credential,
}

impl Link {
    fn git(&self) -> GitCall<'_> {
        self.control.git().on(&self.path).credential(&self.credential)
    }

    fn tip(&self, branch: &BranchName) -> Result<Option<CommitSha>, ForgeError> {
        let name = format!("refs/heads/{branch}");
        let call = self.git().question().run(["ls-remote", "--"]).to(&self.remote).arg(&name);
        let text = call.text().map_err(|err| self.unreachable(err.said()))?;
        let rows = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(rows.filter(|(_, found)| *found == name).find_map(|(id, _)| CommitSha::new(id).ok()))
    }

    fn push(&self, permit: &PushPermit, expected: Option<&CommitSha>) -> Result<CommitSha, ForgeError> {
        let branch = permit.branch();
        let found = self.tip(branch)?;
        let Some(lease) = Lease::of(permit, expected, found.as_ref())? else {
            return Ok(permit.sha().clone());
        };
        let call = lease.push(self.git(), &self.remote);
        let answer = call.answer().map_err(|err| ForgeError::Unavailable(err.to_string()))?;
        let outcome = lease.outcome(&answer, self.tip(branch)?.as_ref());
        match outcome {
            // No verdict on the branch came: this is about the way there.
            Err(ForgeError::Refused(why)) if !has_verdict(&answer) => Err(self.unreachable(why)),
            outcome => outcome,
        }
    }

    /// What it means that git did not get through.
    fn unreachable(&self, why: String) -> ForgeError {
        let lower = why.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if has(&PASSING) {
            return ForgeError::Unavailable(why);
        }
        if has(&["authentication failed", "could not read username", "returned error: 403", "permission to"])
        {
            return ForgeError::Denied(format!(
                "{why}; give a token that may push to `{}`",
                self.remote.shown()
            ));
        }
        if has(&["not found", "does not exist"]) {
            return ForgeError::NotFound(self.remote.shown());
        }
        if names_workflows(&why) { ForgeError::Refused(why) } else { ForgeError::Unavailable(why) }
    }
}

/// Whether the remote judged the branch, whatever it said.
fn has_verdict(answer: &ShortOutput) -> bool {
    answer.stdout.split(|byte| *byte == b'\n').any(|row| row.starts_with(b"!\t"))
}

/// Whether it is about a missing right to change workflows: GitHub names the file, and the scope or permission it wants.
fn names_workflows(why: &str) -> bool {
    why.contains(WORKFLOWS) || (why.contains("refusing to allow") && why.contains("workflow"))
}
