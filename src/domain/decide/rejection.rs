//! Refusals: answers, not failures. Each carries the facts that made it and a stable code.

use crate::domain::evidence::Step;
use crate::domain::gate::Drift;
use crate::domain::id::{AttemptNo, PrNumber, RequestId};
use crate::domain::run::Run;
use crate::domain::state::State;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts named in the message")]
pub enum Rejection {
    /// There is no such run.
    #[error("there is no such run")]
    NoSuchRun,
    /// The id is taken.
    #[error("a run with this id exists already")]
    AlreadyExists,
    /// The pair of state and command makes no sense.
    #[error("cannot {command} while the run is {state}")]
    Illegal { command: &'static str, state: State },
    /// The named target cannot follow.
    #[error("a run that is {state} cannot go to {target}")]
    TargetNotAllowed { state: State, target: State },
    /// Only a person moves it.
    #[error("the run is {state}: only a person moves it on")]
    Held { state: State },
    /// Another attempt is under way.
    #[error("attempt {attempt} ({}) is under way", step.name())]
    AttemptOpen { attempt: AttemptNo, step: Step },
    /// The attempt is not the one under way.
    #[error("attempt {attempt} is not under way any more")]
    AttemptNotOpen { attempt: AttemptNo },
    /// Another pull request is linked.
    #[error("pull request {linked} is linked already")]
    OtherPrLinked { linked: PrNumber },
    /// There is no captured change to ask about.
    #[error("there is no captured change to open a pull request for")]
    NoChange,
    /// The request is about another commit than the captured one.
    #[error("the request is about another commit than the captured one")]
    NotTheChange,
    /// The checks did not pass on the commit, or fewer did than the run's rules ask for.
    #[error("no passed check is on record for the commit, or fewer than the run asks for")]
    NoEvidence,
    /// The change has findings that a person has to accept.
    #[error("{count} blocking findings are on record for the commit")]
    Findings { count: u32 },
    /// No actions wait for a decision.
    #[error("no actions wait for a decision")]
    NoActions,
    /// The pull request is merged or closed.
    #[error("the pull request is over: it was merged or closed")]
    PrOver,
    /// Only a person may do this.
    #[error("only a person may {command}")]
    NotAPerson { command: &'static str },
    /// No request is open.
    #[error("no pull request was asked for")]
    NoRequest,
    /// The token is not the right one.
    #[error("the token is wrong, {tries_left} tries are left")]
    WrongToken { tries_left: u32 },
    /// The request was ended by wrong tokens.
    #[error("the request was cancelled after too many wrong tokens")]
    TooManyWrongTokens,
    /// The token belongs to a request of another run.
    #[error("the token belongs to another run's request")]
    ForeignToken,
    /// A newer request took its place.
    #[error("a newer request took the place of this one")]
    Superseded { request: RequestId },
    /// The request is too old.
    #[error("the request has expired")]
    Expired,
    /// The second confirmation is missing.
    #[error("the second confirmation is missing")]
    NotConfirmed,
    /// Everything else is right, and the facts were not computed.
    #[error("the facts of the request were not computed")]
    FactsNeeded,
    /// Something moved.
    #[error("{}", stale_words(drift))]
    Stale { drift: Vec<Drift> },
    /// The token was used.
    #[error("the token was used already")]
    TokenUsed,
    /// The request was withdrawn.
    #[error("the request was withdrawn because its change was replaced or the run left the gate")]
    Withdrawn,
}

fn stale_words(drift: &[Drift]) -> String {
    let words: Vec<&str> = drift.iter().map(|part| part.words()).collect();
    if words.is_empty() { "the request is stale".to_owned() } else { words.join(", ") }
}

impl Rejection {
    pub(super) fn illegal(run: &Run, command: &'static str) -> Self {
        Self::Illegal { command, state: run.state }
    }

    /// A stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchRun => "no_such_run",
            Self::AlreadyExists => "run_exists",
            Self::Illegal { .. } => "illegal_transition",
            Self::TargetNotAllowed { .. } => "target_not_allowed",
            Self::Held { .. } => "held",
            Self::AttemptOpen { .. } => "attempt_under_way",
            Self::AttemptNotOpen { .. } => "attempt_ended",
            Self::OtherPrLinked { .. } => "other_pr_linked",
            Self::NoChange => "no_change",
            Self::NotTheChange => "not_the_captured_change",
            Self::NoEvidence => "missing_test_evidence",
            Self::Findings { .. } => "policy_findings",
            Self::NoActions => "no_actions",
            Self::PrOver => "pr_over",
            Self::NotAPerson { .. } => "not_a_person",
            Self::NoRequest => "no_open_request",
            Self::WrongToken { .. } => "wrong_token",
            Self::TooManyWrongTokens => "too_many_wrong_tokens",
            Self::ForeignToken => "token_of_another_run",
            Self::Superseded { .. } => "superseded",
            Self::Expired => "expired",
            Self::NotConfirmed => "not_confirmed",
            Self::FactsNeeded => "facts_needed",
            Self::Stale { .. } => "stale",
            Self::TokenUsed => "token_already_used",
            Self::Withdrawn => "withdrawn",
        }
    }
}
