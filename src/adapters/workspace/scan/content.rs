//! Content of a change: added lines that hold a secret or deceive the eye, binary files, scripts that run on installing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::entry::{Entry, blob};
use super::patch::{self, Added};
use super::{Subject, finding};
use crate::domain::policy::{Finding, Severity};
use crate::domain::secret;
use crate::ports::workspace::WorkspaceError;

/// Bytes of a diff that are looked through; a larger one is a finding.
const PATCH_CAP: usize = 24 * 1024 * 1024;

/// Bytes of a manifest that is read.
const MANIFEST_CAP: usize = 1024 * 1024;

/// Secrets listed for one file.
const SECRETS_OF_A_FILE: usize = 10;

/// Files that run when a package is built or installed.
const BUILD_FILES: [&str; 4] = ["setup.py", "build.rs", "binding.gyp", "extconf.rb"];

/// The findings of one file while its pieces come by.
#[derive(Default)]
struct Seen {
    secrets: Vec<(u32, &'static str)>,
    bidi: Option<u32>,
    zero_width: Option<u32>,
}

/// Looks through every added line. Files that git takes for binary are read as well: one NUL hides nothing.
pub(super) fn look(subject: &Subject<'_>, binary: &BTreeSet<String>) -> Result<Vec<Finding>, WorkspaceError> {
    let output = subject
        .git()
        .cap(PATCH_CAP)
        .run(["diff-tree", "-r", "-p", "-U0", "--text", "--no-renames", "--no-ext-diff", "--no-textconv"])
        .run(["--no-color", "--src-prefix=a/", "--dst-prefix=b/"])
        .arg(subject.base.as_str())
        .arg(subject.head.as_str())
        .output()?;
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    patch::read(&output.stdout, |piece| {
        let is_text = !binary.contains(&piece.path);
        judge(piece, is_text, &mut seen);
    });
    let mut found: Vec<Finding> = seen.iter().flat_map(|(path, seen)| tell(path, seen)).collect();
    found.extend(binary.iter().map(|path| finding("binary", Severity::Note, path, "is no text")));
    if output.truncated {
        let detail =
            format!("the diff is larger than {PATCH_CAP} bytes and was not looked through to its end");
        found.push(finding("diff_budget", Severity::Blocking, "", detail));
    }
    Ok(found)
}

fn judge(piece: &Added<'_>, is_text: bool, seen: &mut BTreeMap<String, Seen>) {
    let text = piece.lines.join(&b'\n');
    let hits = secret::find(&text);
    let line_at = |offset: usize| {
        let before = text.get(..offset).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        piece.first.saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    };
    let of_file = |seen: &mut BTreeMap<String, Seen>, note: &dyn Fn(&mut Seen)| {
        note(seen.entry(piece.path.clone()).or_default());
    };
    // One more than is listed says that there are more.
    for hit in hits.iter().take(SECRETS_OF_A_FILE + 1) {
        let line = line_at(hit.start);
        of_file(seen, &|of| {
            if of.secrets.len() <= SECRETS_OF_A_FILE {
                of.secrets.push((line, hit.rule));
            }
        });
    }
    // Everything that cannot be seen is beyond ASCII.
    if !is_text || text.is_ascii() {
        return;
    }
    for (line, content) in (piece.first..).zip(&piece.lines) {
        let content = String::from_utf8_lossy(content);
        if content.chars().any(is_bidi) {
            of_file(seen, &|of| of.bidi = of.bidi.or(Some(line)));
        }
        if hides(&content, line) {
            of_file(seen, &|of| of.zero_width = of.zero_width.or(Some(line)));
        }
    }
}

fn tell(path: &str, seen: &Seen) -> Vec<Finding> {
    let at = |rule: &str, severity, line: u32, detail: &str| {
        let mut found = finding(rule, severity, path, detail);
        found.line = Some(line);
        found
    };
    let mut found: Vec<Finding> = seen
        .secrets
        .iter()
        .take(SECRETS_OF_A_FILE)
        .map(|(line, rule)| {
            at("secret", Severity::Blocking, *line, &format!("an added line looks like `{rule}`"))
        })
        .collect();
    if seen.secrets.len() > SECRETS_OF_A_FILE {
        found.push(finding("secret", Severity::Blocking, path, "more added lines look like secrets"));
    }
    let bidi = "characters that turn the direction of writing: what is shown is not what runs";
    found.extend(seen.bidi.map(|line| at("bidi", Severity::Blocking, line, bidi)));
    let zero_width = "characters without width, which nobody sees";
    found.extend(seen.zero_width.map(|line| at("zero_width", Severity::Note, line, zero_width)));
    found
}

/// Embeddings, overrides and isolates (Unicode 9, annex 9): they reorder what follows.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A joiner between two letters or pictures beyond ASCII is writing; a mark at the beginning of a file says its encoding.
fn hides(content: &str, line: u32) -> bool {
    let mut before = None;
    let mut chars = content.chars().peekable();
    while let Some(c) = chars.next() {
        let is_wide = |neighbour: Option<&char>| neighbour.is_some_and(|c| !c.is_ascii());
        let is_hidden = match c {
            '\u{200c}' | '\u{200d}' => !(is_wide(before.as_ref()) && is_wide(chars.peek())),
            '\u{feff}' => before.is_some() || line > 1,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{180e}' | '\u{2060}'..='\u{2064}' => true,
            '\u{e0000}'..='\u{e007f}' => true,
            _ => false,
        };
        if is_hidden {
            return true;
        }
        before = Some(c);
    }
    false
}

/// Scripts that run when somebody installs or builds the package.
pub(super) fn scripts(subject: &Subject<'_>, entries: &[Entry]) -> Result<Vec<Finding>, WorkspaceError> {
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_file()) {
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        let is_script =
            BUILD_FILES.contains(&name) || name == "package.json" && changes_scripts(subject, entry)?;
        if is_script {
            let detail = "runs when somebody builds or installs the package";
            found.push(finding("package_scripts", Severity::Note, &entry.path, detail));
        }
    }
    Ok(found)
}

fn changes_scripts(subject: &Subject<'_>, entry: &Entry) -> Result<bool, WorkspaceError> {
    let scripts = |id: &str| -> Result<Option<Value>, WorkspaceError> {
        let text = blob(subject, id, MANIFEST_CAP)?.unwrap_or_default();
        let manifest = serde_json::from_slice::<Value>(&text).ok();
        Ok(manifest.map(|manifest| manifest.get("scripts").cloned().unwrap_or(Value::Null)))
    };
    let Some(new) = scripts(&entry.new_id)? else { return Ok(true) };
    let old = if entry.was_file() { scripts(&entry.old_id)? } else { Some(Value::Null) };
    Ok(old != Some(new))
}
