//! What a forge said of a pull request, for the agent that repairs it: failed checks with the end of their logs, reviews, comments.
//!
//! All of it was written by strangers: it is data, and stands in the prompt between marks it cannot close.

use serde::Serialize;

use super::App;
use crate::domain::forge::fact::{CheckFact, CommentFact};
use crate::domain::run::Run;

/// Failed checks that are told; a repair begins with the first.
const CHECKS: usize = 5;

/// Bytes of one check's log.
const LOG: usize = 6_000;

/// Comments that are told, the newest.
const COMMENTS: usize = 20;

/// What was said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Feedback {
    /// Checks that failed on what is at the remote.
    pub failed: Vec<FailedCheck>,
    /// Verdicts that ask for changes.
    pub reviews: Vec<Review>,
    /// What was written since the branch was pushed.
    pub comments: Vec<Comment>,
}

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedCheck {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub conclusion: String,
    /// What it says of itself.
    pub summary: String,
    /// Its annotations and the end of its log; empty where they may not be read.
    pub log: String,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Review {
    /// Whose.
    pub by: String,
    /// What it says.
    pub text: String,
}

/// Something that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comment {
    /// By whom.
    pub by: String,
    /// Where: a file and line, or the conversation.
    pub place: String,
    /// What.
    pub text: String,
}

impl App {
    /// What the forge said of the run's pull request. Logs are asked for now; one that cannot be read is left out, because a repair
    /// can begin without it.
    pub(crate) async fn feedback(&self, run: &Run) -> Feedback {
        let (Some(pushed), Some(_)) = (&run.pushed, &run.pr) else { return Feedback::default() };
        let mut failed = Vec::new();
        for check in run.forge.failed_checks(&pushed.sha).take(CHECKS) {
            failed.push(self.failed_check(run, check).await);
        }
        let reviews = run.forge.open_requests(&pushed.sha).filter(|review| !review.reviewer.is_empty());
        let reviews = reviews
            .map(|review| Review { by: review.reviewer.clone(), text: self.said(&review.body) })
            .collect();
        Feedback { failed, reviews, comments: self.comments(run) }
    }

    async fn failed_check(&self, run: &Run, check: &CheckFact) -> FailedCheck {
        let log = match self.ports.forge.failure_excerpt(&run.spec, check, LOG).await {
            Ok(log) => log.unwrap_or_default(),
            Err(err) => {
                tracing::warn!(run = %run.id, check = %check.name, error = %err, "the log of a failed check cannot be read");
                String::new()
            }
        };
        FailedCheck {
            name: check.shown(),
            conclusion: check.conclusion.clone().unwrap_or_default(),
            summary: self.said(&check.summary),
            log: self.said(&log),
        }
    }

    /// The newest comments since the last push; before the first there was nobody to comment.
    fn comments(&self, run: &Run) -> Vec<Comment> {
        let since = run.forge.pushed_at.unwrap_or_default();
        let mut comments: Vec<&CommentFact> = run
            .forge
            .comments
            .values()
            .filter(|comment| comment.at >= since && !comment.deleted && !comment.body.trim().is_empty())
            .collect();
        comments.sort_by_key(|comment| comment.at);
        let skipped = comments.len().saturating_sub(COMMENTS);
        let told = comments.into_iter().skip(skipped);
        told.map(|comment| Comment {
            by: comment.author.clone(),
            place: match (&comment.path, comment.line) {
                (Some(path), Some(line)) => format!("{path}:{line}"),
                (Some(path), None) => path.clone(),
                (None, _) => "the conversation".to_owned(),
            },
            text: self.said(&comment.body),
        })
        .collect()
    }

    fn said(&self, text: &str) -> String {
        self.ports.redaction.masked(text.trim()).into_owned()
    }
}
