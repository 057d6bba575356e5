//! Typed values out of mappings: each fault is noted with its path and place, and reading goes on.
//!
//! A value of the wrong type is never turned into the right one: `yes` is no boolean, `"5"` no number, `8080` no text.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::reader::{Entry, MAX_PROBLEMS, Node, Value, shown};
use crate::domain::pipeline::{Place, Problem};

/// What was noticed while reading.
#[derive(Debug, Default)]
pub struct Notes {
    /// What makes the file wrong.
    pub problems: Vec<Problem>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

impl Notes {
    /// Notes something that is wrong; beyond [`MAX_PROBLEMS`] nothing is kept.
    pub fn problem(&mut self, path: impl Into<String>, place: Place, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { path: path.into(), place, message: message.into() });
        }
    }

    /// Notes something that is allowed and probably not meant.
    pub fn warning(&mut self, path: impl Into<String>, place: Place, message: impl Into<String>) {
        self.warnings.push(Problem { path: path.into(), place, message: message.into() });
    }
}

/// A mapping whose keys are known.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    path: String,
    /// Where the mapping begins.
    pub place: Place,
    entries: &'a [Entry],
}

impl<'a> Fields<'a> {
    /// Takes `node` as a mapping with keys out of `known`; anything else is noted.
    pub fn of(node: &'a Node, path: &str, known: &[&str], notes: &mut Notes) -> Self {
        let fields = Self::any(node, path, notes);
        for entry in fields.entries {
            if !known.contains(&entry.key.as_str()) {
                notes.problem(fields.path(&entry.key), entry.place, unknown(&entry.key, known));
            }
        }
        fields
    }

    /// Takes `node` as a mapping with any keys.
    fn any(node: &'a Node, path: &str, notes: &mut Notes) -> Self {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            other => {
                notes.problem(path, node.place, wrong("a mapping", other));
                &[]
            }
        };
        Self { path: path.to_owned(), place: node.place, entries }
    }

    /// The path of one of its keys.
    pub fn path(&self, key: &str) -> String {
        let key = shown(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Where a key begins; the mapping's beginning when it is not there.
    pub fn place_of(&self, key: &str) -> Place {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.place, |entry| entry.place)
    }

    /// The mapping of a key with keys out of `known`.
    pub fn fields(&self, key: &str, known: &[&str], notes: &mut Notes) -> Option<Self> {
        self.get(key).map(|node| Self::of(node, &self.path(key), known, notes))
    }

    /// The text of a key: not empty, without control characters but line ends and tabs.
    pub fn text(&self, key: &str, notes: &mut Notes) -> Option<String> {
        text_of(self.get(key)?, &self.path(key), notes)
    }

    /// The text of a key, which may be empty and of any characters; for the content of a file.
    pub fn raw_text(&self, key: &str, notes: &mut Notes) -> Option<String> {
        let node = self.get(key)?;
        if let Value::Text(text) = &node.value {
            return Some(text.clone());
        }
        notes.problem(
            self.path(key),
            node.place,
            format!("{}; quote it to make it text", wrong("text", &node.value)),
        );
        None
    }

    /// The boolean of a key.
    pub fn boolean(&self, key: &str, notes: &mut Notes) -> Option<bool> {
        let node = self.get(key)?;
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        notes.problem(self.path(key), node.place, wrong("`true` or `false`", &node.value));
        None
    }

    /// The whole number of a key.
    pub fn number(
        &self,
        key: &str,
        range: RangeInclusive<i64>,
        unit: &str,
        notes: &mut Notes,
    ) -> Option<u64> {
        let node = self.get(key)?;
        if let Value::Int(value) = node.value
            && range.contains(&value)
        {
            return u64::try_from(value).ok();
        }
        let wanted = format!("a whole number{unit} from {} to {}", range.start(), range.end());
        notes.problem(self.path(key), node.place, wrong(&wanted, &node.value));
        None
    }

    /// The word of a key, which must be one of `choices`.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], notes: &mut Notes) -> Option<T> {
        let node = self.get(key)?;
        if let Value::Text(text) = &node.value
            && let Some((_, value)) = choices.iter().find(|(name, _)| name == text)
        {
            return Some(*value);
        }
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
        notes.problem(self.path(key), node.place, wrong(&names.join(" or "), &node.value));
        None
    }

    /// The list of texts of a key, each with its path and place.
    pub fn texts(&self, key: &str, most: usize, notes: &mut Notes) -> Option<Vec<(String, String, Place)>> {
        let node = self.get(key)?;
        let path = self.path(key);
        let Value::List(items) = &node.value else {
            notes.problem(path, node.place, wrong("a list of texts", &node.value));
            return None;
        };
        if items.len() > most {
            notes.problem(
                &*path,
                node.place,
                format!("it has {} items, and {most} are the most", items.len()),
            );
        }
        let named = items.iter().enumerate().take(most).map(|(at, item)| (format!("{path}[{at}]"), item));
        Some(
            named.filter_map(|(path, item)| Some((text_of(item, &path, notes)?, path, item.place))).collect(),
        )
    }

    /// The mapping of a key from any names to texts, each with its path and place.
    pub fn text_map(&self, key: &str, notes: &mut Notes) -> BTreeMap<String, (String, String, Place)> {
        let Some(node) = self.get(key) else { return BTreeMap::new() };
        let inner = Self::any(node, &self.path(key), notes);
        let mut found = BTreeMap::new();
        for entry in inner.entries {
            if let Some(text) = inner.raw_text(&entry.key, notes) {
                found.insert(entry.key.clone(), (text, inner.path(&entry.key), entry.place));
            }
        }
        found
    }
}

fn text_of(node: &Node, path: &str, notes: &mut Notes) -> Option<String> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => {
            notes.problem(path, node.place, "must not be empty");
        }
        Value::Text(text) if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) => {
            notes.problem(path, node.place, "must not contain control characters");
        }
        Value::Text(text) => return Some(text.clone()),
        Value::Null => notes.problem(path, node.place, wrong("text", &node.value)),
        other => {
            notes.problem(path, node.place, format!("{}; quote it to make it text", wrong("text", other)));
        }
    }
    None
}

fn wrong(wanted: &str, found: &Value) -> String {
    format!("must be {wanted}, and it is {}", found.kind())
}

/// What is said about a key that is not known, with the nearest one that is.
fn unknown(key: &str, known: &[&str]) -> String {
    let near = known.iter().map(|name| (distance(key, name), *name)).min();
    match near {
        // One slip in a short word, two in a longer one; more is another word.
        Some((steps, name)) if steps <= if name.len() < 4 { 1 } else { 2.max(name.len() / 4) } => {
            format!("unknown key `{}`; did you mean `{name}`?", shown(key))
        }
        _ => format!("unknown key `{}`; known are {}", shown(key), known.join(", ")),
    }
}

/// Single characters to insert, remove or change to come from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    // A long key is no slip of the pen, and the table need not be large.
    let from: Vec<char> = from.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = i + 1;
        next.push(left);
        for ((b, above), corner) in to.chars().zip(row.iter().skip(1)).zip(&row) {
            left = (left + 1).min(above + 1).min(corner + usize::from(*a != b));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
