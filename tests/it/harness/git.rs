//! Real git for tests: making remotes, and looking at what is in them.

use std::path::Path;
use std::process::Command;

/// Runs git in `dir` with a pinned identity and no configuration of the machine; panics with git's words when it fails.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = command(dir, args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?} in {} failed: {said}", dir.display());
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// As [`git`], for questions that may be answered with no.
pub(crate) fn ask(dir: &Path, args: &[&str]) -> Option<String> {
    let output = command(dir, args).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs([("GIT_AUTHOR_NAME", "Test"), ("GIT_AUTHOR_EMAIL", "test@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Test"), ("GIT_COMMITTER_EMAIL", "test@example.com")])
        .envs([("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"), ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")]);
    command
}

/// Makes a bare repository at `path` whose branch `main` has one commit with these files.
pub(crate) fn bare_remote(path: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(path).unwrap();
    git(path, &["init", "--quiet", "--bare", "--initial-branch=main"]);
    commit_on(path, "main", "Begin", files);
}

/// Adds a commit with these files to a branch of a bare repository; the branch is made when it is not there.
pub(crate) fn commit_on(bare: &Path, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
    let work = tempfile::tempdir().unwrap();
    let tree = work.path();
    git(tree, &["init", "--quiet", "--initial-branch=work"]);
    git(tree, &["remote", "add", "origin", &bare.display().to_string()]);
    if ask(bare, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).is_some() {
        git(tree, &["fetch", "--quiet", "origin", branch]);
        git(tree, &["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    }
    for (name, text) in files {
        let file = tree.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    git(tree, &["add", "--all"]);
    git(tree, &["commit", "--quiet", "--message", message]);
    git(tree, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
    git(tree, &["rev-parse", "HEAD"])
}

/// The commit a ref of a bare repository points to.
pub(crate) fn tip(bare: &Path, name: &str) -> Option<String> {
    ask(bare, &["rev-parse", "--verify", "--quiet", name])
}

/// Numbers of the pull requests recorded in a bare repository.
pub(crate) fn pull_requests(bare: &Path) -> Vec<u64> {
    let listed = git(bare, &["for-each-ref", "--format=%(refname)", "refs/agentpr/pulls/"]);
    listed.lines().filter_map(|name| name.rsplit('/').next()?.parse().ok()).collect()
}

/// Every ref with what it points to: equal texts mean that nothing changed.
pub(crate) fn all_refs(bare: &Path) -> String {
    git(bare, &["for-each-ref", "--format=%(refname) %(objectname)"])
}
