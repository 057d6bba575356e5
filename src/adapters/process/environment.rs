//! What a child may know: an environment made from nothing.
//!
//! A short allow-list of the parent's variables, directories of the run's own for everything tools keep in a home, and the
//! operator's overrides. This module never reads the engine's environment; it is handed in. So no secret the engine holds
//! can reach a child by inheritance.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::overrides::Overrides;
use super::table::RUN_MARK;
use super::tree::private_dir_below;
use crate::domain::id::RunId;

/// Variables taken over from the parent as they are, besides [`TOOLCHAIN_VARIABLES`]: how to find programs, how to speak.
const INHERITED: [&str; 5] = ["PATH", "LANG", "LC_ALL", "TERM", "TZ"];

/// Variables that name toolchains, or certificates. They are taken over, and what they name may be read behind a wall.
pub(super) const TOOLCHAIN_VARIABLES: [&str; 11] = [
    "RUSTUP_HOME",
    "CARGO_HOME",
    "GOROOT",
    "GOPATH",
    "JAVA_HOME",
    "NVM_DIR",
    "VOLTA_HOME",
    "PYENV_ROOT",
    "RBENV_ROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Toolchain homes that are found under the parent's home when no variable names them, so that a home of the run's own
/// does not hide the toolchain. They are shared with the operator: an agent that is not sandboxed can write there.
const TOOLCHAINS: [(&str, &str); 2] = [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")];

/// What a variable of the table stands for, which decides what has to exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Text,
}

/// The built-in variables; `runtime_env_overrides.json` in the root of the project repeats them for people to change.
const TABLE: &[(&str, &str, Kind)] = &[
    ("AGENTPR_RUNTIME_DIR", "{runtime_dir}", Kind::Directory),
    ("AGENTPR_WORKSPACE_DIR", "{repo_dir}", Kind::Text),
    ("HOME", "{runtime_dir}/home", Kind::Directory),
    ("XDG_CONFIG_HOME", "{runtime_dir}/config", Kind::Directory),
    ("XDG_STATE_HOME", "{runtime_dir}/state", Kind::Directory),
    ("XDG_CACHE_HOME", "{cache_dir}", Kind::Directory),
    ("XDG_DATA_HOME", "{data_dir}", Kind::Directory),
    ("TMPDIR", "{tmp_dir}", Kind::Directory),
    ("PIP_CACHE_DIR", "{cache_dir}/pip", Kind::Directory),
    ("UV_CACHE_DIR", "{cache_dir}/uv", Kind::Directory),
    ("POETRY_CACHE_DIR", "{cache_dir}/poetry", Kind::Directory),
    ("HATCH_CACHE_DIR", "{cache_dir}/hatch", Kind::Directory),
    ("RYE_CACHE_DIR", "{cache_dir}/rye", Kind::Directory),
    ("NPM_CONFIG_CACHE", "{cache_dir}/npm", Kind::Directory),
    ("BUN_INSTALL_CACHE_DIR", "{cache_dir}/bun", Kind::Directory),
    ("YARN_CACHE_FOLDER", "{cache_dir}/yarn", Kind::Directory),
    ("RUFF_CACHE_DIR", "{cache_dir}/ruff", Kind::Directory),
    ("MYPY_CACHE_DIR", "{cache_dir}/mypy", Kind::Directory),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1", Kind::Text),
    ("PIP_REQUIRE_VIRTUALENV", "true", Kind::Text),
    ("POETRY_VIRTUALENVS_IN_PROJECT", "true", Kind::Text),
    ("POETRY_DATA_DIR", "{data_dir}/poetry", Kind::Directory),
    ("HATCH_DATA_DIR", "{data_dir}/hatch", Kind::Directory),
    ("UV_TOOL_DIR", "{runtime_dir}/uv-tools", Kind::Directory),
    ("RYE_HOME", "{runtime_dir}/rye-home", Kind::Directory),
    ("TOX_WORK_DIR", "{runtime_dir}/tox", Kind::Directory),
    ("NPM_CONFIG_PREFIX", "{runtime_dir}/npm-global", Kind::Directory),
    ("BUN_INSTALL_GLOBAL_DIR", "{runtime_dir}/bun-global", Kind::Directory),
    ("PNPM_HOME", "{runtime_dir}/pnpm-home", Kind::Directory),
    ("PYTHONPYCACHEPREFIX", "{runtime_dir}/pycache", Kind::Directory),
    ("COVERAGE_FILE", "{runtime_dir}/coverage/.coverage", Kind::File),
];

/// What tells tools that nobody is there to answer, for commands the engine starts by itself. GitHub's runners set the first.
const UNATTENDED: [(&str, &str); 4] = [
    ("CI", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PYTHONUNBUFFERED", "1"),
];

/// Tells tools that nobody is there to answer; what the operator set stays.
pub fn unattended(env: &mut BTreeMap<String, String>) {
    for (name, value) in UNATTENDED {
        env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
}

/// Makes environments for children.
#[derive(Debug, Clone)]
pub struct ChildEnvironment {
    data_dir: PathBuf,
    inherited: BTreeMap<String, String>,
    overrides: Overrides,
}

impl ChildEnvironment {
    /// Takes what is needed from the parent's environment; `data_dir` is the engine's data directory.
    pub fn new(data_dir: PathBuf, parent: &BTreeMap<String, String>, overrides: Overrides) -> Self {
        let mut inherited: BTreeMap<String, String> = INHERITED
            .iter()
            .chain(&TOOLCHAIN_VARIABLES)
            .filter_map(|name| Some(((*name).to_owned(), parent.get(*name)?.clone())))
            .collect();
        if let Some(home) = parent.get("HOME").filter(|home| home.starts_with('/')) {
            for (name, folder) in TOOLCHAINS {
                let path = Path::new(home).join(folder);
                if !inherited.contains_key(name) && path.is_dir() {
                    inherited.insert(name.to_owned(), path.to_string_lossy().into_owned());
                }
            }
        }
        Self { data_dir, inherited, overrides }
    }

    /// The run's own directory for everything that is not the repository. An agent may write there.
    pub fn runtime_dir(&self, run: &RunId) -> PathBuf {
        runtime_dir(&self.data_dir, run)
    }

    /// The engine's own directory for a run: checkouts and half-made repositories. No agent is pointed at it.
    pub fn scratch_dir(&self, run: &RunId) -> PathBuf {
        scratch_dir(&self.data_dir, run)
    }

    /// Where a program name is looked up.
    pub fn path_variable(&self) -> &str {
        self.inherited.get("PATH").map_or("", String::as_str)
    }

    /// Makes the environment of a child that works in `repo_dir` and keeps its things under `runtime_dir`, and the
    /// directories it names.
    ///
    /// Directories that only an override names are not made.
    ///
    /// # Errors
    /// What the file system says.
    pub fn make(
        &self,
        run: &RunId,
        repo_dir: &Path,
        runtime_dir: &Path,
    ) -> io::Result<BTreeMap<String, String>> {
        let place = |template: &str| expand(template, repo_dir, runtime_dir);
        for folder in ["cache", "data", "tmp"] {
            private_dir_below(runtime_dir, &runtime_dir.join(folder))?;
        }
        let mut env = self.inherited.clone();
        for (name, template, kind) in TABLE {
            let value = place(template);
            match kind {
                Kind::Directory => private_dir_below(runtime_dir, Path::new(&value))?,
                Kind::File => {
                    let folder = Path::new(&value).parent();
                    folder.map_or(Ok(()), |folder| private_dir_below(runtime_dir, folder))?;
                }
                Kind::Text => {}
            }
            env.insert((*name).to_owned(), value);
        }
        for (name, template) in self.overrides.templates() {
            env.insert(name.to_owned(), place(template));
        }
        env.insert("AGENTPR_RUN_ID".to_owned(), run.as_str().to_owned());
        // Another store on this machine may have a run of the same name, and whoever carries this mark is ended with its run.
        env.insert(RUN_MARK.to_owned(), format!("{run}@{}", self.data_dir.display()));
        Ok(env)
    }
}

/// Where the programs of a run keep everything that is not the repository.
pub fn runtime_dir(data_dir: &Path, run: &RunId) -> PathBuf {
    data_dir.join("runtime").join(run.as_str())
}

/// Where the engine keeps a run's checkouts and half-made repositories, apart from what an agent is given to write to.
pub fn scratch_dir(data_dir: &Path, run: &RunId) -> PathBuf {
    data_dir.join("scratch").join(run.as_str())
}

/// Replaces the placeholders from left to right; what a replacement brings in is not looked at again.
fn expand(template: &str, repo_dir: &Path, runtime_dir: &Path) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let known = after.split_once('}').and_then(|(word, tail)| {
            let value = match word {
                "repo_dir" => repo_dir.to_owned(),
                "runtime_dir" => runtime_dir.to_owned(),
                "cache_dir" => runtime_dir.join("cache"),
                "data_dir" => runtime_dir.join("data"),
                "tmp_dir" => runtime_dir.join("tmp"),
                _ => return None,
            };
            Some((value.to_string_lossy().into_owned(), tail))
        });
        if let Some((value, tail)) = known {
            text.push_str(&value);
            rest = tail;
        } else {
            text.push('{');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}
