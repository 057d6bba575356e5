//! Command rules: which commands the engine runs on somebody else's word, and which it refuses by name.
//!
//! Not a sandbox: a command can do anything the sandbox lets it, and a script in a file is not read. The rules stop
//! mistakes and the plainly forbidden. `judge` is the order of the rules, `destruction` what no mode allows,
//! `administration` what only the `system` mode allows, `interaction` what waits for a person, `machine` what a person should
//! grant first.

mod administration;
mod destruction;
mod interaction;
mod judge;
mod machine;
mod path;

pub use judge::{CommandPolicy, Refusal};
pub use machine::is_machine_wide;
