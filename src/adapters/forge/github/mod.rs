//! GitHub, and GitHub Enterprise servers, by their API.
//!
//! [`client`] is the one way to the API: it meters itself, remembers limits over processes, and never repeats a write. [`payload`] reads
//! webhooks, [`snapshot`] says the same from one answer about many pull requests.

pub mod payload;
pub mod snapshot;
mod text;
