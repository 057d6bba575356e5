//! What claude is started with.

use std::os::unix::fs::PermissionsExt;

use agentpr::adapters::worker::agent::{Agent, Installed, Key};
use agentpr::adapters::worker::claude::Claude;
use agentpr::adapters::worker::claude::arguments::{Permission, args, launch};
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::role::Role;
use agentpr::domain::confine::{SandboxMode, Tier};

use super::agent_stage::{SECRET, Scene};
use super::world::put;

/// The options of 2.1.197 that matter here, as its help lists them.
const HELP: &str = "--allowedTools, --allowed-tools <tools...>
--disallowedTools, --disallowed-tools <tools...>
--effort <level> --json-schema <schema> --max-budget-usd <amount> --model <model> --output-format <format>
--permission-mode <mode> -p, --print -r, --resume [value] --setting-sources <sources> --strict-mcp-config --verbose";

#[test]
fn the_adapter_is_of_claude_and_needs_what_keeps_the_repository_out() {
    assert_eq!(Claude.known().name, "claude");
    let installed = Installed { help: HELP.to_owned(), ..Installed::default() };
    assert!(Claude.needs().iter().all(|option| installed.has_option(option)));
    assert!(Claude.needs().contains(&"--setting-sources"));
    assert_eq!(Claude.capabilities(&installed), ["json", "resume", "model", "schema", "read-only", "budget"]);
    assert!(Claude.capabilities(&Installed::default()).is_empty());
}

#[test]
fn a_plain_start_has_these_arguments() {
    let scene = Scene::of("claude", HELP);
    let got = args(&scene.stage(), Permission::AcceptEdits).join(" ");
    assert_eq!(
        got,
        "--print --output-format stream-json --verbose --allowedTools Bash \
         --disallowedTools EnterWorktree,CronCreate,ScheduleWakeup --setting-sources user --strict-mcp-config \
         --permission-mode acceptEdits"
    );
}

#[test]
fn everything_asked_for_is_handed_over() {
    let mut scene = Scene::of("claude", HELP);
    scene.order.model = Some("opus".to_owned());
    scene.setup.effort = Some("high".to_owned());
    scene.order.output_schema = Some("{}".to_owned());
    scene.order.allowance = Allowance { micros: Some(1_250_001), turns: Some(7), ..Allowance::default() };
    scene.setup.args = vec!["--one".to_owned()];
    scene.order.extra_args = vec!["--two".to_owned()];
    scene.resume("abc");
    let got = args(&scene.stage(), Permission::Bypass).join(" ");
    assert!(
        got.ends_with(
            "--permission-mode bypassPermissions --model opus --effort high --resume abc --json-schema {} \
             --max-budget-usd 1.250001 --one --two"
        ),
        "{got}"
    );
    scene.installed.help.push_str(" --max-turns <turns>");
    assert!(args(&scene.stage(), Permission::Bypass).join(" ").contains("--max-turns 7"));
    scene.installed.help.clear();
    let got = args(&scene.stage(), Permission::Bypass).join(" ");
    assert!(!got.contains("--effort") && !got.contains("--json-schema") && !got.contains("--max"), "{got}");
}

#[test]
fn what_it_may_do_follows_the_role_and_the_wall() {
    use SandboxMode::{Auto, DangerFullAccess, ReadOnly};
    let of = Permission::of;
    assert_eq!(of(false, DangerFullAccess, Tier::Bubblewrap, false), Permission::Plan);
    assert_eq!(of(true, ReadOnly, Tier::Bubblewrap, false), Permission::Plan);
    assert_eq!(of(true, Auto, Tier::Open, false), Permission::AcceptEdits);
    assert_eq!(of(true, Auto, Tier::Landlock, true), Permission::Bypass);
    assert_eq!(of(true, DangerFullAccess, Tier::Open, false), Permission::Bypass);
    assert_eq!(of(true, DangerFullAccess, Tier::Open, true), Permission::AcceptEdits);
}

#[test]
fn a_wall_is_claimed_only_where_there_is_one() {
    let mut scene = Scene::of("claude", HELP);
    scene.order.confinement.mode = SandboxMode::DangerFullAccess;
    assert_eq!(launch(&scene.stage()).unwrap().env.get("IS_SANDBOX"), None);
    scene.order.confinement.mode = SandboxMode::Auto;
    scene.tier = Tier::Bubblewrap;
    assert_eq!(launch(&scene.stage()).unwrap().env.get("IS_SANDBOX").map(String::as_str), Some("1"));
    scene.order.role = Role::Review;
    let launch = launch(&scene.stage()).unwrap();
    assert_eq!(launch.env.get("IS_SANDBOX"), None);
    assert!(launch.args.join(" ").contains("--permission-mode plan"));
}

#[test]
fn the_key_is_in_the_environment_only_and_commands_do_not_inherit_it() {
    let mut scene = Scene::of("claude", HELP);
    for (told, taken) in [
        ("MY_KEY", "ANTHROPIC_API_KEY"),
        ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    ] {
        scene.setup.key = Some(Key { variable: told.to_owned(), value: SECRET.to_owned() });
        let launch = launch(&scene.stage()).unwrap();
        assert_eq!(launch.env.get(taken).map(String::as_str), Some(SECRET));
        assert_eq!(launch.env.values().filter(|value| value.contains(SECRET)).count(), 1);
        assert!(!launch.args.iter().any(|word| word.contains(SECRET)));
        let prefix = launch.env.get("CLAUDE_CODE_SHELL_PREFIX").unwrap();
        assert_eq!(*prefix, format!("/usr/bin/env -u{taken}\tbash\t-c"));
        assert_eq!(launch.stdin.as_deref(), Some("fix the failing test"));
        assert!(!launch.args.iter().any(|word| word.contains("failing")));
    }
}

#[test]
fn it_keeps_to_its_own_home_and_makes_no_traffic_of_its_own() {
    let mut scene = Scene::of("claude", HELP);
    scene.setup.base_url = Some("http://127.0.0.1:9".to_owned());
    let launch = launch(&scene.stage()).unwrap();
    let home = scene.home().display().to_string();
    let temporary = scene.runtime().join("claude-tmp");
    for (name, value) in [
        ("CLAUDE_CONFIG_DIR", home.as_str()),
        ("CLAUDE_CODE_TMPDIR", temporary.to_str().unwrap()),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
    ] {
        assert_eq!(launch.env.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(temporary.is_dir());
}

#[test]
fn a_login_is_copied_for_its_owner_alone_and_settings_of_an_earlier_attempt_are_not_used() {
    let mut scene = Scene::of("claude", HELP);
    let login = scene.world.root.path().join("login.json");
    put(&login, "first");
    scene.setup.login = Some(login.clone());
    put(&scene.home().join("settings.json"), r#"{"env":{"ANTHROPIC_BASE_URL":"http://elsewhere"}}"#);
    let conversation = scene.home().join("projects/-w/s.jsonl");
    put(&conversation, "{}");
    for trap in [".claude.json", "agents/evil.md", "plugins/evil/plugin.json", "skills/evil/SKILL.md"] {
        put(&scene.home().join(trap), "trap");
    }
    launch(&scene.stage()).unwrap();
    for trap in [".claude.json", "agents", "plugins", "skills"] {
        assert!(!scene.home().join(trap).exists(), "{trap}");
    }
    assert!(conversation.is_file());
    let own = scene.home().join(".credentials.json");
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "first");
    assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!scene.home().join("settings.json").exists());
    // What the program renewed stays.
    std::fs::write(&own, "renewed").unwrap();
    launch(&scene.stage()).unwrap();
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "renewed");
    // A link in its place is not written through.
    std::fs::remove_file(&own).unwrap();
    std::os::unix::fs::symlink(&login, &own).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().write(true).open(&login).unwrap().set_modified(later).unwrap();
    launch(&scene.stage()).unwrap();
    assert!(own.symlink_metadata().unwrap().is_file());
}

#[test]
fn the_program_behind_the_package_is_found() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    let package = root.join("node_modules/@anthropic-ai/claude-code");
    put(&package.join("bin/claude.exe"), "echo the install script did not run");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    let link = root.join("bin/claude");
    std::os::unix::fs::symlink(package.join("bin/claude.exe"), &link).unwrap();
    assert_eq!(Claude.native(&link).0, package.join("bin/claude.exe"), "there is nothing better");
    let program = root.join("node_modules/@anthropic-ai/claude-code-linux-x64/claude");
    put(&program, "\u{7f}ELF and so on");
    assert_eq!(Claude.native(&link), (program.clone(), vec![program.parent().unwrap().to_owned()]));
    put(&package.join("bin/claude.exe"), "\u{7f}ELF and so on");
    assert_eq!(Claude.native(&link).0, package.join("bin/claude.exe"));
}

#[tokio::test]
async fn a_whole_start_is_read_and_judged() {
    let mut scene = Scene::of("claude", HELP);
    let program = scene.world.root.path().join("claude");
    let transcript = "tests/it/data/transcripts/claude/success.jsonl";
    let transcript = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(transcript);
    std::fs::copy(transcript, scene.order.workspace.join("events")).unwrap();
    put(&program, "#!/bin/sh\ncat > asked; cat events\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    scene.install(&program);
    let report = Claude.run(&scene.stage()).await.unwrap();
    let record = report.evidence.agent.unwrap();
    assert_eq!(record.class, OutcomeClass::Succeeded, "{}", report.evidence.message);
    assert_eq!(record.session.unwrap().id, "45e573ec-3b55-455c-a699-a6b1e14a2a49");
    assert_eq!((record.usage.tokens.input, record.usage.turns), (17_200, 6));
    assert_eq!(report.last_message, "Fixed `add` in calc.py; the test passes.");
    assert_eq!(std::fs::read_to_string(scene.order.workspace.join("asked")).unwrap(), scene.order.prompt);
}
