//! The file beside an attempt's log that says how it is right now. It is for people; nothing is decided by it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::agent::Stage;
use super::recorder::Recorder;
use crate::adapters::process::redact::Redactor;
use crate::adapters::process::sanitise::Sanitiser;
use crate::adapters::process::tree::write_anew;
use crate::domain::agent::liveness::{Pulse, Vitals};
use crate::domain::time::Timestamp;

/// The file of an attempt's pulse, as an artifact.
pub fn pulse_path(run: &impl std::fmt::Display, attempt: &impl std::fmt::Display) -> String {
    format!("{run}/attempt-{attempt}.pulse.json")
}

/// The pulse of a stage at this moment; `None` before its program was started.
pub(super) fn pulse(stage: &Stage<'_>, recorder: &Recorder, has_ended: bool) -> Option<Pulse> {
    let seen = recorder.signs().vitals()?;
    let vitals = Vitals { is_running: seen.is_running && !has_ended, ..seen };
    let mut pulse = Pulse::new(Timestamp(wall_ms()), vitals, stage.order.limits.silence);
    let (usage, doing) = recorder.progress();
    pulse.usage = usage;
    pulse.doing = clean(stage.supervisor.redactor(), &doing);
    pulse.pid = recorder.signs().pid();
    Some(pulse)
}

/// Puts a pulse in the place of the last one. Readers see one or the other, whole; a crash may lose it. Blocks.
pub(super) fn write(path: &Path, pulse: &Pulse) -> io::Result<()> {
    let text = serde_json::to_vec(pulse)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    write_anew(&new, &text)?;
    fs::rename(&new, path)
}

/// A text out of a program's protocol, made harmless once more: what its lines had in escapes is a character by now.
pub(super) fn clean(redactor: &Redactor, text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut sanitiser = Sanitiser::default();
    sanitiser.push(text.as_bytes(), &mut plain);
    sanitiser.finish(&mut plain);
    redactor.text(&String::from_utf8_lossy(&plain))
}

/// Milliseconds since 1970 by the wall clock.
#[expect(clippy::disallowed_methods, reason = "times beside a log, of which nothing depends")]
pub(super) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
