//! The verdict on an attempt: one pure function over evidence the engine produced.
//!
//! First match wins. An exit code alone never makes a PASS; only checks the engine ran do (decision D7). What a transcript
//! says can stop a run and never pass it. The table with every reason code is in `docs/judging.md`.

use serde::{Deserialize, Serialize};

use super::agent::class::Trouble;
use super::confine::LimitKind;
use super::evidence::{AttemptOutcome, CheckOutcome, CheckReport};
use super::guard::GuardReport;
use super::policy::Policy;
use super::signal::Signals;

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
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// How the agent's program ended.
    pub agent: AttemptOutcome,
    /// The limit that ended it, wall time aside.
    pub limit: Option<LimitKind>,
    /// The trouble it ended in, by its own protocol.
    pub trouble: Option<Trouble>,
    /// Whether it left a change.
    pub changed: bool,
    /// What its transcript says.
    pub signals: Option<&'a Signals>,
    /// What the guard found in this phase.
    pub guard: Option<&'a GuardReport>,
    /// Phases with a violation since a person last stepped in, this one included.
    pub guard_violations: u32,
    /// What the checks said about that change; `None` when they did not run.
    pub checks: Option<&'a CheckReport>,
    /// Blocking findings on that change.
    pub blocking: u32,
    /// Attempts in a row that failed in a way another try may mend, this one not included.
    pub retries: u32,
    /// The run's rules.
    pub policy: &'a Policy,
}

impl<'a> Evidence<'a> {
    /// Evidence of an agent that ended so, and of nothing else.
    pub fn of(agent: AttemptOutcome, changed: bool, policy: &'a Policy) -> Self {
        Self {
            agent,
            limit: None,
            trouble: None,
            changed,
            signals: None,
            guard: None,
            guard_violations: 0,
            checks: None,
            blocking: 0,
            retries: 0,
            policy,
        }
    }
}

/// Weighs the evidence.
pub fn verdict(evidence: &Evidence<'_>) -> Verdict {
    against_agent(evidence)
        .or_else(|| evidence.checks.and_then(|report| of_checks(evidence, report)))
        .unwrap_or_else(|| match evidence.checks {
            Some(report) => passed(report),
            None => human("missing_test_evidence", "no check ran on the change"),
        })
}

/// What stands against an agent's attempt before any check ran on its change; `None` when nothing does.
pub fn against_agent(evidence: &Evidence<'_>) -> Option<Verdict> {
    let verdict = safety(evidence).or_else(|| of_agent(evidence))?;
    let cap = evidence.policy.max_retries;
    // Waits for an allowance are counted on their own.
    let waits = verdict.reason_code == Trouble::QuotaExhausted.reason_code();
    if verdict.grade == Grade::Retryable && !waits && cap > 0 && evidence.retries >= cap {
        let because = format!("{}: {} (after {cap} tries)", verdict.reason_code, verdict.because);
        return Some(human("retryable_limit_exceeded", because));
    }
    Some(verdict)
}

/// The verdict on a workspace that was not fit for an agent, before one was started.
pub fn on_preflight(transient: bool, failures: &str) -> Verdict {
    if transient {
        retry("preflight_transient_failure", failures)
    } else {
        human("preflight_hard_failure", failures)
    }
}

/// What nobody may have done, whatever came of it.
fn safety(evidence: &Evidence<'_>) -> Option<Verdict> {
    if let Some(worst) = evidence
        .guard
        .and_then(|report| report.violations.iter().find(|violation| !violation.breach.is_reversible()))
    {
        let because = format!("`{}` {}, which cannot be undone", worst.path, worst.breach.words());
        return Some(human("safety_violation", because));
    }
    if let Some(signal) = evidence.signals.and_then(|signals| signals.safety.first()) {
        let because = format!("the agent ran what its rules forbid ({}): `{}`", signal.rule, signal.command);
        return Some(human("safety_violation", because));
    }
    let report = evidence.guard.filter(|report| !report.is_clean())?;
    if evidence.guard_violations >= evidence.policy.max_guard_violations {
        let because = format!("the agent touched what it may not in {} phases", evidence.guard_violations);
        return Some(human("guard_violation", because));
    }
    // What was illegal is put back; what is left is judged like any other change.
    (evidence.agent == AttemptOutcome::Succeeded && !evidence.changed).then(|| {
        let because = format!("nothing is left after {} illegal paths were put back", report.count);
        retry("guard_violation", because)
    })
}

/// What the agent's own ending says; `None` when it ended well and left a change.
fn of_agent(evidence: &Evidence<'_>) -> Option<Verdict> {
    let signals = evidence.signals;
    Some(match evidence.agent {
        AttemptOutcome::CouldNotStart => human("runtime_hard_failure", "the agent could not be started"),
        AttemptOutcome::TimedOut => retry("runtime_timeout", "the agent ran into its time limit"),
        AttemptOutcome::OverLimit => {
            let limit = evidence.limit.unwrap_or(LimitKind::Memory);
            let because = format!("the agent was ended: it {}", limit.words());
            // A hang may pass by itself. What eats memory, processes or disk does so again.
            match limit {
                LimitKind::Silence => retry(limit.reason_code(), because),
                LimitKind::Memory | LimitKind::Processes | LimitKind::Disk => {
                    human(limit.reason_code(), because)
                }
            }
        }
        AttemptOutcome::Interrupted | AttemptOutcome::Stopped => {
            retry("runtime_interrupted", "the attempt was cut off")
        }
        AttemptOutcome::Failed if evidence.trouble.is_some() => in_trouble(evidence.trouble?),
        AttemptOutcome::Failed => match signals.map(|signals| (&signals.hard, &signals.transient)) {
            Some((Some(line), _)) => human("runtime_hard_failure", said(line)),
            Some((None, Some(line))) => retry("runtime_transient_failure", said(line)),
            Some((None, None)) | None => retry("runtime_unknown_failure", "the agent ended with an error"),
        },
        AttemptOutcome::Succeeded if evidence.changed => return None,
        AttemptOutcome::Succeeded => human("no_change", "the agent ended without changing a file"),
    })
}

/// What an agent's own protocol calls its trouble.
fn in_trouble(trouble: Trouble) -> Verdict {
    let because = match trouble {
        Trouble::RateLimited => "the model's server takes no more requests for now",
        Trouble::QuotaExhausted => "the allowance of the agent's credential is used up",
        Trouble::Auth => "the agent is not logged in, or its key is not taken",
        Trouble::Server => "the model's server failed",
        Trouble::Network => "the model's server was not reached, or the connection broke",
        Trouble::ContextOverflow => "the work does not fit the model's context any more",
        Trouble::BadRequest => "the model's server refused the request",
        Trouble::Usage => "the agent did not take its options or settings",
        Trouble::SessionLost => "the conversation to go on with is gone",
        Trouble::Loop => "the agent did the same thing over and over while no file changed",
        Trouble::Budget => "the agent used up what it may use",
        Trouble::Asking => "the agent waited for an answer that nobody gives",
        Trouble::GaveUp => "the agent said that it could not do it",
        Trouble::Protocol => "the agent ended without saying how",
    };
    let code = trouble.reason_code();
    if trouble.may_pass() { retry(code, because) } else { human(code, because) }
}

fn said(line: &str) -> String {
    format!("the agent ended with an error and said: {line}")
}

/// What the checks say against the change; `None` when they and the look at its objects say nothing against it.
fn of_checks(evidence: &Evidence<'_>, report: &CheckReport) -> Option<Verdict> {
    match report.outcome() {
        CheckOutcome::Blocked => {
            let (code, detail) = report.blocked.as_ref().map_or(("", ""), |b| (&b.code, &b.detail));
            let reason = match code {
                "interactive_auth_required" => "interactive_auth_required",
                _ => "verify_blocked_by_policy",
            };
            return Some(human(reason, format!("{code}: {detail}")));
        }
        CheckOutcome::Failed => {
            let stage = report.failed_stage().map_or("tests", super::verification::Stage::name);
            let because = format!("the stage {stage} failed on the captured commit");
            return Some(human("verify_failed", because));
        }
        CheckOutcome::NoEvidence => {
            let because = "no check command is given or found that proves anything";
            return Some(human("missing_test_evidence", because));
        }
        CheckOutcome::Passed => {}
    }
    let (proofs, wanted) = (report.evidence(), evidence.policy.min_checks);
    if proofs < wanted {
        let because = format!("{proofs} checks passed and the policy asks for {wanted}");
        return Some(human("insufficient_test_evidence", because));
    }
    (evidence.blocking > 0).then(|| {
        let because = format!("every check passed; {} findings need a person's word", evidence.blocking);
        human("policy_findings", because)
    })
}

fn passed(report: &CheckReport) -> Verdict {
    let known = report.results.iter().filter(|result| result.known_failure.is_some()).count();
    let (reason_code, because) = if known > 0 {
        let because = format!("every check passed on the captured commit but {known} that are known to fail");
        ("runtime_success_allowlisted_test_failures", because)
    } else {
        ("runtime_success", "every check passed on the captured commit".to_owned())
    };
    Verdict {
        grade: Grade::Pass,
        reason_code: reason_code.to_owned(),
        next_action: NextAction::Advance,
        because,
    }
}

fn human(reason_code: &str, because: impl Into<String>) -> Verdict {
    Verdict {
        grade: Grade::HumanReview,
        reason_code: reason_code.to_owned(),
        next_action: NextAction::Escalate,
        because: because.into(),
    }
}

fn retry(reason_code: &str, because: impl Into<String>) -> Verdict {
    Verdict {
        grade: Grade::Retryable,
        reason_code: reason_code.to_owned(),
        next_action: NextAction::Retry,
        because: because.into(),
    }
}
