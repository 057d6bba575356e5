//! Hundreds of pull requests over a bad line: answers are lost, connections end, openers die in the middle, limits are hit. However it
//! goes, a run has one pull request in the end.
//!
//! `AGENTPR_PR_OPENINGS=5000 cargo test --test it pr_openings` is the long run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentpr::adapters::clock::SystemClock;
use agentpr::domain::evidence::{Change, DiffStat, Prepared};
use agentpr::domain::gate::Approved;
use agentpr::domain::id::{CommitSha, Digest, RunId, TreeSha};
use agentpr::domain::spec::RunSpec;
use agentpr::ports::clock::Clock;
use agentpr::ports::forge::{Forge, ForgeError};
use serde_json::json;

use crate::adapter::gate::{Wish, approval};
use crate::adapter::github_forge::{REPO, Stage, Work};
use crate::adapter::world::run_of;

/// Openers at once; they share what is remembered of limits, as processes do.
const OPENERS: usize = 6;

/// Tries after which a run counts as stuck.
const MOST_TRIES: usize = 60;

const GAP: Duration = Duration::from_millis(2);

/// A run to open a pull request for, and how often that was tried.
struct Job {
    run: RunId,
    spec: RunSpec,
    approved: Approved,
    tries: usize,
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[derive(Default)]
struct Course {
    jobs: Mutex<VecDeque<Job>>,
    opened: Mutex<BTreeMap<RunId, Vec<u64>>>,
    killed: AtomicUsize,
    lost: AtomicUsize,
    limited: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_run_gets_one_pull_request_whatever_is_lost_on_the_way() {
    let count: usize =
        std::env::var("AGENTPR_PR_OPENINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let mut stage = Stage::trusted();
    stage.write_gap = GAP;
    stage.github.admin("limits", &json!({"core": 100_000_000}));
    let course = Arc::new(Course::default());
    course.jobs.lock().unwrap().extend(jobs(&stage, count));
    stage.github.faults(&json!([
        {"method": "POST", "path_regex": "/pulls$", "probability": 0.004, "seed": 3, "kind": "rate_secondary", "retry_after": 1},
        {"method": "POST", "path_regex": "/pulls$", "probability": 0.15, "seed": 1, "kind": "reset_after"},
        {"method": "POST", "path_regex": "/pulls$", "probability": 0.18, "seed": 2, "kind": "error_after", "status": 502},
        {"method": "GET", "path_regex": "/api/", "probability": 0.01, "seed": 4, "kind": "reset_before"},
        {"method": "GET", "path_regex": "/api/", "probability": 0.01, "seed": 5, "kind": "truncate"},
    ]));
    let stage = Arc::new(stage);
    let openers: Vec<_> = (0..OPENERS)
        .map(|number| tokio::spawn(open_all(Arc::clone(&stage), Arc::clone(&course), number as u64)))
        .collect();
    for opener in openers {
        opener.await.unwrap();
    }
    let opened = course.opened.lock().unwrap();
    let pulls = stage.github.pulls(REPO);
    assert_eq!((opened.len(), pulls.len()), (count, count));
    for pull in &pulls {
        let body = pull["body"].as_str().unwrap();
        let run = body.split("<!-- agentpr run=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let numbers = &opened[&RunId::new(run).unwrap()];
        assert!(numbers.iter().all(|number| pull["number"] == *number), "{run}: {numbers:?}");
        assert_eq!(pull["head"]["ref"], format!("agentpr/{run}"));
    }
    let state = stage.github.state();
    assert_eq!(state["early"], 0, "{}", state["early_requests"]);
    for gap in state["shortest_write_gap_ms"].as_object().unwrap().values() {
        assert!(gap.as_u64().unwrap() >= GAP.as_millis() as u64, "writes were {gap} ms apart");
    }
    let seen = [&course.killed, &course.lost, &course.limited].map(|seen| seen.load(Ordering::Relaxed));
    assert!(seen.iter().all(|seen| *seen > 0), "killed, lost, limited: {seen:?}");
    assert!(seen[1] * 5 > count, "lost answers: {}", seen[1]);
}

/// Runs whose branch is pushed already, all at one commit.
fn jobs(stage: &Stage, count: usize) -> Vec<Job> {
    let sha = stage.github.push_by_other(REPO, "any", "acme", ("b", "1\n"));
    (0..count)
        .map(|_| {
            let (run, spec) = run_of(REPO);
            let branch = spec.head_branch.as_str();
            stage.github.act(REPO, "refs", &json!({"branch": branch, "sha": sha}));
            let prepared = Prepared {
                base_branch: "main".parse().unwrap(),
                base_sha: stage.sha(),
                workspace: String::new(),
                remote: String::new(),
            };
            let change = Change {
                head_sha: CommitSha::new(&*sha).unwrap(),
                tree: TreeSha::new("1".repeat(40)).unwrap(),
                parent_sha: stage.sha(),
                diff_digest: Digest::new("0".repeat(64)).unwrap(),
                stat: DiffStat::default(),
            };
            let work = Work { run: run.clone(), spec: spec.clone(), prepared, change };
            let binding = work.binding(&work.change, Some(stage.id()));
            Job { approved: approval(&run, &spec, &binding, &Wish::default()), run, spec, tries: 0 }
        })
        .collect()
}

/// One opener after the other: each dies sooner or later, and the next one knows nothing but what is on disk and at GitHub.
async fn open_all(stage: Arc<Stage>, course: Arc<Course>, number: u64) {
    let mut dice = Dice(number + 1);
    let clock = SystemClock::new();
    let mut forge = stage.forge();
    loop {
        let Some(mut job) = course.jobs.lock().unwrap().pop_front() else { return };
        job.tries += 1;
        assert!(job.tries <= MOST_TRIES, "{} is stuck", job.run);
        let life = match dice.below(6) {
            0 => Duration::from_millis(dice.below(60)),
            _ => Duration::from_secs(60),
        };
        let Ok(answer) = tokio::time::timeout(life, forge.open_pr(&job.spec, &job.approved)).await else {
            course.killed.fetch_add(1, Ordering::Relaxed);
            forge = stage.forge();
            course.jobs.lock().unwrap().push_back(job);
            continue;
        };
        match answer {
            Ok(opened) => {
                let mut all = course.opened.lock().unwrap();
                let numbers = all.entry(job.run.clone()).or_default();
                numbers.push(opened.number.get());
                // Some come again for what is done, as after a crash before it was written down.
                if numbers.len() == 1 && dice.below(10) == 0 {
                    course.jobs.lock().unwrap().push_back(job);
                }
            }
            Err(ForgeError::Limited { until, .. }) => {
                course.limited.fetch_add(1, Ordering::Relaxed);
                job.tries -= 1;
                course.jobs.lock().unwrap().push_back(job);
                tokio::time::sleep(until.since(clock.now().wall)).await;
            }
            Err(err) if err.is_transient() => {
                course.lost.fetch_add(1, Ordering::Relaxed);
                // At once, and by somebody else perhaps.
                course.jobs.lock().unwrap().push_front(job);
            }
            Err(err) => panic!("{}: {err}", job.run),
        }
    }
}
