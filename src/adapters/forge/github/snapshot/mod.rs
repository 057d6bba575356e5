//! Where many pull requests stand, by one question; the same facts as from webhooks.
//!
//! What a webhook lost is made good here, so times are those of the things themselves and not of the question: a fact that came both
//! ways is the same fact, and an idle question leaves nothing.

mod answer;

use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::answer::{Comment, Context, Pull, Repository, Review, Suite, Thread};
use super::text;
use crate::domain::forge::fact::{
    CheckFact, CheckKind, CommentFact, CommentKind, ForgeFact, PullFact, PullState, RepositoryFact,
    ReviewFact, plain,
};
use crate::domain::id::{CommitSha, PrNumber};
use crate::domain::time::Timestamp;

/// The parts of a pull request that are asked for. GitHub counts what could be answered, so the lists are bounded.
const PULL: &str = include_str!("pull.graphql");

/// How long after its second a change may still be followed by one of the same second: GitHub's clock shows none finer.
const SETTLED: Duration = Duration::from_secs(2);

/// Why nothing was read of one pull request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is not there, or whoever asked may not see it.
    #[error("there is no such repository or pull request")]
    NotFound,
    /// The answer is not what was asked for.
    #[error("the answer about a pull request is not of the expected shape: {0}")]
    Shape(String),
}

/// The question about `count` pull requests.
pub fn query(count: usize) -> String {
    let mut names = Vec::new();
    let mut parts = String::new();
    for i in 0..count {
        names.push(format!("$o{i}: String!, $n{i}: String!, $p{i}: Int!"));
        let _infallible = writeln!(
            parts,
            "  p{i}: repository(owner: $o{i}, name: $n{i}, followRenames: true) {{ \
             databaseId nameWithOwner isArchived pullRequest(number: $p{i}) {{ ...pr }} }}"
        );
    }
    let head = if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
    let fragment = if names.is_empty() { "" } else { PULL };
    format!("query{head} {{\n{parts}  rateLimit {{ cost remaining resetAt }}\n}}\n{fragment}")
}

/// What [`query`] asks about: owner, name, number, in its order.
pub fn variables(asked: &[(&str, &str, PrNumber)]) -> Value {
    let mut variables = Map::new();
    for (i, (owner, name, number)) in asked.iter().enumerate() {
        variables.insert(format!("o{i}"), json!(owner));
        variables.insert(format!("n{i}"), json!(name));
        variables.insert(format!("p{i}"), json!(number.get()));
    }
    Value::Object(variables)
}

/// What the whole answer, with its `data` and `errors`, says of the pull request at `index` of the question asked at `asked_at`.
///
/// # Errors
/// [`SnapshotError`]; the other pull requests of the answer are not touched by it.
pub fn facts(answer: &Value, index: usize, asked_at: Timestamp) -> Result<Vec<ForgeFact>, SnapshotError> {
    let shape = |why: &str| SnapshotError::Shape(plain(why, 300));
    let alias = format!("p{index}");
    let about = answer.get("data").and_then(|data| data.get(&alias));
    let pull = about.and_then(|about| about.get("pullRequest"));
    if pull.is_none_or(Value::is_null) {
        return Err(match failure(answer, &alias) {
            Some(error) if error.get("type").and_then(Value::as_str) != Some("NOT_FOUND") => {
                shape(error.get("message").and_then(Value::as_str).unwrap_or("it was not answered"))
            }
            Some(_) => SnapshotError::NotFound,
            None if about.is_some_and(|about| about.is_null() || pull.is_some_and(Value::is_null)) => {
                SnapshotError::NotFound
            }
            None => shape("it was not answered"),
        });
    }
    let repository = about.map(Repository::deserialize).transpose().map_err(|err| shape(&err.to_string()))?;
    let pull = pull.map(Pull::deserialize).transpose().map_err(|err| shape(&err.to_string()))?;
    let (Some(repository), Some(pull)) = (repository, pull) else { return Err(SnapshotError::NotFound) };
    all(&repository, &pull, asked_at).map_err(|why| shape(&why))
}

/// The answer's own word on why a pull request is not in it.
fn failure<'a>(answer: &'a Value, alias: &str) -> Option<&'a Value> {
    let is_about = |error: &&Value| {
        let path = error.get("path").and_then(Value::as_array);
        path.and_then(|path| path.first()).and_then(Value::as_str) == Some(alias)
    };
    answer.get("errors")?.as_array()?.iter().find(is_about)
}

fn all(repository: &Repository, pull: &Pull, asked_at: Timestamp) -> Result<Vec<ForgeFact>, String> {
    let mut facts = vec![
        ForgeFact::Repository(RepositoryFact {
            id: repository.database_id,
            name: repository.name_with_owner.parse().map_err(|err| format!("{err}"))?,
            archived: repository.is_archived,
            deleted: false,
            at: asked_at,
        }),
        ForgeFact::Pull(pull_fact(pull, asked_at)?),
    ];
    for review in pull.reviews.iter() {
        facts.extend(review_fact(review)?);
    }
    for comment in pull.comments.iter() {
        facts.push(comment_fact(comment, CommentKind::Issue, None)?);
    }
    for thread in pull.review_threads.iter().filter(|thread| !thread.is_resolved) {
        for comment in thread.comments.iter() {
            facts.push(comment_fact(comment, CommentKind::Line, Some(thread))?);
        }
    }
    for commit in pull.commits.iter().map(|node| &node.commit) {
        let head = text::commit(&commit.oid)?;
        if let Some(contexts) = commit.status_check_rollup.as_ref().map(|rollup| &rollup.contexts) {
            for context in contexts.nodes.iter().flatten() {
                facts.extend(context_fact(context, &head, asked_at)?);
            }
            if contexts.page_info.as_ref().is_some_and(|page| page.has_next_page) {
                facts.push(ForgeFact::Check(unseen(&head)));
            }
        }
        for suite in commit.check_suites.iter() {
            facts.extend(suite_fact(suite, &head)?);
        }
    }
    Ok(facts)
}

/// The time of a state that changed at `changed` and was looked at later. It is that of the change, so that looking again says the
/// same, but behind webhooks of the same second, and at that second's end once nothing more can have happened in it.
fn looked(changed: Timestamp, asked_at: Timestamp) -> Timestamp {
    let is_settled = asked_at >= changed.plus(SETTLED);
    changed.plus(Duration::from_millis(if is_settled { 999 } else { 1 }))
}

fn pull_fact(pull: &Pull, asked_at: Timestamp) -> Result<PullFact, String> {
    let is_merged = pull.merged || pull.state == "MERGED";
    let state = match pull.state.as_str() {
        _ if is_merged => PullState::Merged,
        "OPEN" => PullState::Open,
        "CLOSED" => PullState::Closed,
        _ => return Err("`state` is none of a pull request".to_owned()),
    };
    let merge_sha = pull.merge_commit.as_ref().filter(|_| is_merged);
    Ok(PullFact {
        number: pull.number,
        state,
        draft: pull.is_draft,
        head_sha: text::commit(&pull.head_ref_oid)?,
        base_branch: text::branch(&pull.base_ref_name),
        at: looked(time(Some(&pull.updated_at), "updatedAt")?, asked_at),
        by: pull.merged_by.as_ref().filter(|_| is_merged).map(|by| by.name()),
        merge_sha: merge_sha.map(|commit| text::commit(&commit.oid)).transpose()?,
    })
}

fn review_fact(review: &Review) -> Result<Option<ForgeFact>, String> {
    let state = text::word(&review.state);
    let reviewer = answer::login(review.author.as_ref());
    let body = text::body(review.body.as_deref());
    Ok(match state.as_str() {
        "approved" | "changes_requested" | "dismissed" => Some(ForgeFact::Review(ReviewFact {
            id: review.database_id,
            reviewer,
            state,
            commit: review.commit.as_ref().map(|commit| text::commit(&commit.oid)).transpose()?,
            at: time(review.submitted_at.as_deref(), "submittedAt")?,
            body,
            association: text::word(review.author_association.as_deref().unwrap_or("none")),
        })),
        "commented" if !body.trim().is_empty() => Some(ForgeFact::Comment(CommentFact {
            kind: CommentKind::Review,
            id: review.database_id,
            author: reviewer,
            association: text::word(review.author_association.as_deref().unwrap_or_default()),
            path: None,
            line: None,
            body,
            at: time(review.submitted_at.as_deref(), "submittedAt")?,
            deleted: false,
        })),
        _ => None,
    })
}

fn comment_fact(comment: &Comment, kind: CommentKind, at: Option<&Thread>) -> Result<ForgeFact, String> {
    Ok(ForgeFact::Comment(CommentFact {
        kind,
        id: comment.database_id,
        author: answer::login(comment.author.as_ref()),
        association: text::word(comment.author_association.as_deref().unwrap_or_default()),
        path: at.and_then(|thread| thread.path.as_deref()).map(text::name),
        line: at.and_then(|thread| thread.line),
        body: text::body(comment.body.as_deref()),
        at: time(comment.updated_at.as_deref().or(comment.created_at.as_deref()), "createdAt")?,
        deleted: false,
    }))
}

/// What one entry of the rollup says; nothing for one of a kind nobody knows.
fn context_fact(
    context: &Context,
    head: &CommitSha,
    asked_at: Timestamp,
) -> Result<Option<ForgeFact>, String> {
    Ok(match context {
        Context::CheckRun(run) => {
            let conclusion = text::ended(&run.status, run.conclusion.as_deref());
            let at = run.completed_at.as_deref().or(run.started_at.as_deref());
            let at = if conclusion.is_none() && at.is_none() {
                Timestamp::default()
            } else {
                time(at, "completedAt")?
            };
            let suite = run.check_suite.as_ref();
            let app = suite.and_then(|suite| suite.app.as_ref());
            Some(ForgeFact::Check(CheckFact {
                kind: CheckKind::Run,
                id: run.database_id,
                suite: suite.map(|suite| suite.database_id),
                name: text::name(&run.name),
                app: answer::slug(app),
                head_sha: head.clone(),
                conclusion,
                at,
                url: text::link(run.details_url.as_deref()),
                summary: text::summary(run.title.as_deref(), run.summary.as_deref()),
            }))
        }
        Context::StatusContext(status) => Some(ForgeFact::Check(CheckFact {
            kind: CheckKind::Status,
            // The answer has no number for these, and two of one second are told apart by nothing else.
            id: 0,
            suite: None,
            name: text::name(&status.context),
            app: String::new(),
            head_sha: head.clone(),
            conclusion: text::settled(&status.state),
            at: looked(time(status.created_at.as_deref(), "createdAt")?, asked_at),
            url: text::link(status.target_url.as_deref()),
            summary: text::summary(None, status.description.as_deref()),
        })),
        Context::Other => None,
    })
}

/// What a suite says; nothing for that of an app which may report on every commit and never does.
fn suite_fact(suite: &Suite, head: &CommitSha) -> Result<Option<ForgeFact>, String> {
    let is_over = suite.status == "COMPLETED";
    if suite.check_runs.total_count == 0 && !is_over {
        return Ok(None);
    }
    let workflow = suite.workflow_run.as_ref();
    let is_held = suite.status == "WAITING" && workflow.is_some();
    let name = workflow.and_then(|run| run.workflow.as_ref()).map(|workflow| text::name(&workflow.name));
    Ok(Some(ForgeFact::Check(CheckFact {
        kind: CheckKind::Suite,
        id: suite.database_id,
        suite: Some(suite.database_id),
        name: name.unwrap_or_default(),
        app: answer::slug(suite.app.as_ref()),
        head_sha: head.clone(),
        conclusion: if is_held {
            Some("action_required".to_owned())
        } else {
            text::ended(&suite.status, suite.conclusion.as_deref())
        },
        at: time(suite.updated_at.as_deref(), "updatedAt")?,
        url: None,
        summary: String::new(),
    })))
}

/// Stands for the checks that did not fit into the answer. It never changes, so it has no time of its own.
fn unseen(head: &CommitSha) -> CheckFact {
    CheckFact {
        kind: CheckKind::Run,
        id: 0,
        suite: None,
        name: "more checks".to_owned(),
        app: String::new(),
        head_sha: head.clone(),
        conclusion: None,
        at: Timestamp::default(),
        url: None,
        summary: "the commit has more than 100 checks, and only the first were looked at".to_owned(),
    }
}

fn time(text: Option<&str>, name: &str) -> Result<Timestamp, String> {
    text.and_then(text::time).ok_or_else(|| format!("`{name}` is missing or no time"))
}
