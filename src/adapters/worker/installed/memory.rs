//! What was found out about programs, by the file it was found out about; kept in a file of the engine's own.
//!
//! The file is a shortcut and no record: whatever cannot be read is asked again, and two processes that write it at once lose
//! at worst one answer.

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::adapters::process::tree::private_dir;
use crate::adapters::worker::agent::Installed;
use crate::domain::agent::record::Identity;

/// The shape of the file; another number is not read.
const FORMAT: u32 = 1;

/// Programs that are remembered; the oldest is forgotten first.
const MOST: usize = 32;

/// Bytes of the file that are read at most; a longer one is garbage. 32 programs with half a megabyte of help each.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Which file an answer is about, and which questions it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileKey {
    /// The agent.
    pub(super) name: String,
    /// The program as it was found.
    pub(super) found: PathBuf,
    /// The one that really runs.
    pub(super) program: PathBuf,
    size: u64,
    modified_ns: i64,
    inode: u64,
    /// The argument lists that were asked for help: a newer adapter may ask more.
    asked: Vec<Vec<String>>,
}

impl FileKey {
    /// The key of a program as it is now.
    pub(super) fn now(name: &str, found: &Path, program: &Path, help_args: &[&[&str]]) -> io::Result<Self> {
        let meta = program.metadata()?;
        let asked = |args: &&[&str]| args.iter().map(|arg| (*arg).to_owned()).collect();
        Ok(Self {
            name: name.to_owned(),
            found: found.to_owned(),
            program: program.to_owned(),
            size: meta.size(),
            modified_ns: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
            inode: meta.ino(),
            asked: help_args.iter().map(asked).collect(),
        })
    }

    fn is_of_same_program(&self, other: &Self) -> bool {
        self.name == other.name && self.found == other.found
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: FileKey,
    identity: Identity,
    folders: Vec<PathBuf>,
    help: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    programs: Vec<Entry>,
}

/// Remembers answers, in memory and in a file.
#[derive(Debug)]
pub(super) struct Memory {
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entries: Vec<Entry>,
    is_loaded: bool,
}

impl Memory {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, known: Mutex::default() }
    }

    /// The folder of the file, made when it was not there.
    pub(super) fn folder(&self) -> Option<&Path> {
        let folder = self.file.as_deref()?.parent()?;
        private_dir(folder).is_ok().then_some(folder)
    }

    /// What is remembered of exactly this file.
    pub(super) fn get(&self, key: &FileKey) -> Option<Installed> {
        let mut known = self.lock();
        if !known.is_loaded {
            known.is_loaded = true;
            known.entries = self.load();
        }
        let entry = known.entries.iter().find(|entry| entry.key == *key)?;
        Some(Installed {
            identity: entry.identity.clone(),
            folders: entry.folders.clone(),
            help: entry.help.clone(),
        })
    }

    /// Remembers an answer in the place of every other about the same program. That it cannot be written down is no error.
    pub(super) fn put(&self, key: FileKey, installed: &Installed) {
        let entry = Entry {
            key,
            identity: installed.identity.clone(),
            folders: installed.folders.clone(),
            help: installed.help.clone(),
        };
        let mut known = self.lock();
        known.is_loaded = true;
        // Another process may have asked about other programs meanwhile.
        for other in self.load() {
            if !known.entries.iter().any(|entry| entry.key.is_of_same_program(&other.key)) {
                known.entries.insert(0, other);
            }
        }
        known.entries.retain(|other| !other.key.is_of_same_program(&entry.key));
        known.entries.push(entry);
        let excess = known.entries.len().saturating_sub(MOST);
        known.entries.drain(..excess);
        if let Err(err) = self.save(&known.entries) {
            tracing::warn!(%err, "what was found out about an agent's program is not written down");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> Vec<Entry> {
        let Some(file) = &self.file else { return Vec::new() };
        let read = || -> io::Result<Vec<Entry>> {
            let mut text = Vec::new();
            std::fs::File::open(file)?.take(LONGEST + 1).read_to_end(&mut text)?;
            if text.len() as u64 > LONGEST {
                return Err(io::Error::other("it is too long"));
            }
            let stored: Stored = serde_json::from_slice(&text)?;
            if stored.format != FORMAT {
                return Err(io::Error::other("it has the format of another version"));
            }
            Ok(stored.programs)
        };
        match read() {
            Ok(mut entries) => {
                // The identity is what a run's record shows; it is never that of another file.
                entries.retain(|entry| Path::new(&entry.identity.program) == entry.key.program);
                entries.truncate(MOST);
                entries
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(err) => {
                tracing::debug!(file = %file.display(), %err, "what was remembered of programs cannot be read");
                Vec::new()
            }
        }
    }

    fn save(&self, entries: &[Entry]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let folder = self.folder().ok_or_else(|| io::Error::other("its folder cannot be made"))?;
        let stored = Stored { format: FORMAT, programs: entries.to_vec() };
        // A new file of `tempfile` is readable by its owner only.
        let mut new = tempfile::Builder::new().prefix(".agentpr-programs-").tempfile_in(folder)?;
        new.write_all(&serde_json::to_vec(&stored)?)?;
        new.persist(file).map_err(|err| err.error)?;
        Ok(())
    }
}
