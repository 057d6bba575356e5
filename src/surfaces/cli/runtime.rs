//! Running an effect to its end, or to Ctrl-C.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Runtime;
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

/// Asks a person, on a thread of its own, so that a signal ends the wait for an answer too.
///
/// # Errors
/// What asking met, or [`CliError::Interrupted`].
pub(super) fn ask<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    let answered = block_on(async |stop| {
        tokio::select! {
            () = stop.cancelled() => Ok(None),
            answer = tokio::task::spawn_blocking(question) => {
                answer.map(Some).map_err(|err| AppError::Internal(err.to_string()))
            }
        }
    })?;
    answered.unwrap_or(Err(CliError::Interrupted))
}

/// How long what goes on in the background has to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Work that goes on beside what this thread does, and an ear for signals all the while. What goes on is asked to end when this is
/// dropped, and ends then.
pub(super) struct Background {
    runtime: Option<Runtime>,
    stop: CancellationToken,
    heard: CancellationToken,
}

impl Background {
    /// Begins to listen for signals; from now on none ends the process by itself.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new() -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|err| CliError::from(AppError::Internal(err.to_string())))?;
        let heard = CancellationToken::new();
        let hears = heard.clone();
        runtime.block_on(async {
            let mut interrupt = listen(SignalKind::interrupt())?;
            let mut terminate = listen(SignalKind::terminate())?;
            let mut hangup = listen(SignalKind::hangup())?;
            tokio::spawn(async move {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                hears.cancel();
            });
            Ok::<(), AppError>(())
        })?;
        Ok(Self { runtime: Some(runtime), stop: CancellationToken::new(), heard })
    }

    /// Begins something that goes on until its token is triggered.
    pub(super) fn begin<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl FnOnce(CancellationToken) -> F,
    ) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work(self.stop.clone()));
        }
    }

    /// Says whether nobody asked for the end yet.
    ///
    /// # Errors
    /// [`CliError::Interrupted`] once somebody did.
    pub(super) fn go_on(&self) -> Result<(), CliError> {
        if self.heard.is_cancelled() { Err(CliError::Interrupted) } else { Ok(()) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LAST_WORDS);
        }
    }
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AppError> {
    signal(kind).map_err(|err| AppError::Internal(format!("signals cannot be listened for: {err}")))
}
