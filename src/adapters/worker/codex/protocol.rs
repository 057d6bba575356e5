//! What `codex exec --json` prints: one JSON object on each line, as version 0.169 does it.
//!
//! Bytes in, [`Event`]s out. What they mean is not decided here. Objects are read as [`Value`] and not by a derived reader, because
//! `web_search` items carry the key `id` twice, and because a field of another type than today must cost that field only.

use serde_json::Value;

use crate::domain::agent::signal::FileChange;
use crate::domain::agent::usage::Tokens;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The thread has a name, by which it can be resumed.
    Thread {
        /// The name.
        id: String,
    },
    /// A turn began: the program works.
    TurnStarted,
    /// A turn ended well. The tokens are the total of the whole thread, earlier starts included.
    TurnCompleted {
        /// The total.
        total: Tokens,
    },
    /// A turn ended badly.
    TurnFailed {
        /// Why.
        message: String,
    },
    /// An error: a retry when it begins with `Reconnecting...`, else `turn.failed` follows.
    Error {
        /// What.
        message: String,
    },
    /// Something began: a command, an edit, a call.
    Started(Item),
    /// Something is whole: words, thoughts, or what began before.
    Completed(Item),
}

/// One thing in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name within this start of the program.
    pub id: String,
    /// What it is.
    pub kind: Kind,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Words of the model.
    Message(String),
    /// Thoughts, by their length in characters.
    Reasoning(u64),
    /// An `error` item, which is a warning.
    Warning(String),
    /// A shell command.
    Command {
        /// The command line.
        line: String,
        /// Both its outputs.
        output: String,
        /// Its code; `None` while it runs and when it was declined.
        exit_code: Option<i32>,
    },
    /// An edit by the program's own patch tool.
    Edit {
        /// The files.
        changes: Vec<(String, FileChange)>,
        /// Whether it was carried out.
        ok: bool,
    },
    /// A call of another tool: of an MCP server, of the provider's search, of another agent.
    Tool {
        /// Its name.
        name: String,
        /// What it was called with, as JSON.
        input: String,
        /// What it answered, as JSON.
        output: String,
        /// Whether it worked.
        ok: bool,
    },
}

/// Reads a line; `None` when it is no event this adapter knows.
pub fn parse(line: &[u8]) -> Option<Event> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let message = |value: &Value| text(value, "message");
    match value.get("type")?.as_str()? {
        "thread.started" => Some(Event::Thread { id: text(&value, "thread_id")? }),
        "turn.started" => Some(Event::TurnStarted),
        // Without its numbers it is not the event that ends a turn, whatever its type says.
        "turn.completed" => Some(Event::TurnCompleted { total: tokens(value.get("usage")?)? }),
        "turn.failed" => Some(Event::TurnFailed { message: message(value.get("error")?)? }),
        "error" => Some(Event::Error { message: message(&value)? }),
        "item.started" => item(value.get("item")?).map(Event::Started),
        "item.completed" => item(value.get("item")?).map(Event::Completed),
        _ => None,
    }
}

/// Reads token counts by codex's names; `None` when input or output are missing. The thread's own file has them in the same form.
pub fn tokens(value: &Value) -> Option<Tokens> {
    let count = |name: &str| value.get(name).and_then(Value::as_u64);
    Some(Tokens {
        input: count("input_tokens")?,
        cached: count("cached_input_tokens").unwrap_or_default(),
        cache_write: count("cache_write_input_tokens").unwrap_or_default(),
        output: count("output_tokens")?,
        reasoning: count("reasoning_output_tokens").unwrap_or_default(),
    })
}

fn item(value: &Value) -> Option<Item> {
    let id = text(value, "id")?;
    let named = |name: &str| value.get(name).filter(|found| !found.is_null()).map(Value::to_string);
    let ok = value.get("status").and_then(Value::as_str).is_none_or(|status| status == "completed");
    let kind = match value.get("type")?.as_str()? {
        "agent_message" => Kind::Message(text(value, "text")?),
        "reasoning" => {
            Kind::Reasoning(u64::try_from(text(value, "text")?.chars().count()).unwrap_or(u64::MAX))
        }
        "error" => Kind::Warning(text(value, "message")?),
        "command_execution" => Kind::Command {
            line: text(value, "command")?,
            output: text(value, "aggregated_output").unwrap_or_default(),
            exit_code: value
                .get("exit_code")
                .and_then(Value::as_i64)
                .and_then(|code| i32::try_from(code).ok()),
        },
        "file_change" => {
            Kind::Edit { changes: value.get("changes")?.as_array()?.iter().filter_map(change).collect(), ok }
        }
        "mcp_tool_call" => {
            let part = |name: &str| text(value, name).unwrap_or_default();
            Kind::Tool {
                name: format!("{}.{}", part("server"), part("tool")),
                input: named("arguments").unwrap_or_default(),
                output: named("error").or_else(|| named("result")).unwrap_or_default(),
                ok: ok && named("error").is_none(),
            }
        }
        "web_search" => Kind::Tool {
            name: "web_search".to_owned(),
            input: text(value, "query").unwrap_or_default(),
            output: String::new(),
            ok,
        },
        "collab_tool_call" => Kind::Tool {
            name: text(value, "tool")?,
            input: text(value, "prompt").unwrap_or_default(),
            output: named("agents_states").unwrap_or_default(),
            ok,
        },
        _ => return None,
    };
    Some(Item { id, kind })
}

fn change(value: &Value) -> Option<(String, FileChange)> {
    let change = match value.get("kind").and_then(Value::as_str) {
        Some("add") => FileChange::Added,
        Some("delete") => FileChange::Deleted,
        _ => FileChange::Updated,
    };
    Some((text(value, "path")?, change))
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}
