//! What recorded transcripts of agents are made of, against a golden file, and what is left of them when lines are broken.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use agentpr::adapters::worker::agent::{Exit, Protocol};
use agentpr::domain::agent::class::Judgement;
use agentpr::domain::agent::signal::AgentSignal;

/// One recorded start: its name, its lines, its exit code, the end of its standard error.
pub(super) struct Recorded {
    pub(super) name: &'static str,
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) code: Option<i32>,
    pub(super) stderr: &'static str,
}

impl Recorded {
    /// Reads a transcript of `agent`; `file` is its name with the ending.
    pub(super) fn of(agent: &str, file: &'static str, code: Option<i32>, stderr: &'static str) -> Self {
        let bytes = std::fs::read(folder(agent).join(file)).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        Self { name: file, lines, code, stderr }
    }

    /// Plays the lines to a reader and asks it.
    pub(super) fn play(&self, mut reader: impl Protocol) -> (Vec<AgentSignal>, Judgement) {
        let mut signals = Vec::new();
        for line in &self.lines {
            reader.line(line, &mut signals);
        }
        let mut tail = String::from_utf8_lossy(&self.lines.join(&b'\n')).into_owned();
        tail.push_str(self.stderr);
        let signal = if self.code.is_none() { Some(15) } else { None };
        let judgement = reader.judge(&Exit { code: self.code, signal, tail: &tail });
        (signals, judgement)
    }
}

/// Compares what `read` makes of transcripts with the agent's golden file; `UPDATE_GOLDEN=1` writes it anew.
pub(super) fn compare<P: Protocol>(agent: &str, all: &[Recorded], read: impl Fn() -> P) {
    let mut now = String::new();
    for recorded in all {
        let (signals, judgement) = recorded.play(read());
        let _ = writeln!(now, "== {}", recorded.name);
        for signal in signals {
            let _ = writeln!(now, "{}", serde_json::to_string(&signal).unwrap());
        }
        let _ = writeln!(now, "-> {:?}: {}\n", judgement.trouble, judgement.message);
    }
    let path = folder(agent).join("golden.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (kept, now)) in kept.lines().zip(now.lines()).enumerate() {
        assert_eq!(kept, now, "line {} of {agent}/golden.txt; UPDATE_GOLDEN=1 writes it anew", number + 1);
    }
    assert_eq!(
        kept.lines().count(),
        now.lines().count(),
        "{agent}/golden.txt; UPDATE_GOLDEN=1 writes it anew"
    );
}

/// Breaks 10,000 lines of transcripts that are no success, one at a time, and asks for each whether it became one.
pub(super) fn invents_no_success<P: Protocol>(failed: &[Recorded], read: impl Fn() -> P) {
    let mut dice = Dice(0x5eed_0004);
    for round in 0..10_000 {
        let recorded = &failed[dice.below(failed.len())];
        let mut broken = recorded.lines.clone();
        let at = dice.below(broken.len());
        mutate(&mut broken[at], &mut dice);
        let code = if dice.below(2) == 0 { Some(0) } else { recorded.code };
        let played = Recorded { name: recorded.name, lines: broken, code, stderr: recorded.stderr };
        let (_, judgement) = played.play(read());
        let line = String::from_utf8_lossy(&played.lines[at]);
        assert!(judgement.trouble.is_some(), "round {round}, {}: became a success by {line}", recorded.name);
    }
}

fn mutate(line: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let at = dice.below(line.len() + 1);
        match dice.below(6) {
            0 => line.truncate(at),
            1 => line.insert(at, dice.byte()),
            2 if at < line.len() => line[at] = dice.byte(),
            3 if at < line.len() => line[at] ^= 1 << dice.below(8),
            4 if at < line.len() => {
                let end = (at + 1 + dice.below(40)).min(line.len());
                line.drain(at..end);
            }
            _ => {
                let end = (at + dice.below(60)).min(line.len());
                let again = line[at..end].to_vec();
                line.splice(at..at, again);
            }
        }
    }
}

fn folder(agent: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/transcripts").join(agent)
}

/// Numbers that look like chance and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() % 256).unwrap()
    }
}
