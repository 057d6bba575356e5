//! The login of GitHub's own command line: asked for when nothing else gives a token, kept nowhere.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adapters::process::short::{ShortOrder, run_short};

/// A keyring may be asked on the way; one that waits for a person is not waited for.
const LIMIT: Duration = Duration::from_secs(5);

/// A token has some hundred bytes.
const OUTPUT_CAP: usize = 16 * 1024;

/// What `gh` needs to find its login: its settings, and the way to a keyring. Its own variables with tokens are not among them:
/// they are the settings' to read.
const INHERITED: [&str; 6] =
    ["PATH", "HOME", "XDG_CONFIG_HOME", "GH_CONFIG_DIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// The token `gh` is logged in with at a host; `None` without `gh` or without a login. Blocks, for five seconds at most.
pub fn gh_token(search_path: &OsStr, host: &str, env: &BTreeMap<String, String>) -> Option<String> {
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), env.get(*name)?.clone())));
    let quiet = ["GH_PROMPT_DISABLED", "GH_NO_UPDATE_NOTIFIER", "NO_COLOR"];
    let order = ShortOrder {
        program: gh_on(search_path)?,
        args: ["auth", "token", "--hostname", host].map(str::to_owned).into(),
        dir: PathBuf::from("/"),
        env: inherited.chain(quiet.map(|name| (name.to_owned(), "1".to_owned()))).collect(),
        stdin: Vec::new(),
        limit: LIMIT,
        output_cap: OUTPUT_CAP,
    };
    let output = match run_short(&order) {
        Ok(output) if output.code == Some(0) => output,
        Ok(_) => return None,
        Err(err) => {
            tracing::debug!("`gh` does not say its login: {err}");
            return None;
        }
    };
    let token = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let is_token = !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || c.is_control());
    is_token.then_some(token)
}

fn gh_on(search_path: &OsStr) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let folders = std::env::split_paths(search_path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join("gh")).find(|path| is_program(path))
}
