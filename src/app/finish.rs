//! Pushing by hand (`run-finish`), before the gate, because an operator ordered it.

use tokio_util::sync::CancellationToken;

use super::execute::refused;
use super::perform::{Detail, Order};
use super::{App, AppError};
use crate::domain::actor::Actor;
use crate::domain::command::{Command, Flow};
use crate::domain::decide::Rejection;
use crate::domain::evidence::{CheckOutcome, Step};
use crate::domain::id::RunId;
use crate::domain::policy::Severity;
use crate::domain::run::Run;
use crate::domain::state::State;

/// What an operator orders.
#[derive(Debug, Clone)]
pub struct Finish {
    /// What changed, for the commit message.
    pub changes: String,
    /// The project the title is prefixed with, when no title is given.
    pub project: Option<String>,
    /// The commit's first line; `None` makes one of project and changes.
    pub commit_title: Option<String>,
    /// Why it is pushed although too little was found to check it with, or a look at it found something; failed checks are never
    /// accepted.
    pub accept_missing_evidence: Option<String>,
}

impl App {
    /// Prepares a run by hand: discovery is begun if need be, and the workspace made. Repeatable.
    ///
    /// # Errors
    /// [`AppError::Refused`] when the state does not fit; a step that fails leaves the run in `FAILED_RETRYABLE`, and its reason
    /// is in the run.
    pub async fn prepare_by_hand(
        &self,
        run_id: &RunId,
        actor: &Actor,
        shutdown: &CancellationToken,
    ) -> Result<Run, AppError> {
        if self.run(run_id)?.state == State::Queued {
            self.execute(run_id, &Command::StartDiscovery, &super::execute::By::actor(actor.clone()))?;
        }
        let hold = self.hold(run_id, shutdown).await?;
        let order = Order { step: Step::Prepare, actor: actor.clone(), detail: Detail::Unattended };
        Ok(self.perform(&hold, &order).await?.run)
    }

    /// Commits what is in the workspace, checks it if that was not done, and pushes it to the run's own branch.
    ///
    /// The state is looked at first. After a crash in the middle the same call goes on where it stopped: a commit that is on
    /// record is not made again, and a branch that is at the remote already is not pushed again.
    ///
    /// # Errors
    /// [`AppError::Refused`] when the state does not fit, nothing differs from the base, or the evidence is missing.
    pub async fn finish(
        &self,
        run_id: &RunId,
        order: &Finish,
        actor: &Actor,
        shutdown: &CancellationToken,
    ) -> Result<Run, AppError> {
        let run = self.run(run_id)?;
        if !matches!(run.state, State::LocalValidating | State::NeedsHumanReview | State::Pushed) {
            return Err(refused(
                run_id,
                Some(&run),
                Rejection::Illegal { command: "push", state: run.state },
            ));
        }
        super::submit::check_text("description of the changes", &order.changes, 64 * 1024)?;
        let hold = self.hold(run_id, shutdown).await?;
        let run = self.run(run_id)?;
        let change = self.capture(&run, &message(&run, order)).await?;
        let Some(change) = change else {
            return Err(refused(run_id, Some(&run), Rejection::NoChange));
        };
        let at_remote = run.pushed.as_ref().is_some_and(|pushed| pushed.sha == change.head_sha);
        if run.state == State::Pushed && at_remote {
            return Ok(run);
        }
        self.execute(run_id, &Command::NoteChange { change }, &hold.by(actor))?;
        let checked = self.evidence_by_hand(&hold, actor).await?;
        let has_failed = matches!(checked.evidence(), Some(CheckOutcome::Failed | CheckOutcome::Blocked));
        let accepted = order.accept_missing_evidence.as_ref().filter(|_| !has_failed);
        if !checked.is_proven() && accepted.is_none() {
            return Err(refused(run_id, Some(&checked), Rejection::NoEvidence));
        }
        let count = self.blocking_findings(&checked).await?;
        if count > 0 && accepted.is_none() {
            return Err(refused(run_id, Some(&checked), Rejection::Findings { count }));
        }
        let accepted = accepted.filter(|_| !checked.is_proven() || count > 0);
        let push = Order {
            step: Step::Push,
            actor: actor.clone(),
            detail: Detail::OrderedPush { accepted_because: accepted.cloned() },
        };
        Ok(self.perform(&hold, &push).await?.run)
    }

    /// Looks at the objects that would be pushed: the checks look only at what passed, and only when they run.
    async fn blocking_findings(&self, run: &Run) -> Result<u32, AppError> {
        let (prepared, change) = run
            .prepared
            .as_ref()
            .zip(run.change.as_ref())
            .ok_or_else(|| refused(&run.id, Some(run), Rejection::NoChange))?;
        let (spec, workspace) = (&run.spec, &self.ports.workspace);
        let findings = workspace.scan(&spec.repo, &prepared.base_sha, &change.head_sha, &spec.policy).await?;
        let blocking = findings.iter().filter(|finding| finding.severity == Severity::Blocking).count();
        Ok(u32::try_from(blocking).unwrap_or(u32::MAX))
    }

    /// Runs the checks on the captured change unless they ran on exactly it.
    async fn evidence_by_hand(&self, hold: &super::hold::Hold, actor: &Actor) -> Result<Run, AppError> {
        let run = self.run(hold.run())?;
        if run.evidence().is_some() || run.state == State::Pushed {
            return Ok(run);
        }
        let detail = Detail::Checks { flow: Flow::ByHand { success: None } };
        Ok(self.perform(hold, &Order { step: Step::Checks, actor: actor.clone(), detail }).await?.run)
    }
}

fn message(run: &Run, order: &Finish) -> String {
    let first = order.changes.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("change");
    let title = match (&order.commit_title, &order.project) {
        (Some(title), _) => title.lines().next().unwrap_or(first).to_owned(),
        (None, Some(project)) => format!("{project}: {first}"),
        (None, None) => first.to_owned(),
    };
    format!("{title}\n\n{}\n\nagentpr run {}\n", order.changes.trim(), run.id)
}
