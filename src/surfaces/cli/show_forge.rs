//! What the forge said of a run's pull request, for `show` and `why`: checks, reviewers, and the pull request itself.
//!
//! All of it was written by strangers: it goes out through [`Ui`] alone, which makes it printable.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ui::Ui;
use super::words;
use crate::domain::forge::fact::{CheckFact, Light, PullState, ReviewFact};
use crate::domain::forge::standing::{CiStatus, ReviewStatus};
use crate::domain::id::CommitSha;
use crate::domain::run::Run;
use crate::domain::secret;

/// Checks and reviewers that are listed; of more, people look at the forge.
const SHOWN: usize = 20;

/// Names in one line of `why`.
const NAMED: usize = 5;

impl Ui {
    /// Prints what the forge said; prints nothing where it has said nothing.
    pub(super) fn forge(&self, run: &Run) {
        if let Some(says) = pull_state(run) {
            self.field("at the forge", says);
        }
        if let Some(says) = moved(run) {
            self.field("branch", says);
        }
        if let Some(repository) = &run.forge.repository {
            match (repository.deleted, repository.archived) {
                (true, _) => self.field("repository", format!("{} is gone", repository.name)),
                (false, true) => self.field("repository", format!("{} is archived", repository.name)),
                (false, false) if repository.name != run.spec.repo => {
                    self.field("repository", format!("is {} now", repository.name));
                }
                (false, false) => {}
            }
        }
        let checks = checks(run);
        match run.ci() {
            Some(ci) if !checks.is_empty() => self.field("forge checks", ci_words(ci)),
            Some(_) | None => {
                if let Some((_, conclusion)) = &run.forge_checks {
                    self.field("forge checks", conclusion);
                }
            }
        }
        for check in checks.iter().take(SHOWN) {
            let url = check.url.as_deref().map(|url| format!(" {url}")).unwrap_or_default();
            self.field("", format!("{}: {}{url}", light_words(check), check.shown()));
        }
        if checks.len() > SHOWN {
            self.field("", format!("and {} more", checks.len() - SHOWN));
        }
        self.reviewers(run);
        if !run.forge.comments.is_empty() {
            self.field("comments", run.forge.comments.len().to_string());
        }
        if let Some((until, times)) = run.forge_parked {
            let times = words::count(u64::from(times), "time");
            self.field("forge parked", format!("until {}, {times} in a row", words::when(until)));
        }
    }

    fn reviewers(&self, run: &Run) {
        let reviews: Vec<&ReviewFact> = run.forge.reviews.values().collect();
        if reviews.is_empty() {
            if let Some(review) = &run.review {
                self.field("review", review);
            }
            return;
        }
        for (index, review) in reviews.iter().take(SHOWN).enumerate() {
            let name = if index == 0 { "reviewers" } else { "" };
            self.field(name, format!("{} {}", reviewer(review), verdict_words(run, review)));
        }
        if reviews.len() > SHOWN {
            self.field("", format!("and {} more", reviews.len() - SHOWN));
        }
    }
}

/// What of the forge a run waits for or stopped at, in one line; `None` where the forge says nothing of it.
pub(super) fn line(run: &Run) -> Option<String> {
    if run.pr_is_over() {
        return pull_state(run).map(|says| format!("the pull request is {says}"));
    }
    if let Some(repository) = run.forge.repository.as_ref().filter(|known| known.deleted || known.archived) {
        let how = if repository.deleted { "gone" } else { "archived" };
        return Some(format!("the repository {} is {how}", repository.name));
    }
    if let Some(says) = moved(run) {
        return Some(format!("the branch {says}"));
    }
    let failed = named(checks(run).into_iter().filter(|check| check.light() == Light::Red));
    let reviewers: Vec<String> = open_requests(run).into_iter().map(reviewer).collect();
    let mut parts = Vec::new();
    if let Some(failed) = failed {
        parts.push(format!("checks failed: {failed}"));
    }
    if !reviewers.is_empty() {
        let names: Vec<&str> = reviewers.iter().take(NAMED).map(String::as_str).collect();
        parts.push(format!("changes are asked for by {}", names.join(", ")));
    }
    if !parts.is_empty() {
        return Some(parts.join("; "));
    }
    match run.ci()? {
        CiStatus::Silent => None,
        CiStatus::Held => Some("its checks wait for a maintainer to let them run".to_owned()),
        CiStatus::Running => {
            let waits = checks(run).into_iter().filter(|check| check.light() == Light::Yellow);
            named(waits).map(|names| format!("checks that are not through: {names}"))
        }
        CiStatus::Green | CiStatus::Red => Some("every check passed".to_owned()),
    }
}

/// The same for machines; null before anything of the run is at a forge.
pub(super) fn document(run: &Run) -> Value {
    if run.pushed.is_none() && run.pr.is_none() && run.forge_parked.is_none() {
        return Value::Null;
    }
    let candidate = run.change.as_ref().map(|change| &change.head_sha);
    let checks: Vec<Value> = checks(run).into_iter().map(check).collect();
    let reviews: Vec<Value> = run.forge.reviews.values().map(|review| self::review(run, review)).collect();
    let head = run.forge.newest_head().map(|head| {
        json!({
            "sha": head.sha,
            "by": head.by,
            "at": words::when(head.at),
            "foreign": head.sha.as_ref().is_some_and(|sha| !run.forge.is_ours(sha, candidate)),
            "accepted": run.forge.accepted().is_some(),
        })
    });
    json!({
        "ci": run.ci().map(CiStatus::name),
        "review": judged(run).map(|head| match run.forge.review(head) {
            ReviewStatus::Open => "open",
            ReviewStatus::Approved => "approved",
            ReviewStatus::ChangesRequested => "changes_requested",
        }),
        "checks": checks,
        "reviews": reviews,
        "comments": run.forge.comments.len(),
        "pull": run.forge.pull.as_ref().map(|pull| json!({
            "number": pull.number,
            "state": pull.state,
            "draft": pull.draft,
            "head_sha": pull.head_sha,
            "base_branch": pull.base_branch,
            "by": pull.by,
            "merge_sha": pull.merge_sha,
            "at": words::when(pull.at),
        })),
        "head": head,
        "repository": run.forge.repository.as_ref().map(|repository| json!({
            "id": repository.id,
            "name": repository.name.to_string(),
            "archived": repository.archived,
            "deleted": repository.deleted,
            "at": words::when(repository.at),
        })),
        "parked": run.forge_parked.map(|(until, times)| json!({ "until": words::when(until), "times": times })),
    })
}

fn check(check: &CheckFact) -> Value {
    json!({
        "name": check.shown(),
        "kind": check.kind,
        "app": check.app,
        "light": light_name(check.light()),
        "conclusion": check.conclusion,
        "url": check.url,
        "summary": secret::redacted(&check.summary),
        "head_sha": check.head_sha,
        "at": words::when(check.at),
    })
}

fn review(run: &Run, review: &ReviewFact) -> Value {
    json!({
        "reviewer": review.reviewer,
        "state": review.state,
        "counts": review.state != "changes_requested" || is_open(run, review),
        "commit": review.commit,
        "body": secret::redacted(&review.body),
        "at": words::when(review.at),
    })
}

/// The commit that checks and reviewers are heard about.
fn judged(run: &Run) -> Option<&CommitSha> {
    run.pushed.as_ref().map(|pushed| run.forge.judged(&pushed.sha))
}

/// The checks that count, those that failed first.
fn checks(run: &Run) -> Vec<&CheckFact> {
    let mut by_light: BTreeMap<u8, Vec<&CheckFact>> = BTreeMap::new();
    for check in judged(run).into_iter().flat_map(|head| run.forge.checks_of(head)) {
        let place = match check.light() {
            Light::Red => 0,
            Light::Held => 1,
            Light::Yellow => 2,
            Light::Green => 3,
        };
        by_light.entry(place).or_default().push(check);
    }
    by_light.into_values().flatten().collect()
}

fn open_requests(run: &Run) -> Vec<&ReviewFact> {
    judged(run).into_iter().flat_map(|head| run.forge.open_requests(head)).collect()
}

fn is_open(run: &Run, review: &ReviewFact) -> bool {
    open_requests(run).contains(&review)
}

/// The first names of checks, and how many more there are; `None` for none.
fn named<'a>(checks: impl Iterator<Item = &'a CheckFact>) -> Option<String> {
    let names: Vec<String> = checks.map(CheckFact::shown).collect();
    let shown = names.get(..NAMED).unwrap_or(&names).join(", ");
    let more = names.len().saturating_sub(NAMED);
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(shown),
        (false, more) => Some(format!("{shown} and {more} more")),
    }
}

fn pull_state(run: &Run) -> Option<String> {
    let pull = run.forge.pull.as_ref()?;
    let by = pull.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    Some(match (pull.state, pull.draft) {
        (PullState::Open, true) => "open, a draft".to_owned(),
        (PullState::Open, false) => "open".to_owned(),
        (PullState::Merged, _) => format!("merged{by}"),
        (PullState::Closed, _) => format!("closed{by} without being merged"),
    })
}

/// Where somebody else left the branch.
fn moved(run: &Run) -> Option<String> {
    let candidate = run.change.as_ref().map(|change| &change.head_sha);
    if let Some(head) = run.forge.foreign_head(candidate) {
        let who = head.by.as_deref().unwrap_or("somebody else");
        return head.sha.map(|sha| format!("was moved to {} by {who}", sha.short()));
    }
    run.forge.accepted().map(|sha| format!("is at {} of somebody else, which a person accepted", sha.short()))
}

fn reviewer(review: &ReviewFact) -> String {
    if review.reviewer.is_empty() { "record-review".to_owned() } else { review.reviewer.clone() }
}

fn verdict_words(run: &Run, review: &ReviewFact) -> String {
    match review.state.as_str() {
        "approved" => "approved".to_owned(),
        "changes_requested" if is_open(run, review) => "asks for changes".to_owned(),
        "changes_requested" => "asked for changes, before the newest push".to_owned(),
        "dismissed" => "is dismissed".to_owned(),
        other => other.to_owned(),
    }
}

fn ci_words(ci: CiStatus) -> &'static str {
    match ci {
        CiStatus::Silent => "none yet",
        CiStatus::Running => "not all are through",
        CiStatus::Held => "wait for a maintainer to let them run",
        CiStatus::Green => "passed",
        CiStatus::Red => "failed",
    }
}

fn light_words(check: &CheckFact) -> String {
    match (check.light(), check.conclusion.as_deref()) {
        (Light::Red, Some("failure")) => "failed".to_owned(),
        (Light::Red, Some(word)) => format!("failed ({word})"),
        (Light::Red, None) => "failed".to_owned(),
        (Light::Held, _) => "waits for a maintainer".to_owned(),
        (Light::Yellow, None) => "waits or runs".to_owned(),
        (Light::Yellow, Some(word)) => format!("says {word}"),
        (Light::Green, Some("success") | None) => "passed".to_owned(),
        (Light::Green, Some(word)) => format!("passed ({word})"),
    }
}

fn light_name(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Yellow => "yellow",
        Light::Held => "held",
        Light::Red => "red",
    }
}
