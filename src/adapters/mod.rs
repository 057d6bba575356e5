//! Adapters: each wraps one outside thing behind its port.
//!
//! They name ports and the domain. `process` is the only place that starts programs, `git` the only one that speaks git,
//! `yaml` the only one that reads YAML; the adapters that need them name those three and no other adapter.

pub mod action;
pub mod artifact;
pub mod check;
pub mod clock;
pub mod forge;
pub mod git;
pub mod local;
pub mod probe;
pub mod process;
pub mod random;
pub mod store;
pub mod worker;
pub mod workspace;
pub mod yaml;
