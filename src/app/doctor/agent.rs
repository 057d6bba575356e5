//! The look at agent programs: which are there, and whether their versions are known to be unsafe.

use super::judge::{install, numbers};
use super::machine::Look;
use super::report::{Finding, Severity};
use crate::ports::probe::{Tool, Version};

/// An agent program and the version below which an untrusted repository can take it over.
struct AgentProgram {
    tool: Tool,
    /// The lowest safe version, and what was mended in it.
    safe: Option<(&'static [u64], &'static str)>,
    /// The command that brings the newest one.
    newest: &'static str,
}

/// The agents that are known by name.
const AGENTS: [AgentProgram; 4] = [
    AgentProgram {
        tool: Tool { name: "codex", variable: Some("AGENTPR_CODEX_BIN") },
        safe: Some((&[0, 23, 0], "CVE-2025-61260: a repository's `.env` starts programs")),
        newest: "npm install -g @openai/codex@latest",
    },
    AgentProgram {
        tool: Tool { name: "opencode", variable: None },
        safe: Some((&[1, 0, 216], "CVE-2026-22812: its server takes orders from any web page")),
        newest: "npm install -g opencode-ai@latest",
    },
    AgentProgram {
        tool: Tool { name: "claude", variable: None },
        safe: Some((&[2, 1, 128], "before it, the read tool shows /proc/self/environ to the model")),
        newest: "npm install -g @anthropic-ai/claude-code@latest",
    },
    AgentProgram {
        tool: Tool { name: "aider", variable: None },
        safe: None,
        newest: "pipx upgrade aider-chat",
    },
];

impl Look<'_> {
    /// The configured agent, and every agent program that is known by name.
    pub(super) fn agents(&mut self, codex_required: bool) {
        match &self.app.settings.agent {
            None => self.report.note(
                "no agent is configured: name one with --agent, or put `agent = \"...\"` into the file that `agentpr config path` names",
            ),
            Some(agent) => self.report.add(match self.app.ports.worker.probe(agent) {
                Ok(()) => Finding::good("agent", agent.clone()),
                Err(err) => {
                    let mend = "\"${EDITOR:-vi}\" \"$(agentpr config path)\"";
                    Finding::bad(Severity::Error, "agent", err.to_string(), mend)
                }
            }),
        }
        let tools = AGENTS.map(|program| program.tool);
        let versions = self.app.ports.probe.versions(&tools);
        for (program, version) in AGENTS.iter().zip(versions) {
            let required = codex_required && program.tool.name == "codex";
            if required {
                self.report.add(present(program, &version));
            }
            self.report.add(judged(program, version));
        }
    }
}

/// Whether a program that must be there is.
fn present(program: &AgentProgram, version: &Version) -> Finding {
    let name = program.tool.name;
    match version {
        Version::Said { path, .. } => Finding::good(format!("cmd.{name}"), path.display().to_string()),
        Version::Absent => {
            Finding::bad(Severity::Error, format!("cmd.{name}"), "not found on PATH", install(name))
        }
        Version::Mute { path, why } => {
            let why = format!("{}: {why}", path.display());
            Finding::bad(Severity::Error, format!("cmd.{name}"), why, program.newest)
        }
    }
}

/// What its version means.
fn judged(program: &AgentProgram, version: Version) -> Finding {
    let name = format!("agent.{}", program.tool.name);
    match version {
        Version::Absent => Finding::info(name, "not installed"),
        Version::Mute { path, why } => {
            let why = format!("{}: {why}", path.display());
            Finding::bad(Severity::Warning, name, why, program.newest)
        }
        Version::Said { path, line } => {
            let shown = format!("{line} ({})", path.display());
            let Some((floor, mended)) = program.safe else { return Finding::info(name, shown) };
            match numbers(&line) {
                Some(found) if found.as_slice() >= floor => Finding::info(name, shown),
                Some(_) => {
                    let wanted = floor.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
                    let why = format!("{shown} is older than {wanted}: {mended}");
                    Finding::bad(Severity::Warning, name, why, program.newest)
                }
                None => {
                    let why = format!("{shown} names no version, so it cannot be called safe");
                    Finding::bad(Severity::Warning, name, why, program.newest)
                }
            }
        }
    }
}
