//! The demo's own receiver of webhooks: the program's, in this process, behind a secret that only the fake knows.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::app::{App, AppError, FakePlace};
use crate::surfaces::cli::error::CliError;
use crate::surfaces::cli::runtime::Background;
use crate::surfaces::http::serve::{ServeLimits, serve};
use crate::surfaces::http::signature::Signatures;
use crate::surfaces::http::webhook::{BODY_DEADLINE, Signing, WebhookDoor, nowhere, router};

/// The path of deliveries.
const PATH: &str = "/github/webhook";

/// Takes deliveries in, on a free port of this machine; gives their address.
pub(super) fn listen(background: &Background, app: &Arc<App>, place: &FakePlace) -> Result<String, CliError> {
    let signatures =
        Signatures::new([place.secret.as_str()]).map_err(|err| AppError::Internal(err.to_string()))?;
    let door = WebhookDoor {
        path: PATH.to_owned(),
        signing: Signing::Required(signatures),
        max_body_bytes: 1024 * 1024,
        body_deadline: BODY_DEADLINE,
    };
    let bound = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    });
    let no_port =
        |err: std::io::Error| AppError::Internal(format!("nothing can listen on this machine: {err}"));
    let (at, listener) = bound.map_err(no_port)?;
    let routes = router(door, Arc::clone(app)).fallback(nowhere);
    background.begin(|stop| async move {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                serve(listener, routes, ServeLimits::default(), stop).await;
            }
            Err(err) => tracing::error!(error = %err, "deliveries cannot be taken in"),
        }
    });
    Ok(format!("http://{at}{PATH}"))
}
