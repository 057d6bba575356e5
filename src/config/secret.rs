//! Secrets: named in the settings, kept in the environment or in a file that the environment names, and shown nowhere.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use super::ConfigError;
use super::layer::{Environment, Origin};

/// The longest secret that is read from a file, in bytes.
const LONGEST: usize = 64 * 1024;

/// Beginnings of names whose variables are the engine's own, the forge's, or change which code is run: no agent gets them.
const KEPT_BACK: [&str; 6] = ["AGENTPR_", "GH_", "GITHUB_", "GIT_", "LD_", "TELEGRAM_"];

/// Names that are kept back besides.
const KEPT_BACK_NAMES: [&str; 4] = ["PATH", "HOME", "SHELL", "TELOXIDE_TOKEN"];

/// A secret's value. It has no text form but the one that is asked for by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a value.
    pub(super) fn new(value: String) -> Self {
        Self(value)
    }

    /// The value. Goes to the adapter that uses it and to what masks it, and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A secret by the name of its variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The variable.
    pub variable: String,
    /// What it says, or what the file says that `<variable>_FILE` names.
    pub value: Hidden,
}

impl Secret {
    /// Reads a variable of this process, or else the file that the variable with `_FILE` after its name names. Line ends after
    /// the value are not part of it. `None` when neither is set.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when the value is no text or the file cannot be read; the value is never part of it.
    pub(super) fn find(environment: &Environment, variable: &str) -> Result<Option<Self>, ConfigError> {
        let found = found(environment, variable, FileRule::Any)?;
        Ok(found.map(|(value, _)| Self { variable: variable.to_owned(), value }))
    }
}

/// Whose files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileRule {
    /// Every file that can be read.
    Any,
    /// A file that only its owner can read.
    Private,
}

/// As [`Secret::find`]: the value, and the variable that had it, or the one that named the file.
pub(super) fn found(
    environment: &Environment,
    variable: &str,
    rule: FileRule,
) -> Result<Option<(Hidden, String)>, ConfigError> {
    let set = |name: &str| environment.get(OsStr::new(name)).filter(|value| !value.is_empty());
    let wrong = |name: &str, why: String| ConfigError::Value {
        name: name.to_owned(),
        origin: Origin::Environment("the environment"),
        why,
    };
    let (text, from) = if let Some(value) = set(variable) {
        let text = value.to_str().map(str::to_owned);
        (text.ok_or_else(|| wrong(variable, "it is not UTF-8".to_owned()))?, variable.to_owned())
    } else {
        let file = format!("{variable}_FILE");
        let Some(path) = set(&file) else { return Ok(None) };
        let text = read_file(Path::new(path), rule)
            .map_err(|why| wrong(&file, format!("`{}`: {why}", Path::new(path).display())))?;
        (text, file)
    };
    let value = text.trim_end_matches(['\n', '\r']);
    if value.contains(char::is_control) {
        return Err(wrong(variable, "a key is one line without control characters".to_owned()));
    }
    Ok((!value.is_empty()).then(|| (Hidden(value.to_owned()), from)))
}

/// Reads a secret from a file that only its owner can read. Line ends after it are not part of it.
///
/// # Errors
/// In words, when the file cannot be read, others can read it, or it is not one line of text.
pub fn secret_in(path: &Path) -> Result<Hidden, String> {
    let text = read_file(path, FileRule::Private)?;
    let value = text.trim_end_matches(['\n', '\r']);
    if value.contains(char::is_control) {
        return Err("a secret is one line without control characters".to_owned());
    }
    Ok(Hidden::new(value.to_owned()))
}

/// Refuses what is no variable's name.
pub(super) fn check_variable(variable: &str) -> Result<(), String> {
    let is_name = variable.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name {
        return Ok(());
    }
    // What stands here in the place of a name may be the key itself, so it is not repeated.
    Err("it takes the name of a variable, such as OPENAI_API_KEY, and never the key itself".to_owned())
}

/// Refuses a name that is no variable's, or that of one that no agent may get.
pub(super) fn check_name(variable: &str) -> Result<(), String> {
    check_variable(variable)?;
    let upper = variable.to_ascii_uppercase();
    let is_kept_back =
        KEPT_BACK.iter().any(|begin| upper.starts_with(begin)) || KEPT_BACK_NAMES.contains(&upper.as_str());
    if is_kept_back {
        return Err(format!(
            "`{variable}` is not an agent's to have: put the agent's key into a variable of its own"
        ));
    }
    Ok(())
}

/// Reads a file with a secret, at most [`LONGEST`] bytes of it.
pub(super) fn read_file(path: &Path, rule: FileRule) -> Result<String, String> {
    use std::io::Read;
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|err| err.to_string())?;
    if rule == FileRule::Private {
        check_private(path, &file.metadata().map_err(|err| err.to_string())?)?;
    }
    file.take(most).read_to_end(&mut bytes).map_err(|err| err.to_string())?;
    if bytes.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// Refuses a file that group or others can read or write.
///
/// Root's group may, where the file is root's and this process is not: so a service manager shows a service its credentials, as
/// an access list whose mask stands in the place of the group (systemd.exec(5), `LoadCredential=`).
fn check_private(path: &Path, found: &std::fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let is_lent = found.uid() == 0 && found.gid() == 0 && !rustix::process::geteuid().is_root();
    let open_to = found.mode() & if is_lent { 0o007 } else { 0o077 };
    if open_to == 0 {
        return Ok(());
    }
    let who = if open_to & 0o007 == 0 { "its group" } else { "everybody here" };
    Err(format!("{who} can read or write it; run `chmod 600 {}`", path.display()))
}
