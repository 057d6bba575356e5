//! The OpenAI Chat Completions protocol, which opencode and aider speak. Its refusals are those of the Responses protocol.

use serde_json::{Value, json};

use super::call::Input;
use super::server::{Bound, Event};
use super::{Tool, user_text};

/// The tools a request offers.
pub(super) fn tools(body: &Value) -> Vec<Tool> {
    let all = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = all.iter().filter_map(|tool| tool["function"]["name"].as_str());
    names.map(|name| Tool { name: name.to_owned(), is_free: false }).collect()
}

/// What the user said.
pub(super) fn prompt(body: &Value) -> String {
    user_text(&body["messages"])
}

/// The answer in one piece.
pub(super) fn whole(bound: &Bound) -> Value {
    let mut message = json!({"role": "assistant", "content": bound.text});
    let calls = calls(bound);
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    let choice = json!({"index": 0, "message": message, "finish_reason": finish(bound)});
    json!({"id": bound.answer, "object": "chat.completion", "created": 1_700_000_000, "model": bound.model,
        "choices": [choice], "usage": usage(bound)})
}

/// The answer as a stream.
pub(super) fn stream(bound: &Bound) -> Vec<Event> {
    let chunk = |choices: Value| {
        json!({"id": bound.answer, "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": bound.model, "choices": choices})
    };
    let delta =
        |delta: Value, finish: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]));
    let mut chunks = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
    if !bound.text.is_empty() {
        chunks.push(delta(json!({"content": bound.text}), Value::Null));
    }
    for (index, mut call) in calls(bound).into_iter().enumerate() {
        call["index"] = json!(index);
        chunks.push(delta(json!({"tool_calls": [call]}), Value::Null));
    }
    chunks.push(delta(json!({}), json!(finish(bound))));
    let mut last = chunk(json!([]));
    last["usage"] = usage(bound);
    chunks.push(last);
    let events = chunks.into_iter().map(|chunk| Event { name: None, data: chunk.to_string() });
    events.chain([Event { name: None, data: "[DONE]".to_owned() }]).collect()
}

fn finish(bound: &Bound) -> &'static str {
    if bound.calls.is_empty() { "stop" } else { "tool_calls" }
}

fn calls(bound: &Bound) -> Vec<Value> {
    let call = |name: &str, input: &Input| {
        let arguments = match input {
            Input::Json(input) => input.to_string(),
            Input::Free(text) => json!({"input": text}).to_string(),
        };
        json!({"id": bound.id("call"), "type": "function", "function": {"name": name, "arguments": arguments}})
    };
    bound.calls.iter().map(|one| call(one.name, &one.input)).collect()
}

fn usage(bound: &Bound) -> Value {
    let used = &bound.used;
    json!({"prompt_tokens": used.input, "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning}})
}
