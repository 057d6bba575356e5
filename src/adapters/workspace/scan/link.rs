//! Symbolic links of a change: where each leads.

use super::entry::{Entry, LINK, blob, sizes};
use super::name::is_git_name;
use super::{Subject, finding};
use crate::domain::policy::{Finding, Severity};
use crate::ports::workspace::WorkspaceError;

/// Bytes of a link's target at most; Linux allows 4,095.
const TARGET_CAP: usize = 4095;

/// Links that are read one by one; beyond that each is taken to lead out.
const LINKS_READ: usize = 500;

pub(super) fn look(subject: &Subject<'_>, entries: &[Entry]) -> Result<Vec<Finding>, WorkspaceError> {
    let links = || entries.iter().filter(|entry| entry.new_mode == LINK);
    let sizes = sizes(subject, links().map(|entry| entry.new_id.as_str()))?;
    let mut found = Vec::new();
    for (number, entry) in links().enumerate() {
        let is_short = sizes.get(&entry.new_id).is_some_and(|size| *size <= TARGET_CAP as u64);
        let target =
            if is_short && number < LINKS_READ { blob(subject, &entry.new_id, TARGET_CAP)? } else { None };
        found.push(match target.map(|target| String::from_utf8_lossy(&target).into_owned()) {
            None => finding("symlink", Severity::Blocking, &entry.path, "a symbolic link that was not read"),
            Some(target) => match leads_out(&entry.path, &target) {
                Some(why) => {
                    finding("symlink", Severity::Blocking, &entry.path, format!("leads to `{target}`: {why}"))
                }
                None => finding("symlink", Severity::Note, &entry.path, format!("leads to `{target}`")),
            },
        });
    }
    Ok(found)
}

/// Why a link leads out of the repository, if it does.
fn leads_out(path: &str, target: &str) -> Option<&'static str> {
    if target.starts_with(['/', '\\', '~']) || target.get(1..2) == Some(":") {
        return Some("an absolute path");
    }
    let mut depth = path.matches('/').count();
    let mut went_down = false;
    for part in target.split(['/', '\\']) {
        match part {
            "" | "." => {}
            // A folder on the way may be a link itself: up from there is somewhere else than it reads.
            ".." if went_down => return Some("it goes up again after it went down"),
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some("it leaves the repository"),
            },
            name if is_git_name(name) => return Some("it leads into a git directory"),
            _ => went_down = true,
        }
    }
    None
}
