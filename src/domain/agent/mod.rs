//! Agents: the words every adapter translates its program into, and what follows from them.
//!
//! Read in this order: [`role`] (who does what), [`signal`] (what a program says while it works), [`class`] (how it ended),
//! [`usage`] and [`budget`] (what it cost and may cost), [`liveness`] and [`repetition`] (whether it still gets anywhere), [`quota`]
//! (waiting for an allowance), [`record`] (what an attempt keeps of all this). Nothing here names a program.

pub mod budget;
pub mod class;
pub mod known;
pub mod liveness;
pub mod quota;
pub mod record;
pub mod repetition;
pub mod role;
pub mod signal;
pub mod usage;
