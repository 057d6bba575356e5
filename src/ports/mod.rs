//! What the app needs from the world: one trait for each need, each with its own error.
//!
//! A port names the domain and nothing else of ours. Adapters implement them; `daemon.rs` hands them out.

pub mod action;
pub mod artifact;
pub mod check;
pub mod clock;
pub mod fake_forge;
pub mod forge;
pub mod inbox;
pub mod ledger;
pub mod local;
pub mod notifier;
pub mod payload;
pub mod probe;
pub mod random;
pub mod redaction;
pub mod store;
pub mod verify;
pub mod worker;
pub mod workspace;
