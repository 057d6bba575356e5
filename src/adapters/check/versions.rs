//! Which programs were there: written beside a verification, so that a difference between two machines can be found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::adapters::process::short::{ShortOrder, run_short};

/// The programs and the question that each answers without changing anything. `docker version` asks its server too.
const TOOLS: [(&str, &[&str]); 4] = [
    ("git", &["--version"]),
    ("docker", &["version"]),
    ("kubectl", &["version", "--client"]),
    ("helm", &["version"]),
];

/// Time a program has to say its version; a server that does not answer is no reason to wait longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of an answer that are kept.
const CAP: usize = 16 * 1024;

/// Asks every program at once. One that is not there, or does not answer, is recorded as that.
pub(super) fn versions(head: Option<&str>, env: &BTreeMap<String, String>) -> Value {
    let tools: Map<String, Value> = thread::scope(|scope| {
        let asked: Vec<_> =
            TOOLS.iter().map(|(name, args)| (*name, scope.spawn(move || ask(name, args, env)))).collect();
        asked
            .into_iter()
            .map(|(name, answer)| {
                (name.to_owned(), answer.join().unwrap_or_else(|_| json!({ "found": false })))
            })
            .collect()
    });
    json!({ "agentpr": env!("CARGO_PKG_VERSION"), "git_head": head, "tools": tools })
}

fn ask(name: &str, args: &[&str], env: &BTreeMap<String, String>) -> Value {
    let Some(program) = find(name, env.get("PATH").map_or("", String::as_str)) else {
        return json!({ "found": false });
    };
    let order = ShortOrder {
        program,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        // Not in the repository: no wall stands here, and tools that choose their version by folder run what a file there names.
        dir: PathBuf::from("/"),
        env: env.clone(),
        stdin: Vec::new(),
        limit: PATIENCE,
        output_cap: CAP,
    };
    match run_short(&order) {
        Ok(said) => json!({
            "found": true,
            "rc": said.code,
            "stdout": String::from_utf8_lossy(&said.stdout).trim_end(),
            "stderr": String::from_utf8_lossy(&said.stderr).trim_end(),
        }),
        Err(err) => json!({ "found": true, "rc": null, "error": err.to_string() }),
    }
}

/// The first file of that name in the folders of a search path; only absolute folders count.
fn find(name: &str, search_path: &str) -> Option<PathBuf> {
    let folders = search_path.split(':').filter(|folder| folder.starts_with('/'));
    folders.map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}
