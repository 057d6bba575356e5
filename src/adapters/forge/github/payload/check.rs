//! What judges a commit: check runs, their suites, commit statuses, runs of workflows.

use super::super::text;
use super::body::{Body, PullRef, needed};
use crate::domain::forge::delivery::Address;
use crate::domain::forge::fact::{CheckFact, CheckKind, ForgeFact};
use crate::domain::id::CommitSha;
use crate::domain::time::Timestamp;
use crate::ports::payload::{Reading, Told};

/// The word for what a maintainer has to let run.
const HELD: &str = "action_required";

/// GitHub's own runner of workflows, by its short name.
const ACTIONS: &str = "github-actions";

pub(super) fn run(body: &Body) -> Result<Reading, String> {
    let run = needed(body.check_run.as_ref(), "check_run")?;
    let head_sha = text::commit(&run.head_sha)?;
    let conclusion = text::ended(&run.status, run.conclusion.as_deref());
    let at = run.completed_at.0.or(run.started_at.0);
    // One that waits has no time yet, and gives way to everything that has one.
    let at = if conclusion.is_none() { at.or(Some(Timestamp::default())) } else { at };
    let output = run.output.as_ref();
    let title = output.and_then(|output| output.title.as_deref());
    let fact = CheckFact {
        kind: CheckKind::Run,
        id: run.id,
        suite: run.check_suite.as_ref().map(|suite| suite.id),
        name: text::name(&run.name),
        app: app(run.app.as_ref().and_then(|app| app.slug.as_deref())),
        head_sha,
        conclusion,
        at: needed(at, "completed_at")?,
        url: text::link(run.details_url.as_deref()).or_else(|| text::link(run.html_url.as_deref())),
        summary: text::summary(title, output.and_then(|output| output.summary.as_deref())),
    };
    told(body, &run.pull_requests, fact)
}

pub(super) fn suite(body: &Body) -> Result<Reading, String> {
    let suite = needed(body.check_suite.as_ref(), "check_suite")?;
    let head_sha = text::commit(&suite.head_sha)?;
    // Every app that may report has a suite for every commit, and many never say anything in it.
    if body.action() != "completed" {
        return Ok(Reading::Nothing("a suite that is not through"));
    }
    let conclusion = text::ended(suite.status.as_deref().unwrap_or("completed"), suite.conclusion.as_deref());
    let fact = CheckFact {
        kind: CheckKind::Suite,
        id: suite.id,
        suite: Some(suite.id),
        name: String::new(),
        app: app(suite.app.as_ref().and_then(|app| app.slug.as_deref())),
        head_sha,
        conclusion,
        at: needed(suite.updated_at.0.or(suite.created_at.0), "updated_at")?,
        url: None,
        summary: String::new(),
    };
    told(body, &suite.pull_requests, fact)
}

pub(super) fn workflow(body: &Body) -> Result<Reading, String> {
    let run = needed(body.workflow_run.as_ref(), "workflow_run")?;
    let head_sha = text::commit(&run.head_sha)?;
    let Some(suite) = run.check_suite_id else {
        return Ok(Reading::Nothing("a workflow's run without a suite"));
    };
    let is_held = ["waiting", HELD].iter().any(|word| run.status.eq_ignore_ascii_case(word));
    let conclusion =
        if is_held { Some(HELD.to_owned()) } else { text::ended(&run.status, run.conclusion.as_deref()) };
    let fact = CheckFact {
        kind: CheckKind::Suite,
        id: suite,
        suite: Some(suite),
        name: text::name(run.name.as_deref().unwrap_or_default()),
        app: ACTIONS.to_owned(),
        head_sha,
        conclusion,
        at: needed(run.updated_at.0.or(run.created_at.0), "updated_at")?,
        url: text::link(run.html_url.as_deref()),
        summary: String::new(),
    };
    told(body, &run.pull_requests, fact)
}

pub(super) fn status(body: &Body) -> Result<Reading, String> {
    let fact = CheckFact {
        kind: CheckKind::Status,
        id: needed(body.id, "id")?,
        suite: None,
        name: text::name(needed(body.context.as_deref(), "context")?),
        app: String::new(),
        head_sha: text::commit(needed(body.sha.as_deref(), "sha")?)?,
        conclusion: text::settled(needed(body.state.as_deref(), "state")?),
        at: needed(body.updated_at.0.or(body.created_at.0), "updated_at")?,
        url: text::link(body.target_url.as_deref()),
        summary: text::summary(None, body.description.as_deref()),
    };
    told(body, &[], fact)
}

fn app(slug: Option<&str>) -> String {
    text::name(slug.unwrap_or_default())
}

/// For the run that made the commit, or has it by a pull request. With several pull requests of one commit the commit alone says
/// which run is meant, so that no run is told twice.
fn told(body: &Body, pulls: &[PullRef], fact: CheckFact) -> Result<Reading, String> {
    let (repo_id, repo) = body.home()?;
    let is_here = |pull: &&PullRef| {
        let base = pull.base.as_ref().and_then(|base| base.repo.as_ref());
        base.is_none_or(|base| base.id == repo_id)
    };
    let mut here = pulls.iter().filter(is_here).map(|pull| pull.number);
    let pr = here.next().filter(|_| here.next().is_none());
    let sha: Option<CommitSha> = Some(fact.head_sha.clone());
    let address = Address { repo_id: Some(repo_id), repo: Some(repo.key()), pr, sha, ..Address::default() };
    Ok(Reading::Facts(vec![Told { address, facts: vec![ForgeFact::Check(fact)] }]))
}
