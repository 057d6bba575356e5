//! Redaction: takes secrets out of what programs say, before it is kept or shown anywhere.
//!
//! Two kinds are taken out: values the engine holds, in any form and in pieces, and everything that
//! `domain::secret` knows the shape of. Where a stream is cut does not matter.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::known::Known;
use crate::domain::secret::{LOOK_AHEAD, MASK, Rest, look};
use crate::ports::redaction::Redaction;

/// Bytes held back at most, while a line has no end.
const HOLD: usize = 2 * LOOK_AHEAD;

/// Bytes taken in at once.
const PIECE: usize = 64 * 1024;

/// Bytes of a file that may hold a secret; keys and certificates have some thousand.
const LONGEST_FILE: u64 = 64 * 1024;

/// Words in the name of a variable that say that its value is secret.
const SECRET_NAMES: [&str; 12] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "APIKEY",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "WEBHOOK",
    "DATABASE_URL",
];

/// Ends of names whose value says where something lies, or what it is called.
const PLACE_NAMES: [&str; 8] = ["_FILE", "_PATH", "_DIR", "_HOME", "_NAME", "_TYPE", "_SOCK", "_HELPER"];

/// Takes secrets out of text; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    known: Arc<Known>,
}

/// Takes secrets out of a stream, whatever pieces it comes in.
#[derive(Debug)]
pub struct RedactingStream {
    redactor: Redactor,
    held: Vec<u8>,
    before: Option<u8>,
    /// The secret that the last bytes belonged to, when it went on.
    within: Option<Rest>,
}

impl Redactor {
    /// Knows no value; the shapes are taken out all the same.
    pub fn none() -> Self {
        Self::default()
    }

    /// Knows these values: each is found as it is, in base64, hexadecimal, percent and JSON encoding, and any 16 bytes in a
    /// row of each form. Values of fewer than 6 bytes and words such as `false` are left out.
    pub fn new(known: impl IntoIterator<Item = String>) -> Self {
        Self { known: Arc::new(Known::new(known)) }
    }

    /// The text with `***` in the place of each secret.
    pub fn text(&self, text: &str) -> String {
        let out = self.bytes(text.as_bytes());
        String::from_utf8(out).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
    }

    /// The bytes with `***` in the place of each secret.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, &mut out);
        stream.finish(&mut out);
        out
    }

    /// Begins a stream.
    pub fn stream(&self) -> RedactingStream {
        RedactingStream { redactor: self.clone(), held: Vec::new(), before: None, within: None }
    }
}

impl Redaction for Redactor {
    fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let masked = self.text(text);
        if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
    }
}

impl RedactingStream {
    /// Takes bytes in and appends to `out` what is surely clean: everything up to the last end of line, or, within a very
    /// long line, all but the last 4 KiB. At most 8 KiB are held back.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for piece in chunk.chunks(PIECE) {
            self.held.extend_from_slice(piece);
            if self.held.len() >= HOLD || piece.iter().any(is_line_end) {
                self.pass(false, out);
            }
        }
    }

    /// Appends the rest.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.pass(true, out);
    }

    fn pass(&mut self, complete: bool, out: &mut Vec<u8>) {
        let mut from = self.swallow();
        if self.within.is_some() {
            self.held.clear();
            return;
        }
        let text = self.held.get(from..).unwrap_or_default();
        let before = from.checked_sub(1).map_or(self.before, |index| self.held.get(index).copied());
        let lines = text.iter().rposition(is_line_end).map_or(0, |last| last + 1);
        let limit = if complete { text.len() } else { lines.max(text.len().saturating_sub(LOOK_AHEAD)) };
        let known = self.redactor.known.find(text);
        let limit = reach(limit, &known);
        let sight = look(text, before, limit, complete);
        let mut parts = known;
        parts.extend(sight.sightings.iter().map(|sighting| (sighting.hit.start, sighting.hit.end)));
        parts.sort_unstable();
        let mut limit = reach(sight.reached, &parts);
        if let Some(undecided) = sight.undecided {
            limit =
                parts.iter().find(|part| part.1 > undecided).map_or(undecided, |part| part.0.min(undecided));
        }
        let mut at = 0;
        for (start, end) in parts.iter().copied().take_while(|part| part.0 < limit) {
            if start >= at {
                out.extend_from_slice(text.get(at..start).unwrap_or_default());
                out.extend_from_slice(MASK.as_bytes());
            }
            at = at.max(end);
        }
        out.extend_from_slice(text.get(at..limit).unwrap_or_default());
        let last = sight.sightings.last().filter(|last| last.hit.end == limit && !complete);
        self.within = last.and_then(|last| last.rest);
        from += limit;
        self.before = from.checked_sub(1).map_or(self.before, |index| self.held.get(index).copied());
        self.held.drain(..from);
    }

    /// Passes what belongs to the secret that was begun before, and says how much that is.
    fn swallow(&mut self) -> usize {
        let (count, is_over) = match &mut self.within {
            None => return 0,
            Some(Rest::Run(class)) => {
                let count = class.run(&self.held);
                (count, count < self.held.len())
            }
            Some(Rest::Pem(pem)) => {
                let count = pem.eat(&self.held);
                (count, pem.is_over())
            }
        };
        if is_over {
            self.within = None;
        }
        count
    }
}

/// Moves a limit behind every part that goes over it.
fn reach(limit: usize, parts: &[(usize, usize)]) -> usize {
    parts.iter().fold(limit, |limit, (start, end)| if *start < limit { limit.max(*end) } else { limit })
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The values of an environment that are secret by the name of their variable, for [`Redactor::new`].
///
/// Of an address only the password is taken. Names that say where something lies (`…_FILE`, `…_PATH`), paths and small
/// numbers are left out: such a word would be missing in every line that is shown.
pub fn secrets_of(env: &BTreeMap<String, String>) -> Vec<String> {
    let secret = env.iter().filter(|(name, value)| is_secret_name(name) && !is_path(value));
    secret
        .map(|(_, value)| password_of(value).unwrap_or(value).to_owned())
        .filter(|value| value.len() >= 9 || value.parse::<f64>().is_err())
        .collect()
}

/// The secrets in the files that `<NAME>_FILE` names in an environment, where `<NAME>` is a secret's name. Reads the files; what is not
/// a file, is too long or cannot be read says nothing here.
pub fn secrets_in_files_of(env: &BTreeMap<String, String>) -> Vec<String> {
    let told = env.iter().filter_map(|(name, path)| {
        let name = name.strip_suffix("_FILE").filter(|name| is_secret_name(name))?;
        let path = Path::new(path);
        // A pipe would be waited for.
        path.metadata().ok().filter(|found| found.is_file() && found.len() <= LONGEST_FILE)?;
        let text = std::fs::read_to_string(path).ok()?;
        Some((name.to_owned(), text.trim_end_matches(['\n', '\r']).to_owned()))
    });
    secrets_of(&told.collect())
}

/// The password in `scheme://user:password@host`.
fn password_of(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split('/').next()?;
    let (info, _) = authority.rsplit_once('@')?;
    Some(info.split_once(':').map_or(info, |(_, password)| password))
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let says_so = SECRET_NAMES.iter().any(|word| name.contains(word))
        || ["_KEY", "_PAT", "_AUTH"].iter().any(|end| name.ends_with(end));
    says_so && !PLACE_NAMES.iter().any(|end| name.ends_with(end))
}

/// A path has separators and no mark of base64; a random value that begins with `/` has others too.
fn is_path(value: &str) -> bool {
    let begins = ["/", "./", "../", "~/"].iter().any(|start| value.starts_with(start));
    begins && !value.contains(['+', '=']) && Path::new(value).components().count() > 2
}
