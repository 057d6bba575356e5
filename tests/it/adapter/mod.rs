//! Adapters, told with real git, real programs and real directories.

mod gate;
mod path;
mod world;
