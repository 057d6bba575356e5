//! The login a run's contract asks a person for: carried out at this terminal, then recorded, so that the checks go on.

use tokio_util::sync::CancellationToken;

use super::execute::By;
use super::{App, AppError};
use crate::domain::actor::Actor;
use crate::domain::command::Command;
use crate::domain::evidence::{CheckOutcome, CheckReport};
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::ports::check::CheckOrder;
pub use crate::ports::verify::{OnProgress, Progress, TreeOrder, TreeReport, Unattended, Verifier};

/// What came of a login.
#[derive(Debug, Clone)]
pub struct Login {
    /// The run afterwards.
    pub run: Run,
    /// What its commands said.
    pub report: CheckReport,
    /// Whether it is on record now that a person granted it.
    pub granted: bool,
}

impl App {
    /// Carries out the login of a run's contract at this process's terminal and records that it was granted.
    ///
    /// Its commands run on the base commit, never on the change. The run must not be at work: its checks would meet the login
    /// half done.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when the run has no contract, its contract asks for no person, or it was not prepared
    /// yet; [`AppError::Contended`] while an attempt is under way; the checks' own.
    pub async fn log_in(
        &self,
        verifier: &dyn Verifier,
        run_id: &RunId,
        actor: &Actor,
        tell: OnProgress<'_>,
        stop: &CancellationToken,
    ) -> Result<Login, AppError> {
        let run = self.run(run_id)?;
        if run.open.is_some() {
            return Err(AppError::Contended(run_id.clone()));
        }
        let order = self.login_order(&run)?;
        let report = verifier.log_in(&order, &|_| {}, tell, stop).await?;
        // A login proves nothing about the change, so its best outcome is that there is no evidence.
        let granted = report.outcome() == CheckOutcome::NoEvidence && !report.results.is_empty();
        if !granted {
            return Ok(Login { run, report, granted });
        }
        let done = self.execute(run_id, &Command::GrantAuth, &By::actor(actor.clone()))?;
        Ok(Login { run: done.run, report, granted })
    }

    fn login_order(&self, run: &Run) -> Result<CheckOrder, AppError> {
        let invalid = |why: &str| AppError::Invalid(format!("run `{}` {why}", run.id));
        let Some(spec) = &run.verify_spec else {
            return Err(invalid("has no verification contract, so there is nothing to log in to"));
        };
        // At the base: the login has a person's terminal and no wall, so nothing an agent wrote may take part in it.
        let Some(head_sha) = run.prepared.as_ref().map(|prepared| &prepared.base_sha) else {
            return Err(AppError::NoWorkspace(run.id.clone()));
        };
        let bytes = self.ports.artifacts.read_tail(&spec.copy, u64::MAX)?;
        let contract = self.ports.checks.read_contract(&bytes).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            invalid(&format!("has a contract that makes no sense: {}", lines.join("; ")))
        })?;
        let auth = &contract.pipeline.auth;
        if !auth.interactive || auth.commands.cmds.is_empty() {
            return Err(invalid("has a contract whose `auth` asks for no person"));
        }
        Ok(CheckOrder {
            run: run.id.clone(),
            attempt: run.attempts,
            repo: run.spec.repo.clone(),
            head_sha: head_sha.clone(),
            commands: Vec::new(),
            contract: Some(spec.clone()),
            auth_granted: false,
            known_failures: run.spec.policy.known_failures.clone(),
            command_mode: run.spec.policy.command_mode,
            confinement: run.spec.policy.check_confinement(),
            limits: run.spec.limits.of_check(),
        })
    }
}
