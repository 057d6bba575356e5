//! What the app's errors mean to a person: message, stable word, exit code, and what to do next.

use super::exit::Exit;
use crate::app::{
    AppError, ChecksError, FakeForgeError, ForgeError, StoreError, WorkerError, WorkspaceError,
};
use crate::domain::decide::Rejection;
use crate::domain::id::RunId;
use crate::domain::state::State;

/// An error, phrased.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) message: String,
    pub(super) code: String,
    pub(super) hints: Vec<String>,
    pub(super) exit: Exit,
    pub(super) run: Option<RunId>,
    pub(super) state: Option<State>,
}

impl Told {
    pub(super) fn new(message: &(impl ToString + ?Sized), code: impl Into<String>, exit: Exit) -> Self {
        Self {
            message: message.to_string(),
            code: code.into(),
            hints: Vec::new(),
            exit,
            run: None,
            state: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(super) fn about(mut self, run: &RunId, state: Option<State>) -> Self {
        self.run = Some(run.clone());
        self.state = state;
        self
    }
}

/// Phrases an error of the app.
pub(super) fn app(err: &AppError) -> Told {
    let of = |code: &str, exit| Told::new(err, code, exit);
    match err {
        AppError::NoSuchRun(run) => of("no_such_run", Exit::NotFound).about(run, None).hint("agentpr list"),
        AppError::Refused { run, state, rejection } => refused(run, *state, rejection),
        AppError::KeyConflict { .. } => {
            of("key_conflict", Exit::Conflict).hint("a key names one occurrence for ever: give the new one a key of its own")
        }
        AppError::RequestFileMismatch { .. } => of("request_file_mismatch", Exit::Conflict)
            .hint("the file was changed after it was written; ask again with `agentpr request-open-pr`, or leave --request-file out"),
        AppError::Contended(run) => of("contended", Exit::Later).about(run, None).hint("try again in a moment"),
        AppError::NoWorkspace(run) => {
            of("no_workspace", Exit::Usage).about(run, None).hint(format!("agentpr run-prepare --run-id {run}"))
        }
        AppError::Invalid(_) => of("invalid", Exit::Usage).hint("correct what was given; every command explains itself with --help"),
        AppError::Secret { .. } => of("secret", Exit::Usage)
            .hint("leave the secret out, and replace it where it was issued if others may have read it: checks and agents get secrets by runtime_env_overrides"),
        AppError::Contract { .. } => of("invalid_contract", Exit::Usage)
            .hint("correct the file and look with `agentpr pipeline-spec check FILE`; docs/pipeline_spec.md has every field"),
        AppError::InvalidId(_) => of("invalid_name", Exit::Usage).hint("correct the name and try again"),
        AppError::Unfoldable(_) => damaged(of("damaged_log", Exit::Failed)),
        AppError::Store(err) => store(err),
        AppError::Workspace(err) => workspace(err),
        AppError::Forge(err) => forge(err),
        AppError::FakeForge(FakeForgeError::Missing(_)) => of("no_fake_forge", Exit::Usage)
            .hint("build it with `cargo build --release --bin fake-github`; a plain `cargo build --release` or `cargo install --path .` builds it too"),
        AppError::FakeForge(FakeForgeError::Failed(_)) => of("fake_forge", Exit::Failed).hint("try again; with --keep, its own words are in `fake-github.log`"),
        AppError::Worker(WorkerError::UnknownAgent { .. }) => {
            of("unknown_agent", Exit::Usage).hint("`agentpr agents` lists those known by name; any other program runs as --agent 'command:PROGRAM ARGS'")
        }
        AppError::Worker(WorkerError::Unavailable(_)) => of("agent_unavailable", Exit::NotReady).hint("agentpr agents"),
        AppError::Actions(_) => of("actions_unavailable", Exit::Failed).hint("agentpr doctor"),
        AppError::Checks(ChecksError::Stopped) => of("stopped", Exit::Failed).hint("agentpr list"),
        AppError::Checks(ChecksError::Unavailable(_)) => of("checks_unavailable", Exit::Failed).hint("agentpr doctor"),
        AppError::Artifact(_) => {
            of("storage", Exit::Failed).hint("see that the data directory has room and belongs to the user agentpr runs as")
        }
        AppError::NoRandom(_) => of("no_random", Exit::Later).hint("try again once the system has random bytes"),
        AppError::Prompt(_) => of("prompt", Exit::Failed).hint("correct the template that is named"),
        AppError::Internal(_) => of("internal", Exit::Failed).hint("what was done is in the log: `agentpr list`; try again with AGENTPR_LOG=debug"),
    }
}

fn damaged(told: Told) -> Told {
    told.hint("agentpr verify-log").hint("a copy made by `agentpr backup` can take its place")
}

fn store(err: &StoreError) -> Told {
    let of = |code: &str, exit| Told::new(err, code, exit);
    match err {
        StoreError::Conflict { run, .. } => {
            of("version_conflict", Exit::Later).about(run, None).hint("try again")
        }
        StoreError::KeyTaken { run, .. } => of("key_conflict", Exit::Conflict)
            .about(run, None)
            .hint("give the new occurrence a key of its own"),
        StoreError::Fenced { run } => of("lease_lost", Exit::Later)
            .about(run, None)
            .hint(format!("somebody else goes on with it: `agentpr show {run}`")),
        StoreError::LeaseHeld { run, .. } => of("lease_held", Exit::Later).about(run, None).hint(format!(
            "watch it with `agentpr events {run} --follow`, or stop it with `agentpr pause {run}`"
        )),
        StoreError::Missing(_) => of("no_store", Exit::NotFound)
            .hint("make one with `agentpr init-db`, or name another with --db PATH"),
        StoreError::Newer { .. } => {
            of("newer_store", Exit::Failed).hint("use the agentpr that wrote it, or a newer one")
        }
        StoreError::Damaged { .. } => of("damaged_store", Exit::Failed).hint(
            "see that --db names a store of agentpr; a copy made by `agentpr backup` can take its place",
        ),
        StoreError::Unfoldable(_) => damaged(of("damaged_log", Exit::Failed)),
        StoreError::Unavailable { .. } => of("store_unavailable", Exit::Later)
            .hint("see that the disk has room and is writable, then try again"),
    }
}

fn workspace(err: &WorkspaceError) -> Told {
    let exit = if err.is_transient() { Exit::Later } else { Exit::Failed };
    let told = Told::new(err, err.code(), exit);
    match err {
        WorkspaceError::Remote { .. } => {
            told.hint("see that `git ls-remote` reaches the remote, then try again")
        }
        WorkspaceError::NoBranch { .. } => told.hint("make a run with another --base-branch"),
        WorkspaceError::Missing(_) => told.hint("make it with `agentpr run-prepare --run-id RUN`"),
        WorkspaceError::TooBig { .. } => {
            told.hint("remove what does not belong into the change, or add it to .gitignore")
        }
        WorkspaceError::OwnBranch(_) => told.hint("set another branch_prefix"),
        WorkspaceError::Failed(_) => told.hint("agentpr doctor"),
    }
}

fn forge(err: &ForgeError) -> Told {
    let exit = match err {
        ForgeError::Unavailable(_) | ForgeError::Limited { .. } => Exit::Later,
        ForgeError::Denied(_) => Exit::Usage,
        ForgeError::Moved { .. } => Exit::Conflict,
        ForgeError::NotFound(_) | ForgeError::Refused(_) => Exit::Failed,
    };
    let told = Told::new(err, err.code(), exit);
    match err {
        ForgeError::Unavailable(_) => told.hint("try again once the remote answers"),
        ForgeError::Limited { until, .. } => {
            told.hint(format!("try again after {}", super::words::when(*until)))
        }
        ForgeError::Denied(_) => told.hint(
            "see that the token is there and may do this: `agentpr doctor`, `agentpr config show --origin`",
        ),
        ForgeError::Moved { .. } => {
            told.hint("somebody else pushed to the branch: look at it, then ask again")
        }
        ForgeError::NotFound(_) => told.hint("see that the run's --remote names the repository"),
        ForgeError::Refused(_) => told.hint("see what the remote says above"),
    }
}

fn refused(run: &RunId, state: Option<State>, rejection: &Rejection) -> Told {
    let exit = refusal_exit(rejection);
    let told = Told::new(rejection, rejection.code(), exit).about(run, state);
    let again = format!(
        "ask again: `agentpr approve {run}`, or `agentpr request-open-pr --run-id {run} --title \"...\"`"
    );
    match rejection {
        Rejection::NoSuchRun => told.hint("agentpr list"),
        Rejection::AlreadyExists => told.hint(format!("agentpr show {run}")).hint("leave --run-id out to get a new name"),
        Rejection::Illegal { .. } | Rejection::AttemptNotOpen { .. } | Rejection::FactsNeeded => {
            told.hint(format!("agentpr show {run}"))
        }
        Rejection::TargetNotAllowed { state, .. } => {
            let targets: Vec<&str> = state.targets().iter().map(|target| target.name()).collect();
            match targets.is_empty() {
                true => told.hint(format!("{state} is an end: make a new run with `agentpr submit`")),
                false => told.hint(format!("from {state} a run can go to {}", targets.join(", "))),
            }
        }
        Rejection::Held { .. } | Rejection::NotAPerson { .. } => told.hint(format!("agentpr show {run}")),
        Rejection::AttemptOpen { .. } => {
            told.hint(format!("wait for it with `agentpr events {run} --follow`, or stop it with `agentpr pause {run}`"))
        }
        Rejection::OtherPrLinked { .. } => told.hint(format!("agentpr show {run}")),
        Rejection::NoChange => told.hint(format!("agentpr why {run}")).hint(format!("agentpr logs {run}")),
        Rejection::NoEvidence => told
            .hint("name commands that must pass with --check when the run is made")
            .hint("or take the responsibility with --accept-missing-evidence REASON; failed checks are never accepted"),
        Rejection::Findings { .. } => told
            .hint(format!("agentpr show {run}"))
            .hint("or take the responsibility with --accept-missing-evidence REASON"),
        Rejection::NoActions => told.hint(format!("agentpr why {run}")),
        Rejection::PrOver => told.hint(format!("agentpr mark-done --run-id {run}")),
        Rejection::WrongToken { .. } => told.hint("the token was shown once, when the request was made; copy it whole").hint(again),
        Rejection::ForeignToken => told.hint(format!("take the token of run `{run}`")).hint(again),
        Rejection::NotConfirmed => told.hint(format!("agentpr diff {run}")).hint("add --confirm to say that you looked"),
        Rejection::NoRequest
        | Rejection::NotTheChange
        | Rejection::TooManyWrongTokens
        | Rejection::Superseded { .. }
        | Rejection::Expired
        | Rejection::Stale { .. }
        | Rejection::TokenUsed
        | Rejection::Withdrawn => told.hint(again),
    }
}

fn refusal_exit(rejection: &Rejection) -> Exit {
    match rejection {
        Rejection::NoSuchRun => Exit::NotFound,
        Rejection::Illegal { .. }
        | Rejection::TargetNotAllowed { .. }
        | Rejection::NoChange
        | Rejection::FactsNeeded => Exit::Failed,
        Rejection::AttemptOpen { .. } => Exit::Later,
        Rejection::Held { .. }
        | Rejection::NoEvidence
        | Rejection::Findings { .. }
        | Rejection::NoActions
        | Rejection::PrOver
        | Rejection::NotAPerson { .. }
        | Rejection::NoRequest
        | Rejection::WrongToken { .. }
        | Rejection::TooManyWrongTokens
        | Rejection::ForeignToken
        | Rejection::Expired
        | Rejection::NotConfirmed => Exit::Gate,
        Rejection::AlreadyExists
        | Rejection::AttemptNotOpen { .. }
        | Rejection::OtherPrLinked { .. }
        | Rejection::NotTheChange
        | Rejection::Superseded { .. }
        | Rejection::Stale { .. }
        | Rejection::TokenUsed
        | Rejection::Withdrawn => Exit::Conflict,
    }
}
