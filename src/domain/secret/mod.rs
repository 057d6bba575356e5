//! What secrets look like, pure: where in a text one stands, and the text without them.
//!
//! Three kinds of knowledge: tokens that carry their issuer's prefix ([`shape`]), private key blocks ([`pem`]), and values
//! that are secret because of what stands before them (`context`). No shape goes over the end of a line except a private
//! key block. Nothing here knows a secret that is in use; `adapters::process::redact` does.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;

use self::pem::Pem;
use self::shape::Class;

mod context;
mod entropy;
pub mod pem;
pub mod shape;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Bytes after the beginning of a shape by which it is always known whether it is one; see [`look`].
pub const LOOK_AHEAD: usize = 4096;

/// The rule of values that are secret because of their name only.
const ASSIGNED: &str = "assigned_secret";

/// Where a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// A stable word for the kind of secret.
    pub rule: &'static str,
    /// The offset of its first byte.
    pub start: usize,
    /// The offset after its last byte.
    pub end: usize,
}

/// A hit, and how it goes on behind the end of the text, if it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The part in this text.
    pub hit: Hit,
    /// What further bytes belong to it; `None` when its end was seen.
    pub rest: Option<Rest>,
}

/// The bytes that belong to a secret that ran into the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Every byte of a class, up to the first of another.
    Run(Class),
    /// The rest of a private key block.
    Pem(Pem),
}

/// What was seen in a part of a longer text.
#[derive(Debug, Default)]
pub struct Sight {
    /// The secrets, in order, none over another.
    pub sightings: Vec<Sighting>,
    /// How far the text was looked at: the limit, or the end of a secret that goes over it.
    pub reached: usize,
    /// Where something begins of which more must be seen; nothing behind it was looked at.
    pub undecided: Option<usize>,
}

/// Places where a secret may begin, or a word that makes what follows secret. Everything else is passed at the speed of one
/// automaton.
static TRIGGER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let mut words: Vec<String> = shape::triggers().collect();
    words.extend([shape::TELEGRAM, "-----BEGIN "].map(str::to_owned));
    words.extend(context::triggers());
    Regex::new(&format!("(?-u){}", words.join("|"))).ok()
});

/// Finds the secrets of a whole text, in order, none over another.
pub fn find(text: &[u8]) -> Vec<Hit> {
    look(text, None, text.len(), true).sightings.iter().map(|sighting| sighting.hit).collect()
}

/// The text with [`MASK`] in the place of each secret; nothing of a secret is kept.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let hits = find(text.as_bytes());
    if hits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for hit in hits {
        kept.push_str(text.get(at..hit.start).unwrap_or_default());
        kept.push_str(MASK);
        at = hit.end;
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(kept)
}

/// Looks for secrets that begin before `limit`, in a part of a text.
///
/// `before` is the byte before this part. When `complete` is false, more text follows; the answer is then what it would be on
/// the whole text, if behind each byte before `limit` there are [`LOOK_AHEAD`] bytes or an end of line.
pub fn look(text: &[u8], before: Option<u8>, limit: usize, complete: bool) -> Sight {
    let mut sight = Sight { reached: limit.min(text.len()), ..Sight::default() };
    let Some(trigger) = TRIGGER.as_ref() else { return sight };
    let (mut at, mut named) = (0, 0);
    let mut names = Names::default();
    while at < sight.reached {
        let Some(start) = trigger.find_at(text, at).map(|found| found.start()) else { break };
        if start >= sight.reached {
            break;
        }
        let prior = start.checked_sub(1).map_or(before, |index| text.get(index).copied());
        let rest = text.get(start..).unwrap_or_default();
        at = start + 1;
        let found = match pem::begins(rest, complete) {
            pem::Begin::Unknown => {
                sight.undecided = Some(start);
                break;
            }
            pem::Begin::Block => Some(block(rest)),
            // Within a named value another name would only find the same end again.
            pem::Begin::No => shape::at(rest, prior).or_else(|| {
                if start < named || names.are_too_many(text, start) {
                    return None;
                }
                context::at(rest, text.get(..start).unwrap_or_default())
            }),
        };
        if let Some(mut found) = found {
            found.hit.start += start;
            found.hit.end += start;
            if found.hit.rule == ASSIGNED {
                // A token that lies in a named value is told by its own name.
                named = found.hit.end;
                at = found.hit.start.max(at);
            } else {
                at = found.hit.end.max(at);
            }
            sight.reached = sight.reached.max(found.hit.end).min(text.len());
            take(&mut sight.sightings, found);
        }
    }
    sight
}

/// Names in one piece of text without a blank: each is judged by what follows, so a text that is nothing but names would
/// be read through once for each of them.
#[derive(Default)]
struct Names {
    piece_end: usize,
    count: usize,
}

impl Names {
    /// Names of a piece that are judged. Tokens in it are found all the same.
    const MOST: usize = 6;

    fn are_too_many(&mut self, text: &[u8], start: usize) -> bool {
        if start >= self.piece_end {
            self.piece_end = start + Class::Value.run(text.get(start..).unwrap_or_default()).max(1);
            self.count = 0;
        }
        self.count += 1;
        self.count > Self::MOST
    }
}

fn block(text: &[u8]) -> Sighting {
    let mut pem = Pem::default();
    let end = pem.eat(text);
    Sighting {
        hit: Hit { rule: "private_key", start: 0, end },
        rest: (!pem.is_over()).then_some(Rest::Pem(pem)),
    }
}

/// Adds a sighting; one that overlaps the last is joined with it.
fn take(sightings: &mut Vec<Sighting>, found: Sighting) {
    let Some(last) = sightings.last_mut().filter(|last| found.hit.start < last.hit.end) else {
        sightings.push(found);
        return;
    };
    last.hit.start = last.hit.start.min(found.hit.start);
    if last.hit.rule == ASSIGNED {
        last.hit.rule = found.hit.rule;
    }
    if found.hit.end >= last.hit.end {
        last.hit.end = found.hit.end;
        last.rest = found.rest.or(last.rest);
    }
}
