//! Lines that codex never wrote: none of them may panic the reader or look like a success.

use agentpr::adapters::worker::agent::{Exit, Protocol};
use agentpr::domain::agent::signal::{AgentSignal, MAX_TEXT, MAX_WORDS};

use super::agent_codex::{ends, reader, recorded};

/// Lines that are mutated.
const MUTATIONS: usize = 10_000;

/// What a stream of success has and no other may bring about.
const CLOSING: &str = "turn.completed";

/// SplitMix64: numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn mutate(&mut self, line: &str) -> Vec<u8> {
        let mut bytes = line.as_bytes().to_vec();
        match self.below(7) {
            0 => bytes.truncate(self.below(bytes.len())),
            1 => {
                for _ in 0..=self.below(8) {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
            }
            2 => {
                // Every key twice, the second with another value.
                let values = ["null", "7", "\"turn.completed\"", "[]", "{\"id\":1}", "true", "-1e308"];
                let value = values[self.below(values.len())];
                let key = ["type", "item", "id", "usage", "message", "error"][self.below(6)];
                bytes.pop();
                bytes.extend(format!(",\"{key}\":{value}}}").bytes());
            }
            3 => {
                let swaps = [
                    ("\":\"", "\":["),
                    ("\":{", "\":\""),
                    ("null", "{}"),
                    ("\":", "\":9e99,\"x\":"),
                    ("[", "{"),
                ];
                let (from, to) = swaps[self.below(swaps.len())];
                bytes = line.replacen(from, to, 1 + self.below(3)).into_bytes();
            }
            4 => {
                let depth = 1 + self.below(2_000);
                let deep = format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
                bytes = line.replacen("\"item\":{", &format!("\"item\":{deep},\"y\":{{"), 1).into_bytes();
                if self.below(2) == 0 {
                    bytes = deep.into_bytes();
                }
            }
            5 => {
                let at = self.below(bytes.len());
                let noise: Vec<u8> = (0..self.below(40)).map(|_| self.next().to_le_bytes()[0]).collect();
                bytes.splice(at..at, noise);
            }
            _ => {
                let long = "ä".repeat(self.below(200_000));
                bytes = line.replacen("\":\"", &format!("\":\"{long}"), 1).into_bytes();
            }
        }
        bytes
    }
}

fn longest(signal: &AgentSignal) -> usize {
    match signal {
        AgentSignal::Text { text } | AgentSignal::End { text, .. } => {
            assert!(text.len() <= MAX_WORDS);
            0
        }
        AgentSignal::ToolCall { input, .. } => input.chars().count(),
        AgentSignal::Command { command, output, .. } => command.chars().count().max(output.chars().count()),
        AgentSignal::Warning { message } | AgentSignal::Error { message, .. } => message.chars().count(),
        _ => 0,
    }
}

#[test]
fn ten_thousand_mutated_lines_neither_panic_nor_invent_a_success() {
    let lines: Vec<String> = ends()
        .keys()
        .flat_map(|name| recorded(name).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.contains(CLOSING))
        .collect();
    let mut chance = Chance(4_169);
    let mut understood = 0;
    for _ in 0..MUTATIONS / 10 {
        let mut reader = reader();
        let mut signals = Vec::new();
        for _ in 0..10 {
            let line = &lines[chance.below(lines.len())];
            reader.line(&chance.mutate(line), &mut signals);
        }
        reader.settle(&mut signals);
        understood += signals.len();
        assert!(signals.iter().map(longest).all(|chars| chars <= MAX_TEXT + 1));
        for code in [0, 1, 2, 143] {
            let judgement = reader.judge(&Exit { code: Some(code), signal: None, tail: "" });
            assert!(judgement.trouble.is_some(), "seed 4169: {signals:?}");
        }
        assert!(!signals.iter().any(|signal| matches!(signal, AgentSignal::End { ok: true, .. })));
    }
    // Otherwise the test would show nothing: many of the lines are still read.
    assert!(understood > MUTATIONS / 4, "{understood}");
}

#[test]
fn a_broken_closing_line_closes_nothing() {
    let mut chance = Chance(7);
    let closing = recorded("success").lines().last().unwrap().to_owned();
    assert!(closing.contains(CLOSING));
    for end in 0..closing.len() {
        let mut reader = reader();
        let cut = &closing.as_bytes()[..end];
        reader.line(cut, &mut Vec::new());
        assert!(reader.judge(&Exit { code: Some(0), signal: None, tail: "" }).trouble.is_some(), "{end}");
    }
    for _ in 0..1_000 {
        // Whatever is made of the line: if it still closes the turn, then with numbers of tokens.
        let mut reader = reader();
        let mut signals = Vec::new();
        reader.line(&chance.mutate(&closing), &mut signals);
        let closes = reader.judge(&Exit { code: Some(0), signal: None, tail: "" }).trouble.is_none();
        assert_eq!(closes, signals.iter().any(|signal| matches!(signal, AgentSignal::Usage(_))));
    }
}
