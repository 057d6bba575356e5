//! The sealed world of a test: an own directory, an empty environment, real git, the real program.

pub mod git;
pub mod sandbox;
pub mod world;

pub use sandbox::{Answer, Sandbox};
