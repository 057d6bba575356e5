//! The file beside an attempt's log that says how it is right now. It is for people; nothing is decided by it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::agent::Stage;
use super::recorder::Recorder;
use crate::adapters::process::redact::Redactor;
use crate::adapters::process::sanitise::Sanitiser;
use crate::adapters::process::signs::Signs;
use crate::adapters::process::tree::write_anew;
use crate::domain::agent::liveness::{Pulse, Vitals};
use crate::domain::time::Timestamp;

/// Between two pulses.
const BEAT: Duration = Duration::from_secs(2);

/// Until it is looked again whether the program was started, for the first pulse.
const FIRST_BEAT: Duration = Duration::from_millis(100);

/// Writes the pulses of one attempt, one at a time: a disk that is slow makes them rare and holds up nothing else.
pub(super) struct Beat {
    path: PathBuf,
    at: Instant,
    writing: Option<JoinHandle<()>>,
}

impl Beat {
    /// The first one is due as soon as the program runs.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, at: Instant::now() + FIRST_BEAT, writing: None }
    }

    /// When the next one is due.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Puts one down, unless the last is still being written.
    pub(super) fn put(&mut self, pulse: Option<Pulse>) {
        if self.writing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.writing = pulse.map(|pulse| self.begin(pulse));
        }
        self.at = Instant::now() + if self.writing.is_some() { BEAT } else { FIRST_BEAT };
    }

    /// Puts the last one down and waits until it is written.
    pub(super) async fn last(mut self, pulse: Option<Pulse>) {
        if let Some(writing) = self.writing.take() {
            let _unwritten = writing.await;
        }
        if let Some(pulse) = pulse {
            let _unwritten = self.begin(pulse).await;
        }
    }

    fn begin(&self, pulse: Pulse) -> JoinHandle<()> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(err) = write(&path, &pulse) {
                tracing::debug!(path = %path.display(), %err, "the pulse of an attempt was not written");
            }
        })
    }
}

/// Does `work`, which runs a program that has no protocol, and puts down its pulse until it is over.
pub(super) async fn beside<T>(
    path: PathBuf,
    signs: &Signs,
    silence: Option<Duration>,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    let mut beat = Beat::new(path);
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            () = sleep_until(beat.at()) => beat.put(seen(signs, silence, false)),
        }
    };
    beat.last(seen(signs, silence, true)).await;
    done
}

/// A pulse of what is seen from outside; `None` before the program was started.
fn seen(signs: &Signs, silence: Option<Duration>, has_ended: bool) -> Option<Pulse> {
    let seen = signs.vitals()?;
    let vitals = Vitals { is_running: seen.is_running && !has_ended, ..seen };
    let mut pulse = Pulse::new(Timestamp(wall_ms()), vitals, silence);
    pulse.pid = signs.pid();
    Some(pulse)
}

/// The pulse of a stage at this moment; `None` before its program was started.
pub(super) fn pulse(stage: &Stage<'_>, recorder: &Recorder, has_ended: bool) -> Option<Pulse> {
    let mut pulse = seen(recorder.signs(), stage.order.limits.silence, has_ended)?;
    let (usage, doing) = recorder.progress();
    pulse.usage = usage;
    pulse.doing = clean(stage.supervisor.redactor(), &doing);
    Some(pulse)
}

/// Puts a pulse in the place of the last one. Readers see one or the other, whole; a crash may lose it. Blocks.
fn write(path: &Path, pulse: &Pulse) -> io::Result<()> {
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
