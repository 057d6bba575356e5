//! Action requests: what is read, what runs, and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentpr::adapters::action::ActionRunner;
use agentpr::domain::action::{ActionKind, ActionResult, Risk, assumed_risk, needs_person};
use agentpr::domain::confine::ProcessLimits;
use agentpr::domain::evidence::LogRef;
use agentpr::domain::id::{AttemptNo, RunId};
use agentpr::domain::policy::CommandMode;
use agentpr::ports::action::{ActionOrder, Actions};
use agentpr::ports::artifact::Artifacts;
use tokio_util::sync::CancellationToken;

use super::world::{World, ignore, open, put, run, supervisor};

struct Bench {
    world: World,
    actions: ActionRunner,
    run: RunId,
    workspace: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let world = World::new();
        let kept: Arc<dyn Artifacts> = Arc::clone(&world.artifacts) as Arc<dyn Artifacts>;
        let actions = ActionRunner::new(world.environment.clone(), kept, supervisor(Vec::new()));
        let workspace = world.root.path().join("agent");
        fs::create_dir_all(workspace.join(".git/hooks")).unwrap();
        Self { actions, run: run().0, workspace, world }
    }

    /// Carries a request out that has these actions.
    async fn run(&self, actions: &str) -> Result<Vec<ActionResult>, String> {
        self.run_until(actions, &CancellationToken::new(), Duration::from_secs(20)).await
    }

    async fn run_until(
        &self,
        actions: &str,
        stop: &CancellationToken,
        wall: Duration,
    ) -> Result<Vec<ActionResult>, String> {
        let text = format!("version: 1\nactions:\n{actions}");
        let kept = self.world.artifacts.write(&self.run, "actions.yml", text.as_bytes()).unwrap();
        self.actions.run(&self.order(kept, wall), &ignore, stop).await
    }

    fn order(&self, kept: LogRef, wall: Duration) -> ActionOrder {
        ActionOrder {
            run: self.run.clone(),
            attempt: AttemptNo(3),
            workspace: self.workspace.clone(),
            copy: kept.path,
            sha256: kept.sha256,
            protected: vec!["PLAN.md".to_owned(), "pipeline.yml".to_owned(), "ci".to_owned()],
            command_mode: CommandMode::Safe,
            confinement: open(),
            limits: ProcessLimits::wall(wall),
        }
    }

    /// The word a request with one action is refused by when it is read.
    #[track_caller]
    fn refused(&self, action: &str) -> String {
        let text = format!("version: 1\nactions:\n- {action}\n");
        self.actions.read(text.as_bytes()).unwrap_err().0
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.workspace.join(path)).unwrap()
    }
}

fn words(results: &[ActionResult]) -> Vec<(&str, Option<i32>, &str)> {
    results.iter().map(|result| (result.id.as_str(), result.exit_code, result.error.as_str())).collect()
}

#[test]
fn fsm_46_a_request_is_read_strictly_and_each_fault_has_its_word() {
    let bench = Bench::new();
    for (action, word) in [
        ("{kind: deploy, cmd: x}", "unsupported_action_kind"),
        ("{kind: run_cmd}", "missing_cmd"),
        ("{cmd: ' '}", "missing_cmd"),
        ("{kind: install_tool}", "missing_cmd"),
        ("{kind: write_file, content: x}", "missing_path"),
        ("{kind: write_file, path: a}", "missing_content"),
        ("{kind: write_file, path: /etc/x, content: x}", "path_outside_repo"),
        ("{kind: write_file, path: ../x, content: x}", "path_outside_repo"),
        ("{kind: write_file, path: a/../../x, content: x}", "path_outside_repo"),
        ("{kind: write_file, path: ~/x, content: x}", "path_outside_repo"),
        ("{kind: write_file, path: a/, content: x}", "path_outside_repo"),
        ("{kind: write_file, path: .git/hooks/pre-commit, content: x}", "path_is_protected"),
        ("{kind: write_file, path: a/.GIT/config, content: x}", "path_is_protected"),
        ("{kind: write_file, path: .aider_fsm/state.json, content: x}", "path_is_protected"),
        ("{kind: write_file, path: .github/workflows/x.yml, content: x}", "path_is_protected"),
        ("{cmd: x, id: ../a}", "invalid_id"),
        ("{cmd: x, id: .a}", "invalid_id"),
        ("{cmd: x, command: y}", "invalid_yaml"),
        ("{cmd: x, path: y}", "invalid_yaml"),
        ("{cmd: x, risk_level: none}", "invalid_yaml"),
        ("{cmd: x, timeout_seconds: 0}", "invalid_yaml"),
        ("{cmd: x, retries: -1}", "invalid_yaml"),
        ("just words", "invalid_yaml"),
    ] {
        assert_eq!(bench.refused(action), word, "{action}");
    }
    for text in [
        "",
        "actions: []",
        "version: 1",
        "version: 1\nactions: []",
        "version: 2\nactions: [{cmd: x}]",
        "\u{0}",
    ] {
        assert_eq!(bench.actions.read(text.as_bytes()).unwrap_err().0, "invalid_yaml", "{text}");
    }
    let twice = "version: 1\nactions: [{id: a, cmd: x}, {id: a, cmd: y}]";
    assert_eq!(bench.actions.read(twice.as_bytes()).unwrap_err().0, "duplicate_id");
    let (_, why) = bench.actions.read(b"version: 1\nactions:\n- {cmd: x}\n- kind: deploy\n").unwrap_err();
    assert!(why.contains("line 4, column 3: `actions[1].kind`"), "{why}");

    let good = "version: 1\nactions:\n- {cmd: make deps, rationale: a tool is missing}\n\
                - {id: conf, kind: write_file, path: a/b.txt, content: '', risk_level: high}\n";
    let lines = bench.actions.read(good.as_bytes()).unwrap();
    assert_eq!(
        (lines[0].id.as_str(), lines[0].kind, lines[0].risk),
        ("action-001", ActionKind::RunCmd, Risk::Low)
    );
    assert_eq!(
        (lines[1].what.as_str(), lines[1].kind, lines[1].risk),
        ("a/b.txt", ActionKind::WriteFile, Risk::High)
    );
}

#[test]
fn fsm_47_what_is_risky_waits_for_a_person_whatever_was_said() {
    use ActionKind::{InstallTool, RunCmd, StartService, WriteFile};
    for (kind, command, declared, wanted) in [
        (RunCmd, "make deps", None, Risk::Low),
        (RunCmd, "make deps", Some(Risk::Medium), Risk::Medium),
        (RunCmd, "make deps", Some(Risk::High), Risk::High),
        (InstallTool, "npm ci", None, Risk::Medium),
        (InstallTool, "npm ci", Some(Risk::Low), Risk::Low),
        (StartService, "docker compose up -d", None, Risk::Medium),
        (RunCmd, "sudo make install", Some(Risk::Low), Risk::Medium),
        (RunCmd, "cd x && /usr/bin/sudo id", None, Risk::Medium),
        (RunCmd, "npm install -g yarn", Some(Risk::Low), Risk::Medium),
        (InstallTool, "apt-get install jq", Some(Risk::Low), Risk::Medium),
        (RunCmd, "pip install --user x", None, Risk::Medium),
        (RunCmd, "cargo install just", None, Risk::Medium),
        (RunCmd, "curl -s http://127.0.0.1/x | sh", None, Risk::Medium),
        (RunCmd, "bash -c 'apt-get install -y jq'", None, Risk::Medium),
        (RunCmd, "'su'do id", None, Risk::Medium),
        (RunCmd, "curl -s http://127.0.0.1/x | python3 -", None, Risk::Medium),
        (RunCmd, "git push origin main", None, Risk::Medium),
        (RunCmd, "echo sudo apt cargo install", None, Risk::Low),
        (RunCmd, "cat apt | grep brew", None, Risk::Low),
        (WriteFile, "", None, Risk::Low),
    ] {
        assert_eq!(assumed_risk(kind, command, declared), wanted, "{command}");
    }
    let bench = Bench::new();
    let read = |text: &str| bench.actions.read(text.as_bytes()).unwrap();
    assert!(!needs_person(&read("version: 1\nactions: [{cmd: make}]")));
    assert!(needs_person(&read("version: 1\nactions: [{cmd: make}, {cmd: make, risk_level: medium}]")));
}

#[tokio::test]
async fn fsm_46_actions_run_in_order_and_the_first_failure_is_the_last() {
    let bench = Bench::new();
    let actions = "- {id: one, cmd: 'echo said; pwd > where; echo $CI $GIT_TERMINAL_PROMPT $GH_TOKEN'}\n\
                   - {id: two, kind: install_tool, cmd: 'exit 3'}\n- {id: three, cmd: 'touch never'}\n";
    let results = bench.run(actions).await.unwrap();
    assert_eq!(words(&results), [("one", Some(0), ""), ("two", Some(3), "failed")]);
    assert_eq!(Path::new(bench.text("where").trim()), bench.workspace.canonicalize().unwrap());
    assert!(!bench.workspace.join("never").exists());
    let log = results[0].log.as_ref().unwrap();
    assert_eq!(log.path, format!("{}/actions-3-01-one-try1.log", bench.run));
    let text = bench.world.artifacts.read_tail(&log.path, 1_000).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "said\n1 0\n");
}

#[tokio::test]
async fn a_failed_command_is_tried_again_and_a_slow_one_ended() {
    let bench = Bench::new();
    let counted = "- {id: flaky, retries: 2, cmd: 'echo x >> tries; test $(wc -l < tries) = 3'}\n";
    assert_eq!(words(&bench.run(counted).await.unwrap()), [("flaky", Some(0), "")]);
    let results = bench.run("- {id: never, retries: 99, cmd: 'echo x >> all; false'}\n").await.unwrap();
    assert_eq!(words(&results), [("never", Some(1), "failed")]);
    assert_eq!(bench.text("all").lines().count(), 4, "three tries besides the first");
    let slow = "- {id: slow, timeout_seconds: 500, cmd: 'sleep 60 & sleep 60'}\n";
    let stop = CancellationToken::new();
    let results = bench.run_until(slow, &stop, Duration::from_millis(100)).await.unwrap();
    assert_eq!(words(&results), [("slow", None, "timeout")]);
    stop.cancel();
    let results = bench.run_until("- cmd: echo x\n", &stop, Duration::from_secs(9)).await.unwrap();
    assert_eq!(words(&results), [("action-001", None, "stopped")]);
    let file = "- {kind: write_file, path: late, content: x}\n";
    let results = bench.run_until(file, &stop, Duration::from_secs(9)).await.unwrap();
    assert_eq!(words(&results), [("action-001", None, "stopped")]);
    assert!(!bench.workspace.join("late").exists());
}

#[tokio::test]
async fn fsm_46_a_file_is_written_inside_and_nowhere_else() {
    let bench = Bench::new();
    let outside = bench.world.root.path().join("outside");
    put(&outside.join("file"), "untouched");
    symlink(&outside, bench.workspace.join("folder")).unwrap();
    symlink(outside.join("file"), bench.workspace.join("link")).unwrap();
    symlink("nothing", bench.workspace.join("dangling")).unwrap();
    symlink(".git", bench.workspace.join("alias")).unwrap();
    fs::hard_link(outside.join("file"), bench.workspace.join("second-name")).unwrap();
    put(&bench.workspace.join("tool.sh"), "old");
    fs::set_permissions(bench.workspace.join("tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();

    let write = |path: &str| format!("- {{kind: write_file, path: '{path}', content: \"new\\n\"}}\n");
    for (path, word) in [
        ("folder/file", "path_is_link"),
        ("folder/new", "path_is_link"),
        ("link", "path_is_link"),
        ("dangling", "path_is_link"),
        ("alias/hooks/pre-commit", "path_is_link"),
        ("tool.sh/x", "not_a_file"),
        (".git", "path_is_protected"),
        ("PLAN.md", "path_is_protected"),
        ("./pipeline.yml", "path_is_protected"),
        ("Pipeline.yml", "path_is_protected"),
        ("ci/deep/x", "path_is_protected"),
    ] {
        match bench.run(&write(path)).await {
            Ok(results) => assert_eq!(words(&results), [("action-001", None, word)], "{path}"),
            Err(why) => assert!(why.contains("belongs to git"), "{path}: {why}"),
        }
    }
    for path in ["second-name", "tool.sh", "made/on/the/way.txt", "citrus"] {
        assert_eq!(words(&bench.run(&write(path)).await.unwrap()), [("action-001", Some(0), "")], "{path}");
        assert_eq!(bench.text(path), "new\n");
    }
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_dir(bench.workspace.join(".git/hooks")).unwrap().count(), 0);
    let mode = fs::metadata(bench.workspace.join("tool.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(!bench.workspace.join(".agentpr-passing.new").exists());
}

#[tokio::test]
async fn f16_only_the_copy_is_carried_out_and_an_unreadable_one_runs_nothing() {
    let bench = Bench::new();
    put(&bench.workspace.join(".aider_fsm/actions.yml"), "version: 1\nactions: [{cmd: touch other}]");
    let why = bench.run("- {kind: deploy}\n").await.unwrap_err();
    assert!(why.contains("actions[0].kind"), "{why}");
    bench.run("- cmd: touch mine\n").await.unwrap();
    assert!(bench.workspace.join("mine").exists() && !bench.workspace.join("other").exists());
}

#[tokio::test]
async fn a_copy_that_was_changed_after_it_was_granted_is_not_carried_out() {
    let bench = Bench::new();
    let text = "version: 1\nactions:\n- {cmd: 'echo granted > made'}\n";
    let kept = bench.world.artifacts.write(&bench.run, "actions.yml", text.as_bytes()).unwrap();
    let order = bench.order(kept, Duration::from_secs(20));
    put(&bench.world.artifacts.absolute(&order.copy), &text.replace("granted", "other"));
    let refused = bench.actions.run(&order, &ignore, &CancellationToken::new()).await.unwrap_err();
    assert!(refused.contains("not the request that was read"), "{refused}");
    assert!(!bench.workspace.join("made").exists());
}
