//! Makes signals of a session's events: each thing once, however often and in whatever way it is told.
//!
//! A stream can be cut and joined again, and messages are read as a whole besides; so everything is kept by its id. Only the session
//! given and its children count: an operator's server may have others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::protocol::{Event, Failure, Message, Part, PartKind, Status, Tool, ToolState};
use super::trouble;
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::signal::{AgentSignal, FileChange, cut, cut_words};
use crate::domain::agent::usage::{Reading, Span};

/// Steps or errors in a row without a word or a call that make a loop: the program sends requests for ever when a model's server answers
/// with nothing it understands (measured, two to four a second).
const BARREN: u32 = 8;

/// What is to be done after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Go,
    /// The session has stopped: read its messages and judge.
    Idle,
    /// Answer a request for leave.
    Answer {
        /// The request.
        id: String,
        /// Whether it gets it.
        allow: bool,
    },
    /// Turn a question away.
    TurnAway {
        /// The question.
        id: String,
    },
    /// End it now.
    Halt(Judgement),
}

/// Follows one session.
#[derive(Debug, Default)]
pub struct Follower {
    sessions: BTreeSet<String>,
    session: String,
    writes: bool,
    messages: BTreeMap<String, Message>,
    /// Messages of before this start, whose parts are not told again.
    old: BTreeSet<String>,
    parts: BTreeMap<String, Told>,
    /// The newest answer of the model.
    latest: Option<String>,
    /// The newest error that nothing followed.
    failure: Option<Failure>,
    refused: Option<String>,
    last_text: String,
    barren: u32,
}

/// What is known and told of a part.
#[derive(Debug, Default)]
struct Told {
    /// The message, once the part is known to be words of one.
    words_of: Option<String>,
    text: String,
    begun: bool,
    ended: bool,
}

impl Follower {
    /// A follower of a session; one that `writes` is given leave to edit and run commands when it asks.
    pub fn new(session: &str, writes: bool) -> Self {
        let sessions = BTreeSet::from([session.to_owned()]);
        Self { session: session.to_owned(), sessions, writes, ..Self::default() }
    }

    /// The session and its children.
    pub fn sessions(&self) -> &BTreeSet<String> {
        &self.sessions
    }

    /// Says whether an event is about something that the agent does: heartbeats and echoes are not.
    pub fn is_activity(&self, event: &Event) -> bool {
        match event {
            Event::Part(part) => self.sessions.contains(&part.session),
            Event::Delta { session, .. }
            | Event::Status { session, .. }
            | Event::Asked { session, .. }
            | Event::Refused { session }
            | Event::Question { session, .. }
            | Event::Compacted { session }
            | Event::Failed { session: Some(session), .. } => self.sessions.contains(session),
            Event::Created { .. }
            | Event::Message(_)
            | Event::Failed { session: None, .. }
            | Event::Other => false,
        }
    }

    /// Takes a message of before this start, so that nothing of it is told or counted.
    pub fn forget(&mut self, message: &Message) {
        self.old.insert(message.id.clone());
    }

    /// Takes an event in.
    pub fn take(&mut self, event: Event, signals: &mut Vec<AgentSignal>) -> Next {
        match event {
            Event::Created { session, parent } => {
                if parent.is_some_and(|parent| self.sessions.contains(&parent)) {
                    self.sessions.insert(session);
                }
            }
            Event::Message(message) => self.message(message),
            Event::Part(part) => return self.part(part, signals),
            Event::Delta { session, part, text } => {
                // Beyond what a signal carries nothing is kept; the finished part replaces it anyway.
                let told = self.sessions.contains(&session).then(|| self.parts.entry(part).or_default());
                if let Some(told) = told.filter(|told| !told.ended && told.text.len() < MAX_HELD) {
                    told.text.push_str(&text);
                }
            }
            Event::Status { session, status } if self.sessions.contains(&session) => {
                return self.status(&session, status, signals);
            }
            Event::Failed { session, failure } => return self.failed(session.as_deref(), failure, signals),
            Event::Asked { session, id, permission, patterns } if self.sessions.contains(&session) => {
                return self.asked(id, &permission, &patterns, signals);
            }
            Event::Refused { session } if self.sessions.contains(&session) => {
                self.refused.get_or_insert_with(|| "leave to use a tool".to_owned());
            }
            Event::Question { session, id, text } if self.sessions.contains(&session) => {
                signals.push(AgentSignal::Asking { message: cut(&text) });
                self.refused = Some(format!("an answer to `{}`", cut(&text)));
                return Next::TurnAway { id };
            }
            Event::Compacted { session } if self.sessions.contains(&session) => {
                let message = "the conversation was shortened".to_owned();
                signals.push(AgentSignal::Warning { message });
                return self.barren_step("it shortened its conversation over and over");
            }
            Event::Status { .. }
            | Event::Asked { .. }
            | Event::Refused { .. }
            | Event::Question { .. }
            | Event::Compacted { .. }
            | Event::Other => {}
        }
        Next::Go
    }

    /// Tells the words that were never said to be whole: a session that has stopped says no more of them.
    pub fn flush(&mut self, signals: &mut Vec<AgentSignal>) {
        for told in self.parts.values_mut() {
            let message = told.words_of.as_ref().and_then(|id| self.messages.get(id));
            let is_words =
                message.is_some_and(|message| message.session == self.session && !message.is_summary);
            if is_words && !told.text.trim().is_empty() && !std::mem::replace(&mut told.ended, true) {
                let text = cut_words(&told.text);
                self.last_text.clone_from(&text);
                signals.push(AgentSignal::Text { text });
            }
        }
    }

    /// What the end of it means, with the words it ended in.
    pub fn judge(&self) -> (Judgement, String) {
        let latest = self.latest.as_ref().and_then(|id| self.messages.get(id));
        let words =
            latest.and_then(|message| message.structured.clone()).unwrap_or_else(|| self.last_text.clone());
        let failure = latest.and_then(|message| message.failure.as_ref()).or(self.failure.as_ref());
        if let Some(failure) = failure {
            return (trouble::judged(failure), words);
        }
        let Some(message) = latest else {
            let why = "opencode went idle and the model answered nothing";
            return (Judgement::trouble(Trouble::Protocol, why), words);
        };
        let judgement = match (message.finish.as_deref(), &self.refused) {
            _ if message.structured.is_some() => Judgement::done("opencode answered in the form asked for"),
            (Some("stop"), _) => Judgement::done("opencode ended its turn"),
            (_, Some(what)) => Judgement::trouble(
                Trouble::Asking,
                format!("opencode wanted {what}, was refused, and stopped"),
            ),
            (Some("length"), _) => {
                Judgement::trouble(Trouble::GaveUp, "the model's answer was cut off at its longest")
            }
            (finish, _) => {
                let finish = finish.unwrap_or("nothing");
                Judgement::trouble(
                    Trouble::Protocol,
                    format!("opencode stopped with `{finish}` and no last word"),
                )
            }
        };
        (judgement, words)
    }

    /// A number that changes when more is known of the session.
    pub fn weight(&self) -> usize {
        self.messages.len()
            + self.parts.values().map(|told| 1 + told.text.len() + usize::from(told.ended)).sum::<usize>()
    }

    /// Says whether the model has begun to answer, or something went wrong instead.
    pub fn has_begun(&self) -> bool {
        self.latest.is_some() || self.failure.is_some()
    }

    /// Says whether the newest answer of the model is a last word.
    pub fn has_settled(&self) -> bool {
        let latest = self.latest.as_ref().and_then(|id| self.messages.get(id));
        latest.is_some_and(|message| {
            message.failure.is_some()
                || message.finish.as_deref().is_some_and(|finish| finish != "tool-calls")
        })
    }

    fn message(&mut self, message: Message) {
        if self.old.contains(&message.id) || !self.sessions.contains(&message.session) {
            return;
        }
        let is_answer = message.session == self.session && message.is_assistant && !message.is_summary;
        if is_answer && !self.messages.contains_key(&message.id) {
            self.latest = Some(message.id.clone());
        }
        if is_answer && self.latest.as_ref() == Some(&message.id) && message.finish.is_some() {
            self.failure = None;
        }
        self.messages.insert(message.id.clone(), message);
    }

    fn part(&mut self, part: Part, signals: &mut Vec<AgentSignal>) -> Next {
        if self.old.contains(&part.message) || !self.sessions.contains(&part.session) {
            return Next::Go;
        }
        let is_main = part.session == self.session;
        let author = self.messages.get(&part.message);
        let is_answer = author.is_some_and(|message| message.is_assistant);
        let is_summary = author.is_some_and(|message| message.is_summary);
        let told = self.parts.entry(part.id.clone()).or_default();
        match part.kind {
            PartKind::Text { text, is_done } if is_answer => {
                told.words_of = Some(part.message);
                if text.len() >= told.text.len() || is_done {
                    told.text = text;
                }
                if is_done && !std::mem::replace(&mut told.ended, true) && !told.text.trim().is_empty() {
                    let text = cut_words(&told.text);
                    if !is_summary {
                        self.barren = 0;
                    }
                    if is_main && !is_summary {
                        self.last_text.clone_from(&text);
                        signals.push(AgentSignal::Text { text });
                    }
                }
            }
            PartKind::Reasoning { text, is_done } if is_done => {
                if !std::mem::replace(&mut told.ended, true) {
                    signals.push(AgentSignal::Reasoning { chars: text.chars().count() as u64 });
                }
            }
            PartKind::Tool(tool) => {
                if tool.state != ToolState::Pending && !std::mem::replace(&mut told.begun, true) {
                    signals.push(called(&tool));
                }
                let is_over = matches!(tool.state, ToolState::Completed | ToolState::Failed);
                if is_over && !std::mem::replace(&mut told.ended, true) {
                    self.barren = 0;
                    ended(tool, signals);
                }
            }
            PartKind::StepStart if !std::mem::replace(&mut told.begun, true) => {
                return self.barren_step("it sent requests over and over and got no answer it understood");
            }
            PartKind::StepFinish { tokens, cost_micros } => {
                if !std::mem::replace(&mut told.ended, true) {
                    signals.push(AgentSignal::Turn);
                }
                signals.push(AgentSignal::Usage(Reading {
                    span: Span::Step,
                    step: part.id,
                    tokens,
                    cost_micros,
                }));
            }
            PartKind::Retry { attempt, failure } if !std::mem::replace(&mut told.begun, true) => {
                signals.push(AgentSignal::Retrying { attempt, message: cut(&failure.message) });
            }
            PartKind::Text { .. }
            | PartKind::Reasoning { .. }
            | PartKind::StepStart
            | PartKind::Retry { .. }
            | PartKind::Other => {}
        }
        Next::Go
    }

    fn status(&self, session: &str, status: Status, signals: &mut Vec<AgentSignal>) -> Next {
        match status {
            Status::Idle if session == self.session => return Next::Idle,
            Status::Retry { attempt, message, next_ms } => {
                if trouble::is_rate_limit(&message) {
                    let message = cut(&message);
                    signals.push(AgentSignal::RateLimit { reset_secs: None, reset_at_ms: next_ms, message });
                }
                signals.push(AgentSignal::Retrying { attempt, message: cut(&message) });
            }
            Status::Idle | Status::Busy => {}
        }
        Next::Go
    }

    fn failed(&mut self, session: Option<&str>, failure: Failure, signals: &mut Vec<AgentSignal>) -> Next {
        if session.is_some_and(|session| session != self.session) {
            return Next::Go;
        }
        let (trouble, judged) = (trouble::of(&failure), trouble::judged(&failure));
        if matches!(trouble, Trouble::RateLimited | Trouble::QuotaExhausted) {
            signals.push(AgentSignal::RateLimit {
                reset_secs: failure.retry_after_secs,
                reset_at_ms: None,
                message: cut(&failure.message),
            });
        }
        signals.push(AgentSignal::Error { trouble, message: cut(&judged.message) });
        self.failure = Some(failure);
        if trouble == Trouble::ContextOverflow {
            return Next::Halt(judged);
        }
        self.barren_step("it met the same error over and over")
    }

    fn asked(
        &mut self,
        id: String,
        permission: &str,
        patterns: &[String],
        signals: &mut Vec<AgentSignal>,
    ) -> Next {
        let allow = trouble::may(permission, self.writes);
        let what = cut(&format!("leave for `{permission}` on `{}`", patterns.join("`, `")));
        if allow {
            signals.push(AgentSignal::Warning { message: format!("it was given {what}") });
        } else {
            signals.push(AgentSignal::Asking { message: format!("it wanted {what}, and was refused") });
            self.refused = Some(what);
        }
        Next::Answer { id, allow }
    }

    fn barren_step(&mut self, what: &str) -> Next {
        self.barren += 1;
        if self.barren < BARREN {
            return Next::Go;
        }
        let last =
            self.failure.as_ref().map(|failure| format!("; last: {}", failure.message)).unwrap_or_default();
        Next::Halt(Judgement::trouble(Trouble::Protocol, format!("opencode was ended because {what}{last}")))
    }
}

/// Bytes of a part that are kept while it grows.
const MAX_HELD: usize = crate::domain::agent::signal::MAX_WORDS;

fn called(tool: &Tool) -> AgentSignal {
    let input = match tool.input["command"].as_str().filter(|_| tool.name == "bash") {
        Some(command) => command.to_owned(),
        None => tool.input.to_string(),
    };
    AgentSignal::ToolCall { id: tool.call.clone(), tool: tool.name.clone(), input: cut(&input) }
}

fn ended(tool: Tool, signals: &mut Vec<AgentSignal>) {
    let ok = tool.state == ToolState::Completed;
    let output = cut(&tool.output);
    if tool.name == "bash" {
        let exit_code =
            tool.metadata["exit"].as_i64().and_then(|code| i32::try_from(code).ok()).filter(|_| ok);
        let command = cut(tool.input["command"].as_str().unwrap_or_default());
        signals.push(AgentSignal::Command { id: tool.call, command, exit_code, output });
        return;
    }
    if ok {
        edits(&tool, signals);
    }
    signals.push(AgentSignal::ToolEnded { id: tool.call, ok, output });
}

/// The files an editing tool says it changed.
fn edits(tool: &Tool, signals: &mut Vec<AgentSignal>) {
    let mut edit = |path: &Value, change| {
        if let Some(path) = path.as_str() {
            signals.push(AgentSignal::FileEdit { path: cut(path), change });
        }
    };
    match tool.name.as_str() {
        "edit" | "multiedit" => edit(&tool.input["filePath"], FileChange::Updated),
        "write" => {
            let is_new = tool.metadata["exists"] == false;
            edit(&tool.input["filePath"], if is_new { FileChange::Added } else { FileChange::Updated });
        }
        "apply_patch" | "patch" => {
            for file in tool.metadata["files"].as_array().into_iter().flatten() {
                let change = match file["type"].as_str() {
                    Some("add") => FileChange::Added,
                    Some("delete") => FileChange::Deleted,
                    _ => FileChange::Updated,
                };
                edit(&file["filePath"], change);
            }
        }
        _ => {}
    }
}
