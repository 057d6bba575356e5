//! The command line as scripts and people meet it: settings, documents, words, exit codes, signals.

mod agents;
mod config;
mod doctor;
mod error;
mod forge;
mod github;
mod output;
mod pipeline_spec;
mod plan;
mod preflight;
mod pulse;
mod signal;
mod step;
mod step_end;
mod sync;
mod usage;
mod verb;
mod verify;
mod webhook;

use crate::harness::{Answer, Sandbox};

/// Creates a run without an agent: each step is ordered by hand.
fn create(sandbox: &Sandbox, run: &str) -> Answer {
    sandbox
        .agentpr(&["create-run", "--owner", "o", "--repo", "r", "--prompt-version", "v1", "--run-id", run])
        .ok()
}

/// A world with a store and one run in it.
fn with_run(run: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let _created = create(&sandbox, run);
    sandbox
}
