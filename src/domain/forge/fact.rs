//! Facts of a forge: one shape for each, whether a webhook told it or an answer to a question.
//!
//! Everything here was written by strangers. Texts are cut and made printable where they enter ([`plain`]), and stay data.

use serde::{Deserialize, Serialize};

use crate::domain::id::{BranchName, CommitSha, PrNumber, RepoSlug};
use crate::domain::time::Timestamp;
use crate::domain::transition::{Conclusion, conclusion};

/// The longest body of a review or a comment that is kept, in bytes.
pub const MAX_BODY: usize = 4_000;

/// The longest name or title that is kept, in bytes.
pub const MAX_NAME: usize = 200;

/// One thing a forge said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum ForgeFact {
    /// About a check on a commit.
    Check(CheckFact),
    /// About a reviewer's verdict.
    Review(ReviewFact),
    /// About something a person or a bot wrote.
    Comment(CommentFact),
    /// About the pull request itself.
    Pull(PullFact),
    /// About the branch the work is on.
    Head(HeadFact),
    /// About the repository the pull request is in.
    Repository(RepositoryFact),
}

/// What kind of thing judges a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// One check run.
    Run,
    /// All check runs that one app made for a commit, or one run of a workflow.
    Suite,
    /// A commit status, as older services set it.
    Status,
    /// What a person or a script told by `record-check`, about all checks together.
    Told,
}

/// What tells checks of one commit apart: a newer fact of the same key takes the place of an older one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckKey {
    /// What it is.
    pub kind: CheckKind,
    /// The suite it belongs to, or is.
    pub suite: Option<u64>,
    /// Its name; empty for a suite.
    pub name: String,
}

/// Where a check stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFact {
    /// What judges.
    pub kind: CheckKind,
    /// The forge's number of it; 0 where it has none. A repeated check has a higher one.
    pub id: u64,
    /// The forge's number of its suite.
    #[serde(default)]
    pub suite: Option<u64>,
    /// Its name, or its context.
    pub name: String,
    /// The app behind it by the forge's short name, such as `github-actions`; empty where unknown.
    #[serde(default)]
    pub app: String,
    /// The commit it is about.
    pub head_sha: CommitSha,
    /// How it ended, lower-case, in GitHub's words; `None` while it waits or runs.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// When it came to that, by the forge's clock.
    pub at: Timestamp,
    /// Where a person can read more.
    #[serde(default)]
    pub url: Option<String>,
    /// What it says of itself, at most [`MAX_BODY`].
    #[serde(default)]
    pub summary: String,
}

/// What one check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Light {
    /// It counts as passed.
    Green,
    /// It waits or runs, or says a word nobody knows.
    Yellow,
    /// A maintainer has to let it run: the pull request of somebody new to the repository.
    Held,
    /// It failed.
    Red,
}

impl CheckFact {
    /// What it is known by.
    pub fn key(&self) -> CheckKey {
        let name = if self.kind == CheckKind::Suite { String::new() } else { self.name.clone() };
        CheckKey { kind: self.kind, suite: self.suite, name }
    }

    /// What it means. Unknown is not green.
    pub fn light(&self) -> Light {
        let Some(word) = self.conclusion.as_deref() else { return Light::Yellow };
        // Of other apps the word says that the author has to do something.
        if word == "action_required" && (self.kind == CheckKind::Suite || self.app == "github-actions") {
            return Light::Held;
        }
        match conclusion(word) {
            Conclusion::Green => Light::Green,
            Conclusion::Red => Light::Red,
            Conclusion::Unknown => Light::Yellow,
        }
    }

    /// Says whether this is the newer of two facts of one key. Total, so that the order of arrival does not matter.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        fn rank(fact: &CheckFact) -> impl PartialOrd + '_ {
            let CheckFact { at, id, conclusion, summary, name, app, url, .. } = fact;
            (at, id, conclusion, summary, name, app, url)
        }
        rank(self) > rank(other)
    }
}

/// A reviewer's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFact {
    /// The forge's number of it; 0 for one that was told by hand.
    pub id: u64,
    /// Who, by login; empty for one that was told by hand.
    pub reviewer: String,
    /// `approved`, `changes_requested`, `dismissed`; others decide nothing.
    pub state: String,
    /// The commit it is about, as the forge says now. GitHub points it elsewhere after a push, so it proves nothing alone.
    #[serde(default)]
    pub commit: Option<CommitSha>,
    /// When it was submitted, by the forge's clock.
    pub at: Timestamp,
    /// What the reviewer wrote, at most [`MAX_BODY`].
    #[serde(default)]
    pub body: String,
    /// What the reviewer is to the repository, lower-case, as the forge says; empty for one that was told by hand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub association: String,
}

impl ReviewFact {
    /// Says whether the reviewer belongs to the repository. Everybody may ask for changes on GitHub, and a stranger's word must not
    /// set agents to work.
    pub fn has_a_say(&self) -> bool {
        matches!(self.association.as_str(), "" | "owner" | "member" | "collaborator")
    }

    /// Says whether it is a verdict at all.
    pub fn decides(&self) -> bool {
        matches!(self.state.as_str(), "approved" | "changes_requested" | "dismissed")
    }

    /// Says whether this is the newer of two facts of one reviewer, in a total order; a dismissal is newer than what it dismisses.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        fn rank(fact: &ReviewFact) -> impl PartialOrd + '_ {
            let ReviewFact { at, id, state, body, commit, reviewer, association } = fact;
            // Who is a member is not shown to everybody: of two words the one that knows it counts.
            (at, id, state == "dismissed", body, state, commit, reviewer, fact.has_a_say(), association)
        }
        rank(self) > rank(other)
    }
}

/// Where something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentKind {
    /// In the conversation of the pull request.
    Issue,
    /// At a line of the change.
    Line,
    /// With a review that decides nothing.
    Review,
}

/// Something that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentFact {
    /// Where.
    pub kind: CommentKind,
    /// The forge's number of it.
    pub id: u64,
    /// Who, by login.
    pub author: String,
    /// What the author is to the repository, lower-case, as the forge says; empty where it does not.
    #[serde(default)]
    pub association: String,
    /// The file, for a line of the change.
    #[serde(default)]
    pub path: Option<String>,
    /// The line, for a line of the change.
    #[serde(default)]
    pub line: Option<u32>,
    /// The text, at most [`MAX_BODY`]; empty once it was deleted.
    pub body: String,
    /// When it was written or changed last, by the forge's clock.
    pub at: Timestamp,
    /// Whether it was taken back.
    #[serde(default)]
    pub deleted: bool,
}

impl CommentFact {
    /// Says whether this is the newer of two facts of one comment.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        fn rank(fact: &CommentFact) -> impl PartialOrd + '_ {
            let CommentFact { deleted, at, body, path, line, association, author, .. } = fact;
            (deleted, at, body, path, line, association, author)
        }
        rank(self) > rank(other)
    }
}

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullState {
    /// It is.
    Open,
    /// It was closed and not merged.
    Closed,
    /// It was merged; nothing undoes that.
    Merged,
}

/// The pull request as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullFact {
    /// Its number.
    pub number: PrNumber,
    /// Whether it is open.
    pub state: PullState,
    /// Whether it is a draft.
    #[serde(default)]
    pub draft: bool,
    /// The commit it points to.
    pub head_sha: CommitSha,
    /// The branch it goes to.
    #[serde(default)]
    pub base_branch: Option<BranchName>,
    /// When it changed last, by the forge's clock.
    pub at: Timestamp,
    /// Who changed it, by login, where the teller says so.
    #[serde(default)]
    pub by: Option<String>,
    /// The commit it became in its base, once merged.
    #[serde(default)]
    pub merge_sha: Option<CommitSha>,
}

impl PullFact {
    /// Says whether this is the newer of two facts of one pull request.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        fn rank(fact: &PullFact) -> impl PartialOrd + '_ {
            let PullFact { number, state, draft, head_sha, base_branch, at, by, merge_sha } = fact;
            (*state == PullState::Merged, at, state, draft, head_sha, base_branch, merge_sha, by, number)
        }
        rank(self) > rank(other)
    }
}

/// Where the branch of the work points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadFact {
    /// The commit; `None` once the branch is gone.
    pub sha: Option<CommitSha>,
    /// Who moved it, by login, where the teller says so.
    #[serde(default)]
    pub by: Option<String>,
    /// When, by the forge's clock.
    pub at: Timestamp,
}

impl HeadFact {
    /// Says whether this is the newer of two facts of one branch.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.at, &self.sha, &self.by) > (other.at, &other.sha, &other.by)
    }
}

/// The repository of the pull request as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryFact {
    /// The forge's number of it, which no renaming changes.
    pub id: u64,
    /// Its name now.
    pub name: RepoSlug,
    /// Whether nothing can be changed in it.
    #[serde(default)]
    pub archived: bool,
    /// Whether it is gone.
    #[serde(default)]
    pub deleted: bool,
    /// When that was so, by the forge's clock.
    pub at: Timestamp,
}

impl RepositoryFact {
    /// Says whether this is the newer of two facts of one repository.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let rank = |fact: &Self| (fact.deleted, fact.at, fact.archived, fact.name.to_string(), fact.id);
        rank(self) > rank(other)
    }

    /// Says whether both say the same, whenever they were told.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { at: other.at, ..self.clone() } == *other
    }
}

/// Makes a stranger's text fit to keep: no control characters but line breaks and tabs, nothing invisible, at most `limit` bytes.
pub fn plain(text: &str, limit: usize) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| is_shown(*c)) {
        if kept.len() + c.len_utf8() > limit {
            kept.push('…');
            break;
        }
        kept.push(c);
    }
    kept
}

/// Whether a reader sees it where it stands: no control, no direction mark, no zero width, no private tag.
fn is_shown(c: char) -> bool {
    match c {
        '\n' | '\t' => true,
        '\u{00ad}'
        | '\u{061c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => false,
        c => !c.is_control(),
    }
}
