//! The sealed world of a test: an own directory, an empty environment, real git, the real program.

pub(crate) mod agents;
pub(crate) mod deliveries;
pub(crate) mod faulty;
pub(crate) mod git;
pub(crate) mod git_http;
pub(crate) mod github;
mod machine;
pub(crate) mod model;
pub(crate) mod opencode;
pub(crate) mod receiver;
pub(crate) mod sandbox;
pub(crate) mod skip;
pub(crate) mod world;

pub(crate) use sandbox::{Answer, Sandbox};
