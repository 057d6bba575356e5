//! Is this machine, or this workspace, ready for work? Findings as data, each with the command that mends it.
//!
//! `report` is what is found, [`judge`] what facts mean, [`profile`] the table of what each kind of command needs, `machine` the look at the machine,
//! `agent` the one at agent programs, `network` the one at hosts, `preflight` the one at a workspace, `webhook` the one at deliveries, [`fix`] mends what
//! is safe to mend. Nothing here touches the world but through ports.

mod agent;
pub mod fix;
pub mod judge;
mod machine;
mod network;
mod preflight;
pub mod profile;
mod report;
mod store;
mod webhook;

pub use machine::{DoctorOrder, Requirement};
pub use preflight::{Preflight, Preflighted};
pub use profile::Profile;
pub use report::{Finding, Report, Severity};
