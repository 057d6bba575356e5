//! How an attempt of an agent ended, in words that say what to do next.
//!
//! Exit codes are not trusted: programs end with 0 on fatal errors and with 1 after they recovered. A success needs a terminal
//! event and no error event; the tree then says whether there is a change.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::AttemptOutcome;

/// The class of an ended attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeClass {
    /// It said that it was done, and left a change.
    Succeeded,
    /// It said that it was done, and left no change.
    NoOp,
    /// The agent, its settings or what was asked of it are at fault; another try alone does not help.
    AgentError,
    /// The model's server or the way to it is at fault; another try may help.
    InfraError,
    /// The allowance of its credential is used up; it can go on when that is back.
    Quota,
    /// A limit on time or silence ended it.
    TimedOut,
    /// It was ended from outside: a signal, a stop, another limit.
    Killed,
    /// It ended without saying how.
    Unknown,
}

impl OutcomeClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Succeeded,
        Self::NoOp,
        Self::AgentError,
        Self::InfraError,
        Self::Quota,
        Self::TimedOut,
        Self::Killed,
        Self::Unknown,
    ];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::NoOp => "no_op",
            Self::AgentError => "agent_error",
            Self::InfraError => "infra_error",
            Self::Quota => "quota",
            Self::TimedOut => "timed_out",
            Self::Killed => "killed",
            Self::Unknown => "unknown",
        }
    }
}

/// What kind of trouble an agent met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Too many requests for now; the provider's short limit.
    RateLimited,
    /// The plan's or account's allowance is used up.
    QuotaExhausted,
    /// No login, or one that is not taken.
    Auth,
    /// The model's server failed or is overloaded.
    Server,
    /// The server was not reached, or the connection broke.
    Network,
    /// The conversation does not fit the model any more.
    ContextOverflow,
    /// The provider refused the request itself.
    BadRequest,
    /// The program did not take its options or settings: ours, or the operator's.
    Usage,
    /// The session to go on with is not there.
    SessionLost,
    /// It did the same thing over and over.
    Loop,
    /// It used up what it may use.
    Budget,
    /// It waited for a person.
    Asking,
    /// It could not do its work and said so.
    GaveUp,
    /// What it printed makes no sense in its own protocol, or stops before its end.
    Protocol,
}

impl Trouble {
    /// The class of an attempt that ended in it.
    pub fn class(self) -> OutcomeClass {
        match self {
            Self::RateLimited | Self::QuotaExhausted => OutcomeClass::Quota,
            Self::Server | Self::Network => OutcomeClass::InfraError,
            Self::Protocol => OutcomeClass::Unknown,
            Self::Loop | Self::Budget => OutcomeClass::Killed,
            Self::Auth
            | Self::ContextOverflow
            | Self::BadRequest
            | Self::Usage
            | Self::SessionLost
            | Self::Asking
            | Self::GaveUp => OutcomeClass::AgentError,
        }
    }

    /// The reason code of a verdict about it; every one is in `docs/judging.md`.
    pub fn reason_code(self) -> &'static str {
        match self {
            Self::RateLimited | Self::QuotaExhausted => "quota_exhausted",
            Self::Auth => "agent_auth_required",
            Self::Server | Self::Network => "runtime_transient_failure",
            Self::ContextOverflow => "context_overflow",
            Self::BadRequest => "model_request_refused",
            Self::Usage => "agent_usage_error",
            Self::SessionLost => "session_lost",
            Self::Loop => "loop_detected",
            Self::Budget => "budget_exhausted",
            Self::Asking => "agent_asks",
            Self::GaveUp => "agent_gave_up",
            Self::Protocol => "agent_outcome_unknown",
        }
    }

    /// Says whether another try may help without a person.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::QuotaExhausted | Self::Server | Self::Network | Self::SessionLost
        )
    }
}

/// What an adapter makes of an agent that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The trouble it ended in; `None` is success by its own word.
    pub trouble: Option<Trouble>,
    /// One line for people.
    pub message: String,
}

impl Judgement {
    /// It is done.
    pub fn done(message: impl Into<String>) -> Self {
        Self { trouble: None, message: message.into() }
    }

    /// It ended in trouble.
    pub fn trouble(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble: Some(trouble), message: message.into() }
    }

    /// The class, before anybody looked at the tree.
    pub fn class(&self) -> OutcomeClass {
        self.trouble.map_or(OutcomeClass::Succeeded, Trouble::class)
    }

    /// The same as an outcome of the attempt.
    pub fn outcome(&self) -> AttemptOutcome {
        match self.trouble {
            None => AttemptOutcome::Succeeded,
            Some(_) => AttemptOutcome::Failed,
        }
    }
}
