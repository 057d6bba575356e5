//! What an order may say about the rules of its run; the rest is the operator's settings.

use super::error::CliError;
use super::session::Session;
use crate::domain::confine::SandboxMode;
use crate::domain::id::RepoSlug;
use crate::domain::policy::{Policy, UpdatePush};

/// The rules an order may set.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PolicyArgs {
    /// The sandbox of agent and checks: auto, read-only, workspace-write or danger-full-access [default: configured]
    #[arg(long, value_name = "MODE", value_parser = ["auto", "read-only", "workspace-write", "danger-full-access"])]
    sandbox: Option<String>,
    /// Let the checks reach the network [default: configured]
    #[arg(long)]
    checks_network: bool,
    /// The verification contract in the repository, read at the base commit [default: pipeline.yml]
    #[arg(long, value_name = "PATH")]
    pipeline: Option<String>,
    /// Who lets an update of the pull request go: confirm (a person, each time) or auto_after_first_approval [default: configured]
    #[arg(long, value_name = "RULE", value_parser = ["confirm", "auto_after_first_approval"])]
    update_push: Option<String>,
}

impl PolicyArgs {
    /// The configured rules for a repository with what the order says about them.
    ///
    /// # Errors
    /// A usage error when both together make no sense.
    pub(super) fn of(&self, session: &Session<'_>, repo: &RepoSlug) -> Result<Policy, CliError> {
        let mut policy = session.config.policies.of(repo).clone();
        if let Some(mode) = self.sandbox.as_deref().and_then(SandboxMode::of) {
            if mode == SandboxMode::DangerFullAccess && policy.required_tier > 0 {
                return Err(CliError::usage(
                    format!("the settings require sandbox tier {}", policy.required_tier),
                    "leave --sandbox out, or have the operator lower `required_tier`",
                ));
            }
            policy.sandbox = mode;
        }
        if let Some(rule) = self.update_push.as_deref().and_then(UpdatePush::of) {
            policy.update_push = rule;
        }
        policy.checks_network |= self.checks_network;
        if let Some(path) = &self.pipeline {
            let normal = |part| matches!(part, std::path::Component::Normal(_));
            if path.is_empty() || !std::path::Path::new(path).components().all(normal) {
                return Err(CliError::usage(
                    format!("--pipeline `{path}` is not a path inside the repository"),
                    "name it from the repository's root, such as `ci/pipeline.yml`",
                ));
            }
            policy.pipeline.clone_from(path);
        }
        Ok(policy)
    }
}
