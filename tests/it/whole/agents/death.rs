//! Real agents that are ended in the middle of a turn: nothing of them is left, and their conversation is gone on with.

use std::path::Path;
use std::time::{Duration, Instant};

use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::confine::SandboxMode;
use agentpr::domain::id::AttemptNo;
use rustix::process::{Pid, Signal, kill_process};

use super::MACHINE;
use super::bench::{Bench, record};
use crate::harness::agents::need;
use crate::harness::model::{Answer, Client, Fault, Times};

/// How long an agent may take to come to its first command, on a busy machine.
const LONGEST: Duration = Duration::from_secs(200);

/// The agent's own process: not the wall around it, not what it started.
fn agent_of(bench: &Bench) -> Option<i32> {
    let name = |word: &String| Path::new(word).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_agent = |words: &[String]| {
        let mut names = words.iter().take(2).map(name);
        let first = names.next().unwrap_or_default();
        let walls = ["bwrap", "agentpr"];
        let is_it = |name: &str| name.trim_start_matches('.').starts_with(bench.client.name());
        !walls.contains(&first.as_str()) && (is_it(&first) || names.any(|name| is_it(&name)))
    };
    bench.processes().into_iter().find(|(_, words)| is_agent(words)).map(|(pid, _)| pid)
}

async fn until(what: &str, fact: impl Fn() -> bool) {
    let begun = Instant::now();
    while !fact() {
        assert!(begun.elapsed() < LONGEST, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ends the agent with a signal while a command of its runs, then goes on with its conversation.
async fn dies_and_is_gone_on_with(client: Client, signal: Signal, mode: SandboxMode) {
    let Some(program) = need(client) else { return };
    let long = "echo begun > begun.txt; setsid sleep 300 & sleep 300";
    let answers = match client {
        // It has no commands; it is ended while it waits for the model.
        Client::Aider => vec![Answer::Fault(Fault::Hang, Times::Count(1))],
        Client::Codex | Client::Claude | Client::Opencode => vec![Answer::command(long)],
    };
    let mut bench = Bench::new(client, &program, [answers, vec![Answer::text("I went on.")]].concat());
    bench.mode = mode;
    let _others = MACHINE.read().await;
    let order = bench.order("Begin with the first words.");
    let strike = async {
        until("the model was asked", || !bench.model.asked().is_empty()).await;
        let begun = bench.workspace().join("begun.txt");
        until("its command runs", || client == Client::Aider || begun.exists()).await;
        let pid =
            Pid::from_raw(agent_of(&bench).unwrap_or_else(|| panic!("{:?}", bench.processes()))).unwrap();
        kill_process(pid, signal).unwrap();
    };
    let (report, ()) = tokio::join!(bench.work(&order), strike);
    let report = report.unwrap();
    bench.nothing_is_left();
    let first = record(&report);
    assert_eq!(first.class, OutcomeClass::Killed, "{:?}: {}", first.trouble, report.evidence.message);
    let Some(session) = first.session.clone() else {
        assert_eq!(client, Client::Aider, "it named no conversation: {}", report.evidence.message);
        return;
    };

    let mut order = bench.order("Go on with the second words.");
    order.attempt = AttemptNo(2);
    order.resume = Some(session.clone());
    let report = bench.work(&order).await.unwrap();
    bench.nothing_is_left();
    let second = record(&report);
    assert_eq!(second.class, OutcomeClass::Succeeded, "{:?}: {}", second.trouble, report.evidence.message);
    assert_eq!(second.session.as_ref().map(|session| &session.id), Some(&session.id));
    let asked = bench.model.asked().pop().unwrap();
    for words in ["the first words", "the second words"] {
        assert!(asked.prompt.contains(words), "the conversation lacks `{words}`: {}", asked.prompt);
    }
    assert!(report.last_message.contains("I went on."), "{}", report.last_message);
}

macro_rules! deaths {
    ($($name:ident: $client:ident)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn of_term_without_a_wall() {
                dies_and_is_gone_on_with(Client::$client, Signal::TERM, SandboxMode::DangerFullAccess).await;
            }

            #[tokio::test]
            async fn of_kill_without_a_wall() {
                dies_and_is_gone_on_with(Client::$client, Signal::KILL, SandboxMode::DangerFullAccess).await;
            }

            #[tokio::test]
            async fn of_term_behind_the_best_wall() {
                dies_and_is_gone_on_with(Client::$client, Signal::TERM, SandboxMode::Auto).await;
            }

            #[tokio::test]
            async fn of_kill_behind_the_best_wall() {
                dies_and_is_gone_on_with(Client::$client, Signal::KILL, SandboxMode::Auto).await;
            }
        })*
    };
}

deaths! {
    codex: Codex
    claude: Claude
    opencode: Opencode
    aider: Aider
}
