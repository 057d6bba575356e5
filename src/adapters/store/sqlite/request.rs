//! What callers want written, made ready by their own threads before they wait for their turn.

use rusqlite::Connection;

use super::delivery_row::Kept;
use super::error::Trouble;
use crate::adapters::store::recorded;
use crate::domain::event::Recorded;
use crate::domain::id::{EventSeq, Version};
use crate::ports::inbox::Taken;
use crate::ports::store::Append;

/// Something small beside the log: may be called again after a rollback, and says how many rows it concerned.
pub(super) type Work = dyn Fn(&Connection) -> Result<u64, Trouble> + Send;

/// What one caller wants; each is done wholly or not at all.
pub(super) enum Request {
    /// Events of one run.
    Append(Ready),
    /// A delivery, and the events that follow from it.
    Take(Box<Kept>, Vec<Ready>),
    /// A hook, an incident, some deliveries to forget.
    Beside(Box<Work>),
}

/// What came of a request.
pub(super) enum Done {
    /// Of an append, which is always recorded, or of a delivery.
    Taken(Taken),
    /// Of something beside the log.
    Rows(u64),
}

/// An append to which only the numbers of its events are missing.
pub(super) struct Ready {
    /// The append without its events.
    pub(super) append: Append,
    /// The events as they will be recorded, their `seq` aside.
    pub(super) recorded: Vec<Recorded>,
    pub(super) bodies: Vec<String>,
    pub(super) actor: String,
}

impl Ready {
    pub(super) fn new(append: &Append) -> Result<Self, Trouble> {
        let mut append = append.clone();
        let mut version = append.expected;
        let mut ready = Vec::with_capacity(append.events.len());
        let mut bodies = Vec::with_capacity(append.events.len());
        for (index, (event, state)) in std::mem::take(&mut append.events).into_iter().enumerate() {
            version = version.next();
            bodies.push(event.body().map_err(|err| Trouble::Row(err.to_string()))?);
            ready.push(recorded(&append, index, EventSeq(0), version, event, state));
        }
        let actor = append.actor.to_string();
        Ok(Self { append, recorded: ready, bodies, actor })
    }

    /// The version its run has after it.
    pub(super) fn end(&self) -> Version {
        self.recorded.last().map_or(self.append.expected, |last| last.version)
    }
}

impl Request {
    /// The events as they were recorded, once they are committed.
    pub(super) fn take_recorded(&mut self) -> Vec<Recorded> {
        match self {
            Self::Append(ready) => std::mem::take(&mut ready.recorded),
            Self::Take(_, appends) => appends.iter_mut().flat_map(|ready| ready.recorded.drain(..)).collect(),
            Self::Beside(_) => Vec::new(),
        }
    }
}
