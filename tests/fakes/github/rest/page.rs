//! Pages of long lists: `per_page`, `page`, and the `Link` header that leads to the others.

use serde_json::Value;

use crate::message::{Ask, Reply};
use crate::world::World;

/// The page that is asked for, and the value of its `Link` header.
pub(super) fn cut(world: &World, ask: &Ask, all: Vec<Value>) -> (Vec<Value>, Option<String>) {
    let number =
        |name: &str, fallback: usize| ask.asked(name).and_then(|text| text.parse().ok()).unwrap_or(fallback);
    let size = number("per_page", 30).clamp(1, 100);
    let page = number("page", 1).max(1);
    let last = all.len().div_ceil(size).max(1);
    let mut links = Vec::new();
    if page > 1 {
        links.push(link(world, ask, "page", &(page - 1).to_string(), "prev"));
    }
    if page < last {
        links.push(link(world, ask, "page", &(page + 1).to_string(), "next"));
        links.push(link(world, ask, "page", &last.to_string(), "last"));
    }
    let shown = all.into_iter().skip((page - 1) * size).take(size).collect();
    (shown, (!links.is_empty()).then(|| links.join(", ")))
}

/// One entry of a `Link` header: this request with one value of its query changed.
pub(super) fn link(world: &World, ask: &Ask, name: &str, value: &str, rel: &str) -> String {
    let own = |pair: &&str| pair.split('=').next() != Some(name) && !pair.is_empty();
    let mut pairs: Vec<String> = ask.raw_query.split('&').filter(own).map(str::to_owned).collect();
    pairs.push(format!("{name}={value}"));
    format!("<{}{}?{}>; rel=\"{rel}\"", world.origin, ask.path, pairs.join("&"))
}

/// A list that is a bare array.
pub(super) fn list(world: &World, ask: &Ask, all: Vec<Value>) -> Reply {
    let (shown, links) = cut(world, ask, all);
    linked(Reply::json(200, &Value::Array(shown)), links)
}

/// A list inside an object with its total.
pub(super) fn counted(world: &World, ask: &Ask, name: &str, all: Vec<Value>) -> Reply {
    let total = all.len();
    let (shown, links) = cut(world, ask, all);
    let mut body = serde_json::json!({"total_count": total});
    body[name] = Value::Array(shown);
    linked(Reply::json(200, &body), links)
}

pub(super) fn linked(reply: Reply, links: Option<String>) -> Reply {
    match links {
        Some(links) => reply.with("link", links),
        None => reply,
    }
}
