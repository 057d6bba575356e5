//! Programs that are not there, too old, or do not take their options.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::ports::worker::WorkerError;

use super::bench::{Bench, record};
use crate::harness::agents::need;
use crate::harness::model::{Answer, Client};

const CLIENTS: [Client; 4] = [Client::Codex, Client::Claude, Client::Opencode, Client::Aider];

/// Why an order is not carried out; the model must not have been asked.
async fn refusal(client: Client, program: &Path) -> String {
    let bench = Bench::new(client, program, vec![Answer::text("Nobody hears this.")]);
    let refused = bench.work(&bench.order("Say 42.")).await.unwrap_err();
    bench.nothing_is_left();
    assert!(bench.model.asked().is_empty());
    assert!(matches!(refused, WorkerError::Unavailable(_)), "{refused}");
    refused.to_string()
}

#[tokio::test]
async fn a_program_that_is_not_there_is_refused_with_what_to_do() {
    for client in CLIENTS {
        let refused = refusal(client, Path::new("/nowhere/agent")).await;
        assert!(refused.contains("/nowhere/agent"), "{refused}");
    }
}

#[tokio::test]
async fn a_program_that_is_too_old_is_refused_with_what_was_mended_since() {
    let place = tempfile::tempdir().unwrap();
    for client in CLIENTS {
        let old = place.path().join(client.name());
        std::fs::write(&old, format!("#!/bin/sh\necho '{} 0.0.1'\n", client.name())).unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
        let refused = refusal(client, &old).await;
        // aider has no version known to be unsafe; this one lacks its options.
        let wanted = if client == Client::Aider { "does not know" } else { "0.0.1 is older than" };
        assert!(refused.contains(wanted), "{}: {refused}", client.name());
    }
}

#[tokio::test]
async fn an_option_the_program_does_not_take_is_a_fault_of_the_settings() {
    for client in CLIENTS {
        let Some(program) = need(client) else { continue };
        let bench = Bench::new(client, &program, vec![Answer::text("Nobody hears this.")]);
        let mut order = bench.order("Say 42.");
        order.extra_args = vec!["--no-such-option".to_owned()];
        let report = bench.work(&order).await.unwrap();
        bench.nothing_is_left();
        let record = record(&report);
        let told = (record.class, record.trouble);
        assert_eq!(
            told,
            (OutcomeClass::AgentError, Some(Trouble::Usage)),
            "{}: {}",
            client.name(),
            report.evidence.message
        );
        assert!(bench.model.asked().is_empty());
    }
}
