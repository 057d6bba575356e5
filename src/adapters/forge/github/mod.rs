//! GitHub, and GitHub Enterprise servers, by their API.
//!
//! [`client`] is the one way to the API: it meters itself, remembers limits over processes, and never repeats a write. [`forge`] pushes
//! and opens pull requests, [`hooks`] looks into what hooks have sent. [`payload`] reads webhooks, [`snapshot`] says the same from one
//! answer about many pull requests.

mod access;
mod body;
pub mod client;
mod excerpt;
pub mod forge;
mod fork;
mod head;
pub mod hooks;
pub mod keys;
mod observe;
pub mod payload;
mod pull_request;
mod push;
mod refused;
mod repository;
pub mod snapshot;
mod text;
