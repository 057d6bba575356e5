//! The agents known by name, and the version of each below which an untrusted repository can take it over.

/// An agent program as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAgent {
    /// Its name, which is also its program's.
    pub name: &'static str,
    /// The variable that names its program when it is not found by name.
    pub variable: &'static str,
    /// The lowest safe version, and what was mended in it.
    pub safe: Option<(&'static [u64], &'static str)>,
    /// The command that installs the newest one.
    pub install: &'static str,
    /// When it says what it cost, where no price of the operator's decides.
    pub cost: CostReport,
}

/// When a program says what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostReport {
    /// Never, or not in a form that can be trusted to be there.
    Never,
    /// With its last words.
    AtEnd,
    /// With each step.
    EachStep,
}

/// All of them, in the order they are listed.
pub const KNOWN: [KnownAgent; 4] = [
    KnownAgent {
        name: "codex",
        variable: "AGENTPR_CODEX_BIN",
        safe: Some((&[0, 23, 0], "CVE-2025-61260: a repository's `.env` starts programs")),
        install: "npm install -g @openai/codex@latest",
        cost: CostReport::Never,
    },
    KnownAgent {
        name: "opencode",
        variable: "AGENTPR_OPENCODE_BIN",
        safe: Some((&[1, 0, 216], "CVE-2026-22812: its server takes orders from any web page")),
        install: "npm install -g opencode-ai@latest",
        cost: CostReport::EachStep,
    },
    KnownAgent {
        name: "claude",
        variable: "AGENTPR_CLAUDE_BIN",
        safe: Some((&[2, 1, 128], "before it, the read tool shows /proc/self/environ to the model")),
        install: "npm install -g @anthropic-ai/claude-code@latest",
        cost: CostReport::AtEnd,
    },
    KnownAgent {
        name: "aider",
        variable: "AGENTPR_AIDER_BIN",
        safe: None,
        install: "pipx install aider-chat",
        cost: CostReport::Never,
    },
];

impl KnownAgent {
    /// The agent of a name.
    pub fn of(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|agent| agent.name == name)
    }

    /// What is wrong with a version the program told; `None` when nothing is.
    pub fn objection(&self, told: &str) -> Option<String> {
        let (floor, mended) = self.safe?;
        let Some(found) = numbers(told) else {
            return Some(format!("`{told}` names no version, so it cannot be called safe"));
        };
        let wanted = floor.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
        (found.as_slice() < floor).then(|| format!("version {told} is older than {wanted}: {mended}"))
    }
}

/// The first dotted number in a text: `[1, 2, 3]` of `tool 1.2.3-rc1`. One with a part that is too large is none: what
/// cannot be compared must not be called safe.
pub fn numbers(told: &str) -> Option<Vec<u64>> {
    let mut words = told.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    let is_dotted = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let word = words.find(is_dotted)?;
    word.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect()
}
