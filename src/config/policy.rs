//! The tables `[policy]` and `[repository."owner/name"]`: the rules of new runs, and where each came from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::ConfigError;
use super::layer::{Layers, Origin};
use crate::domain::confine::{SandboxMode, Tier};
use crate::domain::id::RepoSlug;
use crate::domain::known_failure::check_patterns;
use crate::domain::policy::{CommandMode, Policy, UpdatePush};

/// What one table says; what is left out keeps the value below it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FilePolicy {
    sandbox: Option<SandboxMode>,
    required_tier: Option<u8>,
    agent_network: Option<bool>,
    checks_network: Option<bool>,
    pipeline: Option<String>,
    max_files: Option<u32>,
    max_added_lines: Option<u32>,
    max_file_bytes: Option<u64>,
    protect: Option<Vec<String>>,
    unprotect: Option<Vec<String>>,
    known_failures: Option<Vec<String>>,
    min_checks: Option<u32>,
    max_guard_violations: Option<u32>,
    max_retries: Option<u32>,
    update_push: Option<UpdatePush>,
    command_mode: Option<CommandMode>,
}

impl FilePolicy {
    /// Lays the table over a policy; says which names it set.
    fn over(&self, policy: &mut Policy) -> Vec<&'static str> {
        let mut set = Vec::new();
        macro_rules! lay {
            ($($name:ident),*) => {
                $(if let Some(value) = &self.$name {
                    policy.$name.clone_from(value);
                    set.push(stringify!($name));
                })*
            };
        }
        lay!(
            sandbox,
            required_tier,
            agent_network,
            checks_network,
            pipeline,
            max_files,
            max_added_lines,
            max_file_bytes,
            protect,
            unprotect,
            known_failures,
            min_checks,
            max_guard_violations,
            max_retries,
            update_push,
            command_mode
        );
        set
    }
}

/// The rules of new runs.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// Those of a repository that has none of its own.
    pub default: Policy,
    /// Those of repositories, by [`RepoSlug::key`].
    pub repositories: BTreeMap<String, Policy>,
    /// Where each name of the default came from, as far as it is not the built-in one.
    pub(super) origins: BTreeMap<&'static str, Origin>,
}

impl Policies {
    /// The rules for a repository.
    pub fn of(&self, repo: &RepoSlug) -> &Policy {
        self.repositories.get(&repo.key()).unwrap_or(&self.default)
    }

    /// Reads both tables and the two variables, and checks every value.
    pub(super) fn read(
        layers: &Layers<'_>,
        table: &FilePolicy,
        repositories: &BTreeMap<String, FilePolicy>,
    ) -> Result<Self, ConfigError> {
        let in_file = Origin::File(layers.file.to_owned());
        let mut default = Policy::default();
        let mut origins: BTreeMap<&'static str, Origin> =
            table.over(&mut default).into_iter().map(|name| (name, in_file.clone())).collect();
        if let Some(text) = layers.text("AGENTPR_SANDBOX", None)? {
            default.sandbox =
                SandboxMode::of(text.value.trim()).ok_or_else(|| text.wrong("sandbox", MODES))?;
            origins.insert("sandbox", text.origin);
        }
        if let Some(text) = layers.text("AGENTPR_REQUIRED_TIER", None)? {
            let number = text.value.trim().parse::<u8>().ok().filter(|number| Tier::of(*number).is_some());
            default.required_tier = number.ok_or_else(|| text.wrong("required_tier", TIERS))?;
            origins.insert("required_tier", text.origin);
        }
        check(&default, &in_file)?;
        let mut known = BTreeMap::new();
        for (name, overrides) in repositories {
            let wrong = |why: String| ConfigError::Value {
                name: "repository".to_owned(),
                origin: in_file.clone(),
                why,
            };
            let repo: RepoSlug =
                name.parse().map_err(|err| wrong(format!("`{name}` is no `owner/name`: {err}")))?;
            let mut policy = default.clone();
            overrides.over(&mut policy);
            check(&policy, &in_file)?;
            if known.insert(repo.key(), policy).is_some() {
                return Err(wrong(format!("`{name}` is there twice")));
            }
        }
        Ok(Self { default, repositories: known, origins })
    }

    /// Each rule as name, shown value and origin; those of a repository only where they differ from the default.
    pub(super) fn rows(&self, file: &Path) -> Vec<(String, String, Origin)> {
        let mut rows: Vec<(String, String, Origin)> = values(&self.default)
            .into_iter()
            .map(|(name, value)| {
                let origin = self.origins.get(name.as_str()).cloned().unwrap_or(Origin::Default);
                (format!("policy.{name}"), value, origin)
            })
            .collect();
        let default = values(&self.default);
        for (repo, policy) in &self.repositories {
            let own = values(policy).into_iter().zip(&default).filter(|(own, default)| own != *default);
            rows.extend(own.map(|((name, value), _)| {
                (format!("repository.{repo}.{name}"), value, Origin::File(file.to_owned()))
            }));
        }
        rows
    }
}

const MODES: &str = "one of auto, read-only, workspace-write, danger-full-access";
const TIERS: &str = "0 (open), 1 (landlock) or 2 (bubblewrap)";

fn check(policy: &Policy, origin: &Origin) -> Result<(), ConfigError> {
    let wrong = |name: &str, why: String| {
        Err(ConfigError::Value { name: name.to_owned(), origin: origin.clone(), why })
    };
    if Tier::of(policy.required_tier).is_none() {
        return wrong("required_tier", TIERS.to_owned());
    }
    if policy.required_tier > 0 && policy.sandbox == SandboxMode::DangerFullAccess {
        return wrong("required_tier", "the sandbox `danger-full-access` is tier 0".to_owned());
    }
    let path = Path::new(&policy.pipeline);
    let leads_out = path.components().any(|part| !matches!(part, std::path::Component::Normal(_)));
    if policy.pipeline.is_empty() || leads_out {
        return wrong("pipeline", "a path inside the repository, such as `pipeline.yml`".to_owned());
    }
    if policy.max_guard_violations == 0 {
        return wrong("max_guard_violations", "1 or more".to_owned());
    }
    if let Err(why) = check_patterns(&policy.known_failures) {
        return wrong("known_failures", why);
    }
    for glob in policy.protect.iter().chain(&policy.unprotect) {
        if let Err(err) = globset::Glob::new(glob) {
            return wrong("protect", format!("`{glob}` is no glob: {err}"));
        }
    }
    Ok(())
}

/// The rules as text, in the order of the example file: what the field serialises to, without the quotes.
fn values(policy: &Policy) -> Vec<(String, String)> {
    let serde_json::Value::Object(fields) = serde_json::to_value(policy).unwrap_or_default() else {
        return Vec::new();
    };
    fields
        .into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })
        .collect()
}
