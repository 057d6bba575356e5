//! The inbox: what a webhook tells becomes events, in one transaction with the delivery itself.
//!
//! In this order (decision D5): known deliveries are answered, the body is read, the runs it is about are found, what follows is
//! decided, and everything is kept together. Signatures are the surface's; nothing unsigned comes here. [`care`] is what happens
//! later: failed deliveries are tried again, waiting ones when their pull request is linked, missed ones are fetched.

pub mod care;
mod known;
pub mod needed;
mod process;

use crate::domain::forge::delivery::{DeliveryId, DeliveryOrigin, DeliveryStatus};
use crate::domain::id::RunId;
use crate::domain::state::State;

pub use crate::ports::payload::Misfit;
pub(crate) use known::KnownRuns;

/// Whose deliveries these are.
pub const GITHUB: &str = "github";

/// A delivery that came in, signed.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    /// Its name.
    pub id: DeliveryId,
    /// How it came.
    pub origin: DeliveryOrigin,
    /// What kind of event it says it tells. Not signed.
    pub event: String,
    /// The hook it says it is from.
    pub hook: Option<u64>,
    /// Its bytes.
    pub body: &'a [u8],
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Received {
    /// It is kept, and what it says is in the log.
    Kept(Kept),
    /// It was settled before.
    Duplicate,
    /// Its name is known with other bytes: noted, and nothing else.
    OtherBody,
    /// Its bytes do not fit; nothing is kept.
    Malformed(Misfit),
    /// It is kept and could not be processed; it is tried again.
    Failed(String),
    /// It cannot be kept now: the sender has to come again.
    Unavailable(String),
}

/// A delivery that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What became of it.
    pub status: DeliveryStatus,
    /// Why, where it changed nothing.
    pub detail: String,
    /// What it told each run.
    pub told: Vec<ToldRun>,
}

/// A run that a delivery was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRun {
    /// The run.
    pub run: RunId,
    /// Its state before.
    pub before: State,
    /// Its state now.
    pub after: State,
    /// Names of the events it got; empty where it knew already.
    pub events: Vec<&'static str>,
}
