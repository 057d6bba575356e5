//! Asks a program for its version and its help, and takes the digest of its file.
//!
//! It runs in an empty folder that is its home for that long, with no variable of the operator's but the search path, so that
//! it neither finds nor leaves anything. Blocks; the longest wait is [`ANSWER_LIMIT`] for each question.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::adapters::process::short::{ShortOrder, ShortOutput, run_short};
use crate::adapters::process::tree::remove_tree;
use crate::domain::agent::known::numbers;
use crate::domain::id::Digest;

/// How long a program may take for one answer. Programs in Python need some seconds when their files are not in memory.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Bytes of each answer that are looked at.
const ANSWER_CAP: usize = 128 * 1024;

/// Characters of a version, or of a complaint, that are kept.
const SHOWN: usize = 120;

/// Bytes read at once for the digest; the programs have up to some hundred megabytes.
const PIECE: usize = 256 * 1024;

/// How the name of a passing home begins.
const PASSING: &str = ".agentpr-ask-";

/// No question takes as long: a home that is older is what a killed engine left.
const STALE: Duration = Duration::from_secs(60 * 60);

/// What a program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) version: String,
    /// All help after each other.
    pub(super) help: String,
}

/// Asks a program. `folder` is where its passing home is made, the system's place for such when there is none.
pub(super) fn ask(
    program: &Path,
    help_args: &[&[&str]],
    search_path: &str,
    folder: Option<&Path>,
) -> Result<Answers, String> {
    let home = Home::new(folder).map_err(|err| format!("no folder to ask it in: {err}"))?;
    let run = |args: &[&str]| -> Result<ShortOutput, String> {
        let order = ShortOrder {
            program: program.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            dir: home.0.clone(),
            env: home.environment(search_path),
            stdin: Vec::new(),
            limit: ANSWER_LIMIT,
            output_cap: ANSWER_CAP,
        };
        run_short(&order).map_err(|err| format!("`{}`: {err}", args.join(" ")))
    };
    let output = run(&["--version"])?;
    let version = version(&output)?;
    let mut help = String::new();
    for args in help_args {
        let output = run(args)?;
        for part in [&output.stdout, &output.stderr] {
            help.push_str(&String::from_utf8_lossy(part));
            help.push('\n');
        }
    }
    Ok(Answers { version, help })
}

/// The line that names a version: a warning may stand before it.
fn version(output: &ShortOutput) -> Result<String, String> {
    let said = [output.stdout.as_slice(), b"\n", &output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| numbers(line).is_some()).or_else(|| lines().next()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    match output.code {
        Some(0) if !line.is_empty() => Ok(line),
        Some(0) => Err("`--version` says nothing".to_owned()),
        Some(code) => Err(format!("`--version` ended with code {code}: {line}")),
        None => Err(format!("a signal ended `--version`: {line}")),
    }
}

/// SHA-256 of a file.
pub(super) fn sha256(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; PIECE];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
    Digest::new(hex::encode(hasher.finalize())).map_err(io::Error::other)
}

/// A home for a few questions, which goes away with what was put there.
struct Home(PathBuf);

impl Home {
    fn new(folder: Option<&Path>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(PASSING);
        let made = match folder {
            Some(folder) => {
                sweep(folder);
                builder.tempdir_in(folder)?
            }
            None => builder.tempdir()?,
        };
        let home = Self(made.keep());
        std::fs::create_dir(home.0.join("tmp"))?;
        Ok(home)
    }

    fn environment(&self, search_path: &str) -> BTreeMap<String, String> {
        let home = self.0.to_string_lossy();
        let mut env: BTreeMap<String, String> = [
            ("PATH", search_path),
            ("LANG", "C.UTF-8"),
            ("TERM", "dumb"),
            ("NO_COLOR", "1"),
            ("CI", "1"),
            ("DO_NOT_TRACK", "1"),
            // What is compiled already is read all the same, or a question would take some seconds more.
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let places = [
            ("HOME", ""),
            ("TMPDIR", "/tmp"),
            ("XDG_CONFIG_HOME", "/config"),
            ("XDG_DATA_HOME", "/data"),
            ("XDG_STATE_HOME", "/state"),
            ("XDG_CACHE_HOME", "/cache"),
        ];
        env.extend(places.map(|(name, below)| (name.to_owned(), format!("{home}{below}"))));
        env
    }
}

/// Removes the homes that a killed engine left.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_home = entry.file_name().to_string_lossy().starts_with(PASSING);
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|made| made.elapsed());
        if is_home && age.is_ok_and(|age| age.is_ok_and(|age| age > STALE)) {
            // The next question tries again.
            let _left = remove_tree(&entry.path());
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(err) = remove_tree(&self.0) {
            tracing::warn!(folder = %self.0.display(), %err, "the home of a question was not removed");
        }
    }
}
