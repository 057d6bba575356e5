//! codex's own home, `CODEX_HOME`: what is in it when it starts.

use std::io;
use std::path::Path;

use crate::adapters::process::beneath::Root;
use crate::adapters::worker::agent::Setup;
use crate::adapters::worker::leavings::keep_only;
use crate::adapters::worker::login::lend;
use crate::ports::worker::WorkOrder;

/// Its login in its home.
const LOGIN: &str = "auth.json";

/// What stays in its home from one start to the next.
const KEPT: [&[u8]; 2] = [b"sessions", LOGIN.as_bytes()];

/// The file in its home with the schema of its last words.
pub(super) const SCHEMA: &str = "output-schema.json";

/// The file in its home it writes its last words to, for people; the engine takes them from its events.
pub(super) const LAST_MESSAGE: &str = "last-message.txt";

/// Makes the home ready: what an earlier start left is removed apart from its conversations and its login, and what this one needs is
/// written.
///
/// Commands of an earlier start could write there, and codex takes instructions, skills and settings from it; measured with 0.169, an
/// `AGENTS.md` and a skill left there are shown to the model. Resuming needs the conversations only.
///
/// # Errors
/// What the file system says; nothing in the home is followed if it is a link.
pub fn prepare(home: &Path, order: &WorkOrder, setup: &Setup) -> io::Result<()> {
    keep_only(home, &KEPT)?;
    if let Some(text) = &order.output_schema {
        Root::open(home)?.put(SCHEMA.as_bytes(), text.as_bytes(), 0o600, None)?;
    }
    match &setup.login {
        Some(login) if setup.key.is_none() => lend(login, home, LOGIN),
        _ => Ok(()),
    }
}
