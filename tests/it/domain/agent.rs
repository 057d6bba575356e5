//! What agents use and whether they are alive and get anywhere, in the domain's own words.

use std::time::Duration;

use agentpr::domain::agent::liveness::{Liveness, Pulse, Vitals};
use agentpr::domain::agent::repetition::{Call, Repetition, Repetitions};
use agentpr::domain::agent::usage::{Meter, MoneySource, Reading, Span, Tokens};
use agentpr::domain::time::Timestamp;

fn idle(secs: u64) -> Vitals {
    let files_secs = Some(secs);
    Vitals { is_running: true, bytes_secs: secs, cpu_secs: secs, files_secs, ..Vitals::default() }
}

#[test]
fn each_case_has_a_word_of_its_own_and_no_sign_alone_is_enough() {
    let limit = Some(Duration::from_secs(60));
    assert_eq!(idle(3).liveness(limit), Liveness::Working);
    assert_eq!(idle(30).liveness(limit), Liveness::Quiet);
    assert_eq!(idle(61).liveness(limit), Liveness::Stalled);
    assert_eq!(idle(61).liveness(None), Liveness::Quiet);
    assert_eq!(Vitals { says_it_waits: true, ..idle(30) }.liveness(limit), Liveness::Waiting);
    assert_eq!(Vitals { is_running: false, ..idle(1) }.liveness(limit), Liveness::Dead);
    for alive in [
        Vitals { bytes_secs: 1, ..idle(61) },
        Vitals { cpu_secs: 1, ..idle(61) },
        Vitals { files_secs: Some(1), ..idle(61) },
    ] {
        assert_eq!(alive.liveness(limit), Liveness::Working, "{}", alive.words());
    }
    let tool = |secs| Vitals { tool_secs: Some(secs), ..idle(secs) };
    assert_eq!((tool(180).liveness(limit), tool(181).liveness(limit)), (Liveness::Quiet, Liveness::Stalled));
}

#[test]
fn a_limit_below_a_second_has_its_tools_factor_too() {
    let limit = Some(Duration::from_millis(900));
    assert_eq!(idle(0).liveness(limit), Liveness::Working);
    assert_eq!(idle(1).liveness(limit), Liveness::Stalled);
    assert_ne!(Vitals { tool_secs: Some(2), ..idle(2) }.liveness(limit), Liveness::Stalled);
}

#[test]
fn a_pulse_that_is_not_written_any_more_grows_older() {
    let pulse = Pulse::new(Timestamp(10_000), idle(1), Some(Duration::from_secs(60)));
    assert_eq!(pulse.liveness, Liveness::Working);
    assert_eq!(pulse.now(Timestamp(10_000)), (idle(1), Liveness::Working));
    assert_eq!(pulse.now(Timestamp(35_000)).1, Liveness::Quiet);
    assert_eq!(pulse.now(Timestamp(80_000)), (idle(71), Liveness::Stalled));
    assert_eq!(pulse.now(Timestamp(0)).1, Liveness::Working, "a clock that was set back");
    let text = serde_json::to_string(&pulse).unwrap();
    assert_eq!(serde_json::from_str::<Pulse>(&text).unwrap(), pulse);
}

/// What the last of some calls looks like; a call is its number, its result and whether it failed. Result 0 is an empty one.
fn last(calls: impl IntoIterator<Item = (u64, u64, bool)>) -> Repetition {
    let mut repetitions = Repetitions::default();
    let call = |(call, result, failed)| Call { call, result, failed, is_empty: result == 0 };
    calls.into_iter().map(|one| repetitions.observe(call(one))).last().unwrap()
}

fn is_loop(found: &Repetition) -> bool {
    matches!(found, Repetition::Repeated { .. })
}

#[test]
fn ocr_27_the_same_call_with_the_same_result_is_suspected_and_then_a_loop() {
    assert_eq!(last(vec![(1, 1, true); 2]), Repetition::None);
    assert_eq!(last(vec![(1, 1, true); 3]), Repetition::Suspected);
    assert!(is_loop(&last(vec![(1, 1, true); 5])));
    let between = (0..9).map(|at| if at % 2 == 0 { (1, 1, false) } else { (100 + at, 7, false) });
    assert!(is_loop(&last(between)), "others in between do not help");
}

#[test]
fn ocr_27_polling_and_exploring_are_no_loop() {
    assert_eq!(last((0..100).map(|at| (1, 1 + at, false))), Repetition::None, "each result is another");
    assert_eq!(last((0..100).map(|at| (at, 1, false))), Repetition::None, "each call is another");
    let waits = (0..101).map(|at| if at % 2 == 0 { (1, 0, false) } else { (2, 1 + at, false) });
    assert_eq!(last(waits), Repetition::None, "a wait answers nothing, and what it waits for changes");
    let searches = (0..101).map(|at| (at, 0, true));
    assert_eq!(last(searches), Repetition::None, "searches that find nothing");
}

#[test]
fn ocr_27_empty_results_count_when_nothing_else_happens() {
    assert!(is_loop(&last(vec![(1, 0, false); 5])));
    let turns = (0..6).map(|at| if at % 2 == 0 { (1, 0, false) } else { (2, 5, false) });
    assert!(is_loop(&last(turns)), "a wait and a look that shows the same");
}

#[test]
fn ocr_27_cycles_up_to_four_calls_and_failures_in_a_row_are_found() {
    for length in 2..=4_u64 {
        let cycle = |rounds: u64| (0..length * rounds).map(move |at| (at % length, 9, false));
        assert!(is_loop(&last(cycle(3))), "{length}");
        assert!(!is_loop(&last(cycle(2))), "{length}");
    }
    assert!(is_loop(&last((0..12).map(|at| (at, 1 + at, true)))));
    assert!(!is_loop(&last((0..12).map(|at| (at, 1 + at, at != 6)))));
}

#[test]
fn ocr_27_what_was_before_a_change_of_the_tree_counts_no_more() {
    let mut repetitions = Repetitions::default();
    let call = Call { call: 1, result: 1, failed: true, is_empty: false };
    for _ in 0..50 {
        for _ in 0..4 {
            assert!(!is_loop(&repetitions.observe(call)));
        }
        repetitions.forgive();
    }
}

fn step(name: &str, input: u64, cost_micros: Option<u64>) -> Reading {
    let tokens = Tokens { input, output: 1, ..Tokens::default() };
    Reading { span: Span::Step, step: name.to_owned(), tokens, cost_micros }
}

#[test]
fn a_step_told_twice_counts_once_with_its_later_numbers() {
    let mut meter = Meter::new(Tokens::default());
    for reading in
        [step("a", 10, Some(5)), step("b", 20, None), step("a", 12, Some(6)), step("b", 20, Some(1))]
    {
        meter.read(reading);
    }
    let usage = meter.usage(None);
    assert_eq!((usage.tokens.input, usage.tokens.output, usage.micros), (32, 2, 7));
    assert_eq!(usage.source, MoneySource::Reported);
}

#[test]
fn a_total_of_the_conversation_counts_from_where_the_last_attempt_left_it() {
    let before = Tokens { input: 100, output: 10, ..Tokens::default() };
    let mut meter = Meter::new(before);
    assert_eq!(meter.usage(None).tokens.total(), 0);
    let tokens = Tokens { input: 250, output: 30, ..Tokens::default() };
    meter.read(Reading { span: Span::Conversation, step: String::new(), tokens, cost_micros: None });
    assert_eq!((meter.usage(None).tokens.total(), meter.conversation()), (170, tokens));
}
