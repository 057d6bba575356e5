//! The ports that do the work of a run, played by the model: workspace, agent, checks, actions, forge.

use std::path::{Path, PathBuf};

use agentpr::domain::action::{ActionKind, ActionLine, ActionResult, Risk};
use agentpr::domain::agent::quota::Pool;
use agentpr::domain::evidence::{
    AttemptEvidence, AttemptOutcome, Change, CheckReport, CheckResult, CheckSource, DiffStat, Prepared,
    ProcessRef,
};
use agentpr::domain::forge::fact::CheckFact;
use agentpr::domain::gate::{Approved, PushPermit};
use agentpr::domain::guard::{GuardReport, Violation};
use agentpr::domain::id::{AttemptNo, BranchName, CommitSha, PrNumber, RepoSlug, RunId, TreeSha};
use agentpr::domain::pipeline::{Place, Problem};
use agentpr::domain::policy::{Finding, Policy};
use agentpr::domain::signal::Signals;
use agentpr::domain::spec::RunSpec;
use agentpr::domain::verification::Stage;
use agentpr::ports::action::{ActionOrder, Actions};
use agentpr::ports::check::{CheckOrder, Checks, ChecksError, Contract};
use agentpr::ports::forge::{Forge, ForgeError, Observed, OpenedPr, Watched};
use agentpr::ports::worker::{AgentStatus, Listener, OnStart, WorkOrder, WorkReport, Worker, WorkerError};
use agentpr::ports::workspace::{CaptureOrder, GuardOrder, Inspection, Judged, Workspace, WorkspaceError};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{AgentDoes, World, digest, number, sha};

#[async_trait]
impl Workspace for World {
    async fn prepare(&self, _run: &RunId, spec: &RunSpec) -> Result<Prepared, WorkspaceError> {
        let state = self.lock();
        if state.unreachable {
            return Err(WorkspaceError::Remote {
                remote: "model".to_owned(),
                why: "it does not answer".to_owned(),
            });
        }
        let base_branch = spec.base_branch.clone().unwrap_or_else(|| BranchName::new("main").unwrap());
        let base_sha = state.branches[base_branch.as_str()].clone();
        Ok(Prepared { base_branch, base_sha, workspace: "/nowhere/w".to_owned(), remote: "model".to_owned() })
    }

    async fn capture(&self, order: &CaptureOrder) -> Result<Option<Change>, WorkspaceError> {
        let mut state = self.lock();
        if state.failing_captures > 0 {
            state.failing_captures -= 1;
            return Err(WorkspaceError::TooBig { limit: 1 });
        }
        if !std::mem::take(&mut state.last_changed) {
            return Ok(order.last.clone());
        }
        state.changes += 1;
        let change = 100 + state.changes;
        Ok(Some(Change {
            head_sha: sha(change),
            tree: TreeSha::new(format!("{change:040x}")).unwrap(),
            parent_sha: order.parent_sha.clone(),
            diff_digest: digest(change),
            stat: DiffStat { files: 1, insertions: 1, deletions: 0 },
        }))
    }

    async fn inspect(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        head: &CommitSha,
    ) -> Result<Inspection, WorkspaceError> {
        Ok(Inspection {
            tree: TreeSha::new(head.as_str()).unwrap(),
            diff_digest: digest(number(head)),
            stat: DiffStat { files: 1, insertions: 1, deletions: 0 },
            paths: vec!["a.txt".to_owned()],
            protected: Vec::new(),
        })
    }

    async fn diff(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        _: &CommitSha,
        _: usize,
    ) -> Result<(Vec<u8>, bool), WorkspaceError> {
        Ok((b"+a\n".to_vec(), false))
    }

    async fn read_file(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        path: &str,
        _: u64,
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let state = self.lock();
        let template = state.template.clone().filter(|_| path.contains("pull_request_template"));
        Ok(template.or(state.contract.clone().filter(|_| path.contains("pipeline"))))
    }

    async fn begin_phase(&self, _: &GuardOrder) -> Result<Vec<Judged>, WorkspaceError> {
        Ok(Vec::new())
    }

    async fn forget_judged(&self, _: &RepoSlug, _: &RunId) -> Result<(), WorkspaceError> {
        Ok(())
    }

    async fn end_phase(&self, order: &GuardOrder) -> Result<GuardReport, WorkspaceError> {
        let breach = self.lock().breaches.pop_front().flatten();
        let violation = breach.map(|breach| Violation { path: "pipeline.yml".to_owned(), breach });
        Ok(GuardReport::of(order.scope, violation.into_iter().collect()))
    }

    async fn take_actions(&self, _: &RepoSlug, _: &RunId) -> Result<Option<(Vec<u8>, bool)>, WorkspaceError> {
        let asked = self.lock().asked_actions.pop_front().flatten();
        Ok(asked.map(|(text, fresh)| (text.into_bytes(), fresh)))
    }

    async fn scan(
        &self,
        _: &RepoSlug,
        _: &CommitSha,
        _: &CommitSha,
        _: &Policy,
    ) -> Result<Vec<Finding>, WorkspaceError> {
        Ok(self.lock().findings.clone())
    }

    async fn checkpoint(
        &self,
        _: &RepoSlug,
        _: &RunId,
        attempt: AttemptNo,
        _: &CommitSha,
    ) -> Result<(), WorkspaceError> {
        self.lock().checkpoints.push(attempt);
        Ok(())
    }

    fn path(&self, repo: &RepoSlug, run: &RunId) -> PathBuf {
        Path::new("/nowhere").join(repo.key()).join(run.as_str())
    }

    async fn remove(&self, _: &RepoSlug, _: &RunId) -> Result<u64, WorkspaceError> {
        Ok(1)
    }
}

#[async_trait]
impl Worker for World {
    async fn run(
        &self,
        order: &WorkOrder,
        listener: &dyn Listener,
        stop: &CancellationToken,
    ) -> Result<WorkReport, WorkerError> {
        listener.started(ProcessRef {
            pid: 7,
            start_ticks: u64::from(order.attempt.0),
            boot: "boot".to_owned(),
        });
        let (does, says) = {
            let mut state = self.lock();
            state.orders.push(order.clone());
            state.agents_at_once += 1;
            state.most_agents_at_once = state.most_agents_at_once.max(state.agents_at_once);
            let says = state.says.pop_front();
            (state.agent.pop_front().unwrap_or(AgentDoes::Changes), says)
        };
        if let Some(session) = says.as_ref().and_then(|says| says.record.session.as_ref()) {
            listener.session(session);
        }
        let outcome = match does {
            AgentDoes::Fails => AttemptOutcome::Failed,
            AgentDoes::Nothing => AttemptOutcome::Succeeded,
            AgentDoes::Changes => {
                self.lock().last_changed = true;
                AttemptOutcome::Succeeded
            }
            AgentDoes::Pushes => {
                let mut state = self.lock();
                state.last_changed = true;
                state.branches.insert(format!("agentpr/{}", order.run), sha(666));
                AttemptOutcome::Succeeded
            }
            AgentDoes::Waits => {
                self.waiting.add_permits(1);
                tokio::select! {
                    permit = self.go.acquire() => {
                        permit.unwrap().forget();
                        self.lock().last_changed = true;
                        AttemptOutcome::Succeeded
                    }
                    () = stop.cancelled() => AttemptOutcome::Stopped,
                }
            }
        };
        self.lock().agents_at_once -= 1;
        let failed = says.as_ref().is_some_and(|says| says.record.trouble.is_some());
        let words = says.as_ref().map_or_else(String::new, |says| says.words.clone());
        let agent = says.map(|says| Box::new(says.record));
        Ok(WorkReport {
            outcome: if failed { AttemptOutcome::Failed } else { outcome },
            evidence: AttemptEvidence { agent, ..AttemptEvidence::default() },
            signals: Signals::default(),
            last_message: words,
        })
    }

    fn pool(&self, agent: &str) -> Option<Pool> {
        Some(Pool::new(agent))
    }

    fn model(&self, _: &str) -> Option<String> {
        None
    }

    async fn survey(&self) -> Vec<AgentStatus> {
        self.lock().agents.clone()
    }

    fn probe(&self, agent: &str) -> Result<(), WorkerError> {
        match agent {
            "model" => Ok(()),
            other => {
                Err(WorkerError::UnknownAgent { agent: other.to_owned(), why: "not a model".to_owned() })
            }
        }
    }

    async fn end_leftover(&self, process: &ProcessRef) {
        self.lock().ended_leftovers.push(process.clone());
    }
}

#[async_trait]
impl Checks for World {
    async fn run(
        &self,
        order: &CheckOrder,
        _started: OnStart<'_>,
        _stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        self.lock().contracts_used.push(order.contract.clone());
        let passes = self.lock().checks_pass.pop_front().unwrap_or(true);
        let commands = self.lock().commands.clone().unwrap_or_else(|| vec!["make test".to_owned()]);
        let result = |command: String| CheckResult {
            command,
            exit_code: Some(i32::from(!passes)),
            duration_ms: 1,
            timed_out: false,
            log: None,
            excerpt: if passes { String::new() } else { "FAIL: one is not two".to_owned() },
            stage: Stage::Tests,
            tries: 1,
            limit: None,
            known_failure: None,
        };
        Ok(CheckReport {
            results: commands.into_iter().map(result).collect(),
            ..CheckReport::empty(order.head_sha.clone(), CheckSource::Given)
        })
    }

    fn read_contract(&self, bytes: &[u8]) -> Result<Contract, Vec<Problem>> {
        if bytes.starts_with(b"version: 1") {
            let mut contract = Contract::default();
            if bytes.ends_with(b"interactive") {
                contract.pipeline.auth.interactive = true;
                contract.pipeline.auth.commands.cmds.push("log in".to_owned());
            }
            return Ok(contract);
        }
        let (path, message) = ("version".to_owned(), "missing".to_owned());
        Err(vec![Problem { path, place: Place::default(), message }])
    }
}

#[async_trait]
impl Actions for World {
    fn read(&self, bytes: &[u8]) -> Result<Vec<ActionLine>, (String, String)> {
        let text = String::from_utf8_lossy(bytes);
        let risk = if text.contains("high") { Risk::High } else { Risk::Low };
        if text.contains("broken") {
            return Err(("invalid_yaml".to_owned(), "line 1".to_owned()));
        }
        Ok(vec![ActionLine { id: "a1".to_owned(), kind: ActionKind::RunCmd, what: text.into_owned(), risk }])
    }

    async fn run(
        &self,
        _: &ActionOrder,
        _: OnStart<'_>,
        _: &CancellationToken,
    ) -> Result<Vec<ActionResult>, String> {
        self.lock().actions_run += 1;
        Ok(vec![ActionResult { id: "a1".to_owned(), exit_code: Some(0), error: String::new(), log: None }])
    }
}

#[async_trait]
impl Forge for World {
    async fn repo_id(&self, _: &RunSpec) -> Result<Option<u64>, ForgeError> {
        Ok(None)
    }

    async fn branch_head(&self, _: &RunSpec, branch: &BranchName) -> Result<Option<CommitSha>, ForgeError> {
        let state = self.lock();
        if state.unreachable {
            return Err(ForgeError::Unavailable("it does not answer".to_owned()));
        }
        Ok(state.branches.get(branch.as_str()).cloned())
    }

    async fn push(
        &self,
        _: &RunSpec,
        permit: &PushPermit,
        expected: Option<&CommitSha>,
    ) -> Result<CommitSha, ForgeError> {
        let mut state = self.lock();
        if let Some(until) = state.limited {
            return Err(ForgeError::Limited { until, why: "too many requests".to_owned() });
        }
        if state.failing_pushes > 0 {
            state.failing_pushes -= 1;
            self.waiting.add_permits(1);
            return Err(ForgeError::Unavailable("it does not answer".to_owned()));
        }
        let found = state.branches.get(permit.branch().as_str()).cloned();
        if found.as_ref() != Some(permit.sha()) {
            if found.is_some() && found.as_ref() != expected {
                let found = found.map_or_else(|| "nothing".to_owned(), |sha| sha.to_string());
                return Err(ForgeError::Moved { branch: permit.branch().to_string(), found });
            }
            state.branches.insert(permit.branch().to_string(), permit.sha().clone());
            state.pushes.push(permit.sha().clone());
        }
        Ok(permit.sha().clone())
    }

    async fn open_pr(&self, _: &RunSpec, approved: &Approved) -> Result<OpenedPr, ForgeError> {
        let mut state = self.lock();
        let head = approved.request().binding.head_branch.to_string();
        let found = state.pulls.iter().position(|pull| *pull == head);
        let at = found.unwrap_or_else(|| {
            state.pulls.push(head);
            state.pulls.len() - 1
        });
        let number = PrNumber::new(u64::try_from(at).unwrap() + 1).unwrap();
        Ok(OpenedPr { number, url: None, found: found.is_some() })
    }

    async fn pr_document(&self, _: &RunSpec, _: PrNumber) -> Result<Option<String>, ForgeError> {
        Ok(None)
    }

    async fn observe(&self, watched: &[Watched]) -> Result<Vec<Observed>, ForgeError> {
        let state = self.lock();
        if state.unreachable {
            return Err(ForgeError::Unavailable("nobody answers".to_owned()));
        }
        Ok(watched
            .iter()
            .map(|one| Observed { run: one.run.clone(), facts: Ok(state.facts.clone()) })
            .collect())
    }

    async fn failure_excerpt(
        &self,
        _: &RunSpec,
        check: &CheckFact,
        _: usize,
    ) -> Result<Option<String>, ForgeError> {
        Ok(Some(format!("the log of {}", check.name)))
    }

    fn drafts(&self, _: &RunSpec) -> bool {
        false
    }

    fn is_waited_for(&self, _: &RunSpec) -> bool {
        self.lock().waited_for
    }
}
