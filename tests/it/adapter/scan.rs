//! The policy scan, one rule after the other, on real objects of a control repository.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use agentpr::domain::id::{CommitSha, RepoSlug};
use agentpr::domain::policy::{Finding, Policy, Severity};
use agentpr::ports::workspace::{Workspace, WorkspaceError};

use super::world::{World, git, order, put, run};
use crate::domain::seeds::seeds;

/// Mode, path and content; for a submodule the content is a commit's id.
type File<'a> = (&'a str, &'a str, &'a [u8]);

fn fed(dir: &Path, args: &[&str], stdin: &[u8]) -> String {
    let mut child = Command::new("git")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Writes a tree as git would never check it out: no name is looked at.
fn tree(control: &Path, files: &[File<'_>]) -> String {
    let mut folders: BTreeMap<&str, Vec<File<'_>>> = BTreeMap::new();
    let mut rows = Vec::new();
    for (mode, path, content) in files {
        if let Some((folder, rest)) = path.split_once('/') {
            folders.entry(folder).or_default().push((*mode, rest, *content));
        } else if *mode == "160000" {
            rows.push(format!("160000 commit {}\t{path}\0", String::from_utf8_lossy(content)));
        } else {
            let id = fed(control, &["hash-object", "-w", "--stdin"], content);
            rows.push(format!("{mode} blob {id}\t{path}\0"));
        }
    }
    for (folder, files) in folders {
        rows.push(format!("040000 tree {}\t{folder}\0", tree(control, &files)));
    }
    fed(control, &["mktree", "-z", "--missing"], rows.concat().as_bytes())
}

fn commit(control: &Path, files: &[File<'_>]) -> CommitSha {
    let tree = tree(control, files);
    CommitSha::new(git(control, &["commit-tree", "-m", "a", &tree]).trim()).unwrap()
}

async fn compared(before: &[File<'_>], after: &[File<'_>], policy: &Policy) -> Vec<Finding> {
    let world = World::new();
    let repo = "owner/repo".parse::<RepoSlug>().unwrap();
    let lock = world.control.lock(&repo).unwrap();
    let control = world.control.ensure(&repo, &lock).unwrap();
    let (base, head) = (commit(&control, before), commit(&control, after));
    world.workspace.scan(&repo, &base, &head, policy).await.unwrap()
}

async fn scanned(after: &[File<'_>]) -> Vec<Finding> {
    compared(&[], after, &Policy::default()).await
}

/// Rule, severity, path and line of each.
fn facts(findings: &[Finding]) -> Vec<(&str, Severity, &str, Option<u32>)> {
    findings
        .iter()
        .map(|finding| (finding.rule.as_str(), finding.severity, finding.path.as_str(), finding.line))
        .collect()
}

const BLOCKING: Severity = Severity::Blocking;
const NOTE: Severity = Severity::Note;
const FILE: &str = "100644";

#[tokio::test]
async fn a_plain_change_has_no_findings() {
    let after = [(FILE, "src/lib.rs", &b"fn main() {}\n"[..]), (FILE, ".gitignore", b"/target\n")];
    assert_eq!(scanned(&after).await, []);
}

#[tokio::test]
async fn each_seeded_secret_is_found_with_its_line_and_never_shown() {
    let seeds = seeds(200);
    let texts: Vec<(String, String)> = seeds
        .iter()
        .enumerate()
        .map(|(number, seed)| (format!("f{number:03}.txt"), format!("one\ntwo\n{}\n", seed.text)))
        .collect();
    let files: Vec<File<'_>> =
        texts.iter().map(|(path, text)| (FILE, path.as_str(), text.as_bytes())).collect();
    let findings = scanned(&files).await;
    let found: Vec<_> = facts(&findings);
    assert_eq!(found.len(), 200);
    for ((rule, severity, path, line), (number, seed)) in found.iter().zip(seeds.iter().enumerate()) {
        assert_eq!((*rule, *severity, *path), ("secret", BLOCKING, format!("f{number:03}.txt").as_str()));
        let before = seed.text.split(&seed.secret).next().unwrap().matches('\n').count();
        assert_eq!(*line, Some(3 + u32::try_from(before).unwrap()));
        assert!(findings.iter().all(|finding| !finding.words().contains(&seed.secret)));
        assert!(findings[number].detail.contains(seed.rule), "{}", findings[number].detail);
    }
}

#[tokio::test]
async fn a_secret_that_was_there_before_is_not_of_this_change() {
    let secret = format!("{}\nb\n", seeds(1)[0].text);
    let changed = format!("{}\nc\n", seeds(1)[0].text);
    let (before, after) = ([(FILE, "a", secret.as_bytes())], [(FILE, "a", changed.as_bytes())]);
    assert_eq!(compared(&before, &after, &Policy::default()).await, []);
}

#[tokio::test]
async fn neither_a_nul_nor_attributes_hide_a_secret() {
    let text = format!("\0\n{}\n", seeds(1)[0].text);
    let found = scanned(&[(FILE, ".gitattributes", b"* -diff binary\n"), (FILE, "a", text.as_bytes())]).await;
    assert_eq!(
        facts(&found),
        [
            ("protected_path", BLOCKING, ".gitattributes", None),
            ("secret", BLOCKING, "a", Some(2)),
            ("binary", NOTE, "a", None)
        ]
    );
}

#[tokio::test]
async fn lines_that_look_like_a_diff_do_not_mislead() {
    let text = format!("+++ b/other\n@@ -0,0 +1,9 @@\n{}\n", seeds(1)[0].text);
    let found = scanned(&[(FILE, "odd \"name\"\t\u{e4}", text.as_bytes())]).await;
    let secret: Vec<_> = facts(&found).into_iter().filter(|fact| fact.0 == "secret").collect();
    assert_eq!(secret, [("secret", BLOCKING, "odd \"name\"\u{e4}", Some(3))]);
}

#[tokio::test]
async fn a_link_that_leads_out_blocks_and_one_inside_is_a_note() {
    let found = scanned(&[
        ("120000", "a/absolute", b"/etc/passwd"),
        ("120000", "a/folded", b"b/../../../x"),
        ("120000", "a/inside", b"../b"),
        ("120000", "a/out", b"../../x"),
        ("120000", "git", b".GIT/config"),
    ])
    .await;
    assert_eq!(
        facts(&found),
        [
            ("symlink", BLOCKING, "a/absolute", None),
            ("symlink", BLOCKING, "a/folded", None),
            ("symlink", BLOCKING, "a/out", None),
            ("symlink", BLOCKING, "git", None),
            ("symlink", NOTE, "a/inside", None)
        ]
    );
}

#[tokio::test]
async fn a_submodule_added_or_moved_blocks_and_one_taken_out_does_not() {
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    let with = |id: &'static str| [("160000", "lib", id.as_bytes())];
    let (one, two) = (&*one.leak(), &*two.leak());
    let policy = Policy::default();
    assert_eq!(facts(&compared(&[], &with(one), &policy).await), [("submodule", BLOCKING, "lib", None)]);
    assert_eq!(
        facts(&compared(&with(one), &with(two), &policy).await),
        [("submodule", BLOCKING, "lib", None)]
    );
    assert_eq!(compared(&with(one), &[], &policy).await, []);
}

#[tokio::test]
async fn names_that_some_file_system_takes_for_git_block() {
    let names = [
        ".GIT/config",
        ".g\u{200c}it/config",
        ".git ./config",
        ".git::$INDEX_ALLOCATION/config",
        "GIT~1/config",
        "a/.gitconfig",
        "b/.GitModules",
        "gitmod~1",
    ];
    for name in names {
        let found = scanned(&[(FILE, name, b"x\n")]).await;
        assert!(found.iter().any(|f| f.rule == "git_file" && f.severity == BLOCKING), "{name}: {found:?}");
        assert!(!found[0].path.contains('\u{200c}'));
    }
    assert_eq!(scanned(&[(FILE, ".github/ISSUE_TEMPLATE.md", b"x\n"), (FILE, ".gitkeep", b"")]).await, []);
}

#[tokio::test]
async fn paths_that_leave_the_repository_block() {
    for name in ["a/../b", "a\\..\\b", "C:\\a", "./a"] {
        let found = scanned(&[(FILE, name, b"x\n")]).await;
        assert!(
            found.iter().any(|f| f.rule == "path_traversal" && f.severity == BLOCKING),
            "{name}: {found:?}"
        );
    }
}

#[tokio::test]
async fn two_paths_that_differ_in_letter_case_only_block() {
    let before = [(FILE, "src/readme", &b"a\n"[..])];
    let after =
        [(FILE, "Src/other", &b"b\n"[..]), (FILE, "src/README", b"b\n"), (FILE, "src/readme", b"a\n")];
    let found = compared(&before, &after, &Policy::default()).await;
    assert_eq!(
        facts(&found),
        [("case_clash", BLOCKING, "Src", None), ("case_clash", BLOCKING, "src/README", None)]
    );
}

#[tokio::test]
async fn characters_that_turn_the_writing_block_and_those_without_width_are_noted() {
    let found = scanned(&[
        (FILE, "a.rs", "fn a() {}\n// \u{202e}x\n".as_bytes()),
        (FILE, "b.rs", "\u{feff}fn b() {}\nlet a\u{200b}b = 1;\n".as_bytes()),
        (FILE, "c.md", "\u{1f468}\u{200d}\u{1f469} is a family\n".as_bytes()),
    ])
    .await;
    assert_eq!(facts(&found), [("bidi", BLOCKING, "a.rs", Some(2)), ("zero_width", NOTE, "b.rs", Some(2))]);
}

#[tokio::test]
async fn budgets_of_bytes_files_and_lines_are_counted_against_the_base() {
    let policy = Policy { max_files: 1, max_added_lines: 3, max_file_bytes: 10, ..Policy::default() };
    let after = [(FILE, "a", &b"1\n2\n3\n4\n"[..]), (FILE, "b", b"12345678901\n")];
    let found = compared(&[], &after, &policy).await;
    assert_eq!(
        facts(&found),
        [
            ("diff_budget", BLOCKING, "", None),
            ("diff_budget", BLOCKING, "", None),
            ("big_file", BLOCKING, "b", None)
        ]
    );
    let details: Vec<&str> = found.iter().map(|finding| finding.detail.as_str()).collect();
    assert!(details[0].contains("2 files") && details[1].contains("5 added lines"), "{details:?}");
    let none = Policy { max_files: 0, max_added_lines: 0, max_file_bytes: 0, ..policy };
    assert_eq!(compared(&[], &after, &none).await, []);
}

#[tokio::test]
async fn protected_paths_block_by_name_by_the_operator_and_by_contract() {
    let names = [
        ".circleci/config.yml",
        ".gitattributes",
        ".github/actions/a/action.yml",
        ".github/workflows/ci.yml",
        ".gitlab-ci.yml",
        "docs/CODEOWNERS",
        "pipeline.yml",
        "sub/Jenkinsfile",
    ];
    let files = names.map(|name| (FILE, name, &b"x\n"[..]));
    let found = scanned(&files).await;
    assert_eq!(facts(&found), names.map(|name| ("protected_path", BLOCKING, name, None)));
    let policy = Policy {
        protect: vec!["infra/**".to_owned()],
        unprotect: vec![".github/workflows/*.yml".to_owned(), "pipeline.yml".to_owned()],
        ..Policy::default()
    };
    let files =
        [".github/workflows/ci.yml", "infra/a/b.tf", "pipeline.yml"].map(|name| (FILE, name, &b"x\n"[..]));
    let found = compared(&[], &files, &policy).await;
    let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["infra/a/b.tf", "pipeline.yml"]);
    // Taking a protected file away changes who decides as well.
    let found = compared(&[(FILE, "CODEOWNERS", b"x\n")], &[], &Policy::default()).await;
    assert_eq!(facts(&found), [("protected_path", BLOCKING, "CODEOWNERS", None)]);
}

#[tokio::test]
async fn what_steers_later_agents_blocks_under_a_word_of_its_own() {
    let names = [".claude/settings.json", "AGENTS.md", "sub/CLAUDE.md"];
    let found = scanned(&names.map(|name| (FILE, name, &b"x\n"[..]))).await;
    assert_eq!(facts(&found), names.map(|name| ("agent_instructions", BLOCKING, name, None)));
}

#[tokio::test]
async fn what_a_person_should_see_is_noted() {
    let before = [
        (FILE, "a/package.json", &br#"{"version":"1","scripts":{"test":"x"}}"#[..]),
        (FILE, "b/package.json", br#"{"scripts":{"test":"x"}}"#),
        (FILE, "run.sh", b"x\n"),
    ];
    let after = [
        (FILE, "a/package.json", &br#"{"version":"2","scripts":{"test":"x"}}"#[..]),
        (FILE, "b/package.json", br#"{"scripts":{"test":"x","postinstall":"y"}}"#),
        (FILE, "build.rs", b"fn main() {}\n"),
        (FILE, "Cargo.lock", b"x\n"),
        (FILE, "data.bin", b"a\0b\n"),
        ("100755", "run.sh", b"x\n"),
    ];
    let found = compared(&before, &after, &Policy::default()).await;
    assert_eq!(
        facts(&found),
        [
            ("lockfile", NOTE, "Cargo.lock", None),
            ("package_scripts", NOTE, "b/package.json", None),
            ("package_scripts", NOTE, "build.rs", None),
            ("binary", NOTE, "data.bin", None),
            ("executable", NOTE, "run.sh", None)
        ]
    );
}

#[tokio::test]
async fn blocking_findings_come_first_and_what_is_too_much_is_counted() {
    let names: Vec<String> = (0..250).map(|number| format!("d{number:03}/build.rs")).collect();
    let mut files: Vec<File<'_>> = names.iter().map(|name| (FILE, name.as_str(), &b"x\n"[..])).collect();
    files.push((FILE, "z/AGENTS.md", b"x\n"));
    let found = scanned(&files).await;
    assert_eq!((found.len(), found[0].path.as_str()), (201, "z/AGENTS.md"));
    assert_eq!(facts(&found)[200], ("more", NOTE, "", None));
    assert_eq!(found[200].detail, "51 more findings: package_scripts");
}

#[tokio::test]
async fn a_diff_too_large_to_read_is_a_finding() {
    let line = format!("{}\n", "x y ".repeat(32));
    let text = line.repeat(25 * 1024 * 1024 / line.len());
    let policy = Policy { max_file_bytes: 0, ..Policy::default() };
    let found = compared(&[], &[(FILE, "a", text.as_bytes())], &policy).await;
    assert_eq!(facts(&found), [("diff_budget", BLOCKING, "", None)]);
}

#[tokio::test]
async fn a_new_file_nobody_added_to_an_index_is_scanned_after_a_capture() {
    let world = World::with(&[("a", "a\n")]);
    let (run, spec) = run();
    let prepared = world.workspace.prepare(&run, &spec).await.unwrap();
    let clone = world.workspace.path(&spec.repo, &run);
    put(&clone.join("new.txt"), &seeds(1)[0].text);
    let change = world.workspace.capture(&order(&run, &spec, &prepared)).await.unwrap().unwrap();
    // What is in the workspace afterwards does not matter.
    put(&clone.join("new.txt"), "clean\n");
    let found = world
        .workspace
        .scan(&spec.repo, &prepared.base_sha, &change.head_sha, &Policy::default())
        .await
        .unwrap();
    assert_eq!(facts(&found), [("secret", BLOCKING, "new.txt", Some(1))]);
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_an_error() {
    let world = World::with(&[("a", "a\n")]);
    let (run, spec) = run();
    let prepared = world.workspace.prepare(&run, &spec).await.unwrap();
    let absent = CommitSha::new("1".repeat(40)).unwrap();
    let refused = world.workspace.scan(&spec.repo, &prepared.base_sha, &absent, &Policy::default()).await;
    assert!(matches!(refused, Err(WorkspaceError::Failed(_))), "{refused:?}");
}
