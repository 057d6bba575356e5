//! What a program may see of the file system: one plan, which both tiers follow.
//!
//! The rule is an allow-list: system folders, the program itself, what its search path and toolchain variables name, its
//! workspace and its runtime directory. A folder that would show the operator's home, the data directory or other workspaces is
//! never on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::adapters::process::environment::TOOLCHAIN_VARIABLES;

/// Folders of the system, as far as they are there.
const SYSTEM: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix",
    "/gnu",
    "/var/lib/ca-certificates",
];

/// Folders that belong to many things at once: never shown whole because a tool lies in one.
const BROAD: [&str; 11] =
    ["/tmp", "/var/tmp", "/home", "/root", "/run", "/dev", "/proc", "/sys", "/mnt", "/media", "/srv"];

/// Files with credentials below a toolchain's home: `(variable, file)`.
const CREDENTIALS: [(&str, &str); 2] = [("CARGO_HOME", "credentials"), ("CARGO_HOME", "credentials.toml")];

/// What is wished for.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// The program, absolute.
    pub program: &'a Path,
    /// Its environment.
    pub env: &'a BTreeMap<String, String>,
    /// Where it works.
    pub workspace: &'a Path,
    /// Where it keeps its things.
    pub runtime: &'a Path,
    /// Whether it may write its workspace.
    pub writable: bool,
    /// Whether it has the network.
    pub network: bool,
    /// What it may not see.
    pub hidden: &'a [PathBuf],
    /// What it may read besides.
    pub readable: &'a [&'a [PathBuf]],
}

/// What a program may see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Symbolic links in the root, with their targets.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Where something is readable, with where it really lies.
    pub read: BTreeMap<PathBuf, PathBuf>,
    /// What is readable and writable, at its own place.
    pub write: BTreeSet<PathBuf>,
    /// Folders that lie below something readable and are not to be seen.
    pub hidden: BTreeSet<PathBuf>,
    /// Files with credentials below something readable, which are to look empty.
    pub credentials: BTreeSet<PathBuf>,
}

/// Makes the plan for a program.
pub fn plan(wishes: &Wishes<'_>) -> Plan {
    let mut plan = Plan::default();
    // First, so that nothing in them is shown once more, and then only for reading.
    if wishes.writable {
        plan.write.insert(wishes.workspace.to_owned());
    } else {
        plan.read.insert(wishes.workspace.to_owned(), wishes.workspace.to_owned());
    }
    plan.write.insert(wishes.runtime.to_owned());
    for folder in SYSTEM.map(PathBuf::from) {
        match fs::read_link(&folder) {
            Ok(target) => plan.links.push((folder, target)),
            Err(_) if folder.exists() => plan.show(&folder),
            Err(_) => {}
        }
    }
    if wishes.network {
        // It is often a link into /run.
        plan.show_target(Path::new("/etc/resolv.conf"));
    }
    plan.show_program(wishes);
    for folder in tool_folders(wishes.env) {
        if !is_broad(&folder, wishes.hidden) {
            plan.show(&folder);
        }
    }
    for path in wishes.readable.iter().copied().flatten() {
        plan.show(path);
    }
    for (variable, file) in CREDENTIALS {
        if let Some(path) = wishes.env.get(variable).map(|home| Path::new(home).join(file))
            && path.is_file()
            && plan.is_shown(&path)
        {
            plan.credentials.insert(path);
        }
    }
    // What is not there cannot be covered, and need not be.
    let lies_open =
        |folder: &PathBuf| folder.is_dir() && plan.read.values().any(|shown| folder.starts_with(shown));
    plan.hidden =
        wishes.hidden.iter().filter_map(|path| path.canonicalize().ok()).filter(lies_open).collect();
    plan
}

impl Plan {
    fn is_shown(&self, path: &Path) -> bool {
        self.read.keys().chain(&self.write).any(|shown| path.starts_with(shown))
            || self.links.iter().any(|(link, _)| path.starts_with(link))
    }

    /// Shows something at its place; a link is shown as what it leads to.
    fn show(&mut self, path: &Path) {
        if let Ok(source) = path.canonicalize()
            && !self.is_shown(path)
        {
            self.read.insert(path.to_owned(), source);
        }
    }

    fn show_target(&mut self, path: &Path) {
        if let Ok(target) = path.canonicalize() {
            self.show(&target);
        }
    }

    /// The program at the place it is called by, and the folder it really lies in, where its parts are.
    fn show_program(&mut self, wishes: &Wishes<'_>) {
        self.show(wishes.program);
        let Ok(real) = wishes.program.canonicalize() else { return };
        match real.parent() {
            Some(folder) if !is_broad(folder, wishes.hidden) => self.show(folder),
            _ => self.show(&real),
        }
    }
}

/// Folders of the search path, and what the variables of toolchains name. A folder `bin` shows the folder around it too, where a
/// tool keeps its libraries.
fn tool_folders(env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in env.get("PATH").map(std::env::split_paths).into_iter().flatten() {
        if folder.is_absolute() {
            let around = folder.parent().filter(|_| folder.ends_with("bin"));
            folders.extend(around.filter(|around| !around.ends_with(".local")).map(Path::to_owned));
            folders.push(folder);
        }
    }
    let named = TOOLCHAIN_VARIABLES.iter().filter_map(|name| env.get(*name)).map(PathBuf::from);
    folders.extend(named.filter(|path| path.is_absolute()));
    folders
}

/// Says whether a folder holds more than one tool: the root, a home, or anything around what is hidden.
fn is_broad(folder: &Path, hidden: &[PathBuf]) -> bool {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    [folder, &real].into_iter().any(|folder| {
        let around = |hidden: &PathBuf| {
            hidden.starts_with(folder) || hidden.canonicalize().is_ok_and(|hidden| hidden.starts_with(folder))
        };
        hidden.iter().any(around) || BROAD.iter().any(|broad| Path::new(broad).starts_with(folder))
    })
}
