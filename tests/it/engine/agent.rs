//! Agents, seen from the engine: roles, plans, conversations, allowances, trouble.

use std::time::Duration;

use agentpr::app::submit::RunOrder;
use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::role::{Choice, Role, Roles};
use agentpr::domain::event::Event;
use agentpr::domain::id::RunId;
use agentpr::domain::next::Wait;
use agentpr::domain::spec::Limits;
use agentpr::domain::state::State;

use super::Scene;
use crate::harness::world::{AgentDoes, Says};

fn roles(given: &[(Role, &str, Option<&str>)]) -> Roles {
    let choice = |agent: &str, model: Option<&str>| Choice {
        agent: (!agent.is_empty()).then(|| agent.to_owned()),
        model: model.map(str::to_owned),
    };
    given.iter().map(|(role, agent, model)| (*role, choice(agent, *model))).collect()
}

impl Scene {
    fn submit_roles(&self, name: &str, roles: Roles) -> RunId {
        let order = RunOrder { roles: Some(roles), ..Self::order(name) };
        self.app.submit(order, &Self::person(), None).unwrap().run.id
    }
}

#[tokio::test]
async fn the_plan_of_an_agent_becomes_the_contract_and_stands_in_the_prompt() {
    let scene = Scene::new();
    scene.world.agents_say(&[Says::words("1. Edit parser.rs\n2. Add a test")]);
    let run = scene.submit_roles("r1", roles(&[(Role::Plan, "", Some("wise"))]));
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
    let orders = scene.world.orders();
    assert_eq!((orders[0].role, orders[0].model.as_deref()), (Role::Plan, Some("wise")));
    assert_eq!((orders[1].role, orders[1].model.as_deref()), (Role::Build, None));
    assert!(scene.world.file("r1/contract.md").contains("1. Edit parser.rs"));
    let prompts = scene.world.prompts();
    assert!(prompts[0].contains("# Plan a change") && prompts[1].contains("2. Add a test"), "{prompts:?}");
}

#[tokio::test]
async fn without_a_planner_the_engine_writes_the_contract_and_asks_no_agent() {
    let scene = Scene::new();
    let run = scene.submit("r1");
    scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(scene.world.orders().len(), 1);
    assert!(!scene.world.file("r1/contract.md").contains("## The plan"));
}

#[tokio::test]
async fn a_planner_that_says_nothing_goes_to_a_person() {
    let scene = Scene::new();
    scene.world.agents_say(&[Says::words("  \n")]);
    let run = scene.submit_roles("r1", roles(&[(Role::Plan, "", None)]));
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!((driven.run.state, driven.run.reason.code.as_str()), (State::NeedsHumanReview, "no_plan"));
    assert!(driven.run.contract.is_none());
}

#[tokio::test]
async fn a_planner_that_pushes_goes_to_a_person_whatever_it_planned() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Pushes]);
    scene.world.agents_say(&[Says::words("1. Edit parser.rs")]);
    let run = scene.submit_roles("r1", roles(&[(Role::Plan, "", None)]));
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::NeedsHumanReview, "safety_violation")
    );
    assert!(driven.run.contract.is_none());
}

#[tokio::test]
async fn the_second_repair_goes_to_the_role_debug() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, false, true]);
    let run = scene.submit_roles("r1", roles(&[(Role::Debug, "model", Some("thorough"))]));
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let roles: Vec<Role> = scene.world.orders().iter().map(|order| order.role).collect();
    assert_eq!(roles, [Role::Build, Role::Build, Role::Debug]);
}

#[tokio::test]
async fn a_repair_goes_on_with_the_conversation_and_another_role_begins_its_own() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, false, true]);
    scene.world.agents_say(&[
        Says::trouble(None).session(Role::Build, "model", "s-1"),
        Says::trouble(None).session(Role::Build, "model", "s-1"),
    ]);
    let run = scene.submit_roles("r1", roles(&[(Role::Debug, "model", None)]));
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let resumed: Vec<Option<String>> = scene
        .world
        .orders()
        .iter()
        .map(|order| order.resume.as_ref().map(|session| session.id.clone()))
        .collect();
    assert_eq!(resumed, [None, Some("s-1".to_owned()), None]);
    assert_eq!(scene.count(&run, |event| matches!(event, Event::SessionNamed(_))), 1, "told once");
}

#[tokio::test]
async fn a_lost_conversation_begins_anew_in_the_same_attempt() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, true]);
    scene.world.agents_say(&[
        Says::trouble(None).session(Role::Build, "model", "s-1"),
        Says::trouble(Some(Trouble::SessionLost)),
        Says::trouble(None).session(Role::Build, "model", "s-2"),
    ]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
    let orders = scene.world.orders();
    assert_eq!(orders.len(), 3);
    assert_eq!(orders[1].attempt, orders[2].attempt);
    assert!(orders[1].resume.is_some() && orders[2].resume.is_none());
    assert_eq!(driven.run.sessions[&Role::Build].id, "s-2");
}

#[tokio::test]
async fn a_conversation_named_before_a_crash_is_gone_on_with() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits, AgentDoes::Changes]);
    scene.world.agents_say(&[Says::trouble(None).session(Role::Build, "model", "s-9")]);
    let run = scene.submit("r1");
    let task = scene.at_work(&run).await;
    task.abort();
    let _aborted = task.await;
    scene.world.pass(Duration::from_secs(60));
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.wait, Wait::Approval);
    let orders = scene.world.orders();
    assert_eq!(orders[1].resume.as_ref().map(|session| session.id.as_str()), Some("s-9"));
    assert!(scene.world.prompts()[1].contains("# You were cut off"));
}

#[tokio::test]
async fn an_agent_that_changes_nothing_is_called_so_by_the_tree() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Nothing]);
    scene.world.agents_say(&[Says::words("I fixed it!")]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    let record = driven.run.agent.unwrap().evidence.agent.unwrap();
    assert_eq!(record.class, OutcomeClass::NoOp);
    assert_eq!(driven.run.reason.code, "no_change");
}

#[tokio::test]
async fn each_trouble_leads_where_it_can_be_mended() {
    let cases = [
        (Trouble::Auth, State::NeedsHumanReview, "agent_auth_required"),
        (Trouble::Usage, State::NeedsHumanReview, "agent_usage_error"),
        (Trouble::ContextOverflow, State::NeedsHumanReview, "context_overflow"),
        (Trouble::Loop, State::NeedsHumanReview, "loop_detected"),
        (Trouble::Budget, State::NeedsHumanReview, "budget_exhausted"),
        (Trouble::Protocol, State::NeedsHumanReview, "agent_outcome_unknown"),
        (Trouble::Server, State::FailedRetryable, "runtime_transient_failure"),
        (Trouble::Network, State::FailedRetryable, "runtime_transient_failure"),
    ];
    for (trouble, state, code) in cases {
        let scene = Scene::new();
        scene.world.agents_say(&[Says::trouble(Some(trouble))]);
        let run = scene.submit("r1");
        let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
        assert_eq!((driven.run.state, driven.run.reason.code.as_str()), (state, code), "{trouble:?}");
        assert_eq!(scene.count(&run, |event| matches!(event, Event::ChangeCaptured(_))), 0);
    }
}

#[tokio::test]
async fn a_used_up_allowance_parks_the_run_and_it_goes_on_by_itself() {
    let scene = Scene::new();
    scene.world.agents_say(&[Says::quota("model", Some(600))]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    let Wait::Quota(until) = driven.wait else { panic!("{:?}", driven.wait) };
    let now = scene.app.now().wall;
    assert!(until.since(now) >= Duration::from_secs(605) && until.since(now) < Duration::from_secs(640));
    assert_eq!((driven.run.state, driven.run.retries), (State::Implementing, 0));
    // Another process on the same store waits as well.
    let restarted = scene.world.app(&scene.store, "restarted");
    assert_eq!(restarted.drive(&run, &scene.stop).await.unwrap().wait, Wait::Quota(until));
    assert_eq!(scene.world.orders().len(), 1);
    scene.world.pass(Duration::from_secs(660));
    assert_eq!(restarted.drive(&run, &scene.stop).await.unwrap().wait, Wait::Approval);
}

#[tokio::test]
async fn a_used_up_allowance_parks_every_run_of_its_credential() {
    let scene = Scene::new();
    scene.world.agents_say(&[Says::quota("model", Some(600))]);
    let (first, second) = (scene.submit("r1"), scene.submit("r2"));
    scene.app.drive(&first, &scene.stop).await.unwrap();
    let driven = scene.app.drive(&second, &scene.stop).await.unwrap();
    assert!(matches!(driven.wait, Wait::Quota(_)), "{:?}", driven.wait);
    assert_eq!(scene.world.orders().len(), 1, "no agent met the same wall again");
    scene.world.pass(Duration::from_secs(660));
    for run in [&first, &second] {
        assert_eq!(scene.app.drive(run, &scene.stop).await.unwrap().wait, Wait::Approval);
    }
}

#[tokio::test]
async fn an_allowance_that_takes_too_long_or_never_comes_asks_a_person() {
    let scene = Scene::new();
    scene.world.agents_say(&[Says::quota("model", Some(3 * 24 * 3600))]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::NeedsHumanReview, "quota_exhausted")
    );

    let scene = Scene::new();
    scene.world.agents_say(&[Says::quota("model", None)]);
    let run = scene.submit_with("r1", Limits { quota_wait_minutes: 0, ..Limits::default() });
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(driven.run.state, State::NeedsHumanReview);

    let scene = Scene::new();
    scene.world.agents_say(&vec![Says::quota("model", Some(60)); 20]);
    let run = scene.submit("r1");
    for _ in 0..20 {
        scene.app.drive(&run, &scene.stop).await.unwrap();
        scene.world.pass(Duration::from_secs(200));
    }
    assert_eq!(scene.app.run(&run).unwrap().state, State::NeedsHumanReview);
    assert_eq!(scene.world.orders().len(), 13, "twelve waits, then a person");
}
