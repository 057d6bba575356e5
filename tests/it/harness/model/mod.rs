//! A model's server without a model: real agents talk to it on loopback, and it answers what a script says.
//!
//! It speaks the three protocols the known agents speak ([`responses`], [`messages`], [`chat`]), one request a connection, and
//! breaks them on purpose ([`fault`]). It never keeps the value of a credential.

mod call;
mod chat;
mod fault;
pub(crate) mod http;
mod messages;
mod responses;
mod server;

use serde_json::Value;

pub(crate) use server::Model;

/// The program that asks, where it matters: how it edits, and which of its requests are not part of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Codex,
    Claude,
    Opencode,
    Aider,
}

/// One answer of a script.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The model says or does something.
    Reply(Reply),
    /// The request goes wrong.
    Fault(Fault, Times),
}

/// What the model says and does in one answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub text: String,
    pub acts: Vec<Act>,
    pub used: Used,
}

/// Something done with a tool; it becomes whatever tool the request offers for it.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A line of shell.
    Command(String),
    /// A look at a file. Some agents refuse to edit what was not looked at.
    Read(String),
    /// The only `old` in a file becomes `new`; both are whole lines.
    Edit { path: String, old: String, new: String },
}

/// Tokens of one answer; `cached` is a part of `input` and `reasoning` one of `output`, whatever the protocol makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
}

impl Default for Used {
    fn default() -> Self {
        Self { input: 1_000, cached: 600, output: 50, reasoning: 10 }
    }
}

/// What can go wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status, with the protocol's own words for it.
    Status(u16),
    /// Status 429 with so many seconds in `Retry-After`.
    RetryAfter(u32),
    /// Status 429 with this kind of error: `insufficient_quota`, `usage_limit_reached`. The latter names its reset, as a Unix time.
    Exhausted { kind: &'static str, resets_at: u64 },
    /// Not a byte.
    Hang,
    /// A beginning, then not a byte.
    Stall,
    /// A beginning, then the connection is closed.
    Cut,
    /// A page that is not the protocol.
    Garbage,
    /// A stream whose events are not the protocol's.
    GarbageEvents,
}

/// How often a fault happens before the script goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Count(u32),
    Always,
}

/// Answers for the requests in whose user text `when` occurs. The first rule that fits is taken; an empty `when` always fits.
///
/// Each conversation goes through the answers on its own.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub when: &'static str,
    pub answers: Vec<Answer>,
}

/// A request that was understood.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `responses`, `messages` or `chat`.
    pub protocol: &'static str,
    pub model: String,
    /// All that the user said, tool results excluded.
    pub prompt: String,
    pub tools: Vec<Tool>,
    pub is_streamed: bool,
    /// Whether a credential came with it.
    pub has_auth: bool,
    /// The conversation, by the client's own header; empty where it sends none.
    pub conversation: String,
    pub body: Value,
}

/// A tool that a request offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    pub name: String,
    /// Whether it takes text of any form instead of JSON.
    pub is_free: bool,
}

impl Answer {
    /// Words, and nothing else.
    pub(crate) fn text(text: &str) -> Self {
        Self::Reply(Reply { text: text.to_owned(), ..Reply::default() })
    }

    /// One line of shell.
    pub(crate) fn command(line: &str) -> Self {
        Self::act(Act::Command(line.to_owned()))
    }

    fn act(act: Act) -> Self {
        Self::Reply(Reply { acts: vec![act], ..Reply::default() })
    }
}

impl Client {
    /// The agent's name, which is its program's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Claude => "claude",
            Self::Opencode => "opencode",
            Self::Aider => "aider",
        }
    }

    /// A whole job: see the check fail, look, edit, see the check pass, end.
    ///
    /// aider has no tools. It takes the first mention of a file for a wish to see it, and asks again; so the edit is said twice.
    pub(crate) fn repairs(self, path: &str, old: &str, new: &str, check: &str) -> Vec<Answer> {
        let edit = Act::Edit { path: path.to_owned(), old: old.to_owned(), new: new.to_owned() };
        let end = Answer::text("Repaired; the check passes.");
        match self {
            Self::Aider => vec![Answer::act(edit.clone()), Answer::act(edit)],
            Self::Codex | Self::Claude | Self::Opencode => vec![
                Answer::command(check),
                Answer::act(Act::Read(path.to_owned())),
                Answer::act(edit),
                Answer::command(check),
                end,
            ],
        }
    }

    /// Says whether a request is the client's own affair: a title, a look at the connection.
    fn asks_aside(self, asked: &Asked) -> bool {
        self != Self::Aider && asked.tools.is_empty()
    }
}

/// All text in a message's content: a string, a part with `text` or `content`, or a list of these.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Object(part) => part.get("text").map(text_of).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// The user's text in a list of messages.
fn user_text(messages: &Value) -> String {
    let all = messages.as_array().map(Vec::as_slice).unwrap_or_default();
    let users = all.iter().filter(|message| message["role"] == "user");
    users.map(|message| text_of(&message["content"])).collect::<Vec<_>>().join("\n")
}
