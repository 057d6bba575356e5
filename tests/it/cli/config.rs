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

/// The settings with these in the file; the path of the file.
fn with_file(sandbox: &Sandbox, text: &str, variables: &[(&str, &str)]) -> (Answer, String) {
    let file = sandbox.write("settings.toml", text).display().to_string();
    (show(sandbox, &["--config", &file], variables), file)
}

#[test]
fn settings_of_agents_roles_prices_and_budgets_are_shown_where_they_are_set() {
    let sandbox = Sandbox::empty();
    let text = "[agents.codex]\nmodel = 'm-1'\nbase_url = 'http://127.0.0.1:9/v1/'\nlogin = 'auth.json'\n\
        [roles.plan]\nagent = 'claude'\n[roles.debug]\n\
        [prices.m-1]\ninput = 1.25\ncached = '0.000001'\noutput = 10\n\
        [budget.run]\ntokens = 1000\ndollars = 2.5\nminutes = 90\n[budget.day]\nturns = 7\n\
        [limits]\nquota_wait_minutes = 5\n";
    let (answer, file) = with_file(&sandbox, text, &[]);
    let answer = answer.ok();
    for (name, value) in [
        ("agents.codex.model", "m-1"),
        ("agents.codex.base_url", "http://127.0.0.1:9/v1"),
        ("roles.plan.agent", "claude"),
        ("roles.plan.model", ""),
        ("roles.debug.agent", ""),
        ("prices.\"m-1\".input", "1.25"),
        ("prices.\"m-1\".cached", "0.000001"),
        ("prices.\"m-1\".cache_write", "1.25"),
        ("prices.\"m-1\".output", "10"),
        ("budget.run.tokens", "1000"),
        ("budget.run.dollars", "2.5"),
        ("budget.run.minutes", "90"),
        ("budget.day.turns", "7"),
        ("limits.quota_wait_minutes", "5"),
    ] {
        assert_eq!(settings(&answer, name), (value.to_owned(), file.clone()), "{name}");
    }
    let beside = sandbox.path().join("auth.json").display().to_string();
    assert_eq!(settings(&answer, "agents.codex.login").0, beside, "it counts from the file's place");
    let document = answer.json();
    assert!(document.get("budget.attempt.tokens").is_none() && document.get("agents.aider.model").is_none());
}

#[test]
fn a_key_is_shown_as_the_name_of_its_variable_and_nothing_of_its_value() {
    let sandbox = Sandbox::empty();
    let key = "zzcanaryvalue1";
    let in_file = sandbox.write("key.txt", &format!("{key}\n")).display().to_string();
    let text = "[agents.codex]\nkey_env = 'MY_ACCESS'\n";
    let state = |variables: &[(&str, &str)]| {
        let (answer, _) = with_file(&sandbox, text, variables);
        let answer = answer.ok();
        assert!(!answer.stdout.contains("zzcanary"), "{}", answer.stdout);
        settings(&answer, "agents.codex.key_env").0
    };
    assert_eq!(state(&[]), "MY_ACCESS (not set)");
    assert_eq!(state(&[("CODEX_API_KEY", key)]), "MY_ACCESS (not set)", "the one that is named counts");
    assert_eq!(state(&[("MY_ACCESS", key)]), "MY_ACCESS (set)");
    assert_eq!(state(&[("MY_ACCESS_FILE", &in_file)]), "MY_ACCESS (set)");

    for (agent, variable) in [
        ("codex", "CODEX_API_KEY"),
        ("claude", "ANTHROPIC_API_KEY"),
        ("claude", "ANTHROPIC_AUTH_TOKEN"),
        ("claude", "CLAUDE_CODE_OAUTH_TOKEN"),
    ] {
        for (name, value) in [(variable.to_owned(), key), (format!("{variable}_FILE"), in_file.as_str())] {
            let answer = show(&sandbox, &[], &[(&name, value)]).ok();
            assert!(!answer.stdout.contains("zzcanary"), "{}", answer.stdout);
            let (shown, origin) = settings(&answer, &format!("agents.{agent}.key_env"));
            assert_eq!((shown, origin), (format!("{variable} (set)"), variable.to_owned()));
        }
    }
    let others = [("OPENAI_API_KEY", key), ("OPENCODE_API_KEY", key)];
    let answer = show(&sandbox, &[], &others).ok();
    assert!(!answer.stdout.contains("key_env"), "it is nobody's by itself: {}", answer.stdout);
}

#[test]
fn a_key_in_a_file_that_cannot_be_read_is_an_error_without_the_key() {
    let sandbox = Sandbox::empty();
    let none = sandbox.path().join("none").display().to_string();
    let answer = show(&sandbox, &[], &[("CODEX_API_KEY_FILE", &none)]).code(2);
    assert!(answer.json()["error"].as_str().unwrap().contains("CODEX_API_KEY_FILE"), "{}", answer.stdout);
    let two = sandbox.write("two", "zzcanaryvalue1\nzzcanaryvalue2\n").display().to_string();
    let answer = show(&sandbox, &[], &[("CODEX_API_KEY_FILE", &two)]).code(2);
    assert!(!answer.stdout.contains("zzcanary"), "{}", answer.stdout);
}

#[test]
fn an_agents_program_is_named_in_the_file_or_by_its_variable() {
    let sandbox = Sandbox::empty();
    let text = "[agents.codex]\nprogram = '/opt/codex'\n";
    let (answer, file) = with_file(&sandbox, text, &[]);
    assert_eq!(settings(&answer.ok(), "agents.codex.program"), ("/opt/codex".to_owned(), file));
    let (answer, _) = with_file(&sandbox, text, &[("AGENTPR_CODEX_BIN", "/srv/codex")]);
    let by_variable = settings(&answer.ok(), "agents.codex.program");
    assert_eq!(by_variable, ("/srv/codex".to_owned(), "AGENTPR_CODEX_BIN".to_owned()));
    let by_name = show(&sandbox, &[], &[("AGENTPR_AIDER_BIN", "sh")]).ok();
    let (found, _) = settings(&by_name, "agents.aider.program");
    assert!(found.starts_with('/') && found.ends_with("/sh"), "{found}");
    let _own = show(&sandbox, &[], &[("AGENTPR_CODEX_BIN", "codex")]).ok();
    let answer = show(&sandbox, &[], &[("AGENTPR_CODEX_BIN", "no-such-codex")]).code(2);
    assert!(answer.json()["error"].as_str().unwrap().contains("agents.codex.program"), "{}", answer.stdout);
}

#[test]
fn a_server_that_runs_already_has_its_password_from_a_variable() {
    let sandbox = Sandbox::empty();
    let variables = [
        ("AGENTPR_OPENCODE_URL", "http://127.0.0.1:4096/"),
        ("OPENCODE_SERVER_USERNAME", "me"),
        ("OPENCODE_SERVER_PASSWORD", "zzcanaryvalue1"),
    ];
    let answer = show(&sandbox, &[], &variables).ok();
    assert_eq!(settings(&answer, "agents.opencode.url").1, "AGENTPR_OPENCODE_URL");
    assert_eq!(settings(&answer, "agents.opencode.server_user").0, "me");
    let password = settings(&answer, "agents.opencode.server_password_env").0;
    assert_eq!(password, "OPENCODE_SERVER_PASSWORD (set)");
    assert!(!answer.stdout.contains("zzcanary"), "{}", answer.stdout);
    let without = show(&sandbox, &[], &variables[1..]).ok();
    assert!(!without.stdout.contains("agents.opencode"), "the engine's own server has its own password");
}

#[test]
fn settings_of_agents_that_make_no_sense_are_refused_with_their_place() {
    let sandbox = Sandbox::empty();
    for (text, words) in [
        (
            "[agents.cursor]\nmodel = 'x'\n",
            &["agents.cursor", "codex, opencode, claude, aider", "command:"][..],
        ),
        ("[agents.codex]\nmodell = 'x'\n", &["modell", "line 2"]),
        ("[agents.codex]\nprogram = 'bin/codex'\n", &["agents.codex.program", "absolute"]),
        ("[agents.codex]\nmodel = '-m'\n", &["agents.codex.model"]),
        ("[agents.codex]\nmodel = 'a b'\n", &["agents.codex.model"]),
        ("[agents.codex]\nbase_url = 'models.example'\n", &["agents.codex.base_url"]),
        ("[agents.codex]\nbase_url = 'ftp://models.example'\n", &["agents.codex.base_url"]),
        ("[agents.codex]\nbase_url = 'https://me:pw@models.example'\n", &["agents.codex.base_url"]),
        ("[agents.codex]\nbase_url = 'https://models.example?key=1'\n", &["agents.codex.base_url"]),
        ("[agents.codex]\nkey_env = 'GH_TOKEN'\n", &["agents.codex.key_env", "GH_TOKEN"]),
        ("[agents.codex]\nkey_env = 'GITHUB_TOKEN'\n", &["agents.codex.key_env"]),
        ("[agents.codex]\nkey_env = 'AGENTPR_TELEGRAM_BOT_TOKEN'\n", &["agents.codex.key_env"]),
        ("[agents.codex]\nkey_env = 'PATH'\n", &["agents.codex.key_env"]),
        ("[agents.codex]\nlogin = '~/.codex/auth.json'\n", &["agents.codex.login"]),
        ("[agents.codex]\nurl = 'http://127.0.0.1:1'\n", &["agents.codex.url", "opencode"]),
        ("[agents.codex]\npool = ''\n", &["agents.codex.pool"]),
        ("[roles.plans]\nmodel = 'x'\n", &["plans", "explore"]),
        ("[roles.plan]\nagents = 'x'\n", &["agents", "line 2"]),
        ("[roles.plan]\nagent = ''\n", &["roles.plan.agent"]),
        ("[roles.plan]\nmodel = ''\n", &["roles.plan.model"]),
        ("[prices.m]\ninput = 1\n", &["output"]),
        ("[prices.m]\ninput = -1\noutput = 1\n", &["line 2"]),
        ("[prices.m]\ninput = 0.0000001\noutput = 1\n", &["line 2", "six decimals"]),
        ("[prices.m]\ninput = 'cheap'\noutput = 1\n", &["line 2"]),
        ("[prices.m]\ninput = inf\noutput = 1\n", &["line 2"]),
        ("[prices.'']\ninput = 1\noutput = 1\n", &["prices"]),
        ("[budget.week]\ntokens = 1\n", &["week"]),
        ("[budget.run]\ntoken = 1\n", &["token"]),
        ("[budget.run]\ntokens = 0\n", &["budget.run.tokens", "more than 0"]),
        ("[budget.run]\ndollars = -1\n", &["line 2"]),
        ("[limits]\nquota_wait_minutes = -1\n", &["line 2"]),
    ] {
        let file = sandbox.write("settings.toml", text).display().to_string();
        let answer = sandbox.agentpr(&["--config", &file, "config", "show"]).code(2);
        for word in words {
            assert!(answer.stderr.contains(word), "{text}: {word}: {}", answer.stderr);
        }
        assert!(answer.stderr.contains("hint: ") && !answer.stderr.contains(":pw@"), "{}", answer.stderr);
    }
    // What stands in the place of a name may be the key itself.
    let text = "[agents.codex]\nkey_env = 'zz-canary-value'\n";
    let (answer, _) = with_file(&sandbox, text, &[]);
    let answer = answer.code(2);
    assert!(!answer.stdout.contains("canary"), "{}", answer.stdout);
}
