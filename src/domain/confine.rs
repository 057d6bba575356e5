//! Confinement: what a program that is not trusted may reach and use, and how far that was enforced.
//!
//! The tiers are those of `docs/security.md`. A tier is what was in force, not what was wished; every attempt records it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far a program is shut in. Ordered: a higher tier is a stronger wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Tier 0: its own session, a clean environment and limits; it may read and write what the user may.
    #[default]
    Open,
    /// Tier 1: Landlock besides. It writes below its workspace and runtime directory only, and reads system folders.
    Landlock,
    /// Tier 2: bubblewrap. Its own mounts, process ids, `/proc`, `/tmp` and, when told so, no network.
    Bubblewrap,
}

impl Tier {
    /// The tier's number, as people and settings write it.
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Landlock => 1,
            Self::Bubblewrap => 2,
        }
    }

    /// The tier of a number; `None` beyond 2.
    pub fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Landlock),
            2 => Some(Self::Bubblewrap),
            _ => None,
        }
    }

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Landlock => "landlock",
            Self::Bubblewrap => "bubblewrap",
        }
    }
}

/// The sandbox an operator asks for, by the seed's names.
///
/// codex takes the three seed names as its own modes; every other agent is confined by the engine according to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// The strongest tier that works here; none is no error unless a tier is required.
    #[default]
    Auto,
    /// As `auto`, at least tier 1, and the workspace may not be written.
    ReadOnly,
    /// As `auto`, at least tier 1; the workspace may be written.
    WorkspaceWrite,
    /// No wall: tier 0.
    DangerFullAccess,
}

impl SandboxMode {
    /// The name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
        }
    }

    /// The mode of a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Auto, Self::ReadOnly, Self::WorkspaceWrite, Self::DangerFullAccess]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

/// What one program is to be shut in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// The mode.
    pub mode: SandboxMode,
    /// The lowest tier it may run under; below it, it does not start.
    pub required: Tier,
    /// Whether it may reach the network.
    pub network: bool,
}

impl Confinement {
    /// The lowest tier the program may run under: what is required, and what its mode stands for.
    pub fn lowest(&self) -> Tier {
        match self.mode {
            SandboxMode::ReadOnly | SandboxMode::WorkspaceWrite => self.required.max(Tier::Landlock),
            SandboxMode::Auto | SandboxMode::DangerFullAccess => self.required,
        }
    }
}

/// What one program with everything it starts may use; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Wall time.
    pub wall: Duration,
    /// Time without a sign of life: a byte of output, use of the processor, a file of the workspace that changes.
    pub silence: Option<Duration>,
    /// Resident memory of the whole tree, in bytes.
    pub memory: Option<u64>,
    /// Processes in the tree.
    pub processes: Option<u32>,
    /// Bytes below the workspace and the runtime directory.
    pub disk: Option<u64>,
}

impl ProcessLimits {
    /// Only a limit on wall time.
    pub fn wall(wall: Duration) -> Self {
        Self { wall, silence: None, memory: None, processes: None, disk: None }
    }
}

/// A limit that ended a program, wall time aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// It was silent too long.
    Silence,
    /// It used too much memory.
    Memory,
    /// It started too many processes.
    Processes,
    /// It filled too much disk.
    Disk,
}

impl LimitKind {
    /// What was exceeded, for people: the end of "it ...".
    pub fn words(self) -> &'static str {
        match self {
            Self::Silence => "was silent for too long",
            Self::Memory => "used more memory than allowed",
            Self::Processes => "started more processes than allowed",
            Self::Disk => "wrote more to disk than allowed",
        }
    }

    /// The reason code of a verdict about it.
    pub fn reason_code(self) -> &'static str {
        match self {
            Self::Silence => "worker_inactive",
            Self::Memory => "memory_limit",
            Self::Processes => "process_limit",
            Self::Disk => "disk_limit",
        }
    }
}
