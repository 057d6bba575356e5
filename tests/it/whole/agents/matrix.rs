//! The failure matrix: what each real agent makes of a model that fails, and what agentpr makes of that.
//!
//! Every case looks for the class of the end, and that nothing of the run is left running.

use std::time::Duration;

use agentpr::domain::agent::class::OutcomeClass::{
    self, AgentError, InfraError, Quota, Succeeded, TimedOut, Unknown,
};
use agentpr::domain::confine::ProcessLimits;

use super::super::CHECK;
use super::MACHINE;
use super::bench::{Bench, record};
use crate::harness::agents::need;
use crate::harness::model::{Answer, Client, Fault, Times};

/// How long a silent model is listened to. A start that takes long on a busy machine is not silent: it uses the processor.
const PATIENCE: Duration = Duration::from_secs(6);

/// The limit for an agent that is never silent: opencode's server is busy with itself while it waits.
const SOON: Duration = Duration::from_secs(90);

async fn ends_in(client: Client, fault: Fault, times: Times, class: OutcomeClass) {
    let Some(program) = need(client) else { return };
    let mut answers = vec![Answer::Fault(fault, times)];
    answers.extend(client.repairs("answer.txt", "41\n", "42\n", CHECK));
    let bench = Bench::new(client, &program, answers);
    let _others = MACHINE.read().await;
    let mut order = bench.order("Say 42.");
    if class == TimedOut {
        order.limits = ProcessLimits { silence: Some(PATIENCE), ..ProcessLimits::wall(SOON) };
    }
    let report = bench.work(&order).await.unwrap();
    bench.nothing_is_left();
    let record = record(&report);
    assert_eq!(record.class, class, "{:?}: {}", record.trouble, report.evidence.message);
    assert!(!bench.model.asked().is_empty(), "the model was never asked: {}", report.evidence.message);
    let is_repaired = bench.answer() == "42\n";
    assert_eq!(is_repaired, class == Succeeded, "{}", report.evidence.message);
}

macro_rules! row {
    ($name:ident: $fault:expr, $times:expr => [$codex:expr, $claude:expr, $opencode:expr, $aider:expr]) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn codex() {
                ends_in(Client::Codex, $fault, $times, $codex).await;
            }

            #[tokio::test]
            async fn claude() {
                ends_in(Client::Claude, $fault, $times, $claude).await;
            }

            #[tokio::test]
            async fn opencode() {
                ends_in(Client::Opencode, $fault, $times, $opencode).await;
            }

            #[tokio::test]
            async fn aider() {
                ends_in(Client::Aider, $fault, $times, $aider).await;
            }
        }
    };
}

const QUOTA: Fault = Fault::Exhausted { kind: "insufficient_quota", resets_at: 0 };

//                                                                  codex       claude      opencode    aider
row!(f_login_refused: Fault::Status(401), Times::Always         => [AgentError, AgentError, AgentError, AgentError]);
row!(f_too_many_requests: Fault::RetryAfter(1), Times::Always   => [Quota,      Quota,      Quota,      Quota]);
row!(f_one_pause: Fault::RetryAfter(1), Times::Count(1)         => [Succeeded,  Succeeded,  Succeeded,  Succeeded]);
row!(f_allowance_used_up: QUOTA, Times::Always                  => [Quota,      Quota,      Quota,      Quota]);
row!(f_server_failed: Fault::Status(500), Times::Always         => [InfraError, InfraError, InfraError, InfraError]);
row!(f_no_answer: Fault::Hang, Times::Always                    => [TimedOut,   TimedOut,   TimedOut,   TimedOut]);
row!(f_stalled: Fault::Stall, Times::Always                     => [TimedOut,   TimedOut,   TimedOut,   TimedOut]);
row!(f_cut_off: Fault::Cut, Times::Always                       => [InfraError, InfraError, InfraError, InfraError]);
row!(f_not_the_protocol: Fault::Garbage, Times::Always          => [InfraError, InfraError, Unknown,    InfraError]);
row!(f_nonsense_events: Fault::GarbageEvents, Times::Always     => [InfraError, InfraError, Unknown,    InfraError]);
