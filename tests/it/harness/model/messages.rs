//! The Anthropic Messages protocol, which claude speaks.

use serde_json::{Value, json};

use super::call::Input;
use super::server::{Bound, Event};
use super::{Tool, Used, user_text};

/// The tools a request offers.
pub(super) fn tools(body: &Value) -> Vec<Tool> {
    let all = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = all.iter().filter_map(|tool| tool["name"].as_str());
    names.map(|name| Tool { name: name.to_owned(), is_free: false }).collect()
}

/// What the user said.
pub(super) fn prompt(body: &Value) -> String {
    user_text(&body["messages"])
}

/// The answer in one piece.
pub(super) fn whole(bound: &Bound) -> Value {
    let stop = if bound.calls.is_empty() { "end_turn" } else { "tool_use" };
    json!({"id": bound.answer, "type": "message", "role": "assistant", "model": bound.model,
        "content": blocks(bound), "stop_reason": stop, "stop_sequence": null,
        "usage": usage(&bound.used, bound.used.output)})
}

/// The answer as a stream.
pub(super) fn stream(bound: &Bound) -> Vec<Event> {
    let whole = whole(bound);
    let mut opening = whole.clone();
    opening["content"] = json!([]);
    opening["stop_reason"] = Value::Null;
    opening["usage"] = usage(&bound.used, 1);
    let mut events = vec![json!({"type": "message_start", "message": opening})];
    for (index, block) in blocks(bound).into_iter().enumerate() {
        let (mut begun, delta) = (block.clone(), delta(&block));
        for (field, empty) in [("text", json!("")), ("input", json!({}))] {
            if begun.get(field).is_some() {
                begun[field] = empty;
            }
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let end = json!({"stop_reason": whole["stop_reason"], "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": end, "usage": whole["usage"]}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(Event::named_by_type).collect()
}

fn delta(block: &Value) -> Value {
    match block.get("input") {
        Some(input) => json!({"type": "input_json_delta", "partial_json": input.to_string()}),
        None => json!({"type": "text_delta", "text": block["text"]}),
    }
}

fn blocks(bound: &Bound) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !bound.text.is_empty() {
        blocks.push(json!({"type": "text", "text": bound.text}));
    }
    for call in &bound.calls {
        let input = match &call.input {
            Input::Json(input) => input.clone(),
            Input::Free(text) => json!({"input": text}),
        };
        blocks.push(json!({"type": "tool_use", "id": bound.id("toolu"), "name": call.name, "input": input}));
    }
    blocks
}

/// Here what came from a cache is not part of the input.
fn usage(used: &Used, output: u64) -> Value {
    json!({"input_tokens": used.input - used.cached, "cache_read_input_tokens": used.cached,
        "cache_creation_input_tokens": 0, "output_tokens": output})
}

/// The body of a refusal.
pub(super) fn refusal(status: u16, kind: Option<&str>) -> Value {
    let own = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind.unwrap_or(own), "message": format!("scripted error {status}")}})
}
