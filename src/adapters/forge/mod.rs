//! Forges: places where branches are pushed and pull requests live.
//!
//! [`local`] is a git repository by its address, with pull requests kept as refs beside the branches; it needs no service.

pub mod local;
mod pull;
