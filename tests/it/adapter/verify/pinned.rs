//! Contracts of runs: the pinned copy counts, whatever the commit brings.

use agentpr::domain::evidence::{CheckOutcome, CheckReport, CheckSource, Prepared};
use agentpr::domain::id::{AttemptNo, RunId};
use agentpr::domain::spec::RunSpec;
use agentpr::domain::verification::PinnedSpec;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::check::{CheckOrder, Checks};
use agentpr::ports::verify::Verifier;
use agentpr::ports::workspace::Workspace;
use tokio_util::sync::CancellationToken;

use super::super::world::{World, check_order, ignore, put, run};
use super::listing;

struct Pinned {
    world: World,
    run: RunId,
    spec: RunSpec,
    prepared: Prepared,
}

impl Pinned {
    async fn new(files: &[(&str, &str)]) -> Self {
        let world = World::with(files);
        let (run, spec) = run();
        let prepared = world.workspace.prepare(&run, &spec).await.unwrap();
        Self { world, run, spec, prepared }
    }

    fn order(&self, contract: &str) -> CheckOrder {
        let kept = self.world.artifacts.write(&self.run, "spec.yml", contract.as_bytes()).unwrap();
        let pinned = PinnedSpec { origin: "pipeline.yml".to_owned(), sha256: kept.sha256, copy: kept.path };
        let empty = check_order(&self.run, &self.spec, &self.prepared.base_sha);
        CheckOrder { attempt: AttemptNo(2), contract: Some(pinned), ..empty }
    }

    async fn check(&self, order: &CheckOrder) -> CheckReport {
        self.world.checks.run(order, &ignore, &CancellationToken::new()).await.unwrap()
    }
}

#[tokio::test]
async fn fsm_24_the_pinned_contract_counts_and_not_the_one_in_the_commit() {
    let pinned = Pinned::new(&[("pipeline.yml", "tests: {cmd: 'false'}"), ("a", "1\n")]).await;
    let order = pinned.order("tests: {cmd: cat a}");
    let report = pinned.check(&order).await;
    assert_eq!(
        (report.outcome(), report.source),
        (CheckOutcome::Passed, CheckSource::Contract),
        "{report:?}"
    );
    assert_eq!(report.contract, order.contract.as_ref().map(|spec| spec.sha256.clone()));
    let log = report.results[0].log.clone().unwrap();
    assert_eq!(log.path, format!("{}/check-2-1.log", pinned.run));
    assert_eq!(pinned.world.artifacts.read_tail(&log.path, 100).unwrap(), b"1\n");
    let tree = pinned.world.artifacts.absolute(&format!("{}/verify-2", pinned.run));
    let found = listing(&tree);
    for name in ["pipeline.yml", "summary.json", "tests_cmd01_try01_stdout.txt", "versions.json"] {
        assert!(found.iter().any(|file| file == name), "{name}: {found:?}");
    }
}

#[tokio::test]
async fn fsm_24_a_copy_with_other_bytes_runs_nothing() {
    let pinned = Pinned::new(&[("a", "1\n")]).await;
    let order = pinned.order("tests: {cmd: 'true'}");
    let copy = pinned.world.artifacts.absolute(&order.contract.as_ref().unwrap().copy);
    put(&copy, "tests: {cmd: 'exit 0'}");
    let report = pinned.check(&order).await;
    assert_eq!(report.outcome(), CheckOutcome::Blocked);
    assert_eq!((report.blocked.unwrap().code.as_str(), report.results.len()), ("contract_changed", 0));
    std::fs::remove_file(&copy).unwrap();
    assert_eq!(pinned.check(&order).await.blocked.unwrap().code, "contract_changed");
}

#[tokio::test]
async fn a_contract_that_makes_no_sense_is_told_and_runs_nothing() {
    let pinned = Pinned::new(&[("a", "1\n")]).await;
    let report = pinned.check(&pinned.order("test: {cmd: 'true'}\ntests: {retries: -1}")).await;
    let blocked = report.blocked.unwrap();
    assert_eq!(blocked.code, "invalid_contract");
    assert!(blocked.detail.contains("retries") && blocked.detail.contains("tests"), "{}", blocked.detail);
}

#[tokio::test]
async fn fsm_38_what_a_person_logged_in_to_is_there_for_the_checks_of_the_run() {
    let pinned = Pinned::new(&[("a", "1\n")]).await;
    let contract = "
auth: {cmd: 'test -t 0 && mkdir -p $HOME/.tool && echo key > $HOME/.tool/login', interactive: true}
tests: {cmd: grep -q key $HOME/.tool/login}
";
    let mut order = pinned.order(contract);
    assert_eq!(pinned.check(&order).await.blocked.unwrap().code, "interactive_auth_required");
    let stop = CancellationToken::new();
    let login = pinned.world.checks.log_in(&order, &ignore, &|_| {}, &stop).await.unwrap();
    assert!(login.results.len() == 1 && login.results[0].passed(), "{login:?}");
    let kept = pinned.world.artifacts.absolute(&format!("{}/auth/auth_result.json", pinned.run));
    assert!(std::fs::read_to_string(kept).unwrap().contains("\"rc\": 0"));
    order.auth_granted = true;
    let report = pinned.check(&order).await;
    assert_eq!((report.outcome(), report.results.len()), (CheckOutcome::Passed, 1), "{report:?}");
}

#[tokio::test]
async fn fsm_49_each_round_of_a_run_has_its_own_tree() {
    let pinned = Pinned::new(&[("a", "1\n")]).await;
    let mut order = pinned.order("tests: {cmd: cat a}");
    for attempt in [1, 2] {
        order.attempt = AttemptNo(attempt);
        assert_eq!(pinned.check(&order).await.outcome(), CheckOutcome::Passed);
    }
    let mut wanted = vec!["check-1-1.log".to_owned(), "check-2-1.log".to_owned(), "spec.yml".to_owned()];
    for attempt in [1, 2] {
        let names = ["pipeline.yml", "summary.json", "tests_summary.json", "versions.json"];
        wanted.extend(names.map(|name| format!("verify-{attempt}/{name}")));
        for prefix in ["tests", "tests_cmd01_try01"] {
            let ends = ["cmd.txt", "result.json", "stderr.txt", "stdout.txt"];
            wanted.extend(ends.map(|end| format!("verify-{attempt}/{prefix}_{end}")));
        }
    }
    wanted.sort();
    assert_eq!(listing(&pinned.world.artifacts.absolute(pinned.run.as_str())), wanted);
}
