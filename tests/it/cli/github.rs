//! Settings of GitHub and its webhook: where a secret is looked for, who may read its file, and what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::harness::{Answer, Sandbox, sandbox::finish};

/// What no answer may have in it.
const CANARY: &str = "zzcanaryvalue1";

fn show(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> Answer {
    let mut all = vec!["--json", "config", "show", "--origin"];
    all.extend(args);
    let mut command = sandbox.command(&all);
    command.envs(variables.iter().copied());
    let answer = finish(command.spawn().unwrap());
    assert!(!answer.stdout.contains("zzcanary") && !answer.stderr.contains("zzcanary"), "{answer:?}");
    answer
}

/// With these lines in the settings file.
fn with_file(sandbox: &Sandbox, text: &str, variables: &[(&str, &str)]) -> Answer {
    let file = sandbox.write("settings.toml", text).display().to_string();
    show(sandbox, &["--config", &file], variables)
}

/// Value and origin of a setting; `None` when it is not shown.
fn setting(answer: &Answer, name: &str) -> Option<(String, String)> {
    let found = answer.json().get(name)?.clone();
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    Some((text("value"), text("origin")))
}

fn value(answer: &Answer, name: &str) -> String {
    setting(answer, name).unwrap_or_else(|| panic!("`{name}` is not shown")).0
}

/// A file with a secret that only its owner can read.
fn secret(sandbox: &Sandbox, name: &str, text: &str) -> String {
    let path = sandbox.write(name, text);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[track_caller]
fn error(answer: Answer) -> String {
    let answer = answer.code(2);
    answer.json()["error"].as_str().unwrap().to_owned()
}

#[test]
fn without_a_word_it_is_github_itself_drafts_and_a_fork_where_needed() {
    let answer = show(&Sandbox::empty(), &[], &[]).ok();
    for (name, expected) in [
        ("forge", "auto"),
        ("github.api_url", "https://api.github.com"),
        ("github.web_url", "https://github.com"),
        ("github.fork", "auto"),
        ("github.draft", "true"),
        ("github.labels", ""),
        ("github.trailers", ""),
        ("github.maintainer_can_modify", "true"),
        ("github.write_gap_ms", "1000"),
        ("github.poll_seconds", "120"),
        ("webhook.host", "127.0.0.1"),
        ("webhook.port", "8787"),
        ("webhook.path", "/github/webhook"),
        ("webhook.max_body_bytes", "26279936"),
        ("webhook.keep_days", "30"),
    ] {
        assert_eq!(setting(&answer, name), Some((expected.to_owned(), "default".to_owned())), "{name}");
    }
    for absent in ["github.token", "github.app_id", "github.login", "webhook.secret"] {
        assert_eq!(setting(&answer, absent), None);
    }
}

#[test]
fn the_pages_of_a_server_of_ones_own_are_told_from_its_api() {
    let sandbox = Sandbox::empty();
    for (api, web) in [
        ("https://github.example.com/api/v3", "https://github.example.com"),
        ("http://127.0.0.1:4000/api/v3/", "http://127.0.0.1:4000"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
    ] {
        let answer = show(&sandbox, &[], &[("AGENTPR_GITHUB_API_URL", api)]).ok();
        assert_eq!(value(&answer, "github.web_url"), web);
        assert_eq!(setting(&answer, "github.api_url").unwrap().1, "AGENTPR_GITHUB_API_URL");
    }
    let odd = [("AGENTPR_GITHUB_API_URL", "https://github.example.com/api")];
    assert!(error(show(&sandbox, &[], &odd)).contains("github.web_url"));
    let both = [odd[0], ("AGENTPR_GITHUB_WEB_URL", "https://github.example.com")];
    assert_eq!(value(&show(&sandbox, &[], &both).ok(), "github.web_url"), "https://github.example.com");
}

#[test]
fn the_first_place_that_has_a_token_counts() {
    let sandbox = Sandbox::empty();
    let file = secret(&sandbox, "token", &format!("{CANARY}\n"));
    let from = |args: &[&str], variables: &[(&str, &str)]| {
        setting(&show(&sandbox, args, variables).ok(), "github.token").map(|(value, _)| value)
    };
    let mut variables = vec![
        ("GITHUB_TOKEN_FILE", file.as_str()),
        ("GITHUB_TOKEN", CANARY),
        ("GH_TOKEN_FILE", file.as_str()),
        ("GH_TOKEN", CANARY),
        ("AGENTPR_GITHUB_TOKEN_FILE", file.as_str()),
        ("AGENTPR_GITHUB_TOKEN", CANARY),
    ];
    let flag = ["--github-token-file", file.as_str()];
    assert_eq!(from(&flag, &variables).unwrap(), "set (from --github-token-file)");
    while let Some((name, _)) = variables.last() {
        assert_eq!(from(&[], &variables).unwrap(), format!("set (from {name})"));
        variables.pop();
    }
    assert_eq!(from(&[], &[("GH_TOKEN", "")]), None);
}

#[test]
fn a_variable_that_is_named_is_the_only_one_that_counts() {
    let sandbox = Sandbox::empty();
    let text = "[github]\ntoken_env = 'TEAM_ACCESS'\n";
    let others = [("GH_TOKEN", CANARY), ("AGENTPR_GITHUB_TOKEN", CANARY)];
    let answer = with_file(&sandbox, text, &others).ok();
    assert_eq!(value(&answer, "github.token_env"), "TEAM_ACCESS");
    assert_eq!(setting(&answer, "github.token"), None);
    let answer = with_file(&sandbox, text, &[("TEAM_ACCESS", CANARY)]).ok();
    assert_eq!(value(&answer, "github.token"), "set (from TEAM_ACCESS)");
    // A person may put the token where its variable's name belongs; then it is not repeated.
    let text = format!("[github]\ntoken_env = '{CANARY}-'\n");
    assert!(error(with_file(&sandbox, &text, &[])).contains("github.token_env"));
}

#[test]
fn a_file_with_a_secret_that_others_can_read_is_refused_with_what_to_do() {
    let sandbox = Sandbox::empty();
    let token = PathBuf::from(secret(&sandbox, "token", CANARY));
    let pem = PathBuf::from(secret(&sandbox, "pem", &format!("-----BEGIN X-----\n{CANARY}\n")));
    let (token_path, pem_path) = (token.display().to_string(), pem.display().to_string());
    let app = [("AGENTPR_GITHUB_APP_ID", "7"), ("AGENTPR_GITHUB_APP_KEY_FILE", pem_path.as_str())];
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o660] {
        for path in [&token, &pem] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        let chmod = |path: &str| format!("chmod 600 {path}");
        let by_flag = error(show(&sandbox, &["--github-token-file", &token_path], &[]));
        assert!(by_flag.contains(&chmod(&token_path)), "{mode:o}: {by_flag}");
        for variable in [
            "AGENTPR_GITHUB_TOKEN_FILE",
            "GH_TOKEN_FILE",
            "GITHUB_TOKEN_FILE",
            "AGENTPR_GITHUB_WEBHOOK_SECRET_FILE",
            "AGENTPR_GITHUB_WEBHOOK_SECRET_PREVIOUS_FILE",
        ] {
            let why = error(show(&sandbox, &[], &[(variable, &token_path)]));
            assert!(why.contains(variable) && why.contains(&chmod(&token_path)), "{mode:o}: {why}");
        }
        let why = error(show(&sandbox, &[], &app));
        assert!(why.contains("app_key_file") && why.contains(&chmod(&pem_path)), "{mode:o}: {why}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&pem, Permissions::from_mode(mode)).unwrap();
        let answer = show(&sandbox, &[], &app).ok();
        assert_eq!(value(&answer, "github.app_key_file"), format!("set (from {pem_path})"));
        assert_eq!(value(&answer, "github.app_id"), "7");
    }
}

#[test]
fn an_app_is_its_number_and_its_key_together() {
    let sandbox = Sandbox::empty();
    let pem = secret(&sandbox, "pem", &format!("-----BEGIN X-----\n{CANARY}\n"));
    let other = secret(&sandbox, "other", CANARY);
    let whole = format!("[github]\napp_id = 7\ninstallation_id = 8\napp_key_file = '{pem}'\n");
    let answer = with_file(&sandbox, &whole, &[]).ok();
    assert_eq!(value(&answer, "github.installation_id"), "8");
    for (text, word) in [
        ("[github]\napp_id = 7\n".to_owned(), "github.app_key_file"),
        (format!("[github]\napp_key_file = '{pem}'\n"), "github.app_id"),
        ("[github]\ninstallation_id = 8\n".to_owned(), "github.app_id"),
        (format!("[github]\napp_id = 0\napp_key_file = '{pem}'\n"), "github.app_id"),
        (format!("[github]\napp_id = 7\napp_key_file = '{other}'\n"), "-----BEGIN"),
        ("[github]\napp_id = 7\napp_key_file = 'none.pem'\n".to_owned(), "none.pem"),
    ] {
        let why = error(with_file(&sandbox, &text, &[]));
        assert!(why.contains(word), "{text}: {why}");
    }
}

#[test]
fn two_secrets_of_the_webhook_count_while_one_takes_the_others_place() {
    let sandbox = Sandbox::empty();
    let file = secret(&sandbox, "secret", &format!("{CANARY}\n"));
    let new = ("AGENTPR_GITHUB_WEBHOOK_SECRET_FILE", file.as_str());
    let old = ("AGENTPR_GITHUB_WEBHOOK_SECRET_PREVIOUS", CANARY);
    let answer = show(&sandbox, &[], &[new, old]).ok();
    assert_eq!(value(&answer, "webhook.secret"), format!("set (from {})", new.0));
    assert_eq!(value(&answer, "webhook.secret_previous"), format!("set (from {})", old.0));
    let why = error(show(&sandbox, &[], &[old]));
    assert!(why.contains("AGENTPR_GITHUB_WEBHOOK_SECRET,"), "{why}");
}

#[test]
fn a_server_of_this_machine_may_be_asked_more_often() {
    let sandbox = Sandbox::empty();
    let often = "[github]\nwrite_gap_ms = 0\npoll_seconds = 1\n";
    for here in ["http://127.0.0.1:4000/api/v3", "http://localhost:4000/api/v3", "http://[::1]:4000/api/v3"] {
        let answer = with_file(&sandbox, often, &[("AGENTPR_GITHUB_API_URL", here)]).ok();
        assert_eq!(value(&answer, "github.write_gap_ms"), "0");
    }
    assert!(error(with_file(&sandbox, often, &[])).contains("github.write_gap_ms"));
    assert!(error(with_file(&sandbox, "[github]\npoll_seconds = 5\n", &[])).contains("github.poll_seconds"));
}

#[test]
fn settings_of_github_that_make_no_sense_are_refused_with_their_place() {
    let sandbox = Sandbox::empty();
    for (text, word) in [
        ("forge = 'gitlab'\n", "gitlab"),
        ("[github]\ntoken = 'zzcanaryvalue1'\n", "token"),
        ("[github]\napi_url = 'http://api.github.com'\n", "github.api_url"),
        ("[github]\napi_url = 'https://me@api.github.com'\n", "github.api_url"),
        ("[github]\nweb_url = 'http://127.0.0.1.example.com'\n", "github.web_url"),
        ("[github]\nfork = 'maybe'\n", "maybe"),
        ("[github]\nlogin = 'a b'\n", "github.login"),
        ("[github]\nlabels = ['']\n", "github.labels"),
        ("[github]\nlabels = ['123456789012345678901234567890123456789012345678901']\n", "github.labels"),
        ("[github]\ntrailers = ['Signed-off-by Ada']\n", "github.trailers"),
        ("[github]\ntrailers = ['Signed off by: Ada']\n", "github.trailers"),
        ("[github]\ntrailers = [\"A: b\\nC: d\"]\n", "github.trailers"),
        ("[github]\ntrailers = ['A:  ']\n", "github.trailers"),
        ("[webhook]\nhost = ''\n", "webhook.host"),
        ("[webhook]\nport = 70000\n", "port"),
        ("[webhook]\npath = 'github'\n", "webhook.path"),
        ("[webhook]\npath = '/a?b'\n", "webhook.path"),
        ("[webhook]\nmax_body_bytes = 10\n", "webhook.max_body_bytes"),
        ("[webhook]\nkeep_days = 3\n", "webhook.keep_days"),
        ("[webhook]\nsecret = 'x'\n", "secret"),
    ] {
        let answer = finish(
            sandbox
                .command(&[
                    "--config",
                    &sandbox.write("s.toml", text).display().to_string(),
                    "config",
                    "show",
                ])
                .spawn()
                .unwrap(),
        )
        .code(2);
        assert!(
            answer.stderr.contains(word) && answer.stderr.contains("hint: "),
            "{text}: {}",
            answer.stderr
        );
    }
    assert!(error(show(&sandbox, &[], &[("AGENTPR_FORGE", "gitlab")])).contains("AGENTPR_FORGE"));
    let answer = show(&sandbox, &[], &[("AGENTPR_FORGE", "github")]).ok();
    assert_eq!(setting(&answer, "forge"), Some(("github".to_owned(), "AGENTPR_FORGE".to_owned())));
}
