//! `diff`: a run's newest change against the commit it is built on.

use serde_json::json;

use super::arg::RunArg;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, GOOD, NOTICE, PLAIN, STRONG, Ui};
use super::{Access, runtime, words};

/// Bytes of diff that are shown: more than a person reads, and little enough for any terminal.
const LIMIT: usize = 4 * 1024 * 1024;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// Only the size of the change
    #[arg(long)]
    stat: bool,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let run_id = args.run.get()?;
    let app = session.open(Access::Read)?;
    let run = app.run(run_id)?;
    let ui = &session.ui;
    if args.stat {
        let change = run.change.as_ref().ok_or_else(|| {
            CliError::absent(
                format!("run `{run_id}` has no captured change"),
                format!("agentpr why {run_id}"),
            )
        })?;
        if ui.is_json() {
            ui.document(
                &json!({ "run_id": run_id.as_str(), "head_sha": change.head_sha, "stat": change.stat }),
            );
        } else {
            ui.line(format!("{}: {}", change.head_sha.short(), words::diffstat(&change.stat)));
        }
        return Ok(Exit::Ok);
    }
    let (bytes, cut) = runtime::look(app.diff(run_id, LIMIT))?;
    let raw = String::from_utf8_lossy(&bytes);
    let text = session.ui.masked(&raw);
    if ui.is_json() {
        ui.document(
            &json!({ "run_id": run_id.as_str(), "change": run.change, "diff": text, "truncated": cut }),
        );
        return Ok(Exit::Ok);
    }
    coloured(ui, &text);
    if cut {
        ui.note(format!("note: the diff is longer than {} and was cut", words::size(LIMIT as u64)));
    }
    Ok(Exit::Ok)
}

fn coloured(ui: &Ui, text: &str) {
    for line in text.lines() {
        let style = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => STRONG,
            [b'd', b'i', b'f', b'f', b' ', ..] => STRONG,
            [b'+', ..] => GOOD,
            [b'-', ..] => BAD,
            [b'@', b'@', ..] => NOTICE,
            _ => PLAIN,
        };
        ui.styled(style, line);
        if ui.is_closed() {
            return;
        }
    }
}
