//! `init-db`: makes the store.

use serde_json::json;

use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::{Access, words};

pub(super) fn execute(session: &Session<'_>) -> Outcome {
    let ui = &session.ui;
    let app = session.open(Access::Create)?;
    let events = app.store().last_seq()?;
    let db = session.config.db.value.display().to_string();
    if ui.is_json() {
        ui.document(&json!({ "ok": true, "db": db, "events": events }));
    } else {
        ui.line(format!("The store is at {db} and holds {}.", words::count(events.0, "event")));
        ui.line(format!("next: {}", ui.command("agentpr doctor")));
    }
    Ok(Exit::Ok)
}
