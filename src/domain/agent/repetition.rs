//! Going in circles: the same calls with the same results again and again, while no file changes.
//!
//! Deterministic, without a model. Calls alone mean nothing: polling a build repeats its call, and each time something else comes
//! of it. Results alone mean nothing either. Only both, with a tree that stays as it is, are a loop.

use std::collections::VecDeque;

/// Calls that are remembered.
const WINDOW: usize = 20;

/// The same call with the same result as often in the window is a loop.
const SAME: usize = 5;

/// Longest cycle that is looked for.
const LONGEST_CYCLE: usize = 4;

/// A cycle of two or more calls as many times in a row is a loop.
const ROUNDS: usize = 3;

/// Failed calls in a row, whatever they are, that are a loop when no file changes.
const FAILURES: usize = 12;

/// One finished call, by digests: what was called with what, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Of the tool and its input.
    pub call: u64,
    /// Of its result: exit code and output.
    pub result: u64,
    /// Whether it failed by its own word.
    pub failed: bool,
    /// Whether nothing came of it to tell one result from another: waiting answers nothing, and a search that finds nothing fails.
    pub is_empty: bool,
}

/// What the calls so far look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repetition {
    /// Nothing repeats.
    None,
    /// Something begins to repeat. The caller remembers the tree's fingerprint at this moment.
    Suspected,
    /// It repeats as often as a loop does. It is one if the tree is as it was when it was suspected.
    Repeated {
        /// What repeats, for people.
        what: String,
    },
}

/// Watches the calls of one attempt.
#[derive(Debug, Default)]
pub struct Repetitions {
    calls: VecDeque<Call>,
    failures: usize,
}

impl Repetitions {
    /// Takes a finished call in and says what the calls look like now.
    pub fn observe(&mut self, call: Call) -> Repetition {
        if self.calls.len() == WINDOW {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        self.failures = match (call.failed, call.is_empty) {
            (false, _) => 0,
            (true, false) => self.failures + 1,
            (true, true) => self.failures,
        };
        // An empty answer is the same as the last one whatever happened: between a wait and the next wait something else may be
        // looked at that changes. So these count in a row only.
        let same = if call.is_empty {
            self.calls.iter().rev().take_while(|seen| **seen == call).count()
        } else {
            self.calls.iter().filter(|seen| **seen == call).count()
        };
        let (cycle, rounds) = self.cycle();
        if same >= SAME {
            return Repetition::Repeated { what: format!("the same call with the same result {same} times") };
        }
        if rounds >= ROUNDS {
            return Repetition::Repeated { what: format!("the same {cycle} calls {rounds} times in a row") };
        }
        if self.failures >= FAILURES {
            return Repetition::Repeated { what: format!("{} failed calls in a row", self.failures) };
        }
        let begins = same >= SAME - 2 || rounds >= ROUNDS - 1 || self.failures >= FAILURES / 2;
        if begins { Repetition::Suspected } else { Repetition::None }
    }

    /// The tree changed since it was suspected: what was before counts no more.
    pub fn forgive(&mut self) {
        self.calls.clear();
        self.failures = 0;
    }

    /// The cycle of two or more calls that the newest calls go through most often: its length, and how many times in a row.
    fn cycle(&self) -> (usize, usize) {
        let newest: Vec<&Call> = self.calls.iter().rev().collect();
        let rounds = |length: usize| {
            let Some(first) = newest.get(..length) else { return 0 };
            // Equal calls are the other rule's.
            if first.iter().all(|call| first.first().is_some_and(|one| *one == *call)) {
                return 0;
            }
            newest.chunks_exact(length).take_while(|chunk| *chunk == first).count()
        };
        (2..=LONGEST_CYCLE)
            .map(|length| (length, rounds(length)))
            .max_by_key(|(_, rounds)| *rounds)
            .unwrap_or((0, 0))
    }
}
