//! A repository nobody will miss: one file, one commit, no remote.

use std::path::Path;

use crate::adapters::git::program::Git;
use crate::ports::workspace::WorkspaceError;

const README: &str = "# Trial\n\nNothing here matters.\n";

/// Makes it at `dir`.
pub(super) fn make(git: &Git, dir: &Path) -> Result<(), WorkspaceError> {
    let failed = |err: &dyn std::fmt::Display| {
        WorkspaceError::Failed(format!("no repository could be made at `{}`: {err}", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(|err| failed(&err))?;
    std::fs::write(dir.join("README.md"), README).map_err(|err| failed(&err))?;
    let on_tree = || git.in_tree(dir);
    on_tree().run(["init", "--quiet", "--initial-branch=main"]).output().map_err(|err| failed(&err))?;
    on_tree().run(["add", "--all"]).output().map_err(|err| failed(&err))?;
    on_tree()
        .run(["-c", "user.name=agentpr", "-c", "user.email=agentpr@localhost"])
        .run(["commit", "--quiet", "--message=Begin"])
        .output()
        .map_err(|err| failed(&err))?;
    Ok(())
}
