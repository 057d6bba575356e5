//! Landlock: what this process and everything it starts may open from here on. There is no way back.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};
use serde::{Deserialize, Serialize};

/// The newest version whose rules are used. Later ones add rules that could not be tried here.
const NEWEST: ABI = ABI::V6;

/// Devices that may be read and written, as far as they are there; each is harmless or belongs to the terminal.
const DEVICES: [&str; 9] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
];

/// What stays allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules {
    /// Read and executed.
    pub(super) read: Vec<PathBuf>,
    /// Read, executed and written.
    pub(super) write: Vec<PathBuf>,
    /// Whether TCP connections may be made and taken, as far as the kernel can forbid them (version 4).
    pub(super) network: bool,
}

/// Shuts this process in.
///
/// # Errors
/// What the kernel or the rules lack, in one line; nothing is to be started then.
pub(super) fn shut_in(rules: &Rules) -> Result<(), String> {
    let made = || -> Result<RulesetStatus, landlock::RulesetError> {
        let mut ruleset =
            Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?;
        if !rules.network {
            ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
        }
        let read = AccessFs::from_read(NEWEST);
        let write = AccessFs::from_all(NEWEST);
        let status = ruleset
            .create()?
            .add_rules(path_beneath_rules(&rules.read, read))?
            .add_rules(path_beneath_rules(&rules.write, write))?
            .add_rules(path_beneath_rules(DEVICES.iter().map(Path::new), write))?
            .restrict_self()?;
        Ok(status.ruleset)
    };
    match made() {
        Ok(RulesetStatus::NotEnforced) => Err("the kernel does not enforce Landlock".to_owned()),
        Ok(_) => Ok(()),
        Err(err) => Err(format!("Landlock refused: {err}")),
    }
}

/// Cuts this process off from abstract sockets of programs outside, which mounts do not hide; where the kernel can.
///
/// # Errors
/// What the kernel says.
pub(super) fn shut_in_scope() -> Result<(), String> {
    let made = || -> Result<(), landlock::RulesetError> {
        let ruleset = Ruleset::default().scope(Scope::from_all(NEWEST))?.create()?;
        ruleset.restrict_self().map(|_| ())
    };
    if version().is_none_or(|version| version < 6) {
        return Ok(());
    }
    made().map_err(|err| format!("Landlock refused: {err}"))
}

/// The version of Landlock this kernel speaks, 6 standing for 6 and later; `None` where it has none.
pub(super) fn version() -> Option<u8> {
    let files = |abi: ABI| strict().handle_access(AccessFs::from_all(abi)).and_then(Ruleset::create).is_ok();
    let known = [
        (6, strict().scope(Scope::from_all(ABI::V6)).and_then(Ruleset::create).is_ok()),
        (5, files(ABI::V5)),
        (4, strict().handle_access(AccessNet::from_all(ABI::V4)).and_then(Ruleset::create).is_ok()),
        (3, files(ABI::V3)),
        (2, files(ABI::V2)),
        (1, files(ABI::V1)),
    ];
    known.into_iter().find_map(|(version, has)| has.then_some(version))
}

fn strict() -> Ruleset {
    Ruleset::default().set_compatibility(CompatLevel::HardRequirement)
}
