//! The one integration test binary: the story of agentpr, told to real programs, real git and a real store.

mod adapter;
mod cli;
mod domain;
mod engine;
mod harness;
mod store;
mod whole;
