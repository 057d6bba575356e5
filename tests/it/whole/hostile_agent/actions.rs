//! Files with action requests, put there at the right time and at the wrong one.

use super::{Stage, Told};

/// An agent that fails at first, lays `request` down with its `round`-th attempt, and repairs the answer with its third.
fn asks(round: u32, request: &str) -> String {
    format!(
        "sh echo x >> tries.txt\n\
         sh test $(wc -l < tries.txt) != {round} || {{ mkdir -p .aider_fsm; {request}; }}\n\
         sh test $(wc -l < tries.txt) -lt 3 || echo 42 > answer.txt\n"
    )
}

/// A request for one command.
fn command(risk: &str) -> String {
    format!(
        r#"printf 'version: 1\nactions:\n- {{id: a1, kind: run_cmd, cmd: "echo made > made.txt", risk_level: {risk}}}\n' > .aider_fsm/actions.yml"#
    )
}

fn word(told: &Told) -> &str {
    told.of("actions.executed")[0]["report"]["quarantined"].as_str().unwrap_or_default()
}

fn made(stage: &Stage, run: &str) -> bool {
    stage.scene.sandbox.agentpr(&["diff", run]).ok().stdout.contains("made.txt")
}

#[test]
fn f16_a_request_of_a_first_attempt_is_put_aside() {
    let stage = Stage::start();
    stage.in_each_mode(&asks(1, &command("low")), "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        assert_eq!((word(told), told.of("actions.requested").len()), ("not_a_repair", 0));
    });
    assert!(!made(&stage, "bad-0"));
    stage.goes_on();
}

#[test]
fn a_request_of_a_repair_with_low_risk_is_carried_out() {
    let stage = Stage::start();
    stage.in_each_mode(&asks(2, &command("low")), "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        let report = &told.of("actions.executed")[0]["report"];
        assert_eq!(
            (&report["results"][0]["id"], &report["results"][0]["exit_code"]),
            (&"a1".into(), &0.into())
        );
    });
    assert!(made(&stage, "bad-0"));
    stage.goes_on();
}

#[test]
fn fsm_47_a_request_with_high_risk_waits_for_a_persons_word_and_follows_it() {
    let stage = Stage::start();
    for (run, word, runs) in [("granted", "--grant", true), ("denied", "--deny", false)] {
        let told = stage.plays(run, &asks(2, &command("high")), "");
        assert_eq!(told.state, "NEEDS_HUMAN_REVIEW");
        assert_eq!(told.of("review.requested").last().unwrap()["reason"], "high_risk_action");
        let shown = stage.scene.sandbox.agentpr(&["actions", run]).ok().stdout;
        assert!(shown.contains("echo made > made.txt") && shown.contains("high"), "{shown}");
        assert_eq!(told.of("actions.executed").len(), 0);
        let _decided = stage.scene.sandbox.agentpr(&["actions", run, word]).ok();
        stage.moves_on(run, &told);
        let told = stage.rests(run);
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        assert_eq!((told.of("actions.decided").len(), made(&stage, run)), (1, runs), "{}", told.lines());
        stage.is_gone(run);
    }
    stage.goes_on();
}

#[test]
fn f16_an_unreadable_request_is_put_aside() {
    let stage = Stage::start();
    stage.in_each_mode(&asks(2, "echo nonsense > .aider_fsm/actions.yml"), "", |told, _| {
        told.is("NEEDS_HUMAN_REVIEW", "ready_for_review");
        assert_eq!((word(told), told.of("actions.requested").len()), ("invalid", 0));
    });
    stage.goes_on();
}

#[test]
fn f16_a_request_that_is_a_link_is_not_followed() {
    let stage = Stage::start();
    let secret = stage.scene.sandbox.write("secret.yml", "version: 1\nactions:\n- {cmd: echo no}\n");
    let link = format!("ln -s {} .aider_fsm/actions.yml", secret.display());
    stage.in_each_mode(&asks(2, &link), "", |told, _| {
        assert_eq!(told.of("actions.requested").len(), 0);
        assert!(told.state == "NEEDS_HUMAN_REVIEW" || told.state == "FAILED_RETRYABLE", "{}", told.lines());
        assert!(
            told.of("guard.violated").len() + told.of("worker.step.failed").len() > 0,
            "{}",
            told.lines()
        );
    });
    assert!(secret.is_file());
    stage.goes_on();
}
