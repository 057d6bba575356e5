//! The one query the fake understands: many pull requests at once, found by the names of their variables.

use serde_json::{Map, Value, json};

use crate::auth::Credential;
use crate::check::{Checks, Run, Suite};
use crate::clock::{maybe, stamp};
use crate::limit::Resource;
use crate::log::digest;
use crate::message::{Ask, Reply};
use crate::pull::Pull;
use crate::user::{Level, Who};
use crate::world::{Found, World};

/// How many of a list the query asks for.
const LAST: usize = 50;

pub(crate) fn serve(world: &mut World, ask: &Ask, credential: &Credential) -> Reply {
    let Some(who) = credential.who(world) else { return Reply::error(401, "Bad credentials") };
    let body = match ask.json() {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if body["query"].as_str().is_none_or(|query| !query.contains("repository(")) {
        let words = "A query attribute must be specified and must be a string.";
        return Reply::json(200, &json!({"errors": [{"message": words}]}));
    }
    let (mut data, mut errors) = (Map::new(), Vec::new());
    let empty = Map::new();
    let variables = body["variables"].as_object().unwrap_or(&empty);
    for (alias, number) in variables {
        let Some(index) = alias.strip_prefix('p').and_then(|index| index.parse::<u64>().ok()) else {
            continue;
        };
        let text = |prefix: &str| variables.get(&format!("{prefix}{index}")).and_then(Value::as_str);
        let (owner, name) = (text("o").unwrap_or_default(), text("n").unwrap_or_default());
        let found = one(world, &who, owner, name, number.as_u64().unwrap_or(0));
        let missing = |path: Value, message: String| {
            json!({"type": "NOT_FOUND", "path": path, "message": message,
            "locations": [{"line": 1, "column": 1}]})
        };
        match &found {
            Value::Null => {
                let words = format!("Could not resolve to a Repository with the name '{owner}/{name}'.");
                errors.push(missing(json!([alias]), words));
            }
            found if found["pullRequest"].is_null() => {
                let words = format!("Could not resolve to a PullRequest with the number of {number}.");
                errors.push(missing(json!([alias, "pullRequest"]), words));
            }
            _ => {}
        }
        data.insert(alias.clone(), found);
    }
    let now = world.now();
    let left = world.limits.json(&digest(&credential.text), Resource::Graphql, now);
    // The limit that this very request leaves.
    let remaining = left["remaining"].as_u64().unwrap_or(0).saturating_sub(1);
    let reset = left["reset"].as_i64().unwrap_or(0);
    data.insert(
        "rateLimit".to_owned(),
        json!({"cost": 1, "limit": left["limit"], "remaining": remaining, "resetAt": stamp(reset * 1_000)}),
    );
    let mut answer = json!({"data": data});
    if !errors.is_empty() {
        answer["errors"] = json!(errors);
    }
    Reply::json(200, &answer)
}

fn one(world: &World, who: &Who, owner: &str, name: &str, number: u64) -> Value {
    let id = match world.find(owner, name) {
        Found::Here(id) | Found::Moved(id) => id,
        Found::Nowhere => return Value::Null,
    };
    let Some(repository) = world.repositories.get(&id) else { return Value::Null };
    if repository.level(Some(who)) == Level::None || repository.looks > 0 {
        return Value::Null;
    }
    let pull = repository.pulls.get(&number).map_or(Value::Null, |pull| shape(world, id, pull));
    json!({"databaseId": id, "nameWithOwner": repository.full_name(), "isArchived": repository.is_archived,
        "pullRequest": pull})
}

fn shape(world: &World, id: u64, pull: &Pull) -> Value {
    let state = match (&pull.merged, pull.is_open) {
        (Some(_), _) => "MERGED",
        (None, true) => "OPEN",
        (None, false) => "CLOSED",
    };
    let head = world.alive(pull.head_repository);
    let head = head.map(|head| json!({"databaseId": head.id, "nameWithOwner": head.full_name()}));
    let (url, _) = world.page(id, pull.number);
    let merged = pull.merged.as_ref();
    let reviews: Vec<Value> = last(&pull.reviews)
        .map(|review| {
            json!({"databaseId": review.id, "state": review.state, "submittedAt": stamp(review.at_ms),
                "body": review.body, "author": author(world, &review.by), "commit": {"oid": review.sha}})
        })
        .collect();
    let comments: Vec<Value> = last(&pull.comments)
        .map(|comment| {
            json!({"databaseId": comment.id, "body": comment.body, "createdAt": stamp(comment.at_ms),
                "updatedAt": stamp(comment.at_ms), "author": author(world, &comment.by),
                "authorAssociation": comment.association})
        })
        .collect();
    let threads: Vec<Value> = last(&pull.remarks)
        .map(|remark| {
            let comment = json!({"databaseId": remark.id, "body": remark.body, "createdAt": stamp(remark.at_ms),
                "author": author(world, &remark.by), "authorAssociation": remark.association});
            json!({"isResolved": remark.is_resolved, "path": remark.path, "line": remark.line,
                "comments": {"nodes": [comment]}})
        })
        .collect();
    json!({
        "number": pull.number, "id": pull.node(), "url": url, "state": state, "merged": merged.is_some(),
        "isDraft": pull.is_draft, "title": pull.title, "updatedAt": stamp(pull.updated_ms),
        "closedAt": maybe(pull.closed_ms), "mergedAt": maybe(merged.map(|merged| merged.at_ms)),
        "headRefName": pull.head_branch, "headRefOid": pull.head_sha, "headRepository": head,
        "baseRefName": pull.base_branch, "mergedBy": merged.map(|merged| json!({"login": merged.by})),
        "mergeCommit": merged.map(|merged| json!({"oid": merged.commit})), "reviewDecision": decision(pull),
        "reviews": {"nodes": reviews}, "comments": {"nodes": comments}, "reviewThreads": {"nodes": threads},
        "commits": {"nodes": [{"commit": commit(world, id, &pull.head_sha)}]},
    })
}

fn last<T>(all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().skip(all.len().saturating_sub(LAST))
}

/// People have a number here, bots have none.
fn author(world: &World, login: &str) -> Value {
    match world.users.get(&login.to_lowercase()) {
        None => Value::Null,
        Some(_) if login == "ghost" => Value::Null,
        Some(user) if user.kind == "User" => json!({"login": user.login, "databaseId": user.id}),
        Some(user) => json!({"login": user.login.trim_end_matches("[bot]")}),
    }
}

/// What the latest word of each reviewer comes to.
fn decision(pull: &Pull) -> Value {
    let mut latest = std::collections::BTreeMap::new();
    for review in &pull.reviews {
        match review.state.as_str() {
            "APPROVED" | "CHANGES_REQUESTED" => drop(latest.insert(&review.by, review.state.as_str())),
            "DISMISSED" => drop(latest.remove(&review.by)),
            _ => {}
        }
    }
    let mut words = latest.values();
    if words.any(|word| *word == "CHANGES_REQUESTED") {
        return json!("CHANGES_REQUESTED");
    }
    if latest.is_empty() { Value::Null } else { json!("APPROVED") }
}

fn commit(world: &World, id: u64, sha: &str) -> Value {
    let Some(repository) = world.repositories.get(&id) else { return Value::Null };
    let (checks, place) = (&repository.checks, world.place(id, sha));
    let latest = checks.latest(sha);
    let mut nodes: Vec<Value> = latest.iter().map(|(run, suite)| context(run, suite, &place.web)).collect();
    for status in checks.latest_statuses(sha) {
        nodes.push(json!({"__typename": "StatusContext", "context": status.context,
            "state": status.state.to_uppercase(), "description": status.description,
            "targetUrl": status.target_url, "createdAt": stamp(status.created_ms)}));
    }
    let rollup = match rolled_up(checks, sha) {
        None => Value::Null,
        Some(state) => {
            let has_more = nodes.len() > 100;
            nodes.truncate(100);
            json!({"state": state, "contexts": {"pageInfo": {"hasNextPage": has_more}, "nodes": nodes}})
        }
    };
    let suites = checks.suites_of(sha).into_iter().take(30).map(|suite| {
        let workflow = checks.workflows.iter().rfind(|own| own.suite == suite.id);
        let count = checks.runs.iter().filter(|run| run.suite == suite.id).count();
        json!({"databaseId": suite.id, "status": upper(Some(&suite.status)),
            "conclusion": upper(suite.conclusion.as_deref()), "updatedAt": stamp(suite.updated_ms),
            "app": {"slug": suite.app}, "checkRuns": {"totalCount": count},
            "workflowRun": workflow.map(|own| json!({"databaseId": own.id, "workflow": {"name": own.name}}))})
    });
    let suites: Vec<Value> = suites.collect();
    json!({"oid": sha, "statusCheckRollup": rollup, "checkSuites": {"nodes": suites}})
}

fn context(run: &Run, suite: &Suite, web: &str) -> Value {
    json!({"__typename": "CheckRun", "databaseId": run.id, "name": run.name, "status": upper(Some(&run.status)),
        "conclusion": upper(run.conclusion.as_deref()), "startedAt": maybe(run.started_ms),
        "completedAt": maybe(run.completed_ms), "detailsUrl": run.page(web), "title": run.title,
        "summary": run.summary, "checkSuite": {"databaseId": suite.id, "app": {"slug": suite.app}}})
}

fn upper(word: Option<&str>) -> Value {
    word.map_or(Value::Null, |word| json!(word.to_uppercase()))
}

/// The word for all checks and statuses of a commit; none where there is nothing.
fn rolled_up(checks: &Checks, sha: &str) -> Option<&'static str> {
    let runs = checks.latest(sha);
    let statuses = checks.latest_statuses(sha);
    if runs.is_empty() && statuses.is_empty() {
        return None;
    }
    let bad = ["failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale"];
    let is_bad = |word: Option<&str>| word.is_some_and(|word| bad.contains(&word));
    if runs.iter().any(|(run, _)| is_bad(run.conclusion.as_deref()))
        || statuses.iter().any(|own| own.state == "failure")
    {
        return Some("FAILURE");
    }
    if statuses.iter().any(|own| own.state == "error") {
        return Some("ERROR");
    }
    let waits = runs.iter().any(|(run, _)| run.status != "completed")
        || statuses.iter().any(|own| own.state == "pending");
    Some(if waits { "PENDING" } else { "SUCCESS" })
}
