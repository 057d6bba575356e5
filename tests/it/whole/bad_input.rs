//! What people and scripts get wrong: a clear error, the right exit code, nothing made and nothing lost.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::{Sandbox, sandbox};

use super::Scene;

#[test]
fn names_that_could_leave_their_place_are_refused() {
    let scene = Scene::new();
    let create = |owner: &str, repo: &str, run: &str| {
        let (owner, repo, run) =
            (format!("--owner={owner}"), format!("--repo={repo}"), format!("--run-id={run}"));
        scene.sandbox.agentpr(&["--json", "create-run", &owner, &repo, "--prompt-version", "v1", &run])
    };
    for (owner, repo, run) in [
        ("../..", "parser", "r"),
        ("acme", "../..", "r"),
        ("acme", "--upload-pack=x", "r"),
        ("--upload-pack=x", "parser", "r"),
        ("acme", ".git", "r"),
        ("", "parser", "r"),
        ("acme", "", "r"),
        ("acme", "parser", "a/b"),
        ("acme", "parser", "../r"),
        ("acme", "parser", ""),
        ("acme", "..", "r"),
        ("ac me", "parser", "r"),
    ] {
        let answer = create(owner, repo, run).code(2);
        assert!(!format!("{}{}", answer.stdout, answer.stderr).is_empty(), "{owner}/{repo} {run}");
    }
    assert_eq!(scene.sandbox.json(&["list-runs"])["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn a_task_too_long_or_not_text_is_refused() {
    let scene = Scene::new();
    let long = scene.sandbox.write("long.md", &"x".repeat(5 * 1024 * 1024)).display().to_string();
    let nul = scene.sandbox.write("nul.md", "a\0b").display().to_string();
    let latin = scene.sandbox.path().join("latin.md");
    fs::write(&latin, b"caf\xe9").unwrap();
    for file in [&long, &nul, &latin.display().to_string()] {
        let answer = scene.sandbox.agentpr(&[
            "submit",
            "--owner",
            "acme",
            "--repo",
            "parser",
            "--task-file",
            file,
            "--agent",
            &scene.agent,
        ]);
        let answer = answer.code(2);
        assert!(answer.stderr.contains("task"), "{}", answer.stderr);
        assert!(answer.stderr.len() < 2_000, "the text itself is not repeated");
    }
    let mut command = scene.sandbox.command(&["submit", "--owner", "acme", "--repo", "parser", "--task"]);
    let child = command.arg(OsStr::from_bytes(b"caf\xe9")).spawn().unwrap();
    let _refused = sandbox::finish(child).code(2);
    assert_eq!(scene.sandbox.json(&["list-runs"])["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_a_mistyped_path() {
    let sandbox = Sandbox::empty();
    let wrong = sandbox.path().join("wrong/agentpr.db").display().to_string();
    for verb in [&["list-runs"][..], &["show-run", "--run-id", "r1"], &["manager-tick"], &["verify-log"]] {
        let mut args = vec!["--db", &wrong];
        args.extend(verb);
        let answer = sandbox.agentpr(&args).code(4);
        assert!(answer.stderr.contains("init-db"), "{}", answer.stderr);
    }
    assert!(!sandbox.path().join("wrong").exists());
}

#[test]
fn a_newer_or_damaged_store_is_refused_by_name_and_left_as_it_is() {
    let scene = Scene::new();
    let db = scene.sandbox.db();
    let connection = rusqlite::Connection::open(&db).unwrap();
    connection.pragma_update(None, "user_version", 9_999).unwrap();
    drop(connection);
    let answer = scene.sandbox.agentpr(&["list-runs"]).code(1);
    assert!(answer.stderr.contains("9999") && answer.stderr.contains("agentpr.db"), "{}", answer.stderr);

    let garbage = scene.sandbox.write("garbage.db", &"not a store\n".repeat(1_000));
    let before = fs::read(&garbage).unwrap();
    for verb in ["list-runs", "init-db", "verify-log"] {
        let answer = scene.sandbox.agentpr(&["--db", &garbage.display().to_string(), verb]).code(1);
        assert!(answer.stderr.contains("garbage.db"), "{}", answer.stderr);
    }
    assert_eq!(fs::read(&garbage).unwrap(), before);
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let scene = Scene::new();
    let _made =
        scene.sandbox.types("create-run --owner acme --repo parser --prompt-version v1 --run-id r1").ok();
    // A limit on the size of files is what a full disk is to a program: writing fails in the middle.
    let program = env!("CARGO_BIN_EXE_agentpr");
    let script = format!(
        "trap '' XFSZ; ulimit -f 100; exec {program} --json create-run --owner acme --repo parser --prompt-version v1 --run-id \"$1\" --task \"$2\""
    );
    let task = "t".repeat(60_000);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script, "sh", "r2", &task]);
    seal(&mut command, &scene);
    let answer = sandbox::finish(command.spawn().unwrap()).code(75);
    assert!(answer.json()["error"].as_str().unwrap().contains("written"), "{}", answer.stdout);
    assert_eq!(scene.sandbox.state("r1"), "QUEUED");
    assert_eq!(scene.sandbox.json(&["verify-log"])["ok"], true);
    let _now =
        scene.sandbox.types("create-run --owner acme --repo parser --prompt-version v1 --run-id r2").ok();
}

#[test]
fn a_read_only_data_directory_is_said_and_makes_nothing() {
    let scene = Scene::new();
    let data = scene.sandbox.path().join("data");
    // Permissions do not bind root, so root has it tried by somebody else, with a program that person can read.
    let program = scene.sandbox.path().join("agentpr");
    // Copied by a program of its own: a descriptor open for writing here could be inherited by another test's child.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_agentpr")).arg(&program).status().unwrap();
    assert!(copied.success());
    let mut command = if rustix::process::geteuid().is_root() {
        for path in [scene.sandbox.path(), &data, &scene.sandbox.db()] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    } else {
        std::process::Command::new(&program)
    };
    fs::set_permissions(scene.sandbox.db(), fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    command.args([
        "--skip-doctor",
        "create-run",
        "--owner",
        "acme",
        "--repo",
        "parser",
        "--prompt-version",
        "v1",
    ]);
    seal(&mut command, &scene);
    let answer = sandbox::finish(command.spawn().unwrap());
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let answer = answer.code(75);
    assert!(answer.stderr.contains("hint: "), "{}", answer.stderr);
    assert_eq!(scene.sandbox.json(&["list-runs"])["runs"].as_array().unwrap().len(), 0);
}

/// The user and group that own nothing on Debian and most others.
const NOBODY: u32 = 65_534;

/// Gives a command the sealed environment of the world.
fn seal(command: &mut std::process::Command, scene: &Scene) {
    command.env_clear();
    for (name, value) in scene.sandbox.command(&[]).get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
}

#[test]
fn unknown_runs_and_illegal_moves_are_told_apart() {
    let scene = Scene::new();
    let answer = scene.sandbox.types("--json show-run --run-id nobody").code(4);
    assert_eq!(answer.json()["code"], "no_such_run");
    let _made =
        scene.sandbox.types("create-run --owner acme --repo parser --prompt-version v1 --run-id r1").ok();
    let answer = scene.sandbox.types("--json mark-done --run-id r1").code(1);
    assert_eq!(answer.json()["code"], "illegal_transition");
    let answer = scene
        .sandbox
        .types("--json create-run --owner acme --repo parser --prompt-version v1 --run-id r1")
        .code(5);
    assert_eq!(answer.json()["code"], "run_exists");
    let key = ["--idempotency-key", "k1"];
    let _first = scene.sandbox.agentpr(&[&["start-discovery", "--run-id", "r1"][..], &key].concat()).ok();
    let repeated =
        scene.sandbox.agentpr(&[&["--json", "start-discovery", "--run-id", "r1"][..], &key].concat()).ok();
    assert_eq!(repeated.json()["duplicate"], true);
    let _conflict = scene.sandbox.agentpr(&[&["pause", "--run-id", "r1"][..], &key].concat()).code(5);
}
