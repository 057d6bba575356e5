//! How the agent of an attempt under way is: its last pulse, and whether its program is there.

use std::time::Duration;

use super::App;
use crate::domain::agent::liveness::{Liveness, Pulse, Vitals, pulse_path};
use crate::domain::evidence::Step;
use crate::domain::id::AttemptNo;
use crate::domain::run::Run;

/// Bytes of a pulse that are read; it has a few hundred.
const MAX_PULSE: u64 = 64 * 1024;

/// A pulse this old is not written any more: several beats of two seconds were missed.
pub const OLD: Duration = Duration::from_secs(15);

/// An agent at work, as it is now.
#[derive(Debug, Clone)]
pub struct AtWork {
    /// The attempt.
    pub attempt: AttemptNo,
    /// The word for it.
    pub liveness: Liveness,
    /// What was seen of it; `None` where nothing was put down.
    pub seen: Option<Seen>,
}

/// The last pulse of an agent, looked at later.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The pulse as it was written.
    pub pulse: Pulse,
    /// Its signs, older by the time since.
    pub vitals: Vitals,
    /// That time.
    pub age: Duration,
}

impl AtWork {
    /// Whether nobody is there to end the attempt: the program is gone, and no engine took its end down in time.
    pub fn is_abandoned(&self) -> bool {
        self.liveness == Liveness::Dead && self.seen.as_ref().is_none_or(Seen::is_old)
    }
}

impl Seen {
    /// Whether no engine attends to the agent any more.
    pub fn is_old(&self) -> bool {
        self.age >= OLD
    }
}

impl App {
    /// How the agent of a run is that is at work; `None` where none is, or nothing is known of it yet. Reads one small file and one
    /// entry of the process table.
    ///
    /// A pulse is written by an engine and outlives it: without the process of the log its word is not taken.
    pub fn at_work(&self, run: &Run) -> Option<AtWork> {
        let open = run.open.as_ref().filter(|open| matches!(open.step, Step::Plan | Step::Agent))?;
        let is_gone = open.process.as_ref().is_some_and(|process| !self.ports.probe.is_running(process));
        let Some(pulse) = self.pulse(run, open.no) else {
            return is_gone.then_some(AtWork { attempt: open.no, liveness: Liveness::Dead, seen: None });
        };
        let now = self.ports.clock.now().wall;
        let (mut vitals, mut liveness) = pulse.now(now);
        if is_gone {
            vitals.is_running = false;
            liveness = Liveness::Dead;
        }
        let age = now.since(pulse.at);
        Some(AtWork { attempt: open.no, liveness, seen: Some(Seen { pulse, vitals, age }) })
    }

    /// The pulse of an attempt. It is for people only, so one that cannot be read is none.
    fn pulse(&self, run: &Run, attempt: AttemptNo) -> Option<Pulse> {
        let text = self.ports.artifacts.read_tail(&pulse_path(&run.id, attempt), MAX_PULSE).ok()?;
        serde_json::from_slice(&text).ok()
    }
}
