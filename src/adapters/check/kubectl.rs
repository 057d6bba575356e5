//! What a cluster looks like at the end, written down for whoever has to understand a failure. Never changes the answer.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::plan::Plan;
use super::record::Entry;
use super::site::{Job, Site};
use crate::adapters::process::group::Ending;
use crate::domain::pipeline::KubectlDump;
use crate::domain::verification::Stage;

/// Seconds one look may take, and the look at the logs; the seed's numbers.
const LOOK: Duration = Duration::from_secs(60);
const LOGS: Duration = Duration::from_secs(120);

/// Lines of a log that are written down; the seed's number.
const TAIL: &str = "--tail=2000";

/// Runs the looks of the contract, if it asks for them.
pub(super) async fn dump(site: &Site<'_>, plan: &Plan) {
    let Some(wanted) = &plan.pipeline.deploy.kubectl_dump else { return };
    let record = match site.record.inner("kubectl") {
        Ok(record) => record,
        Err(err) => {
            tracing::warn!(%err, "what kubectl says cannot be written down");
            return;
        }
    };
    for (name, words, limit) in looks(wanted) {
        let command = shell_words::join(words);
        let settings = &plan.pipeline.deploy.settings;
        let budget = Budget::of_stage(&plan.pipeline.security, settings, limit, None);
        let stage = Stage::DeployHealth;
        let job = Job { stage, number: 1, before: 0, command: &command, dir: &site.tree, retries: 0, budget };
        let mut order = site.order(job, settings, true);
        order.limits.wall = limit;
        order.env.insert("AIDER_FSM_STAGE".to_owned(), "kubectl".to_owned());
        let (report, (stdout, stderr)) = match site.start(order, &CancellationToken::new()).await {
            Ok(looked) => looked,
            Err(err) => {
                tracing::warn!(%err, command, "kubectl was not asked");
                return;
            }
        };
        let stderr = match &report.ending {
            Ending::CouldNotStart(why) => why.as_bytes(),
            _ => &stderr,
        };
        let ended = super::site::ended(&report);
        record.entry(name, &Entry { command: &command, stdout: &stdout, stderr, ended });
    }
}

fn looks(wanted: &KubectlDump) -> Vec<(&'static str, Vec<&str>, Duration)> {
    let mut looks = vec![
        ("kubectl_get_nodes", vec!["kubectl", "get", "nodes", "-o", "wide"], LOOK),
        ("kubectl_get_namespaces", vec!["kubectl", "get", "namespaces"], LOOK),
        ("kubectl_get_pods", vec!["kubectl", "get", "pods", "-A", "-o", "wide"], LOOK),
        ("kubectl_get_all", vec!["kubectl", "get", "all", "-A", "-o", "wide"], LOOK),
        (
            "kubectl_get_events",
            vec!["kubectl", "get", "events", "-A", "--sort-by=.metadata.creationTimestamp"],
            LOOK,
        ),
    ];
    if let Some(selector) = wanted.label_selector.as_deref().filter(|_| wanted.include_logs) {
        let mut words = vec!["kubectl", "logs", "--selector", selector];
        words.extend(["--all-containers=true", "--timestamps=true", TAIL]);
        if let Some(namespace) = &wanted.namespace {
            words.extend(["--namespace", namespace]);
        }
        looks.push(("kubectl_logs", words, LOGS));
    }
    looks
}
