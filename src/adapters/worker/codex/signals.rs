//! What codex's events mean: signals while it works, a judgement at its end.
//!
//! A success is `turn.completed` as the last word, with code 0. "The test still fails" is a success by that rule: what is in the
//! tree is for the engine to look at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::protocol::{Event, Item, Kind, parse};
use super::rollout;
use super::trouble::{classify, reset};
use crate::adapters::worker::agent::{Exit, Protocol};
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::signal::{AgentSignal, cut, cut_words};
use crate::domain::agent::usage::{Reading, Span, Tokens};

/// How messages begin that say that the program tries again by itself.
const RETRYING: &str = "Reconnecting...";

/// The tool of edits, by codex's own name for it.
const PATCH: &str = "apply_patch";

/// The tool of commands, for signals.
const SHELL: &str = "shell";

/// Reads one start of codex.
///
/// Requests to the model have no event of their own. [`AgentSignal::Turn`] is given for each run of words, thoughts and begun calls
/// with no ended call in between, which is one answer of the model unless a call ends while the model still makes others, or the model goes on
/// while a command runs.
#[derive(Debug)]
pub struct Reader {
    home: PathBuf,
    began_ms: i64,
    resumed: Option<String>,
    thread: Option<String>,
    last: Last,
    in_answer: bool,
    open: BTreeMap<String, Option<String>>,
    words: String,
}

/// The last thing that was said about the turn.
#[derive(Debug, Default, PartialEq, Eq)]
enum Last {
    /// No event at all.
    #[default]
    Nothing,
    /// It works.
    Running,
    /// `turn.completed`.
    Completed,
    /// An error that it does not recover from by itself.
    Failed(Trouble, String),
}

impl Reader {
    /// A reader for a start at `began_ms` by the wall clock, with its configuration in `home`; `resumed` is the thread to go on with.
    pub fn new(home: PathBuf, began_ms: i64, resumed: Option<String>) -> Self {
        Self {
            home,
            began_ms,
            resumed,
            thread: None,
            last: Last::Nothing,
            in_answer: false,
            open: BTreeMap::new(),
            words: String::new(),
        }
    }

    fn event(&mut self, event: Event, signals: &mut Vec<AgentSignal>) {
        match event {
            Event::Thread { id } => self.thread(id, signals),
            Event::TurnStarted => self.last = Last::Running,
            Event::TurnCompleted { total } => {
                signals.push(conversation(total));
                self.last = Last::Completed;
                signals.push(AgentSignal::End { ok: true, text: cut_words(&self.words) });
            }
            Event::TurnFailed { message } => {
                self.failed(&message, signals);
                signals.push(AgentSignal::End { ok: false, text: String::new() });
            }
            Event::Error { message } => match message.strip_prefix(RETRYING) {
                Some(rest) => {
                    let attempt =
                        rest.trim_start().split_once('/').and_then(|(try_no, _)| try_no.parse().ok());
                    signals.push(AgentSignal::Retrying { attempt, message: cut(&message) });
                }
                None => self.failed(&message, signals),
            },
            Event::Started(item) => self.started(item, signals),
            Event::Completed(item) => self.completed(item, signals),
        }
    }

    fn thread(&mut self, id: String, signals: &mut Vec<AgentSignal>) {
        if self.last == Last::Nothing {
            self.last = Last::Running;
        }
        if let Some(asked) = self.resumed.as_ref().filter(|asked| **asked != id) {
            // A name that is no id starts a new thread, with code 0.
            let message =
                format!("codex began the conversation `{}` instead of going on with `{asked}`", cut(&id));
            signals.push(AgentSignal::Warning { message });
        }
        // The first names this conversation; another one would be of an agent it called.
        if self.thread.is_none() {
            self.thread = Some(id.clone());
            signals.push(AgentSignal::Session { id });
        }
    }

    /// An error, which `turn.failed` repeats.
    fn failed(&mut self, message: &str, signals: &mut Vec<AgentSignal>) {
        let message = cut(message);
        if matches!(&self.last, Last::Failed(_, known) if *known == message) {
            return;
        }
        let trouble = classify(&message);
        if matches!(trouble, Trouble::RateLimited | Trouble::QuotaExhausted) {
            let reset = reset(&message, self.began_ms);
            signals.push(AgentSignal::RateLimit {
                reset_secs: reset.secs,
                reset_at_ms: reset.at_ms,
                message: message.clone(),
            });
        }
        signals.push(AgentSignal::Error { trouble, message: message.clone() });
        self.last = Last::Failed(trouble, message);
    }

    fn started(&mut self, item: Item, signals: &mut Vec<AgentSignal>) {
        let (tool, input) = match item.kind {
            Kind::Command { line, .. } => {
                self.call(item.id, Some(line.clone()), signals, SHELL, &line);
                return;
            }
            Kind::Edit { changes, .. } => {
                let files: Vec<&str> = changes.iter().map(|(path, _)| path.as_str()).collect();
                (PATCH.to_owned(), files.join("\n"))
            }
            Kind::Tool { name, input, .. } => (name, input),
            // These are whole when they are first told.
            Kind::Message(_) | Kind::Reasoning(_) | Kind::Warning(_) => return,
        };
        self.call(item.id, None, signals, &tool, &input);
    }

    /// A call begins; `line` is the command's, when it is one.
    fn call(
        &mut self,
        id: String,
        line: Option<String>,
        signals: &mut Vec<AgentSignal>,
        tool: &str,
        input: &str,
    ) {
        self.answer(signals);
        self.open.insert(id.clone(), line);
        signals.push(AgentSignal::ToolCall { id, tool: cut(tool), input: cut(input) });
    }

    fn completed(&mut self, item: Item, signals: &mut Vec<AgentSignal>) {
        let is_call = matches!(item.kind, Kind::Command { .. } | Kind::Edit { .. } | Kind::Tool { .. });
        if is_call && !self.open.contains_key(&item.id) {
            // Its beginning was in a line that could not be read.
            self.started(item.clone(), signals);
        }
        if is_call {
            self.open.remove(&item.id);
            self.in_answer = false;
        }
        let id = item.id;
        match item.kind {
            Kind::Message(text) => {
                self.answer(signals);
                self.words = cut_words(&text);
                signals.push(AgentSignal::Text { text: self.words.clone() });
            }
            Kind::Reasoning(chars) => {
                self.answer(signals);
                signals.push(AgentSignal::Reasoning { chars });
            }
            Kind::Warning(message) => signals.push(AgentSignal::Warning { message: cut(&message) }),
            Kind::Command { line, output, exit_code } => {
                signals.push(AgentSignal::Command {
                    id,
                    command: cut(&line),
                    exit_code,
                    output: cut(&output),
                });
            }
            Kind::Edit { changes, ok } => {
                signals.push(AgentSignal::ToolEnded { id, ok, output: String::new() });
                let edit = |(path, change): (String, _)| AgentSignal::FileEdit { path: cut(&path), change };
                signals.extend(changes.into_iter().filter(|_| ok).map(edit));
            }
            Kind::Tool { output, ok, .. } => {
                signals.push(AgentSignal::ToolEnded { id, ok, output: cut(&output) });
            }
        }
    }

    /// Something the model said or asked for: part of the answer that is being told, or the first of the next one.
    fn answer(&mut self, signals: &mut Vec<AgentSignal>) {
        if !self.in_answer {
            self.in_answer = true;
            signals.push(AgentSignal::Turn);
        }
    }
}

impl Protocol for Reader {
    fn line(&mut self, line: &[u8], signals: &mut Vec<AgentSignal>) {
        if let Some(event) = parse(line) {
            self.event(event, signals);
        }
    }

    fn look(&mut self, signals: &mut Vec<AgentSignal>) {
        // The closing event has the same total; without this a budget would be noticed only then.
        if let Some(total) = self.thread.as_ref().and_then(|thread| rollout::usage(&self.home, thread)) {
            signals.push(conversation(total));
        }
    }

    /// Closes what was cut off: calls that never ended, and the use that no closing event told.
    fn settle(&mut self, signals: &mut Vec<AgentSignal>) {
        for (id, line) in std::mem::take(&mut self.open) {
            signals.push(match line {
                Some(line) => {
                    AgentSignal::Command { id, command: cut(&line), exit_code: None, output: String::new() }
                }
                None => AgentSignal::ToolEnded { id, ok: false, output: String::new() },
            });
        }
        if self.last != Last::Completed
            && let Some(total) = self.thread.as_ref().and_then(|thread| rollout::usage(&self.home, thread))
        {
            signals.push(conversation(total));
        }
    }

    fn judge(&mut self, exit: &Exit<'_>) -> Judgement {
        let code = exit.code.map_or_else(
            || exit.signal.map_or_else(|| "an unknown end".to_owned(), |signal| format!("signal {signal}")),
            |code| format!("code {code}"),
        );
        match (&self.last, exit.code) {
            (Last::Failed(trouble, message), _) => Judgement::trouble(*trouble, message.clone()),
            (Last::Completed, Some(0)) => Judgement::done("codex completed its turn"),
            (Last::Completed, _) => Judgement::trouble(
                Trouble::Protocol,
                format!("codex completed its turn and then ended with {code}"),
            ),
            (Last::Nothing, Some(1 | 2)) => refused(exit.tail, &code),
            (Last::Nothing, _) => {
                Judgement::trouble(Trouble::Protocol, format!("codex ended with {code} and said nothing"))
            }
            (Last::Running, _) => Judgement::trouble(
                Trouble::Protocol,
                format!("codex ended with {code} before its turn was over"),
            ),
        }
    }
}

/// What an end without any event means: codex did not take what it was started with, and says so on its error output.
fn refused(tail: &str, code: &str) -> Judgement {
    let line = |found: &&str| found.to_lowercase().starts_with("error");
    let said = tail
        .lines()
        .map(str::trim)
        .find(line)
        .or_else(|| tail.lines().rev().find(|line| !line.trim().is_empty()));
    let Some(said) = said else {
        return Judgement::trouble(Trouble::Protocol, format!("codex ended with {code} and said nothing"));
    };
    let lower = said.to_lowercase();
    let is_lost = ["no rollout found", "session not found", "thread not found", "no saved session"]
        .iter()
        .any(|words| lower.contains(words));
    let trouble = if is_lost { Trouble::SessionLost } else { Trouble::Usage };
    Judgement::trouble(trouble, format!("codex ended with {code}: {}", cut(said)))
}

fn conversation(tokens: Tokens) -> AgentSignal {
    AgentSignal::Usage(Reading { span: Span::Conversation, step: String::new(), tokens, cost_micros: None })
}
