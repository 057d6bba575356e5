//! Signs of life of one running program, shared by whoever watches it and whoever reads what it says.
//!
//! The watch sees bytes, processor and files; who reads its protocol knows of its calls and waits. Neither ends a program for its own
//! half: the watch puts both together. Nothing here blocks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::domain::agent::liveness::Vitals;

/// The part of one processor in percent below which any program counts as idle: an event loop that waits turns over a little.
const IDLE_PERCENT: u8 = 1;

/// The signs of one program. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Signs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    pid: Option<i32>,
    said: Said,
    /// The part of one processor in percent that it uses while it does nothing; 0 is not known.
    idle_percent: u8,
    seen: Option<Vitals>,
    /// The signs at the moment it was ended from outside: what comes after is its dying.
    held: Option<Vitals>,
}

/// What a program's protocol says of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said {
    /// When it last said anything that counts as work; needed where its words do not come through its own pipes.
    pub heard_at: Option<Instant>,
    /// When its oldest call under way began.
    pub tool_since: Option<Instant>,
    /// Whether it said that it waits.
    pub waits: bool,
}

impl State {
    fn vitals(&self) -> Option<Vitals> {
        self.held.or_else(|| self.seen.map(|seen| self.said.beside(seen)))
    }
}

impl Said {
    /// What the watch saw, with this beside it.
    pub(super) fn beside(&self, seen: Vitals) -> Vitals {
        let heard_secs = self.heard_at.map_or(u64::MAX, |heard| heard.elapsed().as_secs());
        Vitals {
            bytes_secs: seen.bytes_secs.min(heard_secs),
            tool_secs: self.tool_since.map(|since| since.elapsed().as_secs()),
            says_it_waits: self.waits,
            ..seen
        }
    }
}

impl Signs {
    /// Says how much of one processor the program uses while it only waits, in percent: some turn over all the time.
    pub fn idles_at(&self, percent: u8) {
        self.lock().idle_percent = percent;
    }

    /// The part of one processor in percent up to which it counts as idle.
    pub(super) fn idle_percent(&self) -> u8 {
        self.lock().idle_percent.max(IDLE_PERCENT)
    }

    /// Puts down what the protocol says now.
    pub fn say(&self, said: Said) {
        self.lock().said = said;
    }

    /// What the watch saw last, with what the protocol says now, or both at the moment the program was ended from outside; `None`
    /// before it runs.
    pub fn vitals(&self) -> Option<Vitals> {
        self.lock().vitals()
    }

    /// The number of the process; `None` before it runs.
    pub fn pid(&self) -> Option<i32> {
        self.lock().pid
    }

    pub(super) fn started(&self, pid: i32) {
        let mut state = self.lock();
        state.pid = Some(pid);
        state.held = None;
        state.seen = Some(Vitals { is_running: true, ..Vitals::default() });
    }

    /// The program is ended from outside: the signs stay as they are.
    pub(super) fn hold(&self) {
        let mut state = self.lock();
        state.held = state.vitals();
    }

    pub(super) fn said(&self) -> Said {
        self.lock().said
    }

    pub(super) fn see(&self, vitals: Vitals) {
        self.lock().seen = Some(vitals);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
