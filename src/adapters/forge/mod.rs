//! Forges: places where branches are pushed and pull requests live.
//!
//! [`local`] is a git repository by its address, with pull requests kept as refs beside the branches; it needs no service.
//! [`gh`] asks GitHub's own command line for its login.

pub mod gh;
pub mod local;
mod pull;
