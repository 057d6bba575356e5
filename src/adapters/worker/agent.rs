//! What every agent's adapter is made of: how its program is started, what its lines mean, what its end means.
//!
//! An adapter is an [`Agent`] in a folder of its own, in three parts: `arguments` (settings in, a [`Launch`] out), `protocol` (bytes in,
//! the program's own events out) and `signals` (those events in, [`AgentSignal`]s and a [`Judgement`] out).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::adapters::process::group::Supervisor;
use crate::domain::agent::class::Judgement;
use crate::domain::agent::known::KnownAgent;
use crate::domain::agent::record::Identity;
use crate::domain::agent::signal::AgentSignal;
use crate::domain::agent::usage::Price;
use crate::domain::confine::Tier;
use crate::ports::artifact::Artifacts;
use crate::ports::worker::{Listener, WorkOrder, WorkReport, WorkerError};

/// The operator's settings for one agent.
#[derive(Clone, Default)]
pub struct Setup {
    /// Its program; `None` looks for its name on the search path.
    pub program: Option<PathBuf>,
    /// The model of an order that names none.
    pub model: Option<String>,
    /// The address of the model's server, when it is not the provider's own.
    pub base_url: Option<String>,
    /// The key it is given.
    pub key: Option<Key>,
    /// A login file of the operator that is copied into each run's own configuration.
    pub login: Option<PathBuf>,
    /// Arguments before those of an order.
    pub args: Vec<String>,
    /// How much the model is to think, in the program's own word.
    pub effort: Option<String>,
    /// The name of the allowance it shares, when it is not named after its credential.
    pub pool: Option<String>,
    /// The address of a server of its own that is running already (opencode).
    pub url: Option<String>,
    /// That server's user and password.
    pub server_login: Option<(String, String)>,
}

/// A key for a model's server.
#[derive(Clone)]
pub struct Key {
    /// The variable of this process it came from; also its name for people.
    pub variable: String,
    /// The key. Goes into the child's environment and nowhere else.
    pub value: String,
}

// No derive: a key must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.key.as_ref().map(|key| &key.variable);
        f.debug_struct("Setup").field("program", &self.program).field("key", &key).finish_non_exhaustive()
    }
}

/// A program that was found and asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    /// The program that really runs, its version, its digest.
    pub identity: Identity,
    /// Folders it is made of, which it must be able to read behind a wall.
    pub folders: Vec<PathBuf>,
    /// What it printed when it was asked for help, all answers after each other.
    pub help: String,
}

impl Installed {
    /// The program.
    pub fn program(&self) -> &Path {
        Path::new(&self.identity.program)
    }

    /// Says whether the help names an option, such as `--json`.
    pub fn has_option(&self, option: &str) -> bool {
        self.help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == option)
    }
}

/// Everything around one start of an agent.
pub struct Stage<'a> {
    /// What is asked.
    pub order: &'a WorkOrder,
    /// The program.
    pub installed: &'a Installed,
    /// The operator's settings.
    pub setup: &'a Setup,
    /// The agent's own configuration home in the run's runtime directory; exists, private, kept between attempts.
    pub home: PathBuf,
    /// The run's runtime directory.
    pub runtime: PathBuf,
    /// The clean environment, to which an adapter adds its own variables.
    pub env: BTreeMap<String, String>,
    /// The tier the program will run under.
    pub tier: Tier,
    /// The price of the model, where the operator's table has it.
    pub price: Option<Price>,
    /// Runs programs.
    pub supervisor: &'a Supervisor,
    /// Keeps logs.
    pub artifacts: Arc<dyn Artifacts>,
    /// Hears what must be on record.
    pub listener: &'a dyn Listener,
    /// Ends it from outside.
    pub stop: &'a CancellationToken,
}

impl Stage<'_> {
    /// The model of this start: the order's, or the settings'.
    pub fn model(&self) -> Option<&str> {
        self.order.model.as_deref().or(self.setup.model.as_deref())
    }

    /// The id of the conversation to go on with.
    pub fn resume(&self) -> Option<&str> {
        self.order.resume.as_ref().map(|session| session.id.as_str())
    }
}

/// How a program is started.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Its arguments. Nothing secret and no prompt: anybody on the machine can read them.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// What it reads on its standard input, which is closed afterwards; `None` is nothing at all.
    pub stdin: Option<String>,
    /// What it may read besides the system's folders and its own.
    pub readable: Vec<PathBuf>,
}

/// Reads what a program prints, from its start to its end.
pub trait Protocol: Send {
    /// Reads one line of its standard output, without line break; whatever cannot be read is passed over.
    ///
    /// Never panics, whatever the bytes; called on the task that reads, so it must be quick.
    fn line(&mut self, line: &[u8], signals: &mut Vec<AgentSignal>);

    /// Adds what stands in no line, such as use that was not told before the end.
    ///
    /// Called once after the last line, before [`Self::judge`], however the program ended. May block for some milliseconds.
    fn settle(&mut self, _signals: &mut Vec<AgentSignal>) {}

    /// Looks, every few seconds while it works, at what the program says elsewhere than on its standard output.
    ///
    /// May block for some milliseconds. The default has nothing to look at.
    fn look(&mut self, _signals: &mut Vec<AgentSignal>) {}

    /// Says what its end means. A success needs the protocol's own closing event and no error after the last recovery.
    ///
    /// Called once, after the last line, and only when the program was not ended from outside. One that said its end and had to be
    /// ended because it stayed counts as one that exited with code 0.
    fn judge(&mut self, exit: &Exit<'_>) -> Judgement;
}

/// How a program ended by itself.
#[derive(Debug, Clone, Copy)]
pub struct Exit<'a> {
    /// Its code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// The end of what it printed on both outputs, for messages that stand in no protocol.
    pub tail: &'a str,
}

/// One agent known by name.
#[async_trait]
pub trait Agent: Send + Sync {
    /// Its facts.
    fn known(&self) -> &'static KnownAgent;

    /// The program that really runs behind the one that was found, and the folders it is made of. The default is the file itself,
    /// links resolved, and its folder.
    fn native(&self, found: &Path) -> (PathBuf, Vec<PathBuf>) {
        let program = found.canonicalize().unwrap_or_else(|_| found.to_owned());
        let folder = program.parent().map(Path::to_owned);
        (program, folder.into_iter().collect())
    }

    /// Argument lists whose output is the help that [`Installed::has_option`] looks in.
    fn help_args(&self) -> &'static [&'static [&'static str]];

    /// What this program can do, by the options it lists.
    fn capabilities(&self, installed: &Installed) -> Vec<&'static str>;

    /// Options it must have for this adapter; without one of them it is not started.
    fn needs(&self) -> &'static [&'static str];

    /// The login file programs of this kind keep below a home, such as `.codex/auth.json`, for the operator's settings to name.
    fn login_file(&self) -> Option<&'static str>;

    /// Runs it once.
    ///
    /// # Errors
    /// [`WorkerError::Unavailable`] when it cannot be started. How it ended is in the report.
    async fn run(&self, stage: &Stage<'_>) -> Result<WorkReport, WorkerError>;
}
