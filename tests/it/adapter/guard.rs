//! What a phase of an agent's work may not touch is put back, and everything else stays as it is.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use agentpr::adapters::git::control::ControlRepos;
use agentpr::adapters::git::program::Git;
use agentpr::adapters::git::remote::Remotes;
use agentpr::adapters::workspace::{GitWorkspace, WorkspaceSettings};
use agentpr::domain::guard::{Breach, GuardReport, Scope};
use agentpr::domain::id::{AttemptNo, RunId};
use agentpr::domain::spec::RunSpec;
use agentpr::ports::workspace::{GuardOrder, Judged, Workspace};

use super::world::{World, git, parent, put, run};

/// A world with one workspace, which may or may not be a git repository.
pub(super) struct Guarded {
    pub(super) world: World,
    pub(super) id: RunId,
    pub(super) spec: RunSpec,
    pub(super) files: PathBuf,
    pub(super) order: GuardOrder,
}

impl Guarded {
    pub(super) async fn repository(files: &[(&str, &str)]) -> Self {
        let world = World::with(files);
        let (id, spec) = run();
        world.workspace.prepare(&id, &spec).await.unwrap();
        Self::of(world, id, spec)
    }

    pub(super) fn plain(files: &[(&str, &str)]) -> Self {
        let world = World::new();
        let (id, spec) = run();
        let dir = world.workspace.path(&spec.repo, &id);
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in files {
            put(&dir.join(name), text);
        }
        Self::of(world, id, spec)
    }

    fn of(world: World, id: RunId, spec: RunSpec) -> Self {
        let files = world.workspace.path(&spec.repo, &id);
        let order = GuardOrder {
            run: id.clone(),
            attempt: AttemptNo(1),
            repo: spec.repo.clone(),
            scope: Scope::Plan,
            plan: "PLAN.md".to_owned(),
            contract: "pipeline.yml".to_owned(),
            protect: Vec::new(),
            unprotect: Vec::new(),
        };
        Self { world, id, spec, files, order }
    }

    pub(super) fn scope(mut self, scope: Scope) -> Self {
        self.order.scope = scope;
        self
    }

    pub(super) async fn begin(&self) -> Vec<Judged> {
        self.world.workspace.begin_phase(&self.order).await.unwrap()
    }

    pub(super) async fn end(&self) -> GuardReport {
        self.world.workspace.end_phase(&self.order).await.unwrap()
    }

    pub(super) fn put(&self, name: &str, text: &str) {
        put(&self.files.join(name), text);
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.files.join(name)).unwrap()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.files.join(name)).is_ok()
    }
}

/// Paths and breaches of a report, sorted.
pub(super) fn listed(report: &GuardReport) -> Vec<(&str, Breach)> {
    let mut rows: Vec<_> = report.violations.iter().map(|one| (one.path.as_str(), one.breach)).collect();
    rows.sort_by_key(|row| row.0);
    rows
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below a folder: path, mode, content or target.
pub(super) fn everything(dir: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let facts = fs::symlink_metadata(&path).unwrap();
            let content = if facts.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if facts.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if facts.is_file() {
                fs::read(&path).unwrap()
            } else {
                b"special".to_vec()
            };
            found.push((
                path.strip_prefix(dir).unwrap().to_string_lossy().into_owned(),
                mode(&path),
                content,
            ));
        }
    }
    found.sort();
    found
}

async fn dirty_work_survives(guarded: Guarded) {
    guarded.put("mine", "the user's own edit\n");
    guarded.put("sub/new", "the step's new file\n");
    let before = everything(&guarded.files);
    assert_eq!(guarded.begin().await, []);
    guarded.put("other", "not in this phase\n");
    guarded.put("PLAN.md", "# the plan\n");
    let report = guarded.end().await;
    assert_eq!(listed(&report), [("other", Breach::Changed)]);
    assert_eq!(report.scope, Scope::Plan);
    assert_eq!(guarded.text("PLAN.md"), "# the plan\n");
    fs::remove_file(guarded.files.join("PLAN.md")).unwrap();
    assert_eq!(everything(&guarded.files), before);
}

#[tokio::test]
async fn fsm_20_finished_work_and_dirty_files_are_the_same_after_a_plan_phase() {
    dirty_work_survives(Guarded::repository(&[("mine", "m\n"), ("other", "o\n")]).await).await;
}

#[tokio::test]
async fn f1_a_plan_phase_does_not_undo_the_step_before_it() {
    let guarded = Guarded::repository(&[("foo", "begin\n")]).await.scope(Scope::Build);
    guarded.begin().await;
    guarded.put("foo", "step 1\n");
    assert!(guarded.end().await.is_clean());
    let guarded = guarded.scope(Scope::Plan);
    guarded.begin().await;
    guarded.put("PLAN.md", "next\n");
    assert!(guarded.end().await.is_clean());
    assert_eq!(guarded.text("foo"), "step 1\n");
}

#[tokio::test]
async fn f2_the_users_uncommitted_edit_is_put_back_as_it_was_and_not_as_committed() {
    let guarded = Guarded::repository(&[("dirty", "committed\n")]).await;
    guarded.put("dirty", "the user's\n");
    guarded.begin().await;
    guarded.put("dirty", "the agent's\n");
    assert_eq!(listed(&guarded.end().await), [("dirty", Breach::Changed)]);
    assert_eq!(guarded.text("dirty"), "the user's\n");
}

#[tokio::test]
async fn f3_a_new_file_of_the_plan_phase_is_removed() {
    let guarded = Guarded::repository(&[("a", "1\n"), (".gitignore", "*.log\n")]).await;
    guarded.begin().await;
    guarded.put("new/deep/file", "x\n");
    guarded.put("hidden", "x\n");
    // An ignore rule of this phase hides nothing of this phase.
    guarded.put(".gitignore", "*.log\nhidden\n");
    guarded.put("noise.log", "left alone\n");
    let report = guarded.end().await;
    let wanted =
        [(".gitignore", Breach::Changed), ("hidden", Breach::Created), ("new/deep/file", Breach::Created)];
    assert_eq!(listed(&report), wanted);
    assert!(!guarded.has("new") && !guarded.has("hidden") && guarded.has("noise.log"));
}

async fn every_kind_of_edit_is_undone(guarded: Guarded) {
    chmod(&guarded.files.join("c"), 0o640);
    let before = everything(&guarded.files);
    guarded.begin().await;
    guarded.put("x", "new\n");
    fs::remove_file(guarded.files.join("a")).unwrap();
    fs::rename(guarded.files.join("b"), guarded.files.join("b2")).unwrap();
    chmod(&guarded.files.join("c"), 0o777);
    symlink("/etc", guarded.files.join("out")).unwrap();
    let report = guarded.end().await;
    let wanted = [
        ("a", Breach::Deleted),
        ("b", Breach::Deleted),
        ("b2", Breach::Created),
        ("c", Breach::Mode),
        ("out", Breach::Created),
        ("x", Breach::Created),
    ];
    assert_eq!((listed(&report), report.count), (wanted.to_vec(), 6));
    assert_eq!(everything(&guarded.files), before);
}

const EDITED: [(&str, &str); 3] = [("a", "1\n"), ("b", "2\n"), ("c", "3\n")];

#[tokio::test]
async fn fsm_21_new_deleted_renamed_chmodded_and_linked_files_are_undone_and_listed() {
    every_kind_of_edit_is_undone(Guarded::repository(&EDITED).await).await;
}

#[tokio::test]
async fn fsm_26_a_plain_directory_is_guarded_like_a_repository() {
    dirty_work_survives(Guarded::plain(&[("mine", "m\n"), ("other", "o\n")])).await;
    every_kind_of_edit_is_undone(Guarded::plain(&EDITED)).await;
    let guarded = Guarded::plain(&EDITED).scope(Scope::Build);
    guarded.begin().await;
    git(&guarded.files, &["init", "--quiet"]);
    assert!(listed(&guarded.end().await).iter().all(|(_, breach)| *breach == Breach::GitInternals));
    assert!(!guarded.has(".git"));
}

async fn commit_is_undone(scope: Scope) -> (Guarded, GuardReport) {
    let guarded = Guarded::repository(&[("a", "1\n")]).await.scope(scope);
    let head = git(&guarded.files, &["rev-parse", "HEAD"]);
    guarded.begin().await;
    guarded.put("a", "2\n");
    git(&guarded.files, &["commit", "--quiet", "--all", "-m", "mine"]);
    let report = guarded.end().await;
    assert_eq!(git(&guarded.files, &["rev-parse", "HEAD"]), head);
    assert!(!git(&guarded.files, &["log", "--all", "--format=%s"]).contains("mine"));
    (guarded, report)
}

#[tokio::test]
async fn fsm_22_f4_a_commit_in_the_plan_phase_is_undone_with_its_content() {
    let (guarded, report) = commit_is_undone(Scope::Plan).await;
    let branch = format!("refs/heads/{}", guarded.spec.head_branch);
    assert_eq!(listed(&report), [("a", Breach::Changed), (branch.as_str(), Breach::Ref)]);
    assert_eq!(guarded.text("a"), "1\n");
    assert_eq!(git(&guarded.files, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn fsm_22_a_commit_in_a_build_phase_keeps_its_content() {
    let (guarded, report) = commit_is_undone(Scope::Build).await;
    assert_eq!(report.count, 1);
    assert_eq!(guarded.text("a"), "2\n");
}

#[tokio::test]
async fn fsm_22_head_and_every_ref_go_back() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await.scope(Scope::Build);
    git(&guarded.files, &["tag", "old"]);
    git(&guarded.files, &["branch", "gone"]);
    let refs = || git(&guarded.files, &["for-each-ref"]);
    let (before, head) = (refs(), guarded.text(".git/HEAD"));
    guarded.begin().await;
    git(&guarded.files, &["checkout", "--quiet", "--detach"]);
    git(&guarded.files, &["commit", "--quiet", "--allow-empty", "-m", "x"]);
    git(&guarded.files, &["tag", "--force", "old", "HEAD"]);
    git(&guarded.files, &["branch", "--quiet", "-D", "gone"]);
    git(&guarded.files, &["branch", "new"]);
    git(&guarded.files, &["pack-refs", "--all"]);
    let report = guarded.end().await;
    let wanted = [
        ("HEAD", Breach::Head),
        ("refs/heads/gone", Breach::Ref),
        ("refs/heads/new", Breach::Ref),
        ("refs/tags/old", Breach::Ref),
    ];
    assert_eq!(listed(&report), wanted);
    assert_eq!((refs(), guarded.text(".git/HEAD")), (before, head));
    // Packing the same refs is no move.
    guarded.begin().await;
    git(&guarded.files, &["pack-refs", "--all"]);
    git(&guarded.files, &["gc", "--quiet"]);
    assert_eq!(listed(&guarded.end().await), []);
}

#[tokio::test]
async fn fsm_23_f5_an_edited_contract_is_put_back_after_every_phase() {
    let mut guarded = Guarded::repository(&[("ci/pipeline.yml", "tests: real\n")]).await;
    guarded.order.contract = "ci/pipeline.yml".to_owned();
    for scope in [Scope::Plan, Scope::Build, Scope::Build, Scope::Plan, Scope::Nothing] {
        guarded.order.scope = scope;
        guarded.begin().await;
        guarded.put("ci/pipeline.yml", "tests: 'true'\n");
        assert_eq!(listed(&guarded.end().await), [("ci/pipeline.yml", Breach::Changed)]);
        assert_eq!(guarded.text("ci/pipeline.yml"), "tests: real\n");
    }
    guarded.order.unprotect = vec!["**".to_owned()];
    guarded.order.scope = Scope::Build;
    guarded.begin().await;
    fs::remove_dir_all(guarded.files.join("ci")).unwrap();
    symlink("elsewhere", guarded.files.join("ci")).unwrap();
    guarded.put("elsewhere/pipeline.yml", "tests: 'true'\n");
    let report = guarded.end().await;
    assert!(listed(&report).contains(&("ci/pipeline.yml", Breach::Deleted)), "{report:?}");
    assert_eq!(guarded.text("ci/pipeline.yml"), "tests: real\n");
}

#[tokio::test]
async fn fsm_25_f6_hooks_state_and_workflows_are_protected() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await.scope(Scope::Build);
    let config = guarded.text(".git/config");
    guarded.begin().await;
    guarded.put(".git/hooks/pre-commit", "#!/bin/sh\n");
    guarded.put(".git/config", "[core]\n\tfsmonitor = evil\n");
    guarded.put(".git/info/attributes", "* filter=evil\n");
    guarded.put(".git/objects/info/alternates", "/elsewhere\n");
    guarded.put(".aider_fsm/state.json", "{}\n");
    guarded.put(".aider_fsm/actions.yml", "actions: []\n");
    guarded.put(".github/workflows/x.yml", "on: push\n");
    guarded.put(".git/index.lock", "");
    guarded.put("a", "2\n");
    guarded.put("b", "new\n");
    let report = guarded.end().await;
    let wanted = [
        (".aider_fsm/state.json", Breach::Created),
        (".git/config", Breach::GitInternals),
        (".git/hooks/pre-commit", Breach::GitInternals),
        (".git/info/attributes", Breach::GitInternals),
        (".git/objects/info/alternates", Breach::GitInternals),
        (".github/workflows/x.yml", Breach::Created),
    ];
    assert_eq!(listed(&report), wanted);
    assert_eq!((guarded.text("a"), guarded.text("b")), ("2\n".to_owned(), "new\n".to_owned()));
    assert_eq!(guarded.text(".git/config"), config);
    assert!(guarded.has(".aider_fsm/actions.yml") && !guarded.has(".git/index.lock"));
    assert!(!guarded.has(".git/hooks") && !guarded.has(".github"));
}

#[tokio::test]
async fn globs_protect_more_and_unprotect_lifts_only_the_built_in_names() {
    let mut guarded = Guarded::repository(&[(".gitignore", "secret/\n")]).await.scope(Scope::Build);
    guarded.order.protect = vec!["infra/**".to_owned(), "secret".to_owned()];
    guarded.order.unprotect = vec![".github/workflows/*.yml".to_owned(), "infra/**".to_owned()];
    guarded.begin().await;
    guarded.put("infra/a/b", "x\n");
    guarded.put("secret/key", "x\n");
    guarded.put(".github/workflows/x.yml", "x\n");
    guarded.put(".github/workflows/x.txt", "x\n");
    let report = guarded.end().await;
    let wanted = [
        (".github/workflows/x.txt", Breach::Created),
        ("infra/a/b", Breach::Created),
        ("secret/key", Breach::Created),
    ];
    assert_eq!(listed(&report), wanted);
    assert!(guarded.has(".github/workflows/x.yml"));
}

#[tokio::test]
async fn fsm_27_checkpoints_are_refs_of_the_control_repository_and_go_with_the_run() {
    let guarded = Guarded::repository(&[("a", "1\n")]).await;
    let prepared = guarded.world.workspace.prepare(&guarded.id, &guarded.spec).await.unwrap();
    let state = |what: &str| git(&guarded.files, &["rev-parse", what]);
    let (head, index) = (state("HEAD"), fs::read(guarded.files.join(".git/index")).unwrap());
    for attempt in 1..=3 {
        guarded.put("a", &format!("step {attempt}\n"));
        let change = guarded.world.capture(&guarded.id, &guarded.spec, &prepared).await.unwrap().unwrap();
        let workspace = &guarded.world.workspace;
        workspace
            .checkpoint(&guarded.spec.repo, &guarded.id, AttemptNo(attempt), &change.head_sha)
            .await
            .unwrap();
    }
    let control = guarded.world.control.path(&guarded.spec.repo);
    let kept = || git(&control, &["for-each-ref", &format!("refs/agentpr/{}/", guarded.id)]);
    assert_eq!(kept().lines().count(), 3);
    assert_eq!((state("HEAD"), fs::read(guarded.files.join(".git/index")).unwrap()), (head, index));
    assert_eq!(git(&guarded.files, &["stash", "list"]), "");
    guarded.world.workspace.remove(&guarded.spec.repo, &guarded.id).await.unwrap();
    assert_eq!(kept(), "");
}

#[tokio::test]
async fn a_phase_that_was_cut_off_is_judged_when_the_next_begins() {
    let guarded = Guarded::repository(&[("a", "1\n"), (".mcp.json", "{}\n")]).await;
    guarded.begin().await;
    guarded.put("a", "2\n");
    // Nothing of the first engine is left but what is on the disk.
    let data_dir = guarded.world.root.path().join("data");
    let control = ControlRepos::new(data_dir.clone(), Git::new(&parent()));
    let settings = WorkspaceSettings {
        data_dir,
        workspace_root: guarded.world.root.path().join("workspaces"),
        author_name: "agentpr".to_owned(),
        author_email: "agentpr@localhost".to_owned(),
        change_cap: 4 * 1024 * 1024,
    };
    let remotes = Remotes::new(guarded.world.root.path().join("forge"));
    let second = GitWorkspace::new(settings, remotes, control);
    let mut order = guarded.order.clone();
    order.scope = Scope::Build;
    order.attempt = AttemptNo(2);
    let judged = second.begin_phase(&order).await.unwrap();
    let [Judged { attempt: AttemptNo(1), report }] = judged.as_slice() else { panic!("{judged:?}") };
    assert_eq!((report.scope, listed(report)), (Scope::Plan, vec![("a", Breach::Changed)]));
    assert_eq!(guarded.text("a"), "1\n");
    assert!(!guarded.has(".mcp.json"));
    guarded.put("a", "3\n");
    assert!(second.end_phase(&order).await.unwrap().is_clean());
    assert_eq!((guarded.text("a"), guarded.text(".mcp.json")), ("3\n".to_owned(), "{}\n".to_owned()));
    assert!(second.end_phase(&order).await.unwrap().is_clean(), "no picture is no error");
}

#[tokio::test]
async fn what_was_found_is_told_again_until_it_is_known_to_be_in_the_log() {
    let mut guarded = Guarded::repository(&[("a", "1\n")]).await;
    for attempt in [1, 2] {
        guarded.order.attempt = AttemptNo(attempt);
        guarded.begin().await;
        guarded.put(&format!("new-{attempt}"), "x\n");
        // The engine dies here, before it could write down what it was told.
        assert_eq!(guarded.end().await.count, 1);
    }
    for _ in 0..2 {
        guarded.order.attempt = AttemptNo(3);
        let told: Vec<u32> = guarded.begin().await.iter().map(|judged| judged.attempt.0).collect();
        assert_eq!(told, [1, 2]);
        assert!(guarded.end().await.is_clean());
    }
    guarded.world.workspace.forget_judged(&guarded.spec.repo, &guarded.id).await.unwrap();
    assert_eq!(guarded.begin().await, []);
}
