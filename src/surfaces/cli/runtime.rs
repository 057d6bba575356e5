//! Running an effect to its end, or to Ctrl-C.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use crate::app::AppError;

/// Which signal asked a service to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A person's Ctrl-C.
    Interrupt,
    /// A supervisor's order.
    Terminate,
}

/// Runs `work` on a small runtime; SIGINT and SIGTERM trigger the token it is given, and it then ends in its own time, with
/// everything it began recorded. A second signal ends it where it is: the next start goes on from the log.
///
/// # Errors
/// What the work met, or [`CliError::Interrupted`] when a signal came before it ended.
pub(super) fn block_on<T>(
    work: impl AsyncFnOnce(CancellationToken) -> Result<T, AppError>,
) -> Result<T, CliError> {
    match serve(work)? {
        (result, None) => Ok(result?),
        (_, Some(_)) => Err(CliError::Interrupted),
    }
}

/// As [`block_on`], for work that ends because it is asked to: what it came to, and which signal asked first.
///
/// # Errors
/// [`CliError::Interrupted`] when a second signal came before it ended, the system's when there is no runtime.
pub(super) fn serve<T>(
    work: impl AsyncFnOnce(CancellationToken) -> Result<T, AppError>,
) -> Result<(Result<T, AppError>, Option<Asked>), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|err| CliError::from(AppError::Internal(err.to_string())))?;
    let stop = CancellationToken::new();
    let ended = runtime.block_on(async {
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let work = work(stop.clone());
        tokio::pin!(work);
        let mut first = None;
        loop {
            let asked = tokio::select! {
                result = &mut work => return Ok((result, first)),
                _ = interrupt.recv() => Asked::Interrupt,
                _ = terminate.recv() => Asked::Terminate,
            };
            if first.is_some() {
                return Err(CliError::Interrupted);
            }
            first = Some(asked);
            stop.cancel();
        }
    });
    // Whatever blocks, such as git waiting for a remote, is not waited for; the log knows what was under way.
    runtime.shutdown_background();
    ended
}

/// Runs a look at the world that changes nothing, on this thread; Ctrl-C ends the process at once.
///
/// # Errors
/// What it met.
pub(super) fn look<T>(work: impl Future<Output = Result<T, AppError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|err| CliError::from(AppError::Internal(err.to_string())))?;
    let result = runtime.block_on(work);
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    Ok(result?)
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AppError> {
    signal(kind).map_err(|err| AppError::Internal(format!("signals cannot be listened for: {err}")))
}
