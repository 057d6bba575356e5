//! The look at a run's workspace before an agent is let into it, in the order of the first agentpr.
//!
//! The workspace may have been written by an agent: nothing in it is run, and no link in it is followed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::machine::Look;
use super::network::managers;
use super::report::{Finding, Report, Severity, quoted};
use crate::app::execute::By;
use crate::app::{App, AppError};
use crate::domain::actor::Actor;
use crate::domain::command::Command;
use crate::domain::evidence::LogRef;
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::ports::probe::{GitDir, Project};

/// What a preflight is told.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// The sandbox the agent is to run in, as codex names it.
    pub codex_sandbox: String,
    /// How long registries of packages may take to answer; `None` asks none.
    pub network: Option<Duration>,
}

/// A look at a workspace that is on record.
#[derive(Debug, Clone)]
pub struct Preflighted {
    /// The run afterwards.
    pub run: Run,
    /// What was found.
    pub report: Report,
    /// The file with the report.
    pub file: LogRef,
}

impl App {
    /// Looks at a run's workspace and keeps the report as `<run>_preflight.json`; the run stays where it is.
    ///
    /// # Errors
    /// [`AppError::NoSuchRun`], or what kept the report from being kept; everything else is a finding.
    pub async fn preflight(
        &self,
        run_id: &RunId,
        order: &Preflight,
        actor: &Actor,
    ) -> Result<Preflighted, AppError> {
        let run = self.run(run_id)?;
        let report = self.look_at_workspace(&run, order).await;
        let bytes = format!("{:#}\n", report.document()).into_bytes();
        let file = self.ports.artifacts.write(run_id, &format!("{run_id}_preflight.json"), &bytes)?;
        let register = Command::RegisterArtifact {
            kind: "preflight_report".to_owned(),
            path: file.path.clone(),
            sha256: file.sha256.clone(),
            bytes: file.bytes,
        };
        let run = self.execute(run_id, &register, &By::actor(actor.clone()))?.run;
        Ok(Preflighted { run, report, file })
    }

    /// Looks at a run's workspace as the first half of a step: a workspace that is not ready brings the run to a person.
    ///
    /// # Errors
    /// As [`Self::preflight`], and [`AppError::Store`] while somebody else works on the run; then nothing was looked at.
    pub async fn preflight_of_step(
        &self,
        run_id: &RunId,
        order: &Preflight,
        actor: &Actor,
    ) -> Result<Preflighted, AppError> {
        let hold = self.hold(run_id, &CancellationToken::new()).await?;
        let mut done = self.preflight(run_id, order, actor).await?;
        if !done.report.is_ok() {
            let failures = done.report.failures().join("; ");
            let transient = done.report.is_transient_failure();
            let failed = Command::FailPreflight { transient, failures };
            done.run = self.execute(run_id, &failed, &hold.by(actor))?.run;
        }
        Ok(done)
    }

    async fn look_at_workspace(&self, run: &Run, order: &Preflight) -> Report {
        let begin = self.now().monotonic_ms;
        let probe = &self.ports.probe;
        let path = self.ports.workspace.path(&run.spec.repo, &run.id);
        let project = probe.project(&path);
        let mut look = Look::new(self);
        look.place(run, &path);
        look.program("git");
        look.report.add(if order.codex_sandbox == "read-only" {
            let mend = format!("agentpr run-preflight --run-id {} --codex-sandbox workspace-write", run.id);
            let why = "read-only: an agent that may not write cannot change anything";
            Finding::bad(Severity::Error, "policy.codex_sandbox", why, mend)
        } else {
            Finding::good("policy.codex_sandbox", order.codex_sandbox.clone())
        });
        if project.python {
            look.program("python3");
        }
        for tool in project.python_tools.iter().chain(&project.javascript_tools).chain(&project.other_tools) {
            look.program(tool);
        }
        if project.is_unknown() {
            look.report.note("no kind of project is recognised: name the checks with --check");
        }
        match order.network {
            Some(limit) => {
                let urls = look.registries(&managers(&project));
                look.reach(urls, limit).await;
                Box::pin(look.access(Some(&run.spec), limit)).await;
            }
            None => look.report.note("package registries were not asked: --skip-network-check was given"),
        }
        look.know("repo_dir", path.display().to_string());
        look.know_project(&project, order);
        look.finish(begin)
    }
}

impl Look<'_> {
    fn place(&mut self, run: &Run, path: &std::path::Path) {
        let probe = &self.app.ports.probe;
        let shown = path.display().to_string();
        let prepare = format!("agentpr run-prepare --run-id {}", run.id);
        let exists = probe.exists(path);
        let inside = probe.is_within(path, &self.app.settings.workspace_root);
        let judge = |ok: bool, name: &str, why: String, mend: &str| {
            if ok {
                Finding::good(name, shown.clone())
            } else {
                Finding::bad(Severity::Error, name, why, mend)
            }
        };
        self.report.add(judge(exists, "repo.exists", format!("{shown} is not there"), &prepare));
        let root = self.app.settings.workspace_root.display();
        let why = format!("{shown} does not lie in {root} once links are followed");
        self.report.add(judge(inside, "repo.scope", why, &format!("ls -ld {}", quoted(path))));
        let git = path.join(".git");
        self.report.add(match probe.git_writable(path) {
            GitDir::Writable => Finding::good("git.write", git.display().to_string()),
            GitDir::Absent(why) => Finding::bad(Severity::Error, "git.dir", why, prepare),
            GitDir::ReadOnly(why) => {
                Finding::bad(Severity::Error, "git.write", why, format!("chmod u+rwx {}", quoted(&git)))
            }
        });
    }

    fn know(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.report.know(name, value);
    }

    fn know_project(&mut self, project: &Project, order: &Preflight) {
        let uses_bun = project.javascript_tools.iter().any(|tool| tool == "bun");
        self.know("workspace_root", self.app.settings.workspace_root.display().to_string());
        self.know("uses_python", project.python);
        self.know("python_tools", project.python_tools.clone());
        self.know("uses_js", project.javascript);
        self.know("js_tools", project.javascript_tools.clone());
        self.know("uses_bun", uses_bun);
        self.know("check_network", order.network.is_some());
        self.know("network_timeout_sec", order.network.map(|limit| limit.as_secs_f64()));
        self.know("codex_sandbox", order.codex_sandbox.clone());
    }
}
