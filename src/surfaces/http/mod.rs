//! The door for programs on the network: HTTP/1.1, served so that slow, broken and hostile clients cost little.
//!
//! [`serve`] takes connections and a router, [`body`] reads what requests bring. Where requests lead is the router's business;
//! [`webhook`] is the one for GitHub's deliveries, whose [`signature`] it checks.

pub mod body;
mod connection;
mod pulse;
pub mod serve;
pub mod signature;
pub mod webhook;
mod webhook_answer;
