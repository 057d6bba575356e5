//! Rules of single values of a contract: paths that stay in the repository, patterns that compile, names of variables.

use regex::RegexBuilder;

/// A path below the repository, without `.` and `..`; empty is the repository itself.
///
/// Only the text is judged. What a link of that name leads to is judged where the path is used.
///
/// # Errors
/// What is wrong with it.
pub(super) fn path_inside(text: &str) -> Result<String, &'static str> {
    const OUTSIDE: &str = "leads out of the repository; give a path relative to its root";
    if text.starts_with('/') || text.starts_with('~') {
        return Err(OUTSIDE);
    }
    if text.contains(['\n', '\t', '\\']) {
        return Err("is no plain path with `/` between its parts");
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(OUTSIDE)?;
            }
            part => parts.push(part),
        }
    }
    if parts.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err("leads into `.git`, which belongs to git");
    }
    Ok(parts.join("/"))
}

/// Compiles a pattern as the command rules will, and forgets it.
///
/// # Errors
/// The reason in one line.
pub(super) fn pattern(text: &str) -> Result<(), String> {
    const COMPILED_BYTES: usize = 1024 * 1024;
    match RegexBuilder::new(text).case_insensitive(true).size_limit(COMPILED_BYTES).build() {
        Ok(_) => Ok(()),
        Err(err) => {
            let text = err.to_string();
            let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            let reason = last.strip_prefix("error: ").unwrap_or(last);
            Err(format!(
                "is no regular expression: {reason}; put `\\` before a character that is meant literally"
            ))
        }
    }
}

/// Judges the name and the value of a variable.
///
/// # Errors
/// What is wrong with it.
pub(super) fn variable(name: &str, value: &str) -> Result<(), &'static str> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        Err("a variable's name has letters, digits and `_`, and begins with no digit")
    } else if name.starts_with("AGENTPR_") {
        // One of them marks what belongs to a run, and leftovers are ended by it.
        Err("names beginning with `AGENTPR_` are the engine's own")
    } else if value.contains('\0') {
        Err("a variable's value cannot contain a NUL character")
    } else {
        Ok(())
    }
}
