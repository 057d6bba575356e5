//! `webhook` and `cleanup-webhook-deliveries`: what came in, what became of it, and what did not come.

use serde_json::json;

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, GOOD, NOTICE};
use super::webhook_view::{document, kind_of, row_cells, show_row, status_document, status_lines};
use super::{Access, webhook_reconcile};
use crate::app::App;
use crate::app::inbox::care::{DeliveryQuery, DeliveryRow, KEPT_AT_LEAST};
use crate::app::inbox::{GITHUB, Received};
use crate::domain::forge::delivery::{DeliveryId, DeliveryStatus};

/// What is done with deliveries.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show which hooks send what, and what became of their deliveries
    Status,
    /// List deliveries, the newest first
    List(ListArgs),
    /// Show one delivery
    Show(ShowArgs),
    /// Process a delivery again that could not be processed, or waits
    Replay(OneArgs),
    /// Ask GitHub what it sent to hooks of ours, and take in what did not come
    Reconcile(webhook_reconcile::Args),
}

/// Arguments of `webhook list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only deliveries of this status; may be repeated
    #[arg(long = "status", value_name = "STATUS", value_parser = status)]
    statuses: Vec<DeliveryStatus>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Arguments of `webhook show`.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The delivery
    #[arg(value_name = "ID", value_parser = delivery)]
    id: DeliveryId,
    /// Print its body too, where it was kept
    #[arg(long)]
    body: bool,
}

/// Arguments that name one delivery.
#[derive(Debug, clap::Args)]
pub(super) struct OneArgs {
    /// The delivery
    #[arg(value_name = "ID", value_parser = delivery)]
    id: DeliveryId,
}

/// Arguments of `cleanup-webhook-deliveries`.
#[derive(Debug, clap::Args)]
pub(super) struct CleanupArgs {
    /// Whose deliveries
    #[arg(long, value_name = "SOURCE", default_value = GITHUB, value_parser = [GITHUB])]
    source: String,
    /// Days a delivery is kept, at least 7
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    keep_days: u32,
}

fn delivery(text: &str) -> Result<DeliveryId, String> {
    DeliveryId::new(text).map_err(|err| err.to_string())
}

fn status(text: &str) -> Result<DeliveryStatus, String> {
    DeliveryStatus::of(text).ok_or_else(|| {
        let names: Vec<&str> = DeliveryStatus::ALL.iter().map(|status| status.name()).collect();
        format!("a status is one of {}", names.join(", "))
    })
}

pub(super) fn execute(session: &Session<'_>, command: &Command) -> Outcome {
    match command {
        Command::Status => show_status(session),
        Command::List(args) => list(session, args),
        Command::Show(args) => show(session, args),
        Command::Replay(args) => replay(session, &args.id),
        Command::Reconcile(args) => webhook_reconcile::execute(session, args),
    }
}

fn show_status(session: &Session<'_>) -> Outcome {
    let app = session.open(Access::Read)?;
    let status = app.inbox_status()?;
    if session.ui.is_json() {
        session.ui.document(&status_document(&status));
    } else {
        status_lines(session, &status, app.now().wall);
    }
    Ok(Exit::Ok)
}

fn list(session: &Session<'_>, args: &ListArgs) -> Outcome {
    let app = session.open(Access::Read)?;
    let query = DeliveryQuery {
        source: GITHUB.to_owned(),
        statuses: args.statuses.clone(),
        limit: usize::try_from(args.limit).ok(),
        ..DeliveryQuery::default()
    };
    let rows = app.deliveries(&query)?;
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&json!({ "ok": true, "deliveries": rows.iter().map(document).collect::<Vec<_>>() }));
    } else if rows.is_empty() {
        ui.line("There are no such deliveries.");
    } else {
        let now = app.now().wall;
        let cells = rows.iter().map(|row| row_cells(row, now)).collect();
        ui.table(&["DELIVERY", "EVENT", "STATUS", "AGE", "RUNS", "WHY"], cells);
    }
    Ok(Exit::Ok)
}

fn show(session: &Session<'_>, args: &ShowArgs) -> Outcome {
    let app = session.open(Access::Read)?;
    let row = known(&app, &args.id)?;
    let body = if args.body { Some(app.delivery_body(&args.id)?) } else { None };
    // Whatever it is, it is printed as text: what a terminal obeys is written out.
    let body = body.map(|body| body.map(|body| String::from_utf8_lossy(&body).into_owned()));
    if session.ui.is_json() {
        let mut shown = document(&row);
        if let (Some(fields), Some(body)) = (shown.as_object_mut(), body) {
            fields.insert("body".to_owned(), body.into());
        }
        session.ui.document(&shown);
        return Ok(Exit::Ok);
    }
    show_row(session, &row);
    match body {
        None => {}
        Some(None) => session.ui.line("Its body was not kept."),
        Some(Some(body)) => session.ui.block(&body),
    }
    Ok(Exit::Ok)
}

fn replay(session: &Session<'_>, id: &DeliveryId) -> Outcome {
    let app = session.open(Access::Write)?;
    known(&app, id)?;
    let received = app.replay_delivery(id)?;
    let (exit, style, text) = match &received {
        Received::Kept(kept) if kept.status == DeliveryStatus::Waiting => {
            (Exit::Ok, NOTICE, format!("It still waits: {}.", kept.detail))
        }
        Received::Kept(kept) => (Exit::Ok, GOOD, format!("It is {} now.", kept.status.name())),
        Received::Duplicate => (Exit::Ok, GOOD, "It was settled already; nothing was done.".to_owned()),
        Received::OtherBody => (Exit::Conflict, BAD, "It is known with other bytes.".to_owned()),
        Received::Malformed(misfit) => (Exit::Failed, BAD, format!("It cannot be read: {misfit}")),
        Received::Failed(why) => (Exit::Failed, BAD, format!("It failed again: {why}")),
        Received::Unavailable(why) => (Exit::Later, BAD, format!("It cannot be kept now: {why}")),
    };
    let ui = &session.ui;
    if ui.is_json() {
        let told = match &received {
            Received::Kept(kept) => kept
                .told
                .iter()
                .map(|told| {
                    json!({
                        "run_id": told.run.as_str(),
                        "state_before": told.before.name(),
                        "state": told.after.name(),
                        "events": told.events,
                    })
                })
                .collect(),
            _ => Vec::new(),
        };
        ui.document(&json!({
            "ok": exit == Exit::Ok,
            "delivery": id.as_str(),
            "outcome": kind_of(&received),
            "detail": text,
            "results": told,
        }));
        return Ok(exit);
    }
    ui.styled(style, text);
    if let Received::Kept(kept) = &received {
        for told in &kept.told {
            let events = told.events.join(", ");
            ui.line(format!("Run {}: {} to {} ({events})", told.run, told.before, told.after));
        }
    }
    Ok(exit)
}

fn known(app: &App, id: &DeliveryId) -> Result<DeliveryRow, CliError> {
    let absent = || CliError::absent(format!("no delivery `{id}` is known"), "agentpr webhook list");
    app.delivery(id)?.ok_or_else(absent)
}

pub(super) fn cleanup(session: &Session<'_>, args: &CleanupArgs) -> Outcome {
    let keep = std::time::Duration::from_secs(u64::from(args.keep_days) * 86_400);
    if keep < KEPT_AT_LEAST {
        return Err(CliError::usage(
            format!(
                "--keep-days {} is too short: a forge sends deliveries again for days, and one that was forgotten would be taken for new",
                args.keep_days
            ),
            "keep them 7 days or more",
        ));
    }
    let app = session.open(Access::Write)?;
    let deleted = app.forget_deliveries(&args.source, keep)?;
    if session.ui.is_json() {
        session.ui.document(&json!({
            "ok": true,
            "source": args.source,
            "keep_days": args.keep_days,
            "deleted": deleted,
        }));
    } else {
        session.ui.line(format!("{deleted} deliveries forgotten; the events they brought stay."));
    }
    Ok(Exit::Ok)
}
