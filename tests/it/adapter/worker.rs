//! What an agent's ending is called, and what is kept of it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::role::Role;
use agentpr::domain::confine::{LimitKind, ProcessLimits, SandboxMode, Tier};
use agentpr::domain::evidence::AttemptOutcome;
use agentpr::domain::id::AttemptNo;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::{WorkOrder, Worker, WorkerError};
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
