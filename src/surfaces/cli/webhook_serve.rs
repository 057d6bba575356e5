//! `run-github-webhook`: takes deliveries of GitHub's webhooks in, and sees later to those that could not be settled at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::runtime::{self, Asked};
use super::session::Session;
use super::ui::NOTICE;
use super::{Access, words};
use crate::app::doctor::Profile;
use crate::app::{App, AppError};
use crate::config::secret_in;
use crate::surfaces::http::serve::{ServeLimits, serve};
use crate::surfaces::http::signature::Signatures;
use crate::surfaces::http::webhook::{BODY_DEADLINE, Signing, WebhookDoor, nowhere, router};

/// Between two looks for deliveries whose next try is due.
const BEAT: Duration = Duration::from_secs(1);

/// Beats between two looks at deliveries that wait for their pull request.
const WAITING_EVERY: u64 = 30;

/// Beats between two warnings that nothing is signed.
const WARN_EVERY: u64 = 3_600;

/// Beats between two removals of old deliveries.
const FORGET_EVERY: u64 = 86_400;

/// Arguments of `run-github-webhook`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address to listen at [default: webhook.host, or 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port; 0 takes a free one [default: webhook.port, or 8787]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The path deliveries come to [default: webhook.path, or /github/webhook]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The hook's secret; everybody on this machine can read it in the list of processes [variable: AGENTPR_GITHUB_WEBHOOK_SECRET]
    #[arg(long, value_name = "SECRET", conflicts_with = "secret_file")]
    secret: Option<String>,
    /// A file with the hook's secret that only its owner can read [variable: AGENTPR_GITHUB_WEBHOOK_SECRET_FILE]
    #[arg(long, value_name = "PATH")]
    secret_file: Option<PathBuf>,
    /// Take deliveries without signatures where no secret is set; on a loopback address only
    #[arg(long)]
    allow_unsigned: bool,
    /// The longest body that is taken [default: webhook.max_body_bytes, or 25 MiB and 64 KiB]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1024..=268_435_456))]
    max_body_bytes: Option<u64>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let settings = &session.config.webhook;
    let signing = signing(session, args)?;
    let path = args.path.clone().unwrap_or_else(|| settings.path.clone());
    check_path(&path)?;
    let cap = args.max_body_bytes.unwrap_or(settings.max_body_bytes);
    let door = WebhookDoor {
        path: path.clone(),
        signing,
        max_body_bytes: usize::try_from(cap).unwrap_or(usize::MAX),
        body_deadline: BODY_DEADLINE,
    };
    let is_unsigned = matches!(door.signing, Signing::Unsigned);
    let secret_was_set = args.secret.is_none() && args.secret_file.is_none() && !is_unsigned;
    // The gate asks for the variable, which nobody needs who named the secret otherwise.
    let profile = if secret_was_set { Profile::Webhook } else { Profile::Basic };
    let app = Arc::new(session.open_ready(Access::Write, profile)?);
    let host = args.host.clone().unwrap_or_else(|| settings.host.clone());
    let port = args.port.unwrap_or(settings.port);
    let keep = Duration::from_secs(u64::from(settings.keep_days) * 86_400);
    let (served, asked) = runtime::serve(async |stop| {
        let listener = listen(&host, port).await?;
        let at = listener.local_addr().map_err(|err| AppError::Internal(err.to_string()))?;
        if is_unsigned && !at.ip().is_loopback() {
            return Err(AppError::Invalid(format!(
                "--allow-unsigned listens on a loopback address only, such as 127.0.0.1, and `{host}` is none: anybody could make up deliveries"
            )));
        }
        say(session, at, &path, is_unsigned);
        let routes = router(door, Arc::clone(&app)).fallback(nowhere);
        let care = care(&app, keep, is_unsigned, &stop);
        let (report, ()) = tokio::join!(serve(listener, routes, ServeLimits::default(), stop.clone()), care);
        Ok(report)
    })?;
    let report = served?;
    if !session.ui.is_json() {
        session.ui.note(format!("{} answered.", words::count(report.requests, "request")));
    }
    Ok(if matches!(asked, Some(Asked::Interrupt)) { Exit::Interrupted } else { Exit::Ok })
}

/// The secrets in force, or none where that was asked for in so many words.
fn signing(session: &Session<'_>, args: &Args) -> Result<Signing, CliError> {
    let set = &session.config.webhook.secrets;
    let in_file = match &args.secret_file {
        None => None,
        Some(path) => Some(secret_in(path).map_err(|why| {
            let message = format!("the secret cannot be read from `{}`: {why}", path.display());
            CliError::usage(message, "name a file with one line that only its owner can read")
        })?),
    };
    if args.secret.is_some() {
        session.ui.note_pieces(&[
            (NOTICE, "warning: ".into()),
            (
                NOTICE,
                "--secret shows the secret to everybody on this machine; use --secret-file PATH instead"
                    .into(),
            ),
        ]);
    }
    let named = args.secret.as_deref().or(in_file.as_ref().map(|secret| secret.reveal()));
    if named.is_some_and(str::is_empty) {
        return Err(CliError::usage("the secret is empty", SET_A_SECRET));
    }
    // A secret named here takes the place of the one in force; the one before it stays good.
    let rest = if named.is_some() { set.get(1..).unwrap_or_default() } else { set.as_slice() };
    let all: Vec<&str> = named.into_iter().chain(rest.iter().map(|secret| secret.reveal())).collect();
    if !all.is_empty() {
        let signatures = Signatures::new(all).map_err(|err| AppError::Internal(err.to_string()))?;
        return Ok(Signing::Required(signatures));
    }
    if args.allow_unsigned {
        return Ok(Signing::Unsigned);
    }
    Err(CliError::usage("no secret is set, so anybody could make up deliveries", SET_A_SECRET))
}

/// The line to type where there is no secret.
const SET_A_SECRET: &str = "read -rs AGENTPR_GITHUB_WEBHOOK_SECRET && export AGENTPR_GITHUB_WEBHOOK_SECRET, with the secret of the hook's settings; or try it out on this machine with --allow-unsigned";

fn check_path(path: &str) -> Result<(), CliError> {
    let is_path = path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if is_path {
        return Ok(());
    }
    Err(CliError::usage(
        format!("`{path}` is no path that deliveries can come to"),
        "give one such as /github/webhook, of letters, digits and `/-_.~`",
    ))
}

async fn listen(host: &str, port: u16) -> Result<TcpListener, AppError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    TcpListener::bind((host, port))
        .await
        .map_err(|err| AppError::Invalid(format!("nothing can listen at `{host}` port {port}: {err}")))
}

fn say(session: &Session<'_>, at: SocketAddr, path: &str, is_unsigned: bool) {
    let ui = &session.ui;
    let url = format!("http://{at}{path}");
    let warn = |text: &str| ui.note_pieces(&[(NOTICE, "warning: ".into()), (NOTICE, text.to_owned().into())]);
    if is_unsigned {
        warn("UNSIGNED: every program of this machine can make up deliveries here");
    }
    if !at.ip().is_loopback() {
        warn("this is plain HTTP: put a proxy with TLS in front of it, and let nothing else reach it");
    }
    if ui.is_json() {
        ui.document_line(&json!({
            "ok": true,
            "listening": url,
            "host": at.ip().to_string(),
            "port": at.port(),
            "path": path,
            "signed": !is_unsigned,
        }));
    } else {
        ui.line(format!("listening on {url}"));
    }
}

/// Sees to deliveries that are not settled until `stop`; what is under way then is finished.
async fn care(app: &Arc<App>, keep: Duration, is_unsigned: bool, stop: &CancellationToken) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_well = true;
    for count in 0_u64.. {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        if is_unsigned && count > 0 && count.is_multiple_of(WARN_EVERY) {
            tracing::warn!(
                "deliveries are taken without signatures: every program of this machine can make them up"
            );
        }
        let app = Arc::clone(app);
        let cared = tokio::task::spawn_blocking(move || care_once(&app, keep, count)).await;
        let failure = match cared {
            Ok(Ok(())) => None,
            Ok(Err(err)) => Some(err.to_string()),
            Err(_) => Some("it broke off".to_owned()),
        };
        // Said once for each trouble, and not every second while it lasts.
        if let Some(why) = failure.as_ref().filter(|_| was_well) {
            tracing::error!(error = %why, "deliveries that are to be tried again cannot be seen to");
        }
        was_well = failure.is_none();
    }
}

/// Each is done whatever becomes of the others; the first trouble is told.
fn care_once(app: &App, keep: Duration, count: u64) -> Result<(), AppError> {
    let retried = app.retry_deliveries().map(|retried| {
        if retried.tried > 0 {
            tracing::info!(tried = retried.tried, settled = retried.settled, "deliveries were tried again");
        }
    });
    let applied = if count.is_multiple_of(WAITING_EVERY) { app.apply_waiting().map(drop) } else { Ok(()) };
    let forgotten = if count.is_multiple_of(FORGET_EVERY) {
        app.forget_deliveries(crate::app::inbox::GITHUB, keep).map(|gone| {
            if gone > 0 {
                tracing::info!(gone, "old deliveries were forgotten");
            }
        })
    } else {
        Ok(())
    };
    retried.and(applied).and(forgotten)
}
