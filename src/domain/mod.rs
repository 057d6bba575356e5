//! The rules of a run, pure: no file, no clock, no thread, no network.
//!
//! Read in this order: [`state`] (where a run can be), [`event`] (what can happen to it), [`run`] (the fold of its
//! events), [`transition`] (which event moves it where), [`command`] and [`decide`] (what may be asked, and what follows),
//! [`next`] (what is due), [`gate`] (permission as a value), [`verdict`] (how evidence is weighed), [`projection`] (the
//! rows that lists and tables read).

pub mod action;
pub mod actor;
pub mod agent;
pub mod command;
pub mod command_policy;
pub mod confine;
pub mod decide;
pub mod event;
pub mod evidence;
pub mod forge;
pub mod gate;
pub mod guard;
pub mod id;
pub mod known_failure;
pub mod next;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod projection;
pub mod reason;
pub mod run;
pub mod secret;
pub mod shell;
pub mod signal;
pub mod spec;
pub mod state;
pub mod time;
pub mod transition;
pub mod verdict;
pub mod verification;
