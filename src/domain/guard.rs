//! The guard: what a phase of the agent's work may touch, and what was found touched that it may not.
//!
//! The comparison itself is an adapter's; these are its words. What was illegal is put back, path by path; what was legal,
//! and what was there before the phase, stays.

use serde::{Deserialize, Serialize};

/// Violations listed in one report; the count goes on.
pub const LISTED_VIOLATIONS: usize = 50;

/// What a phase may write in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The plan file only.
    Plan,
    /// Everything but protected paths.
    Build,
    /// Nothing.
    Nothing,
}

/// What was done to a path that the phase may not touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// A new file.
    Created,
    /// Other content.
    Changed,
    /// It is gone.
    Deleted,
    /// Other permissions, or another kind of file.
    Mode,
    /// `HEAD` points elsewhere.
    Head,
    /// A branch or tag moved, came or went.
    Ref,
    /// Something in `.git` that decides what git runs: configuration, hooks, attributes, alternates.
    GitInternals,
    /// The agent pushed. Cannot be put back.
    Pushed,
}

impl Breach {
    /// What happened, for people: the words between path and full stop.
    pub fn words(self) -> &'static str {
        match self {
            Self::Created => "was created",
            Self::Changed => "was changed",
            Self::Deleted => "was deleted",
            Self::Mode => "got another mode or kind",
            Self::Head => "was moved",
            Self::Ref => "was moved, made or removed",
            Self::GitInternals => "was changed inside the git directory",
            Self::Pushed => "was pushed by the agent",
        }
    }

    /// Says whether putting the workspace back undoes it.
    pub fn is_reversible(self) -> bool {
        self != Self::Pushed
    }
}

/// One thing a phase touched and may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The path relative to the workspace, or the ref; control characters are left out.
    pub path: String,
    /// What was done.
    pub breach: Breach,
}

/// What the guard found after a phase, and undid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardReport {
    /// What the phase was allowed.
    pub scope: Scope,
    /// The first [`LISTED_VIOLATIONS`], sorted by path.
    pub violations: Vec<Violation>,
    /// How many there were.
    pub count: u32,
}

impl GuardReport {
    /// A report of nothing.
    pub fn clean(scope: Scope) -> Self {
        Self { scope, violations: Vec::new(), count: 0 }
    }

    /// A report of violations, sorted and cut.
    pub fn of(scope: Scope, mut violations: Vec<Violation>) -> Self {
        violations.sort_by(|a, b| a.path.cmp(&b.path));
        let count = u32::try_from(violations.len()).unwrap_or(u32::MAX);
        // What cannot be undone is never cut off the list.
        violations.sort_by_key(|violation| violation.breach.is_reversible());
        violations.truncate(LISTED_VIOLATIONS);
        Self { scope, violations, count }
    }

    /// Says whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.count == 0
    }

    /// Says whether something was done that cannot be undone.
    pub fn is_irreversible(&self) -> bool {
        self.violations.iter().any(|violation| !violation.breach.is_reversible())
    }
}
