//! What claude's events mean, and what its end means.
//!
//! The last `result` decides. It is a success only when it says `is_error: false`: `subtype` reads `success` for a request that the
//! server refused, too, and the exit code is 0 for a start that was interrupted while the model was silent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::protocol::{Block, Content, Event, Message, event};
use super::trouble;
use crate::adapters::worker::agent::{Exit, Protocol};
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::signal::{AgentSignal, FileChange, cut, cut_words};
use crate::domain::agent::usage::{Reading, Span, Tokens};

/// Calls under way that are remembered. More than a handful at once is nonsense, and the memory of a reader has an end.
const MAX_CALLS: usize = 1_000;

/// The model of words that the program made up itself.
const SYNTHETIC: &str = "<synthetic>";

/// Reads one start.
#[derive(Debug, Default)]
pub struct Reader {
    tells_steps: bool,
    /// Whether anything at all was an event.
    has_events: bool,
    calls: BTreeMap<String, Call>,
    answers: BTreeSet<String>,
    /// When the allowance is there again, in milliseconds since 1970.
    reset_at_ms: Option<i64>,
    /// The kind of error the program named last.
    error_kind: String,
    verdict: Option<Judgement>,
}

#[derive(Debug)]
enum Call {
    Command(String),
    Edit(String),
    Other,
}

impl Reader {
    /// A reader. `tells_steps` makes it tell the use of each request as it comes, not the sum at the end alone; the output of a
    /// step is then too low until the sum is told.
    pub fn new(tells_steps: bool) -> Self {
        Self { tells_steps, ..Self::default() }
    }

    fn system(&mut self, event: Event, signals: &mut Vec<AgentSignal>) {
        match event.subtype.as_str() {
            "init" => {
                if let Some(id) = event.session_id.filter(|id| !id.is_empty()) {
                    signals.push(AgentSignal::Session { id });
                }
            }
            "api_retry" => {
                let kind = event.error.as_str().unwrap_or("unknown");
                let status = event.error_status.map_or_else(String::new, |status| format!(" ({status})"));
                let wait = event.retry_delay_ms.unwrap_or_default() / 1_000.0;
                let message = cut(&format!("{kind}{status}, tries again in {wait:.1} s"));
                signals.push(AgentSignal::Retrying { attempt: event.attempt, message });
            }
            "model_fallback" => {
                let message = cut(event.content.as_str().unwrap_or("another model answers"));
                signals.push(AgentSignal::Warning { message });
            }
            _ => {}
        }
    }

    fn assistant(&mut self, event: &Event, message: Message, signals: &mut Vec<AgentSignal>) {
        if message.model == SYNTHETIC {
            // Its text comes again in the result.
            if let Some(kind) = event.error.as_str() {
                kind.clone_into(&mut self.error_kind);
            }
            return;
        }
        self.answer(&message, signals);
        let Content::Blocks(blocks) = message.content else { return };
        for block in blocks {
            match block.kind.as_str() {
                // The words of an agent below this one go to this one, not to people.
                "text" if event.parent_tool_use_id.is_none() && !block.text.is_empty() => {
                    signals.push(AgentSignal::Text { text: cut_words(&block.text) });
                }
                "thinking" => {
                    let chars = u64::try_from(block.thinking.chars().count()).unwrap_or(u64::MAX);
                    signals.push(AgentSignal::Reasoning { chars });
                }
                "tool_use" => self.call(block, signals),
                _ => {}
            }
        }
    }

    /// Counts an answer of the model when it is a new one.
    fn answer(&mut self, message: &Message, signals: &mut Vec<AgentSignal>) {
        if message.id.is_empty() || !self.answers.insert(message.id.clone()) {
            return;
        }
        signals.push(AgentSignal::Turn);
        let Some(usage) = message.usage.filter(|_| self.tells_steps) else { return };
        let (cached, cache_write) = (usage.cache_read_input_tokens, usage.cache_creation_input_tokens);
        let input = usage.input_tokens.saturating_add(cached).saturating_add(cache_write);
        let tokens = Tokens { input, cached, cache_write, output: usage.output_tokens, reasoning: 0 };
        signals.push(AgentSignal::Usage(Reading {
            span: Span::Step,
            step: message.id.clone(),
            tokens,
            cost_micros: None,
        }));
    }

    fn call(&mut self, block: Block, signals: &mut Vec<AgentSignal>) {
        let of = |name: &str| block.input.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let call = match block.name.as_str() {
            "Bash" => Call::Command(cut(&of("command"))),
            "Edit" | "Write" | "MultiEdit" => Call::Edit(cut(&of("file_path"))),
            "NotebookEdit" => Call::Edit(cut(&of("notebook_path"))),
            _ => Call::Other,
        };
        if self.calls.len() < MAX_CALLS {
            self.calls.insert(block.id.clone(), call);
        }
        let input = cut(&block.input.to_string());
        if block.name == "AskUserQuestion" {
            signals.push(AgentSignal::Asking { message: input.clone() });
        }
        signals.push(AgentSignal::ToolCall { id: block.id, tool: block.name, input });
    }

    fn user(&mut self, message: Message, result: &Value, signals: &mut Vec<AgentSignal>) {
        let Content::Blocks(blocks) = message.content else { return };
        for block in blocks.into_iter().filter(|block| block.kind == "tool_result") {
            let is_error = block.is_error;
            let answer = block.answer();
            let id = block.tool_use_id;
            let ended = |id, output| AgentSignal::ToolEnded { id, ok: is_error != Some(true), output };
            match self.calls.remove(&id) {
                Some(Call::Command(command)) => {
                    let in_background = result.get("backgroundTaskId").is_some_and(|task| !task.is_null());
                    let exit_code = match is_error {
                        Some(false) if !in_background => Some(0),
                        Some(true) => exit_code(&answer),
                        Some(false) | None => None,
                    };
                    signals.push(AgentSignal::Command { id, command, exit_code, output: cut(&answer) });
                }
                Some(Call::Edit(path)) => {
                    signals.push(ended(id, cut(&answer)));
                    if is_error != Some(true) {
                        let is_new = result.get("type").and_then(Value::as_str) == Some("create");
                        let change = if is_new { FileChange::Added } else { FileChange::Updated };
                        signals.push(AgentSignal::FileEdit { path, change });
                    }
                }
                Some(Call::Other) | None => signals.push(ended(id, cut(&answer))),
            }
        }
    }

    fn result(&mut self, event: &Event, signals: &mut Vec<AgentSignal>) {
        if !event.model_usage.is_empty() {
            signals.push(AgentSignal::Usage(usage(event)));
        }
        if !event.permission_denials.is_empty() {
            let tools: BTreeSet<&str> =
                event.permission_denials.iter().map(|denial| denial.tool_name.as_str()).collect();
            let tools = tools.into_iter().collect::<Vec<_>>().join(", ");
            let count = event.permission_denials.len();
            signals
                .push(AgentSignal::Warning { message: cut(&format!("{count} calls were refused: {tools}")) });
        }
        let is_success = event.kind == "result"
            && event.subtype == "success"
            && event.is_error == Some(false)
            && event.api_error_status.is_none();
        let text = match &event.structured_output {
            Value::Null => event.result.clone().unwrap_or_default(),
            structured => structured.to_string(),
        };
        if is_success {
            self.verdict = Some(Judgement::done("claude said that it is done"));
            signals.push(AgentSignal::End { ok: true, text: cut_words(&text) });
            return;
        }
        let verdict = trouble::of_result(event, &self.error_kind);
        let trouble = verdict.trouble.unwrap_or(Trouble::Protocol);
        let message = verdict.message.clone();
        if matches!(trouble, Trouble::RateLimited | Trouble::QuotaExhausted) {
            let reset_at_ms = trouble::reset(&message).or(self.reset_at_ms);
            signals.push(AgentSignal::RateLimit { reset_secs: None, reset_at_ms, message: message.clone() });
        }
        signals.push(AgentSignal::Error { trouble, message });
        signals.push(AgentSignal::End { ok: false, text: cut_words(&text) });
        self.verdict = Some(verdict);
    }
}

impl Protocol for Reader {
    fn line(&mut self, line: &[u8], signals: &mut Vec<AgentSignal>) {
        let Some(mut event) = event(line) else { return };
        self.has_events = true;
        match event.kind.as_str() {
            "system" => self.system(event, signals),
            "assistant" => {
                let message = event.message.take().unwrap_or_default();
                self.assistant(&event, message, signals);
            }
            "user" => self.user(event.message.unwrap_or_default(), &event.tool_use_result, signals),
            "result" => self.result(&event, signals),
            "rate_limit_event" => {
                let info = event.rate_limit_info.filter(|info| info.status == "rejected");
                self.reset_at_ms =
                    info.and_then(|info| trouble::millis(info.resets_at?)).or(self.reset_at_ms);
            }
            _ => {}
        }
    }

    fn judge(&mut self, exit: &Exit<'_>) -> Judgement {
        match self.verdict.take() {
            Some(verdict) if verdict.trouble.is_some() || exit.code == Some(0) => verdict,
            Some(_) => {
                let message = format!("claude said that it is done and ended with {}", ending(exit));
                Judgement::trouble(Trouble::Protocol, message)
            }
            None => trouble::of_end(exit, self.has_events, &ending(exit)),
        }
    }
}

fn ending(exit: &Exit<'_>) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no code".to_owned(),
    }
}

/// The exit code a command's answer begins with.
fn exit_code(answer: &str) -> Option<i32> {
    let rest = answer.strip_prefix("Exit code ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What was used since the start. The program counts what it read from and wrote to a cache beside the input; here it is part of it.
fn usage(event: &Event) -> Reading {
    let mut tokens = Tokens::default();
    for model in event.model_usage.values() {
        let (cached, cache_write) = (model.cache_read_input_tokens, model.cache_creation_input_tokens);
        let input = model.input_tokens.saturating_add(cached).saturating_add(cache_write);
        tokens += Tokens { input, cached, cache_write, output: model.output_tokens, reasoning: 0 };
    }
    Reading {
        span: Span::Start,
        step: String::new(),
        tokens,
        cost_micros: event.total_cost_usd.and_then(micros),
    }
}

/// Dollars as millionths; `None` for what is no sum.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the sum is checked to be within bounds"
)]
fn micros(dollars: f64) -> Option<u64> {
    let micros = (dollars * 1e6).round();
    (0.0..1e15).contains(&micros).then_some(micros as u64)
}
