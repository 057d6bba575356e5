//! Repositories, forks, branches.

use serde_json::{Value, json};

use super::Scene;
use crate::git;
use crate::message::{Answer, Reply};
use crate::world::World;

pub(super) fn route(world: &mut World, scene: &Scene<'_>, rest: &[&str]) -> Answer {
    let repository = world.repositories.get(&scene.id).ok_or_else(Reply::not_found)?;
    let api = world.url(repository);
    match (scene.ask.method.as_str(), rest) {
        ("GET", []) => {
            let mut shape = world.repository_json(scene.id, Some(scene.who));
            if let Some(parent) = repository.parent {
                shape["parent"] = world.repository_json(parent, Some(scene.who));
                shape["source"] = world.repository_json(world.root(scene.id), Some(scene.who));
            }
            Ok(Reply::json(200, &shape))
        }
        ("POST", ["forks"]) => fork(world, scene),
        ("GET", ["git", "ref", "heads", branch @ ..]) => {
            let branch = branch.join("/");
            let sha = repository.tip(&branch).ok_or_else(Reply::not_found)?;
            let name = format!("refs/heads/{branch}");
            Ok(Reply::json(
                200,
                &json!({"ref": name, "node_id": name, "url": format!("{api}/git/{name}"),
                    "object": {"type": "commit", "sha": sha, "url": format!("{api}/git/commits/{sha}")}}),
            ))
        }
        ("GET", ["branches", branch @ ..]) if !branch.is_empty() => {
            let branch = branch.join("/");
            let words = "Branch not found";
            let sha = repository.tip(&branch).ok_or_else(|| Reply::error(404, words))?;
            Ok(Reply::json(
                200,
                &json!({"name": branch, "protected": false,
                    "commit": {"sha": sha, "url": format!("{api}/commits/{sha}")}}),
            ))
        }
        ("GET", ["compare", range]) => {
            let (base, head) = range.split_once("...").ok_or_else(Reply::not_found)?;
            let sha = |name: &str| repository.tip(name).unwrap_or(name).to_owned();
            let (base, head) = (sha(base), sha(head));
            let ahead = git::ahead(&repository.dir, &base, &head).ok_or_else(Reply::not_found)?;
            let behind = git::ahead(&repository.dir, &head, &base).ok_or_else(Reply::not_found)?;
            let status = match (ahead, behind) {
                (0, 0) => "identical",
                (_, 0) => "ahead",
                (0, _) => "behind",
                _ => "diverged",
            };
            Ok(Reply::json(200, &json!({"status": status, "ahead_by": ahead, "behind_by": behind})))
        }
        _ => Err(Reply::not_found()),
    }
}

/// The fork is answered at once, and is there only later.
fn fork(world: &mut World, scene: &Scene<'_>) -> Answer {
    let wish = scene.ask.json()?;
    if scene.who.installation.is_some() && wish["organization"].is_null() {
        return Err(Reply::error(403, "Resource not accessible by integration"));
    }
    let owner = wish["organization"].as_str().unwrap_or(&scene.who.login).to_owned();
    let is_default_only = wish["default_branch_only"] == true;
    let made = world.fork(scene.id, &owner, is_default_only);
    let id = made.map_err(|words| Reply::error(422, &words))?;
    let mut shape = world.repository_json(id, Some(scene.who));
    shape["parent"] = world.repository_json(scene.id, Some(scene.who));
    shape["source"] = match shape["parent"] {
        Value::Null => Value::Null,
        _ => world.repository_json(world.root(id), Some(scene.who)),
    };
    Ok(Reply::json(202, &shape))
}
