//! agentpr: a task on a repository, taken to a pull request with any coding agent.
//!
//! In reading order:
//!
//! - [`domain`]: the rules of a run, pure: states, events, what may be asked, what follows, what is due, the gate.
//! - [`ports`]: what the app needs from the world, as traits.
//! - [`app`]: decides and appends, performs effects, drives runs; the only way in for surfaces.
//! - [`adapters`]: the world behind the ports: SQLite, git, processes, the local forge.
//! - [`surfaces`]: the command line, and the server for programs on the network.
//! - [`config`]: settings, from flags, environment, file and defaults.
//! - [`daemon`]: wires all of the above; [`telemetry`]: the program's own log; [`crash_point`]: where tests may kill it.
//!
//! Arrows point down and are few: `domain` names nothing of ours; `ports` name `domain`; `app` names `ports` and `domain`;
//! adapters name `ports` and `domain`; surfaces name `app`, `domain` and `config`; only `daemon` names everything.
//! `tests/tidy.rs` keeps it so.

pub mod adapters;
pub mod app;
pub mod config;
pub mod crash_point;
pub mod daemon;
pub mod domain;
pub mod ports;
pub mod surfaces;
pub mod telemetry;
