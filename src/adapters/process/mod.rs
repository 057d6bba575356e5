//! Processes: the only place that starts programs.
//!
//! [`group`] runs an agent or a check with everything it starts, behind the wall that [`sandbox`] puts up, by way of the [`launch`]er,
//! and ends all of it ([`members`]); [`short`] runs git; [`service`] a program that serves beside this one; [`leftover`] ends what a killed engine left behind; [`environment`] and
//! [`overrides`] say what a child may know. What a program prints comes through [`sanitise`] and [`redact`] before it is kept
//! ([`transcript`], [`output`]). What it may have put in the place of files and folders is handled by [`beneath`] and [`tree`]. Nothing here decides what an ending means.

pub mod beneath;
pub mod environment;
mod files;
pub mod group;
mod handshake;
mod known;
mod landlock;
pub mod launch;
pub mod leftover;
pub mod lines;
pub mod members;
pub mod output;
pub mod overrides;
pub mod redact;
pub mod sandbox;
pub mod sanitise;
pub mod service;
pub mod shield;
pub mod short;
pub mod signs;
mod streams;
pub mod table;
pub mod terminal;
pub mod transcript;
pub mod tree;
mod usage;
