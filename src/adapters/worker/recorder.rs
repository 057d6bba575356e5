//! Takes the signals of one start of an agent: counts, keeps what the record needs, and calls a halt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::agent::Stage;
use crate::domain::agent::budget::Spent;
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::quota::{Exhausted, Pool};
use crate::domain::agent::record::Session;
use crate::domain::agent::signal::{AgentSignal, cut_words};
use crate::domain::agent::usage::{Meter, Price, Tokens, Usage};
use crate::domain::time::Timestamp;

/// Takes signals, from any task. Clones share one state.
#[derive(Clone)]
pub struct Recorder {
    state: Arc<Mutex<State>>,
    halt: CancellationToken,
}

struct State {
    agent: String,
    meter: Meter,
    price: Option<Price>,
    allowance: crate::domain::agent::budget::Allowance,
    session: Option<String>,
    told_session: bool,
    last_message: String,
    exhausted: Option<(Option<u64>, Option<i64>)>,
    halted: Option<Judgement>,
}

/// What a recorder knows at the end.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The conversation.
    pub session: Option<Session>,
    /// What was used.
    pub usage: Usage,
    /// The last words.
    pub last_message: String,
    /// Why a halt was called.
    pub halted: Option<Judgement>,
    /// Whether an allowance was said to be used up, with the seconds until its reset and the moment of it, as far as told.
    pub limited: Option<(Option<u64>, Option<i64>)>,
}

impl Recorder {
    /// A recorder for one start. Its halt is triggered by the stage's stop, too.
    pub fn new(stage: &Stage<'_>) -> Self {
        let before = stage.order.resume.as_ref().map_or(Tokens::default(), |session| session.total);
        let state = State {
            agent: crate::domain::spec::agent_name(&stage.order.agent).to_owned(),
            meter: Meter::new(before),
            price: stage.price,
            allowance: stage.order.allowance,
            session: None,
            told_session: false,
            last_message: String::new(),
            exhausted: None,
            halted: None,
        };
        Self { state: Arc::new(Mutex::new(state)), halt: stage.stop.child_token() }
    }

    /// Ends the program when it is triggered: give it to the supervisor as its stop.
    pub fn halt_token(&self) -> &CancellationToken {
        &self.halt
    }

    /// Ends the program for a reason of ours; the first reason stands.
    pub fn halt(&self, why: Judgement) {
        self.lock().halted.get_or_insert(why);
        self.halt.cancel();
    }

    /// Takes signals in.
    pub fn take(&self, signals: &[AgentSignal]) {
        let mut over = None;
        {
            let mut state = self.lock();
            for signal in signals {
                state.take(signal);
            }
            let usage = state.meter.usage(state.price.as_ref());
            let mut spent = Spent::default();
            spent.add(&usage, std::time::Duration::ZERO);
            if let Some(what) = state.allowance.used_up(&spent).filter(|_| !state.allowance.is_none()) {
                over = Some(format!("the agent used {what}"));
            }
        }
        if let Some(message) = over {
            self.halt(Judgement::trouble(Trouble::Budget, message));
        }
    }

    /// The conversation, when it was named since the last call of this.
    pub fn new_session(&self) -> Option<Session> {
        let mut state = self.lock();
        if state.told_session {
            return None;
        }
        let session = state.session();
        state.told_session = session.is_some();
        session
    }

    /// What is known now.
    pub fn heard(&self) -> Heard {
        let state = self.lock();
        Heard {
            session: state.session(),
            usage: state.meter.usage(state.price.as_ref()),
            last_message: state.last_message.clone(),
            halted: state.halted.clone(),
            limited: state.exhausted,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn session(&self) -> Option<Session> {
        let id = self.session.clone()?;
        Some(Session { agent: self.agent.clone(), id, total: self.meter.conversation() })
    }

    fn take(&mut self, signal: &AgentSignal) {
        match signal {
            AgentSignal::Session { id } => {
                if self.session.as_ref() != Some(id) {
                    self.session = Some(id.clone());
                    self.told_session = false;
                }
            }
            AgentSignal::Text { text } => self.words(text),
            AgentSignal::End { text, .. } if !text.is_empty() => self.words(text),
            AgentSignal::Turn => self.meter.turn(),
            AgentSignal::Usage(reading) => self.meter.read(reading.clone()),
            AgentSignal::RateLimit { reset_secs, reset_at_ms, .. } => {
                self.exhausted = Some((*reset_secs, *reset_at_ms));
            }
            AgentSignal::End { .. }
            | AgentSignal::Reasoning { .. }
            | AgentSignal::ToolCall { .. }
            | AgentSignal::ToolEnded { .. }
            | AgentSignal::Command { .. }
            | AgentSignal::FileEdit { .. }
            | AgentSignal::Retrying { .. }
            | AgentSignal::Asking { .. }
            | AgentSignal::Warning { .. }
            | AgentSignal::Error { .. } => {}
        }
    }

    fn words(&mut self, text: &str) {
        self.last_message = cut_words(text);
    }
}

/// An allowance that is used up, with what was told of its reset.
pub fn exhausted(pool: Pool, limited: (Option<u64>, Option<i64>)) -> Exhausted {
    Exhausted { pool, reset_at: limited.1.map(Timestamp), reset_secs: limited.0 }
}
