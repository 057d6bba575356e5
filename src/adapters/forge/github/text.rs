//! GitHub's words as facts keep them: the same whether a webhook or an answer said them.
//!
//! Texts come from strangers; what is kept of them is cut and printable.

use crate::domain::forge::fact::{MAX_BODY, MAX_NAME, plain};
use crate::domain::id::{BranchName, CommitSha};
use crate::domain::time::Timestamp;

/// The longest address that is kept, in bytes; a cut one would lead nowhere.
const MAX_LINK: usize = 2_000;

/// GitHub's name for an account that was deleted.
const GHOST: &str = "ghost";

/// Reads a time as RFC 3339 has it, with `Z` or an offset; `None` for anything else.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

/// A login; GitHub's own word where the account is gone.
pub(super) fn login(text: Option<&str>) -> String {
    name(text.filter(|text| !text.is_empty()).unwrap_or(GHOST))
}

/// A name or title.
pub(super) fn name(text: &str) -> String {
    plain(text, MAX_NAME)
}

/// One of GitHub's fixed words, which are lower-case here and upper-case there.
pub(super) fn word(text: &str) -> String {
    name(text).to_ascii_lowercase()
}

/// What somebody wrote.
pub(super) fn body(text: Option<&str>) -> String {
    plain(text.unwrap_or_default(), MAX_BODY)
}

/// What a check says of itself, from its title and its summary.
pub(super) fn summary(title: Option<&str>, text: Option<&str>) -> String {
    let parts = [title, text].into_iter().flatten().map(str::trim).filter(|part| !part.is_empty());
    plain(&parts.collect::<Vec<_>>().join("\n"), MAX_BODY)
}

/// A page for people; `None` for what no browser should be led to.
pub(super) fn link(text: Option<&str>) -> Option<String> {
    text.filter(|text| text.starts_with("https://") || text.starts_with("http://"))
        .filter(|text| text.len() <= MAX_LINK && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned)
}

/// The word a check ended with; `None` while it waits or runs.
pub(super) fn ended(status: &str, conclusion: Option<&str>) -> Option<String> {
    conclusion.filter(|_| status.eq_ignore_ascii_case("completed")).map(word)
}

/// The word a commit status ended with; `None` while it waits.
pub(super) fn settled(state: &str) -> Option<String> {
    let word = word(state);
    (word != "pending" && word != "expected").then_some(word)
}

/// A branch; `None` for a name that no run's branch has.
pub(super) fn branch(text: &str) -> Option<BranchName> {
    BranchName::new(text).ok()
}

/// A commit.
///
/// # Errors
/// What it should have been, in words.
pub(super) fn commit(text: &str) -> Result<CommitSha, String> {
    CommitSha::new(text).map_err(|err| err.to_string())
}
