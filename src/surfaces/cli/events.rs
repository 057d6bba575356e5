//! `events`: the log, as it is or as it grows.

use std::ops::ControlFlow;

use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::{Access, runtime};
use crate::domain::event::Recorded;
use crate::domain::id::{EventSeq, RunId};

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this run
    #[arg(value_name = "RUN", conflicts_with = "run_id")]
    run: Option<RunId>,
    /// Only this run, as a named option
    #[arg(long, value_name = "RUN")]
    run_id: Option<RunId>,
    /// Only events after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
    /// Go on with what is appended, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Read)?;
    let run = args.run.as_ref().or(args.run_id.as_ref());
    if let Some(run) = run {
        app.run(run)?;
    }
    let ui = &session.ui;
    let mut visit = |recorded: &Recorded| {
        ui.event_line(recorded);
        if ui.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let after = EventSeq(args.after);
    if args.follow {
        runtime::block_on(async |stop| app.follow_log(after, run, &mut visit, &stop).await)?;
    } else {
        let _end = app.read_log(after, run, &mut visit)?;
    }
    Ok(Exit::Ok)
}
