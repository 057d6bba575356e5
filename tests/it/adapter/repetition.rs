//! Going in circles, told with signals and real files.

use std::time::{Duration, Instant};

use agentpr::adapters::worker::attendance::attend;
use agentpr::adapters::worker::recorder::Recorder;
use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::signal::AgentSignal;
use serde_json::json;

use super::recorder::{Talk, installed, record};
use super::world::{ignore, put};

fn command(number: usize, command: &str, exit_code: i32, output: &str) -> AgentSignal {
    let (id, command, output) = (number.to_string(), command.to_owned(), output.to_owned());
    AgentSignal::Command { id, command, exit_code: Some(exit_code), output }
}

/// Feeds signals, some time for others after each, until the recorder calls a halt; says how many it took, or none at all.
async fn feed(talk: &Talk, most: usize, mut next: impl FnMut(usize) -> Vec<AgentSignal>) -> Option<usize> {
    let installed = installed("/bin/true");
    let stage = talk.stage(&installed, &ignore);
    let recorder = Recorder::new(&stage);
    let begun = Instant::now();
    let work = async {
        for number in 1..=most {
            recorder.take(&next(number));
            // Long enough for a look at a few files, and over as soon as there is a reason.
            let pause = tokio::time::sleep(Duration::from_millis(10));
            tokio::select! {
                () = recorder.halt_token().cancelled() => return Some(number),
                () = pause => {}
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
        None
    };
    let found = attend(&stage, &recorder, work).await;
    if found.is_some() {
        let halted = recorder.heard().halted.unwrap();
        assert_eq!((halted.trouble, halted.class()), (Some(Trouble::Loop), OutcomeClass::Killed));
        assert!(halted.message.contains("no file changed"), "{}", halted.message);
    }
    found
}

#[tokio::test]
async fn ocr_27_the_same_call_with_the_same_result_and_no_change_is_ended() {
    let talk = Talk::new();
    put(&talk.at("src/lib.rs"), "text");
    let taken = feed(&talk, 100, |number| vec![command(number, "cargo test", 1, "1 failed")]).await;
    assert!(taken.is_some_and(|taken| (5..30).contains(&taken)), "{taken:?}");
}

#[tokio::test]
async fn ocr_27_two_calls_in_turns_are_a_circle_and_so_are_tools_other_than_commands() {
    let talk = Talk::new();
    let tool = |number: usize, tool: &str| {
        let (id, tool, input) = (number.to_string(), tool.to_owned(), "a.rs".to_owned());
        let ended = AgentSignal::ToolEnded { id: id.clone(), ok: true, output: "the file".to_owned() };
        vec![AgentSignal::ToolCall { id, tool, input }, ended]
    };
    let taken = feed(&talk, 100, |number| tool(number, if number % 2 == 0 { "read" } else { "list" })).await;
    assert!(taken.is_some_and(|taken| taken >= 6), "{taken:?}");
}

#[tokio::test]
async fn ocr_27_repeated_calls_are_no_circle_while_files_change() {
    let talk = Talk::new();
    let file = talk.at("src/lib.rs");
    let taken = feed(&talk, 140, |number| {
        if number <= 100 {
            put(&file, &format!("try {number}"));
        }
        vec![command(number, "cargo test", 1, "1 failed")]
    })
    .await;
    assert!(taken.is_some_and(|taken| taken > 100), "{taken:?}");
}

#[tokio::test]
async fn ocr_27_what_tools_make_of_the_work_and_a_file_written_anew_are_no_change() {
    let talk = Talk::new();
    // None of these holds up a look at the files, or leads it away.
    std::os::unix::fs::symlink("/", talk.at("a-link")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, talk.at("a-pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let taken = feed(&talk, 100, |number| {
        put(&talk.at("target/debug/out"), &number.to_string());
        put(&talk.at(".git/index"), &number.to_string());
        put(&talk.at("report.txt"), "the same report");
        vec![command(number, "cargo test", 1, "1 failed")]
    })
    .await;
    assert!(taken.is_some(), "it was never noticed");
}

#[tokio::test]
async fn ocr_27_a_build_that_is_polled_and_one_that_reads_on_are_left_to_work() {
    let talk = Talk::new();
    put(&talk.at("src/lib.rs"), "text");
    let polled = feed(&talk, 60, |number| {
        let line = if number % 2 == 0 {
            command(number, "sleep 30", 0, "")
        } else {
            command(number, "tail log", 0, &number.to_string())
        };
        vec![line]
    })
    .await;
    assert_eq!(polled, None, "what it polls changes");
    let read = feed(&talk, 60, |number| {
        let (id, tool, input) = (number.to_string(), "read".to_owned(), format!("src/{number}.rs"));
        let ended = AgentSignal::ToolEnded { id: id.clone(), ok: true, output: String::new() };
        vec![AgentSignal::ToolCall { id, tool, input }, ended]
    })
    .await;
    assert_eq!(read, None, "each file is another");
}

#[tokio::test]
async fn ocr_27_a_real_program_in_a_circle_is_ended_and_the_attempt_says_why() {
    let talk = Talk::new();
    let line =
        json!({"kind": "command", "id": "1", "command": "cargo test", "exit_code": 1, "output": "1 failed"});
    let report = talk.shell(&format!("while :; do echo '{line}'; sleep 0.02; done")).await;
    assert_eq!((record(&report).class, record(&report).trouble), (OutcomeClass::Killed, Some(Trouble::Loop)));
    assert!(report.evidence.message.contains("cargo test"), "{}", report.evidence.message);
    assert!(record(&report).vitals.is_some());
}
