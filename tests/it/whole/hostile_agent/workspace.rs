//! Agents that reach for what is not theirs: the contract, git's own files, the remote, their workspace.

use crate::harness::git;

use super::super::Scene;
use super::{Stage, Told};

const WORK: &str = "write answer.txt 42\n";
const CONTRACT: &str = "version: 1\ntests:\n  cmds:\n    - sh check.sh\n";

/// A repository with a contract of its own.
pub(super) fn with_contract() -> Scene {
    let scene = Scene::new();
    git::commit_on(&scene.remote, "main", "Agree", &[("pipeline.yml", CONTRACT)]);
    scene
}

impl Stage {
    /// A run whose workspace is gone says so; ordered again with a good agent, it has a workspace again.
    fn lost_and_mended(&self, told: &Told, tier: &str) {
        let run = told.events[0]["run_id"].as_str().unwrap();
        assert_eq!(told.agent()["evidence"]["exit_code"], 0, "{}", told.lines());
        // Behind a wall the workspace is a mount of its own, and only what is in it can go.
        if tier == "bubblewrap" {
            return told.is("NEEDS_HUMAN_REVIEW", "guard_violation");
        }
        assert_eq!((told.state.as_str(), told.failure()), ("FAILED_RETRYABLE", "workspace_missing"));
        let log = self.scene.sandbox.agentpr(&["logs", run]).ok();
        assert!(!log.stdout.is_empty(), "what the agent said is kept");
        self.scene.sandbox.write(&format!("{run}.script"), WORK);
        let _again = self.scene.sandbox.agentpr(&["retry", run]).ok();
        self.moves_on(run, told);
        self.rests(run).is("NEEDS_HUMAN_REVIEW", "ready_for_review");
    }
}

/// What a file of the captured change holds.
fn captured(stage: &Stage, run: &str, file: &str) -> String {
    stage
        .scene
        .sandbox
        .agentpr(&["diff", run])
        .ok()
        .stdout
        .lines()
        .filter(|line| line.contains(file))
        .collect()
}

#[test]
fn an_edited_contract_is_put_back_and_the_rest_is_judged() {
    let stage = Stage::over(with_contract());
    let script = format!("{WORK}append pipeline.yml # weaker\n");
    stage.in_each_mode(&script, "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        assert_eq!(told.breaches(), ["pipeline.yml changed"]);
    });
    assert_eq!(captured(&stage, "bad-0", "pipeline.yml"), "");
    stage.goes_on();
}

#[test]
fn an_agent_that_only_edits_the_contract_ends_at_a_person() {
    let stage = Stage::over(with_contract());
    stage.in_each_mode("write pipeline.yml version: 1\n", "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "guard_violation");
        assert_eq!(told.breaches().len(), 3, "{}", told.lines());
    });
    stage.goes_on();
}

#[test]
fn commits_branches_and_hooks_of_an_agent_have_no_effect() {
    let stage = Stage::start();
    let script = format!(
        "{WORK}sh git -c user.name=a -c user.email=a@b commit -qam mine\nsh git checkout -q -b elsewhere\n\
         sh git branch -f main elsewhere\nwrite .git/hooks/pre-commit exit 1\ntouch .git/index.lock\n"
    );
    stage.in_each_mode(&script, "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        let breaches = told.breaches();
        assert!(breaches.contains(&".git/hooks/pre-commit git_internals".to_owned()), "{breaches:?}");
        assert!(breaches.iter().any(|one| one.contains(" head")), "{breaches:?}");
        assert!(breaches.iter().any(|one| one.contains("elsewhere ref")), "{breaches:?}");
    });
    stage.goes_on();
}

#[test]
fn a_push_of_the_agent_stops_the_run_where_no_wall_stops_the_push() {
    let stage = Stage::start();
    let remote = stage.scene.remote.display().to_string();
    let before = git::all_refs(&stage.scene.remote);
    for (at, mode) in super::MODES.into_iter().enumerate() {
        let run = format!("bad-{at}");
        let script = format!("{WORK}try git push -q {remote} HEAD:refs/heads/agentpr/{run}\n");
        let told = stage.plays(&run, &script, &format!("--sandbox {mode}"));
        let was_pushed = git::tip(&stage.scene.remote, &format!("refs/heads/agentpr/{run}")).is_some();
        if was_pushed {
            told.is("NEEDS_HUMAN_REVIEW", "safety_violation");
            assert_eq!(told.breaches(), [format!("agentpr/{run} pushed")]);
        } else {
            assert_eq!(mode, "auto");
            assert_ne!(told.agent()["evidence"]["tier"], "open");
        }
    }
    assert_ne!(git::all_refs(&stage.scene.remote), before);
    stage.goes_on();
}

#[test]
fn a_deleted_workspace_is_made_again_for_the_next_attempt() {
    let stage = Stage::start();
    let script = format!("{WORK}print I was here\ntry rm -rf \"$PWD\"\n");
    stage.in_each_mode(&script, "", |told, tier| stage.lost_and_mended(told, tier));
    stage.goes_on();
}

#[test]
fn a_link_in_the_place_of_the_workspace_is_not_followed() {
    let stage = Stage::start();
    let victim = stage.scene.sandbox.write("victim/answer.txt", "mine\n");
    let folder = victim.parent().unwrap().display().to_string();
    let script = format!("try p=$PWD; cd /; rm -rf \"$p\"; ln -s {folder} \"$p\"\n");
    stage.in_each_mode(&script, "", |told, tier| stage.lost_and_mended(told, tier));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine\n");
    assert_eq!(std::fs::read_dir(victim.parent().unwrap()).unwrap().count(), 1);
    stage.goes_on();
}

#[test]
fn a_push_is_told_even_when_the_workspace_is_gone_afterwards() {
    let stage = Stage::start();
    let remote = stage.scene.remote.display().to_string();
    let script = format!("{WORK}sh git push -q {remote} HEAD:refs/heads/agentpr/bad\nsh rm -rf \"$PWD\"\n");
    let told = stage.plays("bad", &script, "--sandbox danger-full-access");
    told.is("NEEDS_HUMAN_REVIEW", "safety_violation");
    assert_eq!(told.breaches(), ["agentpr/bad pushed"]);
    stage.goes_on();
}

#[test]
fn what_an_agent_writes_outside_does_not_get_there_behind_a_wall() {
    let stage = Stage::start();
    let outside = stage.scene.sandbox.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let db = stage.scene.sandbox.db();
    let script = format!(
        "{WORK}try echo x > {}/$(basename $PWD)\ntry echo x > ../escaped\ntry test -s {}\n",
        outside.display(),
        db.display()
    );
    stage.in_each_mode(&script, "", |told, tier| {
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        let run = told.events[0]["run_id"].as_str().unwrap();
        let log = stage.scene.sandbox.agentpr(&["logs", run]).ok().stdout;
        let is_open = tier == "open";
        assert_eq!(outside.join(run).exists(), is_open, "{log}");
        assert_eq!(log.matches("Ok(())").count() == 3, is_open, "{log}");
    });
    stage.goes_on();
}
