//! Asking programs: where they are, which version they have, whether `gh` is logged in.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::ProbeSettings;
use crate::adapters::process::short::{ShortError, ShortOrder, ShortOutput, run_short};
use crate::ports::probe::Version;

/// How long a program may take to answer a question about itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Bytes of an answer that are looked at.
const ANSWER_CAP: usize = 16 * 1024;

/// Characters of an answer that are shown.
const SHOWN: usize = 240;

/// Variables such a program gets: how to find others, how to speak, whose home it is.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "XDG_CONFIG_HOME"];

/// Finds a program on a search path.
pub(super) fn find(search_path: &[PathBuf], name: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    search_path.iter().map(|directory| directory.join(name)).find(runs)
}

/// The few variables of this process that a program gets, and more of them by name.
pub(super) fn environment(settings: &ProbeSettings, more: &[&str]) -> BTreeMap<String, String> {
    let names = INHERITED.iter().chain(more);
    names.filter_map(|name| Some(((*name).to_owned(), settings.parent.get(*name)?.clone()))).collect()
}

/// Runs a program that answers a question, away from every repository.
pub(super) fn answer(
    program: &Path,
    args: &[&str],
    env: BTreeMap<String, String>,
    limit: Duration,
) -> Result<ShortOutput, ShortError> {
    run_short(&ShortOrder {
        program: program.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        dir: PathBuf::from("/"),
        env,
        stdin: Vec::new(),
        limit,
        output_cap: ANSWER_CAP,
    })
}

/// Asks each program that was found for its version, all at once.
///
/// Some make folders in their home as soon as they start, so they get one that is gone afterwards.
pub(super) fn versions(settings: &ProbeSettings, programs: &[Option<PathBuf>]) -> Vec<Version> {
    let home = tempfile::tempdir().ok();
    let mut env = environment(settings, &[]);
    env.retain(|name, _| !name.starts_with("XDG_"));
    let place = home.as_ref().map_or(Path::new("/nonexistent"), tempfile::TempDir::path);
    env.insert("HOME".to_owned(), place.to_string_lossy().into_owned());
    let env = &env;
    thread::scope(|scope| {
        let asked: Vec<_> =
            programs.iter().map(|path| scope.spawn(|| version(env, path.as_deref()))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap_or(Version::Absent)).collect()
    })
}

fn version(env: &BTreeMap<String, String>, path: Option<&Path>) -> Version {
    let Some(path) = path else { return Version::Absent };
    let mute = |why: String| Version::Mute { path: path.to_owned(), why };
    match answer(path, &["--version"], env.clone(), ANSWER_LIMIT) {
        Err(err) => mute(format!("`--version`: {err}")),
        Ok(output) => {
            let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
            match lines(said).next() {
                Some(line) if output.code == Some(0) => {
                    Version::Said { path: path.to_owned(), line: shown(&line) }
                }
                line => mute(format!("`--version` failed: {}", shown(&line.unwrap_or_default()))),
            }
        }
    }
}

/// Asks `gh` for its login.
pub(super) fn forge_login(settings: &ProbeSettings) -> Result<(), String> {
    let program = find(&settings.search_path, "gh").ok_or("`gh` is not on PATH")?;
    let env = environment(settings, &["GH_CONFIG_DIR", "GH_HOST", "GH_TOKEN", "GITHUB_TOKEN"]);
    let output = answer(&program, &["auth", "status"], env, ANSWER_LIMIT).map_err(|err| err.to_string())?;
    if output.code == Some(0) {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said: Vec<String> = lines(&said).take(3).collect();
    Err(shown(&said.join(" | ")))
}

/// The lines that say something.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    lines.into_iter()
}

fn shown(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}
