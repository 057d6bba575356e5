//! Reading a transcript: lines of JSON as agents' protocols print them, and lines of text.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::super::shell::{first_word, simple_commands};
use super::shape::{SafetySignal, Signals};
use super::{meaning, trouble};

/// Objects and arrays looked at in one line of JSON (the seed's number).
const MAX_NODES: usize = 240;
/// Commands that are looked into; more are only counted.
const MAX_COMMANDS: usize = 2_000;
/// Characters of one command that are looked into: no command worth a signal is longer.
const MAX_COMMAND: usize = 8 * 1024;
/// Lines at the end of the text in which an error can stand; what is further up was followed by more work.
const ERROR_LINES: usize = 50;
/// Limits of the lists, as [`Signals`] names them.
const MAX_SAMPLES: usize = 40;
const MAX_TESTS: usize = 12;
const MAX_GIT: usize = 8;
const MAX_SAFETY: usize = 8;

/// How agents print a command in text.
const PREFIXES: &[&str] =
    &["/bin/zsh -lc ", "/bin/bash -lc ", "/usr/bin/zsh -lc ", "/usr/bin/bash -lc ", "bash -lc ", "zsh -lc "];

/// Reads what a transcript says was done. Whatever cannot be read is passed over.
///
/// The transcript is redacted before: lines are kept as they stand in it, cut at 300 characters.
pub fn read(transcript: &str) -> Signals {
    let mut reader = Reader::default();
    let mut passed = 0;
    for line in transcript.split_inclusive('\n') {
        let rest = transcript.get(passed..).unwrap_or_default();
        passed += line.len();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if line.starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str::<Value>(line)
        {
            reader.json(&value);
            continue;
        }
        reader.text(line, rest);
    }
    reader.finish()
}

#[derive(Default)]
struct Seen {
    command: String,
    failed: bool,
}

#[derive(Default)]
struct Reader {
    signals: Signals,
    seen: Vec<Seen>,
    by_id: HashMap<String, usize>,
    last_lines: VecDeque<String>,
    looked_ahead: usize,
}

impl Reader {
    fn text(&mut self, line: &str, rest: &str) {
        if self.last_lines.len() == ERROR_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(trouble::cut(line));
        // Timestamps and `exec` may come first; a sentence that mentions such a command is none.
        let shown = line.strip_prefix("exec ").unwrap_or(line);
        let Some(prefix) = PREFIXES.iter().find(|prefix| shown.starts_with(**prefix)) else { return };
        let Some(at) = rest.find(prefix).map(|at| at + prefix.len()) else { return };
        // A quoted command may go on over lines, but all looking ahead costs no more than a few such commands.
        let budget = if self.looked_ahead < 64 * MAX_COMMAND { MAX_COMMAND } else { line.len() };
        let ahead: String = rest.get(at..).unwrap_or_default().chars().take(budget).collect();
        self.looked_ahead += ahead.len();
        if let Some(script) = first_word(&ahead) {
            self.saw(script, None, false);
        }
    }

    fn json(&mut self, line: &Value) {
        let mut open = VecDeque::from([Node { value: line, id: None, failed: false }]);
        for _ in 0..MAX_NODES {
            let Some(node) = open.pop_front() else { return };
            match node.value {
                Value::Array(values) => {
                    open.extend(
                        values.iter().filter(|value| is_node(value)).map(|value| Node { value, ..node }),
                    );
                }
                Value::Object(fields) => {
                    let node = self.object(node);
                    let below = fields
                        .iter()
                        .filter(|(name, value)| is_node(value) && !UNREAD.contains(&name.as_str()));
                    open.extend(below.map(|(_, value)| Node { value, ..node }));
                }
                _ => {}
            }
        }
    }

    /// Notes what an object says, and gives it with what holds for everything below it: protocols put a command's
    /// arguments and its result into objects beside each other.
    fn object<'a>(&mut self, node: Node<'a>) -> Node<'a> {
        let value = node.value;
        let field = |name: &str| value.get(name).and_then(Value::as_str);
        let id = ["id", "callID", "call_id"].iter().find_map(|name| field(name)).or(node.id);
        let exit = ["/exit_code", "/state/metadata/exit", "/metadata/exit"]
            .iter()
            .find_map(|path| value.pointer(path).and_then(Value::as_i64));
        let failed = node.failed || exit.is_some_and(|code| code != 0) || field("status") == Some("failed");
        if field("type") == Some("tool_result")
            && value.get("is_error") == Some(&Value::Bool(true))
            && let Some(index) = field("tool_use_id").and_then(|id| self.by_id.get(id)).copied()
            && let Some(seen) = self.seen.get_mut(index)
        {
            seen.failed = true;
        }
        for command in COMMAND_KEYS.iter().filter_map(|key| value.get(key)).filter_map(command_text) {
            self.saw(command, id, failed);
        }
        self.errors(value);
        Node { value, id, failed }
    }

    /// Error positions: fields called so, the message of an event of that type, and the result of a failed session. What
    /// the agent's own commands said is none.
    fn errors(&mut self, value: &Value) {
        if value.get("input").is_some() {
            return;
        }
        let kind = value.get("type").and_then(Value::as_str);
        let failed = value.get("is_error") == Some(&Value::Bool(true));
        let more = match kind {
            Some("error") => Some("message"),
            Some("result") if failed => Some("result"),
            _ => None,
        };
        let texts = ["error", "stderr", "error_message"]
            .into_iter()
            .chain(more)
            .filter_map(|name| value.get(name))
            .flat_map(|found| [Some(found), found.get("message"), found.pointer("/data/message")])
            .flatten()
            .filter_map(Value::as_str);
        for line in texts.flat_map(str::lines) {
            trouble::note(&mut self.signals, line);
        }
    }

    fn saw(&mut self, command: String, id: Option<&str>, failed: bool) {
        let known = id.and_then(|id| self.by_id.get(id)).and_then(|index| self.seen.get_mut(*index));
        if let Some(seen) = known.filter(|seen| seen.command == command) {
            seen.failed |= failed;
            return;
        }
        self.signals.commands = self.signals.commands.saturating_add(1);
        if self.seen.len() < MAX_COMMANDS {
            if let Some(id) = id {
                self.by_id.insert(id.to_owned(), self.seen.len());
            }
            self.seen.push(Seen { command, failed });
        }
    }

    fn finish(mut self) -> Signals {
        for line in &self.last_lines {
            trouble::note(&mut self.signals, line);
        }
        for seen in &self.seen {
            look_into(&mut self.signals, seen);
        }
        self.signals
    }
}

fn is_node(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// One object or array of a line, with what is known from above it.
#[derive(Clone, Copy)]
struct Node<'a> {
    value: &'a Value,
    id: Option<&'a str>,
    failed: bool,
}

/// Fields that hold commands, as far as agents' protocols go.
const COMMAND_KEYS: &[&str] = &["command", "cmd", "shell_command", "bash_command"];
/// Fields that are not looked into: argument vectors are read already, and results are what commands said.
const UNREAD: &[&str] = &["command", "cmd", "shell_command", "bash_command", "tool_use_result"];

/// A command as text: a string, or the words of an argument vector.
fn command_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(words) => {
            let words: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(quoted)).collect();
            words?.join(" ")
        }
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn look_into(signals: &mut Signals, seen: &Seen) {
    let text: String = seen.command.chars().take(MAX_COMMAND).collect();
    let shown = trouble::cut(&text);
    push(&mut signals.commands_sample, &shown, MAX_SAMPLES);
    let Ok(commands) = simple_commands(&text) else { return };
    if commands.iter().any(meaning::runs_tests) {
        push(&mut signals.test_commands, &shown, MAX_TESTS);
        if seen.failed {
            push(&mut signals.failed_test_commands, &shown, MAX_TESTS);
        }
    }
    if commands.iter().any(|command| meaning::git_verb(command).is_some()) {
        push(&mut signals.git_commands, &shown, MAX_GIT);
    }
    for rule in commands.iter().filter_map(meaning::broken_rule) {
        let signal = SafetySignal { rule: rule.to_owned(), command: shown.clone() };
        if signals.safety.len() < MAX_SAFETY && !signals.safety.contains(&signal) {
            signals.safety.push(signal);
        }
    }
}

fn push(list: &mut Vec<String>, text: &str, most: usize) {
    if list.len() < most && !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}
