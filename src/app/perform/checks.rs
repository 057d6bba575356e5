//! Running the checks on the captured commit.

use super::{Detail, Done, Work};
use crate::app::AppError;
use crate::crash_point;
use crate::domain::command::{Flow, StepOutcome};
use crate::domain::decide::Rejection;
use crate::domain::evidence::{AttemptEvidence, CheckReport};
use crate::ports::check::CheckOrder;

pub(super) async fn checks(work: &Work<'_>) -> Result<Done, AppError> {
    let Some(change) = &work.run.change else {
        return Err(crate::app::execute::refused(&work.run.id, Some(work.run), Rejection::NoChange));
    };
    let flow = match work.detail {
        Detail::Checks { flow } => *flow,
        Detail::Unattended | Detail::Agent { .. } | Detail::OrderedPush { .. } => Flow::Unattended,
    };
    let order = CheckOrder {
        run: work.run.id.clone(),
        attempt: work.attempt,
        repo: work.run.spec.repo.clone(),
        head_sha: change.head_sha.clone(),
        commands: work.run.spec.checks.clone(),
        contract: work.run.verify_spec.clone(),
        auth_granted: work.run.auth_granted,
        command_mode: work.run.spec.policy.command_mode,
        confinement: work.run.spec.policy.check_confinement(),
        limits: work.run.spec.limits.of_check(),
    };
    let started = |process| work.note_process(process);
    let report = work.app.ports.checks.run(&order, &started, &work.hold.stop).await?;
    crash_point::pass("checks_ended");
    Ok(Done::with(evidence(&report), StepOutcome::Checked { report, findings: Vec::new(), flow }))
}

fn evidence(report: &CheckReport) -> AttemptEvidence {
    let last = report.results.last();
    AttemptEvidence {
        exit_code: last.and_then(|result| result.exit_code),
        duration_ms: report.results.iter().map(|result| result.duration_ms).sum(),
        program: last.map(|result| result.command.clone()).unwrap_or_default(),
        log: last.and_then(|result| result.log.clone()),
        message: match last {
            _ if report.blocked.is_some() => report
                .blocked
                .as_ref()
                .map(|why| format!("checks blocked: {}", why.detail))
                .unwrap_or_default(),
            Some(result) => format!("checks {}: `{}`", report.outcome().name(), result.command),
            None => "nothing to check with was given or found".to_owned(),
        },
        tier: report.tier,
        limit: last.and_then(|result| result.limit),
        ..AttemptEvidence::default()
    }
}
