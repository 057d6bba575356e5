//! From what is asked for to what is in force: the tier, and the wall of that tier for one program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::plan::Plan;
use super::{Sandbox, bubblewrap};
use crate::adapters::process::landlock::Rules;
use crate::adapters::process::launch::Wall;
use crate::adapters::process::tree::{private_dir_below, write_anew};
use crate::domain::confine::{Confinement, SandboxMode, Tier};

/// Where one program works, and what it may do there.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    /// Its workspace.
    pub workspace: &'a Path,
    /// Its runtime directory.
    pub runtime: &'a Path,
    /// Its current directory.
    pub dir: &'a Path,
    /// Whether it may write its workspace.
    pub writable: bool,
    /// Whether it has the network.
    pub network: bool,
    /// What it may read besides.
    pub readable: &'a [PathBuf],
}

impl Sandbox {
    /// The tier a program gets. Blocks the first time a wall is asked for.
    ///
    /// # Errors
    /// Which tier is required, why there is none, and what to do, for people.
    pub fn tier(&self, confinement: &Confinement) -> Result<Tier, String> {
        let required = confinement.lowest();
        if confinement.mode == SandboxMode::DangerFullAccess {
            return if required == Tier::Open {
                Ok(Tier::Open)
            } else {
                Err(format!(
                    "the sandbox `{}` is no wall, and tier {} ({}) is required; choose another sandbox or require tier 0",
                    confinement.mode.name(),
                    required.number(),
                    required.name()
                ))
            };
        }
        let found = self.probe();
        if found.tier >= required {
            return Ok(found.tier);
        }
        let why = found.why_not_higher.as_deref().unwrap_or("it is not there");
        Err(format!("tier {} ({}) is required and not available: {why}", required.number(), required.name()))
    }

    /// The wall of a tier for one program.
    pub(in crate::adapters::process) fn wall(
        &self,
        tier: Tier,
        program: &Path,
        env: &BTreeMap<String, String>,
        room: &Room<'_>,
    ) -> Wall {
        match (tier, &self.probe_if(tier)) {
            (Tier::Bubblewrap, Some(bwrap)) => {
                let plan = self.plan(program, env, room);
                Wall::Bubblewrap {
                    program: bwrap.clone(),
                    args: bubblewrap::arguments(&plan, room.dir, room.network),
                    empty: plan.credentials.into_iter().collect(),
                }
            }
            (Tier::Open, _) => Wall::Open,
            _ => Wall::Landlock(rules(&self.plan(program, env, room), room.network)),
        }
    }

    fn probe_if(&self, tier: Tier) -> Option<PathBuf> {
        let found = (tier == Tier::Bubblewrap).then(|| self.probe())?;
        found.bwrap.as_ref().map(|bwrap| bwrap.path.clone())
    }
}

/// Gives the program caches of its own where it may download: behind a wall the shared ones cannot be written.
///
/// Without the network the shared ones stay, so that what is in them can be used, and Cargo is told to ask nobody. Cargo's configuration is taken along, for it names
/// the mirrors; its credentials are not.
pub(in crate::adapters::process) fn own_caches(
    tier: Tier,
    env: &mut BTreeMap<String, String>,
    runtime: &Path,
    network: bool,
) {
    if tier == Tier::Open {
        return;
    }
    if !network {
        env.insert("CARGO_NET_OFFLINE".to_owned(), "true".to_owned());
        return;
    }
    for (variable, folder) in [("CARGO_HOME", "cargo"), ("GOPATH", "go")] {
        let Some(shared) = env.get(variable).map(PathBuf::from) else { continue };
        let own = runtime.join(folder);
        if shared.starts_with(runtime) || private_dir_below(runtime, &own).is_err() {
            continue;
        }
        for file in ["config.toml", "config"] {
            if let Ok(text) = fs::read(shared.join(file)) {
                // Without it the tool asks its default registry, and says so.
                let _refused = write_anew(&own.join(file), &text);
            }
        }
        env.insert(variable.to_owned(), own.to_string_lossy().into_owned());
    }
}

/// The rules of Landlock for a plan. They can only allow, so what is hidden below a readable folder is left out of it.
fn rules(plan: &Plan, network: bool) -> Rules {
    let mut read: Vec<PathBuf> = vec![PathBuf::from("/proc"), PathBuf::from("/sys")];
    let links = plan.links.iter().map(|(link, _)| link);
    let secret: Vec<&PathBuf> = plan.hidden.iter().chain(&plan.credentials).collect();
    for folder in links.chain(plan.read.values()) {
        around(folder, &secret, &mut read);
    }
    Rules { read, write: plan.write.iter().cloned().collect(), network }
}

/// Adds a folder, or what is in it apart from what is secret.
fn around(folder: &Path, secret: &[&PathBuf], read: &mut Vec<PathBuf>) {
    if secret.iter().any(|secret| folder.starts_with(secret)) {
        // Shown on purpose below something hidden, such as a toolchain in a home.
        if !secret.iter().any(|secret| folder == secret.as_path()) {
            read.push(folder.to_owned());
        }
        return;
    }
    if !secret.iter().any(|secret| secret.starts_with(folder)) {
        read.push(folder.to_owned());
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        around(&entry.path(), secret, read);
    }
}
