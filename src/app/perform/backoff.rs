//! Trying again when the remote did not answer.

use std::time::Duration;

use crate::ports::forge::ForgeError;

/// Waits between tries that could not reach the remote: three tries in four seconds, then a person is told.
pub(super) const BACKOFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Waits, when there is a wait left and the error may pass; otherwise gives the error back.
pub(super) async fn wait_or_give_up(err: ForgeError, wait: Option<Duration>) -> Result<(), ForgeError> {
    match wait {
        Some(wait) if err.is_transient() => {
            tokio::time::sleep(wait).await;
            Ok(())
        }
        _ => Err(err),
    }
}
