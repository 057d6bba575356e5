//! The parts of the answer that are read.

use serde::Deserialize;

use super::super::text;
use crate::domain::id::PrNumber;

/// A list; entries that whoever asked may not see are null.
#[derive(Debug, Deserialize)]
pub(super) struct Nodes<T> {
    #[serde(default = "Vec::new")]
    pub(super) nodes: Vec<Option<T>>,
}

/// A list that may be missing as a whole.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct List<T>(Option<Nodes<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> List<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|list| list.nodes.iter().flatten())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Repository {
    pub(super) database_id: u64,
    pub(super) name_with_owner: String,
    pub(super) is_archived: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pull {
    pub(super) number: PrNumber,
    pub(super) state: String,
    #[serde(default)]
    pub(super) merged: bool,
    #[serde(default)]
    pub(super) is_draft: bool,
    pub(super) updated_at: String,
    pub(super) head_ref_oid: String,
    pub(super) base_ref_name: String,
    #[serde(default)]
    pub(super) merged_by: Option<Actor>,
    #[serde(default)]
    pub(super) merge_commit: Option<Oid>,
    #[serde(default)]
    pub(super) reviews: List<Review>,
    #[serde(default)]
    pub(super) comments: List<Comment>,
    #[serde(default)]
    pub(super) review_threads: List<Thread>,
    #[serde(default)]
    pub(super) commits: List<CommitNode>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Actor {
    #[serde(rename = "__typename", default)]
    kind: Option<String>,
    #[serde(default)]
    login: Option<String>,
}

impl Actor {
    /// The login as webhooks have it: there, a bot's has a suffix that no person's can have, and here it has none.
    pub(super) fn name(&self) -> String {
        let login = text::login(self.login.as_deref());
        let is_bot = self.kind.as_deref() == Some("Bot") && !login.ends_with("[bot]");
        if is_bot { format!("{login}[bot]") } else { login }
    }
}

/// The login of whoever wrote something.
pub(super) fn login(author: Option<&Actor>) -> String {
    author.map_or_else(|| text::login(None), Actor::name)
}

#[derive(Debug, Deserialize)]
pub(super) struct Oid {
    pub(super) oid: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review {
    pub(super) database_id: u64,
    pub(super) state: String,
    #[serde(default)]
    pub(super) submitted_at: Option<String>,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) author: Option<Actor>,
    #[serde(default)]
    pub(super) author_association: Option<String>,
    #[serde(default)]
    pub(super) commit: Option<Oid>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comment {
    pub(super) database_id: u64,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) updated_at: Option<String>,
    #[serde(default)]
    pub(super) author: Option<Actor>,
    #[serde(default)]
    pub(super) author_association: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thread {
    pub(super) is_resolved: bool,
    #[serde(default)]
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) line: Option<u32>,
    #[serde(default)]
    pub(super) comments: List<Comment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommitNode {
    pub(super) commit: Commit,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Commit {
    pub(super) oid: String,
    #[serde(default)]
    pub(super) status_check_rollup: Option<Rollup>,
    #[serde(default)]
    pub(super) check_suites: List<Suite>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rollup {
    pub(super) contexts: Contexts,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contexts {
    #[serde(default)]
    pub(super) page_info: Option<PageInfo>,
    pub(super) nodes: Vec<Option<Context>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "__typename")]
pub(super) enum Context {
    CheckRun(CheckRun),
    StatusContext(StatusContext),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckRun {
    pub(super) database_id: u64,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) conclusion: Option<String>,
    #[serde(default)]
    pub(super) started_at: Option<String>,
    #[serde(default)]
    pub(super) completed_at: Option<String>,
    #[serde(default)]
    pub(super) details_url: Option<String>,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default)]
    pub(super) check_suite: Option<SuiteRef>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SuiteRef {
    pub(super) database_id: u64,
    #[serde(default)]
    pub(super) app: Option<App>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusContext {
    pub(super) context: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) target_url: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Suite {
    pub(super) database_id: u64,
    pub(super) status: String,
    #[serde(default)]
    pub(super) conclusion: Option<String>,
    #[serde(default)]
    pub(super) updated_at: Option<String>,
    #[serde(default)]
    pub(super) app: Option<App>,
    #[serde(default)]
    pub(super) workflow_run: Option<WorkflowRun>,
    pub(super) check_runs: Count,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Count {
    pub(super) total_count: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct App {
    #[serde(default)]
    slug: Option<String>,
}

/// An app's short name; empty where it is unknown.
pub(super) fn slug(app: Option<&App>) -> String {
    text::name(app.and_then(|app| app.slug.as_deref()).unwrap_or_default())
}

#[derive(Debug, Deserialize)]
pub(super) struct WorkflowRun {
    #[serde(default)]
    pub(super) workflow: Option<Workflow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Workflow {
    pub(super) name: String,
}
