//! Action requests: `.aider_fsm/actions.yml` read strictly, and carried out in the agent's workspace.
//!
//! A command runs with the agent's own environment and under the command rules; a file is written by the engine, which
//! follows no link on the way. Whether a request may run at all is decided before it comes here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::adapters::process::environment::{ChildEnvironment, unattended};
use crate::adapters::process::group::{Ending, GRACE, GroupOrder, Supervisor};
use crate::domain::action::{ActionKind, ActionLine, ActionResult};
use crate::domain::command_policy::CommandPolicy;
use crate::domain::confine::ProcessLimits;
use crate::domain::evidence::LogRef;
use crate::ports::action::{ActionOrder, Actions};
use crate::ports::artifact::Artifacts;
use crate::ports::worker::OnStart;

mod file;
mod request;

use request::Action;

/// Carries requests out.
pub struct ActionRunner {
    environment: ChildEnvironment,
    artifacts: Arc<dyn Artifacts>,
    supervisor: Supervisor,
}

impl ActionRunner {
    /// Puts it together: commands get `environment` and run under `supervisor`, requests are read from and output goes to
    /// `artifacts`.
    pub fn new(environment: ChildEnvironment, artifacts: Arc<dyn Artifacts>, supervisor: Supervisor) -> Self {
        Self { environment, artifacts, supervisor }
    }

    async fn perform(
        &self,
        order: &ActionOrder,
        number: usize,
        action: &Action,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<ActionResult, String> {
        if action.kind != ActionKind::WriteFile {
            return self.command(order, number, action, started, stop).await;
        }
        let (workspace, protected) = (order.workspace.clone(), order.protected.clone());
        let (path, content) = (action.path.clone(), action.content.clone());
        let written = tokio::task::spawn_blocking(move || {
            file::write_inside(&workspace, &path, content.as_bytes(), &protected)
        });
        let outcome = written.await.map_err(|err| err.to_string())?;
        if let Err((code, why)) = &outcome {
            tracing::warn!(run = %order.run, action = action.id, code, why, "a file was not written");
        }
        Ok(ActionResult {
            id: action.id.clone(),
            exit_code: outcome.is_ok().then_some(0),
            error: outcome.err().map(|(code, _)| code.to_owned()).unwrap_or_default(),
            log: None,
        })
    }

    async fn command(
        &self,
        order: &ActionOrder,
        number: usize,
        action: &Action,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<ActionResult, String> {
        let mut result =
            ActionResult { id: action.id.clone(), exit_code: None, error: String::new(), log: None };
        let rules = CommandPolicy { mode: order.command_mode, ..CommandPolicy::default() };
        if let Err(refusal) =
            rules.judge(&action.command).and_then(|()| rules.judge_unattended(&action.command))
        {
            refusal.code.clone_into(&mut result.error);
            return Ok(result);
        }
        for attempt in 1..=action.retries + 1 {
            let name = format!("actions-{}-{number:02}-{}-try{attempt}.log", order.attempt, action.id);
            let group = self.group_order(order, action, &name)?;
            let report =
                self.supervisor.run(&group, started, stop).await.map_err(|refused| refused.to_string())?;
            result.log = report.log.map(|log| LogRef {
                path: format!("{}/{name}", order.run),
                sha256: log.sha256,
                bytes: log.bytes,
                truncated: log.truncated,
            });
            result.exit_code = report.exit_code.filter(|_| matches!(report.ending, Ending::Exited(_)));
            word(&report.ending).clone_into(&mut result.error);
            if result.error.is_empty() || report.ending == Ending::Stopped {
                break;
            }
        }
        Ok(result)
    }

    fn group_order(&self, order: &ActionOrder, action: &Action, log: &str) -> Result<GroupOrder, String> {
        let runtime = self.environment.runtime_dir(&order.run);
        let mut env = self
            .environment
            .make(&order.run, &order.workspace, &runtime)
            .map_err(|err| format!("the environment of actions cannot be made: {err}"))?;
        unattended(&mut env);
        let wished = action.timeout_seconds.map_or(order.limits.wall, Duration::from_secs);
        Ok(GroupOrder {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), action.command.clone()],
            dir: order.workspace.clone(),
            env,
            stdin: None,
            workspace: order.workspace.clone(),
            runtime,
            confinement: order.confinement,
            readable: Vec::new(),
            limits: ProcessLimits { wall: wished.min(order.limits.wall), ..order.limits },
            grace: GRACE,
            log: Some(self.artifacts.absolute(&format!("{}/{log}", order.run))),
            lines: None,
            sink: None,
            signs: None,
        })
    }
}

#[async_trait]
impl Actions for ActionRunner {
    fn read(&self, bytes: &[u8]) -> Result<Vec<ActionLine>, (String, String)> {
        match request::read(bytes) {
            Ok(actions) => Ok(actions.iter().map(Action::line).collect()),
            Err((code, why)) => Err((code.to_owned(), why)),
        }
    }

    async fn run(
        &self,
        order: &ActionOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<Vec<ActionResult>, String> {
        if !order.workspace.is_dir() {
            return Err(format!("there is no workspace at `{}`", order.workspace.display()));
        }
        // One byte more than may be read tells a file that grew from one that just fits.
        let bytes = self
            .artifacts
            .read_tail(&order.copy, request::MAX_BYTES as u64 + 1)
            .map_err(|err| err.to_string())?;
        // What a person granted is what runs: outside a sandbox an agent can reach the copy.
        if hex::encode(Sha256::digest(&bytes)) != order.sha256.as_str() {
            return Err(format!("the copy `{}` is not the request that was read any more", order.copy));
        }
        let actions = request::read(&bytes).map_err(|(_, why)| why)?;
        let mut results = Vec::new();
        for (at, action) in actions.iter().enumerate() {
            if stop.is_cancelled() {
                results.push(ActionResult {
                    id: action.id.clone(),
                    exit_code: None,
                    error: "stopped".to_owned(),
                    log: None,
                });
                break;
            }
            let result = self.perform(order, at + 1, action, started, stop).await?;
            let failed = !result.error.is_empty();
            results.push(result);
            if failed {
                break;
            }
        }
        Ok(results)
    }
}

/// Why an ending is no success; empty when it is one.
fn word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Exited(0) => "",
        Ending::Exited(_) => "failed",
        Ending::Signalled(_) => "signalled",
        Ending::TimedOut => "timeout",
        Ending::OverLimit(limit) => limit.reason_code(),
        Ending::Stopped => "stopped",
        Ending::CouldNotStart(_) => "could_not_start",
    }
}
