//! What a shell command would run, read without running it: text in, simple commands out.
//!
//! Total: any text gives commands or [`TooComplex`], never a panic, in time linear in its length. It expands nothing (no
//! variable, no glob, no alias), so what a command computes at run time stays unseen: rules built on it stop mistakes,
//! they are no sandbox. Read in this order: `command` (what comes out), `parse`, `compound` and `redirect` (the
//! grammar), `word` (quotes and substitutions), `expand` and `wrapper` (programs that run other programs).

mod command;
mod compound;
mod expand;
mod parse;
mod redirect;
mod word;
mod wrapper;

pub use command::{Inside, Place, Redirect, Route, SimpleCommand, Spot, TooComplex, Word};
pub use expand::{first_word, simple_commands};
pub use wrapper::{is_shell, reads_script_from_stdin, runs_computed_script};

/// Longest text that is read, in bytes: nobody types more, and a generated one this long is not meant to be judged.
pub const MAX_TEXT: usize = 64 * 1024;
