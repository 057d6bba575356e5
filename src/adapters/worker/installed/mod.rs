//! Programs of agents: found, asked what they are, and remembered until their file changes.
//!
//! `locate` finds a program, `ask` starts it to hear its version and its options, `memory` keeps the answers, [`status`] says
//! what is wrong. A program whose file is the same as when it was asked costs a few looks at the file system and no start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

mod ask;
pub mod locate;
mod memory;
pub mod status;

use super::agent::{Agent, Installed, Setup};
use crate::domain::agent::known::KnownAgent;
use crate::domain::agent::record::Identity;
use crate::ports::worker::Problem;
use locate::locate;
use memory::{FileKey, Memory};

/// How often a program that changes while it is asked is asked again.
const TRIES: u32 = 3;

/// Knows the programs of agents.
#[derive(Debug)]
pub struct Programs {
    search_path: String,
    memory: Memory,
    /// One for each agent: who comes while it is asked waits for the answer instead of asking too.
    asking: Mutex<BTreeMap<&'static str, Arc<Mutex<()>>>>,
}

/// A program that was found, not asked.
struct Found {
    path: PathBuf,
    folders: Vec<PathBuf>,
    key: FileKey,
}

impl Programs {
    /// Looks for programs on `search_path` and remembers answers in the file `cache`, where one is named.
    pub fn new(search_path: &str, cache: Option<PathBuf>) -> Self {
        Self { search_path: search_path.to_owned(), memory: Memory::new(cache), asking: Mutex::default() }
    }

    /// The program of an agent as it is now, asked only when its file is not the one that was asked before.
    ///
    /// Blocks; the first time for seconds, as the digest of a large file and some starts of it need.
    ///
    /// # Errors
    /// It is not there, or says nothing of itself.
    pub fn installed(&self, agent: &dyn Agent, setup: &Setup) -> Result<Installed, Problem> {
        let found = self.find(agent, setup)?;
        if let Some(installed) = self.memory.get(&found.key) {
            return Ok(installed);
        }
        let turn = self.turn(agent.known().name);
        let _mine = turn.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES {
            let found = self.find(agent, setup)?;
            if let Some(installed) = self.memory.get(&found.key) {
                return Ok(installed);
            }
            let installed = self.ask(agent, &found)?;
            // An update in the middle would give the version of one file and the digest of another.
            if self.find(agent, setup)?.key == found.key {
                self.memory.put(found.key, &installed);
                return Ok(installed);
            }
        }
        let what = format!("the program of `{}` keeps changing while it is asked", agent.known().name);
        Err(Problem { what, mend: "try again when its installation is over".to_owned(), blocks: true })
    }

    /// What is remembered of an agent's program; nothing is started.
    ///
    /// # Errors
    /// It is not there.
    pub fn remembered(&self, agent: &dyn Agent, setup: &Setup) -> Result<Option<Installed>, Problem> {
        Ok(self.memory.get(&self.find(agent, setup)?.key))
    }

    fn find(&self, agent: &dyn Agent, setup: &Setup) -> Result<Found, Problem> {
        let known = agent.known();
        let named = setup.program.as_deref().map(Path::to_string_lossy);
        let name = named.as_deref().unwrap_or(known.name);
        let path = locate(name, &self.search_path).map_err(|what| absent(known, what))?;
        let (program, folders) = agent.native(&path);
        let key = FileKey::now(known.name, &path, &program, agent.help_args())
            .map_err(|err| absent(known, format!("`{}` cannot be read: {err}", program.display())))?;
        Ok(Found { path, folders, key })
    }

    fn ask(&self, agent: &dyn Agent, found: &Found) -> Result<Installed, Problem> {
        let program = &found.key.program;
        let mute = |why: String| Problem {
            what: format!("`{}` does not say what it is: {why}", program.display()),
            mend: format!(
                "run `{} --version` by hand; install it anew with `{}`",
                found.path.display(),
                agent.known().install
            ),
            blocks: true,
        };
        let asked = |args: &'static [&'static [&'static str]]| {
            ask::ask(program, args, &self.search_path, self.memory.folder())
        };
        let answers = asked(agent.help_args()).map_err(mute)?;
        let sha256 = ask::sha256(program).map_err(|err| mute(format!("it cannot be read: {err}")))?;
        Ok(Installed {
            identity: Identity {
                program: program.to_string_lossy().into_owned(),
                version: Some(answers.version),
                sha256: Some(sha256),
            },
            folders: found.folders.clone(),
            help: answers.help,
        })
    }

    fn turn(&self, name: &'static str) -> Arc<Mutex<()>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(asking.entry(name).or_default())
    }
}

fn absent(known: &KnownAgent, what: String) -> Problem {
    let mend = format!("install it with `{}`, or name its program in `{}`", known.install, known.variable);
    Problem { what, mend, blocks: true }
}
