//! `gc`: gives back what finished runs left on the disk; events stay.

use std::time::Duration;

use serde_json::json;

use super::error::Outcome;
use super::exit::Exit;
use super::session::Session;
use super::{Access, runtime, words};
use crate::app::gc::GcOrder;

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only runs that ended so many days ago
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=36_500))]
    older_than_days: u64,
    /// Prompts, logs and request files too
    #[arg(long)]
    artifacts: bool,
    /// Only say which runs it would be
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Write)?;
    let order = GcOrder {
        older_than: Duration::from_secs(args.older_than_days * 86_400),
        artifacts: args.artifacts,
        dry_run: args.dry_run,
    };
    let lines = runtime::block_on(async |_| app.gc(&order).await)?;
    let freed = lines.iter().map(|line| line.bytes).sum();
    let ui = &session.ui;
    if ui.is_json() {
        let runs: Vec<_> =
            lines.iter().map(|line| json!({ "run_id": line.run.as_str(), "bytes": line.bytes })).collect();
        ui.document(&json!({ "ok": true, "dry_run": args.dry_run, "runs": runs, "bytes": freed }));
        return Ok(Exit::Ok);
    }
    if !lines.is_empty() {
        let rows = lines.iter().map(|line| vec![line.run.to_string(), words::size(line.bytes)]).collect();
        ui.table(&["RUN", "FREED"], rows);
    }
    if args.dry_run {
        ui.line(format!(
            "{} would be cleaned; nothing was removed.",
            words::count(lines.len() as u64, "run")
        ));
    } else {
        ui.line(format!(
            "{} freed of {}; the events stay.",
            words::size(freed),
            words::count(lines.len() as u64, "run")
        ));
    }
    Ok(Exit::Ok)
}
