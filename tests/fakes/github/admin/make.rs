//! Makes users, tokens, Apps and repositories.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{done, wrong};
use crate::app::{self, App};
use crate::chance;
use crate::make::Plan;
use crate::message::{Answer, Reply};
use crate::report::needed;
use crate::user::{Level, Token};
use crate::world::World;

pub(super) fn route(world: &mut World, method: &str, parts: &[&str], body: &Value) -> Answer {
    match (method, parts) {
        ("POST", ["users"]) => {
            let login = needed(body, "login")?;
            world.user(&login);
            if let (Some(kind), Some(user)) =
                (body["type"].as_str(), world.users.get_mut(&login.to_lowercase()))
            {
                user.kind = kind.to_owned();
            }
            Ok(Reply::json(201, &world.user_json(&login)))
        }
        ("POST", ["tokens"]) => {
            let login = needed(body, "login")?;
            world.user(&login);
            let text =
                body["token"].as_str().map_or_else(|| format!("ghp_{}", chance::name()), str::to_owned);
            let expires_ms = body["expires_in_ms"].as_i64().map(|lasts| world.now() + lasts);
            world.tokens.insert(text.clone(), Token { login, installation: None, expires_ms });
            Ok(Reply::json(201, &json!({"token": text})))
        }
        ("DELETE", ["tokens"]) => {
            world.tokens.remove(&needed(body, "token")?);
            Ok(done())
        }
        ("POST", ["apps"]) => {
            let key = match body["public_key"].as_str() {
                Some(pem) => Some(app::key(pem).ok_or_else(|| wrong("`public_key` is no RSA key in PEM"))?),
                None => None,
            };
            let mut installations = BTreeMap::new();
            for one in body["installations"].as_array().into_iter().flatten() {
                let account = needed(one, "account")?;
                world.user(&account);
                installations.insert(one["id"].as_u64().ok_or_else(|| wrong("`id` is missing"))?, account);
            }
            let id = body["id"].as_u64().ok_or_else(|| wrong("`id` is missing"))?;
            let ttl_secs = body["ttl_secs"].as_i64().unwrap_or(3_600);
            world.apps.insert(id, App { id, slug: needed(body, "slug")?, key, installations, ttl_secs });
            Ok(done())
        }
        ("POST", ["repos"]) => {
            let files: Option<BTreeMap<String, String>> =
                serde_json::from_value(body["files"].clone()).map_err(|err| wrong(&err.to_string()))?;
            let plan = Plan {
                owner: needed(body, "owner")?,
                name: needed(body, "name")?,
                is_private: body["private"] == true,
                default_branch: body["default_branch"].as_str().map(str::to_owned),
                from: body["from"].as_str().map(PathBuf::from),
                files: files.unwrap_or_default().into_iter().map(|(path, text)| (path, Some(text))).collect(),
            };
            let id = world.make(&plan).map_err(|words| Reply::error(422, &words))?;
            rights(world, id, &body["rights"])?;
            let repository = world.repositories.get(&id).ok_or_else(Reply::not_found)?;
            Ok(Reply::json(
                201,
                &json!({"id": id, "dir": repository.dir, "default_branch": repository.default_branch,
                    "clone_url": format!("{}/{}.git", world.origin, repository.full_name()),
                    "sha": repository.tip(&repository.default_branch)}),
            ))
        }
        _ => Err(Reply::not_found()),
    }
}

/// Sets what people may do in a repository.
pub(super) fn rights(world: &mut World, id: u64, given: &Value) -> Result<(), Reply> {
    for (login, word) in given.as_object().into_iter().flatten() {
        let level = word.as_str().and_then(Level::parse);
        let level = level.ok_or_else(|| wrong(&format!("`{word}` is no right")))?;
        world.user(login);
        let repository = world.repositories.get_mut(&id).ok_or_else(Reply::not_found)?;
        repository.rights.insert(login.to_lowercase(), level);
    }
    Ok(())
}
