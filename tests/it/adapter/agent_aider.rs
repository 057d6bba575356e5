//! What aider's lines come to, and what they never come to.

use agentpr::adapters::worker::agent::{Exit, Protocol};
use agentpr::adapters::worker::aider::protocol::{Line, Tokens, read};
use agentpr::adapters::worker::aider::signals::Reader;
use agentpr::domain::agent::class::Trouble;
use agentpr::domain::agent::signal::AgentSignal;
use agentpr::domain::agent::usage::Meter;

use super::agent_transcript::{Recorded, compare, invents_no_success};

fn done() -> Vec<Recorded> {
    ["success.txt", "tool-failure.txt"].map(|file| Recorded::of("aider", file, Some(0), "")).into()
}

fn failed() -> Vec<Recorded> {
    vec![
        Recorded::of("aider", "model-429.txt", Some(0), ""),
        Recorded::of("aider", "model-500.txt", Some(0), ""),
        Recorded::of("aider", "interrupted-sigterm.txt", None, ""),
    ]
}

fn play(lines: &str, code: i32) -> (Vec<AgentSignal>, Option<Trouble>) {
    let (mut reader, mut signals) = (Reader::default(), Vec::new());
    for line in lines.lines() {
        reader.line(line.as_bytes(), &mut signals);
    }
    let trouble = reader.judge(&Exit { code: Some(code), signal: None, tail: lines }).trouble;
    (signals, trouble)
}

#[test]
fn recorded_lines_come_to_the_same_signals_as_before() {
    let all: Vec<Recorded> = done().into_iter().chain(failed()).collect();
    compare("aider", &all, Reader::default);
}

#[test]
fn an_exit_code_of_nothing_is_no_success() {
    for recorded in done() {
        assert_eq!(recorded.play(Reader::default()).1.trouble, None, "{}", recorded.name);
    }
    let troubles: Vec<_> =
        failed().iter().map(|recorded| recorded.play(Reader::default()).1.trouble).collect();
    assert_eq!(troubles, [Some(Trouble::RateLimited), Some(Trouble::Server), Some(Trouble::Protocol)]);
}

#[test]
fn broken_lines_never_invent_a_success() {
    let mut without_end = done();
    for recorded in &mut without_end {
        recorded.lines.retain(|line| !line.starts_with(b"Tokens: "));
    }
    // An answer, and failures after it: one broken line must not hide them.
    let mut failed_later = done();
    for (recorded, failed) in failed_later.iter_mut().zip(failed()) {
        let failures = failed.lines.iter().skip_while(|line| !line.starts_with(b"litellm."));
        recorded.lines.extend(failures.cloned());
    }
    let all: Vec<Recorded> = failed().into_iter().chain(without_end).chain(failed_later).collect();
    invents_no_success(&all, Reader::default);
}

#[test]
fn each_answer_is_a_step_with_its_tokens_and_its_cost() {
    let of = |sent, cache_write, cache_hit, received, micros| {
        Line::Tokens(Tokens { sent, cache_write, cache_hit, received, micros })
    };
    assert_eq!(read("Tokens: 1.9k sent, 32 received."), of(1_900, 0, 0, 32, None));
    assert_eq!(
        read(
            "Tokens: 12k sent, 3 cache write, 2.0k cache hit, 1.1k received. Cost: $0.0123 message, $1 session."
        ),
        of(12_000, 3, 2_000, 1_100, Some(12_300))
    );
    assert_eq!(read("Cost: $0.01 message, $0.03 session."), Line::Cost(10_000));
    for broken in ["Tokens: 1.9 sent, 32 received.", "Tokens: 32 received.", "Tokens: many", "Cost: $x"] {
        assert_eq!(read(broken), Line::Words, "{broken}");
    }
    let (signals, trouble) = play(
        "a\nTokens: 10 sent, 2 received.\nb\nTokens: 20 sent, 3 received.\nCost: $0.02 message, $0 session.",
        0,
    );
    assert_eq!(trouble, None);
    let mut meter = Meter::default();
    for signal in signals {
        match signal {
            AgentSignal::Usage(reading) => meter.read(reading),
            AgentSignal::Turn => meter.turn(),
            _ => {}
        }
    }
    let usage = meter.usage(None);
    assert_eq!((usage.tokens.input, usage.tokens.output, usage.turns, usage.micros), (30, 5, 2, 20_000));
}

#[test]
fn an_error_after_the_last_answer_is_the_end_and_one_before_it_is_not() {
    let answer = "Tokens: 10 sent, 2 received.";
    for (line, trouble) in [
        ("litellm.RateLimitError: OpenAIException - Rate limited", Trouble::RateLimited),
        ("litellm.RateLimitError: OpenAIException - insufficient_quota", Trouble::QuotaExhausted),
        ("litellm.AuthenticationError: AnthropicException - no", Trouble::Auth),
        ("litellm.BadRequestError: OpenAIException - bad key", Trouble::Auth),
        ("litellm.BadRequestError: OpenAIException - no such thing", Trouble::BadRequest),
        (
            "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.",
            Trouble::Network,
        ),
        ("litellm.InternalServerError: OpenAIException - 500", Trouble::Server),
        ("litellm.APIConnectionError: OpenAIException - refused", Trouble::Network),
        ("litellm.Timeout: APITimeoutError - Request timed out.", Trouble::Network),
        ("litellm.ContextWindowExceededError: too long", Trouble::ContextOverflow),
        ("Model openai/m has hit a token limit!", Trouble::ContextOverflow),
        ("Only 3 reflections allowed, stopping.", Trouble::GaveUp),
        ("Traceback (most recent call last):", Trouble::Protocol),
    ] {
        assert_eq!(play(&format!("{answer}\n{line}"), 0).1, Some(trouble), "{line}");
        assert_eq!(play(&format!("{line}\nRetrying in 0.2 seconds...\n{answer}"), 0).1, None, "{line}");
    }
    assert_eq!(
        play("Empty response received from LLM. Check it?\nTokens: 1 sent, 0 received.", 0).1,
        Some(Trouble::Server)
    );
    assert_eq!(play("", 0).1, Some(Trouble::Protocol), "the model never answered");
    assert_eq!(play("aider: error: unrecognized arguments: --x", 2).1, Some(Trouble::Usage));
    assert_eq!(play(answer, 1).1, Some(Trouble::Protocol));
}

#[test]
fn words_and_edits_are_told() {
    let text = "Aider v0.86.2\nRepo-map: disabled\nRestored previous conversation history.\n\nI will fix it.\n\nTokens: 10 sent, 2 received.\nApplied edit to calc.py";
    let (signals, _) = play(text, 0);
    let told: Vec<String> = signals
        .iter()
        .filter_map(|signal| match signal {
            AgentSignal::Text { text } => Some(text.clone()),
            AgentSignal::FileEdit { path, .. } => Some(path.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["I will fix it.", "calc.py"]);
}
