//! The demo whose pull request is opened in a bare repository on this disk.

use std::path::Path;

use super::proof::{Proof, sound, wrong};
use super::{Args, Stage, introduce};
use crate::app::AppError;
use crate::domain::id::{EventSeq, RepoSlug};
use crate::domain::run::Run;
use crate::surfaces::cli::error::{CliError, Outcome};
use crate::surfaces::cli::exit::Exit;
use crate::surfaces::cli::runtime::Background;
use crate::surfaces::cli::session::Session;
use crate::surfaces::cli::{approve, runtime, show};

const REAL: [&str; 4] = [
    "Real: git, the failing test, the edit, the commit, the check on that commit, the event log, both",
    "      confirmations, the push. Everything is the code that works on your repositories.",
    "Stands in: the agent is a shell script that knows this one task; the remote is a bare repository on",
    "      this disk, and the pull request is recorded in it instead of at a forge.",
];

pub(super) fn tell(session: &Session<'_>, args: &Args, dir: &Path, background: &Background) -> Outcome {
    let session = &session.moved_to(dir, None);
    let stage = Stage::new(session, args, background)?;
    let (ui, app) = (stage.ui(), &stage.app);
    introduce(ui, &REAL, dir);

    stage.heading("1. A repository with a failing test")?;
    let remote = session.config.forge_root.value.join("demo").join("slug.git");
    let sample = app.local().make_sample(dir, &remote).map_err(AppError::from)?;
    stage.show_failing(&sample.check, &sample.failing);

    stage.heading("2. A run: agent, commit, checks on the commit")?;
    let run = stage.submit(RepoSlug::new("demo", "slug")?, sample.task, sample.agent, sample.check)?;
    let driven = stage.drive(&run, EventSeq(0))?;
    stage.show_diff(&runtime::look(app.diff(&run, 64 * 1024))?.0);

    stage.heading("3. The gate: two confirmations")?;
    stage.confirm(&run)?;

    stage.heading("4. Push and pull request")?;
    let done = approve::complete(session, app, &run, driven.last_seq)?;

    stage.heading("5. What is there now")?;
    for proof in prove(&stage, &done)? {
        proof.say(ui);
    }
    show::show(session, app, &run)?;
    Ok(Exit::Ok)
}

/// Looks at the remote and at the log; anything but the promised is an error.
fn prove(stage: &Stage<'_>, run: &Run) -> Result<Vec<Proof>, CliError> {
    let there = runtime::look(stage.app.at_remote(run))?;
    let approved = run.change.as_ref().map(|change| &change.head_sha);
    let Some(sha) = there.as_ref().filter(|sha| Some(*sha) == approved) else {
        return Err(wrong(run, "the branch at the remote is not at the approved commit"));
    };
    let branch = &run.spec.head_branch;
    Ok(vec![
        Proof::new("branch", format!("`{branch}` at the remote is {sha}, the commit that was approved")),
        sound(&stage.app, run)?,
    ])
}
