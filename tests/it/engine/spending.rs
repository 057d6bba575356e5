//! What agents use is on record however their attempt ends, and nobody spins while others have reserved what is left.

use std::sync::Arc;
use std::time::Duration;

use agentpr::app::submit::RunOrder;
use agentpr::domain::agent::budget::{Allowance, Budgets};
use agentpr::domain::agent::class::Trouble;
use agentpr::domain::agent::role::{Choice, Role};
use agentpr::domain::agent::usage::{MoneySource, Tokens, Usage};
use agentpr::domain::event::Event;
use agentpr::domain::id::RunId;
use agentpr::domain::next::Wait;
use agentpr::domain::state::State;

use super::Scene;
use crate::harness::world::{AgentDoes, Says};

fn tokens(limit: u64) -> Allowance {
    Allowance { tokens: Some(limit), ..Allowance::default() }
}

fn using(mut says: Says, tokens: u64, micros: u64) -> Says {
    let tokens = Tokens { input: tokens, ..Tokens::default() };
    says.record.usage = Usage { tokens, micros, source: MoneySource::Table, turns: 2 };
    says
}

impl Scene {
    fn submit_within(&self, name: &str, budgets: Budgets) -> RunId {
        let order = RunOrder { budgets: Some(budgets), ..Self::order(name) };
        self.app.submit(order, &Self::person(), None).unwrap().run.id
    }

    /// Tokens, money and turns of a run, as the ledger has them.
    fn spent(&self, run: &RunId) -> (u64, u64, u32) {
        let rows = self.app.usage_of(run).unwrap();
        rows.iter().filter_map(|row| row.usage).fold((0, 0, 0), |sum, usage| {
            (sum.0 + usage.tokens.total(), sum.1 + usage.micros, sum.2 + usage.turns)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_others_leave_no_budget_is_left_alone_until_they_end() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    let budgets = Budgets { attempt: tokens(60), day: tokens(100), ..Budgets::default() };
    let (one, two) = (scene.submit_within("r1", budgets), scene.submit_within("r2", budgets));
    let first = scene.at_work(&one).await;
    let (app, stop, run) = (Arc::clone(&scene.app), scene.stop.clone(), two.clone());
    let second = tokio::spawn(async move { app.drive(&run, &stop).await });
    let Ok(driven) = tokio::time::timeout(Duration::from_secs(10), second).await else {
        scene.stop.cancel();
        panic!("it goes in circles");
    };
    assert_eq!(driven.unwrap().unwrap().wait, Wait::Budget);
    assert_eq!(scene.world.orders().len(), 1);
    scene.world.go.add_permits(1);
    first.await.unwrap().unwrap();
    assert_eq!(scene.app.drive(&two, &scene.stop).await.unwrap().wait, Wait::Approval);
}

#[tokio::test]
async fn an_attempt_that_was_stopped_is_charged_what_it_used() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    scene.world.agents_say(&[using(Says::trouble(None), 100, 7)]);
    let run = scene.submit("r1");
    let task = scene.at_work(&run).await;
    scene.stop.cancel();
    let driven = task.await.unwrap().unwrap();
    assert_eq!((driven.run.state, driven.run.open), (State::Implementing, None));
    assert_eq!(scene.spent(&run), (100, 7, 2));
}

#[tokio::test]
async fn a_planner_that_was_stopped_fails_nothing_and_is_charged() {
    let scene = Scene::new();
    scene.world.agent_does(&[AgentDoes::Waits]);
    scene.world.agents_say(&[using(Says::trouble(None), 100, 7)]);
    let roles = Some([(Role::Plan, Choice::default())].into());
    let order = RunOrder { roles, ..Scene::order("r1") };
    let run = scene.app.submit(order, &Scene::person(), None).unwrap().run.id;
    let task = scene.at_work(&run).await;
    scene.stop.cancel();
    let driven = task.await.unwrap().unwrap();
    assert_eq!(driven.run.state, State::Discovery);
    assert_eq!(scene.count(&run, |event| matches!(event, Event::StepFailed(_))), 0);
    assert_eq!(scene.spent(&run), (100, 7, 2));
}

#[tokio::test]
async fn an_agent_whose_change_cannot_be_taken_home_is_charged_what_it_used() {
    let scene = Scene::new();
    scene.world.captures_fail(1);
    scene.world.agents_say(&[using(Says::trouble(None), 100, 7)]);
    let run = scene.submit("r1");
    let driven = scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(
        (driven.run.state, driven.run.reason.code.as_str()),
        (State::FailedRetryable, "change_too_big")
    );
    assert_eq!(scene.spent(&run), (100, 7, 2));
}

#[tokio::test]
async fn a_start_that_found_its_conversation_gone_is_charged_with_the_one_after_it() {
    let scene = Scene::new();
    scene.world.checks_pass(&[false, true]);
    scene.world.agents_say(&[
        using(Says::trouble(None).session(Role::Build, "model", "s-1"), 10, 1),
        using(Says::trouble(Some(Trouble::SessionLost)), 300, 20),
        using(Says::trouble(None).session(Role::Build, "model", "s-2"), 40, 5),
    ]);
    let run = scene.submit_within("r1", Budgets { attempt: tokens(1_000), ..Budgets::default() });
    scene.app.drive(&run, &scene.stop).await.unwrap();
    assert_eq!(scene.spent(&run), (350, 26, 6));
    let left: Vec<Option<u64>> = scene.world.orders().iter().map(|order| order.allowance.tokens).collect();
    assert_eq!(left, [Some(1_000), Some(1_000), Some(700)], "the second start gets what the first left");
}

#[tokio::test]
async fn an_agent_that_answered_and_told_no_use_is_charged_its_reservation() {
    let scene = Scene::new();
    let mut says = Says::trouble(Some(Trouble::Network));
    says.record.usage.turns = 3;
    scene.world.agents_say(&[says]);
    let run =
        scene.submit_within("r1", Budgets { attempt: tokens(60), run: tokens(60), ..Budgets::default() });
    scene.app.drive(&run, &scene.stop).await.unwrap();
    let rows = scene.app.usage_of(&run).unwrap();
    assert_eq!((rows[0].usage, rows[0].reserved), (None, tokens(60)));
}
