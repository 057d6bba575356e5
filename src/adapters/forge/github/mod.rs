//! GitHub, and GitHub Enterprise servers, by their API.
//!
//! [`client`] is the one way to the API: it meters itself, remembers limits over processes, and never repeats a write. [`forge`] pushes
//! and opens pull requests, [`hooks`] looks into what hooks have sent, [`keys`] gives git its token. [`payload`] reads webhooks,
//! [`snapshot`] says the same from one answer about many pull requests.

mod access;
mod address;
pub mod answer;
mod app_token;
pub mod auth;
mod body;
mod breaker;
pub mod client;
mod deadline;
mod etag;
mod excerpt;
pub mod forge;
mod fork;
mod head;
pub mod hooks;
pub mod keys;
mod limit;
mod meter;
mod observe;
pub mod payload;
mod pull_request;
mod pulls;
mod push;
mod refused;
mod remembered;
mod repository;
mod session;
pub mod snapshot;
mod text;
mod wire;
