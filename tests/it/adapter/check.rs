//! Checks run on the commit and on nothing else.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use agentpr::adapters::check::{detect, excerpt};
use agentpr::domain::confine::ProcessLimits;
use agentpr::domain::evidence::{CheckOutcome, CheckSource};
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::check::{Checks, ChecksError};
use agentpr::ports::workspace::Workspace;
use tokio_util::sync::CancellationToken;

use super::world::{World, check_order, git, ignore, put, run};

#[test]
fn the_command_is_found_by_looking_at_the_files() {
    let npm = r#"{"scripts": {"test": "jest", "build": "tsc"}}"#;
    let placeholder =
        r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1", "build": "tsc"}}"#;
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
    let table: &[Row<'_>] = &[
        (&[("package.json", npm)], Some("npm test")),
        (&[("package.json", npm), ("yarn.lock", "")], Some("yarn test")),
        (&[("package.json", npm), ("pnpm-lock.yaml", "")], Some("pnpm test")),
        (&[("package.json", npm), ("bun.lock", "")], Some("bun run test")),
        (&[("package.json", npm), ("bun.lockb", "")], Some("bun run test")),
        (&[("package.json", placeholder)], Some("npm run build")),
        (&[("package.json", "{}")], None),
        (&[("package.json", "not json")], None),
        (&[("package.json", "{}"), ("Cargo.toml", "")], Some("cargo test")),
        (&[("package.json", npm), ("Cargo.toml", "")], Some("npm test")),
        (&[("pyproject.toml", ""), ("tests/x", "")], Some("python -m pytest --tb=short -q")),
        (&[("setup.py", ""), ("a/b/test_x.py", "")], Some("python -m pytest --tb=short -q")),
        (&[("setup.cfg", ""), ("a/b/c/d/test_x.py", "")], None),
        (&[("pyproject.toml", "")], None),
        (&[("Cargo.toml", "")], Some("cargo test")),
        (&[("go.mod", "")], Some("go test ./...")),
        (&[("Makefile", "all:\n\ttrue\ntest: all\n\ttrue\n")], Some("make test")),
        (&[("Makefile", "all:\n\ttest: x\ntest := 1\n")], Some("make")),
        (&[("README", "")], None),
    ];
    for (files, wanted) in table {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in *files {
            put(&folder.path().join(name), text);
        }
        assert_eq!(detect(folder.path()).as_deref(), *wanted, "{files:?}");
    }
}

#[tokio::test]
async fn checks_run_on_the_commit_and_not_on_the_work_tree() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let files = PathBuf::from(&prepared.workspace);
    put(&files.join("a"), "captured\n");
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    put(&files.join("a"), "later\n");
    put(&files.join("cheat"), "x\n");
    let commands =
        ["test ! -e cheat", "cat a", "git rev-parse HEAD", "echo $CI $FORCE_COLOR; env", "touch dirt"];
    let report = world.check(&id, &spec, &change.head_sha, &commands).await.unwrap();
    assert_eq!((report.outcome(), report.source), (CheckOutcome::Passed, CheckSource::Given), "{report:?}");
    let log = |number: usize| {
        let kept = report.results[number].log.clone().unwrap();
        String::from_utf8(world.artifacts.read_tail(&kept.path, 100_000).unwrap()).unwrap()
    };
    assert_eq!(log(1), "captured\n");
    assert_eq!(log(2).trim(), change.head_sha.as_str());
    assert!(log(3).starts_with("1 0\n") && !log(3).contains("canary"), "{}", log(3));
    assert!(!world.environment.scratch_dir(&id).join("checks").exists(), "the checkout is gone");
    assert!(!files.join("dirt").exists());
}

#[tokio::test]
async fn the_first_failure_is_the_last_entry() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let commands = ["true", "echo fine; echo 'error: it is \u{1b}[31mwrong\u{1b}[0m' >&2; exit 3", "true"];
    let report = world.check(&id, &spec, &prepared.base_sha, &commands).await.unwrap();
    assert_eq!((report.outcome(), report.results.len()), (CheckOutcome::Failed, 2));
    assert_eq!(report.results[1].exit_code, Some(3));
    assert_eq!(report.results[1].excerpt, "error: it is wrong");
    let nothing = world.check(&id, &spec, &prepared.base_sha, &[]).await.unwrap();
    assert_eq!((nothing.source, nothing.results.len()), (CheckSource::Nothing, 0));
}

#[tokio::test]
async fn a_check_is_ended_at_its_limit_and_by_a_stop() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let mut order = check_order(&id, &spec, &prepared.base_sha);
    order.commands = vec!["sleep 60 & sleep 60".to_owned()];
    order.limits = ProcessLimits::wall(Duration::from_millis(100));
    let report = world.checks.run(&order, &ignore, &CancellationToken::new()).await.unwrap();
    assert!(report.results[0].timed_out && report.results[0].exit_code.is_none());
    assert_eq!(report.outcome(), CheckOutcome::Failed);
    order.limits = ProcessLimits::wall(Duration::from_secs(20));
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let stopped = world.checks.run(&order, &move |_| stopper.cancel(), &stop).await;
    assert!(matches!(stopped, Err(ChecksError::Stopped)));
    assert!(!world.environment.scratch_dir(&id).join("checks").exists());
}

#[tokio::test]
async fn a_commit_that_is_not_there_gives_no_report() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    world.workspace.prepare(&id, &spec).await.unwrap();
    let unknown = agentpr::domain::id::CommitSha::new("1".repeat(40)).unwrap();
    let refused = world.check(&id, &spec, &unknown, &["true"]).await;
    assert!(matches!(refused, Err(ChecksError::Unavailable(_))), "{refused:?}");
}

#[test]
fn an_excerpt_has_the_lines_about_errors_else_the_last_ones() {
    let text = "compiling\nerrors: 0 of them\nthread panicked at x\nFAIL: it\nTypeError: y\nfine\n";
    assert_eq!(excerpt(text.as_bytes()), "thread panicked at x\nFAIL: it\nTypeError: y");
    let plain: String = (0..80).map(|number| format!("line {number}\n\n")).collect();
    let kept = excerpt(plain.as_bytes());
    assert!(kept.starts_with("line 30\n") && kept.ends_with("line 79"));
    assert_eq!(excerpt("\u{1b}]8;;x\u{7}a\u{0}b\u{1b}[1mc\n".as_bytes()), "abc");
    assert!(excerpt("error: x\n".repeat(5_000).as_bytes()).chars().count() <= 2_000);
}

#[test]
fn artifacts_stay_in_their_directory() {
    let world = World::new();
    let (id, _) = run();
    let kept = world.artifacts.write(&id, "a/b.txt", b"hello").unwrap();
    assert_eq!((kept.bytes, kept.path.as_str()), (5, format!("{id}/a/b.txt").as_str()));
    assert_eq!(world.artifacts.read_tail(&kept.path, 3).unwrap(), b"llo");
    world.artifacts.write(&id, "a/b.txt", b"again").unwrap();
    let mode = |path: PathBuf| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    };
    let path = world.artifacts.absolute(&kept.path);
    assert_eq!((mode(path.clone()), mode(path.parent().unwrap().to_owned())), (0o600, 0o700));
    for name in ["", "..", "../x", "/etc/x", "a/../../x", "./x", "a\nb"] {
        assert!(world.artifacts.write(&id, name, b"").is_err(), "{name:?}");
        assert!(world.artifacts.read_tail(name, 10).is_err(), "{name:?}");
    }
    assert_eq!(world.artifacts.remove(&id).unwrap(), 5);
    assert!(git(world.root.path(), &["--version"]).starts_with("git"));
}

#[tokio::test]
async fn a_toolchain_is_found_though_the_home_is_another() {
    let world = World::with(&[("a", "1\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let report =
        world.check(&id, &spec, &prepared.base_sha, &["cargo --version", "git log -1"]).await.unwrap();
    assert_eq!(report.outcome(), CheckOutcome::Passed, "{report:?}");
}
