//! The continuous integration of the demo's repository: real commands on a clean checkout of the commit.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::sample::CI;
use crate::adapters::git::control::show;
use crate::adapters::git::program::Git;
use crate::adapters::process::short::{ShortOrder, run_short};
use crate::ports::fake_forge::CiCheck;

/// How long one check may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs every check on a commit of the bare repository `bare`, in a checkout at `tree`, which is gone afterwards. Blocks.
///
/// # Errors
/// What git, the file system or the shell said.
pub(super) fn run(
    git: &Git,
    bare: &Path,
    commit: &str,
    tree: &Path,
    search_path: &str,
) -> Result<Vec<CiCheck>, String> {
    let parent = tree.parent().unwrap_or(Path::new("/"));
    let clone = git.anywhere(parent).run(["clone", "--quiet", "--no-checkout", "--"]);
    clone.arg(show(bare)).arg(show(tree)).output().map_err(|err| err.to_string())?;
    // A pull request's commit is on no branch that a clone brings.
    let fetch = git.in_tree(tree).run(["fetch", "--quiet", "--"]).arg(show(bare)).arg(commit);
    fetch.output().map_err(|err| err.to_string())?;
    let checkout = git.in_tree(tree).run(["checkout", "--quiet", "--detach"]).arg(commit);
    checkout.output().map_err(|err| err.to_string())?;
    let mut checks = Vec::new();
    for (name, script) in CI {
        let order = ShortOrder {
            program: "sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            dir: tree.to_owned(),
            env: BTreeMap::from([("PATH".to_owned(), search_path.to_owned())]),
            stdin: Vec::new(),
            limit: LIMIT,
            output_cap: 64 * 1024,
        };
        let ran = run_short(&order).map_err(|err| format!("`{name}`: {err}"))?;
        let said = [ran.stdout, ran.stderr].concat();
        let log = String::from_utf8_lossy(&said).into_owned();
        checks.push(CiCheck { name: name.to_owned(), passed: ran.code == Some(0), log });
    }
    std::fs::remove_dir_all(tree).map_err(|err| err.to_string())?;
    Ok(checks)
}
