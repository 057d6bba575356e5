//! The rules of a run, told as cases, as a table, as properties, and as a walk over every state it can be in.

mod agent;
mod attempts;
mod command_policy;
mod forge_history;
mod forge_view;
mod gate;
mod holding;
mod ids;
mod judged;
mod matrix;
mod next;
mod plan;
mod projection;
mod properties;
mod samples;
mod scenario;
mod secret;
pub(crate) mod seeds;
mod shell;
mod signal;
mod steering;
mod verdict;
mod walk;
mod walk_rules;
mod walk_world;
