//! The guard: what a phase of the agent's work may touch is compared with a picture taken before it, and the rest is undone.
//!
//! `rules` says what may be touched, `walk` looks, `picture` and `store` keep, `compare` finds, `restore` puts back, `phase`
//! does it in order. Everything in a workspace is handled by `beneath`, which follows no link.

mod actions;
mod checkpoint;
mod compare;
mod dotgit;
mod phase;
mod picture;
mod restore;
mod rules;
mod store;
mod walk;

pub(super) use phase::unpark;
pub(super) use rules::{PARKED, PARKED_PREFIX};

/// What git is told to leave alone in every workspace: the folder of the engine's small files, and the map of the repository that aider
/// can keep nowhere else.
pub(super) const EXCLUDE: &str = "/.aider_fsm/\n/.aider.tags.cache.*/\n";
