//! Tokens of requests that an engine in this process makes: printed once, for the person at this terminal.

use std::sync::Mutex;

use super::ui::{NOTICE, STRONG, Ui};
use crate::app::OperatorNotifier;
use crate::domain::gate::PrRequest;
use crate::domain::id::RunId;

/// Prints a token on standard error with the command that uses it.
pub(super) struct TokenPrinter {
    ui: Ui,
}

impl TokenPrinter {
    /// Prints to `ui`.
    pub(super) fn new(ui: Ui) -> Self {
        Self { ui }
    }
}

impl OperatorNotifier for TokenPrinter {
    fn token_issued(&self, run: &RunId, request: &PrRequest, token: &str) {
        let minutes = request.ttl_secs.div_ceil(60);
        self.ui.note_pieces(&[
            (
                NOTICE,
                format!(
                    "run {run} asks to open a pull request; its token is shown once and lives {minutes} min: "
                )
                .into(),
            ),
            (STRONG, token.into()),
        ]);
        self.ui.note(format!("look:    {}", self.ui.command(&format!("agentpr diff {run}"))));
        let approve = format!("agentpr approve-open-pr --run-id {run} --confirm-token {token} --confirm");
        self.ui.note(format!("approve: {}", self.ui.command(&approve)));
    }
}

/// Keeps the newest token for the command that asks for the confirmations itself.
#[derive(Default)]
pub(super) struct TokenEar(Mutex<Option<String>>);

impl TokenEar {
    /// The newest token, if one was issued.
    pub(super) fn heard(&self) -> Option<String> {
        self.0.lock().ok().and_then(|heard| heard.clone())
    }
}

impl OperatorNotifier for TokenEar {
    fn token_issued(&self, _run: &RunId, _request: &PrRequest, token: &str) {
        if let Ok(mut heard) = self.0.lock() {
            *heard = Some(token.to_owned());
        }
    }
}
