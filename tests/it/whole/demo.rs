//! The first of the two commands a newcomer types.

use crate::harness::Sandbox;

#[test]
fn the_demo_goes_the_whole_way_and_leaves_nothing() {
    let sandbox = Sandbox::empty();
    let temporary = sandbox.path().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = sandbox.command(&["demo", "--yes-both"]);
    let child = command.env_remove("AGENTPR_FORGE_ROOT").env("TMPDIR", &temporary).spawn().unwrap();
    let answer = crate::harness::sandbox::finish(child).ok();
    for said in [
        "FAIL: 'Hello  brave   world'",
        "exit code 1",
        "first confirmation",
        "the commit that was approved",
        "CI_WAIT",
    ] {
        assert!(answer.stdout.contains(said), "`{said}` is missing in {}", answer.stdout);
    }
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!sandbox.db().exists(), "the demo does not touch the store of the machine");
}

#[test]
fn the_demo_confirms_nothing_by_itself() {
    let sandbox = Sandbox::empty();
    let answer = sandbox.agentpr(&["demo"]).code(3);
    assert!(answer.stderr.contains("--yes-both"), "{}", answer.stderr);
}

#[test]
fn what_the_demo_keeps_can_be_looked_at_with_the_commands_it_names() {
    let sandbox = Sandbox::empty();
    let mut command = sandbox.command(&["--json", "demo", "--yes-both", "--keep"]);
    let child = command.env_remove("AGENTPR_FORGE_ROOT").env("TMPDIR", sandbox.path()).spawn().unwrap();
    let shown = crate::harness::sandbox::finish(child).ok().json();
    let kept = std::fs::read_dir(sandbox.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("agentpr-demo-"))
        .unwrap();
    let run = shown["run"]["run_id"].as_str().unwrap();
    let why = sandbox.agentpr(&["--data-dir", &kept.display().to_string(), "why", run]).ok();
    assert!(why.stdout.contains("waits for its two confirmations"), "{}", why.stdout);
}
