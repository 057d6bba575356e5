//! The REST API: who may ask, where a name leads, what has not changed since.

mod checks;
mod hooks;
mod page;
mod pulls;
mod repositories;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::app;
use crate::auth::Credential;
use crate::limit::Resource;
use crate::log::digest;
use crate::message::{Answer, Ask, Reply, decoded};
use crate::user::{Level, Who};
use crate::world::{Found, World};

/// A request that has found its repository.
pub(crate) struct Scene<'a> {
    pub ask: &'a Ask,
    pub who: &'a Who,
    /// The repository.
    pub id: u64,
    pub level: Level,
}

impl Scene<'_> {
    /// Refuses those who may do less than this.
    pub(crate) fn needs(&self, level: Level) -> Result<(), Reply> {
        let is_enough = self.level >= level;
        let words = "Resource not accessible by personal access token";
        if is_enough { Ok(()) } else { Err(Reply::error(403, words)) }
    }
}

/// Answers a request; `path` is what follows the base of the API.
pub(crate) fn serve(world: &mut World, ask: &Ask, credential: &Credential, path: &str) -> Reply {
    let parts: Vec<String> = path.split('/').map(|part| decoded(part, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let reply = route(world, ask, credential, &parts, path).unwrap_or_else(|refusal| refusal);
    unchanged(ask, reply)
}

fn route(world: &mut World, ask: &Ask, credential: &Credential, parts: &[&str], path: &str) -> Answer {
    if credential.kind == "jwt" {
        return app::route(world, ask, &credential.text, parts);
    }
    let who = credential.who(world).ok_or_else(|| Reply::error(401, "Bad credentials"))?;
    match (ask.method.as_str(), parts) {
        ("GET", ["user"]) if who.installation.is_some() => {
            Err(Reply::error(403, "Resource not accessible by integration"))
        }
        ("GET", ["user"]) => {
            let user = world.user(&who.login);
            let reply = Reply::json(200, &user.json(&world.origin));
            Ok(reply.with("x-oauth-scopes", "repo, workflow, admin:repo_hook"))
        }
        ("GET", ["users", login]) => match world.user_json(login) {
            serde_json::Value::Null => Err(Reply::not_found()),
            user => Ok(Reply::json(200, &user)),
        },
        ("GET", ["rate_limit"]) => {
            let (token, now) = (digest(&credential.text), world.now());
            let core = world.limits.json(&token, Resource::Core, now);
            let graphql = world.limits.json(&token, Resource::Graphql, now);
            let body = json!({"resources": {"core": core, "graphql": graphql}, "rate": core});
            Ok(Reply::json(200, &body))
        }
        (_, ["app", ..]) => Err(Reply::error(401, "A JSON web token could not be decoded")),
        (_, ["repos", owner, name, rest @ ..]) => match world.find(owner, name) {
            Found::Here(id) => within(world, ask, &who, id, rest),
            Found::Moved(id) => {
                let tail = path.split('/').filter(|part| !part.is_empty()).skip(3);
                let tail: String = tail.map(|part| format!("/{part}")).collect();
                let query =
                    if ask.raw_query.is_empty() { String::new() } else { format!("?{}", ask.raw_query) };
                Ok(moved(&ask.method, &format!("{}/repositories/{id}{tail}{query}", world.api())))
            }
            Found::Nowhere => Err(Reply::not_found()),
        },
        (_, ["repositories", id, rest @ ..]) => {
            let id = id.parse().map_err(|_| Reply::not_found())?;
            within(world, ask, &who, id, rest)
        }
        _ => Err(Reply::not_found()),
    }
}

/// The redirect of a repository that has another name: other methods than GET must not become one.
pub(crate) fn moved(method: &str, to: &str) -> Reply {
    let (status, words) =
        if method == "GET" { (301, "Moved Permanently") } else { (307, "Temporary Redirect") };
    let body = json!({"message": words, "url": to, "documentation_url": "https://docs.github.com/rest"});
    Reply::json(status, &body).with("location", to)
}

fn within(world: &mut World, ask: &Ask, who: &Who, id: u64, rest: &[&str]) -> Answer {
    let repository = world.repositories.get_mut(&id).ok_or_else(Reply::not_found)?;
    let level = repository.level(Some(who));
    if level == Level::None || repository.is_gone {
        return Err(Reply::not_found());
    }
    if repository.looks > 0 {
        repository.looks -= 1;
        return Err(Reply::not_found());
    }
    let is_fork = matches!(rest, ["forks"]);
    if ask.is_write() && repository.is_archived && !is_fork {
        return Err(Reply::error(403, "Repository was archived so is read-only."));
    }
    if repository.is_disabled {
        return Err(Reply::error(403, "Repository access blocked"));
    }
    let scene = Scene { ask, who, id, level };
    match rest {
        ["pulls" | "issues" | "labels", ..] => pulls::route(world, &scene, rest),
        ["commits" | "check-runs" | "check-suites" | "actions", ..] => checks::route(world, &scene, rest),
        ["hooks", ..] => hooks::route(world, &scene, rest),
        _ => repositories::route(world, &scene, rest),
    }
}

/// Puts an `ETag` on what was read, and answers 304 to those who have it already.
fn unchanged(ask: &Ask, reply: Reply) -> Reply {
    if ask.method != "GET" || reply.status != 200 {
        return reply;
    }
    let digest = hex::encode(&Sha256::digest(&reply.body)[..16]);
    let tag = format!("W/\"{digest}\"");
    let asked = ask.header("if-none-match").unwrap_or_default();
    // Weak comparison: the strong form of the same tag fits as well.
    let is_known = asked.split(',').any(|own| own.trim().trim_start_matches("W/") == format!("\"{digest}\""));
    if is_known { Reply::empty(304).with("etag", tag) } else { reply.with("etag", tag) }
}
