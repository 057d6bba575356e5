//! Measurements: a JSON object that the benchmark must write anew, and what is wrong with it.
//!
//! What an earlier run left is put aside before the benchmark and comes back only when nothing new was written, so an old
//! number is never taken for a new one and a person's file is never lost.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::place;

/// Bytes of measurements that are read; more is no set of numbers.
const CAP: u64 = 1024 * 1024;

/// Levels of nesting that are accepted.
const DEPTH: usize = 32;

/// The file as it was before the benchmark, put aside; it comes back when this is dropped and nothing took its place.
#[derive(Debug)]
pub(super) struct Aside {
    file: Option<PathBuf>,
    aside: Option<PathBuf>,
    old: Option<[u8; 32]>,
}

/// What was found after the benchmark.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is wrong, in the seed's words; empty when nothing is.
    pub(super) errors: Vec<String>,
    /// The bytes, also of a file that is wrong.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Puts what is at `relative` aside.
///
/// # Errors
/// A sentence for people when it cannot be moved away; a measurement could not be told from an old one then.
pub(super) fn put_aside(tree: &Path, relative: &str) -> Result<Aside, String> {
    let Ok(file) = resolve(tree, relative) else {
        // Its folder is not there yet, or leads out; the look afterwards says which.
        return Ok(Aside { file: None, aside: None, old: None });
    };
    let failed = |err: std::io::Error| format!("`{relative}` of an earlier run cannot be put aside: {err}");
    match fs::symlink_metadata(&file) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Aside { file: Some(file), aside: None, old: None });
        }
        Err(err) => return Err(failed(err)),
        Ok(found) if found.is_dir() => return Err(format!("`{relative}` is a directory")),
        Ok(_) => {}
    }
    let old = read(&file).ok().map(|bytes| Sha256::digest(bytes).into());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".before-benchmark");
    let aside = file.with_file_name(name);
    fs::rename(&file, &aside).map_err(failed)?;
    Ok(Aside { file: Some(file), aside: Some(aside), old })
}

impl Drop for Aside {
    fn drop(&mut self) {
        let (Some(file), Some(aside)) = (&self.file, &self.aside) else { return };
        let replaced = fs::symlink_metadata(file).is_ok();
        let done = if replaced { fs::remove_file(aside) } else { fs::rename(aside, file) };
        if let Err(err) = done {
            tracing::warn!(path = %aside.display(), %err, "measurements of an earlier run stay beside the new ones");
        }
    }
}

/// Looks at what the benchmark wrote.
pub(super) fn look(tree: &Path, relative: &str, required: &[String], before: &Aside) -> Found {
    let missing = |why: String| Found { errors: vec![why], bytes: None };
    let file = match resolve(tree, relative) {
        Ok(file) => file,
        Err(why) => return missing(format!("metrics_file_missing: {relative} ({why})")),
    };
    if fs::symlink_metadata(&file).is_err() {
        let was_there = before.aside.is_some();
        return missing(if was_there {
            "metrics_not_updated".to_owned()
        } else {
            format!("metrics_file_missing: {relative}")
        });
    }
    let bytes = match read(&file) {
        Ok(bytes) => bytes,
        Err(why) => return missing(format!("metrics_file_missing: {relative} ({why})")),
    };
    let errors = judge(&bytes, required, before);
    Found { errors, bytes: Some(bytes) }
}

fn judge(bytes: &[u8], required: &[String], before: &Aside) -> Vec<String> {
    if bytes.len() as u64 > CAP {
        return vec![format!("invalid_json: it is larger than {CAP} bytes")];
    }
    if before.old.is_some_and(|old| old == <[u8; 32]>::from(Sha256::digest(bytes))) {
        return vec!["metrics_not_updated".to_owned()];
    }
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(err) => return vec![format!("invalid_json: {err}")],
    };
    if depth(&value) > DEPTH {
        return vec![format!("invalid_json: it is nested deeper than {DEPTH} levels")];
    }
    let Value::Object(fields) = value else { return vec!["metrics_json_not_object".to_owned()] };
    let missing: Vec<&str> =
        required.iter().map(String::as_str).filter(|key| !fields.contains_key(*key)).collect();
    if missing.is_empty() { Vec::new() } else { vec![format!("missing_keys: {}", missing.join(", "))] }
}

/// The parser itself refuses more than 128 levels, so this does not run deep.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

fn resolve(tree: &Path, relative: &str) -> Result<PathBuf, String> {
    let path = Path::new(relative);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err("it names no file".to_owned());
    };
    Ok(place::directory(tree, &parent.to_string_lossy())?.join(name))
}

/// Reads a regular file and nothing else: no link, no pipe, no device; one byte more than the cap at most.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let opened = OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or(0)).open(file);
    let opened = opened.map_err(|err| err.to_string())?;
    if !opened.metadata().is_ok_and(|found| found.is_file()) {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    opened.take(CAP + 1).read_to_end(&mut bytes).map_err(|err| err.to_string())?;
    Ok(bytes)
}
