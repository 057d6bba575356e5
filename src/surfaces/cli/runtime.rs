//! Running an effect to its end, or to Ctrl-C.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use crate::app::AppError;

/// Runs `work` on a small runtime; SIGINT and SIGTERM trigger the token it is given, and it then ends in its own time, with
/// everything it began recorded.
///
/// # Errors
/// What the work met, or [`CliError::Interrupted`] when a signal came before it ended.
pub(super) fn block_on<T>(
    work: impl AsyncFnOnce(CancellationToken) -> Result<T, AppError>,
) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|err| CliError::from(AppError::Internal(err.to_string())))?;
    let stop = CancellationToken::new();
    let result = runtime.block_on(async {
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let work = work(stop.clone());
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                _ = interrupt.recv() => stop.cancel(),
                _ = terminate.recv() => stop.cancel(),
            }
        }
    });
    if stop.is_cancelled() { Err(CliError::Interrupted) } else { Ok(result?) }
}

/// Runs a look at the world that changes nothing, on this thread; Ctrl-C ends the process at once.
///
/// # Errors
/// What it met.
pub(super) fn look<T>(work: impl Future<Output = Result<T, AppError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|err| CliError::from(AppError::Internal(err.to_string())))?;
    Ok(runtime.block_on(work)?)
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AppError> {
    signal(kind).map_err(|err| AppError::Internal(format!("signals cannot be listened for: {err}")))
}
