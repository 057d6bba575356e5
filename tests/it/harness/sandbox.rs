//! A directory with a store, workspaces and remotes in it, and the program run against them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::git;

/// The sealed world of one test; everything is gone when it is dropped.
pub(crate) struct Sandbox {
    root: TempDir,
}

/// What the program answered.
#[derive(Debug)]
#[must_use = "look at the code, or at what was said"]
pub(crate) struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// The answer of a call that must succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The answer of a call that must end with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Standard output as a JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|err| panic!("{err}; stdout: {}\nstderr: {}", self.stdout, self.stderr))
    }
}

impl Sandbox {
    /// An empty world: no store yet.
    pub(crate) fn empty() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A world with an empty store.
    pub(crate) fn new() -> Self {
        let sandbox = Self::empty();
        let _made = sandbox.agentpr(&["init-db"]).ok();
        sandbox
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.path().join("data/agentpr.db")
    }

    /// Where a repository's remote is.
    pub(crate) fn remote(&self, owner: &str, repo: &str) -> PathBuf {
        self.path().join("forge").join(owner).join(format!("{repo}.git"))
    }

    /// Makes the remote of a repository with these files on `main`.
    pub(crate) fn with_remote(&self, owner: &str, repo: &str, files: &[(&str, &str)]) -> PathBuf {
        let remote = self.remote(owner, repo);
        git::bare_remote(&remote, files);
        remote
    }

    /// Writes a script for the fake agent and gives the agent's name to hand to the program.
    pub(crate) fn fake_agent(&self, name: &str, script: &str) -> String {
        let path = self.write(name, script);
        format!("command:{} {}", env!("CARGO_BIN_EXE_fake-agent"), path.display())
    }

    /// Writes a file into the world.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program with these arguments, ready to start in this world.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentpr"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path().join("home"))
            .env("USER", "tester")
            .env("AGENTPR_DATA_DIR", self.path().join("data"))
            .env("AGENTPR_FORGE_ROOT", self.path().join("forge"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn agentpr(&self, args: &[&str]) -> Answer {
        finish(self.command(args).spawn().unwrap())
    }

    /// Runs the program with what a person types after its name, quotes and all.
    pub(crate) fn types(&self, line: &str) -> Answer {
        let words = shell_words::split(line).unwrap();
        self.agentpr(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs a command that must succeed and gives its JSON document.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        self.agentpr(&all).ok().json()
    }

    /// The state of a run.
    #[track_caller]
    pub(crate) fn state(&self, run: &str) -> String {
        self.json(&["show-run", "--run-id", run])["state"].as_str().unwrap().to_owned()
    }
}

/// Waits for a program and takes what it said.
pub(crate) fn finish(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
