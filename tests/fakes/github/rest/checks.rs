//! What is known of a commit: check runs, suites, statuses, workflow runs, annotations, and logs of jobs.

use serde_json::{Value, json};

use super::{Scene, page};
use crate::chance;
use crate::message::{Answer, Reply};
use crate::world::World;

pub(super) fn route(world: &mut World, scene: &Scene<'_>, rest: &[&str]) -> Answer {
    let repository = world.repositories.get(&scene.id).ok_or_else(Reply::not_found)?;
    let checks = &repository.checks;
    match (scene.ask.method.as_str(), rest) {
        ("GET", ["commits", sha, "check-runs"]) => {
            let (sha, place) = (named(world, scene.id, sha)?, world.place(scene.id, sha));
            let all = checks.latest(&sha).into_iter().map(|(run, suite)| run.json(suite, &place)).collect();
            Ok(page::counted(world, scene.ask, "check_runs", all))
        }
        ("GET", ["commits", sha, "check-suites"]) => {
            let (sha, place) = (named(world, scene.id, sha)?, world.place(scene.id, sha));
            let runs = checks.latest(&sha);
            let count = |id: u64| runs.iter().filter(|(_, suite)| suite.id == id).count();
            let all = checks.suites_of(&sha);
            let all = all.into_iter().map(|suite| suite.json(&place, count(suite.id))).collect();
            Ok(page::counted(world, scene.ask, "check_suites", all))
        }
        ("GET", ["commits", sha, "status"]) => {
            let sha = named(world, scene.id, sha)?;
            let api = world.url(repository);
            let all = checks.latest_statuses(&sha);
            let all: Vec<Value> =
                all.into_iter().map(|status| status.json(&api, &world.user_json(&status.creator))).collect();
            let total = all.len();
            let (shown, links) = page::cut(world, scene.ask, all);
            let body = json!({"state": checks.combined(&sha), "statuses": shown, "sha": sha, "total_count": total,
                "repository": world.repository_json(scene.id, Some(scene.who)),
                "commit_url": format!("{api}/commits/{sha}"), "url": format!("{api}/commits/{sha}/status")});
            Ok(page::linked(Reply::json(200, &body), links))
        }
        ("GET", ["check-runs", id]) => {
            let run =
                checks.runs.iter().find(|run| run.id.to_string() == *id).ok_or_else(Reply::not_found)?;
            let suite = checks.suite(run.suite).ok_or_else(Reply::not_found)?;
            Ok(Reply::json(200, &run.json(suite, &world.place(scene.id, &suite.sha))))
        }
        ("GET", ["check-runs", id, "annotations"]) => {
            let run =
                checks.runs.iter().find(|run| run.id.to_string() == *id).ok_or_else(Reply::not_found)?;
            let all = run.annotations.iter().map(annotation).collect();
            Ok(page::list(world, scene.ask, all))
        }
        ("GET", ["actions", "runs"]) => {
            let sha = scene.ask.asked("head_sha");
            let all = checks.workflows.iter().filter(|own| sha.is_none_or(|sha| own.sha == sha));
            let all = all.map(|own| own.json(&world.place(scene.id, &own.sha))).collect();
            Ok(page::counted(world, scene.ask, "workflow_runs", all))
        }
        ("GET", ["actions", "jobs", id, "logs"]) => {
            // The job of a workflow has the same number as its check run.
            let run =
                checks.runs.iter().find(|run| run.id.to_string() == *id).ok_or_else(Reply::not_found)?;
            let Some(log) = run.log.clone().filter(|_| run.log_status == 302) else {
                return Err(match run.log_status {
                    403 => Reply::error(403, "Must have admin rights to Repository."),
                    410 => Reply::error(410, "Server Error"),
                    _ => Reply::not_found(),
                });
            };
            let name = chance::name();
            // Another host name for the same machine: the real store is a stranger, who must not see the token.
            let store = world.origin.replace("127.0.0.1", "localhost");
            world.blobs.insert(name.clone(), log);
            Ok(Reply::empty(302).with("location", format!("{store}/_blob/{name}?sig=signed")))
        }
        _ => Err(Reply::not_found()),
    }
}

/// A commit by its id or by the branch that points to it. Any id is taken: the fake keeps checks for commits it never saw.
fn named(world: &World, id: u64, name: &str) -> Result<String, Reply> {
    let repository = world.repositories.get(&id).ok_or_else(Reply::not_found)?;
    if let Some(sha) = repository.tip(name) {
        return Ok(sha.to_owned());
    }
    let is_sha = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = format!("No commit found for SHA: {name}");
    if is_sha { Ok(name.to_lowercase()) } else { Err(Reply::error(422, &words)) }
}

/// What was given, over a whole shape.
fn annotation(given: &Value) -> Value {
    let line = given["start_line"].as_u64().unwrap_or(1);
    let mut shape = json!({"path": "README.md", "start_line": line, "end_line": line, "start_column": null,
        "end_column": null, "annotation_level": "failure", "title": null, "message": "", "raw_details": null,
        "blob_href": ""});
    if let (Value::Object(shape), Value::Object(given)) = (&mut shape, given) {
        shape.extend(given.clone());
    }
    shape
}
