//! A run as a document for machines: the seed's fields, and what agentpr adds. Never a token's hash.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::ui::Ui;
use super::{cost, pulse, show_forge, words};
use crate::app::usage::UsageTotal;
use crate::app::views::RunDetail;
use crate::domain::gate::{Gate, PrRequest};
use crate::domain::projection::{ArtifactRow, AttemptRow};
use crate::domain::run::Run;
use crate::domain::secret;
use crate::domain::time::Moment;

/// The document of a run.
pub(super) fn document(ui: &Ui, detail: &RunDetail, now: &Moment, pr: Option<&Value>) -> Value {
    let run = &detail.run;
    let next: Vec<String> = detail.advice.next.iter().map(|command| ui.command(command)).collect();
    json!({
        "run": spec(run),
        "state": run.state.name(),
        "phase": run.state.phase().name(),
        "paused_from": run.paused_from.map(|state| state.name()),
        "reason": { "code": run.reason.code, "message": secret::redacted(&run.reason.message), "seq": run.reason.seq },
        "waits_for": detail.advice.waits_for,
        "waits_until": detail.advice.until.map(words::when),
        "next": next,
        "pulse": pulse::document(detail.at_work.as_ref()),
        "last_error": run.last_error.as_ref().map(|error| secret::redacted(&error.to_string()).into_owned()),
        "version": run.version,
        "last_seq": run.last_seq,
        "digest": detail.digest,
        "prepared": run.prepared,
        "contract": run.contract,
        "change": run.change,
        "checks": run.checks.as_ref().map(|report| json!({ "outcome": report.outcome().name(), "report": report })),
        "verdict": run.verdict,
        "fix_rounds": run.fix_rounds,
        "gate": gate(&run.gate, now),
        "pushed": run.pushed.as_ref().map(|pushed| json!({ "branch": pushed.branch, "sha": pushed.sha })),
        "pull_request": run.pr.as_ref().map(|linked| {
            json!({ "number": linked.number, "url": linked.url, "document": pr })
        }),
        "forge_checks": run.forge_checks.as_ref().map(|(sha, word)| json!({ "head_sha": sha, "conclusion": word })),
        "review": run.review,
        "forge": show_forge::document(run),
        "verify_spec": run.verify_spec,
        "guard_violations": run.guard_violations,
        "guard": run.guard.as_ref().map(|(attempt, report)| json!({ "attempt": attempt, "report": report })),
        "findings": run.scan.as_ref().map(|scan| json!({
            "head_sha": scan.head_sha,
            "blocking": scan.blocking,
            "findings": scan.findings,
        })),
        "actions": run.actions.as_ref().map(|pending| json!({
            "request": pending.request,
            "granted": pending.granted,
        })),
        "actions_report": run.actions_report,
        "agent_evidence": run.agent.as_ref().map(|agent| &agent.evidence),
        "attempts": attempts(&detail.attempts),
        "usage": {
            "total": cost::document(&UsageTotal::of(&detail.usage)),
            "attempts": detail.usage.iter().map(cost::attempt).collect::<Vec<_>>(),
            "budgets": run.spec.budgets,
        },
        "artifacts": artifacts(&detail.artifacts),
    })
}

fn attempts(rows: &[AttemptRow]) -> Vec<Value> {
    let attempt = |row: &AttemptRow| {
        json!({
            "attempt": row.no,
            "step": row.step,
            "started_at": words::when(row.started_at),
            "ended_at": row.ended_at.map(words::when),
            "outcome": row.outcome,
            "exit_code": row.exit_code,
            "duration_ms": row.duration_ms,
            "log": row.log,
            "message": secret::redacted(&row.message),
        })
    };
    rows.iter().map(attempt).collect()
}

fn artifacts(rows: &[ArtifactRow]) -> Vec<Value> {
    let artifact = |row: &ArtifactRow| {
        json!({
            "seq": row.seq,
            "artifact_type": row.kind,
            "uri": row.uri,
            "sha256": row.sha256,
            "created_at": words::when(row.at),
        })
    };
    rows.iter().map(artifact).collect()
}

fn spec(run: &Run) -> Value {
    let spec = &run.spec;
    json!({
        "run_id": run.id.as_str(),
        "owner": spec.repo.owner(),
        "repo": spec.repo.repo(),
        "prompt_version": spec.prompt_version,
        "mode": "push_only",
        "budget": spec.limits,
        "workspace_dir": run.prepared.as_ref().map(|prepared| &prepared.workspace),
        "pr_number": run.pr.as_ref().map(|pr| pr.number),
        "created_at": words::when(run.created_at),
        "updated_at": words::when(run.updated_at),
        "task": spec.task,
        "agent": spec.agent,
        "checks": spec.checks,
        "base_branch": spec.base_branch,
        "head_branch": spec.head_branch,
        "remote": spec.remote,
        "delivery": spec.delivery,
        "title": spec.title,
        "policy": spec.policy,
    })
}

fn gate(gate: &Gate, now: &Moment) -> Value {
    match gate {
        Gate::Closed => json!({ "status": "closed" }),
        Gate::Open { request, wrong_tokens } => json!({
            "status": "open",
            "request_id": request.id,
            "expires_at": words::when(request.issued.wall.plus(Duration::from_secs(request.ttl_secs))),
            "expires_in_secs": time_left(request, now).as_secs(),
            "wrong_tokens": wrong_tokens,
            "request": self::request(request),
        }),
        Gate::Approved { request, by } => json!({
            "status": "approved",
            "request_id": request.id,
            "by": by.to_string(),
            "request": self::request(request),
        }),
        Gate::Used { request } => json!({ "status": "used", "request_id": request }),
        Gate::Cancelled { request, reason } => {
            json!({ "status": "cancelled", "request_id": request, "reason": reason })
        }
    }
}

/// What a request says, without the hash of its token.
pub(super) fn request(request: &PrRequest) -> Value {
    json!({
        "id": request.id,
        "title": request.title,
        "body": request.body,
        "draft": request.draft,
        "requester": request.requester.to_string(),
        "binding": request.binding,
        "card": request.card,
    })
}

/// How long a request is still open, by whichever clock says less.
pub(super) fn time_left(request: &PrRequest, now: &Moment) -> Duration {
    if request.is_expired(now) {
        return Duration::ZERO;
    }
    request.issued.wall.plus(Duration::from_secs(request.ttl_secs)).since(now.wall)
}

/// The stored word of a value, such as `timed_out`.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
