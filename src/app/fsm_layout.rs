//! The files of the first loop, `.aider_fsm/state.json` and `.aider_fsm/logs/run_<id>.jsonl`, for tools that read them.
//!
//! Both are made from the log and read by nobody here: to delete or edit them changes nothing. Names of fields and events are
//! the first loop's; an event without a counterpart there is left out.

use serde_json::{Value, json};

use super::{App, AppError};
use crate::domain::event::{Event, Recorded};
use crate::domain::evidence::{AttemptOutcome, CheckReport, Step};
use crate::domain::guard::{GuardReport, Scope};
use crate::domain::id::{RunId, Version};
use crate::domain::run::Run;
use crate::domain::verdict::Grade;
use crate::domain::verification::Stage;

/// The two files of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct FsmLayout {
    /// What `state.json` holds.
    pub state: Value,
    /// The lines of the log, oldest first.
    pub lines: Vec<Value>,
}

impl App {
    /// The files of the first loop for a run, as the log has it now.
    ///
    /// # Errors
    /// [`AppError::NoSuchRun`], or the store's.
    pub fn fsm_layout(&self, run_id: &RunId) -> Result<FsmLayout, AppError> {
        let now = self.run(run_id)?;
        let events = self.ports.store.events_of(run_id, Version(0))?;
        let mut run: Option<Run> = None;
        let (mut lines, mut newest) = (Vec::new(), None);
        for recorded in &events {
            match &mut run {
                None => run = Run::birth(recorded).ok(),
                Some(run) => run.evolve(recorded).map_err(|err| AppError::Internal(err.to_string()))?,
            }
            newest = Some(recorded.at);
            let Some(run) = &run else { continue };
            if let Some(name) = name(run, &recorded.event) {
                lines.push(line(run, recorded, &name)?);
            }
        }
        let updated_at = newest.map(|at| when(at.0)).transpose()?;
        Ok(FsmLayout { state: state(&now, updated_at.as_deref()), lines })
    }
}

fn when(at_ms: i64) -> Result<String, AppError> {
    let at = jiff::Timestamp::from_millisecond(at_ms).map_err(|err| AppError::Internal(err.to_string()))?;
    Ok(at.to_string())
}

fn line(run: &Run, recorded: &Recorded, name: &str) -> Result<Value, AppError> {
    let body = recorded.event.body().unwrap_or_default();
    Ok(json!({
        "ts": when(recorded.at.0)?,
        "iter_idx": run.fix_rounds,
        "fsm_state": recorded.state.name(),
        "event": name,
        "seq": recorded.seq,
        // The body was read from JSON, so it is JSON; anything else is shown as it is.
        "body": serde_json::from_str(&body).unwrap_or(Value::String(body)),
    }))
}

fn state(run: &Run, updated_at: Option<&str>) -> Value {
    let report = run.checks.as_ref();
    let rc = |stage| report.and_then(|report| last_rc(report, stage));
    let commands = run.spec.checks.join(" && ");
    let measured =
        report.is_some_and(|report| report.results.iter().any(|result| result.stage == Stage::Benchmark));
    json!({
        "version": 1,
        "repo": run.spec.repo.to_string(),
        "plan_path": super::perform::PLAN_FILE,
        "pipeline_path": run.spec.policy.pipeline,
        "model": run.spec.agent,
        "test_cmd": (!commands.is_empty()).then_some(commands),
        "iter_idx": run.fix_rounds,
        "fsm_state": run.state.name(),
        "current_step_id": run.id.as_str(),
        "current_step_text": run.spec.task,
        "fix_attempts": run.fix_rounds,
        "last_test_rc": rc(Stage::Tests),
        "last_deploy_setup_rc": rc(Stage::DeploySetup),
        "last_deploy_health_rc": rc(Stage::DeployHealth),
        "last_benchmark_rc": rc(Stage::Benchmark),
        "last_metrics_ok": measured.then(|| report.is_some_and(|report| report.metrics_errors.is_empty())),
        "last_exit_reason": run.reason.code,
        "updated_at": updated_at,
    })
}

/// The code of a stage: of its first command that failed, else of its last.
fn last_rc(report: &CheckReport, stage: Stage) -> Option<i32> {
    let of_stage = || report.results.iter().filter(|result| result.stage == stage);
    of_stage().find(|result| !result.is_acceptable()).or(of_stage().next_back())?.exit_code
}

/// What the first loop called it.
fn name(run: &Run, event: &Event) -> Option<String> {
    let name = match event {
        Event::WorkspacePrepared(_) => "snapshot",
        Event::PlanReady(_) => "plan_update_attempt_1",
        Event::AttemptStarted(body) if body.step == Step::Agent && run.fix_rounds > 0 => {
            return Some(format!("fix_or_replan_attempt_{}", run.fix_rounds));
        }
        Event::AttemptStarted(body) if body.step == Step::Agent => "execute_step",
        Event::GuardViolated(body) => reverted(run, &body.report),
        Event::AttemptEnded(body)
            if body.step == Step::Agent && body.outcome != AttemptOutcome::Succeeded =>
        {
            "agent_error"
        }
        Event::ChecksFinished(_) => "verify_pipeline",
        Event::VerdictRendered(body) if body.verdict.grade == Grade::Pass => "mark_done",
        Event::ActionsExecuted(_) => "actions_executed",
        Event::StepFailed(body) if body.step == "preflight" => "preflight_verify",
        Event::HumanReviewRequested(body) if body.reason != "ready_for_review" => "block_step",
        _ => return None,
    };
    Some(name.to_owned())
}

fn reverted(run: &Run, report: &GuardReport) -> &'static str {
    let touched = |path: &str| report.violations.iter().any(|violation| violation.path == path);
    match (report.scope, touched(&run.spec.policy.pipeline)) {
        (Scope::Plan, true) => "plan_update_touched_pipeline_reverted",
        (Scope::Plan, false) => "plan_update_revert_non_plan_files",
        (_, true) => "execute_touched_pipeline_reverted",
        (_, false) => "execute_touched_plan_reverted",
    }
}
