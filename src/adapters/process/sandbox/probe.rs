//! What this machine can do to shut a program in: tried out, not guessed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adapters::process::landlock;
use crate::adapters::process::short::{ShortOrder, run_short};
use crate::domain::confine::Tier;

/// How long `bwrap` may take to show that it works; it needs 20 ms.
const LIMIT: Duration = Duration::from_secs(5);

/// Where Ubuntu's kernel says whether AppArmor keeps user namespaces from users.
const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// The `bwrap` program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bwrap {
    /// Where it lies.
    pub path: PathBuf,
    /// Its version, as it says.
    pub version: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxProbe {
    /// The strongest tier that works.
    pub tier: Tier,
    /// The `bwrap` program, whether it works or not.
    pub bwrap: Option<Bwrap>,
    /// The version of Landlock, 6 standing for 6 and later; `None` where the kernel has none.
    pub landlock: Option<u8>,
    /// Why it is not a higher tier, and what to do about it; `None` at the highest.
    pub why_not_higher: Option<String>,
    /// The command that would raise the tier; empty at the highest.
    pub remedy: String,
}

/// Looks for `bwrap` on a search path, runs it, and asks the kernel for Landlock. Blocks.
pub fn probe(search_path: &str) -> SandboxProbe {
    let landlock = landlock::version();
    let path = std::env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("bwrap"))
        .find(|path| path.is_file());
    let bwrap = path.map(|path| {
        let said = call(&path, &["--version"]).unwrap_or_default();
        let version = said.trim().trim_start_matches("bubblewrap").trim().to_owned();
        Bwrap { path, version }
    });
    let trouble = match &bwrap {
        None => Some("there is no `bwrap` on the search path; install the package bubblewrap".to_owned()),
        Some(bwrap) => try_out(&bwrap.path).err().map(|why| {
            format!(
                "`{}` does not work here: {why}; allow user namespaces to this user (sysctl \
                 kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, or RestrictNamespaces= of the unit)",
                bwrap.path.display()
            )
        }),
    };
    let tier = match (&trouble, landlock) {
        (None, _) => Tier::Bubblewrap,
        (Some(_), Some(_)) => Tier::Landlock,
        (Some(_), None) => Tier::Open,
    };
    let why_not_higher = trouble.map(|why| match landlock {
        Some(_) => why,
        None => format!("{why}; and this kernel has no Landlock (Linux 5.13, `lsm=landlock`)"),
    });
    let remedy = match (&why_not_higher, &bwrap) {
        (None, _) => "",
        (Some(_), None) => "sudo apt-get install -y bubblewrap",
        // Two switches close user namespaces; which of them a system has is seen from the file.
        (Some(_), Some(_)) if Path::new(APPARMOR).exists() => {
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        }
        (Some(_), Some(_)) => "sudo sysctl -w user.max_user_namespaces=10000",
    };
    SandboxProbe { tier, bwrap, landlock, why_not_higher, remedy: remedy.to_owned() }
}

/// Starts the smallest sandbox that has all the parts of a real one.
fn try_out(bwrap: &Path) -> Result<(), String> {
    let args = [
        "--unshare-all",
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        "--hostname",
        "agentpr",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--",
        "/bin/sh",
        "-c",
        ":",
    ];
    call(bwrap, &args).map(|_| ())
}

fn call(program: &Path, args: &[&str]) -> Result<String, String> {
    let order = ShortOrder {
        program: program.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        dir: PathBuf::from("/"),
        env: BTreeMap::new(),
        stdin: Vec::new(),
        limit: LIMIT,
        output_cap: 4_096,
    };
    let output = run_short(&order).map_err(|err| err.to_string())?;
    if output.code == Some(0) {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().next_back().unwrap_or_default().trim().to_owned();
    Err(if line.is_empty() { "it failed without a word".to_owned() } else { line })
}
