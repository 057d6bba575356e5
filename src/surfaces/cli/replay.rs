//! `replay`: a run as it was at some event or time, folded from the log alone.

use std::str::FromStr;

use super::arg::RunOption;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, show, words};
use crate::app::AppError;
use crate::app::views::{RunDetail, advice};
use crate::domain::event::Recorded;
use crate::domain::id::{EventSeq, RepoSlug, Version};
use crate::domain::projection::{ArtifactRow, AttemptRow, UsageRow};
use crate::domain::run::Run;
use crate::domain::time::{Moment, Timestamp};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOption,
    /// An event's number, or a time as RFC 3339; the end of the log when left out
    #[arg(long, value_name = "SEQ|TIME")]
    to: Option<Point>,
}

/// A place in the log.
#[derive(Debug, Clone, Copy)]
enum Point {
    Seq(EventSeq),
    Time(Timestamp),
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(EventSeq(seq)));
        }
        words::moment(text).map(Self::Time).ok_or_else(|| {
            "it is neither an event's number nor a time such as 2026-01-31T12:00:00Z".to_owned()
        })
    }
}

impl Point {
    fn is_reached_by(self, recorded: &Recorded) -> bool {
        match self {
            Self::Seq(seq) => recorded.seq <= seq,
            Self::Time(at) => recorded.at <= at,
        }
    }
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let run_id = &args.run.run_id;
    let app = session.open(Access::Read)?;
    let mut events = app.store().events_of(run_id, Version(0))?;
    if events.is_empty() {
        return Err(AppError::NoSuchRun(run_id.clone()).into());
    }
    // The wall clock may have gone backwards, so the log is cut at the first event that is too late.
    let end = args.to.and_then(|to| events.iter().position(|recorded| !to.is_reached_by(recorded)));
    events.truncate(end.unwrap_or(events.len()));
    let run = Run::fold(&events).map_err(AppError::from)?;
    let Some(run) = run else {
        return Err(CliError::absent(
            format!("run `{run_id}` was not there yet"),
            format!("agentpr events {run_id}"),
        ));
    };
    let then = Moment { wall: run.updated_at, boot: String::new(), monotonic_ms: 0 };
    let detail = RunDetail {
        advice: advice(&run, &then),
        at_work: None,
        attempts: attempts(&events),
        usage: usage(&events, &run.spec.repo),
        artifacts: events.iter().filter_map(ArtifactRow::of).collect(),
        digest: app.digest_of(run.last_seq)?,
        run,
    };
    if !session.ui.is_json() {
        let (seq, at) = (detail.run.last_seq, words::when(detail.run.updated_at));
        session
            .ui
            .line(format!("As it was after event {seq}, recorded at {at}; nothing is read but the log."));
    }
    show::render(&session.ui, &detail, &then, None);
    Ok(Exit::Ok)
}

fn usage(events: &[Recorded], repo: &RepoSlug) -> Vec<UsageRow> {
    let mut rows: Vec<UsageRow> = Vec::new();
    for recorded in events {
        rows.extend(UsageRow::birth(recorded, repo));
        for row in &mut rows {
            row.apply(recorded);
        }
    }
    rows.retain(UsageRow::is_telling);
    rows
}

fn attempts(events: &[Recorded]) -> Vec<AttemptRow> {
    let mut rows: Vec<AttemptRow> = Vec::new();
    for recorded in events {
        rows.extend(AttemptRow::birth(recorded));
        for row in &mut rows {
            row.apply(recorded);
        }
    }
    rows
}
