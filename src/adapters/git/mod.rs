//! Git, spoken through the `git` program: how it is called, where a remote is, and the engine's own repositories.
//!
//! No git command ever runs with a configuration, a hook or a filter that an agent can write. A remote that asks who we are is
//! answered through [`askpass`], with a [`credential`] of its site.

pub mod askpass;
pub mod control;
pub mod credential;
pub mod place;
pub mod program;
pub mod remote;
