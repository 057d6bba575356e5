//! Asking the forge where pull requests stand: the main source of truth for repositories that send nothing, and what makes good
//! everything a webhook can lose.

use super::clean::cleaned_facts;
use super::execute::By;
use super::{App, AppError, ForgeError, StoreError};
use crate::domain::actor::{Actor, Channel};
use crate::domain::command::Command;
use crate::domain::decide::{Ctx, decide};
use crate::domain::forge::fact::ForgeFact;
use crate::domain::forge::standing::{CiStatus, ReviewStatus};
use crate::domain::id::{PrNumber, RepoSlug, RunId};
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::ports::forge::Watched;
use crate::ports::store::RunQuery;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct SyncOptions {
    /// Only this run.
    pub only: Option<RunId>,
    /// At most so many runs, of those that have an open pull request.
    pub limit: Option<usize>,
    /// Whether nothing is recorded.
    pub dry_run: bool,
    /// Which pass this is: with a limit, passes take turns, so that every run is looked at.
    pub pass: u64,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct SyncReport {
    /// Runs that have a pull request and are not over.
    pub open: usize,
    /// Those that were asked about.
    pub scanned: usize,
    /// What became of each that was answered.
    pub results: Vec<Synced>,
    /// Those that were not, with the reason.
    pub failures: Vec<SyncFailure>,
}

/// A run that was asked about.
#[derive(Debug, Clone)]
pub struct Synced {
    /// The run.
    pub run: RunId,
    /// Its repository.
    pub repo: RepoSlug,
    /// Its pull request.
    pub pr: PrNumber,
    /// Its state before.
    pub before: State,
    /// Its state afterwards.
    pub after: State,
    /// What its checks say together.
    pub ci: CiStatus,
    /// What its reviewers say together.
    pub review: ReviewStatus,
    /// Events that were recorded, or would be.
    pub events: Vec<&'static str>,
}

/// A run that could not be asked about.
#[derive(Debug, Clone)]
pub struct SyncFailure {
    /// The run.
    pub run: RunId,
    /// Its pull request.
    pub pr: PrNumber,
    /// Why.
    pub error: String,
    /// When the forge may be asked again, where it was only too much for now.
    pub until: Option<Timestamp>,
}

impl SyncFailure {
    fn of(one: &Watched, err: &(impl std::error::Error + ?Sized)) -> Self {
        Self { run: one.run.clone(), pr: one.number, error: err.to_string(), until: None }
    }

    fn forge(one: &Watched, err: &ForgeError) -> Self {
        let until = match err {
            ForgeError::Limited { until, .. } => Some(*until),
            _ => None,
        };
        Self { until, ..Self::of(one, err) }
    }
}

impl App {
    /// Asks about every run that has an open pull request, and records what is news. A pass that finds none leaves no trace.
    ///
    /// # Errors
    /// [`AppError::NoSuchRun`] for a named run that is not there, [`AppError::Invalid`] for one without a pull request, the store's. What
    /// the forge refuses is in the report.
    pub async fn sync(&self, options: &SyncOptions) -> Result<SyncReport, AppError> {
        let mut report = SyncReport::default();
        let watched = self.watched_runs(options, &mut report)?;
        if watched.is_empty() {
            return Ok(report);
        }
        let observed = match self.ports.forge.observe(&watched).await {
            Ok(observed) => observed,
            Err(err) => {
                report.failures.extend(watched.iter().map(|one| SyncFailure::forge(one, &err)));
                return Ok(report);
            }
        };
        for one in &watched {
            let answer = observed.iter().find(|observed| observed.run == one.run);
            let facts = match answer.map(|answer| &answer.facts) {
                Some(Ok(facts)) => facts,
                Some(Err(err)) => {
                    report.failures.push(SyncFailure::forge(one, err));
                    continue;
                }
                None => {
                    let err = ForgeError::Unavailable("it did not answer about this one".to_owned());
                    report.failures.push(SyncFailure::forge(one, &err));
                    continue;
                }
            };
            match self.take_in(&one.run, facts, options.dry_run) {
                Ok((before, run, events)) => report.results.push(synced(one, before, &run, events)),
                Err(err) => report.failures.push(SyncFailure::of(one, &err)),
            }
        }
        Ok(report)
    }

    fn take_in(
        &self,
        id: &RunId,
        facts: &[ForgeFact],
        dry_run: bool,
    ) -> Result<(State, Run, Vec<&'static str>), AppError> {
        let facts = cleaned_facts(facts, self.ports.redaction.as_ref())?;
        let command = Command::Observe { facts };
        let actor = Actor { channel: Channel::Github, name: "sync".to_owned() };
        let run = self.run(id)?;
        let before = run.state;
        if dry_run {
            let ctx = Ctx { now: self.ports.clock.now(), actor };
            let decision = decide(Some(&run), &command, &ctx)
                .map_err(|rejection| super::execute::refused(id, Some(&run), rejection))?;
            let names = decision.events.iter().map(crate::domain::event::Event::name).collect();
            return Ok((before, run, names));
        }
        let executed = self.execute(id, &command, &By::actor(actor))?;
        let names = executed.events.iter().map(|recorded| recorded.event.name()).collect();
        Ok((before, executed.run, names))
    }

    /// The pull requests to ask about. Runs are filtered first and limited afterwards, in turns; one that cannot be read is one failure.
    fn watched_runs(&self, options: &SyncOptions, report: &mut SyncReport) -> Result<Vec<Watched>, AppError> {
        if let Some(only) = &options.only {
            let run = self.run(only)?;
            if run.pr.is_none() {
                return Err(AppError::Invalid(format!(
                    "run `{only}` has no pull request: link one with `agentpr link-pr --run-id {only} --pr-number N`"
                )));
            }
            let watched: Vec<Watched> =
                if run.state.is_terminal() { Vec::new() } else { watched(&run).into_iter().collect() };
            (report.open, report.scanned) = (watched.len(), watched.len());
            return Ok(watched);
        }
        let states = State::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
        let rows = self.ports.store.run_rows(&RunQuery { states, limit: None })?;
        let mut open: Vec<_> = rows.into_iter().filter_map(|row| Some((row.run, row.pr_number?))).collect();
        open.sort();
        report.open = open.len();
        report.scanned = options.limit.unwrap_or(open.len()).min(open.len());
        if !open.is_empty() {
            let turn = usize::try_from(options.pass).unwrap_or(usize::MAX).wrapping_mul(report.scanned);
            let turn = turn % open.len();
            open.rotate_left(turn);
        }
        let mut asked = Vec::with_capacity(report.scanned);
        for (run, pr) in open.into_iter().take(report.scanned) {
            match self.run(&run) {
                Ok(run) => asked.extend(watched(&run)),
                Err(err @ AppError::Store(StoreError::Unavailable { .. })) => return Err(err),
                Err(err) => {
                    report.failures.push(SyncFailure { run, pr, error: err.to_string(), until: None });
                }
            }
        }
        Ok(asked)
    }
}

fn watched(run: &Run) -> Option<Watched> {
    let number = run.pr.as_ref()?.number;
    let repo = match &run.forge.repository {
        Some(repository) => repository.name.clone(),
        None => run.spec.repo.clone(),
    };
    Some(Watched { run: run.id.clone(), spec: run.spec.clone(), repo, number })
}

fn synced(one: &Watched, before: State, run: &Run, events: Vec<&'static str>) -> Synced {
    let (ci, review) = match &run.pushed {
        Some(pushed) => (run.forge.ci(&pushed.sha), run.forge.review(&pushed.sha)),
        None => (CiStatus::Silent, ReviewStatus::Open),
    };
    Synced {
        run: one.run.clone(),
        repo: one.spec.repo.clone(),
        pr: one.number,
        before,
        after: run.state,
        ci,
        review,
        events,
    }
}
