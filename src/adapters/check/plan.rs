//! What a verification runs, decided before anything runs: whose commands, under which rules, and who logs in.

use std::path::Path;

use super::detect::detect;
use crate::domain::command_policy::CommandPolicy;
use crate::domain::evidence::CheckSource;
use crate::domain::id::Digest;
use crate::domain::pipeline::{Pipeline, StageSettings};
use crate::domain::policy::CommandMode;
use crate::domain::verification::Stage;

/// Who carries out the login of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// The engine, without a terminal; an interactive one is refused.
    Engine,
    /// A person did already.
    Granted,
    /// A person does now, at a terminal.
    AtTerminal,
}

/// What runs.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) source: CheckSource,
    /// The contract, with the tests that run; an empty one where there is none.
    pub(super) pipeline: Pipeline,
    pub(super) rules: CommandPolicy,
    pub(super) login: Login,
    /// Digest of the contract, where there is one.
    pub(super) contract: Option<Digest>,
    /// The operator's patterns of failures that are known.
    pub(super) known_failures: Vec<String>,
}

impl Plan {
    /// Decides: given commands take the place of the contract's tests; the repository's own are looked for only where
    /// there is neither.
    ///
    /// `mode` is the operator's. A contract cannot loosen it, but tighten it.
    pub(super) fn of(
        commands: &[String],
        contract: Option<(Pipeline, Digest)>,
        mode: CommandMode,
        login: Login,
        tree: &Path,
    ) -> Self {
        let has_contract = contract.is_some();
        let (mut pipeline, digest) = match contract {
            Some((pipeline, digest)) => (pipeline, Some(digest)),
            None => (Pipeline::default(), None),
        };
        let source = if !commands.is_empty() {
            pipeline.tests.cmds = commands.to_vec();
            CheckSource::Given
        } else if has_contract {
            CheckSource::Contract
        } else if let Some(command) = detect(tree) {
            pipeline.tests.cmds = vec![command];
            CheckSource::Detected
        } else {
            CheckSource::Nothing
        };
        let safe = mode == CommandMode::Safe || (has_contract && pipeline.security.mode == CommandMode::Safe);
        let rules = CommandPolicy {
            mode: if safe { CommandMode::Safe } else { CommandMode::System },
            allowlist: pipeline.security.allowlist.clone(),
            denylist: pipeline.security.denylist.clone(),
        };
        Self { source, pipeline, rules, login, contract: digest, known_failures: Vec::new() }
    }

    /// The commands of a stage and what they share.
    pub(super) fn stage(&self, stage: Stage) -> (&[String], &StageSettings) {
        let Pipeline { auth, tests, deploy, benchmark, .. } = &self.pipeline;
        match stage {
            Stage::Auth => (&auth.commands.cmds, &auth.commands.settings),
            Stage::Tests => (&tests.cmds, &tests.settings),
            Stage::DeploySetup => (&deploy.setup_cmds, &deploy.settings),
            Stage::DeployHealth => (&deploy.health_cmds, &deploy.settings),
            Stage::DeployTeardown => (&deploy.teardown_cmds, &deploy.settings),
            Stage::Benchmark => (&benchmark.commands.cmds, &benchmark.commands.settings),
            Stage::Metrics => (&[], &benchmark.commands.settings),
        }
    }

    /// Whether the login needs a person who is not there.
    pub(super) fn lacks_person(&self) -> bool {
        let auth = &self.pipeline.auth;
        auth.interactive && !auth.commands.cmds.is_empty() && self.login == Login::Engine
    }

    /// Whether the commands of a stage get a terminal.
    pub(super) fn is_at_terminal(&self, stage: Stage) -> bool {
        stage == Stage::Auth && self.pipeline.auth.interactive && self.login == Login::AtTerminal
    }
}
