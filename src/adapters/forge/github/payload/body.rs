//! The parts of GitHub's deliveries that are read. Everything else is skipped without being kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};

use super::super::text;
use crate::domain::id::{PrNumber, RepoSlug};
use crate::domain::time::Timestamp;

/// A delivery of any event. Which one it is shows by what it has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    pub(super) action: Option<String>,
    pub(super) repository: Option<Repository>,
    pub(super) sender: Option<User>,
    pub(super) check_run: Option<CheckRun>,
    pub(super) check_suite: Option<CheckSuite>,
    pub(super) workflow_run: Option<WorkflowRun>,
    pub(super) pull_request: Option<Pull>,
    pub(super) review: Option<Review>,
    pub(super) comment: Option<Comment>,
    pub(super) issue: Option<Issue>,
    pub(super) thread: Option<IgnoredAny>,
    pub(super) changes: Option<Changes>,
    // Of commit statuses.
    pub(super) id: Option<u64>,
    pub(super) sha: Option<String>,
    pub(super) state: Option<String>,
    pub(super) context: Option<String>,
    pub(super) description: Option<String>,
    pub(super) target_url: Option<String>,
    pub(super) created_at: Stamp,
    pub(super) updated_at: Stamp,
    // Of pushes.
    #[serde(rename = "ref")]
    pub(super) reference: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) deleted: Option<bool>,
    pub(super) pusher: Option<Pusher>,
    pub(super) head_commit: Option<HeadCommit>,
    // Of pings.
    pub(super) zen: Option<String>,
    pub(super) hook_id: Option<u64>,
    pub(super) hook: Option<Hook>,
}

impl Body {
    /// The event it is a delivery of, by its shape alone. The name beside a delivery is not signed; this is.
    pub(super) fn event(&self) -> Option<&'static str> {
        let has_pull = self.pull_request.is_some();
        if self.thread.is_some() {
            return None;
        }
        match (&self.review, &self.comment, &self.issue) {
            (Some(_), None, None) => return has_pull.then_some("pull_request_review"),
            (None, Some(_), None) => return has_pull.then_some("pull_request_review_comment"),
            (None, Some(_), Some(_)) => return (!has_pull).then_some("issue_comment"),
            (None, None, None) => {}
            _ => return None,
        }
        let is_status = self.context.is_some() && self.sha.is_some() && self.state.is_some();
        let is_push = self.reference.is_some() && self.after.is_some() && self.pusher.is_some();
        let shapes = [
            (self.check_run.is_some(), "check_run"),
            (self.check_suite.is_some(), "check_suite"),
            (self.workflow_run.is_some(), "workflow_run"),
            (has_pull, "pull_request"),
            (is_status, "status"),
            (is_push, "push"),
            (self.zen.is_some() && self.hook.is_some(), "ping"),
        ];
        let mut found = shapes.into_iter().filter(|(is_there, _)| *is_there).map(|(_, event)| event);
        match (found.next(), found.next()) {
            (Some(event), None) => Some(event),
            (None, None) if self.hook.is_none() && self.repository.is_some() => Some("repository"),
            _ => None,
        }
    }

    /// What happened, in GitHub's word; empty where it says none.
    pub(super) fn action(&self) -> &str {
        self.action.as_deref().unwrap_or_default()
    }

    /// Who did it.
    pub(super) fn by(&self) -> Option<String> {
        self.sender.as_ref().map(|sender| text::login(sender.login.as_deref()))
    }

    /// The repository it is about.
    ///
    /// # Errors
    /// What is missing or wrong, in words.
    pub(super) fn home(&self) -> Result<(u64, RepoSlug), String> {
        let repository = needed(self.repository.as_ref(), "repository")?;
        let name = repository.full_name.parse().map_err(|err| format!("{err}"))?;
        Ok((repository.id, name))
    }
}

/// Something that must be there.
///
/// # Errors
/// That it is missing, in words.
pub(super) fn needed<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("`{name}` is missing"))
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) full_name: String,
    #[serde(default)]
    pub(super) archived: Option<bool>,
    #[serde(default)]
    pub(super) updated_at: Stamp,
    #[serde(default)]
    pub(super) pushed_at: Stamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub(super) login: Option<String>,
}

/// The entry of a list; only one of this very repository names a pull request here.
#[derive(Debug, Deserialize)]
pub(super) struct PullRef {
    pub(super) number: PrNumber,
    #[serde(default)]
    pub(super) base: Option<PullRefBase>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PullRefBase {
    #[serde(default)]
    pub(super) repo: Option<PullRefRepo>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PullRefRepo {
    pub(super) id: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct App {
    #[serde(default)]
    pub(super) slug: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRun {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) head_sha: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) conclusion: Option<String>,
    #[serde(default)]
    pub(super) started_at: Stamp,
    #[serde(default)]
    pub(super) completed_at: Stamp,
    #[serde(default)]
    pub(super) html_url: Option<String>,
    #[serde(default)]
    pub(super) details_url: Option<String>,
    #[serde(default)]
    pub(super) output: Option<Output>,
    #[serde(default)]
    pub(super) check_suite: Option<SuiteRef>,
    #[serde(default)]
    pub(super) app: Option<App>,
    #[serde(default)]
    pub(super) pull_requests: Vec<PullRef>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    pub(super) title: Option<String>,
    pub(super) summary: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SuiteRef {
    pub(super) id: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckSuite {
    pub(super) id: u64,
    pub(super) head_sha: String,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) conclusion: Option<String>,
    #[serde(default)]
    pub(super) created_at: Stamp,
    #[serde(default)]
    pub(super) updated_at: Stamp,
    #[serde(default)]
    pub(super) app: Option<App>,
    #[serde(default)]
    pub(super) pull_requests: Vec<PullRef>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WorkflowRun {
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) head_sha: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) conclusion: Option<String>,
    #[serde(default)]
    pub(super) check_suite_id: Option<u64>,
    #[serde(default)]
    pub(super) created_at: Stamp,
    #[serde(default)]
    pub(super) updated_at: Stamp,
    #[serde(default)]
    pub(super) html_url: Option<String>,
    #[serde(default)]
    pub(super) pull_requests: Vec<PullRef>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pull {
    pub(super) number: PrNumber,
    pub(super) state: String,
    #[serde(default)]
    pub(super) draft: Option<bool>,
    #[serde(default)]
    pub(super) merged: Option<bool>,
    #[serde(default)]
    pub(super) merged_at: Stamp,
    #[serde(default)]
    pub(super) merge_commit_sha: Option<String>,
    pub(super) head: Side,
    pub(super) base: Side,
    #[serde(default)]
    pub(super) updated_at: Stamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct Side {
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Review {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) user: Option<User>,
    #[serde(default)]
    pub(super) body: Option<String>,
    pub(super) state: String,
    #[serde(default)]
    pub(super) submitted_at: Stamp,
    #[serde(default)]
    pub(super) updated_at: Stamp,
    #[serde(default)]
    pub(super) commit_id: Option<String>,
    #[serde(default)]
    pub(super) author_association: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) user: Option<User>,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) line: Option<u32>,
    #[serde(default)]
    pub(super) created_at: Stamp,
    #[serde(default)]
    pub(super) updated_at: Stamp,
    #[serde(default)]
    pub(super) author_association: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) number: PrNumber,
    #[serde(default)]
    pub(super) pull_request: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pusher {
    #[serde(default)]
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HeadCommit {
    #[serde(default)]
    pub(super) timestamp: Stamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct Hook {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) events: Vec<String>,
}

/// What a repository was before; other events change other things, which are not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Changes {
    pub(super) repository: Option<Renamed>,
    pub(super) owner: Option<Moved>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Renamed {
    pub(super) name: Former,
}

#[derive(Debug, Deserialize)]
pub(super) struct Former {
    pub(super) from: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Moved {
    pub(super) from: Account,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    pub(super) user: Option<User>,
    pub(super) organization: Option<User>,
}

/// Everything that a delivery about a repository itself has. Any delivery has a `repository`, and some of events that are not read
/// have nothing else that is known here; so for this event alone nothing unknown is let by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlyRepository {
    #[serde(rename = "action")]
    _action: IgnoredAny,
    #[serde(rename = "repository")]
    _repository: IgnoredAny,
    #[serde(rename = "sender", default)]
    _sender: Option<IgnoredAny>,
    #[serde(rename = "changes", default)]
    _changes: Option<IgnoredAny>,
    #[serde(rename = "organization", default)]
    _organization: Option<IgnoredAny>,
    #[serde(rename = "installation", default)]
    _installation: Option<IgnoredAny>,
    #[serde(rename = "enterprise", default)]
    _enterprise: Option<IgnoredAny>,
}

/// A JSON object, whatever is in it.
#[derive(Debug, Deserialize)]
pub(super) struct Anything {}

/// A time: RFC 3339 as almost everywhere, or seconds since 1970, as the repository has it in deliveries about a push. Nothing where
/// it is missing or unreadable.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stamp(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StampVisitor)
    }
}

struct StampVisitor;

impl Visitor<'_> for StampVisitor {
    type Value = Stamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time, as text or in seconds since 1970")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Stamp, E> {
        Ok(Stamp(text::time(text)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Stamp, E> {
        Ok(Stamp(seconds.checked_mul(1_000).map(Timestamp)))
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Stamp, E> {
        i64::try_from(seconds).map_or(Ok(Stamp(None)), |seconds| self.visit_i64(seconds))
    }

    fn visit_unit<E: Error>(self) -> Result<Stamp, E> {
        Ok(Stamp(None))
    }
}
