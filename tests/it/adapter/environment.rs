//! What a child knows: nothing it was not given.

use agentpr::adapters::process::environment::ChildEnvironment;
use agentpr::adapters::process::overrides::{Overrides, OverridesError};
use agentpr::adapters::process::table::RUN_MARK;
use agentpr::domain::evidence::AttemptOutcome;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::{Worker, WorkerError};
use agentpr::ports::workspace::Workspace;

use super::world::{World, parent, run};

#[tokio::test]
async fn an_agent_sees_no_secret_and_lives_in_a_home_of_the_run() {
    let world = World::with(&[("a", "a\n")]);
    let (id, spec) = run();
    world.workspace.prepare(&id, &spec).await.unwrap();
    let script =
        "env GH_TOKEN\nenv HOME\nenv LANG\nenv AGENTPR_RUN_ID\nenv AGENTPR_WORKSPACE_DIR\nenv TMPDIR";
    let report = world.work(&id, &spec, script).await;
    assert_eq!(report.outcome, AttemptOutcome::Succeeded);
    let log = report.evidence.log.unwrap();
    let text = String::from_utf8(world.artifacts.read_tail(&log.path, 100_000).unwrap()).unwrap();
    let runtime = world.environment.runtime_dir(&id);
    assert!(text.contains("GH_TOKEN is not set") && !text.contains("canary"), "{text}");
    assert!(text.contains(&format!("HOME={}/home\n", runtime.display())), "{text}");
    assert!(text.contains("LANG=C.UTF-8\n"), "{text}");
    assert!(text.contains(&format!("AGENTPR_RUN_ID={id}\n")), "{text}");
    let workspace = world.workspace.path(&spec.repo, &id);
    assert!(text.contains(&format!("AGENTPR_WORKSPACE_DIR={}\n", workspace.display())), "{text}");
    assert!(runtime.join("tmp").is_dir() && !runtime.starts_with(&workspace));
}

#[test]
fn the_shipped_overrides_repeat_the_built_in_table() {
    let shipped = Overrides::parse(include_str!("../../../runtime_env_overrides.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let make = |overrides| {
        let environment = ChildEnvironment::new(folder.path().to_owned(), &parent(), overrides);
        let id = agentpr::domain::id::RunId::new("r").unwrap();
        environment.make(&id, &folder.path().join("repo"), &environment.runtime_dir(&id)).unwrap()
    };
    assert_eq!(make(shipped), make(Overrides::default()));
}

#[test]
fn runs_of_the_same_name_in_two_stores_carry_different_marks() {
    let (id, _) = run();
    let mark = |folder: &tempfile::TempDir| {
        let environment = ChildEnvironment::new(folder.path().to_owned(), &parent(), Overrides::default());
        let place = folder.path().join("repo");
        environment.make(&id, &place, &environment.runtime_dir(&id)).unwrap()[RUN_MARK].clone()
    };
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_ne!(mark(&one), mark(&other), "whoever carries a run's mark is ended with that run");
    assert_eq!(mark(&one), mark(&one));
}

#[test]
fn an_override_is_plain_substitution() {
    let text = r#"{"A": "{runtime_dir}/a:{repo_dir}", "B": "{\"json\": {}}", "HOME": "{data_dir}/h"}"#;
    let folder = tempfile::tempdir().unwrap();
    let environment =
        ChildEnvironment::new(folder.path().to_owned(), &parent(), Overrides::parse(text).unwrap());
    let id = agentpr::domain::id::RunId::new("r").unwrap();
    let runtime = environment.runtime_dir(&id);
    let env = environment.make(&id, &folder.path().join("repo"), &runtime).unwrap();
    let (runtime, root) = (runtime.display(), folder.path().display());
    assert_eq!(env["A"], format!("{runtime}/a:{root}/repo"));
    assert_eq!(env["B"], r#"{"json": {}}"#);
    assert_eq!(env["HOME"], format!("{runtime}/data/h"));
}

#[test]
fn an_error_in_the_overrides_names_the_key() {
    let unknown = Overrides::parse(r#"{"FINE": "x", "SOME_DIR": "{home_dir}/x"}"#).unwrap_err();
    assert!(matches!(unknown, OverridesError::UnknownPlaceholder { .. }));
    assert!(unknown.to_string().contains("SOME_DIR") && unknown.to_string().contains("{home_dir}"));
    let number = Overrides::parse(r#"{"A_NUMBER": 1}"#).unwrap_err();
    assert!(number.to_string().contains("A_NUMBER"));
    for name in [
        "LD_PRELOAD",
        "GIT_DIR",
        "MY_TOKEN",
        "a_secret",
        "DB_PASSWORD",
        "PATH",
        "NODE_OPTIONS",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "https_proxy",
        "ALL_PROXY",
        "AGENTPR_LAUNCH_NUMBER",
        "AGENTPR_CHILD_OF_RUN",
        "A-B",
        "",
    ] {
        let text = serde_json::json!({ name: "x" }).to_string();
        let refused = Overrides::parse(&text).unwrap_err();
        assert!(
            matches!(&refused, OverridesError::Forbidden { key, .. } if key == name),
            "{name}: {refused}"
        );
    }
    for text in ["[]", "7", "{"] {
        assert!(matches!(Overrides::parse(text), Err(OverridesError::NotAnObject(_))), "{text}");
    }
}

#[test]
fn an_agent_that_cannot_run_is_refused_before_a_run_depends_on_it() {
    let world = World::new();
    assert!(world.workers.probe("command:sh -c true").is_ok());
    assert!(world.workers.probe("command:/bin/sh").is_ok());
    for agent in [
        "nobody",
        "command:",
        "command:./agent",
        "command:no-such-program-here",
        "command:/no/such",
        "command:'",
    ] {
        let refused = world.workers.probe(agent).unwrap_err();
        assert!(matches!(refused, WorkerError::UnknownAgent { .. }), "{agent}");
    }
    assert!(world.workers.probe("nobody").unwrap_err().to_string().contains("command:PROGRAM"));
}

#[test]
fn a_home_of_the_runs_own_does_not_hide_the_toolchain() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(".cargo")).unwrap();
    let make = |parent: &std::collections::BTreeMap<String, String>| {
        let environment = ChildEnvironment::new(folder.path().to_owned(), parent, Overrides::default());
        let id = agentpr::domain::id::RunId::new("r").unwrap();
        environment.make(&id, folder.path(), &environment.runtime_dir(&id)).unwrap()
    };
    let home = folder.path().display().to_string();
    let mut parent = std::collections::BTreeMap::from([("HOME".to_owned(), home.clone())]);
    let found = make(&parent);
    assert_eq!(found["CARGO_HOME"], format!("{home}/.cargo"));
    assert!(!found.contains_key("RUSTUP_HOME"), "there is none");
    parent.insert("CARGO_HOME".to_owned(), "/elsewhere".to_owned());
    assert_eq!(make(&parent)["CARGO_HOME"], "/elsewhere");
}

#[test]
fn the_engines_own_memory_and_environment_are_closed_to_its_agents() {
    use rustix::process::{DumpableBehavior, dumpable_behavior};
    agentpr::adapters::process::shield::close_to_neighbours();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}
