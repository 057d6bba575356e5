//! Forges: places where branches are pushed and pull requests live.
//!
//! [`local`] is a git repository by its address, with pull requests kept as refs beside the branches; it needs no service.
//! [`github`] is GitHub, or a GitHub Enterprise server, by its API, and [`gh`] asks GitHub's own command line for its login. [`routed`]
//! chooses between them for each run. [`none`] stands where a forge has no hooks to look into.

pub mod gh;
pub mod github;
mod lease;
pub mod local;
pub mod none;
mod pull;
pub mod routed;
