//! The words of a verification contract: its stages, the copy that is pinned, and why it could not be carried out.
//!
//! The contract file itself (`pipeline.yml`) is read by an adapter; its fields are in `docs/pipeline_spec.md`.

use serde::{Deserialize, Serialize};

use super::id::Digest;

/// A named part of verification, in the order they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Logging in to what the tests need.
    Auth,
    /// The tests.
    #[default]
    Tests,
    /// Bringing the thing up.
    DeploySetup,
    /// Asking whether it is up.
    DeployHealth,
    /// Measuring it.
    Benchmark,
    /// Reading what was measured.
    Metrics,
    /// Taking it down again; always last, and never a reason to fail.
    DeployTeardown,
}

impl Stage {
    /// The name in artifacts and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Tests => "tests",
            Self::DeploySetup => "deploy_setup",
            Self::DeployHealth => "deploy_health",
            Self::Benchmark => "benchmark",
            Self::Metrics => "metrics",
            Self::DeployTeardown => "deploy_teardown",
        }
    }

    /// Says whether a passed command of this stage proves something about the change.
    pub fn is_evidence(self) -> bool {
        matches!(self, Self::Tests | Self::DeployHealth | Self::Benchmark)
    }
}

/// The verification contract a run is judged by: what was read, and a digest nobody can argue with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedSpec {
    /// Where it came from: the path at the base commit, or the file a person named.
    pub origin: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// The copy that is used, relative to the artifact directory.
    pub copy: String,
}

/// Why verification did not run to an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// A stable word: `blocked_by_policy`, `blocked_by_allowlist`, `interactive_auth_required`, `looks_interactive`,
    /// `invalid_contract`, `contract_changed`.
    pub code: String,
    /// What a person should know, with the command or the place.
    pub detail: String,
}
