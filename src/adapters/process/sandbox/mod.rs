//! The sandbox: which tier a program gets, and the wall that belongs to it.
//!
//! [`probe`] finds out once what this machine can do; [`plan`] says what a program may see; [`bubblewrap`] and `walls` put that
//! into the words of each tier. Nothing here starts the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub mod bubblewrap;
pub mod plan;
pub mod probe;
mod walls;

pub use probe::{Bwrap, SandboxProbe};
pub use walls::Room;
pub(super) use walls::own_caches;

/// What is the same for every program on this machine.
#[derive(Debug, Clone, Default)]
pub struct SandboxSettings {
    /// Where `bwrap` is looked for: the engine's own search path, never a program's.
    pub search_path: String,
    /// Folders that no program may see: the operator's home, the data directory, the root of all workspaces.
    pub hidden: Vec<PathBuf>,
    /// Folders and files that every program may read besides, as the operator says.
    pub readable: Vec<PathBuf>,
}

/// Puts up walls.
#[derive(Debug, Clone)]
pub struct Sandbox {
    settings: Arc<SandboxSettings>,
    probed: Arc<OnceLock<SandboxProbe>>,
}

impl Sandbox {
    /// Takes the settings; nothing is looked at before the first program.
    pub fn new(settings: SandboxSettings) -> Self {
        Self { settings: Arc::new(settings), probed: Arc::default() }
    }

    /// What this machine can do; looked at once. Blocks the first time, for some tens of milliseconds.
    pub fn probe(&self) -> &SandboxProbe {
        self.probed.get_or_init(|| probe::probe(&self.settings.search_path))
    }

    fn plan(&self, program: &Path, env: &BTreeMap<String, String>, room: &Room<'_>) -> plan::Plan {
        plan::plan(&plan::Wishes {
            program,
            env,
            workspace: room.workspace,
            runtime: room.runtime,
            writable: room.writable,
            network: room.network,
            hidden: &self.settings.hidden,
            readable: &[&self.settings.readable, room.readable],
        })
    }
}
