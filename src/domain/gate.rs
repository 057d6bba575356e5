//! The gate before a pull request: a request, a token, and permission as a value.
//!
//! The log is the only authority. A [`PrRequest`] binds everything that a person looks at; a matching confirmation is
//! recorded as an event; and only a recorded confirmation, compared with facts computed just before acting, makes an
//! [`Approved`], which `Forge::open_pr` demands. What the gate refuses and with which words is in `docs/security.md`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::confine::Tier;
use super::evidence::{CheckOutcome, DiffStat};
use super::id::{BranchName, CommitSha, Digest, RepoSlug, RequestId, RunId, TreeSha};
use super::policy::Finding;
use super::run::Run;
use super::time::Moment;

/// How long a request is open unless asked otherwise.
pub const REQUEST_TTL: Duration = Duration::from_secs(30 * 60);

/// Wrong tokens after which a request is cancelled.
pub const MAX_WRONG_TOKENS: u32 = 5;

/// Everything an approval is bound to; any difference later makes it stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrBinding {
    /// The repository by name.
    pub repo: RepoSlug,
    /// The repository by the forge's own id, where it has one.
    #[serde(default)]
    pub repo_id: Option<u64>,
    /// The branch the pull request goes to.
    pub base_branch: BranchName,
    /// The commit of that branch at the remote.
    pub base_sha: CommitSha,
    /// The branch the pull request comes from.
    pub head_branch: BranchName,
    /// The commit that is pushed.
    pub head_sha: CommitSha,
    /// Its tree.
    pub tree: TreeSha,
    /// Digest of the raw diff that is shown.
    pub diff_digest: Digest,
    /// Digest of title and body.
    pub text_digest: Digest,
    /// Digest of the policy report that is shown.
    pub policy_digest: Digest,
}

impl PrBinding {
    /// Names the parts in which `now` differs, in the order a person should hear them; empty when nothing moved.
    pub fn drift(&self, now: &Self) -> Vec<Drift> {
        let parts = [
            (self.repo != now.repo || self.repo_id != now.repo_id, Drift::Repository),
            (self.base_branch != now.base_branch, Drift::BaseBranch),
            (self.base_sha != now.base_sha, Drift::BaseMoved),
            (self.head_branch != now.head_branch, Drift::HeadBranch),
            (self.head_sha != now.head_sha, Drift::HeadMoved),
            (self.tree != now.tree || self.diff_digest != now.diff_digest, Drift::Content),
            (self.text_digest != now.text_digest, Drift::Text),
            (self.policy_digest != now.policy_digest, Drift::Policy),
        ];
        parts.into_iter().filter_map(|(differs, drift)| differs.then_some(drift)).collect()
    }
}

/// A part of a binding that is not what was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named for the field of `PrBinding` it is about")]
pub enum Drift {
    Repository,
    BaseBranch,
    BaseMoved,
    HeadBranch,
    HeadMoved,
    Content,
    Text,
    Policy,
}

impl Drift {
    /// What moved, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Repository => "the repository is another one",
            Self::BaseBranch => "the base branch is another one, or gone",
            Self::BaseMoved => "the base branch moved",
            Self::HeadBranch => "the head branch is another one",
            Self::HeadMoved => "the head commit moved",
            Self::Content => "the change is not the one that was shown",
            Self::Text => "title or body changed",
            Self::Policy => "the policy report changed",
        }
    }
}

/// A request to open a pull request, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrRequest {
    /// Its name.
    pub id: RequestId,
    /// What it is about.
    pub binding: PrBinding,
    /// Title as it will be sent.
    pub title: String,
    /// Body as it will be sent.
    pub body: String,
    /// Whether the pull request is opened as a draft.
    #[serde(default)]
    pub draft: bool,
    /// Who asked.
    pub requester: Actor,
    /// When, by both clocks.
    pub issued: Moment,
    /// How long it is open, in seconds.
    pub ttl_secs: u64,
    /// SHA-256 of the token; the token itself is shown once and kept nowhere.
    pub token_hash: Digest,
    /// What the person is shown about the change.
    pub card: PolicyReport,
}

impl PrRequest {
    /// Says whether the request is too old, by whichever clock says so first.
    pub fn is_expired(&self, now: &Moment) -> bool {
        now.has_passed_since(&self.issued, Duration::from_secs(self.ttl_secs))
    }
}

/// What a look at the change's objects says before a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyReport {
    /// Size of the diff against the run's base commit.
    pub stat: DiffStat,
    /// Paths the change touches, at most 50.
    pub paths: Vec<String>,
    /// Protected paths among all it touches: workflows, owners files, agent instructions.
    pub protected: Vec<String>,
    /// What the engine's checks said about the head commit; `None` when they did not run on it.
    #[serde(default)]
    pub checks: Option<CheckOutcome>,
    /// Why a person wants it without passed checks, or with blocking findings, in their words.
    #[serde(default)]
    pub accepted_because: Option<String>,
    /// What the look at the change's objects found, blocking findings first, at most 50.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Blocking findings, however many are listed.
    #[serde(default)]
    pub blocking: u32,
    /// The tier the checks ran under.
    #[serde(default)]
    pub tier: Option<Tier>,
}

/// Where a run stands at its gate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Gate {
    /// Nothing was asked.
    #[default]
    Closed,
    /// A request waits for its token.
    Open {
        /// The request.
        request: PrRequest,
        /// Wrong tokens so far.
        wrong_tokens: u32,
    },
    /// A person confirmed; the effect is due or under way.
    Approved {
        /// The request.
        request: PrRequest,
        /// Who confirmed.
        by: Actor,
    },
    /// The request led to its pull request.
    Used {
        /// The request.
        request: RequestId,
    },
    /// The request ended without one.
    Cancelled {
        /// The request.
        request: RequestId,
        /// Why.
        reason: CancelReason,
    },
}

/// Why a request ended without a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// A newer request took its place.
    Superseded,
    /// Too many wrong tokens.
    WrongTokens,
    /// Something it was bound to moved.
    Stale,
    /// Nobody confirmed in time.
    Expired,
    /// The change it was about was replaced, or the run left the gate.
    Withdrawn,
}

/// Proof that a person confirmed exactly this, and that nothing moved since.
///
/// The only maker is [`Approved::verify`], which wants a recorded confirmation and freshly computed facts.
#[derive(Debug)]
pub struct Approved {
    run: RunId,
    request: PrRequest,
    by: Actor,
}

impl Approved {
    /// Makes the proof from a run whose confirmation is in the log and from facts computed just before acting.
    ///
    /// # Errors
    /// [`NotApproved::NoConfirmation`] without a recorded one, [`NotApproved::Expired`] when it was carried out too late,
    /// [`NotApproved::Stale`] with every part that moved.
    pub fn verify(run: &Run, facts: &PrBinding, now: &Moment) -> Result<Self, NotApproved> {
        let Gate::Approved { request, by } = &run.gate else {
            return Err(NotApproved::NoConfirmation);
        };
        if request.is_expired(now) {
            return Err(NotApproved::Expired);
        }
        let drift = request.binding.drift(facts);
        if !drift.is_empty() {
            return Err(NotApproved::Stale { drift });
        }
        Ok(Self { run: run.id.clone(), request: request.clone(), by: by.clone() })
    }

    /// The run it is about.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The request that was confirmed.
    pub fn request(&self) -> &PrRequest {
        &self.request
    }

    /// Who confirmed.
    pub fn by(&self) -> &Actor {
        &self.by
    }

    /// Permission to push what was confirmed.
    pub fn push_permit(&self) -> PushPermit {
        let binding = &self.request.binding;
        PushPermit { branch: binding.head_branch.clone(), sha: binding.head_sha.clone() }
    }
}

/// Permission to push one commit to one branch; made by an approval, or by an operator's `run-finish`.
#[derive(Debug, Clone)]
pub struct PushPermit {
    branch: BranchName,
    sha: CommitSha,
}

impl PushPermit {
    /// Makes the permit of the manual path: a person ordered the push of the run's own branch before the gate.
    ///
    /// `None` unless `by` is a person and the run has a captured change.
    pub fn ordered(run: &Run, by: &Actor) -> Option<Self> {
        let change = run.change.as_ref().filter(|_| by.is_person())?;
        Some(Self { branch: run.spec.head_branch.clone(), sha: change.head_sha.clone() })
    }

    /// The branch at the remote.
    pub fn branch(&self) -> &BranchName {
        &self.branch
    }

    /// The commit it will point to.
    pub fn sha(&self) -> &CommitSha {
        &self.sha
    }
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// No confirmation of the current request is in the log.
    #[error("no confirmation is recorded")]
    NoConfirmation,
    /// The confirmation was not carried out in time.
    #[error("the approval has expired")]
    Expired,
    /// Something the confirmation was bound to moved.
    #[error("the approval is stale")]
    Stale {
        /// What moved.
        drift: Vec<Drift>,
    },
}
