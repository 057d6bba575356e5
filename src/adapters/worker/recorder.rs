//! Takes the signals of one start of an agent: counts, keeps what the record needs, and calls a halt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::agent::Stage;
use super::calls::Calls;
use crate::adapters::process::signs::{Said, Signs};
use crate::domain::agent::budget::{Allowance, Spent};
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::known::{CostReport, KnownAgent};
use crate::domain::agent::quota::{Exhausted, Pool};
use crate::domain::agent::record::Session;
use crate::domain::agent::repetition::Repetition;
use crate::domain::agent::signal::{AgentSignal, cut_words};
use crate::domain::agent::usage::{Meter, MoneySource, Price, Tokens, Usage};
use crate::domain::spec::agent_name;
use crate::domain::time::Timestamp;

/// Names of conversations that are taken from one start: a new one each time costs an event.
const MOST_SESSIONS: u8 = 8;

/// Longest name of a conversation.
const LONGEST_SESSION: usize = 200;

/// Takes signals, from any task. Clones share one state.
#[derive(Clone)]
pub struct Recorder {
    state: Arc<Mutex<State>>,
    halt: CancellationToken,
    signs: Signs,
    stir: Arc<Notify>,
}

struct State {
    agent: String,
    meter: Meter,
    price: Option<Price>,
    cost: CostReport,
    allowance: Allowance,
    session: Option<String>,
    sessions: u8,
    told_session: bool,
    last_message: String,
    limited: Option<Limited>,
    halted: Option<Judgement>,
    calls: Calls,
    waits: bool,
    ended_at: Option<Instant>,
    has_left: bool,
}

/// That an allowance is used up, as it was told.
struct Limited {
    told_at: Instant,
    reset_secs: Option<u64>,
    reset_at_ms: Option<i64>,
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
    /// Whether an allowance was said to be used up since the model last answered, with the seconds that are left until its reset and
    /// the moment of it, as far as told.
    pub limited: Option<(Option<u64>, Option<i64>)>,
    /// Whether the program said its end.
    pub has_ended: bool,
    /// Whether it was ended because it stayed after that: see [`Recorder::leave`].
    pub has_left: bool,
}

/// What finished calls look like, for whoever compares files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Circling {
    pub(super) finding: Repetition,
    pub(super) finished: u64,
    pub(super) edits: u64,
}

impl Recorder {
    /// A recorder for one start. Its halt is triggered by the stage's stop, too, and at once when the allowance lets nothing start.
    pub fn new(stage: &Stage<'_>) -> Self {
        let before = stage.order.resume.as_ref().map_or(Tokens::default(), |session| session.total);
        let agent = agent_name(&stage.order.agent).to_owned();
        let cost = KnownAgent::of(&agent).map_or(CostReport::Never, |known| known.cost);
        let state = State {
            agent,
            meter: Meter::new(before),
            price: stage.price,
            cost,
            allowance: stage.order.allowance,
            session: None,
            sessions: 0,
            told_session: false,
            last_message: String::new(),
            limited: None,
            halted: None,
            calls: Calls::default(),
            waits: false,
            ended_at: None,
            has_left: false,
        };
        let refusal = state.refusal(stage.model());
        let state = Arc::new(Mutex::new(state));
        let halt = stage.stop.child_token();
        let recorder = Self { state, halt, signs: Signs::default(), stir: Arc::default() };
        if let Some(why) = refusal {
            recorder.halt(Judgement::trouble(Trouble::Budget, why));
        }
        recorder
    }

    /// Ends the program when it is triggered: give it to the supervisor as its stop.
    pub fn halt_token(&self) -> &CancellationToken {
        &self.halt
    }

    /// The signs of life that come from what the program says: give them to the supervisor with its order.
    pub fn signs(&self) -> &Signs {
        &self.signs
    }

    /// Ends the program for a reason of ours; the first reason stands, and so does a stop that came before it.
    pub fn halt(&self, why: Judgement) {
        if !self.halt.is_cancelled() {
            self.lock().halted.get_or_insert(why);
            self.halt.cancel();
        }
    }

    /// Ends the program because it said its end and there is nothing more to wait for; what it said stands.
    pub fn leave(&self) {
        if !self.halt.is_cancelled() {
            self.lock().has_left = true;
            self.halt.cancel();
        }
    }

    /// Takes signals in. Quick, and does not block.
    pub fn take(&self, signals: &[AgentSignal]) {
        if signals.is_empty() {
            return;
        }
        let (mut is_news, mut is_used) = (false, false);
        let over = {
            let mut state = self.lock();
            for signal in signals {
                is_news |= state.take(signal);
                is_used |= matches!(signal, AgentSignal::Usage(_) | AgentSignal::Turn);
            }
            let (tool_since, waits) = (state.calls.oldest, state.waits);
            self.signs.say(Said { heard_at: Some(Instant::now()), tool_since, waits });
            is_used.then(|| state.over()).flatten()
        };
        if let Some(what) = over {
            self.halt(Judgement::trouble(Trouble::Budget, format!("the agent used {what}")));
        }
        if is_news {
            self.stir.notify_one();
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
            usage: state.usage(),
            last_message: state.last_message.clone(),
            halted: state.halted.clone(),
            limited: state.limited.as_ref().map(|limited| {
                let passed = limited.told_at.elapsed().as_secs();
                (limited.reset_secs.map(|secs| secs.saturating_sub(passed)), limited.reset_at_ms)
            }),
            has_ended: state.ended_at.is_some(),
            has_left: state.has_left,
        }
    }

    /// What was used and what it does, for the pulse.
    pub(super) fn progress(&self) -> (Usage, String) {
        let state = self.lock();
        (state.usage(), state.calls.doing.clone())
    }

    /// Waits for news: a session, an end, calls that repeat.
    pub(super) async fn stirred(&self) {
        self.stir.notified().await;
    }

    /// When the program said its end.
    pub(super) fn ended_at(&self) -> Option<Instant> {
        self.lock().ended_at
    }

    /// What the finished calls look like; `None` when nothing repeats.
    pub(super) fn circling(&self) -> Option<Circling> {
        let state = self.lock();
        let finding = state.calls.finding.clone()?;
        Some(Circling { finding, finished: state.calls.finished, edits: state.calls.edits })
    }

    /// How many calls have finished, and how many files were said to be edited.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.calls.finished, state.calls.edits)
    }

    /// Files changed while calls repeated.
    pub(super) fn forgive(&self) {
        self.lock().calls.forgive();
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

    fn usage(&self) -> Usage {
        self.meter.usage(self.price.as_ref())
    }

    /// Why nothing may start with this allowance.
    fn refusal(&self, model: Option<&str>) -> Option<String> {
        if let Some(what) = self.allowance.used_up(&Spent::default()) {
            return Some(format!("nothing is left of the budget: {what}"));
        }
        let is_blind = self.allowance.micros.is_some() && self.price.is_none();
        if !is_blind || self.cost != CostReport::Never {
            return None;
        }
        Some(match model {
            Some(model) => format!("no price is known for {model}: add [prices.\"{model}\"]"),
            None => {
                "no price is known for the agent's own default model: name a model and add [prices.\"MODEL\"]"
                    .to_owned()
            }
        })
    }

    /// The unit of the allowance that is used up. What a program used before it said its end is settled, not stopped.
    fn over(&self) -> Option<String> {
        if self.allowance.is_none() || self.ended_at.is_some() {
            return None;
        }
        let usage = self.usage();
        let mut spent = Spent::default();
        spent.add(&usage, Duration::ZERO);
        // Programs call a model free when they do not know its price.
        let is_free = usage.micros == 0 && usage.tokens.total() > 0 && usage.source != MoneySource::Table;
        spent.has_unknown_cost = is_free && self.cost != CostReport::AtEnd;
        self.allowance.used_up(&spent)
    }

    /// Takes a signal in; says whether somebody waits for such a thing.
    fn take(&mut self, signal: &AgentSignal) -> bool {
        let repeats = self.calls.take(signal);
        match signal {
            AgentSignal::Retrying { .. } | AgentSignal::Asking { .. } => self.waits = true,
            AgentSignal::RateLimit { .. } | AgentSignal::Warning { .. } => {}
            _ => self.waits = false,
        }
        match signal {
            AgentSignal::Session { id } => return self.named(id),
            AgentSignal::Text { text } => self.words(text),
            AgentSignal::End { text, .. } => {
                if !text.is_empty() {
                    self.words(text);
                }
                self.ended_at = Some(Instant::now());
                return true;
            }
            // It goes on after all.
            AgentSignal::ToolCall { .. } => self.ended_at = None,
            AgentSignal::Turn => {
                self.meter.turn();
                // The provider answered: whatever it refused before is over.
                self.limited = None;
            }
            AgentSignal::Usage(reading) => self.meter.read(reading.clone()),
            AgentSignal::RateLimit { reset_secs, reset_at_ms, .. } => {
                let (reset_secs, reset_at_ms) = (*reset_secs, *reset_at_ms);
                self.limited = Some(Limited { told_at: Instant::now(), reset_secs, reset_at_ms });
            }
            AgentSignal::Reasoning { .. }
            | AgentSignal::ToolEnded { .. }
            | AgentSignal::Command { .. }
            | AgentSignal::FileEdit { .. }
            | AgentSignal::Retrying { .. }
            | AgentSignal::Asking { .. }
            | AgentSignal::Warning { .. }
            | AgentSignal::Error { .. } => {}
        }
        repeats
    }

    /// Takes a name of the conversation. It becomes an argument of the next start, so it may look like neither an option nor a path.
    fn named(&mut self, id: &str) -> bool {
        let is_name = !id.is_empty()
            && id.len() <= LONGEST_SESSION
            && !id.starts_with('-')
            && id.chars().all(|c| c.is_ascii_graphic() && c != '/');
        if !is_name || self.sessions >= MOST_SESSIONS || self.session.as_deref() == Some(id) {
            return false;
        }
        self.session = Some(id.to_owned());
        self.sessions += 1;
        self.told_session = false;
        true
    }

    fn words(&mut self, text: &str) {
        self.last_message = cut_words(text);
    }
}

/// An allowance that is used up, with what was told of its reset.
pub fn exhausted(pool: Pool, limited: (Option<u64>, Option<i64>)) -> Exhausted {
    Exhausted { pool, reset_at: limited.1.map(Timestamp), reset_secs: limited.0 }
}
