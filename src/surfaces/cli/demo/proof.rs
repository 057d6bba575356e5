//! What a demo proves at its end: each sentence was looked at, and a demo that cannot say one of them has failed.

use crate::app::App;
use crate::domain::run::Run;
use crate::surfaces::cli::error::CliError;
use crate::surfaces::cli::exit::Exit;
use crate::surfaces::cli::ui::{GOOD, PLAIN, Ui};

/// Something that was found to be so.
pub(super) struct Proof {
    /// A word for machines.
    pub(super) name: &'static str,
    /// A sentence for people.
    pub(super) words: String,
}

impl Proof {
    pub(super) fn new(name: &'static str, words: String) -> Self {
        Self { name, words }
    }

    pub(super) fn say(&self, ui: &Ui) {
        if !ui.is_json() {
            ui.pieces(&[(GOOD, "  ✓ ".into()), (PLAIN, self.words.as_str().into())]);
        }
    }
}

/// Something that was promised and is not so.
pub(super) fn wrong(run: &Run, what: &str) -> CliError {
    CliError::Ended {
        run: run.id.clone(),
        state: run.state,
        message: format!("the demo cannot prove what it promises: {what}"),
        code: "demo_unproven".to_owned(),
        hint: "look at what is there after `agentpr demo --keep`".to_owned(),
        exit: Exit::Failed,
    }
}

/// The log is sound.
pub(super) fn sound(app: &App, run: &Run) -> Result<Proof, CliError> {
    let report = app.upkeep().verify()?;
    if !report.faults.is_empty() {
        return Err(wrong(run, "the log is not sound"));
    }
    Ok(Proof::new("log", format!("the log is sound: {} events, chained and folded", report.events)))
}
