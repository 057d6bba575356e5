//! What an agent's ending is called, and what is kept of it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::MoneySource;
use agentpr::domain::confine::{LimitKind, ProcessLimits, SandboxMode, Tier};
use agentpr::domain::evidence::AttemptOutcome;
use agentpr::domain::id::AttemptNo;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::{WorkOrder, WorkReport, Worker, WorkerError};
use tokio_util::sync::CancellationToken;

use super::world::{World, ignore, open, put, run};

fn order(world: &World, agent: String) -> WorkOrder {
    let workspace = world.root.path().join("files");
    std::fs::create_dir_all(&workspace).unwrap();
    WorkOrder {
        run: run().0,
        attempt: AttemptNo(3),
        role: Role::Build,
        agent,
        model: None,
        extra_args: Vec::new(),
        workspace,
        prompt: "a prompt".to_owned(),
        output_schema: None,
        resume: None,
        allowance: Allowance::default(),
        confinement: open(),
        limits: ProcessLimits::wall(Duration::from_secs(20)),
    }
}

async fn outcome(world: &World, order: &WorkOrder) -> AttemptOutcome {
    world.workers.run(order, &ignore, &CancellationToken::new()).await.unwrap().outcome
}

#[tokio::test]
async fn every_ending_has_its_name() {
    let world = World::new();
    assert_eq!(outcome(&world, &order(&world, world.agent("exit 0"))).await, AttemptOutcome::Succeeded);
    assert_eq!(outcome(&world, &order(&world, world.agent("exit 9"))).await, AttemptOutcome::Failed);
    assert_eq!(
        outcome(&world, &order(&world, "command:sh -c 'kill -9 $$'".to_owned())).await,
        AttemptOutcome::Failed
    );
    let mut slow = order(&world, world.agent("sleep 60"));
    slow.limits = ProcessLimits::wall(Duration::from_millis(50));
    assert_eq!(outcome(&world, &slow).await, AttemptOutcome::TimedOut);
    let broken = world.root.path().join("broken");
    put(&broken, "#!/no/such/interpreter\n");
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let could_not = order(&world, format!("command:{}", broken.display()));
    assert_eq!(outcome(&world, &could_not).await, AttemptOutcome::CouldNotStart);
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let stopped = order(&world, world.agent("sleep 60"));
    let report = world.workers.run(&stopped, &move |_| stopper.cancel(), &stop).await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Stopped);
}

#[tokio::test]
async fn the_prompt_comes_on_standard_input_and_as_a_file_and_the_log_is_kept() {
    let world = World::new();
    let line = "command:sh -c 'cat; cat \"$AGENTPR_PROMPT_FILE\"; echo \"$1\" >&2' sh";
    let mut wanted = order(&world, line.to_owned());
    wanted.extra_args = vec!["two words; $(x)".to_owned()];
    let report = world.workers.run(&wanted, &ignore, &CancellationToken::new()).await.unwrap();
    let log = report.evidence.log.unwrap();
    assert_eq!(log.path, format!("{}/attempt-3.log", wanted.run));
    let text = String::from_utf8(world.artifacts.read_tail(&log.path, 1_000).unwrap()).unwrap();
    assert_eq!(text.matches("a prompt").count(), 2, "{text}");
    assert!(text.contains("two words; $(x)"), "{text}");
    assert_eq!(
        (report.evidence.exit_code, report.evidence.message.as_str()),
        (Some(0), "the agent ended with code 0")
    );
    assert!(report.evidence.program.ends_with("/sh"));
}

#[tokio::test]
async fn an_order_that_cannot_be_carried_out_is_an_error() {
    let world = World::new();
    let unknown = order(&world, "nobody".to_owned());
    let refused = world.workers.run(&unknown, &ignore, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(refused, WorkerError::UnknownAgent { .. }), "{refused}");
    let mut nowhere = order(&world, "command:true".to_owned());
    nowhere.workspace = world.root.path().join("nowhere");
    let refused = world.workers.run(&nowhere, &ignore, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(refused, WorkerError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn the_prompt_is_not_written_through_a_link_of_the_agents() {
    let world = World::new();
    let victim = world.root.path().join("victim");
    put(&victim, "untouched");
    let mut wanted = order(&world, format!("command:ln -sf {}", victim.display()));
    wanted.extra_args =
        vec![world.environment.runtime_dir(&wanted.run).join("prompt.md").display().to_string()];
    assert_eq!(outcome(&world, &wanted).await, AttemptOutcome::Succeeded);
    assert_eq!(outcome(&world, &wanted).await, AttemptOutcome::Succeeded);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
}

#[tokio::test]
async fn the_tier_and_the_limit_are_evidence_and_commands_are_signals() {
    let world = World::new();
    let mut wanted = order(&world, world.agent("print {\"command\":\"cargo test\"}\nsleep 30"));
    wanted.limits.silence = Some(Duration::from_millis(500));
    let report = world.workers.run(&wanted, &ignore, &CancellationToken::new()).await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::OverLimit);
    assert_eq!(
        (report.evidence.limit, report.evidence.tier, report.evidence.message.as_str()),
        (
            Some(LimitKind::Silence),
            Some(Tier::Open),
            "the agent was ended because it was silent for too long"
        )
    );
    assert_eq!(report.signals.test_commands, ["cargo test"]);
    wanted.confinement.required = Tier::Bubblewrap;
    let refused = world.workers.run(&wanted, &ignore, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&refused, WorkerError::Unavailable(why) if why.contains("tier 2")), "{refused}");
}

#[tokio::test]
async fn an_agent_behind_the_strongest_wall_gets_its_prompt_and_its_script() {
    let world = World::new();
    let script = "expect-prompt a prompt\nwrite made yes\nenv AGENTPR_PROMPT_FILE";
    let mut wanted = order(&world, world.agent(script));
    wanted.confinement.mode = SandboxMode::Auto;
    let report = world.workers.run(&wanted, &ignore, &CancellationToken::new()).await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    assert_eq!(std::fs::read_to_string(wanted.workspace.join("made")).unwrap(), "yes\n");
    let secret = "ghp_x7Kq9ZbT2mWv4RnY8cLd1FgH6sJp3AeUo5Qi";
    let said = order(&world, format!("command:sh -c 'echo {secret}'"));
    let report = world.workers.run(&said, &ignore, &CancellationToken::new()).await.unwrap();
    let text = world.artifacts.read_tail(&report.evidence.log.unwrap().path, 1_000).unwrap();
    assert!(!String::from_utf8(text).unwrap().contains(secret));
}

async fn command(world: &World, script: &str, change: impl FnOnce(&mut WorkOrder)) -> WorkReport {
    let path = world.root.path().join("own-agent");
    put(&path, &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut wanted = order(world, format!("command:{}", path.display()));
    change(&mut wanted);
    world.workers.run(&wanted, &ignore, &CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn a_program_is_told_its_role_and_its_model() {
    let world = World::new();
    let script = "echo $AGENTPR_ROLE ${AGENTPR_MODEL-none}";
    let report = command(&world, script, |_| {}).await;
    assert_eq!(report.last_message, "build none");
    let report = command(&world, script, |order| {
        order.role = Role::Plan;
        order.model = Some("small".to_owned());
    });
    let report = report.await;
    assert_eq!(report.last_message, "plan small");
    let record = report.evidence.agent.unwrap();
    assert_eq!((record.role, record.model.as_deref()), (Role::Plan, Some("small")));
    assert_eq!((record.session, record.usage.tokens.total()), (None, 0));
}

#[tokio::test]
async fn the_end_of_the_standard_output_is_the_last_message_of_a_program_that_reports_none() {
    let world = World::new();
    let report = command(&world, "yes é | head -c 300000; echo 'the end'; echo aside >&2", |_| {}).await;
    let words = report.last_message;
    assert!(words.len() <= 64 * 1024 && words.len() > 60 * 1024, "{}", words.len());
    assert!(words.ends_with("é\nthe end") && !words.contains('\u{fffd}'));
}

#[tokio::test]
async fn a_report_that_cannot_be_taken_is_named_and_changes_nothing_else() {
    let world = World::new();
    let secret = world.root.path().join("secret");
    put(&secret, r#"{"last_message":"stolen"}"#);
    let link = format!("ln -s {} \"$AGENTPR_REPORT_FILE\"", secret.display());
    let scripts = [
        r#"echo '{' > "$AGENTPR_REPORT_FILE""#.to_owned(),
        r#"echo '{"usage":{"input":-1}}' > "$AGENTPR_REPORT_FILE""#.to_owned(),
        r#"echo '{"words":"x"}' > "$AGENTPR_REPORT_FILE""#.to_owned(),
        r#"mkfifo "$AGENTPR_REPORT_FILE""#.to_owned(),
        r#"mkdir "$AGENTPR_REPORT_FILE""#.to_owned(),
        r#"head -c 600000 /dev/zero > "$AGENTPR_REPORT_FILE""#.to_owned(),
        link,
    ];
    for script in scripts {
        let report = command(&world, &format!("{script}\necho words"), |_| {}).await;
        assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{script}");
        assert!(report.evidence.message.contains("AGENTPR_REPORT_FILE` is not taken"), "{script}");
        assert_eq!(report.last_message, "words", "{script}");
    }
    let report = command(&world, "echo words", |_| {}).await;
    assert_eq!(report.evidence.message, "the agent ended with code 0", "an earlier report is gone");
}

#[tokio::test]
async fn what_a_program_reports_is_cleaned_like_what_it_prints() {
    let world = World::new();
    let secret = "ghp_x7Kq9ZbT2mWv4RnY8cLd1FgH6sJp3AeUo5Qi";
    let script = format!(
        "printf '{{\"last_message\":\"\\\\u001b[31mred {secret}\",\"usage\":{{\"input\":7,\"cost_micros\":9}}}}' > \"$AGENTPR_REPORT_FILE\""
    );
    let report = command(&world, &script, |_| {}).await;
    assert_eq!(report.last_message, "red ***", "{}", report.evidence.message);
    let usage = report.evidence.agent.unwrap().usage;
    assert_eq!((usage.tokens.input, usage.micros, usage.source), (7, 9, MoneySource::Reported));
}

#[tokio::test]
async fn an_allowance_of_time_ends_a_program_as_a_budget() {
    let world = World::new();
    let report = command(&world, "sleep 60", |order| order.allowance.secs = Some(1)).await;
    let record = report.evidence.agent.unwrap();
    assert_eq!((record.class, record.trouble), (OutcomeClass::Killed, Some(Trouble::Budget)));
    assert_eq!(report.evidence.message, "the agent used 1 of 1 seconds");
}
