//! Watching a run while this process works on it: one line per event, and a sign of life on a terminal.

use std::future::Future;
use std::ops::ControlFlow;

use tokio_util::sync::CancellationToken;

use super::ui::Ui;
use crate::app::{App, AppError};
use crate::domain::event::Recorded;
use crate::domain::id::{EventSeq, RunId};

/// Does `work` and prints each event of `run` after `after` as it is recorded; with `--json` nothing but the result is
/// printed, and that by the caller.
///
/// # Errors
/// What the work met.
pub(super) async fn watched<T>(
    ui: &Ui,
    app: &App,
    run: &RunId,
    after: EventSeq,
    work: impl Future<Output = Result<T, AppError>>,
) -> Result<T, AppError> {
    watched_log(ui, app, Some(run), after, work).await
}

/// As [`watched`], with the events of all runs where none is named.
///
/// # Errors
/// What the work met.
pub(super) async fn watched_log<T>(
    ui: &Ui,
    app: &App,
    run: Option<&RunId>,
    after: EventSeq,
    work: impl Future<Output = Result<T, AppError>>,
) -> Result<T, AppError> {
    if ui.is_json() {
        return work.await;
    }
    let spinner = ui.spinner("working");
    let ended = CancellationToken::new();
    let mut visit = |recorded: &Recorded| {
        spinner.suspend(|| ui.event_line(recorded));
        spinner.message(recorded.state.name());
        ControlFlow::Continue(())
    };
    let work = async {
        let result = work.await;
        ended.cancel();
        result
    };
    let (result, followed) = tokio::join!(work, app.follow_log(after, run, &mut visit, &ended));
    let result = result?;
    followed?;
    Ok(result)
}
