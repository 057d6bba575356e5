//! The verdict on an attempt: one pure function over evidence the engine produced.
//!
//! First match wins. An exit code alone never makes a PASS; only checks the engine ran do (decision D7).

use serde::{Deserialize, Serialize};

use super::evidence::{AttemptOutcome, CheckOutcome};

/// How good an attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Grade {
    /// The engine saw it work.
    Pass,
    /// It may work another time.
    Retryable,
    /// A person has to look.
    HumanReview,
}

/// What to do after a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextAction {
    /// Go on.
    Advance,
    /// Try again.
    Retry,
    /// Ask a person.
    Escalate,
}

/// A graded attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The grade.
    pub grade: Grade,
    /// A stable word for the reason.
    pub reason_code: String,
    /// What follows.
    pub next_action: NextAction,
    /// One sentence with the facts it rests on.
    pub because: String,
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// How the agent's program ended.
    pub agent: AttemptOutcome,
    /// Whether it left a change.
    pub changed: bool,
    /// What the checks said about that change; `None` when they did not run.
    pub checks: Option<CheckOutcome>,
}

/// Weighs the evidence.
pub fn verdict(evidence: Evidence) -> Verdict {
    use AttemptOutcome::{CouldNotStart, Failed, Interrupted, OverLimit, Stopped, Succeeded, TimedOut};
    let Evidence { agent, changed, checks } = evidence;
    match (agent, changed, checks) {
        (CouldNotStart, _, _) => human("runtime_hard_failure", "the agent could not be started"),
        (TimedOut, _, _) => retry("runtime_timeout", "the agent ran into its time limit"),
        (OverLimit, _, _) => human("over_limit", "the agent was ended at a limit"),
        (Interrupted | Stopped, _, _) => retry("runtime_interrupted", "the attempt was cut off"),
        (Failed, _, _) => retry("runtime_unknown_failure", "the agent ended with an error"),
        (Succeeded, false, _) => human("no_change", "the agent ended without changing a file"),
        (Succeeded, true, Some(CheckOutcome::Passed)) => Verdict {
            grade: Grade::Pass,
            reason_code: "runtime_success".to_owned(),
            next_action: NextAction::Advance,
            because: "every check passed on the captured commit".to_owned(),
        },
        (Succeeded, true, Some(CheckOutcome::Failed)) => {
            human("verify_failed", "a check failed on the captured commit")
        }
        (Succeeded, true, Some(CheckOutcome::Blocked)) => human("verify_blocked_by_policy", "blocked"),
        (Succeeded, true, Some(CheckOutcome::NoEvidence) | None) => {
            human("missing_test_evidence", "no check command is given and none was found in the repository")
        }
    }
}

fn human(reason_code: &str, because: &str) -> Verdict {
    Verdict {
        grade: Grade::HumanReview,
        reason_code: reason_code.to_owned(),
        next_action: NextAction::Escalate,
        because: because.to_owned(),
    }
}

fn retry(reason_code: &str, because: &str) -> Verdict {
    Verdict {
        grade: Grade::Retryable,
        reason_code: reason_code.to_owned(),
        next_action: NextAction::Retry,
        because: because.to_owned(),
    }
}
