//! What must hold after every death, looked at from outside: the log, the projections, the remote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agentpr::adapters::store::sqlite::SqliteStore;
use agentpr::domain::event::Event;
use agentpr::domain::id::EventSeq;
use agentpr::ports::store::{EventStore, Upkeep};

use crate::git;

/// What a look found.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) runs: u64,
    pub(crate) events: u64,
    /// The version of each run.
    pub(crate) versions: BTreeMap<String, u64>,
}

/// Looks at everything; panics with what is wrong.
pub(crate) fn audit(db: &Path, remote: &Path) -> Audit {
    let store = SqliteStore::open(db).unwrap();
    let report = store.verify().unwrap();
    assert!(report.faults.is_empty(), "{:#?}", report.faults);

    let mut found = Audit { runs: report.runs, events: report.events, versions: BTreeMap::new() };
    let mut requested = BTreeMap::new();
    let mut approved: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut linked: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for recorded in store.events_after(EventSeq(0), usize::MAX >> 1).unwrap() {
        let run = recorded.run.to_string();
        found.versions.insert(run.clone(), recorded.version.0);
        match recorded.event {
            Event::PrRequested(body) => {
                requested.insert(body.request.id.to_string(), body.request.binding.head_sha.to_string());
            }
            Event::PrApproved(body) => {
                let sha = requested[&body.request.to_string()].clone();
                approved.entry(run).or_default().insert(sha);
            }
            Event::PrLinked(body) => {
                linked.entry(run).or_default().insert(body.pr_number.get());
            }
            _ => {}
        }
    }
    assert!(linked.values().all(|numbers| numbers.len() == 1), "two pull requests are linked: {linked:?}");
    remote_holds_what_was_approved(remote, &approved);
    found
}

/// Every branch of a run, and every pull request, is at a commit that a person confirmed; no run has two.
fn remote_holds_what_was_approved(remote: &Path, approved: &BTreeMap<String, BTreeSet<String>>) {
    let refs = git::git(remote, &["for-each-ref", "--format=%(refname) %(objectname)"]);
    let mut opened: BTreeMap<String, u32> = BTreeMap::new();
    for line in refs.lines() {
        let (name, object) = line.split_once(' ').unwrap();
        if let Some(run) = name.strip_prefix("refs/heads/agentpr/") {
            let permitted = approved.get(run).is_some_and(|commits| commits.contains(object));
            assert!(permitted, "{name} is at {object}, which nobody approved for it");
        } else if name.starts_with("refs/agentpr/pulls/") {
            let document: serde_json::Value =
                serde_json::from_str(&git::git(remote, &["cat-file", "blob", object])).unwrap();
            let run = document["run"].as_str().unwrap().to_owned();
            let head = document["head"]["sha"].as_str().unwrap();
            assert!(
                approved[&run].contains(head),
                "the pull request of {run} is at {head}, which nobody approved"
            );
            *opened.entry(run).or_default() += 1;
        }
    }
    assert!(opened.values().all(|count| *count == 1), "a run has two pull requests: {opened:?}");
}
