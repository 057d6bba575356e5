//! Known failures: patterns over the excerpt of a failed check that is known to fail on the base too.

use regex::{Regex, RegexBuilder};

/// Largest compiled pattern, in bytes: a pattern is written by hand.
const MAX_COMPILED: usize = 1024 * 1024;

/// Says which pattern matches an excerpt first. Letter case counts; `^` and `$` stand for line ends.
///
/// A pattern that does not compile matches nothing; [`check_patterns`] refuses it when the configuration is read.
pub fn is_known<'a>(patterns: &'a [String], excerpt: &str) -> Option<&'a str> {
    let matches = |pattern: &&String| compile(pattern).is_ok_and(|regex| regex.is_match(excerpt));
    patterns.iter().find(matches).map(String::as_str)
}

/// Refuses patterns that do not compile, and those that match anything: they would call every failure known.
///
/// # Errors
/// The first such pattern and why, for people.
pub fn check_patterns(patterns: &[String]) -> Result<(), String> {
    for pattern in patterns {
        let regex = compile(pattern).map_err(|err| {
            let why = err.to_string();
            format!("`{pattern}` is no regular expression: {}", why.lines().last().unwrap_or_default().trim())
        })?;
        if regex.is_match("") {
            return Err(format!("`{pattern}` matches even an empty text; name the failure it stands for"));
        }
    }
    Ok(())
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).multi_line(true).size_limit(MAX_COMPILED).build()
}
