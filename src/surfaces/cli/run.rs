//! `run`: a task on a repository of this machine, from order to pull request, in the foreground.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::agent_args::AgentArgs;
use super::arg::text_file;
use super::error::{CliError, Outcome};
use super::exit::Exit;
use super::notify::{TokenEar, TokenPrinter};
use super::policy_args::PolicyArgs;
use super::session::Session;
use super::ui::NOTICE;
use super::watch::watched;
use super::{Access, approve, create_run, runtime, show, words};
use crate::app::doctor::Profile;
use crate::app::gate::{Confirmation, PrText};
use crate::app::submit::RunOrder;
use crate::app::{App, OperatorNotifier};
use crate::domain::gate::{Gate, PrRequest};
use crate::domain::id::{BranchName, EventSeq, RepoSlug, RunId};
use crate::domain::next::Wait;
use crate::domain::spec::{Delivery, Limits, MAX_TASK_BYTES};
use crate::domain::state::State;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A repository of this machine; its branches are read, and the finished branch is pushed into it
    #[arg(long, value_name = "PATH", default_value = ".")]
    repo: PathBuf,
    /// What is to be done
    #[arg(long, required_unless_present = "task_file", conflicts_with = "task_file")]
    task: Option<String>,
    /// A file that says what is to be done
    #[arg(long, value_name = "PATH")]
    task_file: Option<PathBuf>,
    /// The agent, as a name or `command:PROGRAM ARGS` [default: the configured one]
    #[arg(long)]
    agent: Option<String>,
    /// A command that must pass, run by `sh`; repeat for more [default: found in the repository]
    #[arg(long = "check", value_name = "COMMAND")]
    checks: Vec<String>,
    /// The branch to build on [default: the one that is checked out]
    #[arg(long, value_name = "BRANCH")]
    base_branch: Option<BranchName>,
    /// The repository's name [default: that of its `origin`]
    #[arg(long, value_name = "OWNER/REPO")]
    name: Option<RepoSlug>,
    /// Title of the pull request [default: first line of the task]
    #[arg(long)]
    title: Option<String>,
    /// The run's name [default: one is made]
    #[arg(long, value_name = "RUN")]
    run_id: Option<RunId>,
    /// Fix rounds after failed checks
    #[arg(long, value_name = "N")]
    max_iteration_count: Option<u32>,
    /// Stop when the change has passed: nothing is pushed, no pull request
    #[arg(long)]
    no_pr: bool,
    #[command(flatten)]
    agents: AgentArgs,
    #[command(flatten)]
    policy: PolicyArgs,
}

pub(super) fn execute(session: &Session<'_>, args: &Args) -> Outcome {
    let ear = Arc::new(TokenEar::default());
    let app = session.open_with(Access::CreateDefault, Arc::clone(&ear) as Arc<_>)?;
    session.ready(&app, Profile::Manager, None)?;
    let order = order(session, &app, args)?;
    let run = app.submit(order, &session.actor, None)?.run.id;
    let ui = &session.ui;
    let (engine, watched_run) = (&app, &run);
    let driven = runtime::block_on(|stop: CancellationToken| async move {
        watched(ui, engine, watched_run, EventSeq(0), Box::pin(engine.drive_or_wait(watched_run, &stop)))
            .await
    })?;
    if driven.run.state == State::Done {
        show::show(session, &app, &run)?;
        return Ok(Exit::Ok);
    }
    if let Wait::Quota(until) = driven.wait {
        show::show(session, &app, &run)?;
        return Err(CliError::parked(&driven.run, until));
    }
    if driven.wait != Wait::Approval {
        show::show(session, &app, &run)?;
        return Err(CliError::step_failed(&driven.run, Exit::Failed));
    }
    let Gate::Open { request, .. } = &driven.run.gate else {
        return Err(CliError::step_failed(&driven.run, Exit::Failed));
    };
    if !ui.can_ask() {
        show::show(session, &app, &run)?;
        if let Some(token) = ear.heard() {
            TokenPrinter::new(ui.clone()).token_issued(&run, request, &token);
        }
        return Err(CliError::person_needed(
            &driven.run,
            "the change has passed and waits for two confirmations",
            format!("agentpr approve {run}"),
        ));
    }
    match ear.heard() {
        Some(token) => gate(session, &app, &run, request, &token)?,
        // Another process drove the run and told its own operator; whoever sits here gets a token of their own.
        None => {
            let text = PrText {
                title: Some(request.title.clone()),
                body: Some(request.body.clone()),
                ..PrText::default()
            };
            let (issued, _) = runtime::look(app.request_pr(&run, &text, &session.actor))?;
            gate(session, &app, &run, &issued.request, &issued.token)?;
        }
    }
    approve::complete(session, &app, &run, driven.run.last_seq)?;
    show::show(session, &app, &run)?;
    Ok(Exit::Ok)
}

/// The two confirmations of the request the run just made.
fn gate(
    session: &Session<'_>,
    app: &App,
    run: &RunId,
    request: &PrRequest,
    token: &str,
) -> Result<(), CliError> {
    approve::ask_first(&session.ui, app, run, request)?;
    let token = approve::ask_token(&session.ui, app, run, token)?;
    let confirmation = Confirmation { token, confirmed: true, claimed: None };
    runtime::look(app.confirm(run, &confirmation, &session.actor))?;
    Ok(())
}

fn order(session: &Session<'_>, app: &App, args: &Args) -> Result<RunOrder, CliError> {
    let agent = args.agent.clone().or_else(|| session.config.agent.value.clone()).ok_or_else(|| {
        CliError::usage(
            "no agent is named",
            "add --agent codex (or opencode, claude, aider, 'command:PROGRAM ARGS'), or set `agent` in the settings; \
             `agentpr agents` says which are ready",
        )
    })?;
    let task = match (&args.task, &args.task_file) {
        (Some(task), _) => task.clone(),
        (None, Some(path)) => text_file("task", path, MAX_TASK_BYTES)?,
        (None, None) => String::new(),
    };
    if task.trim().is_empty() {
        return Err(CliError::usage(
            "the task is empty",
            "say what is to be done with --task TEXT or --task-file PATH",
        ));
    }
    create_run::one_line("--title", args.title.as_deref())?;
    create_run::one_line("--agent", Some(&agent))?;
    let local = app.local().look(&args.repo).map_err(|err| {
        CliError::usage(err.to_string(), "name a git repository that has a commit with --repo PATH")
    })?;
    if local.uncommitted > 0 {
        let what = format!(
            "changes of {} are in no commit; the run is built on commits and does not see them",
            words::count(u64::try_from(local.uncommitted).unwrap_or(u64::MAX), "file")
        );
        session.ui.note_pieces(&[(NOTICE, what.into())]);
    }
    let base_branch = args.base_branch.clone().or(local.branch).ok_or_else(|| {
        CliError::usage("no branch is checked out", "name the branch to build on with --base-branch")
    })?;
    let limits = &session.config.limits;
    let repo = args.name.clone().unwrap_or(local.slug);
    let policy = args.policy.of(session, &repo)?;
    Ok(RunOrder {
        run: args.run_id.clone(),
        repo,
        prompt_version: "default".to_owned(),
        task,
        agent: Some(agent),
        model: args.agents.model.clone(),
        roles: args.agents.roles(session),
        budgets: args.agents.budgets(session),
        checks: args.checks.clone(),
        base_branch: Some(base_branch),
        head_branch: None,
        remote: Some(local.remote),
        delivery: if args.no_pr { Delivery::None } else { Delivery::Pr },
        title: args.title.clone(),
        limits: Some(Limits {
            max_iteration_count: args.max_iteration_count.unwrap_or(limits.max_iteration_count),
            ..limits.clone()
        }),
        policy: Some(policy),
    })
}
