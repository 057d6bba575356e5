//! The automatic gate: what is looked at before a command that needs the machine, as a table.
//!
//! A gate asks no host and starts no program, so it costs a few milliseconds; the command itself meets a network that is down
//! and says so. What the first agentpr needed and this one does not (`python3.11`, `gh` without a remote at GitHub) is not asked.

use super::machine::Look;
use super::report::Report;
use crate::app::App;
use crate::domain::id::RunId;

/// A kind of command, by what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Makes a run or moves one on: `create-run`, `submit`, `start-discovery`, `start-implementation`.
    Basic,
    /// Speaks with a forge: `run-prepare`, `run-finish`, `request-open-pr`, `approve-open-pr`, `approve`.
    Github,
    /// Starts an agent: `run-agent-step`.
    Agent,
    /// Speaks with Telegram.
    Telegram,
    /// Listens for deliveries of a forge.
    Webhook,
    /// Does whatever is due: `manager-tick`, `run-manager-loop`, `run`.
    Manager,
    /// Plays a conversation without anybody at the other end.
    Simulate,
}

/// One check a gate can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The workspace root can be written.
    Workspace,
    /// `git` is there.
    Git,
    /// `sh` is there.
    Shell,
    /// There is room for a workspace.
    Space,
    /// Somebody is logged in at GitHub, when the run's remote is there.
    ForgeLogin,
    /// The bot's token is set.
    TelegramToken,
    /// The secret of deliveries is set.
    WebhookSecret,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 7] = [
        Self::Basic,
        Self::Github,
        Self::Agent,
        Self::Telegram,
        Self::Webhook,
        Self::Manager,
        Self::Simulate,
    ];

    /// The name in refusals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Github => "github",
            Self::Agent => "agent",
            Self::Telegram => "telegram",
            Self::Webhook => "webhook",
            Self::Manager => "manager",
            Self::Simulate => "simulate",
        }
    }

    /// What is looked at, in this order.
    pub fn checks(self) -> &'static [Check] {
        use Check::{ForgeLogin, Git, Shell, Space, TelegramToken, WebhookSecret, Workspace};
        match self {
            Self::Basic | Self::Simulate => &[Workspace, Git, Shell],
            Self::Github | Self::Manager => &[Workspace, Git, Shell, Space, ForgeLogin],
            Self::Agent => &[Workspace, Git, Shell, Space],
            Self::Telegram => &[Workspace, Git, Shell, TelegramToken],
            Self::Webhook => &[Workspace, Git, Shell, WebhookSecret],
        }
    }
}

impl App {
    /// Looks at what a kind of command needs; `run` is the one it is about, when it is about one.
    pub fn gate_check(&self, profile: Profile, run: Option<&RunId>) -> Report {
        let begin = self.now().monotonic_ms;
        let mut look = Look::new(self);
        for check in profile.checks() {
            look.check(*check, run);
        }
        look.finish(begin)
    }
}
