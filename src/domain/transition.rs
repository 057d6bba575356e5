//! One total function from (state, event) to the next state, shared by deciding and by replaying.
//!
//! Three answers: the run moves, it stays, or the pair is illegal. A held run (paused, waiting for a person, failed) takes
//! facts as observations and is moved by persons only; a finished run is moved by nothing.

use super::event::Event;
use super::id::CommitSha;
use super::run::Run;
use super::state::State;

/// What an event does to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// The state changes.
    To(State),
    /// The event is recorded and the state stays.
    Stay,
    /// The run is paused: it stays, and goes on from this state when it is resumed.
    Behind(State),
    /// The pair makes no sense.
    Illegal,
}

/// The facts besides the state that decide where an event leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    /// The state.
    pub state: State,
    /// Where a paused run was paused.
    pub paused_from: Option<State>,
    /// Whether the run wants no pull request.
    pub delivers_nothing: bool,
    /// The commit the run stands for at the forge, for results about another one.
    pub head_sha: Option<&'a str>,
}

impl<'a> Position<'a> {
    /// The position of a run.
    pub fn of(run: &'a Run) -> Self {
        Self {
            state: run.state,
            paused_from: run.paused_from,
            delivers_nothing: run.spec.delivery == super::spec::Delivery::None,
            head_sha: run.pushed.as_ref().map(|pushed| pushed.sha.as_str()),
        }
    }

    /// Whether a fact of the forge is about the commit at the remote; one that names no commit is taken to be.
    pub(super) fn is_head(&self, told: Option<&CommitSha>) -> bool {
        match (told, self.head_sha) {
            (Some(told), Some(head)) => told.as_str() == head,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

/// Says what `event` does to a run at `position`.
///
/// Total: every pair has an answer, and the answer is printed for each in `tests/it/data/transitions.txt`.
pub fn transition(position: Position<'_>, event: &Event) -> Move {
    use State::{
        CiWait, Discovery, Done, FailedRetryable, FailedTerminal, Implementing, Iterating, LocalValidating,
        NeedsHumanReview, Paused, PlanReady, Pushed, Queued, ReviewWait, Skipped,
    };
    let state = position.state;
    let from = |sources: &[State], target: State| {
        if sources.contains(&state) { Move::To(target) } else { Move::Illegal }
    };
    // A fact of a step: it belongs to living runs, and moves none.
    let fact = if state.is_terminal() { Move::Illegal } else { Move::Stay };
    match event {
        Event::RunCreated(_) => Move::Illegal,
        Event::DiscoveryStarted(_) => from(&[Queued, Paused, FailedRetryable], Discovery),
        Event::PlanReady(_) => match state {
            // Another contract takes the place of the first.
            PlanReady => Move::Stay,
            _ => from(&[Discovery, Paused, NeedsHumanReview], PlanReady),
        },
        Event::ImplementationStarted(_) => from(&[PlanReady, Iterating, Paused], Implementing),
        Event::ValidationStarted(_) => {
            from(&[Implementing, Iterating, Paused, NeedsHumanReview], LocalValidating)
        }
        Event::FixRequested(_) => from(&[LocalValidating], Implementing),
        Event::HumanReviewRequested(_) => match state {
            NeedsHumanReview => Move::Stay,
            Queued | Done | Skipped | FailedTerminal => Move::Illegal,
            Paused => Move::Behind(NeedsHumanReview),
            _ => Move::To(NeedsHumanReview),
        },
        Event::StepFailed(body) => failed(state, body.retryable),
        Event::TimedOut(_) => failed(state, true),
        Event::Pushed(_) => match state {
            LocalValidating | NeedsHumanReview => Move::To(Pushed),
            Paused => Move::Behind(Pushed),
            // The remote already had it, or a person ended the run while it was being pushed: it is there all the same.
            Pushed | Done | Skipped | FailedTerminal => Move::Stay,
            _ => Move::Illegal,
        },
        Event::PrLinked(_) => match state {
            Pushed => Move::To(CiWait),
            Paused => match position.paused_from {
                Some(Pushed) => Move::Behind(CiWait),
                Some(CiWait | ReviewWait | Iterating | NeedsHumanReview) => Move::Stay,
                _ => Move::Illegal,
            },
            // The answer of a forge may come after a person moved the run; what is at the forge is recorded all the same.
            CiWait | ReviewWait | Iterating | NeedsHumanReview | Done | Skipped | FailedTerminal => {
                Move::Stay
            }
            Queued | Discovery | PlanReady | Implementing | LocalValidating | FailedRetryable => {
                Move::Illegal
            }
        },
        // What the forge itself told is weighed with all else it told; a move is an event of its own.
        Event::CheckRecorded(body) if body.check.is_some() => fact,
        Event::ReviewRecorded(body) if body.review.is_some() => fact,
        Event::CommentRecorded(_)
        | Event::PullChanged(_)
        | Event::HeadSeen(_)
        | Event::RepositoryChanged(_)
        | Event::ForgeParked(_) => fact,
        Event::ChecksPassed(_) => from(&[CiWait, Iterating], ReviewWait),
        Event::ChecksPending(_) => from(&[ReviewWait, Iterating], CiWait),
        Event::SentBack(_) => from(&[CiWait, ReviewWait], Iterating),
        Event::HeadMoved(_) => {
            from(&[Pushed, CiWait, ReviewWait, Iterating, Implementing, LocalValidating], Paused)
        }
        Event::PrClosed(_) => {
            from(&[Pushed, CiWait, ReviewWait, Iterating, Implementing, LocalValidating], Done)
        }
        Event::CheckRecorded(body) => {
            match (state, position.is_head(body.head_sha.as_ref()), conclusion(&body.conclusion)) {
                (Done | Skipped | FailedTerminal, _, _) => Move::Illegal,
                (CiWait, true, Conclusion::Green) => Move::To(ReviewWait),
                (CiWait | ReviewWait, true, Conclusion::Red) => Move::To(Iterating),
                _ => Move::Stay,
            }
        }
        Event::ReviewRecorded(body) => match (state, position.is_head(body.head_sha.as_ref())) {
            (Done | Skipped | FailedTerminal, _) => Move::Illegal,
            (CiWait | ReviewWait, true) if body.state == "changes_requested" => Move::To(Iterating),
            _ => Move::Stay,
        },
        Event::MarkedDone(_) => match state {
            LocalValidating if position.delivers_nothing => Move::To(Done),
            _ => from(&[Pushed, CiWait, ReviewWait, NeedsHumanReview], Done),
        },
        Event::PausedByPerson(_) => match state {
            Paused | FailedRetryable | Done | Skipped | FailedTerminal => Move::Illegal,
            _ => Move::To(Paused),
        },
        Event::Resumed(body) => match state {
            Paused if Paused.allows(body.target_state) => {
                // Nothing re-enters the queue but a run that was paused in it.
                if body.target_state == Queued && position.paused_from != Some(Queued) {
                    Move::Illegal
                } else {
                    Move::To(body.target_state)
                }
            }
            _ => Move::Illegal,
        },
        Event::Retried(body) => match state {
            FailedRetryable | NeedsHumanReview
                if state.allows(body.target_state)
                    && !body.target_state.is_terminal()
                    && body.target_state != Paused =>
            {
                Move::To(body.target_state)
            }
            _ => Move::Illegal,
        },
        Event::Cancelled(_) => {
            if state.is_terminal() {
                Move::Illegal
            } else {
                Move::To(FailedTerminal)
            }
        }
        Event::Skipped(_) => {
            from(&[Queued, Discovery, PlanReady, Paused, NeedsHumanReview, FailedRetryable], Skipped)
        }
        Event::PrApproved(_) => match state {
            NeedsHumanReview | Pushed => Move::Stay,
            _ => Move::Illegal,
        },
        Event::PrRequested(_) => match state {
            NeedsHumanReview | Pushed => Move::Stay,
            _ => Move::Illegal,
        },
        Event::WorkspacePrepared(_)
        | Event::VerifySpecPinned(_)
        | Event::AuthGranted(_)
        | Event::ActionsRequested(_)
        | Event::ActionsDecided(_)
        | Event::PolicyScanned(_)
        | Event::AttemptStarted(_)
        | Event::ChangeCaptured(_)
        | Event::ChecksFinished(_)
        | Event::VerdictRendered(_)
        | Event::QuotaParked(_)
        | Event::QuotaLifted(_)
        | Event::TokenRefused(_) => fact,
        // An attempt that was under way when a person ended the run still ends, and its files are still registered.
        Event::ProcessStarted(_)
        | Event::SessionNamed(_)
        | Event::GuardViolated(_)
        | Event::ActionsExecuted(_)
        | Event::AttemptEnded(_)
        | Event::ArtifactRegistered(_)
        | Event::PrRequestCancelled(_) => Move::Stay,
    }
}

/// A failure moves a working run to where it waits for another try, or for a person.
fn failed(state: State, retryable: bool) -> Move {
    use State::{Done, FailedRetryable, FailedTerminal, NeedsHumanReview, Paused, Pushed, Queued, Skipped};
    match state {
        Queued | Done | Skipped | FailedTerminal => Move::Illegal,
        NeedsHumanReview | FailedRetryable => Move::Stay,
        Paused if retryable => Move::Stay,
        Paused => Move::Behind(NeedsHumanReview),
        Pushed => Move::To(NeedsHumanReview),
        _ if retryable => Move::To(FailedRetryable),
        _ => Move::To(NeedsHumanReview),
    }
}

/// What a check's conclusion means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// It counts as passed.
    Green,
    /// It counts as failed.
    Red,
    /// It says nothing yet; unknown words are here, so a typo is not a failure.
    Unknown,
}

/// Reads a conclusion by GitHub's words.
pub fn conclusion(word: &str) -> Conclusion {
    match word {
        "success" | "neutral" | "skipped" => Conclusion::Green,
        "failure" | "timed_out" | "cancelled" | "action_required" | "startup_failure" | "stale" | "error" => {
            Conclusion::Red
        }
        _ => Conclusion::Unknown,
    }
}
