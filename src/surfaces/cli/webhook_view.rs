//! Deliveries and hooks as people and machines see them.

use serde_json::{Value, json};

use super::session::Session;
use super::ui::{BAD, NOTICE, STRONG};
use super::words;
use crate::app::inbox::Received;
use crate::app::inbox::care::{DeliveryRow, HookRow, InboxStatus};
use crate::app::inbox::needed::missing;
use crate::domain::forge::delivery::{DeliveryOrigin, DeliveryStatus};
use crate::domain::time::Timestamp;

/// A delivery for machines, without its bytes.
pub(super) fn document(row: &DeliveryRow) -> Value {
    json!({
        "delivery": row.id.as_str(),
        "source": row.source,
        "origin": origin(row.origin),
        "event": row.event,
        "hook_id": row.hook,
        "payload_sha256": row.digest.as_str(),
        "received_at": words::when(row.received_at),
        "status": row.status.name(),
        "detail": row.detail,
        "runs": row.runs.iter().map(|run| run.as_str()).collect::<Vec<_>>(),
        "tries": row.tries,
        "next_at": row.next_at.map(words::when),
    })
}

/// A delivery as a row of a table.
pub(super) fn row_cells(row: &DeliveryRow, now: Timestamp) -> Vec<String> {
    let runs: Vec<&str> = row.runs.iter().map(|run| run.as_str()).collect();
    vec![
        row.id.to_string(),
        row.event.clone(),
        row.status.name().to_owned(),
        words::span(now.since(row.received_at)),
        words::short(&runs.join(" "), 40),
        words::short(&row.detail, 60),
    ]
}

/// A delivery in full.
pub(super) fn show_row(session: &Session<'_>, row: &DeliveryRow) {
    let ui = &session.ui;
    ui.styled(STRONG, format!("Delivery {}", row.id));
    ui.field("event", &row.event);
    ui.field("came", format!("{} ({})", words::when(row.received_at), origin(row.origin)));
    if let Some(hook) = row.hook {
        ui.field("hook", hook.to_string());
    }
    ui.field("sha256", row.digest.as_str());
    ui.field("status", row.status.name());
    if !row.detail.is_empty() {
        ui.field("why", &row.detail);
    }
    if row.tries > 0 {
        ui.field("tries", row.tries.to_string());
    }
    if let Some(next) = row.next_at {
        ui.field("next try", words::when(next));
    }
    for run in &row.runs {
        ui.field("told", format!("run {run}"));
    }
    if matches!(row.status, DeliveryStatus::Failed | DeliveryStatus::Dead | DeliveryStatus::Waiting) {
        ui.line(format!("next: {}", ui.command(&format!("agentpr webhook replay {}", row.id))));
    }
}

fn origin(origin: DeliveryOrigin) -> &'static str {
    match origin {
        DeliveryOrigin::Webhook => "webhook",
        DeliveryOrigin::Reconciled => "reconciled",
    }
}

/// A stable word for what came of a delivery.
pub(super) fn kind_of(received: &Received) -> &'static str {
    match received {
        Received::Kept(kept) => kept.status.name(),
        Received::Duplicate => "duplicate",
        Received::OtherBody => "other_body",
        Received::Malformed(_) => "malformed",
        Received::Failed(_) => "failed",
        Received::Unavailable(_) => "unavailable",
    }
}

/// What is known of deliveries and hooks, for machines.
pub(super) fn status_document(status: &InboxStatus) -> Value {
    let counts: serde_json::Map<String, Value> =
        status.counts.iter().map(|(status, count)| (status.name().to_owned(), (*count).into())).collect();
    let hook = |hook: &HookRow| {
        json!({
            "hook_id": hook.id,
            "repo": hook.repo,
            "events": hook.events,
            "missing_events": missing(&hook.events),
            "seen_at": words::when(hook.seen_at),
        })
    };
    let incidents = status.incidents.iter().map(|incident| {
        json!({
            "at": words::when(incident.at),
            "kind": incident.kind,
            "delivery": incident.delivery.as_str(),
            "detail": incident.detail,
        })
    });
    json!({
        "ok": true,
        "source": "github",
        "counts": counts,
        "newest": status.newest.as_ref().map(document),
        "hooks": status.hooks.iter().map(hook).collect::<Vec<_>>(),
        "incidents": incidents.collect::<Vec<_>>(),
    })
}

/// The same for people.
pub(super) fn status_lines(session: &Session<'_>, status: &InboxStatus, now: Timestamp) {
    let ui = &session.ui;
    match &status.newest {
        None => ui.line("No delivery has come in yet."),
        Some(newest) => {
            let age = words::span(now.since(newest.received_at));
            ui.line(format!("The newest delivery came {age} ago: {} {}.", newest.event, newest.id));
        }
    }
    for (status, count) in status.counts.iter().filter(|(_, count)| *count > 0) {
        ui.field(status.name(), count.to_string());
    }
    if status.hooks.is_empty() {
        ui.line("No hook has said who it is: GitHub sends a ping when one is made, or when it is asked to.");
    }
    for hook in &status.hooks {
        let whose = hook.repo.as_deref().unwrap_or("an organisation");
        let age = words::span(now.since(hook.seen_at));
        ui.line(format!("Hook {} of {whose} said {age} ago what it sends.", hook.id));
        let missing = missing(&hook.events);
        if !missing.is_empty() {
            ui.styled(NOTICE, format!("  It does not send: {}.", missing.join(", ")));
        }
    }
    for incident in &status.incidents {
        ui.styled(BAD, format!("{} {}: {}", words::when(incident.at), incident.kind, incident.detail));
    }
    if status.counts.iter().any(|(status, count)| *status == DeliveryStatus::Dead && *count > 0) {
        ui.line(format!("next: {}", ui.command("agentpr webhook list --status dead")));
    }
}
