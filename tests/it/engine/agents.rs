//! What is said of the agents of a machine, to people and by the doctor; and which agent and model a step by hand gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentpr::adapters::store::memory::MemoryStore;
use agentpr::app::App;
use agentpr::app::doctor::{DoctorOrder, Report, Severity};
use agentpr::app::submit::RunOrder;
use agentpr::domain::agent::quota::Pool;
use agentpr::domain::agent::role::{Choice, Role, Roles};
use agentpr::ports::worker::{AgentStatus, Login, Problem};

use super::Scene;
use crate::harness::world::World;

fn status(name: &str, login: Login) -> AgentStatus {
    AgentStatus {
        name: name.to_owned(),
        program: Some(format!("/bin/{name}").into()),
        version: Some("9.9.9".to_owned()),
        sha256: None,
        login,
        model: None,
        pool: Some(Pool::new(name)),
        capabilities: Vec::new(),
        problems: Vec::new(),
    }
}

fn choice(agent: &str, model: Option<&str>) -> Choice {
    Choice { agent: Some(agent.to_owned()), model: model.map(str::to_owned) }
}

/// An app whose settings use `agent` and these roles, on a machine with these agents.
fn app(agent: Option<&str>, roles: Roles, agents: Vec<AgentStatus>) -> Arc<App> {
    let world = World::new();
    world.has_agents(agents);
    world.app_with(&Arc::new(MemoryStore::new()), "engine", |settings| {
        settings.agent = agent.map(str::to_owned);
        settings.roles = roles;
    })
}

async fn doctor(app: &App) -> Report {
    app.doctor(&DoctorOrder { required: Vec::new(), network: None }).await
}

#[tokio::test]
async fn an_agent_is_shown_with_what_it_is_used_for_and_what_blocks_it() {
    let problem = |blocks| Problem { what: "w".to_owned(), mend: "m".to_owned(), blocks };
    let blocked =
        AgentStatus { problems: vec![problem(false), problem(true)], ..status("codex", Login::Missing) };
    let noted = AgentStatus { problems: vec![problem(false)], ..status("claude", Login::Own) };
    let roles =
        BTreeMap::from([(Role::Plan, choice("claude", None)), (Role::Review, choice("claude", None))]);
    let app = app(Some("codex"), roles, vec![blocked, noted, status("aider", Login::Missing)]);
    let views = app.agents().await.unwrap();
    let used: Vec<_> = views.iter().map(|view| view.used_as.join(" ")).collect();
    assert_eq!(used, ["default", "plan review", ""]);
    let blocks: Vec<_> = views.iter().map(|view| view.blocked_by().is_some()).collect();
    assert_eq!(blocks, [true, false, false], "a remark blocks nothing");
}

#[tokio::test]
async fn the_doctor_warns_of_an_agent_in_use_without_a_login_and_says_what_to_add() {
    let key = Login::Key { variable: "ANTHROPIC_API_KEY".to_owned() };
    let roles = BTreeMap::from([(Role::Plan, choice("claude", None))]);
    let agents =
        vec![status("codex", Login::Missing), status("claude", key), status("aider", Login::Missing)];
    let report = doctor(&app(Some("codex"), roles, agents)).await;
    let named = |name: &str| report.findings.iter().find(|finding| finding.name == name);
    let missing = named("login.codex").unwrap();
    assert_eq!((missing.ok, missing.severity), (false, Severity::Warning));
    assert!(
        missing.detail.contains("CODEX_API_KEY") && missing.detail.contains("[agents.codex]"),
        "{missing:?}"
    );
    assert!(missing.remedy.contains("agentpr config path"), "{missing:?}");
    assert!(named("login.claude").unwrap().ok);
    assert_eq!(named("login.aider"), None, "nothing uses it");
}

#[tokio::test]
async fn the_doctor_looks_at_the_agents_of_roles_too() {
    let roles =
        BTreeMap::from([(Role::Plan, choice("nonsense", None)), (Role::Debug, choice("model", None))]);
    let report = doctor(&app(Some("model"), roles, Vec::new())).await;
    let named = |name: &str| report.findings.iter().find(|finding| finding.name == name).unwrap();
    assert!(named("agent").ok && named("agent.debug").ok);
    assert!(named("agent.plan").is_failure(), "{:?}", named("agent.plan"));
}

#[test]
fn a_step_takes_the_agent_that_is_named_first_and_no_model_of_another() {
    let scene = Scene::new();
    let order = RunOrder { model: Some("m-run".to_owned()), ..Scene::order("a") };
    let run = scene.app.submit(order, &Scene::person(), None).unwrap().run;
    let of = |app: &App, role, named| {
        let (agent, model) = app.choice_of_step(&run, role, named);
        format!("{agent} {}", model.unwrap_or_default())
    };
    assert_eq!(of(&scene.app, Role::Build, None), "model m-run", "the run's");
    assert_eq!(of(&scene.app, Role::Build, Some("model")), "model m-run");
    assert_eq!(of(&scene.app, Role::Build, Some("claude")), "claude ");

    let roles = BTreeMap::from([(Role::Plan, choice("claude", Some("m-plan")))]);
    let configured = app(Some("aider"), roles, Vec::new());
    let order = RunOrder { agent: None, ..Scene::order("b") };
    let run = scene.app.submit(order, &Scene::person(), None).unwrap().run;
    let of = |app: &App, role, named| {
        let (agent, model) = app.choice_of_step(&run, role, named);
        format!("{agent} {}", model.unwrap_or_default())
    };
    assert_eq!(of(&configured, Role::Plan, None), "claude m-plan");
    assert_eq!(of(&configured, Role::Build, None), "aider ");
    assert_eq!(of(&configured, Role::Build, Some("claude")), "claude ", "the model is that of another role");
    assert_eq!(of(&scene.app, Role::Build, None), "codex ", "the only one of the first agentpr");
}
