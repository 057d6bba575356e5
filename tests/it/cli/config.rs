//! Settings: which layer wins, where a value came from, and what is refused.

use serde_json::Value;

use crate::harness::{Answer, Sandbox, sandbox::finish};

fn settings(answer: &Answer, name: &str) -> (String, String) {
    let document = answer.json();
    let text = |field: &str| document[name][field].as_str().unwrap().to_owned();
    (text("value"), text("origin"))
}

fn show(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> Answer {
    let mut all = vec!["--json", "config", "show", "--origin"];
    all.extend(args);
    let mut command = sandbox.command(&all);
    command.envs(variables.iter().copied());
    finish(command.spawn().unwrap())
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let sandbox = Sandbox::empty();
    let file =
        sandbox.write("settings.toml", "db = 'file.db'\nbranch_prefix = 'bot/'\n").display().to_string();
    let named = ["--config", file.as_str()];
    let by_file = show(&sandbox, &named, &[]).ok();
    let beside = sandbox.path().join("file.db").display().to_string();
    assert_eq!(settings(&by_file, "db"), (beside, file.clone()));
    assert_eq!(settings(&by_file, "branch_prefix"), ("bot/".to_owned(), file.clone()));
    assert_eq!(settings(&by_file, "max_parallel"), ("2".to_owned(), "default".to_owned()));

    let by_variable = show(&sandbox, &named, &[("AGENTPR_DB", "/v.db")]).ok();
    assert_eq!(settings(&by_variable, "db"), ("/v.db".to_owned(), "AGENTPR_DB".to_owned()));

    let by_flag = show(&sandbox, &[&named[..], &["--db", "/f.db"]].concat(), &[("AGENTPR_DB", "/v.db")]).ok();
    assert_eq!(settings(&by_flag, "db"), ("/f.db".to_owned(), "the command line".to_owned()));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let answer = show(&Sandbox::empty(), &[], &[("AGENTPR_BRANCH_PREFIX", ""), ("AGENTPR_AGENT", "")]).ok();
    assert_eq!(settings(&answer, "branch_prefix"), ("agentpr/".to_owned(), "default".to_owned()));
    assert_eq!(settings(&answer, "agent"), (String::new(), "default".to_owned()));
}

#[test]
fn readable_paths_are_a_list_in_the_file_and_parted_by_colons_in_the_variable() {
    let sandbox = Sandbox::empty();
    let file =
        sandbox.write("settings.toml", "sandbox_readable = ['/opt/x', '/srv/y']\n").display().to_string();
    let named = ["--config", file.as_str()];
    let by_file = show(&sandbox, &named, &[]).ok();
    assert_eq!(settings(&by_file, "sandbox_readable"), ("/opt/x:/srv/y".to_owned(), file.clone()));
    let variable = ("AGENTPR_SANDBOX_READABLE", "/opt/z::/opt/w");
    let by_variable = show(&sandbox, &named, &[variable]).ok();
    assert_eq!(
        settings(&by_variable, "sandbox_readable"),
        ("/opt/z:/opt/w".to_owned(), variable.0.to_owned())
    );
    let answer = show(&sandbox, &[], &[("AGENTPR_SANDBOX_READABLE", "opt/x")]).code(2);
    assert!(
        answer.json()["error"].as_str().unwrap().contains("AGENTPR_SANDBOX_READABLE"),
        "{}",
        answer.stdout
    );
}

#[test]
fn the_example_file_is_valid_and_names_every_setting() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.example.toml");
    let answer = finish(
        Sandbox::empty()
            .command(&["--json", "--config", example, "config", "show", "--origin"])
            .env_remove("AGENTPR_DATA_DIR")
            .env_remove("AGENTPR_FORGE_ROOT")
            .spawn()
            .unwrap(),
    )
    .ok();
    for (name, setting) in answer.json().as_object().unwrap() {
        assert_eq!(setting["origin"], Value::from(example), "`{name}` is not in the example");
    }
}

#[test]
fn a_setting_that_makes_no_sense_is_refused_with_its_origin() {
    let sandbox = Sandbox::empty();
    for (text, word) in [
        ("dbb = 'x'\n", "dbb"),
        ("max_parallel = 0\n", "max_parallel"),
        ("branch_prefix = 'a b/'\n", "branch_prefix"),
        ("sandbox_readable = ['opt/x']\n", "sandbox_readable"),
        ("commit_email = '<x>'\n", "commit_email"),
        ("[limits]\nattempt_secs = 0\n", "limits"),
        ("[limits]\nmax_cost = 1\n", "max_cost"),
        ("not toml", "settings.toml"),
    ] {
        let file = sandbox.write("settings.toml", text).display().to_string();
        let answer = sandbox.agentpr(&["--config", &file, "config", "show"]).code(2);
        assert!(answer.stderr.contains(word), "{text}: {}", answer.stderr);
        assert!(answer.stderr.contains("hint: "), "{}", answer.stderr);
    }
    let answer = show(&sandbox, &[], &[("AGENTPR_MAX_PARALLEL", "many")]).code(2);
    assert!(answer.json()["error"].as_str().unwrap().contains("AGENTPR_MAX_PARALLEL"), "{}", answer.stdout);
}

#[test]
fn a_named_file_must_be_there_and_the_default_one_need_not() {
    let sandbox = Sandbox::empty();
    let answer = sandbox.agentpr(&["--config", "none.toml", "config", "show"]).code(2);
    assert!(answer.stderr.contains("none.toml"), "{}", answer.stderr);
    let _defaults = sandbox.agentpr(&["config", "show"]).ok();
}

#[test]
fn reading_settings_makes_nothing() {
    let sandbox = Sandbox::empty();
    for args in
        [&["config", "show"][..], &["config", "path"], &["list"], &["completions", "bash"], &["--help"]]
    {
        let _answer = sandbox.agentpr(args);
    }
    assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 0);
}

#[test]
fn without_any_home_the_missing_place_is_named() {
    let sandbox = Sandbox::empty();
    let mut command = sandbox.command(&["list"]);
    let child = command.env_remove("HOME").env_remove("AGENTPR_DATA_DIR").spawn().unwrap();
    let answer = finish(child).code(2);
    assert!(answer.stderr.contains("AGENTPR_DATA_DIR"), "{}", answer.stderr);
}

#[test]
fn the_default_places_follow_the_xdg_rules() {
    let sandbox = Sandbox::empty();
    let config = sandbox.path().join("c").display().to_string();
    let data = sandbox.path().join("d").display().to_string();
    let mut command = sandbox.command(&["config", "show", "--json"]);
    command.env_remove("AGENTPR_DATA_DIR").env("XDG_CONFIG_HOME", &config).env("XDG_DATA_HOME", &data);
    let shown = finish(command.spawn().unwrap()).ok().json();
    assert_eq!(shown["data_dir"], format!("{data}/agentpr"));
    let mut command = sandbox.command(&["config", "path"]);
    let path = finish(command.env("XDG_CONFIG_HOME", &config).spawn().unwrap()).ok().stdout;
    assert_eq!(path.trim(), format!("{config}/agentpr/config.toml"));
}
