//! opencode: its own server, spoken to over HTTP, where each turn is a prompt handed in and a stream of events heard.
//!
//! `arguments` starts it, `server` keeps it, `client` calls it, `stream` and `events` hear it, `protocol` reads what it says,
//! `signals` makes signals of that, `trouble` names its errors, `drive` leads one session through. Nothing here decides what a
//! success is worth: the tree is judged elsewhere.

use async_trait::async_trait;

use super::agent::{Agent, Installed, Stage};
use crate::domain::agent::known::KnownAgent;
use crate::ports::worker::{WorkReport, WorkerError};

mod arguments;
mod client;
mod drive;
pub mod events;
mod journal;
pub mod protocol;
mod server;
pub mod signals;
mod stream;
mod trouble;

pub use drive::Patience;
use server::Performance;

/// The agent.
#[derive(Debug, Clone, Default)]
pub struct OpenCode {
    /// How patient it is with its server.
    pub patience: Patience,
}

#[async_trait]
impl Agent for OpenCode {
    fn known(&self) -> &'static KnownAgent {
        KnownAgent::of("opencode").unwrap_or(&crate::domain::agent::known::KNOWN[1])
    }

    fn help_args(&self) -> &'static [&'static [&'static str]] {
        &[&["serve", "--help"]]
    }

    fn capabilities(&self, installed: &Installed) -> Vec<&'static str> {
        let listed = [("--port", "server"), ("--hostname", "loopback")];
        let mut can: Vec<&'static str> =
            listed.iter().filter(|(option, _)| installed.has_option(option)).map(|(_, word)| *word).collect();
        can.extend(["resume", "json", "schema", "model", "plan"]);
        can
    }

    fn needs(&self) -> &'static [&'static str] {
        &["--port", "--hostname"]
    }

    fn login_file(&self) -> Option<&'static str> {
        Some(".local/share/opencode/auth.json")
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<WorkReport, WorkerError> {
        if !stage.order.workspace.is_dir() {
            let why = format!("there is no workspace at `{}`", stage.order.workspace.display());
            return Err(WorkerError::Unavailable(why));
        }
        let performance = Performance { stage, patience: self.patience };
        match &stage.setup.url {
            Some(url) => performance.foreign(url).await,
            None => Box::pin(performance.own()).await,
        }
    }
}
