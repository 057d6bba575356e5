//! The program against a GitHub of our own: real git over HTTP, real signatures, real processes that are killed.

mod limit;
mod stage;
mod story;
