//! Lines that name trouble: what passes by itself, and what does not.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::shape::Signals;

/// Longest line that is kept, in characters: enough for a person to see what it was.
const MAX_LINE: usize = 300;

/// Trouble a person has to mend (the seed's list).
const HARD: &str = r"permission denied|operation not permitted|read-only file system|authentication failed|unauthorized|forbidden|not a git repository|repository not found|command not found|no such file or directory|index\.lock";
/// Trouble that passes by itself (the seed's list, and the overloads of model servers).
const TRANSIENT: &str = r"timed out|\btimeout\b|temporary failure|temporarily unavailable|connection (?:reset|aborted|refused)|could not resolve host|failed to resolve|network is unreachable|rate.?limit|too many requests|\b(?:http|status|error|code)[ :=/]*(?:429|5\d\d)\b|service unavailable|overloaded|high demand";

static HARD_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| compile(HARD));
static TRANSIENT_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| compile(TRANSIENT));

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).case_insensitive(true).build().ok()
}

/// Notes an error line. The last one that names trouble wins: what came before it did not end the agent.
pub(super) fn note(signals: &mut Signals, line: &str) {
    let names =
        |pattern: &LazyLock<Option<Regex>>| pattern.as_ref().is_some_and(|regex| regex.is_match(line));
    let (hard, transient) = (names(&HARD_LINE), names(&TRANSIENT_LINE));
    if !hard && !transient {
        return;
    }
    let kept = || Some(cut(line));
    signals.hard = hard.then(kept).flatten();
    signals.transient = transient.then(kept).flatten();
}

/// A text without its surroundings, cut at [`MAX_LINE`] characters.
pub(super) fn cut(text: &str) -> String {
    text.trim().chars().take(MAX_LINE).collect()
}
