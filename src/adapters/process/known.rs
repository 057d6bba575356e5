//! Values the engine holds, found in any bytes: as they are, encoded, and in pieces.
//!
//! Each value is kept in every form a program may print it in. A form is found by its grams: six of its bytes, taken every
//! eleven, so that each sixteen bytes in a row hold a whole one. The bytes of a text cost one look into a small table each,
//! however many values there are.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Bytes of the shortest value that is taken.
const SHORTEST: usize = 6;

/// Bytes of a form that give it away; a shorter form must be there as a whole.
const WINDOW: usize = 16;

const GRAM: usize = SHORTEST;
const STRIDE: usize = WINDOW - GRAM + 1;
const MASK: u64 = (1 << (8 * GRAM)) - 1;

/// Places that may share a gram; more come of a value that repeats itself, and the first ones find it as well.
const PLACES_OF_A_GRAM: usize = 8;

/// Values that are no secret, whatever variable they stand in.
const TRIVIAL: [&str; 14] = [
    "false",
    "enabled",
    "disabled",
    "default",
    "master",
    "origin",
    "development",
    "production",
    "localhost",
    "undefined",
    "example",
    "changeme",
    "required",
    "optional",
];

/// The forms of all values, ready to be looked for.
#[derive(Default)]
pub(super) struct Known {
    forms: Vec<Vec<u8>>,
    /// For each gram, the forms it stands in and where.
    places: HashMap<u64, Vec<(usize, usize)>>,
    /// One bit for each hash of a gram.
    sieve: Vec<u64>,
}

impl fmt::Debug for Known {
    /// Says how many forms there are, and none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}

impl Known {
    pub(super) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut known = Self::default();
        for value in values {
            for form in forms(value.trim()) {
                known.add(form);
            }
        }
        known
    }

    fn add(&mut self, form: Vec<u8>) {
        if form.len() < SHORTEST || self.forms.contains(&form) {
            return;
        }
        self.sieve.resize(1024, 0);
        let number = self.forms.len();
        let last = if form.len() < WINDOW { 1 } else { form.len() - GRAM + 1 };
        for offset in (0..last).step_by(STRIDE) {
            let Some(gram) = gram_at(&form, offset) else { continue };
            let places = self.places.entry(gram).or_default();
            if places.len() < PLACES_OF_A_GRAM {
                places.push((number, offset));
            }
            let (word, bit) = slot(gram);
            if let Some(word) = self.sieve.get_mut(word) {
                *word |= bit;
            }
        }
        self.forms.push(form);
    }

    /// Where parts of values stand, in order, joined where they overlap.
    pub(super) fn find(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        if self.forms.is_empty() {
            return found;
        }
        let Some(sieve) = self.sieve.first_chunk::<1024>() else { return found };
        for (at, window) in text.windows(8).enumerate() {
            let &[a, b, c, d, e, f, ..] = window else { continue };
            let gram = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
            let (word, bit) = slot(gram);
            if sieve[word % 1024] & bit != 0 {
                self.judge(text, at, gram, &mut found);
            }
        }
        for at in text.len().saturating_sub(7)..text.len() {
            if let Some(gram) = gram_at(text, at) {
                self.judge(text, at, gram, &mut found);
            }
        }
        found
    }

    fn judge(&self, text: &[u8], at: usize, gram: u64, found: &mut Vec<(usize, usize)>) {
        // A match that goes on behind the part found last has a gram among the part's last bytes.
        if found.last().is_some_and(|(_, end)| at + WINDOW < *end) {
            return;
        }
        for (number, offset) in self.places.get(&gram).into_iter().flatten() {
            let Some(form) = self.forms.get(*number) else { continue };
            let (Some(head), Some(tail)) = (form.get(..*offset), form.get(*offset..)) else { continue };
            let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) else { continue };
            let left = head.iter().rev().zip(before.iter().rev()).take_while(|(a, b)| a == b).count();
            let right = tail.iter().zip(after).take_while(|(a, b)| a == b).count();
            if left + right >= WINDOW.min(form.len()) {
                join(found, (at - left, at + right));
            }
        }
    }
}

/// Adds a part that begins near the end of the last one, or behind it.
fn join(found: &mut Vec<(usize, usize)>, mut part: (usize, usize)) {
    while let Some(last) = found.pop_if(|last| part.0 < last.1) {
        part = (part.0.min(last.0), part.1.max(last.1));
    }
    found.push(part);
}

fn gram_at(bytes: &[u8], at: usize) -> Option<u64> {
    let gram = bytes.get(at..)?.first_chunk::<GRAM>()?;
    Some(gram.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)) & MASK)
}

/// The word and the bit of a gram in the sieve of 65,536 bits.
fn slot(gram: u64) -> (usize, u64) {
    let hash = gram.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    (usize::from((hash >> 6) as u16), 1 << (hash & 63))
}

/// Every form of a value; none for a value that is no secret.
///
/// The value itself is taken line by line, so that a form never goes over the end of a line: a private key is found in
/// each of its lines.
fn forms(value: &str) -> Vec<Vec<u8>> {
    if is_trivial(value) {
        return Vec::new();
    }
    let bytes = value.as_bytes();
    let lines = value.split(['\n', '\r']).filter(|line| !is_trivial(line));
    let mut forms: Vec<Vec<u8>> = lines.map(|line| line.as_bytes().to_vec()).collect();
    forms.extend(in_base64(bytes));
    forms.push(hex::encode(bytes).into_bytes());
    forms.push(hex::encode_upper(bytes).into_bytes());
    forms.extend([percent(bytes, false, false), percent(bytes, true, false), percent(bytes, false, true)]);
    if let Ok(quoted) = serde_json::to_string(value) {
        let inner = quoted.trim_matches('"').to_owned();
        forms.push(inner.replace('/', "\\/").into_bytes());
        forms.push(inner.into_bytes());
    }
    forms
}

fn is_trivial(value: &str) -> bool {
    let bytes = value.as_bytes();
    let mut distinct = bytes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    bytes.len() < SHORTEST || distinct.len() < 4 || TRIVIAL.contains(&value.to_ascii_lowercase().as_str())
}

/// The characters that a value decides, wherever in a longer text it was encoded: behind 0, 1 or 2 bytes of a group, with
/// more behind it or at the end.
fn in_base64(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let mut padded = vec![0; shift];
        padded.extend_from_slice(value);
        let from = (shift * 8).div_ceil(6);
        let to = padded.len() * 8 / 6;
        for text in [STANDARD.encode(&padded), URL_SAFE.encode(&padded)] {
            forms.extend(text.as_bytes().get(from..to).map(<[u8]>::to_vec));
            forms.extend(text.as_bytes().get(from..).map(<[u8]>::to_vec));
            forms.extend(text.trim_end_matches('=').as_bytes().get(from..).map(<[u8]>::to_vec));
        }
    }
    forms
}

/// As in an address; `small` for small hexadecimal digits, `plus` for blanks as `+`, as forms are sent.
fn percent(value: &[u8], small: bool, plus: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in value {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        // Writing to a string cannot fail.
        let _written = match byte {
            b' ' if plus => write!(text, "+"),
            byte if plain => write!(text, "{}", char::from(*byte)),
            byte if small => write!(text, "%{byte:02x}"),
            byte => write!(text, "%{byte:02X}"),
        };
    }
    text.into_bytes()
}
