//! What is to go wrong: the clock, limits, faults, lost and held deliveries; and the log of what was asked.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{done, wrong};
use crate::chance::Seeded;
use crate::limit::Resource;
use crate::log::digest;
use crate::message::{Answer, Reply};
use crate::report::needed;
use crate::world::{Found, World};

pub(super) fn route(world: &mut World, method: &str, parts: &[&str], body: &Value) -> Answer {
    match (method, parts) {
        ("GET", ["requests"]) => return Ok(Reply::json(200, &json!(world.log.lines))),
        ("DELETE", ["requests"]) => world.log.clear(),
        ("POST", ["clock"]) => world.clock.pinned = body["now_ms"].as_i64(),
        ("POST", ["forks"]) => {
            let looks = body["looks"].as_u64().and_then(|looks| u32::try_from(looks).ok());
            world.fork_looks = looks.ok_or_else(|| wrong("`looks` is missing"))?;
        }
        ("POST", ["limits"]) => limits(world, body),
        ("POST", ["faults"]) => {
            let text = body.to_string();
            world.faults.plan(text.as_bytes()).map_err(|words| wrong(&words))?;
        }
        ("DELETE", ["faults"]) => world.faults.plan(b"[]").map_err(|words| wrong(&words))?,
        ("POST", ["hooks", "pause"]) => world.sending.is_paused = true,
        ("POST", ["hooks", "resume"]) => resume(world, body),
        ("POST", ["hooks", "drop"]) => {
            world.sending.lose_next = body["next"].as_u64().unwrap_or(0);
            world.sending.lose_fraction = body["fraction"].as_f64().unwrap_or(0.0);
            world.sending.chance = Seeded::new(body["seed"].as_u64().unwrap_or(1));
            world.sending.is_loss_logged = body["log"] != false;
        }
        ("POST", ["emit"]) => {
            let (name, event, by) =
                (needed(body, "repository")?, needed(body, "event")?, body["by"].as_str());
            let (owner, name) = name.split_once('/').ok_or_else(|| wrong("`repository` is owner/name"))?;
            let Found::Here(id) = world.find(owner, name) else { return Err(Reply::not_found()) };
            world.emit(id, &event, body["action"].as_str(), by.unwrap_or(owner), body["body"].clone());
        }
        _ => return Err(Reply::not_found()),
    }
    Ok(done())
}

fn limits(world: &mut World, body: &Value) {
    if let Some(core) = body["core"].as_u64() {
        world.limits.core = core;
    }
    if let Some(graphql) = body["graphql"].as_u64() {
        world.limits.graphql = graphql;
    }
    if let Some(grace_ms) = body["grace_ms"].as_i64() {
        world.limits.grace_ms = grace_ms;
    }
    if let (Some(token), Some(left)) = (body["token"].as_str(), body["remaining"].as_u64()) {
        let resource = if body["resource"] == "graphql" { Resource::Graphql } else { Resource::Core };
        let (reset_in, now) = (body["reset_in"].as_i64().unwrap_or(3_600), world.now());
        world.limits.leave(&digest(token), resource, left, reset_in, now);
    }
}

/// Lets held deliveries go, in another order and more than once if that is asked for.
fn resume(world: &mut World, body: &Value) {
    world.sending.is_paused = false;
    let copies = body["copies"].as_u64().unwrap_or(1).max(1);
    let mut chance = Seeded::new(body["seed"].as_u64().unwrap_or(1));
    for hook in world.repositories.values_mut().flat_map(|repository| &mut repository.hooks) {
        let held = std::mem::take(&mut hook.queue).into_iter();
        let mut held: Vec<_> = held.flat_map(|one| (0..copies).map(move |_| one.clone())).collect();
        match body["order"].as_str() {
            Some("reverse") => held.reverse(),
            Some("shuffle") => {
                for last in (1..held.len()).rev() {
                    let other = usize::try_from(chance.next() % (last as u64 + 1)).unwrap_or(0);
                    held.swap(last, other);
                }
            }
            Some(_) | None => {}
        }
        hook.queue = VecDeque::from(held);
    }
}
