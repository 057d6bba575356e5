//! Forges: places where branches are pushed and pull requests live.
//!
//! [`local`] is a git repository by its address, with pull requests kept as refs beside the branches; it needs no service.
//! [`github`] is GitHub, or a GitHub Enterprise server, by its API. [`none`] stands where a forge has no hooks to look into.
//! [`gh`] asks GitHub's own command line for its login.

pub mod gh;
pub mod github;
pub mod local;
pub mod none;
mod pull;
