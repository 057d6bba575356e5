//! What aider's lines mean, and what its end means.
//!
//! A success needs an answer of the model and nothing wrong after the last one. The exit code is 0 after every failure of a request,
//! so it only counts when it is another.

use super::protocol::{self, Line};
use crate::adapters::worker::agent::{Exit, Protocol};
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::signal::{AgentSignal, FileChange, MAX_WORDS, cut, cut_words};
use crate::domain::agent::usage::{Reading, Span, Tokens};

/// The name of the one conversation there is: the file of the chat in the agent's own home.
const SESSION: &str = "chat";

/// Reads one start.
#[derive(Debug, Default)]
pub struct Reader {
    /// What the model said since its last answer was counted.
    words: String,
    answers: u32,
    last: Option<Reading>,
    tries: u32,
    is_empty: bool,
    /// What is wrong at present; the next answer clears it.
    wrong: Option<Judgement>,
}

impl Reader {
    fn answered(&mut self, used: protocol::Tokens, signals: &mut Vec<AgentSignal>) {
        if self.answers == 0 {
            signals.push(AgentSignal::Session { id: SESSION.to_owned() });
        }
        self.answers = self.answers.saturating_add(1);
        self.tries = 0;
        let text = std::mem::take(&mut self.words);
        if !text.trim().is_empty() {
            signals.push(AgentSignal::Text { text: cut_words(text.trim()) });
        }
        signals.push(AgentSignal::Turn);
        let tokens = Tokens {
            // By provider, what came from a cache is part of what was sent or beside it.
            input: used.sent.max(used.cache_hit.saturating_add(used.cache_write)),
            cached: used.cache_hit,
            cache_write: used.cache_write,
            output: used.received,
            reasoning: 0,
        };
        let reading =
            Reading { span: Span::Step, step: self.answers.to_string(), tokens, cost_micros: used.micros };
        self.last = Some(reading.clone());
        signals.push(AgentSignal::Usage(reading));
        let is_empty = std::mem::take(&mut self.is_empty);
        self.wrong =
            is_empty.then(|| Judgement::trouble(Trouble::Server, "the model's server answered with nothing"));
    }

    fn wrong(&mut self, trouble: Trouble, message: &str, signals: &mut Vec<AgentSignal>) {
        self.wrong = Some(Judgement::trouble(trouble, cut(message)));
        signals.push(AgentSignal::Error { trouble, message: cut(message) });
    }

    /// Takes a sign of a failure whose own line was not understood.
    fn suspect(&mut self, line: &str) {
        self.wrong.get_or_insert_with(|| Judgement::trouble(Trouble::Server, cut(line)));
    }

    fn words(&mut self, line: &str) {
        if self.words.len() + line.len() < MAX_WORDS {
            self.words.push_str(line);
            self.words.push('\n');
        }
    }
}

impl Protocol for Reader {
    fn line(&mut self, line: &[u8], signals: &mut Vec<AgentSignal>) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        match protocol::read(line) {
            Line::HeadEnds => self.words.clear(),
            Line::Tokens(used) => self.answered(used, signals),
            Line::Cost(micros) => {
                if let Some(last) = self.last.as_mut().filter(|last| last.cost_micros.is_none()) {
                    last.cost_micros = Some(micros);
                    signals.push(AgentSignal::Usage(last.clone()));
                }
            }
            Line::Applied(path) => {
                signals.push(AgentSignal::FileEdit { path: cut(path), change: FileChange::Updated });
            }
            Line::Failed { trouble, may_pass } => {
                if matches!(trouble, Trouble::RateLimited | Trouble::QuotaExhausted) {
                    let message = cut(line);
                    signals.push(AgentSignal::RateLimit { reset_secs: None, reset_at_ms: None, message });
                }
                if may_pass {
                    self.wrong = Some(Judgement::trouble(trouble, cut(line)));
                } else {
                    self.wrong(trouble, line, signals);
                }
            }
            Line::Explained => self.suspect(line),
            Line::Retrying => {
                self.suspect(line);
                self.tries = self.tries.saturating_add(1);
                let why = self.wrong.as_ref().map_or("", |wrong| wrong.message.as_str());
                let message = cut(&format!("{line} {why}"));
                signals.push(AgentSignal::Retrying { attempt: Some(self.tries), message });
            }
            Line::Empty => {
                self.is_empty = true;
                signals.push(AgentSignal::Warning { message: cut(line) });
            }
            Line::GaveUp => self.wrong(Trouble::GaveUp, line, signals),
            Line::TooLong => self.wrong(Trouble::ContextOverflow, line, signals),
            Line::Traceback => {
                self.wrong =
                    Some(Judgement::trouble(Trouble::Protocol, "aider failed with a fault of its own"));
            }
            Line::Words => self.words(line),
        }
    }

    fn judge(&mut self, exit: &Exit<'_>) -> Judgement {
        let last = exit.tail.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        match (self.wrong.take(), exit.code) {
            (Some(wrong), _) => wrong,
            (None, Some(0)) if self.answers > 0 => Judgement::done("aider answered and met no error"),
            (None, Some(0)) => {
                let message = cut(&format!("aider ended before the model answered: {last}"));
                Judgement::trouble(Trouble::Protocol, message)
            }
            (None, Some(code)) if self.answers == 0 => {
                Judgement::trouble(Trouble::Usage, cut(&format!("aider ended with code {code}: {last}")))
            }
            (None, code) => {
                let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
                Judgement::trouble(Trouble::Protocol, format!("aider ended with {code}"))
            }
        }
    }
}
