//! Any program as an agent: it is asked on its standard input and by a file, works in its current directory, and ends.
//!
//! The line is split as a shell would split it, but no shell runs it. What its code means for the run is not decided here. What it
//! used and its last words come from `own_report`, when it cares to say them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ground::{Ground, Laid, log_path};
use super::installed::locate::locate;
use super::own_report::{self, OwnReport, REPORT_FILE};
use super::pulse;
use crate::adapters::process::group::{Ending, GRACE, GroupOrder, GroupReport};
use crate::adapters::process::lines::LineSink;
use crate::adapters::process::output::Captured;
use crate::adapters::process::signs::Signs;
use crate::domain::agent::class::{Judgement, OutcomeClass, Trouble};
use crate::domain::agent::liveness::pulse_path;
use crate::domain::agent::quota::Pool;
use crate::domain::agent::record::{AgentRecord, Identity};
use crate::domain::agent::signal::{MAX_WORDS, cut};
use crate::domain::agent::usage::Price;
use crate::domain::confine::LimitKind;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, LogRef};
use crate::domain::signal::{self, Signals};
use crate::domain::spec::agent_name;
use crate::ports::worker::{Listener, WorkOrder, WorkReport, WorkerError};

/// The variable that says what it is used for: `plan`, `build`, ...
const ROLE: &str = "AGENTPR_ROLE";

/// The variable with the model, where one is named.
const MODEL: &str = "AGENTPR_MODEL";

/// A program that was found, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// What the operator's settings say about a start.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The model.
    pub model: Option<String>,
    /// Its price.
    pub price: Option<Price>,
    /// The credential it works with.
    pub pool: Option<Pool>,
}

/// Runs programs as agents.
pub struct CommandWorker {
    ground: Ground,
}

impl CommandWorker {
    pub(super) fn new(ground: Ground) -> Self {
        Self { ground }
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
        let program = locate(&name, self.ground.environment.path_variable())?;
        Ok(CommandLine { program, args: words.collect() })
    }

    /// Runs the line for an order.
    ///
    /// # Errors
    /// [`WorkerError::Unavailable`] when the workspace is missing, or a directory or the log cannot be written.
    pub async fn run(
        &self,
        line: CommandLine,
        terms: Terms,
        order: &WorkOrder,
        listener: &dyn Listener,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError> {
        let program = line.program.display().to_string();
        let (ground, asked) = (self.ground.clone(), order.clone());
        let laying = tokio::task::spawn_blocking(move || ground.lay(&asked)).await;
        let laid = laying.map_err(|err| WorkerError::Unavailable(err.to_string()))??;
        let said = Said::default();
        let runtime = laid.runtime.clone();
        let group = self.group_order(line, &terms, order, laid, said.sink())?;
        let signs = Signs::default();
        let group = GroupOrder { signs: Some(signs.clone()), ..group };
        let started = |process| listener.started(process);
        let work = self.ground.supervisor.run(&group, &started, stop);
        let path = self.ground.artifacts.absolute(&pulse_path(&order.run, order.attempt));
        let report = pulse::beside(path, &signs, order.limits.silence, work)
            .await
            .map_err(|refused| WorkerError::Unavailable(refused.to_string()))?;
        let Meaning { outcome, class, trouble, mut message } = meaning(&report, order);
        let redactor = self.ground.supervisor.redactor().clone();
        let reading =
            tokio::task::spawn_blocking(move || own_report::read(&runtime, terms.price.as_ref(), &redactor));
        let own = match reading.await.map_err(|err| err.to_string()).flatten() {
            Ok(own) => own,
            Err(why) => {
                message = format!("{message}; its report in `{REPORT_FILE}` is not taken: {why}");
                OwnReport::default()
            }
        };
        let last_message = own.last_message.unwrap_or_else(|| said.tail());
        let mut record = AgentRecord::of(class, trouble);
        record.role = order.role;
        record.identity = Identity { program: program.clone(), version: None, sha256: None };
        record.model = terms.model;
        record.pool = terms.pool;
        record.usage = own.usage.unwrap_or_default();
        record.last_words = cut(&last_message);
        let ran = !matches!(report.ending, Ending::CouldNotStart(_)) && report.log.is_some();
        let evidence = AttemptEvidence {
            exit_code: report.exit_code.filter(|_| ran),
            signal: report.signal.filter(|_| ran),
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            program,
            worker: agent_name(&order.agent).to_owned(),
            log: report.log.map(|log| LogRef {
                path: log_path(order),
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
            agent: Some(Box::new(record)),
        };
        let signals = signals(report.output).await;
        Ok(WorkReport { outcome, evidence, signals, last_message })
    }

    fn group_order(
        &self,
        line: CommandLine,
        terms: &Terms,
        order: &WorkOrder,
        laid: Laid,
        lines: LineSink,
    ) -> Result<GroupOrder, WorkerError> {
        let Laid { runtime, mut env } = laid;
        let report = own_report::expect(&runtime).map_err(|err| WorkerError::Unavailable(err.to_string()))?;
        env.insert(REPORT_FILE.to_owned(), report.to_string_lossy().into_owned());
        env.insert(ROLE.to_owned(), order.role.name().to_owned());
        if let Some(model) = &terms.model {
            env.insert(MODEL.to_owned(), model.clone());
        }
        let mut limits = order.limits;
        if let Some(secs) = order.allowance.secs {
            limits.wall = limits.wall.min(Duration::from_secs(secs));
        }
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
            limits,
            grace: GRACE,
            log: Some(self.ground.artifacts.absolute(&log_path(order))),
            lines: Some(lines),
            sink: None,
            signs: None,
        })
    }
}

/// The end of what a program printed on its standard output.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<VecDeque<u8>>>);

impl Said {
    fn sink(&self) -> LineSink {
        let said = Arc::clone(&self.0);
        Arc::new(move |line: &[u8]| {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let line = line.get(line.len().saturating_sub(MAX_WORDS)..).unwrap_or_default();
            said.extend(line);
            said.push_back(b'\n');
            let excess = said.len().saturating_sub(MAX_WORDS);
            said.drain(..excess);
        })
    }

    fn tail(&self) -> String {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What was cut off may have taken the beginning of a character with it.
        while said.front().is_some_and(|byte| *byte & 0b1100_0000 == 0b1000_0000) {
            said.pop_front();
        }
        String::from_utf8_lossy(said.make_contiguous()).trim_end().to_owned()
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

/// What an ending is called.
struct Meaning {
    outcome: AttemptOutcome,
    class: OutcomeClass,
    trouble: Option<Trouble>,
    /// One line about it.
    message: String,
}

/// A program that failed by itself is in no trouble of a known kind: its code may mean anything.
fn meaning(report: &GroupReport, order: &WorkOrder) -> Meaning {
    let of = |outcome, class, message: String| Meaning { outcome, class, trouble: None, message };
    match &report.ending {
        Ending::Exited(0) => {
            let message = "the agent ended with code 0".to_owned();
            of(AttemptOutcome::Succeeded, OutcomeClass::Succeeded, message)
        }
        Ending::Exited(code) => {
            let message = format!("the agent ended with code {code}");
            of(AttemptOutcome::Failed, OutcomeClass::AgentError, message)
        }
        Ending::Signalled(signal) => {
            let message = format!("signal {signal} ended the agent");
            of(AttemptOutcome::Failed, OutcomeClass::Killed, message)
        }
        Ending::TimedOut => timed_out(order),
        Ending::OverLimit(kind) => {
            let is_silence = *kind == LimitKind::Silence;
            let class = if is_silence { OutcomeClass::TimedOut } else { OutcomeClass::Killed };
            of(AttemptOutcome::OverLimit, class, format!("the agent was ended because it {}", kind.words()))
        }
        Ending::Stopped => {
            let message = "the agent was stopped by order".to_owned();
            of(AttemptOutcome::Stopped, OutcomeClass::Killed, message)
        }
        Ending::CouldNotStart(why) => {
            let message = format!("the agent could not be started: {why}");
            of(AttemptOutcome::CouldNotStart, OutcomeClass::AgentError, message)
        }
    }
}

/// The time limit, or the attempt's allowance of time where that is the tighter one.
fn timed_out(order: &WorkOrder) -> Meaning {
    let wall = order.limits.wall;
    match order.allowance.secs.filter(|secs| Duration::from_secs(*secs) < wall) {
        Some(secs) => {
            let judged =
                Judgement::trouble(Trouble::Budget, format!("the agent used {secs} of {secs} seconds"));
            Meaning {
                outcome: judged.outcome(),
                class: judged.class(),
                trouble: judged.trouble,
                message: judged.message,
            }
        }
        None => Meaning {
            outcome: AttemptOutcome::TimedOut,
            class: OutcomeClass::TimedOut,
            trouble: None,
            message: format!("the agent was ended at its limit of {} s", wall.as_secs()),
        },
    }
}
