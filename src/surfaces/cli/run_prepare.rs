//! `run-prepare`: makes a run's workspace by hand.

use serde_json::json;

use super::arg::RunOption;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::{Access, runtime};
use crate::app::doctor::Profile;
use crate::domain::id::BranchName;
use crate::domain::run::Run;

/// Arguments of `run-prepare`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOption,
    /// Must be the run's own: the branch to build on belongs to create-run
    #[arg(long, value_name = "BRANCH")]
    base_branch: Option<BranchName>,
    /// Must be the run's own: the branch to push to belongs to create-run
    #[arg(long, value_name = "BRANCH")]
    feature_branch: Option<BranchName>,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let app = session.open(Access::Write)?;
    same_branches(&app.run(&args.run.run_id)?, args.base_branch.as_ref(), args.feature_branch.as_ref())?;
    session.ready(&app, Profile::Github, Some(&args.run.run_id))?;
    let ui = &session.ui;
    let spinner = ui.spinner("preparing the workspace");
    let run =
        runtime::block_on(async |stop| app.prepare_by_hand(&args.run.run_id, &session.actor, &stop).await)?;
    drop(spinner);
    let prepared = run.prepared.as_ref().filter(|_| run.last_error.is_none());
    let Some(prepared) = prepared else {
        return Err(CliError::step_failed(&run, Exit::Failed));
    };
    if ui.is_json() {
        ui.document(&json!({
            "ok": true,
            "exit_code": 0,
            "run_id": run.id.as_str(),
            "state": run.state.name(),
            "stdout_tail": "",
            "prepared": prepared,
        }));
    } else {
        let base = prepared.base_sha.short();
        ui.line(format!("The workspace of {} is at {}.", run.id, prepared.workspace));
        ui.line(format!("It is built on {} at {base}; the run is {}.", prepared.base_branch, run.state));
        session.say_next(&app, &run);
    }
    Ok(Exit::Ok)
}

/// Refuses branches that are not the run's own: an order never changes once it is made.
pub(super) fn same_branches(
    run: &Run,
    base: Option<&BranchName>,
    head: Option<&BranchName>,
) -> Result<(), CliError> {
    let recorded =
        run.prepared.as_ref().map(|prepared| &prepared.base_branch).or(run.spec.base_branch.as_ref());
    if let Some(base) = base.filter(|base| Some(*base) != recorded) {
        let own = recorded.map_or_else(|| "the remote's default branch".to_owned(), |own| format!("`{own}`"));
        return Err(differs("base", base, &own));
    }
    match head.filter(|head| **head != run.spec.head_branch) {
        Some(head) => Err(differs("head", head, &format!("`{}`", run.spec.head_branch))),
        None => Ok(()),
    }
}

fn differs(which: &str, given: &BranchName, own: &str) -> CliError {
    CliError::usage(
        format!("the run's {which} branch is {own}, not `{given}`"),
        format!(
            "a run's branches are fixed when it is made: `agentpr create-run --{which}-branch {given} ...` makes another run"
        ),
    )
}
