//! What is made of opencode's events: told with single events, with recorded streams, and with broken ones.

use std::path::PathBuf;

use agentpr::adapters::worker::opencode::events::Events;
use agentpr::adapters::worker::opencode::protocol;
use agentpr::adapters::worker::opencode::signals::{Follower, Next};
use agentpr::domain::agent::class::{Judgement, Trouble};
use agentpr::domain::agent::signal::{AgentSignal, FileChange};
use agentpr::domain::agent::usage::{Reading, Span, Tokens};
use serde_json::{Value, json};

use super::agent_opencode_world::{event, info, part, text};

fn follower() -> (Follower, Vec<AgentSignal>) {
    let mut follower = Follower::new("SES", true);
    let begun = event("message.updated", json!({"info": info("tool-calls")}));
    let mut signals = Vec::new();
    follower.take(protocol::event(begun.to_string().as_bytes()), &mut signals);
    (follower, signals)
}

/// What comes of some events, the last one's [`Next`], and whether the last one counts as activity.
fn told(events: &[Value]) -> (Vec<AgentSignal>, Next, bool) {
    let (mut follower, mut signals) = follower();
    let (mut next, mut active) = (Next::Go, false);
    for event in events {
        let event = protocol::event(event.to_string().as_bytes());
        active = follower.is_activity(&event);
        next = follower.take(event, &mut signals);
    }
    (signals, next, active)
}

fn words(signals: &[AgentSignal]) -> Vec<&str> {
    let mut texts = Vec::new();
    for signal in signals {
        if let AgentSignal::Text { text } = signal {
            texts.push(text.as_str());
        }
    }
    texts
}

fn delta(id: &str, text: &str) -> Value {
    let body =
        json!({"sessionID": "SES", "messageID": "msg_2", "partID": id, "field": "text", "delta": text});
    event("message.part.delta", body)
}

fn growing(id: &str, text: &str) -> Value {
    part(id, json!({"type": "text", "text": text, "time": {"start": 1}}))
}

#[expect(clippy::needless_pass_by_value, reason = "it is written where it is handed over")]
fn tool(name: &str, state: Value) -> Value {
    part("prt_t", json!({"type": "tool", "tool": name, "callID": "call_1", "state": state}))
}

#[test]
fn ocr_11_three_hundred_pieces_are_one_text_of_three_lines() {
    let (mut follower, mut signals) = follower();
    let mut events = vec![growing("prt_1", "")];
    events.extend((1..=300).map(|at| delta("prt_1", if at % 100 == 0 { "x\n" } else { "x" })));
    for event in events {
        follower.take(protocol::event(event.to_string().as_bytes()), &mut signals);
    }
    assert!(words(&signals).is_empty(), "nothing is told before it is whole");
    follower.flush(&mut signals);
    follower.flush(&mut signals);
    let texts = words(&signals);
    assert_eq!(texts.len(), 1);
    assert_eq!(texts[0].lines().map(str::len).collect::<Vec<_>>(), [100, 100, 100]);
}

#[test]
fn ocr_12_a_full_text_replaces_the_pieces_and_each_line_comes_once() {
    let events = [
        growing("prt_1", ""),
        delta("prt_1", "one\n"),
        growing("prt_1", "one\ntwo\n"),
        delta("prt_1", "three\n"),
        text("prt_1", "one\ntwo\nthree\n"),
        text("prt_1", "one\ntwo\nthree\n"),
        delta("prt_1", "late"),
    ];
    assert_eq!(words(&told(&events).0), ["one\ntwo\nthree\n"]);
}

/// A row of the table: its name, its events, what comes of them, and whether the last one is something the agent does.
type Row = (&'static str, Vec<Value>, Vec<AgentSignal>, bool);

fn table() -> Vec<Row> {
    let input = json!({"command": "cargo test"});
    let running = tool("bash", json!({"status": "running", "input": input}));
    let call = |name: &str, input: &str| AgentSignal::ToolCall {
        id: "call_1".to_owned(),
        tool: name.to_owned(),
        input: input.to_owned(),
    };
    let ended =
        |ok, output: &str| AgentSignal::ToolEnded { id: "call_1".to_owned(), ok, output: output.to_owned() };
    let command = |exit_code, output: &str| AgentSignal::Command {
        id: "call_1".to_owned(),
        command: "cargo test".to_owned(),
        exit_code,
        output: output.to_owned(),
    };
    let completed =
        json!({"status": "completed", "input": input, "output": "1 failed", "metadata": {"exit": 101}});
    let path = json!({"filePath": "a"});
    let wrote = json!({"status": "completed", "input": path, "output": "ok", "metadata": {"exists": false}});
    let failed = json!({"status": "error", "input": {}, "error": "no such file\nat all"});
    let error = json!({"name": "APIError", "data": {"message": "down", "statusCode": 503}});
    let tokens = json!({"input": 1, "output": 2, "reasoning": 3, "cache": {"read": 4, "write": 5}});
    let read = Reading {
        span: Span::Step,
        step: "prt_s".to_owned(),
        tokens: Tokens { input: 10, cached: 4, cache_write: 5, output: 5, reasoning: 3 },
        cost_micros: Some(1_500),
    };
    let step = part("prt_s", json!({"type": "step-finish", "tokens": tokens, "cost": 0.0015}));
    let asked = json!({"id": "per_1", "sessionID": "SES", "permission": "webfetch", "patterns": ["x"]});
    let said = |text: &str| AgentSignal::Text { text: text.to_owned() };
    vec![
        ("PartAdded", vec![text("prt_1", "words")], vec![said("words")], true),
        (
            "PartUpdated",
            vec![growing("prt_1", ""), delta("prt_1", "wo"), text("prt_1", "words")],
            vec![said("words")],
            true,
        ),
        ("ToolCall", vec![running.clone(), running.clone()], vec![call("bash", "cargo test")], true),
        (
            "ToolResult",
            vec![running, tool("bash", completed.clone()), tool("bash", completed)],
            vec![call("bash", "cargo test"), command(Some(101), "1 failed")],
            true,
        ),
        (
            "ToolResult of an edit",
            vec![tool("write", wrote)],
            vec![
                call("write", "{\"filePath\":\"a\"}"),
                AgentSignal::FileEdit { path: "a".to_owned(), change: FileChange::Added },
                ended(true, "ok"),
            ],
            true,
        ),
        (
            "tool failure",
            vec![tool("read", failed)],
            vec![call("read", "{}"), ended(false, "no such file\nat all")],
            true,
        ),
        (
            "Thinking",
            vec![part("prt_r", json!({"type": "reasoning", "text": "héllo", "time": {"end": 1}}))],
            vec![AgentSignal::Reasoning { chars: 5 }],
            true,
        ),
        (
            "Error",
            vec![event("session.error", json!({"sessionID": "SES", "error": error}))],
            vec![AgentSignal::Error {
                trouble: Trouble::Server,
                message: "opencode ended with APIError 503: down".to_owned(),
            }],
            true,
        ),
        (
            "retry",
            vec![part("prt_y", json!({"type": "retry", "attempt": 2, "error": error}))],
            vec![AgentSignal::Retrying { attempt: Some(2), message: "down".to_owned() }],
            true,
        ),
        (
            "cost",
            vec![step.clone(), step],
            vec![AgentSignal::Turn, AgentSignal::Usage(read.clone()), AgentSignal::Usage(read)],
            true,
        ),
        (
            "permission",
            vec![event("permission.asked", asked)],
            vec![AgentSignal::Warning { message: "it was given leave for `webfetch` on `x`".to_owned() }],
            true,
        ),
        ("heartbeat", vec![event("server.heartbeat", json!({}))], vec![], false),
        ("connected", vec![event("server.connected", json!({}))], vec![], false),
        ("session.updated", vec![event("session.updated", json!({"sessionID": "SES"}))], vec![], false),
        ("message.updated", vec![event("message.updated", json!({"info": info("stop")}))], vec![], false),
    ]
}

#[test]
fn ocr_13_each_row_of_the_table_has_its_signals() {
    for (name, events, wanted, activity) in table() {
        let (signals, _, active) = told(&events);
        assert_eq!((name, &signals, active), (name, &wanted, activity));
    }
    for end in [
        event("session.idle", json!({"sessionID": "SES"})),
        event("session.status", json!({"sessionID": "SES", "status": {"type": "idle"}})),
    ] {
        assert_eq!(told(&[end]), (vec![], Next::Idle, true));
    }
    let (_, next, _) = told(&[event("session.idle", json!({"sessionID": "another"}))]);
    assert_eq!(next, Next::Go, "an operator's server has other sessions");
}

#[test]
fn a_child_session_works_for_its_parent_and_does_not_speak_for_it() {
    let child = |mut event: Value| {
        event["properties"]["part"]["sessionID"] = json!("ses_child");
        event
    };
    let created = event("session.created", json!({"info": {"id": "ses_child", "parentID": "SES"}}));
    let events = [
        created,
        child(text("prt_c", "words of a child")),
        child(tool("glob", json!({"status": "running", "input": {}}))),
    ];
    let (signals, ..) = told(&events);
    assert!(matches!(signals.as_slice(), [AgentSignal::ToolCall { .. }]), "{signals:?}");
    let unknown = child(tool("glob", json!({"status": "running", "input": {}})));
    assert!(told(&[unknown]).0.is_empty());
}

const RECORDED: [&str; 12] = [
    "aborted",
    "context-overflow-loop",
    "garbage-loop",
    "hang-aborted",
    "model-401",
    "model-429",
    "model-429-retry-after",
    "model-500",
    "permission",
    "sigterm",
    "success",
    "tool-failure",
];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/transcripts/opencode").join(name)
}

fn recorded(name: &str) -> Vec<Vec<u8>> {
    let (mut events, mut payloads) = (Events::default(), Vec::new());
    // Pieces of a length that ends within lines, as the network has it.
    for piece in std::fs::read(file(&format!("serve-{name}.sse"))).unwrap().chunks(1_000) {
        events.push(piece, &mut payloads);
    }
    payloads
}

/// Follows a stream to the first end that would be acted on.
fn replay(payloads: &[Vec<u8>]) -> (Vec<AgentSignal>, Option<Judgement>) {
    let session = payloads.iter().find_map(|payload| match protocol::event(payload) {
        protocol::Event::Created { session, parent: None } => Some(session),
        _ => None,
    });
    let mut follower = Follower::new(&session.unwrap_or_default(), true);
    let mut signals = Vec::new();
    for payload in payloads {
        match follower.take(protocol::event(payload), &mut signals) {
            Next::Idle if follower.has_begun() => {
                follower.flush(&mut signals);
                return (signals, Some(follower.judge().0));
            }
            Next::Halt(why) => return (signals, Some(why)),
            Next::Go | Next::Idle | Next::Answer { .. } | Next::TurnAway { .. } => {}
        }
    }
    (signals, None)
}

#[test]
fn recorded_streams_give_the_signals_they_gave() {
    for name in RECORDED {
        let (signals, judgement) = replay(&recorded(name));
        let mut text: Vec<String> =
            signals.iter().map(|signal| serde_json::to_string(signal).unwrap()).collect();
        text.push(match judgement {
            Some(judgement) => format!("{}: {}", judgement.class().name(), judgement.message),
            None => "no end".to_owned(),
        });
        let text = format!("{}\n", text.join("\n"));
        let golden = file(&format!("serve-{name}.signals"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text, wanted, "{name} differs; UPDATE_GOLDEN=1 writes it anew");
    }
}

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most.max(1) as u64).unwrap()
    }

    fn spoil(&mut self, line: &mut Vec<u8>) {
        let at = self.below(line.len());
        match self.below(5) {
            0 => line.truncate(at),
            1 => line.insert(at, b"\"{}[],:\\\xff\0"[self.below(9)]),
            2 if !line.is_empty() => line[at] ^= 1 << self.below(8),
            3 => {
                let piece: Vec<u8> = line.iter().skip(at).take(40).copied().collect();
                line.extend(piece);
            }
            _ => drop(line.drain(at..(at + self.below(30)).min(line.len()))),
        }
    }
}

#[test]
fn ten_thousand_spoiled_lines_never_panic_and_never_make_a_success() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let failures: Vec<(&str, Vec<Vec<u8>>)> = RECORDED
        .into_iter()
        .filter(|name| !matches!(*name, "success" | "tool-failure" | "model-429-retry-after"))
        .map(|name| (name, recorded(name)))
        .collect();
    let mut spoiled = 0;
    while spoiled < 10_000 {
        let (name, payloads) = &failures[chance.below(failures.len())];
        let mut payloads = payloads.clone();
        for _ in 0..40 {
            let at = chance.below(payloads.len());
            chance.spoil(&mut payloads[at]);
            spoiled += 1;
        }
        let (_, judgement) = replay(&payloads);
        assert!(judgement.is_none_or(|judgement| judgement.trouble.is_some()), "{name} became a success");
    }
}

#[test]
fn a_stream_is_cut_into_payloads_wherever_it_is_broken() {
    let stream = b": a comment\r\ndata: one\r\n\r\nevent: x\ndata: two\ndata:three\n\n\n\ndata: unfinished";
    for size in 1..=stream.len() {
        let (mut events, mut payloads) = (Events::default(), Vec::new());
        stream.chunks(size).for_each(|piece| events.push(piece, &mut payloads));
        assert_eq!(payloads, [b"one".to_vec(), b"two\nthree".to_vec()], "in pieces of {size}");
    }
    let (mut events, mut payloads) = (Events::default(), Vec::new());
    events.push(b"data: ", &mut payloads);
    for _ in 0..100 {
        events.push(&vec![b'x'; 100_000], &mut payloads);
    }
    events.push(b"\n\ndata: next\n\n", &mut payloads);
    assert_eq!(payloads, [b"next".to_vec()], "what is too long is left out, and nothing else");
}
