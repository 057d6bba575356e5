//! The look at agent programs: which are there, whether their versions are known to be unsafe, and how those in use are logged in.

use super::judge::install;
use super::machine::Look;
use super::report::{Finding, Severity};
use crate::app::agents::how_to_log_in;
use crate::domain::agent::known::{KNOWN, KnownAgent};
use crate::ports::probe::Version;
use crate::ports::worker::{AgentStatus, Login};

/// Opens the settings: what is wrong with an agent is mostly mended there.
const SETTINGS: &str = "\"${EDITOR:-vi}\" \"$(agentpr config path)\"";

impl Look<'_> {
    /// The configured agents, and every agent program that is known by name.
    pub(super) async fn agents(&mut self, codex_required: bool) {
        // Those in use are asked what they are; what is found out is remembered, and the looks below know it.
        let in_use = self.app.agents_in_use();
        let statuses = if in_use.is_empty() { Vec::new() } else { self.app.ports.worker.survey().await };
        let settings = &self.app.settings;
        match &settings.agent {
            None => self.report.note(
                "no agent is configured: name one with --agent, or put `agent = \"...\"` into the file that `agentpr config path` names",
            ),
            Some(agent) => self.usable("agent", agent),
        }
        let of_roles =
            settings.roles.iter().filter_map(|(role, choice)| Some((role, choice.agent.as_ref()?)));
        for (role, agent) in of_roles {
            self.usable(&format!("agent.{}", role.name()), agent);
        }
        for status in statuses.iter().filter(|status| in_use.contains(&status.name.as_str())) {
            self.logged_in(status);
        }
        let versions = self.app.ports.probe.versions(&KNOWN.map(|known| known.name));
        for (known, version) in KNOWN.iter().zip(versions) {
            if codex_required && known.name == "codex" {
                self.report.add(present(known, &version));
            }
            self.report.add(judged(known, version));
        }
    }

    fn usable(&mut self, name: &str, agent: &str) {
        self.report.add(match self.app.ports.worker.probe(agent) {
            Ok(()) => Finding::good(name, agent),
            Err(err) => Finding::bad(Severity::Error, name, err.to_string(), SETTINGS),
        });
    }

    /// How an agent in use is logged in. Whether the login is still taken only its provider could say.
    fn logged_in(&mut self, status: &AgentStatus) {
        let name = format!("login.{}", status.name);
        let finding = match &status.login {
            Login::Key { variable } => Finding::good(name, format!("the key in {variable}")),
            Login::File { path } => Finding::good(name, format!("a copy of {}", path.display())),
            Login::Own => Finding::info(name, "its own"),
            Login::Missing => {
                let unused = status.problems.iter().find(|problem| !problem.blocks);
                let mend = unused.map_or_else(
                    || how_to_log_in(&status.name),
                    |unused| format!("{}: {}", unused.what, unused.mend),
                );
                Finding::bad(Severity::Warning, name, format!("no login is configured: {mend}"), SETTINGS)
            }
        };
        self.report.add(finding);
    }
}

/// Whether a program that must be there is.
fn present(known: &KnownAgent, version: &Version) -> Finding {
    let name = format!("cmd.{}", known.name);
    match version {
        Version::Said { path, .. } => Finding::good(name, path.display().to_string()),
        Version::Absent => Finding::bad(Severity::Error, name, "not found on PATH", install(known.name)),
        Version::Mute { path, why } => {
            Finding::bad(Severity::Error, name, format!("{}: {why}", path.display()), known.install)
        }
    }
}

/// What its version means.
fn judged(known: &KnownAgent, version: Version) -> Finding {
    let name = format!("agent.{}", known.name);
    match version {
        Version::Absent => Finding::info(name, "not installed"),
        Version::Mute { path, why } => {
            Finding::bad(Severity::Warning, name, format!("{}: {why}", path.display()), known.install)
        }
        Version::Said { path, line } => match known.objection(&line) {
            None => Finding::info(name, format!("{line} ({})", path.display())),
            Some(why) => {
                Finding::bad(Severity::Warning, name, format!("{}: {why}", path.display()), known.install)
            }
        },
    }
}
