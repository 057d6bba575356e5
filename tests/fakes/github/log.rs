//! What was asked, in order. It names tokens by a digest and never by their text.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::message::Ask;

/// The log of requests.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub lines: Vec<Value>,
    /// How many lines were thrown away, so that places stay true.
    dropped: usize,
}

impl Log {
    /// Notes a request, and gives the place where its end is noted.
    pub(crate) fn begin(&mut self, ask: &Ask, kind: &str, token: &str, now_ms: i64) -> usize {
        let mut body = serde_json::from_slice::<Value>(&ask.body).unwrap_or(Value::Null);
        if let Some(secret) = body.pointer_mut("/config/secret") {
            *secret = json!("********");
        }
        self.lines.push(json!({
            "method": ask.method, "path": ask.target(), "at_ms": now_ms, "status": null, "authorization": kind,
            "token": token, "user_agent": ask.header("user-agent"), "conditional": ask.header("if-none-match").is_some(),
            "fault": null, "body": body,
        }));
        self.dropped + self.lines.len() - 1
    }

    /// Notes the end of a request: `status` is null where the connection was dropped.
    pub(crate) fn end(&mut self, place: usize, status: Option<u16>, fault: Option<&str>) {
        let line = place.checked_sub(self.dropped).and_then(|place| self.lines.get_mut(place));
        if let Some(line) = line {
            line["status"] = json!(status);
            line["fault"] = json!(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.dropped += self.lines.len();
        self.lines.clear();
    }
}

/// A token as logs show it.
pub(crate) fn digest(token: &str) -> String {
    if token.is_empty() {
        return String::new();
    }
    hex::encode(&Sha256::digest(token.as_bytes())[..8])
}
