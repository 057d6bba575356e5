//! The local forge: a git repository by its address, with pull requests as refs beside the branches.
//!
//! `refs/agentpr/pulls/N` points to a JSON document, `refs/pull/N/head` to the commit. Both are made in one atomic push that
//! wants them absent, so two openers never get the same number, and a repeated opener finds what it made.

use std::path::PathBuf;

use async_trait::async_trait;

use super::lease::{Lease, moved, refuse_shared};
use super::pull::PullDocument;
use crate::adapters::git::control::ControlRepos;
use crate::adapters::git::program::{GitCall, GitError, said};
use crate::adapters::git::remote::{Remote, Remotes};
use crate::adapters::process::short::ShortOutput;
use crate::domain::forge::fact::CheckFact;
use crate::domain::gate::{Approved, PushPermit};
use crate::domain::id::{BranchName, CommitSha, PrNumber};
use crate::domain::spec::RunSpec;
use crate::ports::forge::{Forge, ForgeError, Observed, OpenedPr, Watched};

/// Tries to get a number before giving up; each lost one means that somebody else opened a pull request meanwhile.
const TRIES: usize = 8;

/// Folder of the documents.
const PULLS: &str = "refs/agentpr/pulls/";

/// Pushes to, and opens pull requests in, repositories that are reached by git alone.
#[derive(Debug, Clone)]
pub struct LocalForge {
    remotes: Remotes,
    control: ControlRepos,
}

impl LocalForge {
    /// Puts it together: `remotes` says where a run's repository is, `control` has the commits.
    pub fn new(remotes: Remotes, control: ControlRepos) -> Self {
        Self { remotes, control }
    }

    fn connect(&self, spec: &RunSpec) -> Result<Link<'_>, ForgeError> {
        let remote = self.remotes.of(spec).map_err(|err| ForgeError::Refused(err.to_string()))?;
        // A fetch of another run may hold the lock for minutes, so it is taken only to make the repository.
        if let Some(path) = self.control.ready(&spec.repo) {
            return Ok(Link { control: &self.control, path, remote });
        }
        let refused = |err: &dyn std::fmt::Display| ForgeError::Refused(err.to_string());
        let lock = self.control.lock(&spec.repo).map_err(|err| refused(&err))?;
        let path = self.control.ensure(&spec.repo, &lock).map_err(|err| refused(&err))?;
        Ok(Link { control: &self.control, path, remote })
    }
}

#[async_trait]
impl Forge for LocalForge {
    async fn repo_id(&self, _spec: &RunSpec) -> Result<Option<u64>, ForgeError> {
        Ok(None)
    }

    async fn branch_head(
        &self,
        spec: &RunSpec,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        let (this, spec, branch) = (self.clone(), spec.clone(), branch.clone());
        blocking(move || this.connect(&spec)?.branch_head(&branch)).await
    }

    async fn push(
        &self,
        spec: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        let (this, spec, permit, expected) = (self.clone(), spec.clone(), permit.clone(), expected.cloned());
        blocking(move || this.connect(&spec)?.push(&spec, &permit, expected.as_ref())).await
    }

    async fn open_pr(&self, spec: &RunSpec, approved: &Approved) -> Result<OpenedPr, ForgeError> {
        let (this, spec) = (self.clone(), spec.clone());
        let request = approved.request();
        // The documents carry all that the proof says, so that the proof itself stays with the caller.
        let first = PrNumber::new(1).ok_or_else(|| ForgeError::Refused("there is no number 1".to_owned()))?;
        let shown = self.remotes.of(&spec).map_err(|err| ForgeError::Refused(err.to_string()))?.shown();
        let wanted = PullDocument::of(approved, first, &shown);
        if request.binding.repo != spec.repo {
            return Err(ForgeError::Refused("the approval is about another repository".to_owned()));
        }
        blocking(move || this.connect(&spec)?.open(&wanted)).await
    }

    async fn pr_document(&self, spec: &RunSpec, number: PrNumber) -> Result<Option<String>, ForgeError> {
        let (this, spec) = (self.clone(), spec.clone());
        blocking(move || this.connect(&spec)?.document_text(number)).await
    }

    async fn observe(&self, watched: &[Watched]) -> Result<Vec<Observed>, ForgeError> {
        Ok(watched.iter().map(|one| Observed { run: one.run.clone(), facts: Ok(Vec::new()) }).collect())
    }

    async fn failure_excerpt(
        &self,
        _spec: &RunSpec,
        _check: &CheckFact,
        _limit: usize,
    ) -> Result<Option<String>, ForgeError> {
        Ok(None)
    }

    fn drafts(&self, _spec: &RunSpec) -> bool {
        false
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ForgeError> + Send + 'static,
) -> Result<T, ForgeError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|err| Err(ForgeError::Unavailable(err.to_string())))
}

/// One repository and its remote.
struct Link<'a> {
    control: &'a ControlRepos,
    path: PathBuf,
    remote: Remote,
}

/// A pull request as found at the remote.
struct Found {
    number: PrNumber,
    blob: String,
    /// `None` for a document that this program cannot read; its number is taken all the same.
    document: Option<PullDocument>,
}

impl Link<'_> {
    fn git(&self) -> GitCall<'_> {
        self.control.git().on(&self.path)
    }

    /// Object id and name of the refs that match.
    fn refs(&self, patterns: &[String]) -> Result<Vec<(String, String)>, ForgeError> {
        let mut call = self.git().question().run(["ls-remote", "--"]).to(&self.remote);
        for pattern in patterns {
            call = call.arg(pattern);
        }
        let text = call.text().map_err(|err| self.unreachable(&err))?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .collect())
    }

    fn branch_head(&self, branch: &BranchName) -> Result<Option<CommitSha>, ForgeError> {
        let name = format!("refs/heads/{branch}");
        let refs = self.refs(std::slice::from_ref(&name))?;
        Ok(refs.into_iter().find(|(_, found)| *found == name).and_then(|(id, _)| CommitSha::new(id).ok()))
    }

    fn push(
        &self,
        spec: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        let (branch, sha) = (permit.branch(), permit.sha());
        self.refuse_shared_branch(spec, branch)?;
        let found = self.branch_head(branch)?;
        let Some(lease) = Lease::of(permit, expected, found.as_ref())? else { return Ok(sha.clone()) };
        let call = lease.push(self.git(), &self.remote);
        let answer = call.answer().map_err(|err| ForgeError::Unavailable(err.to_string()))?;
        lease.outcome(&answer, self.branch_head(branch)?.as_ref())
    }

    fn refuse_shared_branch(&self, spec: &RunSpec, branch: &BranchName) -> Result<(), ForgeError> {
        let call = self.git().question().run(["ls-remote", "--symref", "--"]).to(&self.remote).arg("HEAD");
        let text = call.text().map_err(|err| self.unreachable(&err))?;
        let default =
            text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        refuse_shared(spec, branch, default.as_slice())
    }

    fn open(&self, wanted: &PullDocument) -> Result<OpenedPr, ForgeError> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let pulls = self.pulls()?;
            let readable = || pulls.iter().filter_map(|found| Some((found, found.document.as_ref()?)));
            if let Some((found, ours)) = readable().find(|(_, document)| document.is_of(&wanted.run)) {
                match self.refresh(found, ours, wanted)? {
                    Some(opened) => return Ok(opened),
                    None => continue,
                }
            }
            let other = readable()
                .find(|(_, document)| document.state == "open" && document.head.branch == wanted.head.branch);
            if let Some((other, _)) = other {
                let why = format!("pull request {} for `{}` is not ours", other.number, wanted.head.branch);
                return Err(ForgeError::Refused(why));
            }
            let head = self.branch_head(&wanted.head.branch)?;
            if head.as_ref() != Some(&wanted.head.sha) {
                return Err(moved(&wanted.head.branch, head.as_ref()));
            }
            let highest = pulls.iter().map(|found| found.number.get()).max().unwrap_or(0);
            let Some(number) = highest.checked_add(1).and_then(PrNumber::new) else { break };
            match self.create(number, wanted)? {
                Ok(opened) => return Ok(opened),
                Err(why) => last = why,
            }
        }
        Err(ForgeError::Refused(format!("no number was free: {last}")))
    }

    /// Makes the refs of a new pull request; the inner error says why they could not be made.
    fn create(
        &self,
        number: PrNumber,
        wanted: &PullDocument,
    ) -> Result<Result<OpenedPr, String>, ForgeError> {
        let mut document = wanted.clone();
        document.number = number;
        document.url = numbered(&wanted.url, number);
        let blob = self.store(&document)?;
        let answer = self.publish(number, &blob, &document, ("", ""))?;
        if answer.code == Some(0) {
            // A row with `*` is a ref that this push made; the same push by somebody else a moment ago leaves none.
            let made = answer.stdout.split(|byte| *byte == b'\n').any(|row| row.starts_with(b"*\t"));
            return Ok(Ok(OpenedPr { number, url: Some(document.url), found: !made }));
        }
        Ok(Err(said(&answer)))
    }

    /// Brings a pull request of the run up to the approved request; `None` when somebody changed it meanwhile.
    fn refresh(
        &self,
        found: &Found,
        ours: &PullDocument,
        wanted: &PullDocument,
    ) -> Result<Option<OpenedPr>, ForgeError> {
        let opened = OpenedPr { number: found.number, url: Some(ours.url.clone()), found: true };
        if ours.request == wanted.request {
            return Ok(Some(opened));
        }
        let mut document = wanted.clone();
        document.number = found.number;
        document.url.clone_from(&ours.url);
        document.state.clone_from(&ours.state);
        let blob = self.store(&document)?;
        let was = (found.blob.as_str(), ours.head.sha.as_str());
        let answer = self.publish(found.number, &blob, &document, was)?;
        Ok((answer.code == Some(0)).then_some(opened))
    }

    /// Pushes document and head of a pull request together, if both refs are where they `were`; empty is for not there.
    fn publish(
        &self,
        number: PrNumber,
        blob: &str,
        document: &PullDocument,
        (pull_was, head_was): (&str, &str),
    ) -> Result<ShortOutput, ForgeError> {
        let (pull, head) = (format!("{PULLS}{number}"), format!("refs/pull/{number}/head"));
        self.git()
            .transfer()
            .run(["push", "--no-verify", "--atomic", "--porcelain"])
            .arg(format!("--force-with-lease={pull}:{pull_was}"))
            .arg(format!("--force-with-lease={head}:{head_was}"))
            .arg("--")
            .to(&self.remote)
            .arg(format!("{blob}:{pull}"))
            .arg(format!("{}:{head}", document.head.sha))
            .answer()
            .map_err(|err| ForgeError::Unavailable(err.to_string()))
    }

    fn store(&self, document: &PullDocument) -> Result<String, ForgeError> {
        let refused = |err: &dyn std::fmt::Display| ForgeError::Refused(err.to_string());
        let text = document.text().map_err(|err| refused(&err))?;
        let call = self.git().run(["hash-object", "-w", "--stdin"]).stdin(text.into_bytes());
        call.text().map_err(|err| refused(&err))
    }

    /// All pull requests of the remote.
    fn pulls(&self) -> Result<Vec<Found>, ForgeError> {
        let mut pulls = Vec::new();
        for (blob, name) in self.refs(&[format!("{PULLS}*")])? {
            let number = name.strip_prefix(PULLS).and_then(|number| PrNumber::new(number.parse().ok()?));
            let Some(number) = number else { continue };
            let text = self.fetch(&blob, &name)?;
            pulls.push(Found { number, blob, document: serde_json::from_str(&text).ok() });
        }
        Ok(pulls)
    }

    fn document_text(&self, number: PrNumber) -> Result<Option<String>, ForgeError> {
        let name = format!("{PULLS}{number}");
        let refs = self.refs(std::slice::from_ref(&name))?;
        let Some((blob, _)) = refs.into_iter().find(|(_, found)| *found == name) else { return Ok(None) };
        self.fetch(&blob, &name).map(Some)
    }

    /// The text behind a ref of the remote, copied into the control repository unless it is there already.
    fn fetch(&self, blob: &str, name: &str) -> Result<String, ForgeError> {
        let read = || self.git().run(["cat-file", "blob"]).arg(blob).output();
        let there = match read() {
            Ok(there) => there,
            Err(_) => {
                let call = self.git().transfer().run([
                    "fetch",
                    "--quiet",
                    "--no-tags",
                    "--no-write-fetch-head",
                    "--",
                ]);
                call.to(&self.remote).arg(name).output().map_err(|err| self.unreachable(&err))?;
                read().map_err(|err| self.unreachable(&err))?
            }
        };
        Ok(String::from_utf8_lossy(&there.stdout).into_owned())
    }

    fn unreachable(&self, err: &GitError) -> ForgeError {
        let why = err.said();
        let lower = why.to_lowercase();
        let absent = ["does not appear to be a git repository", "does not exist", "not found"];
        if absent.iter().any(|words| lower.contains(words)) {
            return ForgeError::NotFound(self.remote.shown());
        }
        ForgeError::Unavailable(why)
    }
}

fn numbered(url: &str, number: PrNumber) -> String {
    let address = url.rsplit_once('#').map_or(url, |(address, _)| address);
    format!("{address}#{number}")
}
