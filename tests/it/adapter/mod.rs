//! Adapters, told with real git, real programs and real directories.

mod capture;
mod check;
mod environment;
mod forge;
mod gate;
mod path;
mod prepare;
mod process;
mod process_limit;
mod process_stream;
mod redact;
mod sandbox;
mod verify;
mod worker;
mod world;
