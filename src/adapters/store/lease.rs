//! Who may take a lease: one rule for every store.

use super::owner;
use crate::domain::time::Moment;
use crate::ports::store::{LEASE_TTL, LeaseOwner};

/// A lease as a store keeps it; its generation stays when it is given back, so that it only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who holds it, as text; `None` after it was given back.
    pub owner: Option<String>,
    /// Its generation.
    pub generation: u64,
    /// When its owner was last heard of.
    pub heartbeat: Moment,
}

/// What becomes of a wish to take a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The asker holds it: only the heartbeat is new.
    Renewed(u64),
    /// It changes hands, with this generation.
    Taken(u64),
    /// Somebody else works on the run.
    Refused {
        /// Who, for people.
        owner: String,
    },
}

/// Decides a wish to take the lease of a run; `held` is `None` when there never was one.
pub fn claim(held: Option<&Held>, asker: &LeaseOwner, now: &Moment) -> Claim {
    let Some(held) = held else { return Claim::Taken(1) };
    let next = held.generation.saturating_add(1);
    let Some(holder) = &held.owner else { return Claim::Taken(next) };
    if *holder == owner::to_text(asker) {
        return Claim::Renewed(held.generation);
    }
    if now.has_passed_since(&held.heartbeat, LEASE_TTL) {
        return Claim::Taken(next);
    }
    match owner::from_text(holder) {
        Some(holder) if owner::is_gone(&holder, asker) => Claim::Taken(next),
        Some(holder) => Claim::Refused {
            owner: format!("`{}` in process {} on `{}`", holder.name, holder.pid, holder.host),
        },
        None => Claim::Refused { owner: format!("`{holder}`") },
    }
}
