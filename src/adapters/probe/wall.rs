//! The walls this machine has for agents: bubblewrap, tried, and Landlock, as the kernel says.

use std::time::Duration;

use landlock::{ABI, Access, AccessFs, LandlockStatus, Ruleset, RulesetAttr, RulesetError};

use super::{ProbeSettings, program};
use crate::domain::confine::Tier;
use crate::ports::probe::SandboxFacts;

/// How long bubblewrap may take to run nothing: it takes 20 ms where it works.
const TRIAL: Duration = Duration::from_secs(2);

/// The strongest wall that works, and why it is not a stronger one.
pub(super) fn strongest(settings: &ProbeSettings) -> SandboxFacts {
    let Err((why, remedy)) = bubblewrap(settings) else {
        return SandboxFacts {
            tier: Tier::Bubblewrap,
            detail: "bubblewrap works".to_owned(),
            remedy: String::new(),
        };
    };
    let (tier, landlock) = landlock();
    SandboxFacts { tier, detail: format!("{landlock}; {why}"), remedy }
}

fn bubblewrap(settings: &ProbeSettings) -> Result<(), (String, String)> {
    let Some(bwrap) = program::find(&settings.search_path, "bwrap") else {
        return Err(("`bwrap` is not on PATH".to_owned(), "sudo apt-get install -y bubblewrap".to_owned()));
    };
    let args = ["--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true"];
    let why = match program::answer(&bwrap, &args, program::environment(settings, &[]), TRIAL) {
        Ok(output) if output.code == Some(0) => return Ok(()),
        Ok(output) => program::lines(&output.stderr).next().unwrap_or_else(|| "it failed".to_owned()),
        Err(err) => err.to_string(),
    };
    // Two switches close user namespaces; which of them a system has is seen from the file.
    let switch = if std::path::Path::new("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists() {
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else {
        "sudo sysctl -w user.max_user_namespaces=10000"
    };
    Err((format!("bubblewrap does not work: {why}"), switch.to_owned()))
}

/// Shuts a thread in that does nothing else, so that the kernel itself says whether it can; the others stay as they are.
fn landlock() -> (Tier, String) {
    let trial = || -> Result<LandlockStatus, RulesetError> {
        let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?.create()?;
        Ok(rules.restrict_self()?.landlock)
    };
    match std::thread::spawn(trial).join() {
        Ok(Ok(LandlockStatus::Available { effective_abi, kernel_abi })) => {
            let abi = kernel_abi.unwrap_or(effective_abi as i32);
            (Tier::Landlock, format!("Landlock works (ABI {abi})"))
        }
        Ok(Ok(LandlockStatus::NotEnabled)) => {
            (Tier::Open, "Landlock is switched off in this kernel".to_owned())
        }
        Ok(Ok(LandlockStatus::NotImplemented)) => (Tier::Open, "this kernel has no Landlock".to_owned()),
        Ok(Err(err)) => (Tier::Open, format!("Landlock does not work: {err}")),
        Err(_) => (Tier::Open, "Landlock could not be tried".to_owned()),
    }
}
