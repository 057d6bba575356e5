//! Rate limits, and what is learnt about a client's manners: requests that came too early, writes too close together.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::message::Reply;

/// The limits of everybody.
#[derive(Debug)]
pub(crate) struct Limits {
    pub core: u64,
    pub graphql: u64,
    /// By token digest.
    pub meters: BTreeMap<String, Meter>,
    /// Requests that came while a limit was in force.
    pub early: Vec<Value>,
    /// How long after the refusal a request still counts as sent before it: several clients cannot know of each other's.
    pub grace_ms: i64,
}

/// Which of the two allowances a request draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Core,
    Graphql,
}

/// What one token has used.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    core: Window,
    graphql: Window,
    /// A secondary limit in force.
    pub secondary: Option<Secondary>,
    last_write: Option<Instant>,
    /// The shortest time between two writes.
    pub gap_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Window {
    used: u64,
    /// Seconds since 1970; zero before the first request.
    reset: i64,
    /// When the client was first told that there is nothing left.
    told_ms: Option<i64>,
}

/// A refusal that holds until a time.
#[derive(Debug, Clone)]
pub(crate) struct Secondary {
    pub since_ms: i64,
    pub until_ms: i64,
    pub retry_after: Option<u64>,
    pub status: u16,
}

/// A window lasts an hour, as GitHub's.
const WINDOW: i64 = 3_600;

impl Default for Limits {
    fn default() -> Self {
        Self { core: 5_000, graphql: 5_000, meters: BTreeMap::new(), early: Vec::new(), grace_ms: 0 }
    }
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Graphql => "graphql",
        }
    }
}

impl Limits {
    /// Takes note of a request before anything else is done with it, and refuses it where a limit is in force.
    pub(crate) fn enter(
        &mut self,
        token: &str,
        resource: Resource,
        is_write: bool,
        now_ms: i64,
        target: &str,
    ) -> Option<Reply> {
        let limit = self.limit(resource);
        let meter = self.meters.entry(token.to_owned()).or_default();
        if is_write {
            let now = Instant::now();
            if let Some(last) = meter.last_write.replace(now) {
                let gap = u64::try_from((now - last).as_millis()).unwrap_or(u64::MAX);
                meter.gap_ms = Some(meter.gap_ms.map_or(gap, |known| known.min(gap)));
            }
        }
        if let Some(secondary) = meter.secondary.clone() {
            if now_ms < secondary.until_ms {
                self.note(target, secondary.since_ms, secondary.until_ms, now_ms);
                return Some(secondary.reply(now_ms));
            }
            meter.secondary = None;
        }
        let window = meter.window(resource, now_ms);
        if window.used < limit {
            return None;
        }
        let (told, reset_ms) = (window.told_ms.get_or_insert(now_ms).to_owned(), window.reset * 1_000);
        if told != now_ms {
            self.note(target, told, reset_ms, now_ms);
        }
        Some(exhausted(resource))
    }

    /// Counts a request that was answered in full.
    pub(crate) fn spend(&mut self, token: &str, resource: Resource, now_ms: i64) {
        let limit = self.limit(resource);
        let window = self.meters.entry(token.to_owned()).or_default().window(resource, now_ms);
        window.used += 1;
        if window.used >= limit {
            // The headers of this very answer say that nothing is left.
            window.told_ms.get_or_insert(now_ms);
        }
    }

    /// Uses up all that is left, until `reset_in` seconds from now.
    pub(crate) fn exhaust(&mut self, token: &str, resource: Resource, reset_in: i64, now_ms: i64) -> Reply {
        let limit = self.limit(resource);
        let window = self.meters.entry(token.to_owned()).or_default().window(resource, now_ms);
        *window =
            Window { used: limit, reset: (now_ms + 999).div_euclid(1_000) + reset_in, told_ms: Some(now_ms) };
        exhausted(resource)
    }

    /// Puts a secondary limit in force.
    pub(crate) fn slow_down(&mut self, token: &str, secondary: Secondary) -> Reply {
        let reply = secondary.reply(secondary.since_ms);
        self.meters.entry(token.to_owned()).or_default().secondary = Some(secondary);
        reply
    }

    /// Sets what is left of an allowance, for tests that come near its end.
    pub(crate) fn leave(&mut self, token: &str, resource: Resource, left: u64, reset_in: i64, now_ms: i64) {
        let used = self.limit(resource).saturating_sub(left);
        let window = self.meters.entry(token.to_owned()).or_default().window(resource, now_ms);
        *window = Window { used, reset: (now_ms + 999).div_euclid(1_000) + reset_in, told_ms: None };
    }

    /// The five headers every answer has.
    pub(crate) fn headers(
        &mut self,
        token: &str,
        resource: Resource,
        now_ms: i64,
    ) -> [(&'static str, String); 5] {
        let limit = self.limit(resource);
        let window = self.meters.entry(token.to_owned()).or_default().window(resource, now_ms);
        [
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", limit.saturating_sub(window.used).to_string()),
            ("x-ratelimit-reset", window.reset.to_string()),
            ("x-ratelimit-used", window.used.min(limit).to_string()),
            ("x-ratelimit-resource", resource.name().to_owned()),
        ]
    }

    /// `limit`, `used`, `remaining` and `reset` of one allowance.
    pub(crate) fn json(&mut self, token: &str, resource: Resource, now_ms: i64) -> Value {
        let limit = self.limit(resource);
        let window = self.meters.entry(token.to_owned()).or_default().window(resource, now_ms);
        json!({"limit": limit, "used": window.used.min(limit), "remaining": limit.saturating_sub(window.used),
            "reset": window.reset, "resource": resource.name()})
    }

    fn limit(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Core => self.core,
            Resource::Graphql => self.graphql,
        }
    }

    fn note(&mut self, target: &str, since_ms: i64, until_ms: i64, now_ms: i64) {
        if now_ms - since_ms < self.grace_ms {
            return;
        }
        self.early.push(
            json!({"request": target, "after_ms": now_ms - since_ms, "early_by_ms": until_ms - now_ms}),
        );
    }
}

impl Meter {
    fn window(&mut self, resource: Resource, now_ms: i64) -> &mut Window {
        let window = match resource {
            Resource::Core => &mut self.core,
            Resource::Graphql => &mut self.graphql,
        };
        let seconds = now_ms.div_euclid(1_000);
        if seconds >= window.reset {
            *window = Window { used: 0, reset: seconds + WINDOW, told_ms: None };
        }
        window
    }
}

impl Secondary {
    fn reply(&self, now_ms: i64) -> Reply {
        let words =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let reply = Reply::error(self.status, words);
        match self.retry_after {
            // What is left of it, rounded up, as a clock would tell.
            Some(_) => {
                let left = (self.until_ms - now_ms).max(0);
                reply.with("retry-after", ((left + 999) / 1_000).to_string())
            }
            None => reply,
        }
    }
}

fn exhausted(resource: Resource) -> Reply {
    let words = "API rate limit exceeded for user ID 1.";
    match resource {
        Resource::Core => Reply::error(403, words),
        Resource::Graphql => {
            Reply::json(200, &json!({"errors": [{"type": "RATE_LIMITED", "message": words}]}))
        }
    }
}
