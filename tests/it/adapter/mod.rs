//! Adapters, told with real git, real programs and real directories.

mod action;
mod capture;
mod check;
mod environment;
mod forge;
mod gate;
mod guard;
mod guard_hostile;
mod guard_parked;
mod local;
mod path;
mod pipeline;
mod prepare;
mod probe;
mod probe_network;
mod process;
mod process_limit;
mod process_stream;
mod redact;
mod sandbox;
mod scan;
mod tree;
mod verify;
mod worker;
mod world;
