//! The OpenAI Responses protocol, which codex speaks.

use serde_json::{Value, json};

use super::call::Input;
use super::server::{Bound, Event};
use super::{Tool, user_text};

/// The tools a request offers. Models in "code mode" get theirs by way of an `additional_tools` item, some in a namespace.
pub(super) fn tools(body: &Value) -> Vec<Tool> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut open = list(&body["tools"]);
    for item in list(&body["input"]).iter().filter(|item| item["type"] == "additional_tools") {
        open.extend(list(&item["tools"]));
    }
    let mut found = Vec::new();
    while let Some(tool) = open.pop() {
        let kind = tool["type"].as_str().unwrap_or_default();
        let name = tool["name"].as_str().unwrap_or(kind);
        if kind != "namespace" {
            found.push(Tool { name: name.to_owned(), is_free: kind == "custom" });
        } else if name == "functions" {
            open.extend(list(&tool["tools"]));
        }
    }
    found
}

/// What the user said.
pub(super) fn prompt(body: &Value) -> String {
    body["input"].as_str().map_or_else(|| user_text(&body["input"]), str::to_owned)
}

/// The answer in one piece.
pub(super) fn whole(bound: &Bound) -> Value {
    envelope(bound, "completed", &items(bound))
}

/// The answer as a stream.
pub(super) fn stream(bound: &Bound) -> Vec<Event> {
    let mut events =
        vec![json!({"type": "response.created", "response": envelope(bound, "in_progress", &[])})];
    let items = items(bound);
    for (index, item) in items.iter().enumerate() {
        let at = |mut event: Value| {
            event["output_index"] = json!(index);
            event["item_id"] = item["id"].clone();
            event
        };
        let mut begun = item.clone();
        begun["status"] = json!("in_progress");
        for field in ["content", "arguments", "input"] {
            if let Some(value) = begun.get_mut(field) {
                *value = if value.is_array() { json!([]) } else { json!("") };
            }
        }
        events.push(at(json!({"type": "response.output_item.added", "item": begun})));
        let kind = match item["type"].as_str().unwrap_or_default() {
            "message" => {
                let part = json!({"type": "output_text", "text": "", "annotations": []});
                events.push(at(
                    json!({"type": "response.content_part.added", "content_index": 0, "part": part}),
                ));
                "output_text"
            }
            "function_call" => "function_call_arguments",
            _ => "custom_tool_call_input",
        };
        let said = [&item["content"][0]["text"], &item["arguments"], &item["input"]];
        let said = said.into_iter().find_map(Value::as_str).unwrap_or_default();
        events.push(at(json!({"type": format!("response.{kind}.delta"), "content_index": 0, "delta": said})));
        if kind == "output_text" {
            events.push(at(json!({"type": "response.output_text.done", "content_index": 0, "text": said})));
            let part = &item["content"][0];
            events.push(at(json!({"type": "response.content_part.done", "content_index": 0, "part": part})));
        }
        events.push(at(json!({"type": "response.output_item.done", "item": item})));
    }
    events.push(json!({"type": "response.completed", "response": envelope(bound, "completed", &items)}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(Event::named_by_type).collect()
}

fn items(bound: &Bound) -> Vec<Value> {
    let mut items = Vec::new();
    if !bound.text.is_empty() {
        let part = json!({"type": "output_text", "text": bound.text, "annotations": []});
        items.push(
            json!({"type": "message", "id": bound.id("msg"), "role": "assistant", "status": "completed",
            "content": [part]}),
        );
    }
    for call in &bound.calls {
        let mut item = json!({"call_id": bound.id("call"), "name": call.name, "status": "completed"});
        match &call.input {
            Input::Json(input) => {
                item["type"] = json!("function_call");
                item["id"] = json!(bound.id("fc"));
                item["arguments"] = json!(input.to_string());
            }
            Input::Free(input) => {
                item["type"] = json!("custom_tool_call");
                item["id"] = json!(bound.id("ctc"));
                item["input"] = json!(input);
            }
        }
        items.push(item);
    }
    items
}

fn envelope(bound: &Bound, status: &str, items: &[Value]) -> Value {
    let used = &bound.used;
    let usage = json!({
        "input_tokens": used.input, "input_tokens_details": {"cached_tokens": used.cached},
        "output_tokens": used.output, "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    });
    let usage = if status == "completed" { usage } else { Value::Null };
    json!({"id": bound.answer, "object": "response", "created_at": 1_700_000_000, "status": status,
        "model": bound.model, "output": items, "error": null, "usage": usage})
}

/// The body of a refusal, which the Chat protocol shares.
pub(super) fn refusal(status: u16, kind: Option<&str>) -> Value {
    let (code, own) = match status {
        401 => ("invalid_api_key", "invalid_request_error"),
        429 => ("rate_limit_exceeded", "rate_limit_error"),
        500.. => ("server_error", "server_error"),
        _ => ("invalid_request", "invalid_request_error"),
    };
    json!({"error": {"message": format!("scripted error {status}"), "param": null,
        "type": kind.unwrap_or(own), "code": kind.unwrap_or(code)}})
}
