//! What people say about a pull request: reviews, comments, and remarks on lines.

use serde_json::{Value, json};

use crate::clock::stamp;

/// A review.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub id: u64,
    pub by: String,
    /// As the API writes it: `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`, `PENDING`.
    pub state: String,
    pub body: String,
    pub sha: String,
    pub at_ms: i64,
}

/// A comment on the whole.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub id: u64,
    pub by: String,
    pub body: String,
    pub association: String,
    pub at_ms: i64,
}

/// A comment on a line.
#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub id: u64,
    pub by: String,
    pub body: String,
    pub path: String,
    pub line: Option<u64>,
    pub sha: String,
    pub association: String,
    pub is_resolved: bool,
    pub at_ms: i64,
}

impl Review {
    /// `page` is the web address of the pull request.
    pub(crate) fn json(&self, user: &Value, api: &str, page: &str, association: &str) -> Value {
        json!({
            "id": self.id, "node_id": format!("PRR_{}", self.id), "user": user, "body": self.body,
            "state": self.state, "commit_id": self.sha, "submitted_at": stamp(self.at_ms),
            "html_url": format!("{page}#pullrequestreview-{}", self.id), "pull_request_url": api,
            "author_association": association,
        })
    }
}

impl Comment {
    /// `api` is the repository's address in the API.
    pub(crate) fn json(&self, user: &Value, api: &str, page: &str, number: u64) -> Value {
        json!({
            "id": self.id, "node_id": format!("IC_{}", self.id), "user": user, "body": self.body,
            "url": format!("{api}/issues/comments/{}", self.id),
            "html_url": format!("{page}#issuecomment-{}", self.id),
            "issue_url": format!("{api}/issues/{number}"), "author_association": self.association,
            "created_at": stamp(self.at_ms), "updated_at": stamp(self.at_ms),
        })
    }
}

impl Remark {
    pub(crate) fn json(&self, user: &Value, api: &str, page: &str, number: u64) -> Value {
        json!({
            "id": self.id, "node_id": format!("PRRC_{}", self.id), "user": user, "body": self.body,
            "path": self.path, "line": self.line, "commit_id": self.sha, "original_commit_id": self.sha,
            "diff_hunk": "", "position": self.line, "author_association": self.association,
            "url": format!("{api}/pulls/comments/{}", self.id),
            "html_url": format!("{page}#discussion_r{}", self.id),
            "pull_request_url": format!("{api}/pulls/{number}"), "pull_request_review_id": null,
            "created_at": stamp(self.at_ms), "updated_at": stamp(self.at_ms),
        })
    }
}
