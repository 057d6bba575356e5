//! Processes: the only place that starts programs.
//!
//! [`group`] runs an agent or a check with everything it starts and ends all of it; [`short`] runs git; [`leftover`] ends
//! what a killed engine left behind; [`environment`] and [`overrides`] say what a child may know; [`redact`]
//! takes secrets out of what it says. Nothing here decides what an ending means.

pub mod environment;
pub mod group;
mod known;
pub mod leftover;
pub mod output;
pub mod overrides;
pub mod redact;
pub mod shield;
pub mod short;
pub mod table;
pub mod tree;
