//! An agent that fights the guard: links, pipes, modes, names, depth, sheer number. Nothing outside is touched, nothing of the
//! agent's runs, and what may not stay does not stay.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use agentpr::domain::guard::{Breach, LISTED_VIOLATIONS, Scope};
use agentpr::ports::workspace::{Workspace, WorkspaceError};

use super::guard::{Guarded, everything, listed};
use super::world::{git, put};
use crate::harness::skip::skipped;

fn outside(guarded: &Guarded) -> PathBuf {
    let outside = guarded.world.root.path().join("outside");
    put(&outside.join("canary"), "untouched\n");
    put(&outside.join("x"), "untouched\n");
    outside
}

#[tokio::test]
async fn a_folder_replaced_by_a_link_leads_nowhere_outside() {
    for scope in [Scope::Plan, Scope::Build] {
        let files = [("dir/AGENTS.md", "inside\n"), ("dir/x", "inside\n"), ("AGENTS.md", "root\n")];
        let guarded = Guarded::repository(&files).await.scope(scope);
        let outside = outside(&guarded);
        put(&outside.join("AGENTS.md"), "untouched\n");
        let (before, beyond) = (everything(&guarded.files.join("dir")), everything(&outside));
        guarded.begin().await;
        fs::remove_dir_all(guarded.files.join("dir")).unwrap();
        symlink(&outside, guarded.files.join("dir")).unwrap();
        symlink(outside.join("canary"), guarded.files.join("new")).unwrap();
        fs::remove_file(guarded.files.join("AGENTS.md")).unwrap();
        symlink(outside.join("canary"), guarded.files.join("AGENTS.md")).unwrap();
        let report = guarded.end().await;
        assert!(listed(&report).contains(&("AGENTS.md", Breach::Mode)), "{report:?}");
        assert!(listed(&report).contains(&("dir/AGENTS.md", Breach::Deleted)), "{report:?}");
        assert_eq!(guarded.text("AGENTS.md"), "root\n");
        assert_eq!(guarded.text("dir/AGENTS.md"), "inside\n");
        assert!(fs::symlink_metadata(guarded.files.join("dir")).unwrap().is_dir());
        if scope == Scope::Plan {
            assert_eq!(everything(&guarded.files.join("dir")), before);
        }
        assert_eq!(everything(&outside), beyond);
    }
}

#[tokio::test]
async fn a_link_around_a_protected_folder_is_removed() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await.scope(Scope::Build);
    guarded.begin().await;
    guarded.put("free/workflows/x.yml", "on: push\n");
    symlink("free", guarded.files.join(".github")).unwrap();
    symlink("/", guarded.files.join(".aider_fsm")).unwrap();
    let report = guarded.end().await;
    assert_eq!(listed(&report), [(".aider_fsm", Breach::Created), (".github", Breach::Created)]);
    assert!(!guarded.has(".github") && guarded.has("free/workflows/x.yml"));
}

#[tokio::test]
async fn every_swap_of_kinds_is_undone() {
    let files = [("file", "1\n"), ("dir/in", "2\n"), ("dir/sub/in", "3\n"), ("pipe", "4\n"), ("own", "5\n")];
    let guarded = Guarded::repository(&files).await;
    symlink("file", guarded.files.join("link")).unwrap();
    fs::create_dir(guarded.files.join("empty")).unwrap();
    let before = everything(&guarded.files);
    guarded.begin().await;
    for name in ["file", "link", "pipe", "own"] {
        fs::remove_file(guarded.files.join(name)).unwrap();
    }
    fs::remove_dir_all(guarded.files.join("dir")).unwrap();
    fs::remove_dir(guarded.files.join("empty")).unwrap();
    guarded.put("file/now/a/folder", "x\n");
    guarded.put("dir", "now a file\n");
    guarded.put("link", "now a file\n");
    guarded.put("own/file", "now a repository\n");
    git(&guarded.files.join("own"), &["init", "--quiet"]);
    let pipe = guarded.files.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let report = guarded.end().await;
    for path in ["dir", "file", "link", "pipe", "own"] {
        assert!(listed(&report).contains(&(path, Breach::Mode)), "{path}: {report:?}");
    }
    assert!(listed(&report).contains(&("empty", Breach::Deleted)), "{report:?}");
    assert_eq!(everything(&guarded.files), before);
}

#[tokio::test]
async fn a_hard_link_to_something_outside_is_replaced_and_not_written_through() {
    let guarded = Guarded::repository(&[("a", "1\n"), ("b", "2\n"), ("c", "3\n")]).await;
    let outside = outside(&guarded);
    let before = everything(&guarded.files);
    fs::set_permissions(outside.join("canary"), fs::Permissions::from_mode(0o600)).unwrap();
    put(&outside.join("same"), "3\n");
    fs::set_permissions(outside.join("same"), fs::Permissions::from_mode(0o600)).unwrap();
    let beyond = everything(&outside);
    guarded.begin().await;
    for (name, target) in [("a", "canary"), ("c", "same")] {
        fs::remove_file(guarded.files.join(name)).unwrap();
        fs::hard_link(outside.join(target), guarded.files.join(name)).unwrap();
    }
    let report = guarded.end().await;
    assert_eq!(listed(&report), [("a", Breach::Changed), ("c", Breach::Mode)]);
    assert_eq!(everything(&guarded.files), before);
    assert_eq!(everything(&outside), beyond);
}

#[tokio::test]
async fn names_of_any_bytes_are_seen_and_shown_without_control_characters() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await;
    let odd = |bytes: &[u8]| guarded.files.join(OsStr::from_bytes(bytes));
    fs::write(odd(b"kept\xff%41"), "kept\n").unwrap();
    guarded.begin().await;
    for name in [&b"two\nlines\x1b[31m"[..], b"bad\xff\xfe", b"-rf", b"100%", b"\"quoted\""] {
        fs::write(odd(name), "x\n").unwrap();
    }
    fs::remove_file(odd(b"kept\xff%41")).unwrap();
    let report = guarded.end().await;
    let wanted = [
        ("\"quoted\"", Breach::Created),
        ("-rf", Breach::Created),
        ("100%", Breach::Created),
        ("bad\u{fffd}\u{fffd}", Breach::Created),
        ("kept\u{fffd}%41", Breach::Deleted),
        ("twolines[31m", Breach::Created),
    ];
    assert_eq!(listed(&report), wanted);
    assert_eq!(fs::read_to_string(odd(b"kept\xff%41")).unwrap(), "kept\n");
    assert!(!guarded.has("-rf") && !odd(b"two\nlines\x1b[31m").exists());
}

#[tokio::test]
async fn folders_deeper_than_any_path_may_be_are_removed() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await;
    guarded.begin().await;
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
    let mut folder = rustix::fs::open(&guarded.files, flags, 0.into()).unwrap();
    for _ in 0..1_500 {
        rustix::fs::mkdirat(&folder, "deeper", 0o755.into()).unwrap();
        folder = rustix::fs::openat(&folder, "deeper", flags, 0.into()).unwrap();
    }
    drop(folder);
    let report = guarded.end().await;
    assert!(!report.is_clean());
    assert!(!guarded.has("deeper"));
    assert_eq!(fs::read_dir(&guarded.files).unwrap().count(), 2, "only `.git` and `a`");
}

#[tokio::test]
async fn modes_that_shut_everybody_out_stop_nothing() {
    let guarded = Guarded::repository(&[("shut/a", "1\n"), ("b", "2\n"), ("ro/AGENTS.md", "3\n")]).await;
    let before = everything(&guarded.files);
    guarded.begin().await;
    guarded.put("shut/new", "x\n");
    fs::remove_file(guarded.files.join("ro/AGENTS.md")).unwrap();
    for (name, mode) in [("b", 0o000), ("shut", 0o000), ("ro", 0o555)] {
        fs::set_permissions(guarded.files.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let report = guarded.end().await;
    let paths: Vec<&str> = listed(&report).iter().map(|row| row.0).filter(|path| *path != "shut").collect();
    assert_eq!(paths, ["b", "ro", "ro/AGENTS.md", "shut/new"]);
    assert_eq!(everything(&guarded.files), before);
}

#[tokio::test]
async fn ten_thousand_new_files_are_removed_and_counted() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await;
    guarded.begin().await;
    for number in 0..10_000 {
        let folder = guarded.files.join(format!("d{}", number % 100));
        if number < 100 {
            fs::create_dir(&folder).unwrap();
        }
        fs::write(folder.join(number.to_string()), "x").unwrap();
    }
    let report = guarded.end().await;
    assert_eq!((report.count, report.violations.len()), (10_000, LISTED_VIOLATIONS));
    assert_eq!(fs::read_dir(&guarded.files).unwrap().count(), 2, "only `.git` and `a`");
}

#[tokio::test]
async fn a_git_directory_that_is_gone_or_a_link_is_made_again() {
    for replace in ["gitfile", "link", "nothing", "no objects"] {
        let guarded = Guarded::repository(&[("a", "1\n"), ("b", "2\n")]).await.scope(Scope::Build);
        guarded.world.add_remote("other/secret", &[("secret", "s\n")]);
        let other = guarded.world.remote("other/secret");
        let beyond = everything(&other);
        let (config, head) = (guarded.text(".git/config"), git(&guarded.files, &["rev-parse", "HEAD"]));
        guarded.begin().await;
        guarded.put("a", "work\n");
        let dot_git = guarded.files.join(".git");
        if replace == "no objects" {
            fs::remove_dir_all(dot_git.join("objects")).unwrap();
            symlink(other.join("objects"), dot_git.join("objects")).unwrap();
        } else {
            fs::remove_dir_all(&dot_git).unwrap();
        }
        match replace {
            "gitfile" => put(&dot_git, &format!("gitdir: {}\n", other.display())),
            "link" => symlink(&other, &dot_git).unwrap(),
            _ => {}
        }
        let report = guarded.end().await;
        assert_eq!(listed(&report), [(".git", Breach::GitInternals)], "{replace}");
        assert_eq!(guarded.text(".git/config"), config);
        assert_eq!(git(&guarded.files, &["rev-parse", "HEAD"]), head);
        assert_eq!(git(&guarded.files, &["status", "--porcelain"]), " M a\n");
        assert_eq!(everything(&other), beyond, "{replace}");
    }
}

#[tokio::test]
async fn nothing_the_agent_wrote_runs_while_it_is_judged() {
    let guarded = Guarded::repository(&[("a", "1\n"), (".gitattributes", "* filter=evil\n")]).await;
    let canary = guarded.world.root.path().join("canary");
    let script = guarded.world.root.path().join("fire");
    put(&script, &format!("#!/bin/sh\ntouch {}; cat\n", canary.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {0}\n\thooksPath = {1}\n[filter \"evil\"]\n\tclean = {0}\n\tsmudge = {0}\n",
        script.display(),
        guarded.files.join(".git/hooks").display(),
    );
    // It lies there already when the phase begins, as a repository's own could.
    for hook in ["pre-commit", "post-index-change", "reference-transaction", "post-checkout"] {
        fs::create_dir_all(guarded.files.join(".git/hooks")).unwrap();
        fs::copy(&script, guarded.files.join(".git/hooks").join(hook)).unwrap();
    }
    guarded.put(".git/config", &config);
    guarded.begin().await;
    guarded.put("a", "2\n");
    guarded.put("inner/file", "x\n");
    git(&guarded.files.join("inner"), &["init", "--quiet"]);
    guarded.put("inner/.git/config", &config);
    fs::remove_dir_all(guarded.files.join(".git/refs")).unwrap();
    let report = guarded.end().await;
    assert!(report.count >= 3, "{report:?}");
    assert!(!guarded.has("inner"));
    guarded.begin().await;
    fs::remove_dir_all(guarded.files.join(".git")).unwrap();
    guarded.end().await;
    assert!(!canary.exists(), "something the agent wrote was run");
    git(&guarded.files, &["status"]);
    assert!(canary.exists(), "the trap was never armed");
}

#[tokio::test]
async fn a_picture_too_large_is_refused_before_the_phase_begins() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await;
    let large = fs::File::create(guarded.files.join("large")).unwrap();
    large.set_len(5 * 1024 * 1024).unwrap();
    let refused = guarded.world.workspace.begin_phase(&guarded.order).await.unwrap_err();
    assert!(matches!(refused, WorkspaceError::TooBig { .. }), "{refused}");
    fs::remove_file(guarded.files.join("large")).unwrap();
    guarded.begin().await;
    let large = fs::File::create(guarded.files.join("large")).unwrap();
    large.set_len(5 * 1024 * 1024).unwrap();
    assert_eq!(listed(&guarded.end().await), [("large", Breach::Created)]);
}

#[tokio::test]
async fn a_workspace_replaced_by_a_link_is_missing() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await;
    let outside = outside(&guarded);
    guarded.begin().await;
    fs::rename(&guarded.files, guarded.world.root.path().join("elsewhere")).unwrap();
    symlink(&outside, &guarded.files).unwrap();
    let refused = guarded.world.workspace.end_phase(&guarded.order).await.unwrap_err();
    assert!(matches!(refused, WorkspaceError::Missing(_)), "{refused}");
    assert_eq!(fs::read_to_string(outside.join("canary")).unwrap(), "untouched\n");
}

#[tokio::test]
async fn what_cannot_be_put_back_is_an_error_by_name_and_found_again() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await;
    guarded.begin().await;
    guarded.put("a", "2\n");
    guarded.put("stone/fixed", "x\n");
    let stone = guarded.files.join("stone/fixed");
    let chattr = |flag: &str| Command::new("chattr").arg(flag).arg(&stone).output();
    if !chattr("+i").is_ok_and(|output| output.status.success()) {
        skipped("chattr that works not found");
        return;
    }
    let refused = guarded.world.workspace.end_phase(&guarded.order).await;
    let next = guarded.world.workspace.begin_phase(&guarded.order).await;
    assert!(chattr("-i").unwrap().status.success());
    for refused in [refused.unwrap_err(), next.unwrap_err()] {
        assert!(
            matches!(&refused, WorkspaceError::Failed(why) if why.contains("`stone/fixed`")),
            "{refused}"
        );
    }
    // The rest was put back already, and what was found then is not forgotten.
    assert_eq!(guarded.text("a"), "1\n");
    let report = guarded.end().await;
    assert_eq!(listed(&report), [("a", Breach::Changed), ("stone/fixed", Breach::Created)]);
    assert!(!guarded.has("stone"));
}

#[tokio::test]
async fn an_empty_git_directory_hides_nothing_from_the_guard() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await.scope(Scope::Build);
    guarded.begin().await;
    for folder in ["new", "other"] {
        guarded.put(&format!("{folder}/in/AGENTS.md"), "obey\n");
        guarded.put(&format!("{folder}/free"), "1\n");
    }
    fs::create_dir(guarded.files.join("new/.git")).unwrap();
    guarded.put("other/.git", "of no use\n");
    let report = guarded.end().await;
    let created = ["new/in/AGENTS.md", "other/in/AGENTS.md"].map(|path| (path, Breach::Created));
    assert_eq!(listed(&report), created);
    assert!(!guarded.has("new/in/AGENTS.md") && guarded.has("new/free"));

    guarded.begin().await;
    guarded.put("new/AGENTS.md", "obey later\n");
    let report = guarded.end().await;
    assert_eq!(listed(&report), [("new/AGENTS.md", Breach::Created)]);
}
