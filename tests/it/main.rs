//! The one integration test binary: the story of agentpr, told to real programs, real git and a real store.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests start real programs and read the real clock and search path"
)]

mod adapter;
mod cli;
mod domain;
mod engine;
mod harness;
mod http;
mod store;
mod whole;

// What the kill test and the bench share with these tests finds it at their roots too.
use store::life;
