//! The events claude prints with `--output-format stream-json`, as far as they are used.
//!
//! Every field may be missing and unknown ones are passed over: the format belongs to the program and grows. Recorded from 2.1.197.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Event {
    /// `system`, `assistant`, `user`, `result`, `rate_limit_event`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of a `system` event, or of a `result`.
    pub subtype: String,
    /// The conversation.
    pub session_id: Option<String>,
    /// Of `assistant` and `user`.
    pub message: Option<Message>,
    /// The call that an agent below this one works for.
    pub parent_tool_use_id: Option<String>,
    /// What a tool answered, in the tool's own form.
    pub tool_use_result: Value,
    /// Of `api_retry`: which try.
    pub attempt: Option<u32>,
    /// Of `api_retry`: the pause before it.
    pub retry_delay_ms: Option<f64>,
    /// Of `api_retry`: what the server answered; null when it did not.
    pub error_status: Option<u16>,
    /// Of `api_retry` and of words that the program made up itself: the kind of error.
    pub error: Value,
    /// Of `model_fallback`: what happened, for people.
    pub content: Value,
    /// Of `result`: whether it failed. Only `false` is a success, and its absence is none.
    pub is_error: Option<bool>,
    /// Of `result`: what the server answered last.
    pub api_error_status: Option<u16>,
    /// Of `result`: the last words, or the error.
    pub result: Option<String>,
    /// Of `result`: the answer that follows a schema.
    pub structured_output: Value,
    /// Of `result`: why it stopped.
    pub terminal_reason: Option<String>,
    /// Of `result`: what went wrong.
    pub errors: Vec<String>,
    /// Of `result`: what it cost, by the program's own table.
    pub total_cost_usd: Option<f64>,
    /// Of `result`: what was used, by model. Right also where `usage` is zero.
    #[serde(rename = "modelUsage")]
    pub model_usage: BTreeMap<String, ModelUsage>,
    /// Of `result`: calls that were refused.
    pub permission_denials: Vec<Denial>,
    /// Of `rate_limit_event`.
    pub rate_limit_info: Option<RateLimitInfo>,
}

/// What was said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    /// One answer of the model is told in several events of the same id.
    pub id: String,
    /// `<synthetic>` for words the program made up itself.
    pub model: String,
    /// The parts; a text alone in some messages of the user.
    pub content: Content,
    /// What the request used; its output is a placeholder.
    pub usage: Option<MessageUsage>,
}

/// The parts of a message.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Several.
    Blocks(Vec<Block>),
    /// One text.
    Text(String),
    /// Anything else.
    Other(Value),
}

impl Default for Content {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

/// One part.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Block {
    /// `text`, `thinking`, `tool_use`, `tool_result`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Of `text`.
    pub text: String,
    /// Of `thinking`.
    pub thinking: String,
    /// Of `tool_use`.
    pub id: String,
    /// Of `tool_use`.
    pub name: String,
    /// Of `tool_use`.
    pub input: Value,
    /// Of `tool_result`: the call.
    pub tool_use_id: String,
    /// Of `tool_result`: a text, or parts with texts.
    pub content: Value,
    /// Of `tool_result`.
    pub is_error: Option<bool>,
}

impl Block {
    /// What a tool answered, as text.
    pub fn answer(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }
}

/// What one request used.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct MessageUsage {
    /// Read anew.
    pub input_tokens: u64,
    /// Read from a cache; not in `input_tokens`.
    pub cache_read_input_tokens: u64,
    /// Written to a cache; not in `input_tokens`.
    pub cache_creation_input_tokens: u64,
    /// A placeholder: 1.
    pub output_tokens: u64,
}

/// What one model used.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ModelUsage {
    /// Read anew.
    pub input_tokens: u64,
    /// Read from a cache; not in `input_tokens`.
    pub cache_read_input_tokens: u64,
    /// Written to a cache; not in `input_tokens`.
    pub cache_creation_input_tokens: u64,
    /// Written.
    pub output_tokens: u64,
}

/// A call that was refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Denial {
    /// The tool.
    pub tool_name: String,
}

/// How a plan's allowance stands.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitInfo {
    /// `allowed`, `allowed_warning`, `rejected`.
    pub status: String,
    /// When it is there again, in seconds since 1970.
    pub resets_at: Option<f64>,
}

/// Reads a line; `None` for what is not an event.
pub fn event(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok()
}
