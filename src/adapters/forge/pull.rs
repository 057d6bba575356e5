//! The document of a local pull request: what `refs/agentpr/pulls/N` points to.

use serde::{Deserialize, Serialize};

use crate::domain::gate::{Approved, PrRequest};
use crate::domain::id::{BranchName, CommitSha, PrNumber, RequestId, RunId};

/// A pull request as JSON; a shape that people and scripts read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PullDocument {
    pub(super) number: PrNumber,
    pub(super) url: String,
    /// `open`, until somebody writes another word there.
    pub(super) state: String,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) draft: bool,
    pub(super) base: Side,
    pub(super) head: Side,
    pub(super) run: RunId,
    pub(super) request: RequestId,
    pub(super) approved_by: String,
    /// When the request was made, in milliseconds since 1970-01-01 UTC.
    pub(super) requested_at_ms: i64,
}

/// A branch with the commit it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) branch: BranchName,
    pub(super) sha: CommitSha,
}

impl PullDocument {
    /// The document of an approved request.
    pub(super) fn of(approved: &Approved, number: PrNumber, remote: &str) -> Self {
        let request = approved.request();
        let binding = &request.binding;
        let address = if remote.contains("://") { remote.to_owned() } else { format!("file://{remote}") };
        Self {
            number,
            url: format!("{address}#{number}"),
            state: "open".to_owned(),
            title: request.title.clone(),
            body: with_marker(approved.run(), request),
            draft: request.draft,
            base: Side { branch: binding.base_branch.clone(), sha: binding.base_sha.clone() },
            head: Side { branch: binding.head_branch.clone(), sha: binding.head_sha.clone() },
            run: approved.run().clone(),
            request: request.id.clone(),
            approved_by: approved.by().to_string(),
            requested_at_ms: request.issued.wall.0,
        }
    }

    /// The text that is stored.
    pub(super) fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Says whether it was opened for the run.
    pub(super) fn is_of(&self, run: &RunId) -> bool {
        self.run == *run && has_marker(&self.body, run)
    }
}

/// The body with the line by which a pull request is found again.
pub(super) fn with_marker(run: &RunId, request: &PrRequest) -> String {
    let marker = format!("<!-- agentpr run={run} req={} -->", request.id);
    if request.body.contains(&marker) {
        return request.body.clone();
    }
    format!("{}\n\n{marker}\n", request.body.trim_end())
}

/// Says whether a body has the line of a run.
pub(super) fn has_marker(body: &str, run: &RunId) -> bool {
    body.contains(&format!("<!-- agentpr run={run} "))
}
