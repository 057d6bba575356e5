//! What surfaces show about a run: one reading, the same words everywhere.

use super::pulse::AtWork;
use super::{App, AppError};
use crate::domain::agent::role::Role;
use crate::domain::forge::fact::PullState;
use crate::domain::gate::Gate;
use crate::domain::id::{CommitSha, Digest, EventSeq, RunId};
use crate::domain::next::{Due, Wait, next};
use crate::domain::projection::{ArtifactRow, AttemptRow, UsageRow};
use crate::domain::run::Run;
use crate::domain::spec::agent_name;
use crate::domain::state::State;
use crate::domain::time::{Moment, Timestamp};

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// What it waits for, and what a person can type.
    pub advice: Advice,
    /// The agent of it that is at work.
    pub at_work: Option<AtWork>,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// What its agents used, oldest first.
    pub usage: Vec<UsageRow>,
    /// Its artifacts, oldest first.
    pub artifacts: Vec<ArtifactRow>,
    /// Digest of its last event, which stands for its whole log; `None` in a store without a chain.
    pub digest: Option<Digest>,
}

/// What a run waits for, and the exact commands that move it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// One sentence.
    pub waits_for: String,
    /// When it goes on by itself at the latest; `None` where that is not known.
    pub until: Option<Timestamp>,
    /// Commands, the likeliest first; empty when nothing is left to do.
    pub next: Vec<String>,
}

impl App {
    /// Everything about one run, read now.
    ///
    /// # Errors
    /// [`AppError::NoSuchRun`], or the store's.
    pub fn detail(&self, run_id: &RunId) -> Result<RunDetail, AppError> {
        let run = self.run(run_id)?;
        let (advice, at_work) = self.advice(&run);
        Ok(RunDetail {
            advice,
            at_work,
            attempts: self.ports.store.attempts_of(run_id)?,
            usage: self.usage_of(run_id)?,
            artifacts: self.ports.store.artifacts_of(run_id)?,
            digest: self.digest_of(run.last_seq)?,
            run,
        })
    }

    /// What a run waits for now, and the agent of it that is at work.
    ///
    /// The log of a run whose engine was killed waits for an attempt that nobody performs: here the machine is looked at, too.
    pub fn advice(&self, run: &Run) -> (Advice, Option<AtWork>) {
        let mut advice = advice(run, &self.ports.clock.now());
        let at_work = self.at_work(run);
        if at_work.as_ref().is_some_and(AtWork::is_abandoned) {
            advice.waits_for = "an engine, to end the attempt whose program is gone".to_owned();
            advice.next.insert(0, format!("agentpr run-manager-loop --run-id {}", run.id));
        }
        (advice, at_work)
    }

    /// Digest of one event; `None` in a store without a chain.
    ///
    /// # Errors
    /// The store's.
    pub fn digest_of(&self, seq: EventSeq) -> Result<Option<Digest>, AppError> {
        let digests = self.ports.store.digests_after(EventSeq(seq.0.saturating_sub(1)), 1)?;
        Ok(digests.into_iter().find(|(of, _)| *of == seq).map(|(_, digest)| digest))
    }

    /// The pull request of a run as a forge of this machine shows it, as JSON text. One elsewhere is not asked: to look at a run takes no
    /// network, and what is known of it is in the log.
    ///
    /// # Errors
    /// The forge's.
    pub async fn pr_document(&self, run: &Run) -> Result<Option<String>, AppError> {
        match &run.pr {
            Some(pr) if pr.url.as_deref().is_some_and(|url| url.starts_with("file://")) => {
                Ok(self.ports.forge.pr_document(&run.spec, pr.number).await?)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The commit that a run's branch points to at the remote, asked now; `None` when it is not there.
    ///
    /// # Errors
    /// The forge's.
    pub async fn at_remote(&self, run: &Run) -> Result<Option<CommitSha>, AppError> {
        Ok(self.ports.forge.branch_head(&run.spec, &run.spec.head_branch).await?)
    }

    /// What a run's newest change adds to what was pushed before; the whole change where nothing was. `true` when it was cut at `limit`
    /// bytes.
    ///
    /// # Errors
    /// [`AppError::Refused`] while there is no change.
    pub async fn diff_since_push(&self, run_id: &RunId, limit: usize) -> Result<(Vec<u8>, bool), AppError> {
        let run = self.run(run_id)?;
        match (&run.pushed, &run.change) {
            (Some(pushed), Some(change)) => {
                Ok(self.ports.workspace.diff(&run.spec.repo, &pushed.sha, &change.head_sha, limit).await?)
            }
            _ => self.diff(run_id, limit).await,
        }
    }

    /// The diff of a run's newest change against its base; `true` when it was cut at `limit` bytes.
    ///
    /// # Errors
    /// [`AppError::Refused`] while there is no change.
    pub async fn diff(&self, run_id: &RunId, limit: usize) -> Result<(Vec<u8>, bool), AppError> {
        let run = self.run(run_id)?;
        let (Some(prepared), Some(change)) = (&run.prepared, &run.change) else {
            return Err(super::execute::refused(
                run_id,
                Some(&run),
                crate::domain::decide::Rejection::NoChange,
            ));
        };
        let repo = &run.spec.repo;
        Ok(self.ports.workspace.diff(repo, &prepared.base_sha, &change.head_sha, limit).await?)
    }
}

/// Says what `run` waits for at `now` and what moves it on.
pub fn advice(run: &Run, now: &Moment) -> Advice {
    let id = &run.id;
    let mut until = None;
    let engine = format!("agentpr run-manager-loop --run-id {id}");
    let (waits_for, next): (String, Vec<String>) = match next(run, now) {
        Due::Command(command) => (format!("an engine, to {}", command.name()), vec![engine]),
        Due::Perform(step) => (format!("an engine, to do the {} step", step.name()), vec![engine]),
        Due::Wait(Wait::Attempt(step)) => (
            format!("the {} attempt that is under way", step.name()),
            vec![format!("agentpr events {id} --follow"), format!("agentpr pause {id}")],
        ),
        Due::Wait(Wait::Approval) => (
            "two confirmations of the open request".to_owned(),
            vec![format!("agentpr diff {id}"), format!("agentpr approve {id}")],
        ),
        Due::Wait(Wait::Person) => person(run),
        Due::Wait(Wait::Operator) => operator(run),
        Due::Wait(Wait::Forge) if has_a_service(run) => {
            (awaited(run).to_owned(), vec![format!("agentpr sync-github --run-id {id}")])
        }
        Due::Wait(Wait::Forge) => (
            awaited(run).to_owned(),
            match run.state {
                State::ReviewWait => {
                    vec![
                        format!("agentpr mark-done --run-id {id}"),
                        format!("agentpr record-review --run-id {id} --state approved"),
                    ]
                }
                _ => vec![format!("agentpr record-check --run-id {id} --conclusion success")],
            },
        ),
        Due::Wait(Wait::Maintainer) => (
            "a maintainer of the repository, who has to let the checks of a new contributor run".to_owned(),
            vec![format!("agentpr sync-github --run-id {id}")],
        ),
        Due::Wait(Wait::ForgeLimit(back)) => {
            until = Some(back);
            ("the forge, which takes nothing for now".to_owned(), vec![engine])
        }
        Due::Wait(Wait::Quota(back)) => {
            until = Some(back);
            let pool = run.parked.as_ref().map_or("", |parked| parked.pool.as_str());
            (
                format!("the allowance of `{pool}` to come back"),
                vec![
                    "agentpr quota".to_owned(),
                    format!("agentpr quota --clear {pool}"),
                    format!("agentpr pause {id}"),
                ],
            )
        }
        Due::Wait(Wait::Budget) => (
            "attempts under way to give back what they reserved of a budget".to_owned(),
            vec!["agentpr usage".to_owned(), engine],
        ),
        Due::Wait(Wait::Nothing) => ("nothing: the run is over".to_owned(), Vec::new()),
    };
    Advice { waits_for, until, next }
}

/// What a pull request waits for, in words.
fn awaited(run: &Run) -> &'static str {
    match run.state {
        State::ReviewWait => "a review of the pull request",
        _ => "the checks of the pull request",
    }
}

/// Whether the pull request is where somebody can be asked about its checks and reviewers.
fn has_a_service(run: &Run) -> bool {
    run.pr.as_ref().and_then(|pr| pr.url.as_deref()).is_some_and(|url| url.starts_with("http"))
}

fn person(run: &Run) -> (String, Vec<String>) {
    let id = &run.id;
    if let Some(advice) = forge_advice(run) {
        return advice;
    }
    match run.state {
        State::Paused => ("a person to resume it".to_owned(), vec![format!("agentpr resume {id}")]),
        State::FailedRetryable => (
            "a person to order another try".to_owned(),
            vec![format!("agentpr logs {id}"), format!("agentpr retry {id}"), format!("agentpr cancel {id}")],
        ),
        State::Pushed => (
            "a person to ask for the pull request".to_owned(),
            vec![format!("agentpr approve {id}"), format!("agentpr link-pr --run-id {id} --pr-number N")],
        ),
        _ if run.reason.code == "ready_for_review" => (
            match &run.gate {
                Gate::Cancelled { .. } => "a person to ask again: the last request was cancelled".to_owned(),
                _ => "a person to decide".to_owned(),
            },
            vec![
                format!("agentpr diff {id}"),
                format!("agentpr approve {id}"),
                format!("agentpr retry {id}"),
            ],
        ),
        _ => match reason_advice(run) {
            Some(advice) => advice,
            None => (
                "a person to decide".to_owned(),
                vec![
                    format!("agentpr why {id}"),
                    format!("agentpr logs {id}"),
                    format!("agentpr retry {id}"),
                    format!("agentpr cancel {id}"),
                ],
            ),
        },
    }
}

/// What a person does about a pull request that is over or that somebody else pushed to, and about its repository.
fn forge_advice(run: &Run) -> Option<(String, Vec<String>)> {
    let id = &run.id;
    let done = format!("agentpr mark-done --run-id {id}");
    let (resume, cancel) = (format!("agentpr resume {id}"), format!("agentpr cancel {id}"));
    let over = run.forge.pull.as_ref().filter(|pull| pull.state != PullState::Open);
    if let Some(pull) = over {
        let how = if pull.state == PullState::Merged { "merged" } else { "closed" };
        let go_on = match run.state {
            State::Paused => resume,
            State::FailedRetryable => format!("agentpr retry {id}"),
            _ => done,
        };
        return Some((format!("a person to end it: its pull request was {how}"), vec![go_on, cancel]));
    }
    let (waits_for, next) = match run.reason.code.as_str() {
        "head_moved" if run.state == State::Paused => (
            "a person to look at the commit that somebody else pushed: resume goes on with it, cancel leaves it to them",
            vec![format!("agentpr why {id}"), resume, cancel],
        ),
        "foreign_head" => (
            "a person to repair the pull request by hand: its newest commit is not the run's",
            vec![format!("agentpr why {id}"), done, cancel],
        ),
        "repository_archived" => {
            ("a person to end it: its repository is archived and takes nothing any more", vec![cancel, done])
        }
        "repository_deleted" => ("a person to end it: its repository is gone", vec![cancel, done]),
        _ => return None,
    };
    Some((waits_for.to_owned(), next))
}

/// What a person does about a reason that has an answer of its own.
fn reason_advice(run: &Run) -> Option<(String, Vec<String>)> {
    let id = &run.id;
    let (waits_for, next) = match run.reason.code.as_str() {
        "policy_findings" => (
            "a person to look at the findings",
            vec![
                format!("agentpr diff {id}"),
                format!(
                    "agentpr request-open-pr --run-id {id} --title \"...\" --accept-missing-evidence REASON"
                ),
                format!("agentpr retry {id}"),
            ],
        ),
        "high_risk_action" => (
            "a person to grant or deny the actions the agent asks for",
            vec![format!("agentpr actions {id}"), format!("agentpr actions {id} --grant")],
        ),
        "interactive_auth_required" => {
            ("a person to log in as the verification contract asks", vec![format!("agentpr auth {id}")])
        }
        "verify_blocked_by_policy" => (
            "a person to mend the verification contract",
            vec![format!("agentpr pipeline-spec pin {id} FILE"), format!("agentpr retry {id}")],
        ),
        "agent_auth_required" | "agent_usage_error" => {
            let role = run.agent.as_ref().and_then(|attempt| attempt.evidence.agent.as_deref());
            let agent = run.spec.choice(role.map_or(Role::Build, |record| record.role)).agent;
            let name = agent.as_deref().map(agent_name).unwrap_or_default().to_owned();
            (
                "a person to set the agent right",
                vec![
                    format!("agentpr agents {name}"),
                    format!("agentpr logs {id}"),
                    format!("agentpr retry {id}"),
                ],
            )
        }
        "loop_detected" | "agent_outcome_unknown" | "agent_gave_up" | "agent_asks" | "no_plan" => (
            "a person to read what the agent did",
            vec![format!("agentpr logs {id}"), format!("agentpr retry {id}"), format!("agentpr cancel {id}")],
        ),
        "budget_exhausted" => (
            "a person to grant more, or to end it",
            vec![
                format!("agentpr usage --run {id}"),
                format!("agentpr retry {id}"),
                format!("agentpr cancel {id}"),
            ],
        ),
        "quota_exhausted" => (
            "a person to send it on once the allowance is there again",
            vec!["agentpr quota".to_owned(), format!("agentpr retry {id}"), format!("agentpr cancel {id}")],
        ),
        _ => return None,
    };
    Some((waits_for.to_owned(), next))
}

/// The next verb of the manual path.
fn operator(run: &Run) -> (String, Vec<String>) {
    let id = &run.id;
    let verb = match run.state {
        State::Queued => format!("agentpr start-discovery --run-id {id}"),
        State::Discovery if run.prepared.is_none() => format!("agentpr run-prepare --run-id {id}"),
        State::Discovery => format!("agentpr mark-plan-ready --run-id {id} --contract-path PATH"),
        State::PlanReady | State::Iterating => format!("agentpr start-implementation --run-id {id}"),
        State::Implementing => {
            format!(
                "agentpr run-agent-step --run-id {id} --agent 'command:PROGRAM' --prompt-file FILE --success-state LOCAL_VALIDATING"
            )
        }
        State::LocalValidating => format!("agentpr run-finish --run-id {id} --changes \"...\""),
        State::Pushed => format!("agentpr request-open-pr --run-id {id} --title \"...\""),
        _ => format!("agentpr why {id}"),
    };
    ("the operator's next step".to_owned(), vec![verb])
}
