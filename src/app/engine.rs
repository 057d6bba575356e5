//! The engine: one loop over all runs, in three beats.
//!
//! Whatever can wake it is an [`Inbound`]; [`Engine::handle`] is plain code that says which runs to start; the loop starts
//! them as tasks, each of which holds its run's lease and ends with an [`Inbound`] of its own. What is due is never stored: it
//! is computed from the log, so an engine that died leaves nothing to repair but an attempt to be ended.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::drive::Driven;
use super::{App, AppError, StoreError};
use crate::domain::id::{EventSeq, RunId, Version};
use crate::domain::next::{Due, Wait, next};
use crate::domain::state::State;
use crate::domain::time::Moment;
use crate::ports::store::RunQuery;

/// How soon an append by another process is noticed (decision D4).
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a waiting run is left alone when nothing is appended to it: time limits and expiries are noticed this late.
const RECHECK: Duration = Duration::from_secs(15);

/// How long a run that somebody else works on is left alone.
const HELD_RECHECK: Duration = Duration::from_secs(3);

/// Ended runs a pass after the first looks at, newest first: far more than end between two passes.
const ENDS_AT_ONCE: usize = 256;

/// Which runs to drive, and for how long.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Only this run.
    pub only: Option<RunId>,
    /// Runs worked on at once, at least 1.
    pub max_parallel: usize,
    /// Time between two passes over all runs when nothing wakes the engine earlier.
    pub interval: Duration,
    /// Passes after which the engine ends, once what it began has ended; `None` goes on for ever.
    pub max_loops: Option<u64>,
}

/// Everything that can wake the engine.
#[derive(Debug)]
pub enum Inbound {
    /// A pass over all runs is due.
    Pass,
    /// Something was appended by somebody.
    Changed,
    /// A task has ended.
    Finished {
        /// Its run.
        run: RunId,
        /// How it ended.
        result: Box<Result<Driven, AppError>>,
    },
    /// The program is to end.
    Stop,
}

/// What an engine did before it ended.
#[derive(Debug, Clone, Default)]
pub struct EngineReport {
    /// Passes made.
    pub loops: u64,
    /// Runs worked on, with the state each came to, in the order they came to rest.
    pub driven: Vec<(RunId, State)>,
    /// Runs that could not be worked on, with the reason.
    pub failures: Vec<(RunId, String)>,
}

/// One line of a dry pass.
#[derive(Debug, Clone)]
pub struct DueLine {
    /// The run.
    pub run: RunId,
    /// Where it stands.
    pub state: State,
    /// What would be done, in words.
    pub due: String,
}

/// The state of the loop; [`Engine::run`] moves it.
pub struct Engine {
    app: Arc<App>,
    options: EngineOptions,
    busy: HashSet<RunId>,
    /// Runs that wait, with the version they waited at and the time they are looked at again.
    resting: HashMap<RunId, Resting>,
    /// Runs that are over but for an attempt that nobody ended.
    unended: HashSet<RunId>,
    /// The newest event of an ended run that was looked at.
    ends_seen: EventSeq,
    stopping: bool,
    /// Whether the store could not be read the last time.
    unreadable: bool,
    report: EngineReport,
}

struct Resting {
    version: Option<Version>,
    since: Moment,
    wait: Duration,
}

impl Engine {
    /// An engine over `app`'s runs.
    pub fn new(app: Arc<App>, options: EngineOptions) -> Self {
        Self {
            app,
            options,
            busy: HashSet::new(),
            resting: HashMap::new(),
            unended: HashSet::new(),
            ends_seen: EventSeq(0),
            stopping: false,
            unreadable: false,
            report: EngineReport::default(),
        }
    }

    /// Runs until `shutdown` is triggered or the passes are used up; every task has ended when this returns.
    ///
    /// A store that cannot be read for a while does not end an engine without a number of passes: it looks again.
    ///
    /// # Errors
    /// The store's, when the list of runs cannot be read in the passes it has; a run that fails is in the report.
    pub async fn run(mut self, shutdown: &CancellationToken) -> Result<EngineReport, AppError> {
        // Each task sends one message at its end and the loop takes one at a time, so one slot for each task and the
        // three sources of ticks is all that can be waiting.
        let (sender, mut inbox) = mpsc::channel(self.options.max_parallel.max(1) + 3);
        let mut passes = tokio::time::interval(self.options.interval.max(Duration::from_millis(10)));
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut mark = None;
        let mut failure = None;
        loop {
            let inbound = tokio::select! {
                biased;
                () = shutdown.cancelled(), if !self.stopping => Inbound::Stop,
                Some(inbound) = inbox.recv() => inbound,
                _ = passes.tick(), if !self.stopping => Inbound::Pass,
                _ = looks.tick(), if !self.stopping => {
                    let latest = self.app.ports.store.change_mark().ok();
                    if latest == mark {
                        continue;
                    }
                    mark = latest;
                    Inbound::Changed
                }
            };
            match self.handle(inbound) {
                Ok(due) => {
                    self.unreadable = false;
                    for run in due {
                        self.start(run, &sender, shutdown);
                    }
                }
                Err(err) if self.options.max_loops.is_none() => {
                    if !self.unreadable {
                        tracing::error!(error = %err, "the runs cannot be read; the engine goes on trying");
                    }
                    self.unreadable = true;
                    mark = None;
                }
                Err(err) => {
                    self.stopping = true;
                    failure.get_or_insert(err);
                }
            }
            if self.stopping && self.busy.is_empty() {
                return failure.map_or(Ok(self.report), Err);
            }
        }
    }

    /// Takes one thing in and says which runs to start: no waiting, no effects.
    ///
    /// # Errors
    /// The store's, when runs cannot be read.
    pub fn handle(&mut self, inbound: Inbound) -> Result<Vec<RunId>, AppError> {
        match inbound {
            Inbound::Stop => self.stopping = true,
            Inbound::Changed => {}
            Inbound::Pass => {
                self.report.loops += 1;
                self.find_unended()?;
            }
            Inbound::Finished { run, result } => self.rest(run, *result),
        }
        let due = if self.stopping { Vec::new() } else { self.due()? };
        if self.options.max_loops.is_some_and(|max| self.report.loops >= max)
            && due.is_empty()
            && self.busy.is_empty()
        {
            self.stopping = true;
        }
        self.busy.extend(due.iter().cloned());
        Ok(due)
    }

    /// What a pass would do now, for every run that does not simply wait.
    ///
    /// # Errors
    /// The store's.
    pub fn dry_run(app: &App, only: Option<&RunId>) -> Result<Vec<DueLine>, AppError> {
        let mut lines = Vec::new();
        for (run, state) in candidates(app, only)? {
            let due = next(&app.run(&run)?, &app.ports.clock.now());
            let due = match due {
                Due::Command(command) => command.name().to_owned(),
                Due::Perform(step) => format!("perform {}", step.name()),
                Due::Wait(Wait::Attempt(step)) => {
                    format!("see whether the {} attempt still runs", step.name())
                }
                Due::Wait(_) => continue,
            };
            lines.push(DueLine { run, state, due });
        }
        Ok(lines)
    }

    /// Runs that something is due for, as many as may still be started.
    fn due(&mut self) -> Result<Vec<RunId>, AppError> {
        let mut room = self.options.max_parallel.max(1).saturating_sub(self.busy.len());
        let mut due = Vec::new();
        if room == 0 {
            return Ok(due);
        }
        let now = self.app.ports.clock.now();
        let rows = self.app.ports.store.run_rows(&active())?;
        let known: HashSet<&RunId> = rows.iter().map(|row| &row.run).chain(&self.unended).collect();
        self.resting.retain(|run, _| known.contains(run));
        for run in self.unended.clone() {
            if room > 0 && !self.busy.contains(&run) && !self.is_resting(&run, None, &now) {
                room -= 1;
                due.push(run);
            }
        }
        // Oldest update first: who waited longest is served first.
        for row in rows.iter().rev() {
            if room == 0 {
                break;
            }
            let other = self.options.only.as_ref().is_some_and(|only| *only != row.run);
            if other || self.busy.contains(&row.run) || self.is_resting(&row.run, Some(row.version), &now) {
                continue;
            }
            let run = match self.app.run(&row.run) {
                Ok(run) => run,
                // A log that cannot be folded is one run's trouble.
                Err(err) => {
                    self.rest(row.run.clone(), Err(err));
                    continue;
                }
            };
            match next(&run, &now) {
                Due::Command(_) | Due::Perform(_) | Due::Wait(Wait::Attempt(_)) => {
                    room -= 1;
                    due.push(row.run.clone());
                }
                Due::Wait(_) => self.put_to_rest(row.run.clone(), Some(row.version), RECHECK),
            }
        }
        Ok(due)
    }

    /// Looks for runs that a person ended while their performer was dead: their attempt is ended all the same, with
    /// whatever program it left. The first look is at all ended runs.
    fn find_unended(&mut self) -> Result<(), AppError> {
        let states = State::ALL.into_iter().filter(|state| state.is_terminal()).collect();
        let limit = (self.ends_seen > EventSeq(0)).then_some(ENDS_AT_ONCE);
        let rows = self.app.ports.store.run_rows(&RunQuery { states, limit })?;
        for row in rows.iter().filter(|row| row.last_seq > self.ends_seen) {
            let other = self.options.only.as_ref().is_some_and(|only| *only != row.run);
            let attempts = self.app.ports.store.attempts_of(&row.run)?;
            if !other && attempts.iter().any(|attempt| attempt.ended_at.is_none()) {
                self.unended.insert(row.run.clone());
            }
        }
        self.ends_seen = rows.first().map_or(self.ends_seen, |newest| newest.last_seq.max(self.ends_seen));
        Ok(())
    }

    fn is_resting(&self, run: &RunId, version: Option<Version>, now: &Moment) -> bool {
        self.resting.get(run).is_some_and(|resting| {
            (resting.version.is_none() || version.is_none() || resting.version == version)
                && !now.has_passed_since(&resting.since, resting.wait)
        })
    }

    fn put_to_rest(&mut self, run: RunId, version: Option<Version>, wait: Duration) {
        let since = self.app.ports.clock.now();
        self.resting.insert(run, Resting { version, since, wait });
    }

    fn rest(&mut self, run: RunId, result: Result<Driven, AppError>) {
        self.busy.remove(&run);
        match result {
            Ok(driven) => {
                if driven.run.open.is_none() {
                    self.unended.remove(&run);
                }
                self.report.driven.push((run.clone(), driven.run.state));
                self.put_to_rest(run, Some(driven.run.version), RECHECK);
            }
            Err(AppError::Store(StoreError::LeaseHeld { .. })) => self.put_to_rest(run, None, HELD_RECHECK),
            Err(err) => {
                tracing::error!(run = %run, error = %err, "a run could not be worked on");
                self.report.failures.push((run.clone(), err.to_string()));
                self.put_to_rest(run, None, RECHECK);
            }
        }
    }

    fn start(&self, run: RunId, sender: &mpsc::Sender<Inbound>, shutdown: &CancellationToken) {
        let (app, sender, shutdown) = (Arc::clone(&self.app), sender.clone(), shutdown.clone());
        tokio::spawn(async move {
            let task_run = run.clone();
            let (task_app, task_stop) = (Arc::clone(&app), shutdown.clone());
            // A panic in one run's work is that run's failure, not the engine's.
            let task = tokio::spawn(async move { task_app.drive(&task_run, &task_stop).await });
            let result = task.await.unwrap_or_else(|err| Err(AppError::Internal(err.to_string())));
            // The loop lives until every task has reported, so somebody listens.
            let _sent = sender.send(Inbound::Finished { run, result: Box::new(result) }).await;
        });
    }
}

fn active() -> RunQuery {
    RunQuery { states: State::ALL.into_iter().filter(|state| !state.is_terminal()).collect(), limit: None }
}

fn candidates(app: &App, only: Option<&RunId>) -> Result<Vec<(RunId, State)>, AppError> {
    if let Some(run) = only {
        let run = app.run(run)?;
        return Ok(vec![(run.id.clone(), run.state)]);
    }
    let rows = app.ports.store.run_rows(&active())?;
    Ok(rows.into_iter().rev().map(|row| (row.run, row.state)).collect())
}
