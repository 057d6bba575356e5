//! The calls of one start of an agent: which are under way, what it does, and whether they go in circles.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::Instant;

use crate::domain::agent::repetition::{Call, Repetition, Repetitions};
use crate::domain::agent::signal::AgentSignal;

/// Calls under way that are remembered; agents have a handful. Beyond it the oldest is taken as ended.
const MOST_OPEN: usize = 64;

/// Characters of what it does that are shown.
const SHOWN: usize = 200;

/// The calls.
#[derive(Default)]
pub(super) struct Calls {
    open: BTreeMap<String, Open>,
    /// Of the oldest call under way.
    pub(super) oldest: Option<Instant>,
    repetitions: Repetitions,
    /// What the finished calls look like, and how many there were.
    pub(super) finding: Option<Repetition>,
    pub(super) finished: u64,
    /// Files it said that it edited.
    pub(super) edits: u64,
    /// The newest call, for people.
    pub(super) doing: String,
}

struct Open {
    since: Instant,
    digest: u64,
}

impl Calls {
    /// Takes a signal in; says whether finished calls look like going in circles now.
    pub(super) fn take(&mut self, signal: &AgentSignal) -> bool {
        match signal {
            AgentSignal::ToolCall { id, tool, input } => {
                self.begin(id, digest(&(tool, input)));
                self.doing = shown(tool, input);
                false
            }
            AgentSignal::Command { id, command, exit_code, output } => {
                self.end(id);
                self.doing = shown("", command);
                self.observe(Call {
                    call: digest(&("command", command)),
                    result: digest(&(exit_code, output)),
                    failed: exit_code.is_none_or(|code| code != 0),
                    is_empty: output.trim().is_empty(),
                })
            }
            AgentSignal::ToolEnded { id, ok, output } => {
                // One whose beginning nobody told could be any call.
                let Some(call) = self.end(id) else { return false };
                let result = digest(&(ok, output));
                self.observe(Call { call, result, failed: !ok, is_empty: output.trim().is_empty() })
            }
            AgentSignal::FileEdit { .. } => {
                self.edits += 1;
                false
            }
            AgentSignal::End { .. } => {
                // What was not told to have ended is ended by the program with its turn.
                self.open.clear();
                self.oldest = None;
                false
            }
            _ => false,
        }
    }

    /// The tree changed: what was before counts no more.
    pub(super) fn forgive(&mut self) {
        self.repetitions.forgive();
        self.finding = None;
    }

    fn begin(&mut self, id: &str, digest: u64) {
        if self.open.len() >= MOST_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, call)| call.since).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.open.remove(&id));
        }
        self.open.insert(id.to_owned(), Open { since: Instant::now(), digest });
        self.oldest = self.open.values().map(|call| call.since).min();
    }

    fn end(&mut self, id: &str) -> Option<u64> {
        let call = self.open.remove(id)?;
        self.oldest = self.open.values().map(|call| call.since).min();
        Some(call.digest)
    }

    fn observe(&mut self, call: Call) -> bool {
        self.finished += 1;
        let finding = self.repetitions.observe(call);
        let is_circle = finding != Repetition::None;
        self.finding = is_circle.then_some(finding);
        is_circle
    }
}

fn digest(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// One line of at most [`SHOWN`] characters.
fn shown(tool: &str, input: &str) -> String {
    let between = if tool.is_empty() { "" } else { " " };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    [tool, between, input].iter().flat_map(|part| part.chars()).map(plain).take(SHOWN).collect()
}
