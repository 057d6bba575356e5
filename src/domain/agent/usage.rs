//! What agents use: tokens, money, time, turns.
//!
//! Programs report in different shapes: totals of a whole conversation, totals of one start, or one number for each step. A
//! [`Reading`] says which; a [`Meter`] makes one sum of them. Money is in millionths of a US dollar, so that sums are exact.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

/// Tokens, by kind. `input` is all that went in, `cached` the part of it that was read from a cache and `cache_write` the part
/// that was written to one; `output` is all that came out, `reasoning` the part of it that was thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// All that went in, cached or not.
    pub input: u64,
    /// Of these, read from a cache.
    pub cached: u64,
    /// Of these, written to a cache.
    pub cache_write: u64,
    /// All that came out.
    pub output: u64,
    /// Of these, reasoning.
    pub reasoning: u64,
}

/// The largest number of anything that one attempt is charged: about 10^12. No attempt comes near it; a program that reports more is
/// wrong, and sums over millions of its reports still fit.
pub const MOST_CHARGED: u64 = 1 << 40;

impl Tokens {
    /// The same, with no number above [`MOST_CHARGED`].
    #[must_use]
    pub fn charged(&self) -> Self {
        Self {
            input: self.input.min(MOST_CHARGED),
            cached: self.cached.min(MOST_CHARGED),
            cache_write: self.cache_write.min(MOST_CHARGED),
            output: self.output.min(MOST_CHARGED),
            reasoning: self.reasoning.min(MOST_CHARGED),
        }
    }

    /// All tokens, in and out.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What was added since `earlier`; a kind that fell counts from nothing, for the program began anew.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let diff = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        Self {
            input: diff(self.input, earlier.input),
            cached: diff(self.cached, earlier.cached),
            cache_write: diff(self.cache_write, earlier.cache_write),
            output: diff(self.output, earlier.output),
            reasoning: diff(self.reasoning, earlier.reasoning),
        }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, more: Self) {
        self.input = self.input.saturating_add(more.input);
        self.cached = self.cached.saturating_add(more.cached);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.output = self.output.saturating_add(more.output);
        self.reasoning = self.reasoning.saturating_add(more.reasoning);
    }
}

impl SubAssign for Tokens {
    fn sub_assign(&mut self, less: Self) {
        self.input = self.input.saturating_sub(less.input);
        self.cached = self.cached.saturating_sub(less.cached);
        self.cache_write = self.cache_write.saturating_sub(less.cache_write);
        self.output = self.output.saturating_sub(less.output);
        self.reasoning = self.reasoning.saturating_sub(less.reasoning);
    }
}

/// What one report of a program covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Everything in the conversation so far, earlier starts of the program included.
    Conversation,
    /// Everything since this start of the program.
    Start,
    /// This step only; steps are added up.
    Step,
}

/// One report of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What it covers.
    pub span: Span,
    /// The step it is about, for [`Span::Step`]: the same step told twice counts once, with the later numbers. Otherwise empty.
    #[serde(default)]
    pub step: String,
    /// The tokens.
    pub tokens: Tokens,
    /// What the program says it cost, in millionths of a dollar.
    #[serde(default)]
    pub cost_micros: Option<u64>,
}

/// Where a sum of money comes from, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoneySource {
    /// The operator's price table.
    Table,
    /// The program's own word, which may be a guess of its.
    Reported,
    /// Neither: the sum is not known.
    #[default]
    Unknown,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// The tokens.
    pub tokens: Tokens,
    /// The money in millionths of a dollar; 0 where it is not known.
    pub micros: u64,
    /// Where that number comes from.
    pub source: MoneySource,
    /// Requests the model answered.
    pub turns: u32,
}

impl Usage {
    /// Both together. The money is only as well known as that of the part it is known worst of.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut tokens = self.tokens;
        tokens += other.tokens;
        let source = match (self.is_nothing(), other.is_nothing()) {
            (true, _) => other.source,
            (_, true) => self.source,
            (false, false) => self.source.max(other.source),
        };
        Self {
            tokens,
            micros: self.micros.saturating_add(other.micros),
            source,
            turns: self.turns.saturating_add(other.turns),
        }
    }

    /// Says whether it names neither tokens nor money.
    pub fn is_nothing(&self) -> bool {
        self.tokens == Tokens::default() && self.micros == 0
    }

    /// The same, with no number above [`MOST_CHARGED`].
    #[must_use]
    pub fn charged(&self) -> Self {
        Self { tokens: self.tokens.charged(), micros: self.micros.min(MOST_CHARGED), ..*self }
    }
}

/// The price of a model, in millionths of a dollar for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Price {
    /// For input that no cache had.
    pub input: u64,
    /// For input read from a cache.
    pub cached: u64,
    /// For input written to a cache.
    pub cache_write: u64,
    /// For output, reasoning included.
    pub output: u64,
}

impl Price {
    /// What these tokens cost, in millionths of a dollar, rounded up.
    pub fn of(&self, tokens: &Tokens) -> u64 {
        let fresh = tokens.input.saturating_sub(tokens.cached).saturating_sub(tokens.cache_write);
        let parts = [
            (fresh, self.input),
            (tokens.cached, self.cached),
            (tokens.cache_write, self.cache_write),
            (tokens.output, self.output),
        ];
        let sum: u128 = parts.iter().map(|(count, price)| u128::from(*count) * u128::from(*price)).sum();
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// Prices by model, in the spelling the agent is given.
pub type Prices = BTreeMap<String, Price>;

/// Adds up what a program reports from one start to its end.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// Total of the conversation before this start.
    before: Tokens,
    /// The newest total, of the conversation or of this start.
    total: Option<Reading>,
    /// The steps by digest of their name, and their sum.
    steps: BTreeMap<u64, (Tokens, Option<u64>)>,
    stepped: (Tokens, Option<u64>),
    turns: u32,
}

/// Steps that are told apart; what is reported beyond is added up without looking whether it was told before.
const MOST_STEPS: usize = 100_000;

impl Meter {
    /// A meter for a start of a program; `before` is the total its conversation had reached at the end of the last attempt.
    pub fn new(before: Tokens) -> Self {
        Self { before, ..Self::default() }
    }

    /// Takes a report in.
    pub fn read(&mut self, reading: Reading) {
        match reading.span {
            Span::Step => self.step(&reading),
            Span::Conversation | Span::Start => self.total = Some(reading),
        }
    }

    fn step(&mut self, reading: &Reading) {
        let told = (reading.tokens, reading.cost_micros);
        let mut digest = DefaultHasher::new();
        reading.step.hash(&mut digest);
        let step = digest.finish();
        let before = if self.steps.len() < MOST_STEPS || self.steps.contains_key(&step) {
            self.steps.insert(step, told)
        } else {
            None
        };
        let (tokens, cost) = &mut self.stepped;
        if let Some((earlier, earlier_cost)) = before {
            *tokens -= earlier;
            *cost = cost.map(|sum| sum.saturating_sub(earlier_cost.unwrap_or_default()));
        }
        *tokens += told.0;
        if let Some(more) = told.1 {
            *cost = Some(cost.unwrap_or_default().saturating_add(more));
        }
    }

    /// One more request was answered.
    pub fn turn(&mut self) {
        self.turns = self.turns.saturating_add(1);
    }

    /// What this start used so far. The table decides about money where it has the model; else the program's word is taken.
    pub fn usage(&self, price: Option<&Price>) -> Usage {
        let (tokens, reported) = match &self.total {
            Some(total) if total.span == Span::Conversation => {
                (total.tokens.since(&self.before), total.cost_micros)
            }
            Some(total) => (total.tokens, total.cost_micros),
            None => self.stepped,
        };
        let (micros, source) = match (price, reported) {
            (Some(price), _) => (price.of(&tokens), MoneySource::Table),
            (None, Some(cost)) => (cost, MoneySource::Reported),
            (None, None) => (0, MoneySource::Unknown),
        };
        Usage { tokens, micros, source, turns: self.turns }
    }

    /// The total of the conversation, to be handed to the next attempt that goes on with it.
    pub fn conversation(&self) -> Tokens {
        match &self.total {
            Some(total) if total.span == Span::Conversation => total.tokens,
            Some(_) | None => {
                let mut sum = self.before;
                sum += self.usage(None).tokens;
                sum
            }
        }
    }
}
