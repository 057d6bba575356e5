//! `doctor` and what every look at machine or workspace is printed with.

use std::time::Duration;

use serde_json::{Value, json};

use super::Access;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::runtime;
use super::session::Session;
use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, Ui};
use crate::app::doctor::fix::Mended;
use crate::app::doctor::{DoctorOrder, Finding, Report, Requirement, Severity};
use crate::app::{App, AppError, StoreError};

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
    /// Make missing directories, tighten modes and remove leftovers first
    #[arg(long)]
    fix: bool,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let limit = timeout(args.network_timeout_sec)?;
    let required = [
        (!args.no_require_gh_auth, Requirement::GithubLogin),
        (args.require_codex, Requirement::Codex),
        (args.require_telegram_token, Requirement::TelegramToken),
        (args.require_webhook_secret, Requirement::WebhookSecret),
    ];
    let required = required.into_iter().filter(|(asked, _)| *asked).map(|(_, requirement)| requirement);
    let network = (!args.skip_network_check).then_some(limit);
    let order = DoctorOrder { required: required.collect(), network };
    let (report, mended) = look(session, &order, args.fix)?;
    if session.ui.is_json() {
        let mut shown = document(&session.ui, &report);
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
            if args.fix {
                let done = mended.iter().map(|mended| json!({ "what": mended.what, "error": mended.failed }));
                fields.insert("fixed".to_owned(), done.collect());
            }
        }
        session.ui.document(&shown);
    } else {
        for mended in &mended {
            match &mended.failed {
                None => session.ui.styled(GOOD, format!("mended  {}", mended.what)),
                Some(why) => session.ui.styled(BAD, format!("failed  {}: {why}", mended.what)),
            }
        }
        if args.fix && mended.is_empty() {
            session.ui.line("There is nothing to mend.");
        }
        render(&session.ui, &report);
    }
    Ok(if report.is_ok() { Exit::Ok } else { Exit::NotReady })
}

/// A number of seconds somebody can wait for: an hour at most.
pub(super) fn timeout(seconds: f64) -> Result<Duration, CliError> {
    let asked = Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero());
    asked.map(|limit| limit.min(Duration::from_secs(3600))).ok_or_else(|| {
        CliError::usage("--network-timeout-sec must be more than 0", "give a number of seconds, such as 5")
    })
}

/// Looks at the machine, also where there is no store that can be used: then over an empty one that is gone afterwards.
fn look(session: &Session<'_>, order: &DoctorOrder, fix: bool) -> Result<(Report, Vec<Mended>), CliError> {
    let unusable = match session.open(Access::Read) {
        Ok(app) => return examine(session, &app, order, fix),
        Err(CliError::App(AppError::Store(err))) => err,
        Err(err) => return Err(err),
    };
    let directory = tempfile::tempdir().map_err(|err| {
        CliError::from(AppError::Invalid(format!("no temporary directory can be made: {err}")))
    })?;
    let app = session.open_elsewhere(&directory.path().join("doctor.db"))?;
    let (mut report, mended) = examine(session, &app, order, fix)?;
    report.findings.retain(|finding| finding.name != "store" && !finding.name.starts_with("store."));
    let db = session.config.db.value.display();
    let (detail, mend) = match &unusable {
        StoreError::Missing(_) => (format!("{db} is not there"), "agentpr init-db"),
        StoreError::Newer { .. } => (unusable.to_string(), "cargo install --locked --force --path ."),
        _ => (unusable.to_string(), "agentpr verify-log"),
    };
    report.findings.push(Finding::bad(Severity::Error, "store", detail, mend));
    Ok((report, mended))
}

fn examine(
    session: &Session<'_>,
    app: &App,
    order: &DoctorOrder,
    fix: bool,
) -> Result<(Report, Vec<Mended>), CliError> {
    let beside = session.config.db.value.parent().map(std::path::Path::to_owned);
    let mended = if fix { app.mend(&beside.into_iter().collect::<Vec<_>>()) } else { Vec::new() };
    let spinner = session.ui.spinner("looking at this machine");
    let report = runtime::look(async { Ok(app.doctor(order).await) })?;
    drop(spinner);
    Ok((report, mended))
}

/// A report for machines; its commands work as they are.
pub(super) fn document(ui: &Ui, report: &Report) -> Value {
    let mut shown = report.clone();
    for finding in &mut shown.findings {
        finding.remedy = ui.command(&finding.remedy);
    }
    shown.document()
}

/// A report for people.
pub(super) fn render(ui: &Ui, report: &Report) {
    for finding in &report.findings {
        let (style, mark) = match (finding.ok, finding.severity) {
            (true, Severity::Info) => (FAINT, "info   "),
            (true, _) => (GOOD, "ok     "),
            (false, Severity::Error) => (BAD, "failed "),
            (false, _) => (NOTICE, "warning"),
        };
        ui.pieces(&[
            (style, mark.into()),
            (PLAIN, format!("  {:<24} ", finding.name).into()),
            (FAINT, finding.detail.as_str().into()),
        ]);
        if !finding.remedy.is_empty() {
            ui.pieces(&[(PLAIN, "         ".into()), (NOTICE, ui.command(&finding.remedy).into())]);
        }
    }
    for note in &report.notes {
        ui.pieces(&[(NOTICE, "note     ".into()), (PLAIN, ui.command(note).into())]);
    }
}

/// What is not as it should be, with its remedy, beside an error.
pub(super) fn note_failures(ui: &Ui, report: &Report) {
    for finding in report.failing() {
        ui.note_pieces(&[(PLAIN, format!("  {}: {}", finding.name, finding.detail).into())]);
        if !finding.remedy.is_empty() {
            ui.note_pieces(&[(PLAIN, "    ".into()), (NOTICE, ui.command(&finding.remedy).into())]);
        }
    }
}
