//! What would configure the agent's program is out of the workspace while it works; requests of the agent are taken as files
//! and nothing else; the engine's own folder is no business of git's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use agentpr::domain::guard::{Breach, Scope};
use agentpr::ports::workspace::{Workspace, WorkspaceError};

use super::guard::{Guarded, everything, listed};
use super::world::git;

const CONFIGURED: [(&str, &str); 11] = [
    ("a", "1\n"),
    ("AGENTS.md", "words\n"),
    (".claude/settings.json", "{\"hooks\":{}}\n"),
    (".claude/deep/run.sh", "#!/bin/sh\n"),
    (".mcp.json", "{}\n"),
    (".aider.model.settings.yml", "x\n"),
    (".env", "CODEX_HOME=/tmp/evil\n"),
    (".crush.json", "{}\n"),
    (".qwen/settings.json", "{}\n"),
    ("sub/.env", "not at the root\n"),
    (".gitignore", ".vscode/\n"),
];

#[tokio::test]
async fn agent_configuration_of_the_repository_is_away_during_a_phase_and_back_after_it() {
    let guarded = Guarded::repository(&CONFIGURED).await.scope(Scope::Build);
    fs::set_permissions(guarded.files.join(".claude/deep/run.sh"), fs::Permissions::from_mode(0o751))
        .unwrap();
    guarded.put(".vscode/tasks.json", "ignored by git, and parked all the same\n");
    symlink("AGENTS.md", guarded.files.join(".cursor")).unwrap();
    let before = everything(&guarded.files);
    guarded.begin().await;
    let parked = [
        ".claude",
        ".mcp.json",
        ".aider.model.settings.yml",
        ".env",
        ".vscode",
        ".cursor",
        ".crush.json",
        ".qwen",
    ];
    for name in parked {
        assert!(!guarded.has(name), "{name}");
    }
    assert!(guarded.has("AGENTS.md") && guarded.has("sub/.env"));
    // Tracked files that are parked do not look deleted, and an agent's commit keeps them.
    assert_eq!(git(&guarded.files, &["status", "--porcelain"]), "");
    assert!(guarded.end().await.is_clean());
    let without_index = |rows: Vec<(String, u32, Vec<u8>)>| -> Vec<_> {
        rows.into_iter().filter(|row| row.0 != ".git/index").collect()
    };
    assert_eq!(without_index(everything(&guarded.files)), without_index(before));
    assert_eq!(git(&guarded.files, &["status", "--porcelain"]), "?? .cursor\n");
}

#[tokio::test]
async fn what_an_agent_makes_in_a_parked_place_is_a_violation_and_goes() {
    let guarded = Guarded::repository(&CONFIGURED).await.scope(Scope::Build);
    let before = everything(&guarded.files);
    guarded.begin().await;
    guarded.put(".claude/settings.json", "{\"hooks\":{\"evil\":1}}\n");
    guarded.put(".codex/config.toml", "x\n");
    guarded.put(".mcp.json/in/the/way", "x\n");
    symlink("/etc", guarded.files.join(".opencode")).unwrap();
    // The same again is no harm: it is what `git checkout` does.
    guarded.put(".env", "CODEX_HOME=/tmp/evil\n");
    let report = guarded.end().await;
    let wanted = [
        (".claude/settings.json", Breach::Created),
        (".codex/config.toml", Breach::Created),
        (".mcp.json", Breach::Created),
        (".mcp.json/in/the/way", Breach::Created),
        (".opencode", Breach::Created),
    ];
    assert_eq!(listed(&report), wanted);
    assert_eq!(everything(&guarded.files), before);
}

#[tokio::test]
async fn what_is_unprotected_is_not_parked() {
    let mut guarded = Guarded::repository(&CONFIGURED).await.scope(Scope::Build);
    guarded.order.unprotect = vec![".claude".to_owned(), ".env".to_owned()];
    guarded.begin().await;
    assert!(guarded.has(".claude/settings.json") && guarded.has(".env") && !guarded.has(".mcp.json"));
    guarded.put(".claude/settings.json", "the operator lets it\n");
    assert!(guarded.end().await.is_clean());
    assert_eq!(guarded.text(".claude/settings.json"), "the operator lets it\n");
}

#[tokio::test]
async fn a_capture_after_a_phase_that_was_cut_off_does_not_miss_what_is_parked() {
    let guarded = Guarded::repository(&CONFIGURED).await.scope(Scope::Build);
    let prepared = guarded.world.workspace.prepare(&guarded.id, &guarded.spec).await.unwrap();
    guarded.begin().await;
    guarded.put("a", "2\n");
    let change = guarded.world.capture(&guarded.id, &guarded.spec, &prepared).await.unwrap().unwrap();
    assert_eq!(change.stat.files, 1);
    assert!(guarded.end().await.is_clean());
}

#[tokio::test]
async fn f16_requests_are_fresh_only_when_written_since_the_newest_picture() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await.scope(Scope::Build);
    let take = || guarded.world.workspace.take_actions(&guarded.spec.repo, &guarded.id);
    assert_eq!(take().await.unwrap(), None);
    guarded.put(".aider_fsm/actions.yml", "left over\n");
    guarded.begin().await;
    assert!(guarded.end().await.is_clean());
    assert_eq!(take().await.unwrap(), Some((b"left over\n".to_vec(), false)));
    assert!(!guarded.has(".aider_fsm/actions.yml"), "it is taken away");
    guarded.begin().await;
    guarded.put(".aider_fsm/actions.yml", "actions: []\n");
    assert!(guarded.end().await.is_clean());
    assert_eq!(take().await.unwrap(), Some((b"actions: []\n".to_vec(), true)));
    assert_eq!(take().await.unwrap(), None);
    guarded.put(".aider_fsm/actions.yml", "1\n");
    guarded.begin().await;
    fs::remove_file(guarded.files.join(".aider_fsm/actions.yml")).unwrap();
    guarded.put(".aider_fsm/actions.yml", "2\n");
    assert!(guarded.end().await.is_clean());
    assert_eq!(take().await.unwrap(), Some((b"2\n".to_vec(), true)));
}

#[tokio::test]
async fn f16_requests_that_are_no_plain_file_are_removed_and_never_followed() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await.scope(Scope::Build);
    let take = || guarded.world.workspace.take_actions(&guarded.spec.repo, &guarded.id);
    let place = guarded.files.join(".aider_fsm/actions.yml");
    let secret = guarded.world.root.path().join("secret");
    fs::write(&secret, "secret\n").unwrap();
    fs::create_dir(guarded.files.join(".aider_fsm")).unwrap();
    symlink(&secret, &place).unwrap();
    assert!(matches!(take().await, Err(WorkspaceError::Failed(why)) if why.contains("link")));
    rustix::fs::mknodat(rustix::fs::CWD, &place, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(take().await, Err(WorkspaceError::Failed(why)) if why.contains("plain file")));
    fs::create_dir(&place).unwrap();
    assert!(take().await.is_err());
    fs::write(&place, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    assert!(matches!(take().await, Err(WorkspaceError::TooBig { .. })));
    assert!(fs::symlink_metadata(&place).is_err(), "each was removed");
    fs::remove_dir(guarded.files.join(".aider_fsm")).unwrap();
    symlink(guarded.world.root.path(), guarded.files.join(".aider_fsm")).unwrap();
    assert!(take().await.is_err());
    assert!(!guarded.has(".aider_fsm") && secret.exists());
    assert_eq!(take().await.unwrap(), None);
}

#[tokio::test]
async fn fsm_52_the_engines_folder_is_invisible_to_git_and_to_a_capture() {
    let guarded = Guarded::repository(&[("a", "1\n"), (".gitignore", "*.log\n")]).await;
    let prepared = guarded.world.workspace.prepare(&guarded.id, &guarded.spec).await.unwrap();
    guarded.put(".aider_fsm/actions.yml", "x\n");
    guarded.put(".aider_fsm/state.json", "{}\n");
    assert_eq!(git(&guarded.files, &["status", "--porcelain"]), "");
    assert_eq!(guarded.text(".gitignore"), "*.log\n");
    assert_eq!(guarded.world.capture(&guarded.id, &guarded.spec, &prepared).await.unwrap(), None);
    guarded.put("a", "2\n");
    let change = guarded.world.capture(&guarded.id, &guarded.spec, &prepared).await.unwrap().unwrap();
    assert_eq!(change.stat.files, 1);
}

#[tokio::test]
async fn a_new_ignore_rule_hides_no_protected_file_and_costs_no_ignored_one() {
    let files = [("a", "1\n"), (".gitignore", "*.log\n")];
    let guarded = Guarded::repository(&files).await.scope(Scope::Build);
    guarded.put("out/AGENTS.md", "the user's\n");
    guarded.put("out/noise.log", "the user's\n");
    guarded.begin().await;
    guarded.put(".gitignore", "*.log\nout/\n");
    guarded.put("out/AGENTS.md", "the agent's\n");
    assert_eq!(listed(&guarded.end().await), [("out/AGENTS.md", Breach::Changed)]);
    assert_eq!(guarded.text("out/AGENTS.md"), "the user's\n");
    let guarded = guarded.scope(Scope::Plan);
    guarded.put(".gitignore", "*.log\n");
    guarded.begin().await;
    fs::remove_file(guarded.files.join("out/AGENTS.md")).unwrap();
    assert_eq!(listed(&guarded.end().await), [("out/AGENTS.md", Breach::Deleted)]);
    assert!(guarded.has("out/noise.log"));
}

#[tokio::test]
async fn a_plan_that_is_a_link_is_no_plan() {
    for begun in [None, Some("the plan\n")] {
        let guarded = Guarded::plain(&[("a", "1\n")]);
        if let Some(text) = begun {
            guarded.put("PLAN.md", text);
        }
        guarded.begin().await;
        let _absent = fs::remove_file(guarded.files.join("PLAN.md"));
        symlink("/etc/passwd", guarded.files.join("PLAN.md")).unwrap();
        assert_eq!(guarded.end().await.count, 1);
        assert_eq!(fs::read_to_string(guarded.files.join("PLAN.md")).ok().as_deref(), begun);
    }
}
