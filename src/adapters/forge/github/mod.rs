//! GitHub, and GitHub Enterprise servers, by their API.
//!
//! [`client`] is the one way to the API: it meters itself, remembers limits over processes, and never repeats a write. [`payload`] reads
//! webhooks, [`snapshot`] says the same from one answer about many pull requests.

mod address;
pub mod answer;
mod app_token;
pub mod auth;
mod breaker;
pub mod client;
mod deadline;
mod etag;
mod limit;
mod meter;
pub mod payload;
mod remembered;
mod session;
pub mod snapshot;
mod text;
mod wire;
