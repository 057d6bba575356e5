//! Names of things: every identifier is a type of its own, checked where it enters.
//!
//! A value of these types has passed its rule, so no later code checks again. The rules keep names harmless as path
//! segments, as git refs and as command arguments (`docs/security.md`).

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Says why a text is not the identifier it was offered as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a valid {what}: {rule}")]
pub struct InvalidId {
    /// What the text should have been, as a person calls it.
    pub what: &'static str,
    /// The rule it broke, as a sentence fragment.
    pub rule: &'static str,
    /// The offered text, cut and made printable.
    pub shown: String,
}

impl InvalidId {
    pub(crate) fn new(what: &'static str, rule: &'static str, text: &str) -> Self {
        let shown = text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        Self { what, rule, shown }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it keeps the rule.
            ///
            /// # Errors
            /// [`InvalidId`] naming the rule.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(InvalidId::new($what, $rule, &text)) }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

fn word(text: &str, max: usize, first: fn(char) -> bool, rest: fn(char) -> bool) -> bool {
    let mut chars = text.chars();
    text.len() <= max && chars.next().is_some_and(first) && chars.all(rest)
}

text_id!(
    /// Names a run; also a folder name and the last part of its branch.
    RunId,
    "run id",
    "1 to 64 letters, digits, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
);

text_id!(
    /// Names one request to open a pull request.
    RequestId,
    "request id",
    "1 to 64 letters, digits or `-`",
    |t| word(t, 64, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || c == '-')
);

text_id!(
    /// A caller's name for one occurrence, unique within a run.
    IdempotencyKey,
    "idempotency key",
    "1 to 200 printable ASCII characters without spaces",
    |t| word(t, 200, |c| c.is_ascii_graphic(), |c| c.is_ascii_graphic())
);

text_id!(
    /// A git branch name that git accepts and that cannot be taken for an option.
    BranchName,
    "branch name",
    "a git branch name of at most 200 bytes, not starting with `-`, `/` or `refs/`",
    |t| is_branch(t)
);

text_id!(
    /// A full git object id of a commit, lower-case hex, SHA-1 or SHA-256.
    CommitSha,
    "commit id",
    "40 or 64 lower-case hex digits",
    |t| is_object_id(t)
);

text_id!(
    /// A full git object id of a tree, lower-case hex, SHA-1 or SHA-256.
    TreeSha,
    "tree id",
    "40 or 64 lower-case hex digits",
    |t| is_object_id(t)
);

text_id!(
    /// A SHA-256 digest in lower-case hex.
    Digest,
    "digest",
    "64 lower-case hex digits",
    |t| t.len() == 64 && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

impl CommitSha {
    /// The first twelve digits, enough for a person to tell commits apart.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The rules of `git check-ref-format --branch` that matter, and no more than that.
fn is_branch(text: &str) -> bool {
    let bad_char = |c: char| c.is_ascii_control() || c == '\u{7f}' || " ~^:?*[\\".contains(c);
    !text.is_empty()
        && text.len() <= 200
        && text != "@"
        && text != "HEAD"
        && !text.starts_with(['-', '/'])
        && !text.starts_with("refs/")
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
        && !text.chars().any(bad_char)
        && text.split('/').all(|part| !part.starts_with('.') && !part.ends_with(".lock"))
}

/// A repository as `owner/repo`.
///
/// Two slugs that differ only in letter case are the same repository, as on GitHub; `Eq` follows that.
/// Owner: 1 to 39 letters, digits, `_` or `-`. Repository: 1 to 100 letters, digits, `.`, `_` or `-`, not `.`, `..`, not
/// starting with `-`, not ending in `.git`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoSlug {
    owner: String,
    repo: String,
}

impl RepoSlug {
    /// Takes owner and repository name if both keep their rule.
    ///
    /// # Errors
    /// [`InvalidId`] naming the part and the rule.
    pub fn new(owner: &str, repo: &str) -> Result<Self, InvalidId> {
        let owner_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !word(owner, 39, |c| c.is_ascii_alphanumeric(), owner_char) {
            let rule = "1 to 39 letters, digits, `_` or `-`, starting with a letter or digit";
            return Err(InvalidId::new("owner", rule, owner));
        }
        let first = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let rest = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-';
        let dots = repo.chars().all(|c| c == '.');
        if !word(repo, 100, first, rest) || dots || repo.to_ascii_lowercase().ends_with(".git") {
            let rule = "1 to 100 letters, digits, `.`, `_` or `-`, not only dots, not starting with `-`, not ending in `.git`";
            return Err(InvalidId::new("repository name", rule, repo));
        }
        Ok(Self { owner: owner.to_owned(), repo: repo.to_owned() })
    }

    /// The account that owns the repository.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The repository's name without its owner.
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// The form that is equal for equal slugs: lower-case `owner/repo`, safe as two path segments.
    pub fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl PartialEq for RepoSlug {
    fn eq(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.repo.eq_ignore_ascii_case(&other.repo)
    }
}

impl Eq for RepoSlug {}

impl fmt::Display for RepoSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.repo)
    }
}

impl FromStr for RepoSlug {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (owner, repo) =
            text.split_once('/').ok_or_else(|| InvalidId::new("repository", "`owner/repo`", text))?;
        Self::new(owner, repo)
    }
}

impl TryFrom<String> for RepoSlug {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RepoSlug> for String {
    fn from(slug: RepoSlug) -> Self {
        slug.to_string()
    }
}

/// The number of a pull request, 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrNumber(NonZeroU64);

impl PrNumber {
    /// Takes a number of 1 or more; `None` for 0.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for PrNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Global position of an event in the log, starting at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventSeq(pub u64);

/// Number of events of one run; also the version of the run after its last event. 0 is a run that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for EventSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Version {
    /// The version after one more event.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Number of an attempt within its run, starting at 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNo(pub u32);

impl fmt::Display for AttemptNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
