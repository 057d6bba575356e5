//! What opencode's server says, as far as it matters: events of `/event` and messages of `/session/ID/message`.
//!
//! Measured on 1.18.33. Everything is read by name and with a default, for builds differ; what is not known is
//! [`Event::Other`]. Whatever the bytes, reading never fails in another way than that.

use serde_json::Value;

use crate::domain::agent::usage::Tokens;

/// One event. A `session` is the id of the one it is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A session began; a child of another one works for its parent.
    Created {
        /// The new one.
        session: String,
        /// Whom it works for.
        parent: Option<String>,
    },
    /// A message is there, or changed.
    Message(Message),
    /// A part of a message is there, or changed; it replaces what was known of it.
    Part(Part),
    /// A piece of text was added to a part.
    Delta {
        /// Whose.
        session: String,
        /// The part.
        part: String,
        /// The piece.
        text: String,
    },
    /// What a session does.
    Status {
        /// Whose.
        session: String,
        /// What.
        status: Status,
    },
    /// A session went wrong.
    Failed {
        /// Which; `None` is the server's own trouble.
        session: Option<String>,
        /// How.
        failure: Failure,
    },
    /// A session waits for leave to do something.
    Asked {
        /// Whose.
        session: String,
        /// The request.
        id: String,
        /// What it wants to do: `edit`, `bash`, ...
        permission: String,
        /// With what.
        patterns: Vec<String>,
    },
    /// Leave was refused, by us or by a person at the operator's server.
    Refused {
        /// Whose.
        session: String,
    },
    /// A session asks a person something.
    Question {
        /// Whose.
        session: String,
        /// The question.
        id: String,
        /// Its words.
        text: String,
    },
    /// A conversation was shortened.
    Compacted {
        /// Whose.
        session: String,
    },
    /// Anything else; nothing that an agent does.
    Other,
}

/// What a session does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Busy,
    /// It does nothing.
    Idle,
    /// It waits before it asks the model's server again.
    Retry {
        /// Which try comes next.
        attempt: Option<u32>,
        /// Why.
        message: String,
        /// When, in milliseconds since 1970.
        next_ms: Option<i64>,
    },
}

/// A message, without its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Its session.
    pub session: String,
    /// Whether the model wrote it.
    pub is_assistant: bool,
    /// Whether it is a summary the program made for itself.
    pub is_summary: bool,
    /// Why the model stopped: `stop`, `tool-calls`, `length`, ...
    pub finish: Option<String>,
    /// What went wrong with it.
    pub failure: Option<Failure>,
    /// The answer in the form that was asked for.
    pub structured: Option<String>,
}

/// An error of a session or a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Its kind, such as `APIError`.
    pub name: String,
    /// What it says.
    pub message: String,
    /// The status the model's server answered with.
    pub status: Option<u64>,
    /// Whether the program calls it worth another try.
    pub is_retryable: bool,
    /// What the model's server answered.
    pub body: String,
    /// Seconds the model's server asks to wait.
    pub retry_after_secs: Option<u64>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its id.
    pub id: String,
    /// Its message.
    pub message: String,
    /// Its session.
    pub session: String,
    /// What it is.
    pub kind: PartKind,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub enum PartKind {
    /// Words, as far as they are there.
    Text {
        /// All of them.
        text: String,
        /// Whether no more follow.
        is_done: bool,
    },
    /// Thoughts, as far as they are there.
    Reasoning {
        /// All of them.
        text: String,
        /// Whether no more follow.
        is_done: bool,
    },
    /// A call of a tool.
    Tool(Tool),
    /// A request to the model begins.
    StepStart,
    /// A request to the model was answered.
    StepFinish {
        /// What it used.
        tokens: Tokens,
        /// What it cost, in millionths of a dollar, where the program knows.
        cost_micros: Option<u64>,
    },
    /// A request is tried again.
    Retry {
        /// Which try it is.
        attempt: Option<u32>,
        /// Why.
        failure: Failure,
    },
    /// Anything else.
    Other,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The id of the call.
    pub call: String,
    /// The tool.
    pub name: String,
    /// How far it is.
    pub state: ToolState,
    /// What it was called with.
    pub input: Value,
    /// What it answered, or its error.
    pub output: String,
    /// What it says about its answer, such as a command's `exit`.
    pub metadata: Value,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolState {
    /// Its input is still being written.
    Pending,
    /// It runs.
    Running,
    /// It ended.
    Completed,
    /// It failed, or was refused.
    Failed,
}

/// Reads the payload of one event.
pub fn event(payload: &[u8]) -> Event {
    serde_json::from_slice::<Value>(payload).map_or(Event::Other, |value| read(&value))
}

fn read(value: &Value) -> Event {
    let body = &value["properties"];
    let session = || text(&body["sessionID"]);
    match value["type"].as_str().unwrap_or_default() {
        "session.created" => Event::Created {
            session: text(&body["info"]["id"]),
            parent: body["info"]["parentID"].as_str().map(str::to_owned),
        },
        "message.updated" => Event::Message(message(&body["info"])),
        "message.part.updated" => Event::Part(part(&body["part"])),
        "message.part.delta" if body["field"] == "text" => {
            Event::Delta { session: session(), part: text(&body["partID"]), text: text(&body["delta"]) }
        }
        "session.status" => Event::Status { session: session(), status: status(&body["status"]) },
        "session.idle" => Event::Status { session: session(), status: Status::Idle },
        "session.error" => Event::Failed {
            session: body["sessionID"].as_str().map(str::to_owned),
            failure: failure(&body["error"]),
        },
        "permission.asked" => asked(body),
        "permission.replied" if body["reply"] == "reject" => Event::Refused { session: session() },
        "question.asked" => question(body),
        "session.compacted" => Event::Compacted { session: session() },
        _ => Event::Other,
    }
}

/// Reads a request for leave, as events and `/permission` have it.
pub fn asked(request: &Value) -> Event {
    Event::Asked {
        session: text(&request["sessionID"]),
        id: text(&request["id"]),
        permission: text(&request["permission"]),
        patterns: request["patterns"].as_array().into_iter().flatten().map(text).collect(),
    }
}

/// Reads a question, as events and `/question` have it.
pub fn question(request: &Value) -> Event {
    Event::Question {
        session: text(&request["sessionID"]),
        id: text(&request["id"]),
        text: text(&request["questions"][0]["question"]),
    }
}

/// Reads the status of one session, as events and `/session/status` have it.
pub fn status(value: &Value) -> Status {
    match value["type"].as_str() {
        Some("retry") => Status::Retry {
            attempt: small(&value["attempt"]),
            message: text(&value["message"]),
            next_ms: value["next"].as_i64(),
        },
        Some("idle") => Status::Idle,
        _ => Status::Busy,
    }
}

/// Reads a message.
pub fn message(info: &Value) -> Message {
    let structured = &info["structured"];
    Message {
        id: text(&info["id"]),
        session: text(&info["sessionID"]),
        is_assistant: info["role"] == "assistant",
        is_summary: info["summary"] == true,
        finish: info["finish"].as_str().map(str::to_owned),
        failure: info["error"].is_object().then(|| failure(&info["error"])),
        structured: (!structured.is_null()).then(|| structured.to_string()),
    }
}

/// Reads a part.
pub fn part(part: &Value) -> Part {
    let words = || text(&part["text"]);
    let is_done = part["time"]["end"].is_number();
    let kind = match part["type"].as_str().unwrap_or_default() {
        "text" => PartKind::Text { text: words(), is_done },
        "reasoning" => PartKind::Reasoning { text: words(), is_done },
        "tool" => PartKind::Tool(tool(part)),
        "step-start" => PartKind::StepStart,
        "step-finish" => {
            PartKind::StepFinish { tokens: tokens(&part["tokens"]), cost_micros: micros(&part["cost"]) }
        }
        "retry" => PartKind::Retry { attempt: small(&part["attempt"]), failure: failure(&part["error"]) },
        _ => PartKind::Other,
    };
    Part { id: text(&part["id"]), message: text(&part["messageID"]), session: text(&part["sessionID"]), kind }
}

fn tool(part: &Value) -> Tool {
    let inner = &part["state"];
    let state = match inner["status"].as_str() {
        Some("completed") => ToolState::Completed,
        Some("error") => ToolState::Failed,
        Some("running") => ToolState::Running,
        _ => ToolState::Pending,
    };
    let said = if state == ToolState::Failed { &inner["error"] } else { &inner["output"] };
    let call = part["callID"].as_str().unwrap_or_else(|| part["id"].as_str().unwrap_or_default());
    Tool {
        call: call.to_owned(),
        name: text(&part["tool"]),
        state,
        input: inner["input"].clone(),
        output: text(said),
        metadata: inner["metadata"].clone(),
    }
}

fn failure(error: &Value) -> Failure {
    let data = &error["data"];
    Failure {
        name: text(&error["name"]),
        message: text(&data["message"]),
        status: data["statusCode"].as_u64(),
        is_retryable: data["isRetryable"] == true,
        body: text(&data["responseBody"]),
        retry_after_secs: data["responseHeaders"]["retry-after"].as_str().and_then(|secs| secs.parse().ok()),
    }
}

/// The tokens of one step. The program's `input` leaves out what a cache had, and its `output` what was thought.
fn tokens(value: &Value) -> Tokens {
    let count = |value: &Value| {
        value.as_u64().or_else(|| value.as_f64().map(|count| count as u64)).unwrap_or_default()
    };
    let (cached, cache_write) = (count(&value["cache"]["read"]), count(&value["cache"]["write"]));
    let reasoning = count(&value["reasoning"]);
    Tokens {
        input: count(&value["input"]).saturating_add(cached).saturating_add(cache_write),
        cached,
        cache_write,
        output: count(&value["output"]).saturating_add(reasoning),
        reasoning,
    }
}

/// Dollars in millionths. The program says 0 for a model whose price it does not know, so 0 says nothing.
fn micros(value: &Value) -> Option<u64> {
    let dollars = value.as_f64().filter(|dollars| *dollars > 0.0 && *dollars < 1e9)?;
    Some((dollars * 1e6).round() as u64)
}

fn small(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
