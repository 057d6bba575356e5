//! Hooks, their delivery logs, and sending again.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{Scene, page};
use crate::hook::{Delivery, Hook};
use crate::message::{Answer, Reply};
use crate::user::Level;
use crate::world::World;

pub(super) fn route(world: &mut World, scene: &Scene<'_>, rest: &[&str]) -> Answer {
    // Those who may not see hooks are told that there are none.
    if scene.level < Level::Admin && !(scene.who.installation.is_some() && scene.level >= Level::Maintain) {
        return Err(Reply::not_found());
    }
    let repository = world.repositories.get(&scene.id).ok_or_else(Reply::not_found)?;
    let api = world.url(repository);
    let find = |id: &str| {
        repository.hooks.iter().find(|hook| hook.id.to_string() == id).ok_or_else(Reply::not_found)
    };
    match (scene.ask.method.as_str(), rest) {
        ("GET", ["hooks"]) => {
            let all = repository.hooks.iter().map(|hook| hook.json(&api)).collect();
            Ok(page::list(world, scene.ask, all))
        }
        ("POST", ["hooks"]) => {
            let id = world.add_hook(scene.id, &scene.ask.json()?)?;
            let repository = world.repositories.get(&scene.id).ok_or_else(Reply::not_found)?;
            let hook = repository.hooks.iter().find(|hook| hook.id == id).ok_or_else(Reply::not_found)?;
            Ok(Reply::json(201, &hook.json(&api)))
        }
        ("GET", ["hooks", id]) => Ok(Reply::json(200, &find(id)?.json(&api))),
        ("DELETE", ["hooks", id]) => {
            let id = find(id)?.id;
            let repository = world.repositories.get_mut(&scene.id).ok_or_else(Reply::not_found)?;
            repository.hooks.retain(|hook| hook.id != id);
            Ok(Reply::empty(204))
        }
        ("POST", ["hooks", id, "pings"]) => {
            let id = find(id)?.id;
            world.ping(scene.id, id, &scene.who.login);
            Ok(Reply::empty(204))
        }
        ("GET", ["hooks", id, "deliveries"]) => deliveries(world, scene, find(id)?),
        ("GET", ["hooks", id, "deliveries", number]) => {
            let hook = find(id)?;
            Ok(Reply::json(200, &delivery(hook, number)?.whole(hook)))
        }
        ("POST", ["hooks", id, "deliveries", number, "attempts"]) => {
            let hook = find(id)?;
            let (hook, again) = (hook.id, delivery(hook, number)?.clone());
            let again = Delivery { id: world.id(), is_redelivery: true, ..again };
            let repository = world.repositories.get_mut(&scene.id).ok_or_else(Reply::not_found)?;
            let hook = repository.hooks.iter_mut().find(|own| own.id == hook).ok_or_else(Reply::not_found)?;
            hook.queue.push_back(again);
            Ok(Reply::json(202, &json!({})))
        }
        _ => Err(Reply::not_found()),
    }
}

fn delivery<'a>(hook: &'a Hook, number: &str) -> Result<&'a Delivery, Reply> {
    hook.log.iter().find(|delivery| delivery.id.to_string() == number).ok_or_else(Reply::not_found)
}

/// Newest first. The cursor is the number of the first delivery of the next page.
fn deliveries(world: &World, scene: &Scene<'_>, hook: &Hook) -> Answer {
    let size =
        scene.ask.asked("per_page").and_then(|text| text.parse().ok()).unwrap_or(30_usize).clamp(1, 100);
    let from = scene.ask.asked("cursor").and_then(|cursor| cursor.strip_prefix("v1_")?.parse::<u64>().ok());
    let newest = hook.log.iter().rev();
    let mut rest = newest.skip_while(|delivery| from.is_some_and(|from| delivery.id != from));
    let shown: Vec<Value> = rest.by_ref().take(size).map(Delivery::json).collect();
    let next =
        rest.next().map(|next| page::link(world, scene.ask, "cursor", &format!("v1_{}", next.id), "next"));
    Ok(page::linked(Reply::json(200, &Value::Array(shown)), next))
}

impl World {
    /// Adds a hook and pings it, in the shape of the API's own request.
    pub(crate) fn add_hook(&mut self, id: u64, wish: &Value) -> Result<u64, Reply> {
        let config = &wish["config"];
        let url = config["url"].as_str().unwrap_or_default().to_owned();
        let invalid = |message: &str| {
            Reply::invalid(&json!([{"resource": "Hook", "code": "custom", "message": message}]))
        };
        if !url.starts_with("http") {
            return Err(invalid("url is not supported because it's missing"));
        }
        let events: Vec<String> =
            serde_json::from_value(wish["events"].clone()).unwrap_or_else(|_| vec!["push".to_owned()]);
        let repository = self.repositories.get(&id).ok_or_else(Reply::not_found)?;
        let is_same = |hook: &Hook| hook.url == url && hook.events == events;
        if repository.hooks.iter().any(is_same) {
            return Err(invalid("Hook already exists on this repository"));
        }
        let hook = Hook {
            id: 0,
            url,
            secret: config["secret"].as_str().map(str::to_owned),
            events,
            is_active: wish["active"] != false,
            created_ms: self.now(),
            queue: VecDeque::new(),
            log: VecDeque::new(),
        };
        let (hook, owner) = (Hook { id: self.id(), ..hook }, repository_owner(self, id));
        let number = hook.id;
        let repository = self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?;
        repository.hooks.push(hook);
        if wish["ping"] != false {
            self.ping(id, number, &owner);
        }
        Ok(number)
    }

    /// Sends the event that proves address and secret.
    pub(crate) fn ping(&mut self, id: u64, hook: u64, by: &str) {
        let Some(repository) = self.repositories.get(&id) else { return };
        let Some(own) = repository.hooks.iter().find(|own| own.id == hook) else { return };
        let shape = own.json(&self.url(repository));
        let body = json!({"zen": "Small steps arrive.", "hook_id": hook, "hook": shape,
            "repository": self.repository_json(id, None), "sender": self.user_json(by)});
        self.queue(id, Some(hook), "ping", None, &body);
    }
}

fn repository_owner(world: &World, id: u64) -> String {
    world.repositories.get(&id).map(|repository| repository.owner.clone()).unwrap_or_default()
}
