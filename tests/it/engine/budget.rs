//! Budgets: who may begin, with how much, and who waits or is handed to a person.

use std::time::Duration;

use agentpr::app::budget::Granted;
use agentpr::app::submit::RunOrder;
use agentpr::domain::actor::Actor;
use agentpr::domain::agent::budget::{Allowance, BudgetScope, Budgets};
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::record::AgentRecord;
use agentpr::domain::agent::usage::{MoneySource, Tokens, Usage};
use agentpr::domain::command::Command;
use agentpr::domain::event::{AttemptEnded, AttemptStarted, Event};
use agentpr::domain::evidence::{AttemptEvidence, AttemptOutcome, Step};
use agentpr::domain::id::{AttemptNo, EventSeq, RepoSlug, RunId};
use agentpr::ports::clock::Clock;
use agentpr::ports::store::{Append, EventStore};

use super::Scene;

fn tokens(limit: u64) -> Allowance {
    Allowance { tokens: Some(limit), ..Allowance::default() }
}

fn money(limit: u64) -> Allowance {
    Allowance { micros: Some(limit), ..Allowance::default() }
}

fn used(tokens: u64, micros: u64, source: MoneySource) -> Usage {
    Usage { tokens: Tokens { input: tokens, ..Tokens::default() }, micros, source, turns: 1 }
}

impl Scene {
    fn with_budgets(&self, name: &str, repo: &str, budgets: Budgets) -> RunId {
        let repo = RepoSlug::new("acme", repo).unwrap();
        let order = RunOrder { repo, budgets: Some(budgets), ..Self::order(name) };
        self.app.submit(order, &Self::person(), None).unwrap().run.id
    }

    fn granted(&self, run: &RunId, before: Option<EventSeq>) -> Granted {
        self.app.allowance_of(&self.app.run(run).unwrap(), before).unwrap()
    }

    fn tell(&self, run: &RunId, event: Event) -> EventSeq {
        let now = self.app.run(run).unwrap();
        let append = Append {
            run: run.clone(),
            expected: now.version,
            fence: None,
            actor: Actor::engine(),
            at: self.world.now().wall,
            cause: None,
            key: None,
            events: vec![(event, now.state)],
        };
        self.store.append(&append).unwrap()[0].seq
    }

    /// Begins an attempt of the agent that has reserved so much.
    fn begins(&self, run: &RunId, reserved: Allowance) -> EventSeq {
        let attempt = AttemptNo(self.app.run(run).unwrap().attempts.0 + 1);
        let reserved = Some(reserved);
        self.tell(run, AttemptStarted { attempt, step: Step::Agent, generation: 1, reserved }.into())
    }

    /// Ends it; `None` is an attempt that nobody could read.
    fn ends(&self, run: &RunId, usage: Option<Usage>) {
        let attempt = self.app.run(run).unwrap().attempts;
        let outcome = match usage {
            Some(_) => AttemptOutcome::Succeeded,
            None => AttemptOutcome::Interrupted,
        };
        let agent =
            usage.map(|usage| Box::new(AgentRecord { usage, ..AgentRecord::of(OutcomeClass::NoOp, None) }));
        let evidence = AttemptEvidence { agent, duration_ms: 2_000, ..AttemptEvidence::default() };
        self.tell(run, AttemptEnded { attempt, step: Step::Agent, outcome, evidence }.into());
    }

    fn uses(&self, run: &RunId, usage: Usage) {
        self.begins(run, Allowance::default());
        self.ends(run, Some(usage));
    }
}

#[test]
fn a_run_without_budgets_is_free() {
    let scene = Scene::new();
    let run = scene.with_budgets("free", "parser", Budgets::default());
    scene.uses(&run, used(1 << 30, 0, MoneySource::Unknown));
    assert_eq!(scene.granted(&run, None), Granted::Free);
}

#[test]
fn an_attempt_is_stopped_by_the_tightest_limit_and_reserves_its_cap_or_a_quarter() {
    let scene = Scene::new();
    let budgets = Budgets {
        attempt: Allowance { turns: Some(10), ..Allowance::default() },
        run: Allowance { tokens: Some(1_000), turns: Some(25), ..Allowance::default() },
        repository: tokens(5_000),
        day: Allowance { micros: Some(3), ..Allowance::default() },
    };
    let run = scene.with_budgets("one", "parser", budgets);
    let first = Granted::Limited {
        allowance: Allowance { tokens: Some(1_000), micros: Some(3), turns: Some(10), secs: None },
        reserved: Allowance { tokens: Some(250), micros: Some(1), turns: Some(10), secs: None },
    };
    assert_eq!(scene.granted(&run, None), first);
    scene.uses(&run, Usage { turns: 20, ..used(900, 0, MoneySource::Table) });
    let second = Granted::Limited {
        allowance: Allowance { tokens: Some(100), micros: Some(3), turns: Some(5), secs: None },
        reserved: Allowance { tokens: Some(100), micros: Some(1), turns: Some(5), secs: None },
    };
    assert_eq!(scene.granted(&run, None), second);
}

#[test]
fn what_has_ended_uses_a_budget_up_and_names_it() {
    let scene = Scene::new();
    let budgets = Budgets { run: tokens(100), ..Budgets::default() };
    let run = scene.with_budgets("one", "parser", budgets);
    scene.uses(&run, used(120, 0, MoneySource::Table));
    let over = Granted::UsedUp { scope: BudgetScope::Run, what: "120 of 100 tokens".to_owned() };
    assert_eq!(scene.granted(&run, None), over);
    assert_eq!(
        Granted::used_up(BudgetScope::Run, "120 of 100 tokens"),
        "the budget of this run is used up: 120 of 100 tokens"
    );
}

#[test]
fn a_person_who_sends_a_run_on_grants_its_budget_once_more() {
    let scene = Scene::new();
    let budgets = Budgets { run: tokens(100), day: tokens(150), ..Budgets::default() };
    let run = scene.with_budgets("one", "parser", budgets);
    scene.uses(&run, used(120, 0, MoneySource::Table));
    scene.world.pass(Duration::from_secs(1));
    for command in [Command::Pause, Command::Resume { target: None }] {
        scene.app.execute(&run, &command, &agentpr::app::execute::By::actor(Scene::person())).unwrap();
    }
    let Granted::Limited { allowance, .. } = scene.granted(&run, None) else { panic!("it may go on") };
    assert_eq!(allowance, tokens(30), "the day's budget is nobody's to grant");
}

#[test]
fn the_repository_counts_by_its_name_and_the_day_over_all() {
    let scene = Scene::new();
    let of = |repository, day| Budgets { repository, day, ..Budgets::default() };
    let run = scene.with_budgets("one", "Parser", of(tokens(100), Allowance::default()));
    let same = scene.with_budgets("two", "parser", Budgets::default());
    let other = scene.with_budgets("three", "printer", of(tokens(100), tokens(500)));
    scene.uses(&same, used(100, 0, MoneySource::Table));
    let over = Granted::UsedUp { scope: BudgetScope::Repository, what: "100 of 100 tokens".to_owned() };
    assert_eq!(scene.granted(&run, None), over);
    let Granted::Limited { allowance, .. } = scene.granted(&other, None) else { panic!("it is free to go") };
    assert_eq!(allowance, tokens(100));
    scene.uses(&same, used(400, 0, MoneySource::Table));
    let over = Granted::UsedUp { scope: BudgetScope::Day, what: "500 of 500 tokens".to_owned() };
    assert_eq!(scene.granted(&other, None), over);
    // Midnight of UTC is a multiple of the day's length.
    let left_today = 86_400_000 - u64::try_from(scene.world.now().wall.0 % 86_400_000).unwrap();
    scene.world.pass(Duration::from_millis(left_today - 1));
    assert_eq!(scene.granted(&other, None), over);
    scene.world.pass(Duration::from_millis(1));
    assert!(matches!(scene.granted(&other, None), Granted::Limited { .. }), "a new day");
    assert!(matches!(scene.granted(&run, None), Granted::Limited { .. }));
}

#[test]
fn reservations_of_others_are_waited_for_and_no_person_is_asked() {
    let scene = Scene::new();
    let budgets = Budgets { attempt: tokens(60), day: tokens(100), ..Budgets::default() };
    let one = scene.with_budgets("one", "parser", budgets);
    let two = scene.with_budgets("two", "printer", budgets);
    scene.begins(&one, tokens(60));
    assert_eq!(scene.granted(&two, None), Granted::Busy { scope: BudgetScope::Day });
    scene.ends(&one, Some(used(10, 0, MoneySource::Table)));
    assert_eq!(
        scene.granted(&two, None),
        Granted::Limited { allowance: tokens(60), reserved: tokens(60) },
        "what was not used came back"
    );
    scene.uses(&one, used(50, 0, MoneySource::Table));
    assert_eq!(
        scene.granted(&two, None),
        Granted::Limited { allowance: tokens(40), reserved: tokens(40) },
        "the rest is given out when nobody else is at work"
    );
}

#[test]
fn of_two_that_begin_at_once_the_later_event_yields() {
    let scene = Scene::new();
    let budgets = Budgets { attempt: tokens(60), day: tokens(100), ..Budgets::default() };
    let one = scene.with_budgets("one", "parser", budgets);
    let two = scene.with_budgets("two", "printer", budgets);
    let (first, second) = (scene.begins(&one, tokens(60)), scene.begins(&two, tokens(60)));
    assert!(matches!(scene.granted(&one, Some(first)), Granted::Limited { .. }));
    assert_eq!(scene.granted(&two, Some(second)), Granted::Busy { scope: BudgetScope::Day });
}

#[test]
fn an_attempt_nobody_could_read_is_charged_its_reservation_for_good() {
    let scene = Scene::new();
    let run = scene.with_budgets("one", "parser", Budgets { run: tokens(100), ..Budgets::default() });
    scene.begins(&run, tokens(100));
    assert_eq!(scene.granted(&run, None), Granted::Busy { scope: BudgetScope::Run });
    scene.ends(&run, None);
    assert!(matches!(scene.granted(&run, None), Granted::UsedUp { scope: BudgetScope::Run, .. }));
}

#[test]
fn money_of_unknown_amount_uses_a_money_budget_up() {
    let scene = Scene::new();
    let budgets = Budgets { day: money(1_000_000), ..Budgets::default() };
    let run = scene.with_budgets("one", "parser", budgets);
    let other = scene.with_budgets("two", "parser", Budgets::default());
    scene.uses(&other, used(0, 0, MoneySource::Unknown));
    assert!(matches!(scene.granted(&run, None), Granted::Limited { .. }), "no tokens cost nothing");
    scene.uses(&other, used(10, 0, MoneySource::Unknown));
    let Granted::UsedUp { scope: BudgetScope::Day, what } = scene.granted(&run, None) else {
        panic!("nobody knows what is left")
    };
    assert_eq!(what, "an unknown part of 1.0000 dollars: the model has no price");
}

#[test]
fn a_cap_of_nothing_lets_nobody_begin() {
    let scene = Scene::new();
    let run = scene.with_budgets("one", "parser", Budgets { attempt: tokens(0), ..Budgets::default() });
    assert!(matches!(scene.granted(&run, None), Granted::UsedUp { scope: BudgetScope::Attempt, .. }));
}
