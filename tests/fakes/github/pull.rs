//! A pull request as a value: what it holds, and the shapes in which the API and the webhooks show it.

use serde_json::{Value, json};

use crate::clock::{maybe, stamp};
use crate::talk::{Comment, Remark, Review};
use crate::user::Level;
use crate::world::World;

/// One pull request.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub body: Option<String>,
    pub author: String,
    pub is_draft: bool,
    pub is_open: bool,
    /// The repository the branch is in, which may be gone.
    pub head_repository: u64,
    pub head_owner: String,
    pub head_branch: String,
    pub head_sha: String,
    pub base_branch: String,
    pub base_sha: String,
    pub may_maintainers_push: bool,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub closed_ms: Option<i64>,
    pub merged: Option<Merged>,
    pub labels: Vec<String>,
    pub reviews: Vec<Review>,
    pub comments: Vec<Comment>,
    pub remarks: Vec<Remark>,
}

/// How it was merged.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub at_ms: i64,
    pub by: String,
    pub commit: String,
}

impl Pull {
    pub(crate) fn state(&self) -> &'static str {
        if self.is_open { "open" } else { "closed" }
    }

    /// `owner:branch`.
    pub(crate) fn label(&self) -> String {
        format!("{}:{}", self.head_owner, self.head_branch)
    }

    /// The line in a list, which has less than the whole: not whether it was merged, for one.
    pub(crate) fn line(&self, world: &World, base: u64) -> Value {
        let Some(repository) = world.repositories.get(&base) else { return Value::Null };
        let (api, number) = (world.url(repository), self.number);
        let html_url = format!("{}/{}/pull/{number}", world.origin, repository.full_name());
        let labels: Vec<Value> = self.labels.iter().map(|name| label(&api, name)).collect();
        let user = world.user_json(&self.author);
        json!({
            "id": self.id, "node_id": self.node(), "number": number, "state": self.state(), "locked": false,
            "url": format!("{api}/pulls/{number}"), "html_url": html_url,
            "issue_url": format!("{api}/issues/{number}"), "diff_url": format!("{html_url}.diff"),
            "patch_url": format!("{html_url}.patch"), "commits_url": format!("{api}/pulls/{number}/commits"),
            "comments_url": format!("{api}/issues/{number}/comments"),
            "review_comments_url": format!("{api}/pulls/{number}/comments"),
            "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
            "statuses_url": format!("{api}/statuses/{}", self.head_sha),
            "title": self.title, "body": self.body, "user": user, "labels": labels, "draft": self.is_draft,
            "created_at": stamp(self.created_ms), "updated_at": stamp(self.updated_ms),
            "closed_at": maybe(self.closed_ms),
            "merged_at": maybe(self.merged.as_ref().map(|merged| merged.at_ms)),
            "merge_commit_sha": self.merged.as_ref().map(|merged| merged.commit.as_str()),
            "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [], "milestone": null,
            "head": {"label": self.label(), "ref": self.head_branch, "sha": self.head_sha,
                "user": world.user_json(&self.head_owner),
                "repo": world.repository_json(self.head_repository, None)},
            "base": {"label": format!("{}:{}", repository.owner, self.base_branch), "ref": self.base_branch,
                "sha": self.base_sha, "user": world.user_json(&repository.owner),
                "repo": world.repository_json(base, None)},
            "author_association": association(world, base, &self.author), "auto_merge": null,
        })
    }

    /// The whole pull request.
    pub(crate) fn json(&self, world: &World, base: u64) -> Value {
        let mut whole = self.line(world, base);
        whole["merged"] = json!(self.merged.is_some());
        whole["merged_by"] = self.merged.as_ref().map_or(Value::Null, |merged| world.user_json(&merged.by));
        whole["mergeable"] = Value::Null;
        whole["mergeable_state"] = json!("unknown");
        whole["maintainer_can_modify"] = json!(self.may_maintainers_push);
        whole["comments"] = json!(self.comments.len());
        whole["review_comments"] = json!(self.remarks.len());
        whole
    }

    pub(crate) fn node(&self) -> String {
        format!("PR_{}", self.id)
    }
}

/// What somebody is to a repository.
pub(crate) fn association(world: &World, base: u64, login: &str) -> &'static str {
    let Some(repository) = world.repositories.get(&base) else { return "NONE" };
    if repository.owner.eq_ignore_ascii_case(login) {
        return "OWNER";
    }
    match repository.rights.get(&login.to_lowercase()) {
        Some(level) if *level >= Level::Triage => "COLLABORATOR",
        Some(_) | None => "NONE",
    }
}

/// A label's shape.
pub(crate) fn label(api: &str, name: &str) -> Value {
    let id: u64 = name.bytes().fold(7, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000_007);
    json!({"id": id, "node_id": format!("LA_{id}"), "url": format!("{api}/labels/{name}"), "name": name,
        "color": "ededed", "default": false, "description": null})
}
