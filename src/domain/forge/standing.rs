//! Where a pull request stands: checks, reviewers and the pull request itself, weighed together.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fact::{CheckFact, CheckKind, HeadFact, Light, PullState, ReviewFact};
use super::view::{ForgeView, KEPT};
use crate::domain::id::CommitSha;

/// How far the forge's clock and ours may be apart: a verdict that came so shortly before a push is taken for one about it.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// What the checks of a commit say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiStatus {
    /// None has said anything.
    Silent,
    /// At least one waits, runs, or says a word nobody knows, and none failed.
    Running,
    /// They wait for a maintainer to let them run, as for the first pull request of a contributor.
    Held,
    /// All of them passed.
    Green,
    /// At least one failed.
    Red,
}

impl CiStatus {
    /// A stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Running => "running",
            Self::Held => "awaiting_maintainer",
            Self::Green => "green",
            Self::Red => "red",
        }
    }
}

/// What the reviewers say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewStatus {
    /// Nobody decided.
    Open,
    /// Somebody approved and nobody asks for changes.
    Approved,
    /// Somebody asks for changes.
    ChangesRequested,
}

/// Where the pull request stands; the first that is true counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is over.
    Over {
        /// Whether it was merged.
        merged: bool,
        /// Who ended it.
        by: Option<String>,
    },
    /// Its repository takes nothing any more.
    Closed(&'static str),
    /// Somebody else moved its branch.
    Moved(HeadFact),
    /// It was sent back.
    SentBack {
        /// Names of the checks that failed.
        checks: Vec<String>,
        /// Who asks for changes.
        reviewers: Vec<String>,
    },
    /// Its checks passed.
    Passed,
    /// Its checks are not through.
    Waiting,
}

impl ForgeView {
    /// The checks of `head` that count: a suite only where none of its check runs is known.
    pub fn checks_of<'a>(&'a self, head: &'a CommitSha) -> impl Iterator<Item = &'a CheckFact> {
        let with_runs: BTreeSet<u64> = self
            .checks
            .values()
            .filter(|check| check.kind == CheckKind::Run && check.head_sha == *head)
            .filter_map(|check| check.suite)
            .collect();
        self.checks.values().filter(move |check| {
            let is_told_by_its_runs = check.kind == CheckKind::Suite
                && check.light() != Light::Held
                && check.suite.is_some_and(|suite| with_runs.contains(&suite));
            check.head_sha == *head && !is_told_by_its_runs
        })
    }

    /// What the checks of `head` say together. Green means all of them.
    pub fn ci(&self, head: &CommitSha) -> CiStatus {
        let mut status = CiStatus::Silent;
        for check in self.checks_of(head) {
            status = match (status, check.light()) {
                (_, Light::Red) => return CiStatus::Red,
                (_, Light::Held) | (CiStatus::Held, _) => CiStatus::Held,
                (_, Light::Yellow) | (CiStatus::Running, _) => CiStatus::Running,
                (_, Light::Green) => CiStatus::Green,
            };
        }
        // What there was no room for may have failed.
        if status == CiStatus::Green && self.checks.len() >= KEPT { CiStatus::Running } else { status }
    }

    /// The checks of `head` that failed.
    pub fn failed_checks<'a>(&'a self, head: &'a CommitSha) -> impl Iterator<Item = &'a CheckFact> {
        self.checks_of(head).filter(|check| check.light() == Light::Red)
    }

    /// Verdicts that ask for changes and that no push has answered.
    ///
    /// A verdict from before the newest push is answered by it, whatever commit the forge says it is about: GitHub points old
    /// verdicts at new commits. One that is about another commit is answered too.
    pub fn open_requests<'a>(&'a self, head: &'a CommitSha) -> impl Iterator<Item = &'a ReviewFact> {
        let is_open = move |review: &&ReviewFact| {
            let is_answered = review.id != 0 && self.answered.contains(&review.id)
                || self.pushed_at.is_some_and(|pushed| self.ours.len() > 1 && review.at.plus(SKEW) < pushed);
            let is_about_head = review.commit.as_ref().is_none_or(|commit| commit == head);
            review.state == "changes_requested" && review.has_a_say() && is_about_head && !is_answered
        };
        self.reviews.values().filter(is_open)
    }

    /// What the reviewers of `head` say together.
    pub fn review(&self, head: &CommitSha) -> ReviewStatus {
        if self.open_requests(head).next().is_some() {
            return ReviewStatus::ChangesRequested;
        }
        let approved = self.reviews.values().any(|review| review.state == "approved" && review.has_a_say());
        if approved { ReviewStatus::Approved } else { ReviewStatus::Open }
    }

    /// Where the pull request stands whose branch the run left at `head`.
    pub fn standing(&self, head: &CommitSha, candidate: Option<&CommitSha>) -> Standing {
        if let Some(pull) = self.pull.as_ref().filter(|pull| pull.state != PullState::Open) {
            return Standing::Over { merged: pull.state == PullState::Merged, by: pull.by.clone() };
        }
        match &self.repository {
            Some(repository) if repository.deleted => return Standing::Closed("repository_deleted"),
            Some(repository) if repository.archived => return Standing::Closed("repository_archived"),
            Some(_) | None => {}
        }
        if let Some(foreign) = self.foreign_head(candidate) {
            return Standing::Moved(foreign);
        }
        // With the commit of somebody else that a person accepted, results count for that.
        let head = self.judged(head);
        let checks: Vec<String> = self.failed_checks(head).map(CheckFact::shown).collect();
        let reviewers: Vec<String> = self.open_requests(head).map(|review| review.reviewer.clone()).collect();
        if !checks.is_empty() || !reviewers.is_empty() {
            return Standing::SentBack { checks, reviewers };
        }
        if self.ci(head) == CiStatus::Green { Standing::Passed } else { Standing::Waiting }
    }
}

impl CheckFact {
    /// Its name for people.
    pub fn shown(&self) -> String {
        match (self.name.is_empty(), self.app.is_empty()) {
            (false, _) => self.name.clone(),
            (true, false) => self.app.clone(),
            (true, true) => "a check".to_owned(),
        }
    }
}
