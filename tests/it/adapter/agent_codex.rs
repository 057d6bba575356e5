//! What codex says, from recorded streams of version 0.169: signals and judgements.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use agentpr::adapters::worker::agent::{Exit, Protocol};
use agentpr::adapters::worker::codex::rollout;
use agentpr::adapters::worker::codex::signals::Reader;
use agentpr::adapters::worker::codex::trouble::{Reset, classify, reset};
use agentpr::domain::agent::class::{Judgement, Trouble};
use agentpr::domain::agent::signal::AgentSignal;
use agentpr::domain::agent::usage::{Meter, Tokens};
use serde_json::Value;

/// Saturday, 21 November 2026, 14:01 UTC.
const BEGAN_MS: i64 = 1_795_269_660_000;

pub(super) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/transcripts/codex")
}

/// How the recorded starts ended, by name.
pub(super) fn ends() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(data().join("ends.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(super) fn recorded(name: &str) -> String {
    std::fs::read_to_string(data().join(format!("{name}.jsonl"))).unwrap()
}

pub(super) fn reader() -> Reader {
    Reader::new(PathBuf::from("/nowhere"), BEGAN_MS, None)
}

fn told(name: &str) -> (Vec<AgentSignal>, Judgement) {
    let mut reader = reader();
    let mut signals = Vec::new();
    let text = recorded(name);
    text.lines().for_each(|line| reader.line(line.as_bytes(), &mut signals));
    reader.settle(&mut signals);
    let end = &ends()[name];
    let number = |field: &str| end[field].as_i64().map(|number| i32::try_from(number).unwrap());
    let tail = format!("{text}{}", end["stderr"].as_str().unwrap());
    let exit = Exit { code: number("exit_code"), signal: number("signal"), tail: &tail };
    let judgement = reader.judge(&exit);
    (signals, judgement)
}

fn tokens(signals: &[AgentSignal]) -> Option<Tokens> {
    signals.iter().rev().find_map(|signal| match signal {
        AgentSignal::Usage(reading) => Some(reading.tokens),
        _ => None,
    })
}

fn turns(name: &str) -> usize {
    told(name).0.iter().filter(|signal| **signal == AgentSignal::Turn).count()
}

#[test]
fn every_recorded_stream_is_as_its_snapshot_says() {
    let mut differing = Vec::new();
    for name in ends().keys() {
        let (signals, judgement) = told(name);
        let mut now = String::new();
        for signal in &signals {
            let _ = writeln!(now, "{}", serde_json::to_string(signal).unwrap());
        }
        let class = judgement.class().name();
        let _ = writeln!(now, "{class} {:?}: {}", judgement.trouble, judgement.message);
        let path = data().join(format!("{name}.signals"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != now {
            differing.push(format!("{name}.signals should be:\n{now}"));
        }
    }
    assert!(differing.is_empty(), "UPDATE_GOLDEN=1 writes them anew:\n{}", differing.join("\n"));
}

#[test]
fn every_recorded_end_has_its_class() {
    for (name, trouble) in [
        ("success", None),
        ("success-unknown-model", None),
        ("success-code-mode", None),
        ("tool-failure", None),
        ("read-only-denied", None),
        ("background-command", None),
        ("other-items", None),
        ("model-429-retry-after", None),
        ("model-cut", None),
        ("bad-args", Some(Trouble::Usage)),
        ("resume-unknown", Some(Trouble::SessionLost)),
        ("missing-auth", Some(Trouble::Auth)),
        ("model-401", Some(Trouble::Auth)),
        ("model-429", Some(Trouble::RateLimited)),
        ("rate-limit-in-stream", Some(Trouble::RateLimited)),
        ("model-429-quota", Some(Trouble::QuotaExhausted)),
        ("usage-limit", Some(Trouble::QuotaExhausted)),
        ("model-500", Some(Trouble::Server)),
        ("model-500-mid-run", Some(Trouble::Server)),
        ("context-overflow", Some(Trouble::ContextOverflow)),
        ("interrupted-sigint", Some(Trouble::Protocol)),
        ("interrupted-sigterm", Some(Trouble::Protocol)),
        ("interrupted-stall", Some(Trouble::Protocol)),
    ] {
        assert_eq!(told(name).1.trouble, trouble, "{name}: {}", told(name).1.message);
    }
}

#[test]
fn a_retry_is_no_error() {
    let (signals, judgement) = told("model-429-retry-after");
    let attempts: Vec<Option<u32>> = signals
        .iter()
        .filter_map(|signal| match signal {
            AgentSignal::Retrying { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [Some(1), Some(2)]);
    assert!(
        !signals
            .iter()
            .any(|signal| matches!(signal, AgentSignal::Error { .. } | AgentSignal::RateLimit { .. }))
    );
    assert_eq!(judgement.trouble, None);
    let mut signals = Vec::new();
    reader().line(br#"{"type":"error","message":"Reconnecting... waiting for network"}"#, &mut signals);
    assert!(matches!(signals.as_slice(), [AgentSignal::Retrying { attempt: None, .. }]), "{signals:?}");
}

#[test]
fn an_error_is_told_once_though_codex_says_it_twice() {
    for name in ["model-429", "model-500", "missing-auth", "context-overflow"] {
        let signals = told(name).0;
        let errors = signals.iter().filter(|signal| matches!(signal, AgentSignal::Error { .. })).count();
        assert_eq!(errors, 1, "{name}");
    }
}

#[test]
fn the_use_of_a_resumed_thread_is_what_came_on_top() {
    let mut first = Meter::new(Tokens::default());
    let mut second = Meter::default();
    for (name, meter) in [("resume-first", &mut first), ("resume-second", &mut second)] {
        for signal in told(name).0 {
            if let AgentSignal::Usage(reading) = signal {
                meter.read(reading);
            }
        }
    }
    let mut resumed = Meter::new(first.conversation());
    for signal in told("resume-second").0 {
        if let AgentSignal::Usage(reading) = signal {
            resumed.read(reading);
        }
    }
    assert_eq!((first.usage(None).tokens.input, first.usage(None).tokens.output), (100, 5));
    assert_eq!((resumed.usage(None).tokens.input, resumed.usage(None).tokens.output), (150, 7));
}

#[test]
fn answers_of_the_model_are_counted_as_far_as_the_stream_shows_them() {
    // Requests in the recording: 6, 1, 1 and 1 that was answered, of 3.
    assert_eq!(turns("success"), 6);
    assert_eq!(turns("resume-first"), 1);
    assert_eq!(turns("model-429-retry-after"), 1);
    assert_eq!(turns("model-429"), 0);
}

#[test]
fn a_command_that_never_ended_is_closed_without_a_code() {
    for name in ["background-command", "interrupted-sigterm"] {
        let signals = told(name).0;
        let open =
            signals.iter().filter(|signal| matches!(signal, AgentSignal::Command { exit_code: None, .. }));
        assert_eq!(open.count(), 1, "{name}");
    }
}

#[test]
fn every_call_is_followed_by_its_end() {
    for name in ends().keys() {
        let mut open: Vec<String> = Vec::new();
        for signal in told(name).0 {
            match signal {
                AgentSignal::ToolCall { id, .. } => open.push(id),
                AgentSignal::ToolEnded { id, .. } | AgentSignal::Command { id, .. } => {
                    let at = open.iter().position(|known| *known == id);
                    open.remove(at.unwrap_or_else(|| panic!("{name}: {id} ended before it began")));
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[test]
fn a_success_needs_the_closing_event_last_and_code_0() {
    let judge = |lines: &[&str], code: i32| {
        let mut reader = reader();
        lines.iter().for_each(|line| reader.line(line.as_bytes(), &mut Vec::new()));
        reader.judge(&Exit { code: Some(code), signal: None, tail: "" }).trouble
    };
    let began = r#"{"type":"turn.started"}"#;
    let done = r#"{"type":"turn.completed","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let error = r#"{"type":"error","message":"Quota exceeded. Check your plan and billing details."}"#;
    assert_eq!(judge(&[began, done], 0), None);
    assert_eq!(judge(&[began, error, done], 0), None, "it went on after the error");
    assert_eq!(judge(&[began, done, error], 0), Some(Trouble::QuotaExhausted));
    assert_eq!(judge(&[began, done, began], 0), Some(Trouble::Protocol));
    assert_eq!(judge(&[began, done], 1), Some(Trouble::Protocol));
    assert_eq!(judge(&[began], 0), Some(Trouble::Protocol));
    assert_eq!(judge(&[], 0), Some(Trouble::Protocol));
    assert_eq!(judge(&[began, r#"{"type":"turn.completed"}"#], 0), Some(Trouble::Protocol));
}

#[test]
fn a_thread_that_is_not_the_one_asked_for_is_warned_about() {
    let mut reader = Reader::new(PathBuf::from("/nowhere"), BEGAN_MS, Some("an older one".to_owned()));
    let mut signals = Vec::new();
    reader.line(br#"{"type":"thread.started","thread_id":"a new one"}"#, &mut signals);
    assert!(matches!(signals.first(), Some(AgentSignal::Warning { .. })), "{signals:?}");
}

#[test]
fn the_use_of_an_attempt_without_a_closing_event_is_read_from_the_threads_file() {
    let home = tempfile::tempdir().unwrap();
    let thread = "01a1fe68-1e32-73b2-a9b5-3a5515beee68";
    let day = home.path().join("sessions/2026/11/21");
    std::fs::create_dir_all(&day).unwrap();
    let line = |input: u64, output: u64| {
        format!(
            "{{\"type\":\"event_msg\",\"payload\":{{\"type\":\"token_count\",\"info\":{{\"total_token_usage\":\
             {{\"input_tokens\":{input},\"cached_input_tokens\":1,\"output_tokens\":{output}}}}}}}}}\n"
        )
    };
    let text = format!("{}{}{{\"type\":\"event_msg\",\"payload\":{{\"ty", line(100, 10), line(230, 22));
    let file = day.join(format!("rollout-2026-11-21T13-59-58-{thread}.jsonl"));
    std::fs::write(&file, text).unwrap();
    let mut reader = Reader::new(home.path().to_owned(), BEGAN_MS, None);
    let mut signals = Vec::new();
    reader.line(format!(r#"{{"type":"thread.started","thread_id":"{thread}"}}"#).as_bytes(), &mut signals);
    reader.settle(&mut signals);
    let found = tokens(&signals).unwrap();
    assert_eq!((found.input, found.cached, found.output), (230, 1, 22));

    // A link is not followed, and a pipe is not waited for.
    let outside = home.path().join("outside.jsonl");
    std::fs::rename(&file, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &file).unwrap();
    assert_eq!(rollout::usage(home.path(), thread), None);
    std::fs::remove_file(&file).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(rollout::usage(home.path(), thread), None);
}

#[test]
fn a_total_that_does_not_grow_while_codex_works_is_no_sign_of_life() {
    let home = tempfile::tempdir().unwrap();
    let thread = "01a1fe68-1e32-73b2-a9b5-3a5515beee68";
    let day = home.path().join("sessions/2026/11/21");
    std::fs::create_dir_all(&day).unwrap();
    let write = |input: u64| {
        let line = format!(
            "{{\"payload\":{{\"type\":\"token_count\",\"info\":{{\"total_token_usage\":{{\"input_tokens\":{input},\"output_tokens\":1}}}}}}}}\n"
        );
        std::fs::write(day.join(format!("rollout-2026-11-21T13-59-58-{thread}.jsonl")), line).unwrap();
    };
    let mut reader = Reader::new(home.path().to_owned(), BEGAN_MS, None);
    reader.line(format!(r#"{{"type":"thread.started","thread_id":"{thread}"}}"#).as_bytes(), &mut Vec::new());
    let mut look = || {
        let mut signals = Vec::new();
        reader.look(&mut signals);
        tokens(&signals).map(|found| found.input)
    };
    assert_eq!(look(), None);
    write(100);
    assert_eq!((look(), look(), look()), (Some(100), None, None));
    write(230);
    assert_eq!((look(), look()), (Some(230), None));
}

#[test]
fn resets_are_read_in_every_form_codex_tells_them() {
    let secs = |secs| Reset { secs: Some(secs), at_ms: None };
    let at = |text: &str| {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Reset { secs: None, at_ms: Some(moment.as_millisecond()) }
    };
    for (words, wanted) in [
        ("Please try again in 2s.", secs(2)),
        ("Please try again in 11.054s. Visit", secs(12)),
        ("Please try again in 1m3.5s", secs(64)),
        ("try again in 320ms", secs(1)),
        ("or try again in 3 days 4 hours.", secs(3 * 86_400 + 4 * 3_600)),
        ("or try again in 1 hour, 30 minutes.", secs(5_400)),
        // The minute is the last that is told, so its end is meant.
        ("or try again at 3:07 PM.", at("2026-11-21T15:08:00Z")),
        ("or try again at 12:07 AM.", at("2026-11-22T00:08:00Z")),
        ("or try again at 2:01 PM.", at("2026-11-21T14:02:00Z")),
        ("or try again at Nov 23rd, 2026 9:34 PM.", at("2026-11-23T21:35:00Z")),
        ("or try again at Jan 1st, 2027 12:00 AM.", at("2027-01-01T00:01:00Z")),
        ("try again later", Reset::default()),
        ("try again at 25:99 PM", Reset::default()),
        ("try again in 99999999999999999999999 weeks", secs(31_536_000)),
        ("try again in .", Reset::default()),
        ("nothing", Reset::default()),
    ] {
        assert_eq!(reset(words, BEGAN_MS), wanted, "{words}");
    }
    assert!(
        told("usage-limit")
            .0
            .iter()
            .any(|signal| matches!(signal, AgentSignal::RateLimit { reset_at_ms: Some(_), .. }))
    );
}

#[test]
fn messages_have_their_trouble() {
    for (message, trouble) in [
        ("exceeded retry limit, last status: 429 Too Many Requests", Trouble::RateLimited),
        ("exceeded retry limit, last status: 503 Service Unavailable", Trouble::Server),
        ("unexpected status 400 Bad Request: something", Trouble::BadRequest),
        ("unexpected status 400 Bad Request: context_length_exceeded", Trouble::ContextOverflow),
        ("unexpected status 403 Forbidden: no", Trouble::Auth),
        ("unexpected status 404 Not Found: rate limit docs", Trouble::BadRequest),
        ("You’re out of credits.", Trouble::QuotaExhausted),
        ("stream disconnected before completion: idle timeout waiting for SSE", Trouble::Network),
        (r#"{"error": {"message": "bad thing", "param": null}}"#, Trouble::BadRequest),
        (r#"{"detail": "unsupported parameter: timeout"}"#, Trouble::BadRequest),
        ("Connection failed: error sending request", Trouble::Network),
        ("the moon is in the wrong place", Trouble::Protocol),
        ("", Trouble::Protocol),
    ] {
        assert_eq!(classify(message), trouble, "{message}");
    }
}
