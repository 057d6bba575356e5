//! What aider is started with, asked of a program in its place that writes down what it was given.

use std::os::unix::fs::PermissionsExt;

use agentpr::adapters::worker::agent::{Agent, Installed, Key};
use agentpr::adapters::worker::aider::Aider;
use agentpr::adapters::worker::aider::arguments::{args, launch};
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::role::Role;
use agentpr::domain::confine::SandboxMode;

use super::agent_stage::{SECRET, Scene};
use super::world::put;

/// The options of 0.86.2 that matter here.
const HELP: &str = "--message-file MESSAGE_FILE, --yes-always --auto-commits, --no-auto-commits --no-dirty-commits
--chat-history-file FILE --input-history-file FILE --edit-format EDIT_FORMAT, --chat-mode EDIT_FORMAT --dry-run
--model MODEL --openai-api-base BASE --reasoning-effort EFFORT --restore-chat-history --timeout TIMEOUT --set-env X=Y
--no-check-update --analytics-disable --no-gitignore --no-pretty --no-stream --read FILE --file FILE";

/// A scene with a program that writes its arguments, a line each, and the file of the message into the workspace.
fn scene() -> Scene {
    let mut scene = Scene::of("aider", HELP);
    let program = scene.world.root.path().join("bin/aider");
    put(
        &program,
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > argv; env > env; cat \"$2\" > asked; mkdir .aider.tags.cache.v4\n\
         echo x > .aider.tags.cache.v4/x; echo 'I did it.'; echo 'Tokens: 1.2k sent, 30 received.'\n",
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    scene.install(&program);
    scene
}

fn read(scene: &Scene, file: &str) -> String {
    std::fs::read_to_string(scene.order.workspace.join(file)).unwrap()
}

#[tokio::test]
async fn aid_01_it_gets_the_message_as_a_file_the_model_the_plan_by_role_and_yes_to_all() {
    let mut scene = scene();
    scene.order.model = Some("openai/m".to_owned());
    put(&scene.order.workspace.join("PLAN.md"), "a plan");
    put(&scene.order.workspace.join("SPEC.md"), "a specification");
    let report = Aider.run(&scene.stage()).await.unwrap();
    let record = report.evidence.agent.unwrap();
    assert_eq!(record.class, OutcomeClass::Succeeded, "{}", report.evidence.message);
    assert_eq!((record.usage.tokens.input, record.usage.tokens.output, record.usage.turns), (1_200, 30, 1));
    assert_eq!(report.last_message, "I did it.");
    assert_eq!(read(&scene, "asked"), scene.order.prompt);
    let argv = read(&scene, "argv").replace('\n', " ");
    assert!(argv.contains("--yes-always ") && argv.contains("--model openai/m "), "{argv}");
    assert!(argv.contains("--read PLAN.md --read SPEC.md "), "{argv}");
    assert!(!argv.contains("--chat-mode"), "{argv}");

    scene.order.role = Role::Plan;
    Aider.run(&scene.stage()).await.unwrap();
    let argv = read(&scene, "argv").replace('\n', " ");
    assert!(argv.contains("--file PLAN.md "), "{argv}");
    assert!(argv.ends_with("--chat-mode ask --dry-run "), "{argv}");
}

#[tokio::test]
async fn aid_02_it_is_told_not_to_commit() {
    let scene = scene();
    Aider.run(&scene.stage()).await.unwrap();
    let argv = read(&scene, "argv");
    for flag in ["--no-auto-commits", "--no-dirty-commits"] {
        assert!(argv.lines().any(|word| word == flag), "{flag}: {argv}");
        assert!(Aider.needs().contains(&flag), "one that cannot be told so is not started");
    }
}

#[tokio::test]
async fn nothing_of_its_own_stays_in_the_repository() {
    let scene = scene();
    Aider.run(&scene.stage()).await.unwrap();
    let left: Vec<String> = std::fs::read_dir(&scene.order.workspace)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".aider"))
        .collect();
    assert_eq!(left, [""; 0]);
    let argv = read(&scene, "argv").replace('\n', " ");
    let home = scene.home();
    for option in ["message-file", "chat-history-file", "input-history-file"] {
        assert!(argv.contains(&format!("--{option} {}/", home.display())), "{option}: {argv}");
    }
    // A list that is fresh and not empty is not fetched.
    let env = read(&scene, "env");
    let own = env.lines().find_map(|line| line.strip_prefix("HOME=")).unwrap();
    let list = std::path::Path::new(own).join(".aider/caches/model_prices_and_context_window.json");
    assert_eq!(std::fs::read_to_string(list).unwrap(), "{\"none\":{}}\n");
}

#[tokio::test]
async fn the_key_is_in_the_environment_only_under_its_providers_name() {
    let mut scene = scene();
    scene.setup.base_url = Some("http://127.0.0.1:9/v1".to_owned());
    for (told, taken, base) in [
        ("MY_KEY", "OPENAI_API_KEY", "OPENAI_API_BASE"),
        ("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_API_BASE"),
    ] {
        scene.setup.key = Some(Key { variable: told.to_owned(), value: SECRET.to_owned() });
        Aider.run(&scene.stage()).await.unwrap();
        let env = read(&scene, "env");
        assert!(env.lines().any(|line| line == format!("{taken}={SECRET}")), "{taken}");
        assert!(env.lines().any(|line| line == format!("{base}=http://127.0.0.1:9/v1")), "{base}");
        let argv = read(&scene, "argv");
        assert!(!argv.contains(SECRET));
        assert_eq!(argv.contains("--openai-api-base"), taken == "OPENAI_API_KEY");
    }
}

#[test]
fn it_is_not_started_to_wait_for_a_login_in_a_browser() {
    let mut scene = scene();
    scene.setup.key = None;
    let refused = launch(&scene.stage()).unwrap_err().to_string();
    assert!(refused.contains("neither a model nor a key"), "{refused}");
    scene.order.model = Some("ollama/m".to_owned());
    launch(&scene.stage()).unwrap();
}

#[test]
fn a_prompt_is_never_a_command_of_the_program() {
    let mut scene = scene();
    for prompt in ["/run touch x", "!touch x"] {
        scene.order.prompt = prompt.to_owned();
        launch(&scene.stage()).unwrap();
        let message = std::fs::read_to_string(scene.home().join("message.md")).unwrap();
        assert_eq!(message, format!("Task:\n{prompt}"));
    }
}

#[test]
fn what_another_agent_of_the_run_left_in_its_users_home_is_not_read() {
    let scene = scene();
    let home = std::path::PathBuf::from(&scene.stage().env["HOME"]);
    assert!(home.starts_with(scene.runtime()));
    let traps = [".aider.conf.yml", ".env", ".aider.model.settings.yml", ".aider/oauth-keys.env"];
    for trap in traps {
        put(&home.join(trap), "openai-api-base: http://elsewhere");
    }
    put(&scene.home().join("chat.md"), "# aider chat");
    launch(&scene.stage()).unwrap();
    for trap in traps {
        assert!(!home.join(trap).exists(), "{trap}");
    }
    assert!(scene.home().join("chat.md").is_file());
}

#[test]
fn an_operators_argument_does_not_undo_looking_only() {
    let mut scene = scene();
    scene.setup.args = vec!["--edit-format".to_owned(), "diff".to_owned()];
    scene.order.extra_args = vec!["--no-dry-run".to_owned()];
    let tail = |scene: &Scene| {
        let args = args(&scene.stage());
        args[args.len() - 3..].join(" ")
    };
    assert_eq!(tail(&scene), "--edit-format diff --no-dry-run");
    scene.order.role = Role::Review;
    assert_eq!(tail(&scene), "--chat-mode ask --dry-run");
    scene.order.role = Role::Build;
    scene.order.confinement.mode = SandboxMode::ReadOnly;
    assert_eq!(tail(&scene), "--chat-mode ask --dry-run");
}

#[test]
fn aid_05_a_talk_is_gone_on_with_from_its_file() {
    let mut scene = scene();
    scene.resume("chat");
    let has = |scene: &Scene| args(&scene.stage()).contains(&"--restore-chat-history".to_owned());
    assert!(!has(&scene), "there is no file yet");
    put(&scene.home().join("chat.md"), "# aider chat");
    assert!(has(&scene));
    scene.order.resume = None;
    assert!(!has(&scene));
}

#[test]
fn only_listed_switches_are_given() {
    let mut scene = scene();
    assert_eq!(Aider.known().name, "aider");
    assert!(Aider.needs().iter().all(|option| scene.installed.has_option(option)));
    let given = args(&scene.stage()).join(" ");
    assert!(given.contains("--no-stream") && given.contains("--timeout 300"), "{given}");
    assert!(!given.contains("--no-watch-files"), "{given}");
    scene.installed = Installed::default();
    let given = args(&scene.stage()).join(" ");
    assert!(!given.contains("--no-stream") && !given.contains("--timeout"), "{given}");
}

#[test]
fn what_was_compiled_when_it_was_installed_is_used_and_not_written() {
    let mut scene = scene();
    let environment = scene.world.root.path().join("venv");
    scene.installed.folders = vec![environment.clone()];
    let of = |scene: &Scene, name: &str| launch(&scene.stage()).unwrap().env.get(name).cloned();
    assert!(of(&scene, "PYTHONPYCACHEPREFIX").is_some());
    std::fs::create_dir_all(environment.join("lib/python3.11/site-packages/aider/__pycache__")).unwrap();
    assert_eq!(of(&scene, "PYTHONPYCACHEPREFIX"), None);
    assert_eq!(of(&scene, "PYTHONDONTWRITEBYTECODE").as_deref(), Some("1"));
}

#[test]
fn an_environment_of_pythons_is_readable_as_a_whole() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    put(&root.join("venv/pyvenv.cfg"), "");
    put(&root.join("venv/bin/aider"), "#!");
    put(&root.join("python/bin/python3"), "");
    std::os::unix::fs::symlink(root.join("python/bin/python3"), root.join("venv/bin/python")).unwrap();
    std::os::unix::fs::symlink(root.join("venv/bin/aider"), root.join("aider")).unwrap();
    let (program, folders) = Aider.native(&root.join("aider"));
    assert_eq!(program, root.join("venv/bin/aider"));
    assert_eq!(folders, [root.join("venv"), root.join("python")]);
}
