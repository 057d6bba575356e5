//! Checks of a commit: suites, runs, statuses and workflow runs, by any commit id, whether or not anybody has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::{maybe, stamp};

/// All checks of one repository.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub suites: Vec<Suite>,
    pub runs: Vec<Run>,
    pub statuses: Vec<Status>,
    pub workflows: Vec<Workflow>,
}

/// What one App thinks of one commit.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub id: u64,
    pub sha: String,
    pub app: String,
    pub status: String,
    pub conclusion: Option<String>,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// One check.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub id: u64,
    pub suite: u64,
    pub name: String,
    pub status: String,
    pub conclusion: Option<String>,
    pub started_ms: Option<i64>,
    pub completed_ms: Option<i64>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub text: Option<String>,
    pub annotations: Vec<Value>,
    pub log: Option<String>,
    /// 302 or the refusal that stands for it.
    pub log_status: u16,
}

/// A commit status of the older kind.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub id: u64,
    pub sha: String,
    pub state: String,
    pub context: String,
    pub description: Option<String>,
    pub target_url: Option<String>,
    pub creator: String,
    pub created_ms: i64,
}

/// A run of a workflow.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub id: u64,
    pub suite: u64,
    pub sha: String,
    pub name: String,
    pub status: String,
    pub conclusion: Option<String>,
    pub attempt: u64,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// An App as checks show it.
pub(crate) fn app(slug: &str) -> Value {
    let id = if slug == "github-actions" { 15_368 } else { 20_000 + slug.len() as u64 };
    json!({"id": id, "slug": slug, "name": slug, "node_id": format!("A_{id}")})
}

/// Where a shape is shown: the repository's API address, its web address, the pull requests it belongs to.
pub(crate) struct Place {
    pub api: String,
    pub web: String,
    /// Empty for what comes from a fork.
    pub pulls: Value,
    pub branch: Option<String>,
}

impl Suite {
    pub(crate) fn json(&self, place: &Place, runs: usize) -> Value {
        json!({
            "id": self.id, "node_id": format!("CS_{}", self.id), "head_branch": place.branch, "head_sha": self.sha,
            "status": self.status, "conclusion": self.conclusion, "pull_requests": place.pulls,
            "app": app(&self.app), "created_at": stamp(self.created_ms), "updated_at": stamp(self.updated_ms),
            "latest_check_runs_count": runs, "url": format!("{}/check-suites/{}", place.api, self.id),
            "check_runs_url": format!("{}/check-suites/{}/check-runs", place.api, self.id),
        })
    }
}

impl Run {
    pub(crate) fn json(&self, suite: &Suite, place: &Place) -> Value {
        let page = format!("{}/actions/runs/{}/job/{}", place.web, suite.id, self.id);
        let url = format!("{}/check-runs/{}", place.api, self.id);
        json!({
            "id": self.id, "node_id": format!("CR_{}", self.id), "name": self.name, "head_sha": suite.sha,
            "status": self.status, "conclusion": self.conclusion, "external_id": "", "url": url, "html_url": page,
            "details_url": page, "started_at": maybe(self.started_ms), "completed_at": maybe(self.completed_ms),
            "output": {"title": self.title, "summary": self.summary, "text": self.text,
                "annotations_count": self.annotations.len(), "annotations_url": format!("{url}/annotations")},
            "check_suite": {"id": suite.id, "head_sha": suite.sha, "head_branch": place.branch,
                "status": suite.status, "conclusion": suite.conclusion},
            "app": app(&suite.app), "pull_requests": place.pulls,
        })
    }

    pub(crate) fn page(&self, web: &str) -> String {
        format!("{web}/actions/runs/{}/job/{}", self.suite, self.id)
    }
}

impl Status {
    pub(crate) fn json(&self, api: &str, creator: &Value) -> Value {
        json!({
            "id": self.id, "node_id": format!("SC_{}", self.id), "state": self.state, "context": self.context,
            "description": self.description, "target_url": self.target_url, "creator": creator, "avatar_url": null,
            "created_at": stamp(self.created_ms), "updated_at": stamp(self.created_ms),
            "url": format!("{api}/statuses/{}", self.sha),
        })
    }
}

impl Workflow {
    pub(crate) fn json(&self, place: &Place) -> Value {
        json!({
            "id": self.id, "node_id": format!("WFR_{}", self.id), "name": self.name, "head_sha": self.sha,
            "head_branch": place.branch, "event": "pull_request", "status": self.status,
            "conclusion": self.conclusion, "check_suite_id": self.suite, "run_attempt": self.attempt,
            "run_number": 1, "workflow_id": 1, "created_at": stamp(self.created_ms),
            "updated_at": stamp(self.updated_ms), "html_url": format!("{}/actions/runs/{}", place.web, self.id),
            "url": format!("{}/actions/runs/{}", place.api, self.id), "pull_requests": place.pulls,
        })
    }
}

impl Checks {
    pub(crate) fn suites_of(&self, sha: &str) -> Vec<&Suite> {
        self.suites.iter().filter(|suite| suite.sha == sha).collect()
    }

    pub(crate) fn suite(&self, id: u64) -> Option<&Suite> {
        self.suites.iter().find(|suite| suite.id == id)
    }

    /// The newest run of each name and suite, oldest first.
    pub(crate) fn latest(&self, sha: &str) -> Vec<(&Run, &Suite)> {
        let mut newest = BTreeMap::new();
        for run in &self.runs {
            if let Some(suite) = self.suite(run.suite).filter(|suite| suite.sha == sha) {
                newest.insert((run.suite, run.name.as_str()), (run, suite));
            }
        }
        let mut all: Vec<_> = newest.into_values().collect();
        all.sort_by_key(|(run, _)| run.id);
        all
    }

    /// The newest status of each context.
    pub(crate) fn latest_statuses(&self, sha: &str) -> Vec<&Status> {
        let mut newest = BTreeMap::new();
        for status in self.statuses.iter().filter(|status| status.sha == sha) {
            newest.insert(status.context.as_str(), status);
        }
        newest.into_values().collect()
    }

    /// The word for all statuses together: failure before pending before success; without any, pending.
    pub(crate) fn combined(&self, sha: &str) -> &'static str {
        let all = self.latest_statuses(sha);
        let any = |words: &[&str]| all.iter().any(|status| words.contains(&status.state.as_str()));
        match () {
            () if any(&["failure", "error"]) => "failure",
            () if all.is_empty() || any(&["pending"]) => "pending",
            () => "success",
        }
    }

    /// Draws a suite's word from its runs, and tells whether it has just been completed.
    pub(crate) fn settle(&mut self, id: u64, now_ms: i64) -> bool {
        let mut newest = BTreeMap::new();
        for run in self.runs.iter().filter(|run| run.suite == id) {
            newest.insert(run.name.as_str(), (run.status.as_str(), run.conclusion.as_deref()));
        }
        let is_over = newest.values().all(|(status, _)| *status == "completed");
        let worst = ["failure", "timed_out", "startup_failure", "cancelled", "action_required", "stale"];
        let has = |word: &&&str| newest.values().any(|(_, conclusion)| *conclusion == Some(**word));
        let word = worst.iter().find(has).copied().unwrap_or("success").to_owned();
        let begun = newest.values().any(|(status, _)| *status != "queued");
        let Some(suite) = self.suites.iter_mut().find(|suite| suite.id == id) else { return false };
        suite.updated_ms = now_ms;
        let was = (suite.status.clone(), suite.conclusion.clone());
        suite.status = if is_over {
            "completed"
        } else if begun {
            "in_progress"
        } else {
            "queued"
        }
        .to_owned();
        suite.conclusion = is_over.then_some(word);
        is_over && was != (suite.status.clone(), suite.conclusion.clone())
    }
}
