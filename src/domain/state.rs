//! The fifteen states of a run, their phases, and which state may follow which.
//!
//! What an event does to a state is in [`super::transition`]; this file only says which moves exist at all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::InvalidId;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Accepted, nothing done yet.
    Queued,
    /// The workspace is made and the contract found.
    Discovery,
    /// There is a contract to work from.
    PlanReady,
    /// An agent is at work.
    Implementing,
    /// The engine runs the checks itself.
    LocalValidating,
    /// The branch is at the remote, no pull request yet.
    Pushed,
    /// The pull request waits for its checks.
    CiWait,
    /// The pull request waits for its reviewers.
    ReviewWait,
    /// Checks failed or changes were asked for.
    Iterating,
    /// A person stopped it.
    Paused,
    /// A person has to decide.
    NeedsHumanReview,
    /// A step failed in a way that may pass another time.
    FailedRetryable,
    /// Finished as wanted.
    Done,
    /// Finished because it is not wanted any more.
    Skipped,
    /// Finished without success.
    FailedTerminal,
}

/// The coarse place of a run that every surface shows beside the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the documentation; the table is in `State::phase`")]
pub enum Phase {
    Queued,
    Discovery,
    Implementation,
    NeedsHumanReview,
    Pr,
    Paused,
    Failed,
    Done,
}

use State::{
    CiWait, Discovery, Done, FailedRetryable, FailedTerminal, Implementing, Iterating, LocalValidating,
    NeedsHumanReview, Paused, PlanReady, Pushed, Queued, ReviewWait, Skipped,
};

impl State {
    /// Every state, in the order of a run's life.
    pub const ALL: [Self; 15] = [
        Queued,
        Discovery,
        PlanReady,
        Implementing,
        LocalValidating,
        Pushed,
        CiWait,
        ReviewWait,
        Iterating,
        Paused,
        NeedsHumanReview,
        FailedRetryable,
        Done,
        Skipped,
        FailedTerminal,
    ];

    /// The name that is stored, typed and shown.
    pub fn name(self) -> &'static str {
        match self {
            Queued => "QUEUED",
            Discovery => "DISCOVERY",
            PlanReady => "PLAN_READY",
            Implementing => "IMPLEMENTING",
            LocalValidating => "LOCAL_VALIDATING",
            Pushed => "PUSHED",
            CiWait => "CI_WAIT",
            ReviewWait => "REVIEW_WAIT",
            Iterating => "ITERATING",
            Paused => "PAUSED",
            NeedsHumanReview => "NEEDS_HUMAN_REVIEW",
            FailedRetryable => "FAILED_RETRYABLE",
            Done => "DONE",
            Skipped => "SKIPPED",
            FailedTerminal => "FAILED_TERMINAL",
        }
    }

    /// The phase this state belongs to.
    pub fn phase(self) -> Phase {
        match self {
            Queued => Phase::Queued,
            Discovery | PlanReady => Phase::Discovery,
            Implementing | LocalValidating | Iterating => Phase::Implementation,
            NeedsHumanReview => Phase::NeedsHumanReview,
            Pushed | CiWait | ReviewWait => Phase::Pr,
            Paused => Phase::Paused,
            FailedRetryable | FailedTerminal => Phase::Failed,
            Done | Skipped => Phase::Done,
        }
    }

    /// Says whether nothing can follow.
    pub fn is_terminal(self) -> bool {
        matches!(self, Done | Skipped | FailedTerminal)
    }

    /// Says whether only a person moves a run on from here.
    pub fn is_held(self) -> bool {
        matches!(self, Paused | NeedsHumanReview | FailedRetryable)
    }

    /// The states that may follow this one: the seed's table and the edges added to it (`docs/events.md`).
    ///
    /// Staying is not a move and is not listed.
    pub fn targets(self) -> &'static [Self] {
        match self {
            Queued => &[Discovery, Paused, Skipped, FailedTerminal],
            Discovery => &[PlanReady, Paused, Skipped, FailedRetryable, FailedTerminal, NeedsHumanReview],
            PlanReady => {
                &[Implementing, Discovery, Paused, Skipped, FailedRetryable, FailedTerminal, NeedsHumanReview]
            }
            Implementing => {
                &[LocalValidating, Done, Paused, FailedRetryable, FailedTerminal, NeedsHumanReview]
            }
            LocalValidating => {
                &[Pushed, Implementing, Done, Paused, FailedRetryable, FailedTerminal, NeedsHumanReview]
            }
            Pushed => &[CiWait, Paused, NeedsHumanReview, Done, FailedTerminal],
            CiWait => {
                &[ReviewWait, Iterating, Done, Paused, FailedRetryable, FailedTerminal, NeedsHumanReview]
            }
            ReviewWait => {
                &[Iterating, CiWait, Paused, Done, FailedRetryable, FailedTerminal, NeedsHumanReview]
            }
            Iterating => &[
                Implementing,
                LocalValidating,
                CiWait,
                ReviewWait,
                Done,
                Paused,
                FailedRetryable,
                FailedTerminal,
                NeedsHumanReview,
            ],
            // Queued is here only as the place a run was paused from: resume goes back exactly there.
            Paused => &[
                Queued,
                Discovery,
                PlanReady,
                Implementing,
                LocalValidating,
                Pushed,
                CiWait,
                ReviewWait,
                Iterating,
                NeedsHumanReview,
                Skipped,
                FailedTerminal,
            ],
            NeedsHumanReview => &[
                PlanReady,
                Implementing,
                LocalValidating,
                Pushed,
                Iterating,
                Paused,
                Skipped,
                Done,
                FailedTerminal,
            ],
            FailedRetryable => &[
                Discovery,
                PlanReady,
                Implementing,
                LocalValidating,
                Pushed,
                CiWait,
                Iterating,
                NeedsHumanReview,
                Skipped,
                FailedTerminal,
            ],
            Done | Skipped | FailedTerminal => &[],
        }
    }

    /// Says whether `next` may follow this state.
    pub fn allows(self, next: Self) -> bool {
        self.targets().contains(&next)
    }
}

impl Phase {
    /// The name that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Discovery => "DISCOVERY",
            Self::Implementation => "IMPLEMENTATION",
            Self::NeedsHumanReview => "NEEDS_HUMAN_REVIEW",
            Self::Pr => "PR",
            Self::Paused => "PAUSED",
            Self::Failed => "FAILED",
            Self::Done => "DONE",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = InvalidId;

    /// Reads a state name in any letter case; `IMPLEMENTATION` and `LOCAL_VALIDATION` are taken as aliases.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let wanted = text.trim().to_ascii_uppercase().replace('-', "_");
        match wanted.as_str() {
            "IMPLEMENTATION" => Ok(Implementing),
            "LOCAL_VALIDATION" => Ok(LocalValidating),
            name => Self::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| {
                InvalidId::new("state", "one of the fifteen state names, such as IMPLEMENTING", text)
            }),
        }
    }
}
