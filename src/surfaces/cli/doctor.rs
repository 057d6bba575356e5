//! `doctor` and `run-preflight`: is this machine, or this workspace, ready?

use serde_json::{Value, json};

use super::Access;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, Ui};
use crate::app::doctor::{Finding, Report};
use crate::app::{AppError, StoreError};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Do not ask for the network
    #[arg(long)]
    pub(super) skip_network_check: bool,
    /// Seconds a host may take to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) network_timeout_sec: f64,
    /// Do not ask for a login at GitHub
    #[arg(long)]
    no_require_gh_auth: bool,
    /// Ask for the program `codex`
    #[arg(long)]
    require_codex: bool,
    /// Ask for AGENTPR_TELEGRAM_BOT_TOKEN
    #[arg(long)]
    require_telegram_token: bool,
    /// Ask for AGENTPR_GITHUB_WEBHOOK_SECRET
    #[arg(long)]
    require_webhook_secret: bool,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    check_timeout(args.network_timeout_sec)?;
    let required: Vec<String> = args.require_codex.then(|| "codex".to_owned()).into_iter().collect();
    let mut report = look(session, &required)?;
    let secrets = [
        (args.require_telegram_token, "AGENTPR_TELEGRAM_BOT_TOKEN"),
        (args.require_webhook_secret, "AGENTPR_GITHUB_WEBHOOK_SECRET"),
    ];
    for (required, name) in secrets {
        if required {
            report.findings.push(variable(session, name));
        }
    }
    if !args.skip_network_check {
        report.warnings.push(
            "the network was not asked: whether a remote answers shows when a run is prepared".to_owned(),
        );
    }
    if session.ui.is_json() {
        let mut shown = document(&report);
        if let Some(fields) = shown.as_object_mut() {
            let context = json!({
                "workspace_root": session.config.workspace_root.value,
                "db": session.config.db.value,
                "check_network": !args.skip_network_check,
                "network_timeout_sec": args.network_timeout_sec,
                "require_gh_auth": !args.no_require_gh_auth,
                "require_codex": args.require_codex,
                "require_telegram_token": args.require_telegram_token,
                "require_webhook_secret": args.require_webhook_secret,
            });
            fields.insert("context".to_owned(), context);
        }
        session.ui.document(&shown);
    } else {
        render(&session.ui, &report);
    }
    Ok(if report.is_ok() { Exit::Ok } else { Exit::NotReady })
}

/// Refuses a number of seconds nobody can wait for.
pub(super) fn check_timeout(seconds: f64) -> Result<(), CliError> {
    if seconds.is_finite() && seconds > 0.0 {
        return Ok(());
    }
    Err(CliError::usage("--network-timeout-sec must be more than 0", "give a number of seconds, such as 5"))
}

/// Looks at the machine, also where there is no store yet: then over an empty one that is gone afterwards.
fn look(session: &Session<'_>, required: &[String]) -> Result<Report, CliError> {
    let db = session.config.db.value.display().to_string();
    let store = |ok, detail, remedy: &str| Finding {
        name: "store".to_owned(),
        ok,
        detail,
        remedy: remedy.to_owned(),
    };
    match session.open(Access::Read) {
        Ok(app) => {
            let mut report = app.doctor(required);
            report.findings.push(store(true, db, ""));
            Ok(report)
        }
        Err(CliError::App(AppError::Store(StoreError::Missing(_)))) => {
            let directory = tempfile::tempdir().map_err(|err| {
                CliError::from(AppError::Invalid(format!("no temporary directory can be made: {err}")))
            })?;
            let mut report = session.open_elsewhere(&directory.path().join("doctor.db"))?.doctor(required);
            let missing = store(false, format!("{db} is not there"), &session.ui.command("agentpr init-db"));
            report.findings.push(missing);
            Ok(report)
        }
        Err(err) => Err(err),
    }
}

fn variable(session: &Session<'_>, name: &str) -> Finding {
    let ok = session.config.parent_env.get(name).is_some_and(|value| !value.trim().is_empty());
    let (detail, remedy) = if ok { ("set", String::new()) } else { ("not set", format!("set {name}")) };
    Finding { name: format!("env.{name}"), ok, detail: detail.to_owned(), remedy }
}

/// A report for machines, with the fields the seed had.
pub(super) fn document(report: &Report) -> Value {
    let failures: Vec<String> =
        failing(report).map(|finding| format!("{}: {}", finding.name, finding.detail)).collect();
    let checks: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({ "name": finding.name, "ok": finding.ok, "detail": finding.detail, "remedy": finding.remedy })
        })
        .collect();
    json!({ "ok": report.is_ok(), "failures": failures, "warnings": report.warnings, "checks": checks })
}

/// A report for people.
pub(super) fn render(ui: &Ui, report: &Report) {
    for finding in &report.findings {
        let (style, mark) = if finding.ok { (GOOD, "ok    ") } else { (BAD, "failed") };
        ui.pieces(&[
            (style, mark.into()),
            (PLAIN, format!("  {:<24}", finding.name).into()),
            (FAINT, finding.detail.as_str().into()),
        ]);
        if !finding.remedy.is_empty() {
            ui.pieces(&[(PLAIN, "        ".into()), (NOTICE, finding.remedy.as_str().into())]);
        }
    }
    for warning in &report.warnings {
        ui.pieces(&[(NOTICE, "note    ".into()), (PLAIN, warning.as_str().into())]);
    }
}

/// What is not as it should be, with its remedy, beside an error.
pub(super) fn note_failures(ui: &Ui, report: &Report) {
    for finding in failing(report) {
        ui.note_pieces(&[
            (PLAIN, format!("  {}: {}", finding.name, finding.detail).into()),
            (NOTICE, format!(" ({})", finding.remedy).into()),
        ]);
    }
}

fn failing(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(|finding| !finding.ok)
}
