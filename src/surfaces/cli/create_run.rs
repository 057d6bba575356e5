//! `create-run` and `submit`: taking an order in.

use std::path::PathBuf;

use serde_json::json;

use super::Access;
use super::agent_args::AgentArgs;
use super::arg::{KeyArg, text_file};
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::policy_args::PolicyArgs;
use super::session::Session;
use crate::app::doctor::Profile;
use crate::app::submit::RunOrder;
use crate::domain::id::{BranchName, RepoSlug, RunId};
use crate::domain::spec::{Delivery, Limits, MAX_TASK_BYTES};

/// What a run is made from, however it is begun.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct OrderArgs {
    /// The account that owns the repository
    #[arg(long)]
    owner: String,
    /// The repository's name
    #[arg(long)]
    repo: String,
    /// A name of your own; made when left out
    #[arg(long, value_name = "RUN")]
    run_id: Option<RunId>,
    /// What happens with a pushed branch; only `push_only` is known
    #[arg(long, value_name = "MODE", default_value = "push_only", value_parser = ["push_only"])]
    mode: String,
    /// Limits as a JSON object: max_run_minutes, max_iteration_count, attempt_secs, check_secs, max_interruptions,
    /// silence_secs, memory_mib, processes, disk_mib, quota_wait_minutes
    #[arg(long, value_name = "JSON", default_value = "{}")]
    budget_json: String,
    /// What the agent is asked to do
    #[arg(long, value_name = "TEXT", conflicts_with = "task_file")]
    task: Option<String>,
    /// A file with what the agent is asked to do; `-` reads standard input
    #[arg(long, value_name = "PATH")]
    task_file: Option<PathBuf>,
    /// A command that must pass, given to `sh -c`; may be repeated; found by looking when left out
    #[arg(long = "check", value_name = "COMMAND")]
    checks: Vec<String>,
    /// The branch to build on [default: the remote's]
    #[arg(long, value_name = "BRANCH")]
    base_branch: Option<BranchName>,
    /// The branch to push to [default: made from the run's name]
    #[arg(long, value_name = "BRANCH")]
    head_branch: Option<BranchName>,
    /// Where the repository is fetched from and pushed to: an address or a path
    #[arg(long, value_name = "REMOTE")]
    remote: Option<String>,
    /// Title of the pull request [default: the task's first line]
    #[arg(long)]
    title: Option<String>,
    /// What happens with a change that passed: `pr` asks for a pull request, `none` keeps it here
    #[arg(long, value_parser = ["pr", "none"], default_value = "pr")]
    delivery: String,
    /// Fix rounds after failed checks
    #[arg(long, value_name = "N")]
    max_iteration_count: Option<u32>,
    /// Minutes until no new step starts
    #[arg(long, value_name = "N")]
    max_run_minutes: Option<u64>,
    /// Seconds one agent attempt may take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_attempt_secs: Option<u64>,
    /// Seconds one check command may take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_check_secs: Option<u64>,
    #[command(flatten)]
    agents: AgentArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    key: KeyArg,
}

/// Arguments of `create-run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Your name for the set of prompts in use
    #[arg(long, value_name = "NAME")]
    prompt_version: String,
    /// The agent, as a name or `command:PROGRAM ARGS`; without one you order each step yourself
    #[arg(long)]
    agent: Option<String>,
    #[command(flatten)]
    order: OrderArgs,
}

/// Arguments of `submit`.
#[derive(Debug, clap::Args)]
pub(super) struct SubmitArgs {
    /// Your name for the set of prompts in use
    #[arg(long, value_name = "NAME", default_value = "default")]
    prompt_version: String,
    /// The agent, as a name or `command:PROGRAM ARGS` [default: the configured one]
    #[arg(long)]
    agent: Option<String>,
    #[command(flatten)]
    order: OrderArgs,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let order = order(session, &args.order, &args.prompt_version, args.agent.clone())?;
    create(session, &args.order, order, Access::Write)
}

pub(super) fn submit(session: &Session<'_>, args: &SubmitArgs) -> Outcome {
    let agent = args.agent.clone().or_else(|| session.config.agent.value.clone()).ok_or_else(|| {
        CliError::usage(
            "no agent is named",
            "add --agent NAME, or set `agent` in the settings; `agentpr create-run` needs none",
        )
    })?;
    let order = order(session, &args.order, &args.prompt_version, Some(agent))?;
    if order.task.trim().is_empty() {
        return Err(CliError::usage(
            "there is no task",
            "say what is to be done with --task TEXT or --task-file PATH",
        ));
    }
    create(session, &args.order, order, Access::CreateDefault)
}

fn create(session: &Session<'_>, args: &OrderArgs, order: RunOrder, access: Access) -> Outcome {
    let app = session.open_ready(access, Profile::Basic)?;
    let executed = app.submit(order, &session.actor, args.key.idempotency_key.clone())?;
    let (ui, run) = (&session.ui, &executed.run);
    if ui.is_json() {
        ui.document(&json!({
            "ok": true,
            "run_id": run.id.as_str(),
            "state": run.state.name(),
            "phase": run.state.phase().name(),
            "duplicate": executed.is_duplicate(),
        }));
    } else {
        let what = if executed.is_duplicate() { "is there already" } else { "is created" };
        ui.line(format!("Run {} {what}: {} {}.", run.id, run.spec.repo, run.state));
        session.say_next(&app, run);
    }
    Ok(Exit::Ok)
}

fn order(
    session: &Session<'_>,
    args: &OrderArgs,
    prompt_version: &str,
    agent: Option<String>,
) -> Result<RunOrder, CliError> {
    let repo = RepoSlug::new(&args.owner, &args.repo)?;
    let task = match (&args.task, &args.task_file) {
        (Some(task), _) => task.clone(),
        (None, Some(path)) => text_file("task", path, MAX_TASK_BYTES)?,
        (None, None) => String::new(),
    };
    one_line("--prompt-version", Some(prompt_version))?;
    one_line("--title", args.title.as_deref())?;
    one_line("--remote", args.remote.as_deref())?;
    one_line("--agent", agent.as_deref())?;
    if let Some(check) = args.checks.iter().find(|check| check.trim().is_empty()) {
        return Err(CliError::usage(
            format!("`{check}` is no command to check with"),
            "leave --check out to have commands found",
        ));
    }
    let policy = args.policy.of(session, &repo)?;
    Ok(RunOrder {
        run: args.run_id.clone(),
        repo,
        prompt_version: prompt_version.to_owned(),
        task,
        agent,
        model: args.agents.model.clone(),
        roles: args.agents.roles(session),
        budgets: args.agents.budgets(session),
        checks: args.checks.clone(),
        base_branch: args.base_branch.clone(),
        head_branch: args.head_branch.clone(),
        remote: args.remote.clone(),
        delivery: if args.delivery == "none" { Delivery::None } else { Delivery::Pr },
        title: args.title.clone(),
        limits: Some(limits(&session.config.limits, args)?),
        policy: Some(policy),
    })
}

/// Refuses a value that is empty or that no list could show on one line.
pub(super) fn one_line(name: &str, value: Option<&str>) -> Result<(), CliError> {
    match value {
        Some(text) if text.trim().is_empty() || text.contains(char::is_control) => Err(CliError::usage(
            format!("{name} must be one line of printable text"),
            "give it a value, or leave it out",
        )),
        _ => Ok(()),
    }
}

/// The configured limits, with what this order says about them; a flag wins over `--budget-json`.
fn limits(configured: &Limits, args: &OrderArgs) -> Result<Limits, CliError> {
    let wrong = |why: String| {
        CliError::usage(
            format!("--budget-json is not a budget: {why}"),
            "for example --budget-json '{\"max_run_minutes\": 60}'",
        )
    };
    let budget: serde_json::Value =
        serde_json::from_str(&args.budget_json).map_err(|err| wrong(err.to_string()))?;
    let serde_json::Value::Object(budget) = budget else {
        return Err(wrong("it is no JSON object".to_owned()));
    };
    let mut fields = serde_json::to_value(configured).map_err(|err| wrong(err.to_string()))?;
    if let Some(fields) = fields.as_object_mut() {
        if let Some(unknown) = budget.keys().find(|key| !fields.contains_key(*key)) {
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            return Err(wrong(format!("`{unknown}` is not one of {}", known.join(", "))));
        }
        fields.extend(budget);
    }
    let mut limits: Limits = serde_json::from_value(fields).map_err(|err| wrong(err.to_string()))?;
    limits.max_iteration_count = args.max_iteration_count.unwrap_or(limits.max_iteration_count);
    limits.max_run_minutes = args.max_run_minutes.or(limits.max_run_minutes);
    limits.attempt_secs = args.max_attempt_secs.unwrap_or(limits.attempt_secs);
    limits.check_secs = args.max_check_secs.unwrap_or(limits.check_secs);
    if limits.attempt_secs == 0 || limits.check_secs == 0 {
        return Err(wrong("a time limit is 1 second or more".to_owned()));
    }
    Ok(limits)
}
