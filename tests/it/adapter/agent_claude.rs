//! What claude's recorded events come to, and what they never come to.

use agentpr::adapters::worker::agent::{Exit, Protocol};
use agentpr::adapters::worker::claude::signals::Reader;
use agentpr::domain::agent::class::Trouble;
use agentpr::domain::agent::signal::AgentSignal;
use agentpr::domain::agent::usage::{Meter, Tokens};

use super::agent_transcript::{Recorded, compare, invents_no_success};

const DONE: [&str; 10] = [
    "background-command.jsonl",
    "json-schema.jsonl",
    "model-429-retry-after.jsonl",
    "model-529-fallback.jsonl",
    "permission-denied.jsonl",
    "resume-first.jsonl",
    "resume-second.jsonl",
    "success-partial.jsonl",
    "success.jsonl",
    "tool-failure.jsonl",
];

/// Each with the code it ended with, what it said beside its events, and the trouble that is.
const FAILED: [(&str, i32, &str, Trouble); 14] = [
    ("bad-args.jsonl", 1, "error: unknown option '--nonsense'\n", Trouble::Usage),
    ("context-overflow.jsonl", 1, "", Trouble::ContextOverflow),
    ("interrupted-sigint.jsonl", 1, "", Trouble::Protocol),
    ("interrupted-sigterm.jsonl", 143, "", Trouble::Protocol),
    ("interrupted-stall-sigint.jsonl", 0, "", Trouble::Protocol),
    ("max-budget.jsonl", 1, "", Trouble::Budget),
    ("max-turns.jsonl", 1, "", Trouble::Budget),
    ("missing-auth.jsonl", 1, "", Trouble::Auth),
    ("model-401.jsonl", 1, "", Trouble::Auth),
    ("model-429.jsonl", 1, "", Trouble::RateLimited),
    ("model-500-mid-run.jsonl", 1, "", Trouble::Server),
    ("model-500.jsonl", 1, "", Trouble::Server),
    ("session-limit.jsonl", 1, "", Trouble::QuotaExhausted),
    ("resume-unknown.jsonl", 1, "No conversation found with session ID: 9\n", Trouble::SessionLost),
];

fn done() -> Vec<Recorded> {
    DONE.iter().map(|file| Recorded::of("claude", file, Some(0), "")).collect()
}

fn failed() -> Vec<Recorded> {
    FAILED.iter().map(|(file, code, stderr, _)| Recorded::of("claude", file, Some(*code), stderr)).collect()
}

fn said(text: &str) -> Exit<'_> {
    Exit { code: Some(1), signal: None, tail: text }
}

fn judge(line: &str) -> (Vec<AgentSignal>, Option<Trouble>) {
    let mut reader = Reader::new(true);
    let mut signals = Vec::new();
    reader.line(line.as_bytes(), &mut signals);
    let trouble = reader.judge(&said("")).trouble;
    (signals, trouble)
}

#[test]
fn recorded_events_come_to_the_same_signals_as_before() {
    let all: Vec<Recorded> = done().into_iter().chain(failed()).collect();
    compare("claude", &all, || Reader::new(true));
}

#[test]
fn the_closing_event_decides_and_not_the_exit_code() {
    for recorded in done() {
        let (_, judgement) = recorded.play(Reader::new(true));
        assert_eq!(judgement.trouble, None, "{}", recorded.name);
    }
    for (recorded, (_, _, _, trouble)) in failed().iter().zip(FAILED) {
        let (_, judgement) = recorded.play(Reader::new(true));
        assert_eq!(judgement.trouble, Some(trouble), "{}: {}", recorded.name, judgement.message);
    }
}

#[test]
fn broken_lines_never_invent_a_success() {
    let mut without_end = done();
    for recorded in &mut without_end {
        recorded.lines.retain(|line| !String::from_utf8_lossy(line).contains("\"type\":\"result\""));
    }
    let all: Vec<Recorded> = failed().into_iter().chain(without_end).collect();
    invents_no_success(&all, || Reader::new(true));
}

#[test]
fn the_use_is_that_of_all_models_with_what_came_from_a_cache() {
    let recorded = Recorded::of("claude", "success.jsonl", Some(0), "");
    for tells_steps in [true, false] {
        let (signals, _) = recorded.play(Reader::new(tells_steps));
        let mut meter = Meter::new(Tokens::default());
        for signal in signals {
            match signal {
                AgentSignal::Usage(reading) => meter.read(reading),
                AgentSignal::Turn => meter.turn(),
                _ => {}
            }
        }
        let usage = meter.usage(None);
        assert_eq!((usage.tokens.input, usage.tokens.cached, usage.tokens.output), (17_200, 7_900, 255));
        assert_eq!((usage.micros, usage.turns), (56_825, 6));
    }
}

#[test]
fn a_start_that_was_cut_off_has_used_what_its_requests_read() {
    let recorded = Recorded::of("claude", "interrupted-sigterm.jsonl", Some(143), "");
    let (signals, _) = recorded.play(Reader::new(true));
    let mut meter = Meter::new(Tokens::default());
    signals.into_iter().for_each(|signal| {
        if let AgentSignal::Usage(reading) = signal {
            meter.read(reading);
        }
    });
    assert!(meter.usage(None).tokens.input > 0);
    let (signals, _) = recorded.play(Reader::new(false));
    assert!(!signals.iter().any(|signal| matches!(signal, AgentSignal::Usage(_))));
}

#[test]
fn a_result_without_its_mark_of_success_is_none() {
    let ok = r#"{"type":"result","subtype":"success","is_error":false,"result":"done"}"#;
    let mut reader = Reader::new(true);
    reader.line(ok.as_bytes(), &mut Vec::new());
    assert_eq!(reader.judge(&Exit { code: Some(0), signal: None, tail: "" }).trouble, None);
    assert_eq!(judge(ok).1, Some(Trouble::Protocol), "it ended with 1 in spite of it");
    for broken in [
        ok.replace("is_error", "is_terror"),
        ok.replace("\"success\"", "\"error_other\""),
        ok.replace("\"is_error\"", "\"api_error_status\":429,\"is_error\""),
    ] {
        let mut reader = Reader::new(true);
        reader.line(broken.as_bytes(), &mut Vec::new());
        let judgement = reader.judge(&Exit { code: Some(0), signal: None, tail: "" });
        assert!(judgement.trouble.is_some(), "{broken}");
    }
}

#[test]
fn a_used_up_allowance_tells_when_it_is_there_again() {
    let line = r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"Claude AI usage limit reached|1799999999"}"#;
    let (signals, trouble) = judge(line);
    assert_eq!(trouble, Some(Trouble::QuotaExhausted));
    let reset = signals.iter().find_map(|signal| match signal {
        AgentSignal::RateLimit { reset_at_ms, .. } => *reset_at_ms,
        _ => None,
    });
    assert_eq!(reset, Some(1_799_999_999_000));

    let event = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1799999000,"rateLimitType":"five_hour"}}"#;
    let result = r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"You've hit your session limit · resets 3pm (UTC)"}"#;
    let (mut reader, mut signals) = (Reader::new(true), Vec::new());
    reader.line(event.as_bytes(), &mut signals);
    assert!(signals.is_empty(), "it may still go on");
    reader.line(result.as_bytes(), &mut signals);
    assert!(
        signals.iter().any(|signal| matches!(
            signal,
            AgentSignal::RateLimit { reset_at_ms: Some(1_799_999_000_000), .. }
        ))
    );
    assert_eq!(reader.judge(&said("")).trouble, Some(Trouble::QuotaExhausted));
}

#[test]
fn words_stand_for_troubles_that_have_no_status() {
    let of = |text: &str| {
        judge(&format!(r#"{{"type":"result","subtype":"success","is_error":true,"result":"{text}"}}"#)).1
    };
    assert_eq!(of("Credit balance is too low"), Some(Trouble::QuotaExhausted));
    assert_eq!(of("Not logged in · Please run /login"), Some(Trouble::Auth));
    assert_eq!(of("API Error: Unable to connect to API (ECONNREFUSED)"), Some(Trouble::Network));
    assert_eq!(of("API Error: Connection to the API was lost (ECONNRESET)."), Some(Trouble::Network));
    assert_eq!(
        of("API Error: API returned an empty or malformed response (HTTP 200)"),
        Some(Trouble::Server)
    );
    assert_eq!(of("Request timed out"), Some(Trouble::Network));
    assert_eq!(of("Prompt is too long"), Some(Trouble::ContextOverflow));
    assert_eq!(of("something nobody knows"), Some(Trouble::Protocol));
}
