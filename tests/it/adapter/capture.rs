//! What an agent left comes back whole, whatever it did to its clone, and nothing of it runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use agentpr::domain::evidence::Prepared;
use agentpr::domain::id::RunId;
use agentpr::domain::spec::RunSpec;
use agentpr::ports::workspace::{Workspace, WorkspaceError};

use super::world::{AUTHOR, World, git, order, put, run, run_of};

async fn prepared(files: &[(&str, &str)]) -> (World, RunId, RunSpec, Prepared, PathBuf) {
    let world = World::with(files);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let files = PathBuf::from(&prepared.workspace);
    (world, id, spec, prepared, files)
}

#[tokio::test]
async fn every_kind_of_edit_is_captured_and_ignored_files_are_not() {
    let begun = [
        ("keep", "k\n"),
        ("gone", "g\n"),
        ("tool", "#!/bin/sh\n"),
        (".gitignore", "*.log\n"),
        ("dir/x", "x\n"),
    ];
    let (world, id, spec, prepared, files) = prepared(&begun).await;
    fs::remove_file(files.join("gone")).unwrap();
    fs::remove_dir_all(files.join("dir")).unwrap();
    put(&files.join("dir"), "now a file\n");
    fs::set_permissions(files.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("keep", files.join("link")).unwrap();
    for name in ["new/a file", "-rf", "two\nlines", "tab\there", ":(exclude)x", "ü"] {
        put(&files.join(name), "new\n");
    }
    put(&files.join("noise.log"), "noise\n");
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    let found = world.files(&spec, &change.head_sha);
    let mut wanted: Vec<(&str, &str)> = vec![
        ("-rf", "100644"),
        (".gitignore", "100644"),
        (":(exclude)x", "100644"),
        ("dir", "100644"),
        ("keep", "100644"),
        ("link", "120000"),
        ("new/a file", "100644"),
        ("tab\there", "100644"),
        ("tool", "100755"),
        ("two\nlines", "100644"),
        ("ü", "100644"),
    ];
    wanted.sort_unstable();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, mode)| (name.as_str(), mode.as_str())).collect();
    assert_eq!(found, wanted);
    assert_eq!(change.parent_sha, prepared.base_sha);
    let looked = world.workspace.inspect(&spec.repo, &prepared.base_sha, &change.head_sha).await.unwrap();
    assert_eq!(
        (looked.tree, looked.diff_digest, looked.stat),
        (change.tree, change.diff_digest, change.stat)
    );
    assert_eq!(change.stat.files as usize, looked.paths.len());
    assert!(looked.paths.contains(&"two\nlines".to_owned()) && looked.paths.contains(&"dir/x".to_owned()));
}

#[tokio::test]
async fn an_agents_own_commits_are_part_of_the_change() {
    let (world, id, spec, prepared, _) = prepared(&[("a", "1\n")]).await;
    world.work(&id, &spec, "write a 2\ncommit mine\nwrite b 3").await;
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    assert_eq!((world.text(&spec, &change.head_sha, "a"), change.stat.files), ("2\n".to_owned(), 2));
    let log = git(&world.control.path(&spec.repo), &["log", "--format=%an %s", change.head_sha.as_str()]);
    assert_eq!(log, format!("{AUTHOR} agentpr: a change\na begin\n"));
}

#[tokio::test]
async fn no_change_gives_none_and_the_same_change_gives_the_one_on_record() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    assert_eq!(world.capture(&id, &spec, &prepared).await.unwrap(), None);
    put(&files.join("a"), "2\n");
    let first = world.capture(&id, &spec, &prepared).await.unwrap();
    let mut again = order(&id, &spec, &prepared);
    again.last.clone_from(&first);
    assert_eq!(world.workspace.capture(&again).await.unwrap(), first);
    // Nothing was added to what is pushed already.
    again.parent_sha = first.as_ref().unwrap().head_sha.clone();
    assert_eq!(world.workspace.capture(&again).await.unwrap(), first);
    put(&files.join("a"), "3\n");
    let second = world.workspace.capture(&again).await.unwrap().unwrap();
    assert_eq!(second.parent_sha, first.unwrap().head_sha);
    put(&files.join("a"), "1\n");
    assert_eq!(world.workspace.capture(&again).await.unwrap(), None);
}

#[tokio::test]
async fn a_hostile_clone_runs_nothing_and_leaks_nothing() {
    let world = World::with(&[("a", "1\n"), (".gitattributes", "* filter=evil diff=evil\n")]);
    world.add_remote("other/secret", &[("secret", "the other repository's secret\n")]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let files = PathBuf::from(&prepared.workspace);
    let canary = world.root.path().join("canary");
    let fire = format!("touch {}; cat", canary.display());
    let script = world.root.path().join("fire");
    put(&script, &format!("#!/bin/sh\n{fire}\n"));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let hooks = files.join(".git/hooks");
    for hook in ["pre-commit", "post-index-change", "reference-transaction", "post-checkout", "pre-push"] {
        fs::create_dir_all(&hooks).unwrap();
        fs::copy(&script, hooks.join(hook)).unwrap();
    }
    let config = format!(
        "[core]\n\tfsmonitor = {0}\n\thooksPath = {1}\n[filter \"evil\"]\n\tclean = {0}\n\tsmudge = {0}\n\trequired\n\
         [diff \"evil\"]\n\ttextconv = {0}\n\tcommand = {0}\n[gpg]\n\tprogram = {0}\n[commit]\n\tgpgSign = true\n",
        script.display(),
        hooks.display(),
    );
    put(&files.join(".git/config"), &config);
    let objects = world.remote("other/secret").join("objects");
    put(&files.join(".git/objects/info/alternates"), &format!("{}\n", objects.display()));
    put(&files.join("a"), "2\n");
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    world.check(&id, &spec, &change.head_sha, &["cat a"]).await.unwrap();
    world.workspace.diff(&spec.repo, &prepared.base_sha, &change.head_sha, 1_000).await.unwrap();
    assert!(!canary.exists(), "something the agent wrote was run");
    git(&files, &["status"]);
    assert!(canary.exists(), "the trap was never armed");
    fs::remove_file(&canary).unwrap();

    fs::remove_dir_all(files.join(".git")).unwrap();
    put(&files.join(".git"), &format!("gitdir: {}\n", world.remote("other/secret").display()));
    put(&files.join("a"), "3\n");
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    assert_eq!(world.text(&spec, &change.head_sha, "a"), "3\n");

    assert!(!canary.exists(), "something the agent wrote was run");
    let secret = git(&world.remote("other/secret"), &["rev-parse", "main:secret"]);
    let control = world.control.path(&spec.repo);
    let all = git(&control, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    assert!(!all.contains(secret.trim()), "another repository's object was taken in");
    let again = world.workspace.prepare(&id, &spec).await.unwrap();
    assert_eq!(again, prepared);
}

#[tokio::test]
async fn a_repository_inside_the_workspace_is_refused_by_name_and_not_looked_into() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    let canary = world.root.path().join("canary");
    let inner = files.join("vendor/inner");
    put(&inner.join("file"), "x\n");
    git(&inner, &["init", "--quiet"]);
    git(&inner, &["add", "--all"]);
    git(&inner, &["commit", "--quiet", "-m", "inner"]);
    let config = format!("[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch {}\n", canary.display());
    put(&inner.join(".git/config"), &config);
    let refused = world.capture(&id, &spec, &prepared).await.unwrap_err();
    assert!(matches!(&refused, WorkspaceError::Failed(why) if why.contains("`vendor/inner`")), "{refused}");
    assert!(!canary.exists());
}

#[tokio::test]
async fn a_submodule_stays_as_the_base_has_it_and_is_not_looked_into() {
    let world = World::with(&[("a", "1\n")]);
    let remote = world.remote("owner/repo");
    let commit = git(&remote, &["rev-parse", "main"]);
    let work = world.root.path().join("made/owner/repo");
    git(&work, &["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", commit.trim())]);
    git(&work, &["commit", "--quiet", "-m", "a submodule"]);
    git(&work, &["push", "--quiet", remote.to_str().unwrap(), "HEAD:main"]);
    let (id, spec) = run();
    let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
    let inner = PathBuf::from(&prepared.workspace).join("sub");
    let canary = world.root.path().join("canary");
    put(&inner.join("file"), "x\n");
    git(&inner, &["init", "--quiet"]);
    git(&inner, &["add", "--all"]);
    git(&inner, &["commit", "--quiet", "-m", "inner"]);
    let config = format!("[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch {}\n", canary.display());
    put(&inner.join(".git/config"), &config);
    put(&inner.join("file"), "y\n");
    assert_eq!(world.capture(&id, &spec, &prepared).await.unwrap(), None);
    assert!(!canary.exists());
    git(&PathBuf::from(&prepared.workspace), &["status"]);
    assert!(canary.exists(), "the trap was never armed");
}

#[tokio::test]
async fn a_change_beyond_the_cap_is_refused() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    for name in ["big", "a"] {
        fs::write(files.join(name), vec![7; 5 * 1024 * 1024]).unwrap();
        let refused = world.capture(&id, &spec, &prepared).await.unwrap_err();
        assert!(matches!(refused, WorkspaceError::TooBig { .. }), "{refused}");
        fs::write(files.join(name), "small\n").unwrap();
    }
    assert!(world.capture(&id, &spec, &prepared).await.is_ok());
}

#[tokio::test]
async fn a_link_in_place_of_the_workspace_is_no_workspace() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    fs::rename(&files, files.with_extension("moved")).unwrap();
    symlink(world.remote("owner/repo"), &files).unwrap();
    let refused = world.capture(&id, &spec, &prepared).await.unwrap_err();
    assert!(matches!(refused, WorkspaceError::Missing(_)), "{refused}");
}

#[tokio::test]
async fn protected_paths_are_named() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    for name in [
        ".github/workflows/ci.yml",
        "docs/CODEOWNERS",
        "sub/.claude/settings.json",
        "AGENTS.md",
        "agents.md.txt",
    ] {
        put(&files.join(name), "x\n");
    }
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    let looked = world.workspace.inspect(&spec.repo, &prepared.base_sha, &change.head_sha).await.unwrap();
    let wanted = [".github/workflows/ci.yml", "AGENTS.md", "docs/CODEOWNERS", "sub/.claude/settings.json"];
    assert_eq!(looked.protected, wanted);
    let (text, cut) =
        world.workspace.diff(&spec.repo, &prepared.base_sha, &change.head_sha, 100).await.unwrap();
    assert_eq!((text.len(), cut), (100, true));
}

#[tokio::test]
async fn two_owners_with_the_same_repository_name_do_not_meet() {
    let world = World::new();
    world.add_remote("one/repo", &[("a", "one\n")]);
    world.add_remote("two/repo", &[("a", "two\n")]);
    for owner in ["one", "two"] {
        let (id, spec) = run_of(&format!("{owner}/repo"));
        let prepared = world.workspace.prepare(&id, &spec).await.unwrap();
        let text = fs::read_to_string(PathBuf::from(prepared.workspace).join("a")).unwrap();
        assert_eq!(text, format!("{owner}\n"));
    }
}

#[tokio::test]
async fn an_emptied_workspace_is_a_change_like_any_other() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n"), ("b/c", "2\n")]).await;
    fs::remove_file(files.join("a")).unwrap();
    fs::remove_dir_all(files.join("b")).unwrap();
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    assert_eq!(
        (world.files(&spec, &change.head_sha).len(), change.stat.files, change.stat.deletions),
        (0, 2, 2)
    );
}

#[tokio::test]
async fn a_pipe_among_the_files_does_not_hold_the_capture() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    let make = |name: &str| std::process::Command::new("mkfifo").arg(files.join(name)).status().unwrap();
    assert!(make("new").success());
    put(&files.join("b"), "2\n");
    let change = world.capture(&id, &spec, &prepared).await.unwrap().unwrap();
    assert_eq!(world.files(&spec, &change.head_sha).len(), 2);
    fs::remove_file(files.join("a")).unwrap();
    assert!(make("a").success());
    let refused = world.capture(&id, &spec, &prepared).await;
    assert!(matches!(&refused, Err(WorkspaceError::Failed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_folder_that_looks_like_a_git_directory_is_refused() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    put(&files.join("x/.GIT/config"), "[core]\n");
    let refused = world.capture(&id, &spec, &prepared).await;
    assert!(matches!(&refused, Err(WorkspaceError::Failed(_))), "{refused:?}");
}

#[tokio::test]
async fn locks_of_a_killed_git_stop_nobody() {
    let (world, id, spec, prepared, files) = prepared(&[("a", "1\n")]).await;
    let control = world.control.path(&spec.repo);
    for name in ["packed-refs.lock", "shallow.lock", &format!("refs/agent/{id}/head.lock")] {
        put(&control.join(name), "");
    }
    put(&files.join(".git/index.lock"), "");
    let report = world.work(&id, &spec, "write a 2\ncommit mine").await;
    assert_eq!(report.evidence.exit_code, Some(0));
    assert!(world.capture(&id, &spec, &prepared).await.unwrap().is_some());
    assert!(world.workspace.prepare(&run().0, &run().1).await.is_ok());
}
