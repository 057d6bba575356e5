//! The runtime report of a judged attempt: one JSON file with everything the verdict rests on, for people and their tools.
//!
//! Nothing reads it back; it is made from the run as the log tells it. Field names are the seed's where it has them.

use serde_json::{Value, json};

use super::execute::By;
use super::{App, AppError};
use crate::domain::command::Command;
use crate::domain::evidence::CheckResult;
use crate::domain::id::AttemptNo;
use crate::domain::run::Run;
use crate::domain::verdict::Verdict;

/// What reports are registered as.
pub const RUNTIME_REPORT: &str = "agent_runtime_report";

impl App {
    /// Writes the report of an attempt and registers it with the run.
    pub(crate) fn write_runtime_report(
        &self,
        run: &Run,
        attempt: AttemptNo,
        verdict: &Verdict,
        by: &By,
    ) -> Result<(), AppError> {
        let now = self.now().wall;
        let at =
            jiff::Timestamp::from_millisecond(now.0).map_err(|err| AppError::Internal(err.to_string()))?;
        let document = document(run, attempt, verdict, &at.to_string());
        let bytes =
            serde_json::to_vec_pretty(&document).map_err(|err| AppError::Internal(err.to_string()))?;
        let stamp = at.strftime("%Y%m%dT%H%M%S%3fZ");
        let name = format!("{}_agent_runtime_{stamp}_{attempt}.json", run.id);
        let file = self.ports.artifacts.write(&run.id, &name, &bytes)?;
        let command = Command::RegisterArtifact {
            kind: RUNTIME_REPORT.to_owned(),
            path: file.path,
            sha256: file.sha256,
            bytes: file.bytes,
        };
        self.execute(&run.id, &command, by)?;
        Ok(())
    }
}

fn document(run: &Run, attempt: AttemptNo, verdict: &Verdict, now: &str) -> Value {
    let agent = run.agent.as_ref();
    let evidence = agent.map(|agent| &agent.evidence);
    let signals = evidence.and_then(|evidence| evidence.signals.as_deref());
    let guard = agent.and_then(|agent| run.guard_of(agent.no));
    let spec = &run.spec;
    json!({
        "run_id": run.id.as_str(),
        "attempt": attempt,
        "created_at": now,
        "engine": evidence.map(|evidence| evidence.worker.as_str()),
        "state": run.state.name(),
        "result": {
            "outcome": agent.map(|agent| agent.outcome),
            "exit_code": evidence.and_then(|evidence| evidence.exit_code),
            "signal": evidence.and_then(|evidence| evidence.signal),
            "limit": evidence.and_then(|evidence| evidence.limit),
            "duration_ms": evidence.map(|evidence| evidence.duration_ms),
            "log": evidence.and_then(|evidence| evidence.log.as_ref()),
        },
        "agent": evidence.and_then(|evidence| evidence.agent.as_deref()),
        "runtime": {
            "program": evidence.map(|evidence| evidence.program.as_str()),
            "sandbox": spec.policy.sandbox.name(),
            "tier": evidence.and_then(|evidence| evidence.tier),
            "required_tier": spec.policy.required_tier,
            "policy": spec.policy,
        },
        "signals": {
            "commands": signals.map(|signals| signals.commands),
            "commands_sample": signals.map(|signals| &signals.commands_sample),
            "test_commands": signals.map(|signals| &signals.test_commands),
            "git_commands": signals.map(|signals| &signals.git_commands),
        },
        "safety": {
            "violations": signals.map(|signals| &signals.safety),
            "violation_count": signals.map_or(0, |signals| signals.safety.len()),
        },
        "guard": guard,
        "guard_violations": run.guard_violations,
        "change": run.change,
        "verification": run.checks.as_ref().map(|report| json!({
            "outcome": report.outcome(),
            "head_sha": report.head_sha,
            "contract": report.contract,
            "failed_stage": report.failed_stage(),
            "blocked": report.blocked,
            "metrics_errors": report.metrics_errors,
            "warnings": report.warnings,
            "tier": report.tier,
            "commands": report.results.iter().map(command).collect::<Vec<_>>(),
        })),
        "findings": run.scan.as_ref().map(|scan| &scan.findings),
        "classification": verdict,
    })
}

fn command(result: &CheckResult) -> Value {
    json!({
        "stage": result.stage,
        "command": result.command,
        "exit_code": result.exit_code,
        "timed_out": result.timed_out,
        "limit": result.limit,
        "tries": result.tries,
        "duration_ms": result.duration_ms,
        "known_failure": result.known_failure,
        "log": result.log,
    })
}
