//! Runs an agent that prints its protocol line by line: start, signals, end, report.

use std::sync::{Arc, Mutex, PoisonError};

use super::agent::{Exit, Launch, Protocol, Stage};
use super::recorder::{Recorder, exhausted};
use crate::adapters::process::group::{Ending, GRACE, GroupOrder, GroupReport};
use crate::adapters::process::lines::LineSink;
use crate::domain::agent::class::{Judgement, OutcomeClass, Trouble};
use crate::domain::agent::quota::Pool;
use crate::domain::agent::record::AgentRecord;
use crate::domain::agent::signal::cut;
use crate::domain::confine::LimitKind;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, LogRef};
use crate::domain::signal;
use crate::domain::spec::agent_name;
use crate::ports::worker::{WorkReport, WorkerError};

/// Runs the stage's program with `launch` and reads it with `protocol`.
///
/// # Errors
/// [`WorkerError::Unavailable`] when it cannot be started.
pub async fn converse(
    stage: &Stage<'_>,
    launch: Launch,
    protocol: Box<dyn Protocol>,
) -> Result<WorkReport, WorkerError> {
    let recorder = Recorder::new(stage);
    let protocol = Arc::new(Mutex::new(protocol));
    let (read, heard) = (Arc::clone(&protocol), recorder.clone());
    let sink: LineSink = Arc::new(move |line: &[u8]| {
        let mut signals = Vec::new();
        read.lock().unwrap_or_else(PoisonError::into_inner).line(line, &mut signals);
        heard.take(&signals);
    });
    let order = group_order(stage, launch, Some(sink));
    let report = stage
        .supervisor
        .run(&order, &|process| stage.listener.started(process), recorder.halt_token())
        .await
        .map_err(|refused| WorkerError::Unavailable(refused.to_string()))?;
    if let Some(session) = recorder.new_session() {
        stage.listener.session(&session);
    }
    let tail = tail(&report);
    let exit = Exit { code: report.exit_code, signal: report.signal, tail: &tail };
    let judgement = protocol.lock().unwrap_or_else(PoisonError::into_inner).judge(&exit);
    self::report(stage, &recorder, report, judgement).await
}

/// The order to run the stage's program.
pub fn group_order(stage: &Stage<'_>, launch: Launch, lines: Option<LineSink>) -> GroupOrder {
    let order = stage.order;
    let mut readable = stage.installed.folders.clone();
    readable.extend(launch.readable);
    GroupOrder {
        program: stage.installed.program().to_owned(),
        args: launch.args,
        dir: order.workspace.clone(),
        env: launch.env,
        stdin: launch.stdin,
        workspace: order.workspace.clone(),
        runtime: stage.runtime.clone(),
        readable,
        confinement: order.confinement,
        limits: order.limits,
        grace: GRACE,
        log: Some(stage.artifacts.absolute(&log_path(stage))),
        lines,
        sink: None,
    }
}

pub(super) fn log_path(stage: &Stage<'_>) -> String {
    format!("{}/attempt-{}.log", stage.order.run, stage.order.attempt)
}

/// What came of it. `judgement` counts only when the program ended by itself; a halt of ours counts before it.
///
/// # Errors
/// None at present; kept for what may fail while the report is put together.
pub async fn report(
    stage: &Stage<'_>,
    recorder: &Recorder,
    report: GroupReport,
    judgement: Judgement,
) -> Result<WorkReport, WorkerError> {
    let heard = recorder.heard();
    let (outcome, class, trouble, message) = meaning(&report, heard.halted, judgement, stage);
    let ran = !matches!(report.ending, Ending::CouldNotStart(_)) && report.log.is_some();
    let mut record = AgentRecord::of(class, trouble);
    record.role = stage.order.role;
    record.identity = stage.installed.identity.clone();
    record.model = stage.model().map(str::to_owned);
    record.session = heard.session;
    record.usage = heard.usage;
    record.pool = pool(stage);
    if class == OutcomeClass::Quota {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = now.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default();
        record.exhausted =
            record.pool.clone().map(|pool| exhausted(pool, heard.limited.unwrap_or_default(), now_ms));
    }
    record.last_words = cut(&heard.last_message);
    let evidence = AttemptEvidence {
        exit_code: report.exit_code.filter(|_| ran),
        signal: report.signal.filter(|_| ran),
        duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        program: stage.installed.identity.program.clone(),
        worker: agent_name(&stage.order.agent).to_owned(),
        log: report.log.map(|log| LogRef {
            path: log_path(stage),
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
    let read = move || signal::read(&String::from_utf8_lossy(&report.output.bytes));
    let signals = tokio::task::spawn_blocking(read).await.unwrap_or_default();
    Ok(WorkReport { outcome, evidence, signals, last_message: heard.last_message })
}

/// The credential of a start.
fn pool(stage: &Stage<'_>) -> Option<Pool> {
    super::pool_of(agent_name(&stage.order.agent), stage.setup)
}

fn tail(report: &GroupReport) -> String {
    let bytes = &report.output.bytes;
    String::from_utf8_lossy(bytes.get(bytes.len().saturating_sub(8 * 1024)..).unwrap_or_default())
        .into_owned()
}

/// What an ending is called, and one line about it.
fn meaning(
    report: &GroupReport,
    halted: Option<Judgement>,
    judgement: Judgement,
    stage: &Stage<'_>,
) -> (AttemptOutcome, OutcomeClass, Option<Trouble>, String) {
    let killed = |outcome, message: String| (outcome, OutcomeClass::Killed, None, message);
    match (&report.ending, halted) {
        (Ending::CouldNotStart(why), _) => {
            let message = format!("the agent could not be started: {why}");
            (AttemptOutcome::CouldNotStart, OutcomeClass::AgentError, Some(Trouble::Usage), message)
        }
        (Ending::Stopped, Some(halt)) => (halt.outcome(), halt.class(), halt.trouble, halt.message),
        (Ending::Stopped, None) => {
            killed(AttemptOutcome::Stopped, "the agent was stopped by order".to_owned())
        }
        (Ending::TimedOut, _) => {
            let message =
                format!("the agent was ended at its limit of {} s", stage.order.limits.wall.as_secs());
            (AttemptOutcome::TimedOut, OutcomeClass::TimedOut, None, message)
        }
        (Ending::OverLimit(kind), _) => {
            let message = format!("the agent was ended because it {}", kind.words());
            let class =
                if *kind == LimitKind::Silence { OutcomeClass::TimedOut } else { OutcomeClass::Killed };
            (AttemptOutcome::OverLimit, class, None, message)
        }
        (Ending::Signalled(signal), _) => {
            killed(AttemptOutcome::Failed, format!("signal {signal} ended the agent"))
        }
        (Ending::Exited(_), _) => {
            (judgement.outcome(), judgement.class(), judgement.trouble, judgement.message)
        }
    }
}
