//! The doors: each turns what comes in into calls of the app, and what comes back into words. No rule lives here.

pub mod cli;
pub mod http;
