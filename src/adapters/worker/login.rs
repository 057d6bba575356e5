//! The operator's login files: lent to a run's own configuration, and the secrets in them, so that they can be taken out of what
//! programs print.
//!
//! The files are JSON with tokens at places of each program's own; every long word in one counts as a secret. A token that
//! a program renews while it runs is not known here: of that, only the shape can be told.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FileType;
use serde_json::Value;

use crate::adapters::process::beneath::{Root, is_kind};

/// Bytes of a file that are looked at; logins have some kilobytes.
const LONGEST: u64 = 256 * 1024;

/// Characters below which a word is no token: names of plans, kinds and scopes are shorter.
const SHORTEST: usize = 20;

/// Copies the operator's login to `name` in an agent's own folder, unless the copy there is younger: programs renew their tokens in it.
///
/// # Errors
/// What the file system says, with the login's name; nothing in the folder is followed if it is a link.
pub(super) fn lend(login: &Path, folder: &Path, name: &str) -> io::Result<()> {
    let explained = |err: io::Error| {
        let why = format!("the login `{}`: {err}; log in again with the program itself", login.display());
        io::Error::new(err.kind(), why)
    };
    let folder = Root::open(folder)?;
    let changed = fs::metadata(login).map_err(explained)?.mtime();
    let copy = folder.stat(name.as_bytes())?;
    if copy.is_some_and(|copy| is_kind(&copy, FileType::RegularFile) && copy.st_mtime >= changed) {
        return Ok(());
    }
    let text = fs::read(login).map_err(explained)?;
    folder.put(name.as_bytes(), &text, 0o600, None)
}

/// The words of a login file that are long enough to be secret; none when it cannot be read, or is no JSON.
pub(super) fn secrets_in(path: &Path) -> Vec<String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
    let Ok(value) = read.map_err(|_| ()).and_then(|_| serde_json::from_slice(&text).map_err(|_| ())) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    collect(&value, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(word) => {
            let is_secret =
                word.len() >= SHORTEST && !word.contains(char::is_whitespace) && !word.contains("://");
            if is_secret {
                found.push(word.clone());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(values) => values.values().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
