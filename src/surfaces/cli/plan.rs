//! `plan`: the closed loop on a plan file, by hand. The engine's own book-keeping is the same code.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::arg::text_file;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::session::Session;
use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, STRONG};
use crate::domain::plan::edit::EditError;
use crate::domain::plan::{Fault, Plan, SectionName, Step};

/// Bytes of a plan that are read: more than the longest one, so that the reader says itself what is too long.
const LIMIT: usize = 1024 * 1024;

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say what is wrong with a plan
    Check {
        /// The plan; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The test command its acceptance must name
        #[arg(long, value_name = "COMMAND")]
        test_cmd: Option<String>,
    },
    /// Show the steps of a plan
    Show {
        /// The plan; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Move the next step to Done and promote one of the backlog
    Done {
        /// The plan
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The step that passed: the digits of its STEP_ID
        #[arg(value_name = "STEP")]
        step: String,
    },
    /// Move an open step to Blocked and promote one of the backlog when it was next
    Block {
        /// The plan
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The step that cannot go on: the digits of its STEP_ID
        #[arg(value_name = "STEP")]
        step: String,
        /// What is needed from a person
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) fn execute(session: &Session<'_>, command: &Command) -> Outcome {
    match command {
        Command::Check { file, test_cmd } => check(session, file, test_cmd.as_deref()),
        Command::Show { file } => {
            let plan = read(file)?.map_err(|faults| invalid(file, &faults))?;
            show(session, &plan);
            Ok(Exit::Ok)
        }
        Command::Done { file, step } => edit(session, file, |plan| plan.mark_done(step)),
        Command::Block { file, step, reason } => edit(session, file, |plan| plan.block(step, reason)),
    }
}

fn read(file: &Path) -> Result<Result<Plan, Vec<Fault>>, CliError> {
    Ok(Plan::parse(text_file("plan", file, LIMIT)?.as_bytes()))
}

fn invalid(file: &Path, faults: &[Fault]) -> CliError {
    let lines: String = faults.iter().map(|fault| format!("\n{fault}")).collect();
    CliError::usage(
        format!("the plan `{}` is not valid:{lines}", file.display()),
        format!("correct it and look again: agentpr plan check {}", file.display()),
    )
}

fn check(session: &Session<'_>, file: &Path, test_cmd: Option<&str>) -> Outcome {
    let read = read(file)?.and_then(|plan| {
        let accepted = test_cmd.map_or(Ok(()), |command| plan.check_acceptance(command));
        accepted.map(|()| plan).map_err(|fault| vec![fault])
    });
    let ui = &session.ui;
    match read {
        Ok(plan) if ui.is_json() => ui.document(&document(&plan)),
        Ok(_) => ui.pieces(&[(GOOD, "ok  ".into()), (PLAIN, format!("{} is a plan", file.display()).into())]),
        Err(faults) if ui.is_json() => {
            let faults: Vec<Value> = faults
                .iter()
                .map(|fault| json!({ "code": fault.code.name(), "line": fault.line, "about": fault.about }))
                .collect();
            ui.document(&json!({ "ok": false, "faults": faults }));
            return Ok(Exit::Usage);
        }
        Err(faults) => return Err(invalid(file, &faults)),
    }
    Ok(Exit::Ok)
}

fn step_document(step: &Step) -> Value {
    json!({ "id": step.id, "text": step.text, "checked": step.is_checked })
}

fn document(plan: &Plan) -> Value {
    let steps = |name| plan.steps(name).iter().map(step_document).collect::<Vec<_>>();
    let acceptance: Vec<Value> = plan
        .acceptance()
        .iter()
        .map(|criterion| json!({ "text": criterion.text, "checked": criterion.is_checked }))
        .collect();
    json!({
        "ok": true,
        "finished": plan.is_finished(),
        "acceptance": acceptance,
        "next": plan.next().map(step_document),
        "backlog": steps(SectionName::Backlog),
        "blocked": steps(SectionName::Blocked),
        "done": steps(SectionName::Done),
    })
}

fn show(session: &Session<'_>, plan: &Plan) {
    let ui = &session.ui;
    if ui.is_json() {
        ui.document(&document(plan));
        return;
    }
    for name in [SectionName::Done, SectionName::Next, SectionName::Backlog, SectionName::Blocked] {
        for step in plan.steps(name) {
            let style = match name {
                SectionName::Next => STRONG,
                SectionName::Blocked => BAD,
                SectionName::Done => FAINT,
                _ => PLAIN,
            };
            ui.pieces(&[
                (NOTICE, format!("{:<9}", name.word().to_lowercase()).into()),
                (FAINT, format!("{:<6}", step.id).into()),
                (style, step.text.as_str().into()),
            ]);
        }
    }
    let verdict = match (plan.is_finished(), plan.next()) {
        (true, _) => "Nothing is left.".to_owned(),
        (false, Some(step)) => format!("Next is step {}.", step.id),
        (false, None) => "Nothing is next; blocked steps need a person.".to_owned(),
    };
    ui.line(verdict);
}

fn edit(
    session: &Session<'_>,
    file: &Path,
    change: impl FnOnce(&Plan) -> Result<Plan, EditError>,
) -> Outcome {
    if file == Path::new("-") {
        return Err(CliError::usage("an edit needs a file, not standard input", "name the plan's file"));
    }
    let plan = read(file)?.map_err(|faults| invalid(file, &faults))?;
    let edited = change(&plan)
        .map_err(|err| CliError::usage(err.to_string(), format!("agentpr plan show {}", file.display())))?;
    replace(file, &edited.text()).map_err(|err| {
        CliError::usage(
            format!("cannot write `{}`: {err}", file.display()),
            "see that the file and its directory can be written",
        )
    })?;
    show(session, &edited);
    Ok(Exit::Ok)
}

/// Writes beside and renames, with the permissions of the old file; a link stays a link to the new content.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let file = file.canonicalize()?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut made = tempfile::NamedTempFile::new_in(folder)?;
    made.write_all(text.as_bytes())?;
    made.as_file().set_permissions(file.metadata()?.permissions())?;
    made.as_file().sync_all()?;
    made.persist(&file).map(|_| ()).map_err(|err| err.error)
}
