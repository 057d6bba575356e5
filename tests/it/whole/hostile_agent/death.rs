//! Engines that die while an agent works, by a crash or by the agent's own hand.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::sandbox::finish;

use super::super::Scene;
use super::workspace::with_contract;
use super::{MODES, Stage, engine_of};
use crate::harness::skip::skipped;

const WORK: &str = "write answer.txt 42\n";

/// The signal of a death that nothing could prevent.
const KILLED: Option<i32> = Some(9);

#[test]
fn a_phase_that_was_cut_off_is_judged_by_the_next_engine() {
    for point in ["agent_ended", "phase_ended"] {
        for mode in MODES {
            let scene = with_contract();
            let script = format!("{WORK}append pipeline.yml # weaker\nfork-session 600\n");
            let agent = scene.sandbox.fake_agent("weak.script", &script);
            scene.submit("r1", &agent, &format!("--sandbox {mode}"));
            let mut command = scene.sandbox.command(&["manager-tick"]);
            let died = finish(command.env("AGENTPR_CRASH_AT", format!("{point}#1")).spawn().unwrap());
            assert_eq!(died.code, None, "{}", died.stderr);

            scene.sandbox.write("weak.script", WORK);
            let stage = Stage::over(scene);
            let told = stage.rests("r1");
            told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
            assert_eq!(told.breaches(), ["pipeline.yml changed"], "{point}: {}", told.lines());
            let ends = told.of("attempt.ended");
            assert!(ends.iter().any(|end| end["step"] == "agent" && end["outcome"] == "interrupted"));
            let diff = stage.scene.sandbox.agentpr(&["diff", "r1"]).ok().stdout;
            assert!(!diff.contains("pipeline.yml"), "{diff}");
            stage.is_gone("r1");
            stage.goes_on();
        }
    }
}

#[test]
fn what_works_on_after_the_engine_was_killed_is_ended_by_the_next() {
    for mode in MODES {
        let mut stage = Stage::over(with_contract());
        let script = format!(
            "sh test -e ran.txt || {{ echo '# weaker' >> pipeline.yml; setsid sleep 600 & touch ran.txt; sleep 600; }}\n{WORK}"
        );
        let agent = stage.scene.sandbox.fake_agent("slow.script", &script);
        stage.scene.submit("r1", &agent, &format!("--sandbox {mode}"));
        let ran = stage.scene.sandbox.path().join("data/workspaces/acme/parser/r1/ran.txt");
        wait_for(|| ran.exists());
        stage.engine.kill().unwrap();
        let _reaped = stage.engine.wait().unwrap();
        stage.engine = engine_of(&stage.scene);
        let told = stage.rests("r1");
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        assert_eq!(told.breaches(), ["pipeline.yml changed"], "{}", told.lines());
        stage.is_gone("r1");
        stage.goes_on();
    }
}

#[test]
fn an_agent_that_kills_the_engine_wins_nothing_and_behind_a_wall_it_cannot() {
    use std::os::unix::process::ExitStatusExt;
    for mode in MODES {
        let mut stage = Stage::over(Scene::new());
        // Never the group 1: that is everybody.
        let attack = "test $engine -le 1 || kill -9 -$engine; kill -9 $engine";
        let script = format!(
            "sh test -e ran.txt || {{ touch ran.txt; engine=$(cut -d' ' -f4 /proc/$PPID/stat); {attack}; sleep 1; }}; true\n{WORK}"
        );
        let agent = stage.scene.sandbox.fake_agent("killer.script", &script);
        stage.scene.submit("r1", &agent, &format!("--sandbox {mode}"));
        let workspace = stage.scene.sandbox.path().join("data/workspaces/acme/parser/r1");
        wait_for(|| workspace.join("ran.txt").exists());
        if mode != "auto" {
            assert_eq!(stage.engine.wait().unwrap().signal(), KILLED);
            stage.engine = engine_of(&stage.scene);
        }
        let told = stage.rests("r1");
        if told.agent()["evidence"]["tier"] == "open" && mode == "auto" {
            skipped("sandbox not found");
            continue;
        }
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        stage.is_gone("r1");
        stage.goes_on();
    }
}

fn wait_for(happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not happen");
        thread::sleep(Duration::from_millis(20));
    }
}
