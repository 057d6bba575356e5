//! Whether a working agent is alive: several signs, and a word of its own for each case.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::usage::Usage;
use crate::domain::id::{AttemptNo, RunId};
use crate::domain::time::Timestamp;

/// The signs, as they were seen at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Vitals {
    /// Whether the program and what it started were found at all.
    pub is_running: bool,
    /// Seconds since it last printed or read a byte.
    pub bytes_secs: u64,
    /// Seconds since it last used the processor for more than an idle loop does.
    pub cpu_secs: u64,
    /// Seconds since a file in its workspace last changed, as far as looked; `None` before the first look.
    pub files_secs: Option<u64>,
    /// Seconds since its oldest tool call under way began; `None` when none is.
    pub tool_secs: Option<u64>,
    /// Whether it said that it waits: for an answer of a person, or to try a request again.
    pub says_it_waits: bool,
}

/// What the signs mean together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// It does something.
    Working,
    /// No sign for a while, which is common: a model thinks.
    Quiet,
    /// It said what it waits for.
    Waiting,
    /// No sign of any kind for longer than allowed.
    Stalled,
    /// The program is gone.
    Dead,
}

/// Without a sign for this long it is called quiet.
pub const QUIET: Duration = Duration::from_secs(20);

/// A tool under way may be silent for this many times the limit: builds and tests are, and nobody calls them hung for it.
pub const TOOL_FACTOR: u32 = 3;

impl Vitals {
    /// Seconds since the newest sign of any kind.
    pub fn idle_secs(&self) -> u64 {
        let files = self.files_secs.unwrap_or(u64::MAX);
        self.bytes_secs.min(self.cpu_secs).min(files)
    }

    /// The same signs `later`, when nothing was seen in between.
    #[must_use]
    pub fn after(&self, later: Duration) -> Self {
        let secs = later.as_secs();
        Self {
            bytes_secs: self.bytes_secs.saturating_add(secs),
            cpu_secs: self.cpu_secs.saturating_add(secs),
            files_secs: self.files_secs.map(|age| age.saturating_add(secs)),
            tool_secs: self.tool_secs.map(|age| age.saturating_add(secs)),
            ..*self
        }
    }

    /// What they mean, where `silence` is how long there may be no sign; `None` is for ever.
    ///
    /// Never stalled on one sign alone: bytes, processor and files are all without movement, and a tool under way gets
    /// [`TOOL_FACTOR`] times as long.
    pub fn liveness(&self, silence: Option<Duration>) -> Liveness {
        if !self.is_running {
            return Liveness::Dead;
        }
        let idle = self.idle_secs();
        let factor = if self.tool_secs.is_some() { TOOL_FACTOR } else { 1 };
        let is_over = silence.is_some_and(|most| Duration::from_secs(idle) > most.saturating_mul(factor));
        if is_over {
            Liveness::Stalled
        } else if self.says_it_waits {
            Liveness::Waiting
        } else if idle >= QUIET.as_secs() {
            Liveness::Quiet
        } else {
            Liveness::Working
        }
    }

    /// The signs in one line, for people and for the record of an attempt that was ended for them.
    pub fn words(&self) -> String {
        let files = self.files_secs.map_or("not looked at".to_owned(), |secs| format!("{secs} s"));
        let tool = self.tool_secs.map_or("none".to_owned(), |secs| format!("{secs} s"));
        format!(
            "last byte {} s, processor {} s, files {files}, tool under way {tool}",
            self.bytes_secs, self.cpu_secs
        )
    }
}

impl Liveness {
    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Quiet => "quiet",
            Self::Waiting => "waiting",
            Self::Stalled => "stalled",
            Self::Dead => "dead",
        }
    }
}

/// The state of a working attempt, as it is put beside its log every few seconds for others to read.
///
/// Never proof of anything and lost in a crash; an attempt that has ended keeps its last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// When it was taken.
    pub at: Timestamp,
    /// The signs then.
    pub vitals: Vitals,
    /// What they meant then.
    pub liveness: Liveness,
    /// How long there may be no sign, in milliseconds; `None` is for ever.
    #[serde(default)]
    pub silence_ms: Option<u64>,
    /// What it had used.
    #[serde(default)]
    pub usage: Usage,
    /// The newest call or command, cut and without control characters; empty before the first.
    #[serde(default)]
    pub doing: String,
    /// The number of its process.
    #[serde(default)]
    pub pid: Option<i32>,
}

/// Where an attempt's pulse is kept, as the path of an artifact.
pub fn pulse_path(run: &RunId, attempt: AttemptNo) -> String {
    format!("{run}/attempt-{attempt}.pulse.json")
}

impl Pulse {
    /// A pulse of this moment.
    pub fn new(at: Timestamp, vitals: Vitals, silence: Option<Duration>) -> Self {
        let silence_ms = silence.map(|most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        let liveness = vitals.liveness(silence);
        Self { at, vitals, liveness, silence_ms, usage: Usage::default(), doing: String::new(), pid: None }
    }

    /// The signs at `now`, grown by the time since, and what they mean then.
    ///
    /// A pulse that is no longer written belongs to an engine that is gone, so that its signs only grow older; whether the process is
    /// there is for the reader to look up.
    pub fn now(&self, now: Timestamp) -> (Vitals, Liveness) {
        let vitals = self.vitals.after(now.since(self.at));
        (vitals, vitals.liveness(self.silence_ms.map(Duration::from_millis)))
    }
}
