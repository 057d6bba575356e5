//! Webhook deliveries: their names and what became of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::id::{BranchName, CommitSha, InvalidId, PrNumber};

/// The name of a delivery: a UUID that the sender chose. It is not signed, so it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId(String);

impl DeliveryId {
    /// Takes a UUID in its usual form; letters become lower-case.
    ///
    /// # Errors
    /// [`InvalidId`] for anything else.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let dashes = [8, 13, 18, 23];
        let is_uuid = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if dashes.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() });
        if is_uuid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidId::new("delivery id", "a UUID such as 72d3162e-cc78-11e3-81ab-4c9367dc0958", text))
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DeliveryId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(&text)
    }
}

impl From<DeliveryId> for String {
    fn from(id: DeliveryId) -> Self {
        id.0
    }
}

/// How a delivery came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOrigin {
    /// It was sent here. Its digest is that of the bytes that were signed.
    Webhook,
    /// It was missed, and fetched from the forge's own list; its bytes were made again from what is shown there.
    Reconciled,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// What it says is in the log, or was there already.
    Processed,
    /// It concerns nothing here.
    Ignored,
    /// It is about a pull request or commit that no run has yet; looked at again when one is linked.
    Waiting,
    /// It could not be processed, and is tried again.
    Failed,
    /// It could not be processed as often as it was tried; a person may have it tried again.
    Dead,
    /// The same bytes came under another name; it changed nothing.
    Replayed,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Processed, Self::Ignored, Self::Waiting, Self::Failed, Self::Dead, Self::Replayed];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Ignored => "ignored",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Replayed => "replayed",
        }
    }

    /// Reads a stored name; `None` for anything else.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Says whether the same delivery sent again is a duplicate: only one whose work is not done is worked on again.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Failed | Self::Dead | Self::Waiting)
    }
}

/// What a forge's fact is found by: every run that one of these names fits is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    /// The repository by the forge's number.
    pub repo_id: Option<u64>,
    /// The repository by [`RepoSlug::key`](crate::domain::id::RepoSlug::key).
    pub repo: Option<String>,
    /// The pull request; says something only together with the repository.
    pub pr: Option<PrNumber>,
    /// A commit that a run made. Needs no repository: pull requests of forks come without their number.
    pub sha: Option<CommitSha>,
    /// The branch of a run's work.
    pub branch: Option<BranchName>,
    /// Whether every run of the repository is meant.
    pub whole_repository: bool,
}

impl Address {
    /// Says whether both name one thing: a commit, a branch, a pull request, or a repository that one of them means as a whole.
    ///
    /// A branch needs no repository, because a push to a fork names the fork. Names of repositories count only where one of
    /// the numbers is not known: an old name may belong to a new repository.
    pub fn meets(&self, other: &Self) -> bool {
        let same_pull = self.pr.is_some() && self.pr == other.pr;
        (self.sha.is_some() && self.sha == other.sha)
            || (self.branch.is_some() && self.branch == other.branch)
            || (self.is_same_repository(other)
                && (same_pull || self.whole_repository || other.whole_repository))
    }

    fn is_same_repository(&self, other: &Self) -> bool {
        match (self.repo_id, other.repo_id) {
            (Some(own), Some(others)) => own == others,
            (None, _) | (_, None) => self.repo.is_some() && self.repo == other.repo,
        }
    }
}
