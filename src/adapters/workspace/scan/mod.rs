//! The policy scan: looks at the objects of a change, and at nothing an agent can still write, for what a person must see.
//!
//! It reads the control repository only. Nothing is refused here: a finding weighs, a person decides. What could not be
//! looked at is a finding itself.

use std::collections::BTreeSet;

use super::protected::is_ignorable;
use crate::adapters::git::control::ControlRepos;
use crate::domain::id::{CommitSha, RepoSlug};
use crate::domain::policy::{Finding, Policy, Severity};
use crate::ports::workspace::WorkspaceError;

mod content;
mod entry;
mod link;
mod name;
mod patch;

/// Findings listed; more are counted.
const LISTED: usize = 200;

/// The repository and the two commits.
pub(super) struct Subject<'a> {
    pub(super) control: &'a ControlRepos,
    pub(super) repo: &'a RepoSlug,
    pub(super) base: &'a CommitSha,
    pub(super) head: &'a CommitSha,
}

pub(super) fn scan(subject: &Subject<'_>, policy: &Policy) -> Result<Vec<Finding>, WorkspaceError> {
    let entries = entry::changed(subject)?;
    let numbers = entry::numbers(subject)?;
    let mut findings = budget(entries.len(), numbers.added, policy);
    findings.extend(name::look(&entries, policy));
    findings.extend(name::clashes(subject, &entries)?);
    findings.extend(link::look(subject, &entries)?);
    findings.extend(entry::big(subject, &entries, policy)?);
    findings.extend(content::look(subject, &numbers.binary)?);
    findings.extend(content::scripts(subject, &entries)?);
    Ok(in_order(findings))
}

/// A finding; what cannot be seen is left out of its words.
fn finding(rule: &str, severity: Severity, path: &str, detail: impl AsRef<str>) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity,
        path: visible(path),
        line: None,
        detail: visible(detail.as_ref()),
    }
}

fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !is_ignorable(*c)).collect()
}

fn budget(files: usize, added: u64, policy: &Policy) -> Vec<Finding> {
    let over = |count: u64, most: u32, what: &str| {
        (most > 0 && count > u64::from(most)).then(|| {
            finding(
                "diff_budget",
                Severity::Blocking,
                "",
                format!("the change has {count} {what}, the policy allows {most}"),
            )
        })
    };
    let files = u64::try_from(files).unwrap_or(u64::MAX);
    let found = [over(files, policy.max_files, "files"), over(added, policy.max_added_lines, "added lines")];
    found.into_iter().flatten().collect()
}

/// Blocking ones first, then by path and line, each once; what is too much to list is counted.
fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (std::cmp::Reverse(f.severity), f.path.clone(), f.line, f.rule.clone());
        key(a).cmp(&key(b)).then_with(|| a.detail.cmp(&b.detail))
    });
    findings.dedup();
    let rest = findings.split_off(findings.len().min(LISTED));
    if let Some(first) = rest.first() {
        let rules: BTreeSet<&str> = rest.iter().map(|finding| finding.rule.as_str()).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
        let more = finding("more", first.severity, "", format!("{} more findings: {rules}", rest.len()));
        let blocking = findings.iter().take_while(|finding| finding.severity == Severity::Blocking).count();
        let at = if first.severity == Severity::Blocking { blocking } else { findings.len() };
        findings.insert(at, more);
    }
    findings
}
