//! Any program as an agent: it is asked on its standard input and by a file, works in its current directory, and ends.
//!
//! The line is split as a shell would split it, but no shell runs it. What its code means for the run is not decided here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::{Ending, GRACE, GroupOrder, GroupReport, Supervisor};
use crate::adapters::process::output::Captured;
use crate::adapters::process::tree::write_anew;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, LogRef};
use crate::domain::signal::{self, Signals};
use crate::ports::artifact::Artifacts;
use crate::ports::worker::{Listener, WorkOrder, WorkReport, WorkerError};

/// The variable that names the file with the prompt.
const PROMPT_FILE: &str = "AGENTPR_PROMPT_FILE";

/// A program that was found, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Runs programs as agents.
pub struct CommandWorker {
    environment: ChildEnvironment,
    artifacts: Arc<dyn Artifacts>,
    supervisor: Supervisor,
}

impl CommandWorker {
    pub(super) fn new(
        environment: ChildEnvironment,
        artifacts: Arc<dyn Artifacts>,
        supervisor: Supervisor,
    ) -> Self {
        Self { environment, artifacts, supervisor }
    }

    /// Finds the program of a line: an absolute path, or a name on the search path the agent will have.
    ///
    /// # Errors
    /// What is wrong with the line, for people.
    pub fn find(&self, line: &str) -> Result<CommandLine, String> {
        let mut words = shell_words::split(line).map_err(|err| err.to_string())?.into_iter();
        let Some(name) = words.next().filter(|name| !name.is_empty()) else {
            return Err("it names no program after `command:`".to_owned());
        };
        let program = self.locate(&name)?;
        Ok(CommandLine { program, args: words.collect() })
    }

    fn locate(&self, name: &str) -> Result<PathBuf, String> {
        let path = Path::new(name);
        if path.is_absolute() {
            return if is_program(path) {
                Ok(path.to_owned())
            } else {
                Err(format!("there is no program at `{name}`"))
            };
        }
        if name.contains('/') {
            return Err(format!(
                "`{name}` is a relative path; give an absolute one, or a name on the search path"
            ));
        }
        let folders = std::env::split_paths(self.environment.path_variable());
        folders
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|candidate| is_program(candidate))
            .ok_or_else(|| format!("there is no program `{name}` on the search path"))
    }

    /// Runs the line for an order.
    ///
    /// # Errors
    /// [`WorkerError::Unavailable`] when the workspace is missing, or a directory or the log cannot be written.
    pub async fn run(
        &self,
        line: CommandLine,
        order: &WorkOrder,
        listener: &dyn Listener,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError> {
        if !order.workspace.is_dir() {
            let why = format!("there is no workspace at `{}`", order.workspace.display());
            return Err(WorkerError::Unavailable(why));
        }
        let program = line.program.display().to_string();
        clear_index_lock(&order.workspace);
        let path = format!("{}/attempt-{}.log", order.run, order.attempt);
        let mut group = self.group_order(line, order)?;
        group.log = Some(self.artifacts.absolute(&path));
        let report = self
            .supervisor
            .run(&group, &|process| listener.started(process), stop)
            .await
            .map_err(|refused| WorkerError::Unavailable(refused.to_string()))?;
        let (outcome, message) = meaning(&report, order);
        let ran = !matches!(report.ending, Ending::CouldNotStart(_)) && report.log.is_some();
        let evidence = AttemptEvidence {
            exit_code: report.exit_code.filter(|_| ran),
            signal: report.signal.filter(|_| ran),
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            program,
            worker: String::new(),
            log: report.log.map(|log| LogRef {
                path,
                sha256: log.sha256,
                bytes: log.bytes,
                truncated: log.truncated,
            }),
            message,
            tier: ran.then_some(report.tier),
            limit: match report.ending {
                Ending::OverLimit(kind) => Some(kind),
                _ => None,
            },
            signals: None,
            agent: None,
        };
        let signals = signals(report.output).await;
        Ok(WorkReport { outcome, evidence, signals, last_message: String::new() })
    }

    fn group_order(&self, line: CommandLine, order: &WorkOrder) -> Result<GroupOrder, WorkerError> {
        let unavailable = |err: &dyn std::fmt::Display| WorkerError::Unavailable(err.to_string());
        let runtime = self.environment.runtime_dir(&order.run);
        let mut env =
            self.environment.make(&order.run, &order.workspace, &runtime).map_err(|err| unavailable(&err))?;
        let prompt = self
            .artifacts
            .write(&order.run, &format!("prompt-{}.md", order.attempt), order.prompt.as_bytes())
            .map_err(|err| unavailable(&err))?;
        // The agent gets a copy in its own directory: the artifact is the record and stays the engine's.
        let copy = runtime.join("prompt.md");
        write_anew(&copy, order.prompt.as_bytes()).map_err(|err| unavailable(&err))?;
        tracing::debug!(run = %order.run, prompt = %prompt.path, "the prompt is written");
        env.insert(PROMPT_FILE.to_owned(), copy.to_string_lossy().into_owned());
        let args: Vec<String> = line.args.into_iter().chain(order.extra_args.iter().cloned()).collect();
        Ok(GroupOrder {
            program: line.program,
            readable: named_files(&args),
            args,
            dir: order.workspace.clone(),
            env,
            stdin: Some(order.prompt.clone()),
            workspace: order.workspace.clone(),
            runtime,
            confinement: order.confinement,
            limits: order.limits,
            grace: GRACE,
            log: None,
            lines: None,
            sink: None,
            signs: None,
        })
    }
}

/// What the beginning and the end of the transcript say; reading them takes some milliseconds of the processor.
async fn signals(output: Captured) -> Signals {
    let read = move || signal::read(&String::from_utf8_lossy(&output.bytes));
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

/// The files that the operator's own line names, such as the script of an interpreter; an agent may read those.
fn named_files(args: &[String]) -> Vec<PathBuf> {
    args.iter().map(PathBuf::from).filter(|path| path.is_absolute() && path.is_file()).collect()
}

/// Removes the lock that an agent's git leaves when an earlier attempt was killed; the next agent could not commit.
fn clear_index_lock(workspace: &Path) {
    let git_dir = workspace.join(".git");
    // Through a link the lock of another repository would be removed.
    if git_dir.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        let _absent = std::fs::remove_file(git_dir.join("index.lock"));
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What an ending is called, and one line about it.
fn meaning(report: &GroupReport, order: &WorkOrder) -> (AttemptOutcome, String) {
    match &report.ending {
        Ending::Exited(0) => (AttemptOutcome::Succeeded, "the agent ended with code 0".to_owned()),
        Ending::Exited(code) => (AttemptOutcome::Failed, format!("the agent ended with code {code}")),
        Ending::Signalled(signal) => (AttemptOutcome::Failed, format!("signal {signal} ended the agent")),
        Ending::TimedOut => {
            let message = format!("the agent was ended at its limit of {} s", order.limits.wall.as_secs());
            (AttemptOutcome::TimedOut, message)
        }
        Ending::OverLimit(kind) => {
            (AttemptOutcome::OverLimit, format!("the agent was ended because it {}", kind.words()))
        }
        Ending::Stopped => (AttemptOutcome::Stopped, "the agent was stopped by order".to_owned()),
        Ending::CouldNotStart(why) => {
            (AttemptOutcome::CouldNotStart, format!("the agent could not be started: {why}"))
        }
    }
}
