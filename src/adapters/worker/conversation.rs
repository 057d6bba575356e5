//! Runs an agent that prints its protocol line by line: start, signals, end, report.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::agent::{Exit, Launch, Protocol, Stage};
use super::attendance::attend;
use super::ending::{is_judged, meaning};
use super::pulse::clean;
use super::recorder::{Recorder, exhausted};
use crate::adapters::process::group::{Ending, GRACE, GroupOrder, GroupReport};
use crate::adapters::process::lines::LineSink;
use crate::domain::agent::class::{Judgement, OutcomeClass, Trouble};
use crate::domain::agent::quota::Pool;
use crate::domain::agent::record::AgentRecord;
use crate::domain::agent::signal::cut;
use crate::domain::evidence::{AttemptEvidence, AttemptOutcome, LogRef};
use crate::domain::signal;
use crate::domain::spec::agent_name;
use crate::ports::worker::{WorkOrder, WorkReport, WorkerError};

/// Between two looks of a protocol at what its program says elsewhere.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
    let signals = Mutex::new(Vec::new());
    let sink: LineSink = Arc::new(move |line: &[u8]| {
        let mut signals = signals.lock().unwrap_or_else(PoisonError::into_inner);
        read.lock().unwrap_or_else(PoisonError::into_inner).line(line, &mut signals);
        heard.take(&signals);
        signals.clear();
    });
    let mut order = group_order(stage, launch, Some(sink));
    order.signs = Some(recorder.signs().clone());
    let started = |process| stage.listener.started(process);
    let work = stage.supervisor.run(&order, &started, recorder.halt_token());
    let report = tokio::select! {
        report = attend(stage, &recorder, work) => report,
        never = look(&protocol, &recorder) => match never {},
    };
    let report = report.map_err(|refused| WorkerError::Unavailable(refused.to_string()))?;
    let mut late = Vec::new();
    protocol.lock().unwrap_or_else(PoisonError::into_inner).settle(&mut late);
    recorder.take(&late);
    if let Some(session) = recorder.new_session() {
        stage.listener.session(&session);
    }
    let heard = recorder.heard();
    let judgement = if is_judged(&report, &heard) {
        let tail = tail(&report);
        let is_alone = matches!(report.ending, Ending::Exited(_) | Ending::Signalled(_));
        let (code, signal) = if is_alone { (report.exit_code, report.signal) } else { (Some(0), None) };
        protocol.lock().unwrap_or_else(PoisonError::into_inner).judge(&Exit { code, signal, tail: &tail })
    } else {
        Judgement::trouble(Trouble::Protocol, "it was ended before it said how it ends")
    };
    self::report(stage, &recorder, report, judgement).await
}

/// Lets the protocol look around, again and again.
async fn look(protocol: &Arc<Mutex<Box<dyn Protocol>>>, recorder: &Recorder) -> Infallible {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let protocol = Arc::clone(protocol);
        let looked = tokio::task::spawn_blocking(move || {
            let mut signals = Vec::new();
            protocol.lock().unwrap_or_else(PoisonError::into_inner).look(&mut signals);
            signals
        });
        if let Ok(signals) = looked.await
            && !signals.is_empty()
        {
            recorder.take(&signals);
        }
    }
}

/// The order to run the stage's program. Who calls it without [`converse`] sets its `signs` to those of the recorder, and runs it
/// within [`attend`].
pub fn group_order(stage: &Stage<'_>, launch: Launch, lines: Option<LineSink>) -> GroupOrder {
    let order = stage.order;
    let mut limits = order.limits;
    limits.wall = wall(order);
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
        limits,
        grace: GRACE,
        log: Some(stage.artifacts.absolute(&log_path(stage))),
        lines,
        sink: None,
        signs: None,
    }
}

/// How long a start may last: its limit, or what is left of a budget of time where that is less.
pub(super) fn wall(order: &WorkOrder) -> Duration {
    let left = order.allowance.secs.map(Duration::from_secs);
    left.map_or(order.limits.wall, |left| left.min(order.limits.wall))
}

pub(super) fn log_path(stage: &Stage<'_>) -> String {
    format!("{}/attempt-{}.log", stage.order.run, stage.order.attempt)
}

/// What came of it. `judgement` counts only when the program ended by itself, or stayed after it had said its end
/// ([`Recorder::leave`]); a halt of ours counts before it.
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
    let redactor = stage.supervisor.redactor();
    let meaning = meaning(&report, &heard, judgement, stage.order);
    let ran = !matches!(report.ending, Ending::CouldNotStart(_)) && report.log.is_some();
    let last_message = clean(redactor, &heard.last_message);
    let mut record = AgentRecord::of(meaning.class, meaning.trouble);
    record.role = stage.order.role;
    record.identity = stage.installed.identity.clone();
    record.model = stage.model().map(str::to_owned);
    record.session = heard.session;
    record.usage = heard.usage;
    record.pool = pool(stage);
    if meaning.class == OutcomeClass::Quota {
        let limited = heard.limited.unwrap_or_default();
        record.exhausted = record.pool.clone().map(|pool| exhausted(pool, limited));
    }
    record.last_words = cut(&last_message);
    let is_by_itself = matches!(report.ending, Ending::Exited(_) | Ending::Signalled(_));
    record.vitals = report.vitals.filter(|_| ran && !is_by_itself);
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
        message: one_line(&clean(redactor, &meaning.message)),
        tier: ran.then_some(report.tier),
        limit: match report.ending {
            Ending::OverLimit(kind) if meaning.outcome == AttemptOutcome::OverLimit => Some(kind),
            _ => None,
        },
        signals: None,
        agent: Some(Box::new(record)),
    };
    let read = move || signal::read(&String::from_utf8_lossy(&report.output.bytes));
    let signals = tokio::task::spawn_blocking(read).await.unwrap_or_default();
    Ok(WorkReport { outcome: meaning.outcome, evidence, signals, last_message })
}

/// A message for people, without line breaks and cut.
fn one_line(text: &str) -> String {
    cut(text.split_whitespace().collect::<Vec<_>>().join(" ").as_str())
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
