//! Hooks and their delivery logs: what was sent, what was answered, and the shapes in which the API shows both.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::clock::stamp;

/// How many deliveries a hook remembers; GitHub counts days instead.
const REMEMBERED: usize = 5_000;

/// Where events of a repository are sent to.
#[derive(Debug)]
pub(crate) struct Hook {
    pub id: u64,
    pub url: String,
    pub secret: Option<String>,
    pub events: Vec<String>,
    pub is_active: bool,
    pub created_ms: i64,
    /// Those that wait to be sent, in order.
    pub queue: VecDeque<Delivery>,
    pub log: VecDeque<Delivery>,
}

/// One attempt to send one event.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub id: u64,
    /// The same for every attempt with this event.
    pub guid: String,
    pub event: String,
    pub action: Option<String>,
    pub repository: u64,
    pub is_redelivery: bool,
    pub body: Value,
    pub delivered_ms: i64,
    pub duration_ms: u64,
    /// `OK`, or the words for what went wrong.
    pub status: String,
    pub code: u16,
    pub answer: String,
}

impl Hook {
    pub(crate) fn wants(&self, event: &str) -> bool {
        let is_meant = |own: &String| own == "*" || own == event;
        self.is_active && (event == "ping" || self.events.iter().any(is_meant))
    }

    /// Puts a finished delivery into the log.
    pub(crate) fn record(&mut self, delivery: Delivery) {
        self.log.push_back(delivery);
        if self.log.len() > REMEMBERED {
            self.log.pop_front();
        }
    }

    /// GitHub's shape, which never has the secret.
    pub(crate) fn json(&self, repository: &str) -> Value {
        let url = format!("{repository}/hooks/{}", self.id);
        let last = self.log.back();
        let mut config = json!({"url": self.url, "content_type": "json", "insecure_ssl": "0"});
        if self.secret.is_some() {
            config["secret"] = json!("********");
        }
        json!({
            "type": "Repository", "id": self.id, "name": "web", "active": self.is_active, "events": self.events,
            "config": config, "created_at": stamp(self.created_ms), "updated_at": stamp(self.created_ms),
            "url": url, "test_url": format!("{url}/test"), "ping_url": format!("{url}/pings"),
            "deliveries_url": format!("{url}/deliveries"),
            "last_response": {"code": last.map(|last| last.code),
                "status": last.map_or("unused", |last| if last.code == 200 { "active" } else { "failed" }),
                "message": last.map(|last| last.status.as_str())},
        })
    }
}

impl Delivery {
    /// The headers it is sent with, but for the signature.
    pub(crate) fn headers(&self, hook: u64) -> Vec<(&'static str, String)> {
        vec![
            ("Accept", "*/*".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", "GitHub-Hookshot/fake".to_owned()),
            ("X-GitHub-Event", self.event.clone()),
            ("X-GitHub-Delivery", self.guid.clone()),
            ("X-GitHub-Hook-ID", hook.to_string()),
            ("X-GitHub-Hook-Installation-Target-Type", "repository".to_owned()),
            ("X-GitHub-Hook-Installation-Target-ID", self.repository.to_string()),
        ]
    }

    /// The line in the list of deliveries.
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id, "guid": self.guid, "delivered_at": stamp(self.delivered_ms),
            "redelivery": self.is_redelivery, "duration": self.duration_ms as f64 / 1_000.0,
            "status": self.status, "status_code": self.code, "event": self.event, "action": self.action,
            "installation_id": null, "repository_id": self.repository, "throttled_at": null,
        })
    }

    /// The whole delivery, with what was sent and what was answered.
    pub(crate) fn whole(&self, hook: &Hook) -> Value {
        let headers: serde_json::Map<String, Value> =
            self.headers(hook.id).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let mut whole = self.json();
        whole["url"] = json!(hook.url);
        whole["request"] = json!({"headers": headers, "payload": self.body});
        whole["response"] = json!({"headers": {}, "payload": self.answer});
        whole
    }
}
