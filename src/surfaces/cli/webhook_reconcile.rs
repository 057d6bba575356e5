//! `webhook reconcile`: GitHub sends nothing again by itself, so what did not come is fetched from its list.

use serde_json::{Value, json};

use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::BAD;
use super::{Access, runtime};
use crate::app::inbox::care::Reconciled;
use crate::app::{App, AppError, ForgeError};
use crate::domain::id::RepoSlug;

/// Arguments of `webhook reconcile`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only hooks of this repository
    #[arg(long, value_name = "OWNER/REPO")]
    repo: Option<RepoSlug>,
    /// Only this hook [default: those that have sent a ping]
    #[arg(long, value_name = "ID")]
    hook: Option<u64>,
}

/// What came of one hook.
struct Asked {
    repo: RepoSlug,
    hook: u64,
    result: Result<Reconciled, AppError>,
}

impl Asked {
    fn is_limited(&self) -> bool {
        matches!(self.result, Err(AppError::Forge(ForgeError::Limited { .. } | ForgeError::Unavailable(_))))
    }

    fn is_well(&self) -> bool {
        self.result.as_ref().is_ok_and(|report| report.failures.is_empty())
    }
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Write)?;
    let hooks = hooks(&app, args)?;
    let asked = runtime::block_on(async |stop| {
        let mut asked = Vec::new();
        for (repo, hook) in hooks {
            if stop.is_cancelled() {
                break;
            }
            let result = app.reconcile_hook(&repo, hook).await;
            asked.push(Asked { repo, hook, result });
        }
        Ok(asked)
    })?;
    if session.ui.is_json() {
        let hooks: Vec<_> = asked.iter().map(document).collect();
        session.ui.document(&json!({ "ok": asked.iter().all(Asked::is_well), "hooks": hooks }));
    } else {
        asked.iter().for_each(|asked| say(session, asked));
    }
    let failed: Vec<_> = asked.iter().filter(|asked| !asked.is_well()).collect();
    Ok(match failed.as_slice() {
        [] => Exit::Ok,
        failed if failed.iter().all(|asked| asked.is_limited()) => Exit::Later,
        _ => Exit::Failed,
    })
}

/// The hooks to ask about.
fn hooks(app: &App, args: &Args) -> Result<Vec<(RepoSlug, u64)>, CliError> {
    if let (Some(repo), Some(hook)) = (&args.repo, args.hook) {
        return Ok(vec![(repo.clone(), hook)]);
    }
    let known = app.inbox_status()?.hooks;
    let known =
        known.iter().filter_map(|hook| Some((hook.repo.as_deref()?.parse::<RepoSlug>().ok()?, hook.id)));
    let wanted: Vec<_> = known
        .filter(|(repo, _)| args.repo.as_ref().is_none_or(|wanted| wanted.key() == repo.key()))
        .filter(|(_, hook)| args.hook.is_none_or(|wanted| wanted == *hook))
        .collect();
    if wanted.is_empty() {
        return Err(CliError::absent(
            "no such hook has said who it is",
            "name both with --repo OWNER/REPO --hook ID; `agentpr webhook status` lists the hooks that are known",
        ));
    }
    Ok(wanted)
}

fn document(asked: &Asked) -> Value {
    let mut shown = json!({ "repo": asked.repo.to_string(), "hook_id": asked.hook, "ok": asked.is_well() });
    let Some(fields) = shown.as_object_mut() else { return shown };
    match &asked.result {
        Ok(report) => {
            let failures = report
                .failures
                .iter()
                .map(|(delivery, error)| json!({ "delivery": delivery.as_str(), "error": error }))
                .collect();
            fields.insert("listed".to_owned(), report.listed.into());
            fields.insert("missed".to_owned(), report.missed.into());
            fields.insert("taken".to_owned(), report.taken.into());
            fields.insert("failures".to_owned(), failures);
        }
        Err(err) => {
            fields.insert("error".to_owned(), err.to_string().into());
        }
    }
    shown
}

fn say(session: &Session<'_>, asked: &Asked) {
    let (ui, Asked { repo, hook, .. }) = (&session.ui, asked);
    match &asked.result {
        Ok(report) => {
            ui.line(format!(
                "Hook {hook} of {repo}: {} sent, {} missed, {} of them taken in.",
                report.listed, report.missed, report.taken
            ));
            for (delivery, error) in &report.failures {
                ui.styled(BAD, format!("  {delivery}: {error}"));
            }
        }
        Err(err) => ui.styled(BAD, format!("Hook {hook} of {repo} cannot be asked about: {err}")),
    }
}
