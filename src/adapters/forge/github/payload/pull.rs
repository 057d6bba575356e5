//! Pull requests as they are, and where branches point.

use super::super::text;
use super::body::{Body, needed};
use crate::domain::forge::delivery::Address;
use crate::domain::forge::fact::{ForgeFact, HeadFact, PullFact, PullState};
use crate::ports::payload::{Reading, Told};

/// What happened to a pull request that changes what is known of it. Labels, reviewers and the like do not.
const ACTIONS: [&str; 7] =
    ["opened", "reopened", "synchronize", "edited", "converted_to_draft", "ready_for_review", "closed"];

pub(super) fn pull_request(body: &Body) -> Result<Reading, String> {
    let pull = needed(body.pull_request.as_ref(), "pull_request")?;
    let head_sha = text::commit(&pull.head.sha)?;
    let is_merged = pull.merged == Some(true) || pull.merged_at.0.is_some();
    let state = match pull.state.as_str() {
        _ if is_merged => PullState::Merged,
        "open" => PullState::Open,
        "closed" => PullState::Closed,
        _ => return Err("`state` is neither `open` nor `closed`".to_owned()),
    };
    let (repo_id, repo) = body.home()?;
    if !ACTIONS.contains(&body.action()) {
        return Ok(Reading::Nothing("nothing that is kept of a pull request"));
    }
    // Before it is merged, this is the commit of a trial.
    let merge_sha = pull.merge_commit_sha.as_deref().filter(|_| is_merged);
    let fact = PullFact {
        number: pull.number,
        state,
        draft: pull.draft == Some(true),
        head_sha: head_sha.clone(),
        base_branch: text::branch(&pull.base.branch),
        at: needed(pull.updated_at.0, "updated_at")?,
        by: body.by(),
        merge_sha: merge_sha.map(text::commit).transpose()?,
    };
    let address = Address {
        repo_id: Some(repo_id),
        repo: Some(repo.key()),
        pr: Some(pull.number),
        sha: Some(head_sha),
        branch: text::branch(&pull.head.branch),
        whole_repository: false,
    };
    Ok(Reading::Facts(vec![Told { address, facts: vec![ForgeFact::Pull(fact)] }]))
}

pub(super) fn push(body: &Body) -> Result<Reading, String> {
    let (repo_id, repo) = body.home()?;
    let after = needed(body.after.as_deref(), "after")?;
    let is_gone = body.deleted == Some(true) || after.bytes().all(|digit| digit == b'0');
    let sha = if is_gone { None } else { Some(text::commit(after)?) };
    let reference = needed(body.reference.as_deref(), "ref")?;
    let Some(branch) = reference.strip_prefix("refs/heads/").and_then(text::branch) else {
        return Ok(Reading::Nothing("no branch of a run"));
    };
    // The commit's own time is its author's word; it stands in only where GitHub's clock does not speak.
    let pushed_at = body.repository.as_ref().and_then(|repository| repository.pushed_at.0);
    let committed_at = body.head_commit.as_ref().and_then(|commit| commit.timestamp.0);
    let pusher = body.pusher.as_ref().and_then(|pusher| pusher.name.as_deref());
    let fact = HeadFact {
        sha: sha.clone(),
        by: body.by().or_else(|| pusher.map(text::name)),
        at: needed(pushed_at.or(committed_at), "pushed_at")?,
    };
    let before = body.before.as_deref().and_then(|sha| text::commit(sha).ok());
    let address = Address {
        repo_id: Some(repo_id),
        repo: Some(repo.key()),
        sha: sha.or(before),
        branch: Some(branch),
        ..Address::default()
    };
    Ok(Reading::Facts(vec![Told { address, facts: vec![ForgeFact::Head(fact)] }]))
}
