//! Is this machine, or this workspace, ready for work? Findings as data, each with its remedy.

use super::{App, AppError};
use crate::domain::id::RunId;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, such as `cmd.git`.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do when it is not; empty otherwise.
    pub remedy: String,
}

/// All findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they were looked at.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why it matters.
    pub warnings: Vec<String>,
}

impl Report {
    /// Whether every finding is as it should be.
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.ok)
    }

    fn add(&mut self, name: impl Into<String>, ok: bool, detail: impl Into<String>, remedy: &str) {
        let remedy = if ok { String::new() } else { remedy.to_owned() };
        self.findings.push(Finding { name: name.into(), ok, detail: detail.into(), remedy });
    }
}

/// What a preflight is told.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// The sandbox the agent is to run in, as codex names it.
    pub codex_sandbox: String,
    /// Whether registries of packages should be reached.
    pub network: bool,
}

impl App {
    /// Looks at the machine: directories, programs, the configured agent.
    pub fn doctor(&self, required_programs: &[String]) -> Report {
        let mut report = Report::default();
        let root = &self.settings.workspace_root;
        let shown = root.display().to_string();
        match self.ports.probe.writable(root) {
            Ok(()) => report.add("workspace.write", true, shown, ""),
            Err(err) => report.add(
                "workspace.write",
                false,
                format!("{shown}: {err}"),
                "give the directory to the user agentpr runs as, or name another with --workspace-root",
            ),
        }
        self.program(&mut report, "git");
        self.program(&mut report, "sh");
        for program in required_programs {
            self.program(&mut report, program);
        }
        match &self.settings.agent {
            None => report.warnings.push(
                "no agent is configured: name one with --agent or `agent` in the configuration".to_owned(),
            ),
            Some(agent) => match self.ports.worker.probe(agent) {
                Ok(()) => report.add("agent", true, agent.clone(), ""),
                Err(err) => {
                    report.add("agent", false, err.to_string(), "correct `agent` in the configuration");
                }
            },
        }
        report
    }

    fn program(&self, report: &mut Report, name: &str) {
        match self.ports.probe.program(name) {
            Some(path) => report.add(format!("cmd.{name}"), true, path.display().to_string(), ""),
            None => report.add(
                format!("cmd.{name}"),
                false,
                "not found on PATH",
                "install it, or add its directory to PATH",
            ),
        }
    }

    /// Looks at a run's workspace before an agent is let into it.
    ///
    /// # Errors
    /// [`AppError::NoSuchRun`]; everything else is a finding.
    pub fn preflight(&self, run_id: &RunId, order: &Preflight) -> Result<Report, AppError> {
        let run = self.run(run_id)?;
        let path = self.ports.workspace.path(&run.spec.repo, run_id);
        let shown = path.display().to_string();
        let probe = &self.ports.probe;
        let mut report = Report::default();
        let prepare = format!("run `agentpr run-prepare --run-id {run_id}`");
        report.add("repo.exists", probe.exists(&path), shown.clone(), &prepare);
        let inside = probe.is_within(&path, &self.settings.workspace_root);
        report.add(
            "repo.scope",
            inside,
            shown,
            "the workspace must lie in the workspace root, links followed",
        );
        let git = path.join(".git");
        let writable = probe.exists(&git) && probe.writable(&git).is_ok();
        report.add("git.write", writable, git.display().to_string(), &prepare);
        self.program(&mut report, "git");
        report.add(
            "policy.codex_sandbox",
            order.codex_sandbox != "read-only",
            order.codex_sandbox.clone(),
            "an agent that may not write cannot change anything: name workspace-write or danger-full-access",
        );
        let programs = probe.project_programs(&path);
        if programs.is_empty() {
            report.warnings.push("no kind of project is recognised: name the checks with --check".to_owned());
        }
        for (_, program) in programs {
            self.program(&mut report, &program);
        }
        if order.network {
            report.warnings.push(
                "package registries were not asked: whether they answer shows when a check needs one"
                    .to_owned(),
            );
        }
        Ok(report)
    }
}
