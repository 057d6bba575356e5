//! The secrets in a login file, so that they can be taken out of what programs print.
//!
//! The files are JSON with tokens at places of each program's own; every long word in one counts as a secret. A token that
//! a program renews while it runs is not known here: of that, only the shape can be told.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

/// Bytes of a file that are looked at; logins have some kilobytes.
const LONGEST: u64 = 256 * 1024;

/// Characters below which a word is no token: names of plans, kinds and scopes are shorter.
const SHORTEST: usize = 20;

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
