//! Bytes to a tree of values with places, and no more of YAML than a person needs to write settings down.
//!
//! Refused are anchors, aliases and merge keys (a few lines of them make gigabytes), tags, several documents, keys given
//! twice, keys that are no words, and files beyond the caps. The parser is asked for one event at a time: its own loaders
//! call themselves for every level, so a deep file would end the program.

use std::collections::BTreeMap;

use saphyr::Scalar;
use saphyr_parser::{Event, Marker, Parser, StrInput};

use crate::domain::pipeline::{Place, Problem};

/// The longest file: a hundred times the longest contract anybody has written by hand.
pub const MAX_BYTES: usize = 256 * 1024;

/// The deepest nesting; a contract has four levels.
const MAX_DEPTH: usize = 16;

/// Problems reported at most: after so many nobody reads on.
pub const MAX_PROBLEMS: usize = 100;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub place: Place,
}

/// What a value is. Words such as `yes` and `off` are text, as YAML 1.2 has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number, or a whole one that is too large.
    Float(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub place: Place,
    /// What it stands for.
    pub node: Node,
}

impl Value {
    /// What it is, for people: the end of "it is ...".
    pub fn kind(&self) -> String {
        match self {
            Self::Null => "empty".to_owned(),
            Self::Bool(value) => format!("the boolean `{value}`"),
            Self::Int(value) => format!("the number {value}"),
            Self::Float(text) => format!("the number {}", shown(text)),
            Self::Text(text) => format!("the text `{}`", shown(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Text of a file as it may be shown on one line: its beginning, without control characters.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let plain: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > LONGEST { format!("{plain}…") } else { plain }
}

/// Reads the one document of `bytes`.
///
/// # Errors
/// Every problem found, at most [`MAX_PROBLEMS`]; after a fault of the syntax itself nothing more is read.
pub fn parse(bytes: &[u8]) -> Result<Node, Vec<Problem>> {
    let whole = |message: String| vec![Problem { path: String::new(), place: Place::default(), message }];
    if bytes.len() > MAX_BYTES {
        return Err(whole(format!("the file has {} bytes, and {MAX_BYTES} are the most", bytes.len())));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(err) => {
            let line = bytes.iter().take(err.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            return Err(whole(format!("line {line} is not UTF-8 text")));
        }
    };
    let mut tree = Tree { open: Vec::new(), root: None, problems: Vec::new() };
    let mut events = Parser::new(StrInput::new(text));
    let mut documents = 0;
    while let Some(event) = events.next_event() {
        match event {
            Err(err) => {
                tree.problem(place(err.marker()), format!("not YAML: {}", shown(err.info())));
                break;
            }
            Ok((Event::DocumentStart(_), span)) => {
                documents += 1;
                if documents > 1 {
                    tree.problem(place(&span.start), "a second document begins; one file is one document");
                    break;
                }
            }
            Ok((event, span)) => {
                if !tree.take(event, place(&span.start)) {
                    break;
                }
            }
        }
        if tree.problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    match tree.root {
        Some(root) if tree.problems.is_empty() => Ok(root),
        _ if !tree.problems.is_empty() => Err(tree.problems),
        _ => Err(whole("the file is empty".to_owned())),
    }
}

/// Columns are counted from 1, as editors do; the parser counts them from 0.
fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// A collection that is not closed yet.
enum Open {
    List { place: Place, items: Vec<Node> },
    Map { place: Place, entries: Vec<Entry>, first: BTreeMap<String, Place>, key: Option<(String, Place)> },
}

/// The tree as it grows.
struct Tree {
    open: Vec<Open>,
    root: Option<Node>,
    problems: Vec<Problem>,
}

impl Tree {
    fn problem(&mut self, place: Place, message: impl Into<String>) {
        let path = self.path();
        self.problems.push(Problem { path, place, message: message.into() });
    }

    /// The path of what is read now.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match open {
                Open::List { items, .. } => {
                    path.push('[');
                    path.push_str(&items.len().to_string());
                    path.push(']');
                }
                Open::Map { key: Some((key, _)), .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&shown(key));
                }
                Open::Map { .. } => {}
            }
        }
        path
    }

    /// Takes one event in; `false` when reading on makes no sense.
    fn take(&mut self, event: Event<'_>, place: Place) -> bool {
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.as_ref()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.as_ref()),
            _ => (0, None),
        };
        if anchor != 0 {
            self.problem(place, "anchors (`&name`) are not allowed; write the value out where it is needed");
        }
        if tag.is_some() {
            self.problem(place, "tags (`!name`) are not allowed; quote the value to make it text");
        }
        match event {
            Event::Alias(_) => {
                self.problem(place, "aliases (`*name`) are not allowed; write the value out");
                self.put(Node { value: Value::Null, place });
            }
            Event::Scalar(text, style, _, _) => {
                let value = match Scalar::parse_from_cow_and_metadata(text.clone(), style, None) {
                    Some(Scalar::Null) => Value::Null,
                    Some(Scalar::Boolean(value)) => Value::Bool(value),
                    Some(Scalar::Integer(value)) => Value::Int(value),
                    Some(Scalar::FloatingPoint(_)) => Value::Float(text.into_owned()),
                    Some(Scalar::String(_)) | None => Value::Text(text.into_owned()),
                };
                self.put(Node { value, place });
            }
            Event::SequenceStart(..) => return self.begin(Open::List { place, items: Vec::new() }, place),
            Event::MappingStart(..) => {
                let map = Open::Map { place, entries: Vec::new(), first: BTreeMap::new(), key: None };
                return self.begin(map, place);
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { place, items }) => self.put(Node { value: Value::List(items), place }),
                Some(Open::Map { place, entries, .. }) => {
                    self.put(Node { value: Value::Map(entries), place });
                }
                None => {}
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        true
    }

    fn begin(&mut self, open: Open, place: Place) -> bool {
        if self.open.len() >= MAX_DEPTH {
            self.problem(place, format!("nested deeper than {MAX_DEPTH} levels"));
            return false;
        }
        self.open.push(open);
        true
    }

    /// Puts a finished value where it belongs: into the collection that is open, as a key or a value.
    fn put(&mut self, node: Node) {
        let fault = match self.open.last_mut() {
            None => {
                self.root = Some(node);
                return;
            }
            Some(Open::List { items, .. }) => {
                items.push(node);
                return;
            }
            Some(Open::Map { entries, first, key, .. }) => match key.take() {
                Some((name, place)) => {
                    // The first of two stays, so that its own faults are found as well.
                    if first.get(&name) == Some(&place) {
                        entries.push(Entry { key: name, place, node });
                    }
                    return;
                }
                None => {
                    let (place, (name, fault)) = (node.place, key_of(&node.value));
                    let fault = fault.or_else(|| {
                        first.get(&name).map(|at| {
                            format!("the key `{}` is given twice, first in line {}", shown(&name), at.line)
                        })
                    });
                    if fault.is_none() {
                        first.insert(name.clone(), place);
                    }
                    *key = Some((name, place));
                    fault.map(|fault| (place, fault))
                }
            },
        };
        if let Some((place, fault)) = fault {
            self.problem(place, fault);
        }
    }
}

/// The name a key is, and why it may not be one.
fn key_of(value: &Value) -> (String, Option<String>) {
    match value {
        Value::Text(text) if text == "<<" => {
            (text.clone(), Some("merge keys (`<<`) are not allowed; write the values out".to_owned()))
        }
        Value::Text(text) if !text.is_empty() => (text.clone(), None),
        other => (other.kind(), Some(format!("a key must be a word, and it is {}", other.kind()))),
    }
}
