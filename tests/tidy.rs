//! The rules of the house that a compiler cannot keep: layers, purity, sizes, documents.
//!
//! Each rule is a function from one file to its faults, a table of constants beside it says what is allowed, and a
//! sample of forbidden text shows that the rule has teeth. A fault names the file, the rule and the offender.

#[path = "tidy/document.rs"]
mod document;
#[path = "tidy/layer.rs"]
mod layer;
#[path = "tidy/name.rs"]
mod name;
#[path = "tidy/shape.rs"]
mod shape;

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the project, with its path relative to the project's root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// A file that exists only in a test of a rule.
    fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// Every file under `folders` whose name ends in `.extension`, sorted; a folder that is not there has none.
fn sources(folders: &[&str], extension: &str) -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), extension, &mut paths);
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path)
                .unwrap_or_else(|err| panic!("cannot read {}: {err}", path.display())),
            path: path.strip_prefix(&root).unwrap_or(&path).display().to_string(),
        })
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, extension, into);
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
}

/// Fails with every fault at once, so that one run shows all there is to do.
fn refuse(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n  {}\n", faults.len(), faults.join("\n  "));
}

/// Applies `rule` to every Rust file of the program.
fn refuse_in_program(rule: impl Fn(&Source) -> Vec<String>) {
    let found = sources(&["src"], "rs");
    assert!(found.len() > 20, "only {} files found under src/", found.len());
    refuse(&found.iter().flat_map(rule).collect::<Vec<_>>());
}

/// Asserts that `rule` finds exactly one fault in the sample, and that it says all of `words`.
#[track_caller]
fn assert_refused(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str, words: &[&str]) {
    let faults = rule(&Source::sample(path, text));
    assert_eq!(faults.len(), 1, "one fault expected in `{text}`, found {faults:?}");
    for word in words.iter().chain([&path]) {
        assert!(faults[0].contains(word), "`{}` does not say `{word}`", faults[0]);
    }
}

#[track_caller]
fn assert_accepted(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) {
    refuse(&rule(&Source::sample(path, text)));
}
