//! What is known of a pull request: facts taken in so that neither order nor repetition matters.
//!
//! Each part keeps the newest fact of its key by the forge's own clock and numbers. Taking the same facts in another order gives the
//! same view (`tests/it/domain/forge_view.rs`), so what a webhook lost is made good by a question, and what comes late does no harm.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::{
    CheckFact, CheckKey, CommentFact, CommentKind, ForgeFact, HeadFact, PullFact, RepositoryFact, ReviewFact,
};
use super::standing::SKEW;
use crate::domain::id::CommitSha;
use crate::domain::time::Timestamp;

/// Comments that are kept, newest first to stay.
pub const KEPT_COMMENTS: usize = 50;

/// Reviewers and checks of one commit that are kept: more than any pull request that a person looks through has.
pub const KEPT: usize = 1_000;

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForgeView {
    /// Checks on the commits that are, or may soon be, at the remote.
    pub checks: BTreeMap<(CommitSha, CheckKey), CheckFact>,
    /// The newest verdict of each reviewer.
    pub reviews: BTreeMap<String, ReviewFact>,
    /// What was written, by place and number.
    pub comments: BTreeMap<(CommentKind, u64), CommentFact>,
    /// The pull request.
    pub pull: Option<PullFact>,
    /// Where the branch points, as told of the branch itself.
    pub head: Option<HeadFact>,
    /// The commit of somebody else that a person said to go on with.
    pub accepted_head: Option<CommitSha>,
    /// The repository.
    pub repository: Option<RepositoryFact>,
    /// Every commit of the run that was at the remote.
    pub ours: BTreeSet<CommitSha>,
    /// Verdicts that the newest push answers.
    pub answered: BTreeSet<u64>,
    /// When the last push of the branch began, by this machine's clock.
    pub pushed_at: Option<Timestamp>,
}

impl ForgeView {
    /// Says whether taking `fact` in would change anything; `candidate` is the captured commit, which may be on its way.
    pub fn would_learn(&self, fact: &ForgeFact, candidate: Option<&CommitSha>) -> bool {
        match fact {
            ForgeFact::Check(check) => {
                let known = self.checks.get(&(check.head_sha.clone(), check.key()));
                self.concerns(&check.head_sha, candidate)
                    && known.map_or(self.checks.len() < KEPT, |known| check.is_newer_than(known))
            }
            ForgeFact::Review(review) => {
                let known = self.reviews.get(&key_of(review));
                review.decides()
                    && known.map_or(self.reviews.len() < KEPT, |known| review.is_newer_than(known))
            }
            ForgeFact::Comment(comment) => match self.comments.get(&key_at(comment)) {
                Some(known) => comment.is_newer_than(known),
                None if self.comments.len() < KEPT_COMMENTS => true,
                None => self.oldest_comment().is_some_and(|oldest| (comment.at, key_at(comment)) > oldest),
            },
            // Also where only the time is news: without it, what is older than this word and comes later would undo it.
            ForgeFact::Pull(pull) => self.pull.as_ref().is_none_or(|known| pull.is_newer_than(known)),
            ForgeFact::Head(head) => self.head.as_ref().is_none_or(|known| head.is_newer_than(known)),
            // A question's answer is as new as the question, so one that says the same must leave nothing.
            ForgeFact::Repository(repository) => self
                .repository
                .as_ref()
                .is_none_or(|known| repository.is_newer_than(known) && !repository.says_the_same(known)),
        }
    }

    /// Takes a fact in. Older ones, and those about commits of others, change nothing.
    pub fn learn(&mut self, fact: &ForgeFact, candidate: Option<&CommitSha>) {
        if !self.would_learn(fact, candidate) {
            return;
        }
        match fact {
            ForgeFact::Check(check) => {
                self.checks.insert((check.head_sha.clone(), check.key()), check.clone());
            }
            ForgeFact::Review(review) => {
                self.reviews.insert(key_of(review), review.clone());
            }
            ForgeFact::Comment(comment) => {
                self.comments.insert(key_at(comment), comment.clone());
                while self.comments.len() > KEPT_COMMENTS {
                    let Some((_, oldest)) = self.oldest_comment() else { break };
                    self.comments.remove(&oldest);
                }
            }
            ForgeFact::Pull(pull) => self.pull = Some(pull.clone()),
            ForgeFact::Head(head) => self.head = Some(head.clone()),
            ForgeFact::Repository(repository) => self.repository = Some(repository.clone()),
        }
    }

    /// Takes in what a person or a script told of all checks: the log has the order of these, not a clock.
    pub fn hear_check(&mut self, told: CheckFact) {
        self.checks.insert((told.head_sha.clone(), told.key()), told);
    }

    /// Takes in what a person or a script told of the reviewers; a word that decides nothing changes nothing.
    pub fn hear_review(&mut self, told: ReviewFact) {
        if told.decides() {
            self.reviews.insert(key_of(&told), told);
        }
    }

    /// Takes in that `sha`, whose push began `at`, is at the remote: what was said of commits before it counts no more.
    pub fn pushed(&mut self, sha: &CommitSha, at: Timestamp) {
        if self.ours.insert(sha.clone()) {
            let about_it =
                |review: &ReviewFact| review.commit.as_ref() == Some(sha) && review.at.plus(SKEW) >= at;
            let before = self.reviews.values().filter(|review| !about_it(review));
            self.answered.extend(before.map(|review| review.id));
            self.pushed_at = Some(at);
        }
        self.checks.retain(|(about, _), _| about == sha);
        self.reviews.remove("");
    }

    /// A person sent the run on, knowing where somebody else left the branch.
    pub fn accept_head(&mut self, candidate: Option<&CommitSha>) {
        if let Some(foreign) = self.foreign_head(candidate) {
            self.accepted_head = foreign.sha;
        }
    }

    /// Where the branch points by the newest word, from branch or pull request.
    pub fn newest_head(&self) -> Option<HeadFact> {
        let told = self.pull.as_ref().map(|pull| HeadFact {
            sha: Some(pull.head_sha.clone()),
            by: pull.by.clone(),
            at: pull.at,
        });
        match (told, &self.head) {
            (Some(told), Some(head)) if told.is_newer_than(head) => Some(told),
            (told, None) => told,
            (_, Some(head)) => Some(head.clone()),
        }
    }

    /// Where somebody else left the branch, unless a person accepted that.
    pub fn foreign_head(&self, candidate: Option<&CommitSha>) -> Option<HeadFact> {
        let head = self.newest_head()?;
        let sha = head.sha.as_ref()?;
        let is_known = self.is_ours(sha, candidate) || self.accepted_head.as_ref() == Some(sha);
        (!is_known).then_some(head)
    }

    /// The commit of somebody else that a person accepted, while the branch points to it.
    pub fn accepted(&self) -> Option<&CommitSha> {
        let accepted = self.accepted_head.as_ref()?;
        self.newest_head().is_some_and(|head| head.sha.as_ref() == Some(accepted)).then_some(accepted)
    }

    /// The commit whose checks and verdicts count, where the run left the branch at `pushed`.
    pub fn judged<'a>(&'a self, pushed: &'a CommitSha) -> &'a CommitSha {
        self.accepted().unwrap_or(pushed)
    }

    /// Says whether the run made the commit.
    pub fn is_ours(&self, sha: &CommitSha, candidate: Option<&CommitSha>) -> bool {
        self.ours.contains(sha) || candidate == Some(sha)
    }

    /// Checks of a commit that are kept: those at the remote, the one on its way, and one of somebody else that was accepted.
    fn concerns(&self, sha: &CommitSha, candidate: Option<&CommitSha>) -> bool {
        self.is_ours(sha, candidate) || self.accepted_head.as_ref() == Some(sha)
    }

    fn oldest_comment(&self) -> Option<(Timestamp, (CommentKind, u64))> {
        self.comments.values().map(|comment| (comment.at, key_at(comment))).min()
    }
}

fn key_of(review: &ReviewFact) -> String {
    review.reviewer.to_ascii_lowercase()
}

fn key_at(comment: &CommentFact) -> (CommentKind, u64) {
    (comment.kind, comment.id)
}
