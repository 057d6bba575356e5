//! Work that is judged, seen from the engine: the guard, the look at the objects, actions, checkpoints and reports.

use agentpr::app::contract::PinOrder;
use agentpr::app::execute::By;
use agentpr::app::finish::Finish;
use agentpr::app::report::RUNTIME_REPORT;
use agentpr::app::submit::RunOrder;
use agentpr::domain::command::Command;
use agentpr::domain::event::Event;
use agentpr::domain::evidence::{CheckReport, CheckSource};
use agentpr::domain::guard::Breach;
use agentpr::domain::id::{AttemptNo, CommitSha, IdempotencyKey};
use agentpr::domain::next::Wait;
use agentpr::domain::pipeline::Problem;
use agentpr::domain::policy::{Finding, Policy, Severity};
use agentpr::domain::state::State;
use agentpr::ports::check::{CheckOrder, Checks, ChecksError, Contract};
use agentpr::ports::verify::{OnProgress, TreeOrder, TreeReport, Verifier};
use agentpr::ports::worker::OnStart;
use tokio_util::sync::CancellationToken;

use super::Scene;
use crate::harness::world::AgentDoes;

fn secret() -> Finding {
    Finding {
        rule: "secret".to_owned(),
        severity: Severity::Blocking,
        path: "config.py".to_owned(),
        line: Some(7),
        detail: "a token of GitHub".to_owned(),
    }
}

#[tokio::test]
async fn what_was_put_back_is_told_in_the_next_prompt() {
    let scene = Scene::new();
    scene.world.guard_finds(&[Some(Breach::Changed), None]);
    scene.world.checks_pass(&[false, true]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
    let prompts = scene.world.prompts();
    assert!(!prompts[0].contains("put back"), "{}", prompts[0]);
    assert!(prompts[1].contains("pipeline.yml was changed") && prompts[1].contains("1 of at most 3"));
}

#[tokio::test]
async fn three_violations_stop_the_run() {
    let scene = Scene::new();
    scene.world.guard_finds(&[Some(Breach::Changed), Some(Breach::Head), Some(Breach::GitInternals)]);
    scene.world.checks_pass(&[false, false, false]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::NeedsHumanReview, "guard_violation")
    );
    assert_eq!(scene.count(&run, |event| matches!(event, Event::GuardViolated(_))), 3);
}

#[tokio::test]
async fn an_agent_that_pushes_is_found_out_by_the_remote() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Pushes]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::NeedsHumanReview, "safety_violation")
    );
    assert_eq!(driven.wait, Wait::Person);
    let pushed = scene
        .count(&run, |event| matches!(event, Event::GuardViolated(body) if body.report.is_irreversible()));
    assert_eq!(pushed, 1);
}

#[tokio::test]
async fn a_passed_change_with_blocking_findings_gets_no_token() {
    let scene = Scene::new();
    scene.world.scan_finds(&[secret()]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!((driven.wait, driven.run.reason.code.as_str()), (Wait::Person, "policy_findings"));
    assert!(driven.run.requests.is_empty());
}

#[tokio::test]
async fn findings_are_on_the_card_of_a_request_that_a_person_takes_on() {
    let scene = Scene::new();
    scene.world.scan_finds(&[secret()]);
    let run = scene.submit("r1");
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let text = agentpr::app::gate::PrText {
        accepted_because: Some("a test vector".to_owned()),
        ..agentpr::app::gate::PrText::default()
    };
    let (issued, _) = scene.app.request_pr(&run, &text, &Scene::person()).await.unwrap();
    assert_eq!((issued.request.card.findings, issued.request.card.blocking), (vec![secret()], 1));
}

#[tokio::test]
async fn a_finding_that_appears_after_the_request_makes_it_stale() {
    let scene = Scene::new();
    let run = scene.submit("r1");
    scene.app.drive(&run, &scene.stop).await.unwrap();
    scene.world.scan_finds(&[secret()]);
    let confirmation =
        agentpr::app::gate::Confirmation { token: scene.world.token(&run), confirmed: true, claimed: None };
    let refused = scene.app.confirm(&run, &confirmation, &Scene::person()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the policy report changed");
    assert!(scene.world.pushes().is_empty());
}

#[tokio::test]
async fn fsm_27_each_commit_that_passed_is_kept() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, true]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    let last = driven.run.attempts;
    let kept = scene.world.checkpoints();
    // The request for the pull request is the last attempt, the checks that passed the one before.
    assert_eq!(kept, [AttemptNo(last.0 - 1)]);
}

#[tokio::test]
async fn every_verdict_has_its_report() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, true]);
    let run = scene.submit("r1");
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let verdicts = scene.count(&run, |event| matches!(event, Event::VerdictRendered(_)));
    let reports = scene
        .count(&run, |event| matches!(event, Event::ArtifactRegistered(body) if body.kind == RUNTIME_REPORT));
    assert_eq!((verdicts, reports), (2, 2));
}

#[tokio::test]
async fn actions_of_a_repair_run_and_their_end_is_told() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, false, true]);
    scene.world.asks_for_actions(&[None, Some(("make deps", true)), None]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
    assert_eq!(scene.world.actions_run(), 1);
    assert!(scene.world.prompts()[2].contains("a1: done"), "{}", scene.world.prompts()[2]);
}

#[tokio::test]
async fn f16_actions_that_nobody_asked_a_repair_for_are_put_aside() {
    for (asked, code) in [
        (&[Some(("make deps", true))][..], "not_a_repair"),
        (&[None, Some(("make deps", false))], "stale"),
        (&[None, Some(("broken", true))], "invalid"),
    ] {
        let scene = Scene::new();
        scene.world.checks_pass(&[false, true]);
        scene.world.asks_for_actions(asked);
        let run = scene.submit("r1");
        let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
        assert_eq!((driven.wait, scene.world.actions_run()), (Wait::Approval, 0));
        let told = driven.run.actions_report.and_then(|report| report.quarantined);
        assert_eq!(told.as_deref(), Some(code));
    }
}

#[tokio::test]
async fn fsm_47_risky_actions_run_only_after_a_grant() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, true]);
    scene.world.asks_for_actions(&[None, Some(("high", true))]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!((driven.wait, driven.run.reason.code.as_str()), (Wait::Person, "high_risk_action"));
    assert_eq!(scene.world.actions_run(), 0);
    let by = agentpr::app::execute::By::actor(Scene::person());
    scene.app.execute(&run, &Command::DecideActions { granted: true }, &by).unwrap();
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!((driven.wait, scene.world.actions_run()), (Wait::Approval, 1));
}

#[tokio::test]
async fn fsm_24_the_contract_of_the_base_commit_is_pinned_once_and_judges_the_run() {
    let scene = Scene::new();
    scene.world.has_contract("version: 1");
    let run = scene.submit("r1");
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let pinned = scene.app.run(&run).unwrap().verify_spec.unwrap();
    assert!(pinned.origin.starts_with("pipeline.yml at "), "{}", pinned.origin);
    assert_eq!(scene.world.contracts_used(), [Some(pinned.clone())]);
    scene.world.has_contract("version: 1 # the agent edited it");
    let again = scene.app.run(&run).unwrap().verify_spec;
    assert_eq!(again, Some(pinned));
    assert_eq!(scene.count(&run, |event| matches!(event, Event::VerifySpecPinned(_))), 1);
}

#[tokio::test]
async fn a_contract_that_cannot_be_read_stops_the_run_before_an_agent_starts() {
    let scene = Scene::new();
    scene.world.has_contract("tests: [");
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::NeedsHumanReview, "invalid_contract")
    );
    assert!(scene.world.prompts().is_empty());
    assert!(driven.run.reason.message.contains("`version`: missing"), "{}", driven.run.reason.message);
}

fn by_hand(accept: Option<&str>) -> Finish {
    Finish {
        changes: "accept trailing commas".to_owned(),
        project: None,
        commit_title: None,
        accept_missing_evidence: accept.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_push_by_hand_of_blocking_findings_needs_a_persons_word() {
    let scene = Scene::new();
    scene.world.scan_finds(&[secret()]);
    let run = scene.submit("r1");
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let refused =
        Box::pin(scene.app.finish(&run, &by_hand(None), &Scene::person(), &scene.stop)).await.unwrap_err();
    assert_eq!(refused.to_string(), "1 blocking findings are on record for the commit");
    assert!(scene.world.pushes().is_empty());
    let order = by_hand(Some("a test vector"));
    Box::pin(scene.app.finish(&run, &order, &Scene::person(), &scene.stop)).await.unwrap();
    assert_eq!(scene.world.pushes().len(), 1);
}

#[tokio::test]
async fn fewer_checks_than_the_run_asks_for_open_no_gate() {
    let scene = Scene::new();
    let policy = Policy { min_checks: 2, ..Policy::default() };
    let order = RunOrder { policy: Some(policy), ..Scene::order("r1") };
    let run = scene.app.submit(order, &Scene::person(), None).unwrap().run.id;
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.run.reason.code, "insufficient_test_evidence");
    let missing = "no passed check is on record for the commit, or fewer than the run asks for";
    let text = agentpr::app::gate::PrText::default();
    let refused = scene.app.request_pr(&run, &text, &Scene::person()).await.unwrap_err();
    assert_eq!(refused.to_string(), missing);
    let refused =
        Box::pin(scene.app.finish(&run, &by_hand(None), &Scene::person(), &scene.stop)).await.unwrap_err();
    assert_eq!(refused.to_string(), missing);
    assert!(scene.world.pushes().is_empty());
}

/// A terminal at which logins pass; it keeps the commits that were checked out for them.
#[derive(Default)]
struct Terminal(std::sync::Mutex<Vec<CommitSha>>);

#[async_trait::async_trait]
impl Checks for Terminal {
    async fn run(
        &self,
        order: &CheckOrder,
        _: OnStart<'_>,
        _: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        self.0.lock().unwrap().push(order.head_sha.clone());
        Ok(CheckReport::empty(order.head_sha.clone(), CheckSource::Contract))
    }

    fn read_contract(&self, _: &[u8]) -> Result<Contract, Vec<Problem>> {
        Ok(Contract::default())
    }
}

#[async_trait::async_trait]
impl Verifier for Terminal {
    async fn verify(
        &self,
        _: &TreeOrder,
        _: OnProgress<'_>,
        _: &CancellationToken,
    ) -> Result<TreeReport, ChecksError> {
        Err(ChecksError::Stopped)
    }

    async fn log_in(
        &self,
        order: &CheckOrder,
        started: OnStart<'_>,
        _: OnProgress<'_>,
        stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        self.run(order, started, stop).await
    }
}

#[tokio::test]
async fn a_login_runs_nothing_an_agent_wrote() {
    let scene = Scene::new();
    scene.world.has_contract("version: 1 interactive");
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap().run;
    let terminal = Terminal::default();
    scene.app.log_in(&terminal, &run, &Scene::person(), &|_| {}, &scene.stop).await.unwrap();
    let (base, change) = (driven.prepared.unwrap().base_sha, driven.change.unwrap().head_sha);
    assert_ne!(base, change);
    assert_eq!(*terminal.0.lock().unwrap(), [base]);
}

#[tokio::test]
async fn a_repeated_key_pins_and_grants_once() {
    let scene = Scene::new();
    scene.world.asks_for_actions(&[None, Some(("high", true))]);
    scene.world.checks_pass(&[false]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.run.reason.code, "high_risk_action");
    let key =
        |key: &str| By { actor: Scene::person(), key: Some(IdempotencyKey::new(key).unwrap()), fence: None };
    let grant = Command::DecideActions { granted: true };
    let order = PinOrder::File { name: "mine.yml".to_owned(), bytes: b"version: 1".to_vec() };
    for is_duplicate in [false, true] {
        let granted = scene.app.execute(&run, &grant, &key("a")).unwrap();
        assert_eq!(granted.is_duplicate(), is_duplicate);
        let pinned = scene.app.pin_contract(&run, &order, &key("b")).await.unwrap();
        assert_eq!(pinned.is_duplicate(), is_duplicate);
    }
    let denied = scene.app.execute(&run, &Command::DecideActions { granted: false }, &key("a"));
    assert!(matches!(denied, Err(agentpr::app::AppError::KeyConflict { .. })));
}
