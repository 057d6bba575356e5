//! One event as one line: what a person sees of the log as it grows.

use std::time::Duration;

use serde_json::{Value, json};

use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, Piece, STRONG, Ui};
use super::{show_json, words};
use crate::domain::event::{Event, Recorded};
use crate::domain::evidence::{AttemptOutcome, CheckOutcome};
use crate::domain::secret;
use crate::domain::state::State;

/// Longest detail on one line.
const DETAIL: usize = 120;

impl Ui {
    /// Prints an event as one line, or as one document with `--json`.
    pub(super) fn event_line(&self, recorded: &Recorded) {
        if self.is_json() {
            self.document_line(&document(recorded));
        } else {
            self.pieces(&pieces(recorded));
        }
    }
}

/// The line of an event in pieces: time, number, run, name, state, what it says.
pub(super) fn pieces(recorded: &Recorded) -> Vec<Piece<'static>> {
    let style = match recorded.state {
        State::Done | State::CiWait | State::ReviewWait => GOOD,
        State::FailedRetryable | State::FailedTerminal => BAD,
        State::NeedsHumanReview | State::Paused => NOTICE,
        _ => PLAIN,
    };
    vec![
        (
            FAINT,
            format!("{} {:>5}  {}  ", words::time_of_day(recorded.at), recorded.seq, recorded.run).into(),
        ),
        (STRONG, format!("{:<32}", recorded.event.name()).into()),
        (style, format!("{:<19}", recorded.state.name()).into()),
        (PLAIN, words::short(&secret::redacted(&detail(&recorded.event)), DETAIL).into()),
        (FAINT, format!("  {}", recorded.actor).into()),
    ]
}

/// An event as a document: every stored field.
pub(super) fn document(recorded: &Recorded) -> Value {
    // The body was read from JSON, so it is JSON; anything else is shown as it is.
    let body = recorded.event.body().unwrap_or_default();
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    json!({
        "seq": recorded.seq,
        "run_id": recorded.run.as_str(),
        "version": recorded.version,
        "event_type": recorded.event.name(),
        "schema": recorded.event.schema(),
        "created_at": words::when(recorded.at),
        "at_ms": recorded.at,
        "actor": recorded.actor.to_string(),
        "cause": recorded.cause,
        "idempotency_key": recorded.key.as_ref().map(ToString::to_string),
        "state": recorded.state.name(),
        "phase": recorded.state.phase().name(),
        "payload": body,
    })
}

/// What an event says beyond its name; empty when the name says all.
pub(super) fn detail(event: &Event) -> String {
    match event {
        Event::RunCreated(body) => format!("{}: {}", body.spec.repo, body.spec.pr_title()),
        Event::WorkspacePrepared(body) => {
            format!("{} at {}", body.prepared.base_branch, body.prepared.base_sha.short())
        }
        Event::VerifySpecPinned(body) => match &body.spec {
            Some(spec) => format!("{} ({})", spec.origin, spec.sha256.as_str().get(..12).unwrap_or_default()),
            None => "withdrawn".to_owned(),
        },
        Event::GuardViolated(body) => {
            let paths: Vec<String> = body
                .report
                .violations
                .iter()
                .take(3)
                .map(|violation| format!("`{}` {}", violation.path, violation.breach.words()))
                .collect();
            let more = body.report.count.saturating_sub(3);
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("attempt {}: {}{rest}", body.attempt, paths.join(", "))
        }
        Event::ActionsRequested(body) => {
            let ids: Vec<&str> = body.request.actions.iter().map(|action| action.id.as_str()).collect();
            format!("attempt {}: {}", body.attempt, ids.join(", "))
        }
        Event::ActionsDecided(body) => if body.granted { "granted" } else { "denied" }.to_owned(),
        Event::ActionsExecuted(body) => match &body.report.quarantined {
            Some(code) => format!("put aside, {code}: {}", body.report.detail),
            None => words::count(body.report.results.len() as u64, "action"),
        },
        Event::PolicyScanned(body) => match body.findings.first() {
            None => "nothing found".to_owned(),
            Some(first) => format!("{} blocking; {}", body.blocking, first.words()),
        },
        Event::PlanReady(body) => body.contract.path.clone(),
        Event::AttemptStarted(body) => format!("attempt {}: {}", body.attempt, body.step.name()),
        Event::ProcessStarted(body) => format!("attempt {}: process {}", body.attempt, body.process.pid),
        Event::SessionNamed(body) => {
            format!("attempt {}: {} `{}`", body.attempt, body.session.agent, body.session.id)
        }
        Event::QuotaParked(body) => format!("{} until {}", body.pool, words::when(body.until)),
        Event::QuotaLifted(body) => body.pool.to_string(),
        Event::AttemptEnded(body) => {
            let (step, how) = (body.step.name(), show_json::word(&body.outcome));
            let mut said = format!("attempt {}: {step} {how}", body.attempt);
            if body.outcome != AttemptOutcome::Succeeded && !body.evidence.message.is_empty() {
                said.extend([": ", &body.evidence.message]);
            } else if body.evidence.duration_ms > 0 {
                let time = words::span(Duration::from_millis(body.evidence.duration_ms));
                said.extend([" in ", &time]);
            }
            said
        }
        Event::ChangeCaptured(body) => {
            format!("{}: {}", body.change.head_sha.short(), words::diffstat(&body.change.stat))
        }
        Event::ChecksFinished(body) => match (body.report.outcome(), body.report.results.last()) {
            (CheckOutcome::Failed, Some(last)) => format!("failed: {}", last.command),
            (outcome, _) => {
                let commands = words::count(body.report.results.len() as u64, "command");
                format!("{} ({commands})", outcome.name())
            }
        },
        Event::VerdictRendered(body) => {
            format!("{}: {}", show_json::word(&body.verdict.grade), body.verdict.because)
        }
        Event::FixRequested(body) => format!("round {}: {}", body.round, body.reason),
        Event::HumanReviewRequested(body) => format!("{}: {}", body.reason, body.message),
        Event::StepFailed(body) => format!("{}:{}:{}", body.step, body.reason_code, body.error_message),
        Event::TimedOut(body) => body.step.clone(),
        Event::PrRequested(body) => format!("request {}: {}", body.request.id, body.request.title),
        Event::TokenRefused(body) => format!("request {}: wrong token {}", body.request, body.wrong_tokens),
        Event::PrRequestCancelled(body) => {
            let drift: Vec<&str> = body.drift.iter().map(|drift| drift.words()).collect();
            let reason = show_json::word(&body.reason);
            match drift.is_empty() {
                true => format!("request {}: {reason}", body.request),
                false => format!("request {}: {reason}, {}", body.request, drift.join(", ")),
            }
        }
        Event::PrApproved(body) => {
            let standing = if body.standing { ", who confirmed the first" } else { "" };
            format!("request {} by {}{standing}", body.request, body.by)
        }
        Event::Pushed(body) => format!("{} at {}", body.branch, body.sha.short()),
        Event::PrLinked(body) => format!("#{} {}", body.pr_number, body.url.as_deref().unwrap_or_default()),
        Event::CheckRecorded(body) => match &body.check {
            Some(check) => format!("{}: {}", check.shown(), body.conclusion),
            None => body.conclusion.clone(),
        },
        Event::ReviewRecorded(body) => match &body.review {
            Some(review) => format!("{}: {}", review.reviewer, body.state),
            None => body.state.clone(),
        },
        Event::CommentRecorded(body) => format!("by {}", body.comment.author),
        Event::PullChanged(body) => {
            format!(
                "#{} {} at {}",
                body.pull.number,
                show_json::word(&body.pull.state),
                body.pull.head_sha.short()
            )
        }
        Event::HeadSeen(body) => {
            body.head.sha.as_ref().map_or("gone".to_owned(), |sha| sha.short().to_owned())
        }
        Event::RepositoryChanged(body) => match (body.repository.deleted, body.repository.archived) {
            (true, _) => format!("{} is gone", body.repository.name),
            (false, true) => format!("{} is archived", body.repository.name),
            (false, false) => body.repository.name.to_string(),
        },
        Event::ChecksPassed(body) => body.head_sha.short().to_owned(),
        Event::ChecksPending(body) => body.head_sha.short().to_owned(),
        Event::SentBack(body) => {
            let parts: Vec<&str> = body.checks.iter().chain(&body.reviewers).map(String::as_str).collect();
            parts.join(", ")
        }
        Event::HeadMoved(body) => {
            format!("to {} by {}", body.sha.short(), body.by.as_deref().unwrap_or("somebody else"))
        }
        Event::PrClosed(body) => if body.merged { "merged" } else { "closed" }.to_owned(),
        Event::ForgeParked(body) => format!("until {}: {}", words::when(body.until), body.reason),
        Event::Resumed(body) => format!("to {}", body.target_state),
        Event::Retried(body) => format!("to {}", body.target_state),
        Event::Cancelled(body) => body.reason.clone(),
        Event::Skipped(body) => body.reason.clone(),
        Event::ArtifactRegistered(body) => format!("{}: {}", body.kind, body.path),
        Event::DiscoveryStarted(_)
        | Event::AuthGranted(_)
        | Event::ImplementationStarted(_)
        | Event::ValidationStarted(_)
        | Event::MarkedDone(_)
        | Event::PausedByPerson(_) => String::new(),
    }
}
