//! The run: the fold of its events, and nothing else.
//!
//! [`Run::birth`] and [`Run::evolve`] are the only ways a run changes. They never refuse and never panic on a log that
//! [`super::decide`] produced; a log that cannot be folded is a damaged log, and [`Unfoldable`] names the event.

// A new event makes every fold here stop compiling until somebody said what it means.
#![warn(clippy::wildcard_enum_match_arm)]

mod fact;
mod take;

use std::collections::BTreeMap;

pub use fact::{AgentAttempt, PendingActions, PullRequest, PushedBranch, Scan, Unfoldable};

use crate::domain::action::ActionsReport;
use crate::domain::actor::Actor;
use crate::domain::agent::quota::Parked;
use crate::domain::agent::record::Session;
use crate::domain::agent::role::Role;
use crate::domain::event::{Event, Recorded};
use crate::domain::evidence::{Change, CheckOutcome, CheckReport, Contract, OpenAttempt, Prepared, Step};
use crate::domain::forge::fact::PullState;
use crate::domain::forge::standing::CiStatus;
use crate::domain::forge::view::ForgeView;
use crate::domain::gate::Gate;
use crate::domain::guard::GuardReport;
use crate::domain::id::{AttemptNo, CommitSha, EventSeq, RequestId, RunId, Version};
use crate::domain::reason::{LastError, Reason, reason_of};
use crate::domain::spec::RunSpec;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::transition::{Move, Position, transition};
use crate::domain::verdict::Verdict;
use crate::domain::verification::PinnedSpec;

/// A run as it is after some event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The order it was made from.
    pub spec: RunSpec,
    /// Where it stands.
    pub state: State,
    /// Where it goes on when it is resumed; `Some` exactly while paused.
    pub paused_from: Option<State>,
    /// Where it stood before it failed or was handed to a person.
    pub held_from: Option<State>,
    /// Number of its events.
    pub version: Version,
    /// Its last event.
    pub last_seq: EventSeq,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last event was recorded.
    pub updated_at: Timestamp,
    /// When its time began to run: its creation, or the last time a person sent it on.
    pub clock_from: Timestamp,
    /// Why it is where it is.
    pub reason: Reason,
    /// The last failure, until something succeeds.
    pub last_error: Option<LastError>,
    /// The workspace, once made.
    pub prepared: Option<Prepared>,
    /// The contract, once accepted.
    pub contract: Option<Contract>,
    /// The newest captured change.
    pub change: Option<Change>,
    /// What the engine's checks said last.
    pub checks: Option<CheckReport>,
    /// How the newest attempt of the agent ended.
    pub agent: Option<AgentAttempt>,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    /// Number of the last attempt.
    pub attempts: AttemptNo,
    /// The attempt under way.
    pub open: Option<OpenAttempt>,
    /// Attempts of one step cut off in a row.
    pub interruptions: Option<(Step, u32)>,
    /// Fix rounds since the checks last passed or a person stepped in.
    pub fix_rounds: u32,
    /// The gate.
    pub gate: Gate,
    /// Every request ever made, oldest first.
    pub requests: Vec<RequestId>,
    /// What is at the remote.
    pub pushed: Option<PushedBranch>,
    /// The pull request.
    pub pr: Option<PullRequest>,
    /// What the forge says about the pushed commit.
    pub forge_checks: Option<(Option<CommitSha>, String)>,
    /// The forge's check told last, whatever it was about.
    pub last_check: Option<(Option<CommitSha>, String)>,
    /// The state of the newest review of what is at the remote.
    pub review: Option<String>,
    /// The review told last, whatever it was about.
    pub last_review: Option<(Option<CommitSha>, String)>,
    /// What the forge said of its pull request.
    pub forge: ForgeView,
    /// Until when the forge takes nothing, and how many times in a row that was said.
    pub forge_parked: Option<(Timestamp, u32)>,
    /// When the newest captured change was first on its way to the remote; `None` once it is known to be there.
    pub push_begun: Option<Timestamp>,
    /// Who confirmed the request that led to the pull request.
    pub first_approval: Option<Actor>,
    /// The verification contract the run is judged by.
    pub verify_spec: Option<PinnedSpec>,
    /// Whether a person granted the interactive login the contract asks for.
    pub auth_granted: bool,
    /// Phases in which the guard found a violation, since a person last stepped in.
    pub guard_violations: u32,
    /// What the guard found last, and in which attempt.
    pub guard: Option<(AttemptNo, GuardReport)>,
    /// What the look at a change's objects found last: the commit, the findings, the number of blocking ones.
    pub scan: Option<Scan>,
    /// Requested actions that have not been decided or carried out.
    pub actions: Option<PendingActions>,
    /// What came of the newest actions; the next prompt tells it.
    pub actions_report: Option<ActionsReport>,
    /// Attempts of the agent in a row that failed in a way another try may mend.
    pub retries: u32,
    /// Conversations of its agents, by role, as they were left.
    pub sessions: BTreeMap<Role, Session>,
    /// The allowance it waits for, or waited for last, until an agent ended for another reason.
    pub parked: Option<Parked>,
    /// Whether a change was captured that no check and no person has looked at yet.
    pub fresh_change: bool,
}

impl Run {
    /// Folds a whole log of one run; `None` for an empty one.
    ///
    /// # Errors
    /// [`Unfoldable`] for a log no run can have.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Recorded>) -> Result<Option<Self>, Unfoldable> {
        let mut events = events.into_iter();
        let Some(first) = events.next() else { return Ok(None) };
        let mut run = Self::birth(first)?;
        for recorded in events {
            run.evolve(recorded)?;
        }
        Ok(Some(run))
    }

    /// Makes a run from its first event.
    ///
    /// # Errors
    /// [`Unfoldable::NotBorn`] when it is not the creation, [`Unfoldable::Gap`] when it is not version 1.
    pub fn birth(first: &Recorded) -> Result<Self, Unfoldable> {
        let Event::RunCreated(body) = &first.event else {
            return Err(Unfoldable::NotBorn { run: first.run.clone(), event: first.event.name() });
        };
        if first.version != Version(0).next() {
            let run = first.run.clone();
            return Err(Unfoldable::Gap { run, expected_after: Version(0), found: first.version });
        }
        let run = Self {
            id: first.run.clone(),
            spec: body.spec.clone(),
            state: State::Queued,
            paused_from: None,
            held_from: None,
            version: first.version,
            last_seq: first.seq,
            created_at: first.at,
            updated_at: first.at,
            clock_from: first.at,
            reason: Reason {
                seq: first.seq,
                code: "created".to_owned(),
                message: "the run was created".to_owned(),
            },
            last_error: None,
            prepared: None,
            contract: None,
            change: None,
            checks: None,
            agent: None,
            verdict: None,
            attempts: AttemptNo(0),
            open: None,
            interruptions: None,
            fix_rounds: 0,
            gate: Gate::Closed,
            requests: Vec::new(),
            pushed: None,
            pr: None,
            forge_checks: None,
            last_check: None,
            review: None,
            last_review: None,
            forge: ForgeView::default(),
            forge_parked: None,
            push_begun: None,
            first_approval: None,
            verify_spec: None,
            auth_granted: false,
            guard_violations: 0,
            guard: None,
            scan: None,
            actions: None,
            actions_report: None,
            retries: 0,
            sessions: BTreeMap::new(),
            parked: None,
            fresh_change: false,
        };
        Ok(run)
    }

    /// Takes one more event in.
    ///
    /// # Errors
    /// [`Unfoldable`] for a gap or an event that cannot follow.
    pub fn evolve(&mut self, recorded: &Recorded) -> Result<(), Unfoldable> {
        if recorded.version != self.version.next() {
            let run = self.id.clone();
            return Err(Unfoldable::Gap { run, expected_after: self.version, found: recorded.version });
        }
        let before = self.state;
        match transition(Position::of(self), &recorded.event) {
            Move::To(state) => self.enter(state, recorded),
            Move::Behind(state) => {
                if state == State::NeedsHumanReview && self.held_from.is_none() {
                    self.held_from = self.paused_from;
                }
                self.paused_from = Some(state);
            }
            Move::Stay if self.state == State::NeedsHumanReview => self.hear(recorded),
            Move::Stay => {}
            Move::Illegal => {
                return Err(Unfoldable::Illegal {
                    run: self.id.clone(),
                    event: recorded.event.name(),
                    version: recorded.version,
                    state: before,
                });
            }
        }
        self.take(recorded);
        self.version = recorded.version;
        self.last_seq = recorded.seq;
        self.updated_at = recorded.at;
        Ok(())
    }

    /// The state after `event`, were it to follow; `None` when it cannot.
    pub fn state_after(&self, event: &Event) -> Option<State> {
        match transition(Position::of(self), event) {
            Move::To(state) => Some(state),
            Move::Stay | Move::Behind(_) => Some(self.state),
            Move::Illegal => None,
        }
    }

    /// What the checks said about the newest captured change; `None` when they did not run on it.
    pub fn evidence(&self) -> Option<CheckOutcome> {
        let head = &self.change.as_ref()?.head_sha;
        let report = self.checks.as_ref()?;
        (report.head_sha == *head).then(|| report.outcome())
    }

    /// Says whether the newest captured change passed its checks, and as many of them as the run's rules ask for.
    pub fn is_proven(&self) -> bool {
        let enough = |report: &CheckReport| report.evidence() >= self.spec.policy.min_checks;
        self.evidence() == Some(CheckOutcome::Passed) && self.checks.as_ref().is_some_and(enough)
    }

    /// Says whether requested actions can be carried out: nobody has to grant them, or a person did.
    pub fn actions_are_due(&self) -> bool {
        self.actions.as_ref().is_some_and(|pending| match pending.granted {
            Some(granted) => granted,
            None => !pending.request.needs_person,
        })
    }

    /// What the guard found in an attempt; `None` when that was clean.
    pub fn guard_of(&self, attempt: AttemptNo) -> Option<&GuardReport> {
        self.guard.as_ref().filter(|(no, _)| *no == attempt).map(|(_, report)| report)
    }

    /// Blocking findings on the newest captured change; `None` when its objects were not looked at.
    pub fn blocking_findings(&self) -> Option<u32> {
        let head = &self.change.as_ref()?.head_sha;
        self.scan.as_ref().filter(|scan| scan.head_sha == *head).map(|scan| scan.blocking)
    }

    /// Says whether the pull request was merged or closed at the forge. One that is told of before the run has its own may be
    /// somebody else's.
    pub fn pr_is_over(&self) -> bool {
        self.pr.is_some() && self.forge.pull.as_ref().is_some_and(|pull| pull.state != PullState::Open)
    }

    /// What the forge's checks say of what is at the remote; `None` before anything is.
    pub fn ci(&self) -> Option<CiStatus> {
        self.pushed.as_ref().map(|pushed| self.forge.ci(self.forge.judged(&pushed.sha)))
    }

    fn enter(&mut self, state: State, recorded: &Recorded) {
        if state == State::Paused {
            self.paused_from = Some(self.state);
        } else {
            self.paused_from = None;
        }
        if matches!(state, State::NeedsHumanReview | State::FailedRetryable) {
            if !self.state.is_held() {
                self.held_from = Some(self.state);
            }
        } else if state != State::Paused {
            self.held_from = None;
            self.last_error = None;
        }
        self.state = state;
        let (code, message) = reason_of(&recorded.event);
        self.reason = Reason { seq: recorded.seq, code, message };
    }

    /// A run that a person has already learns the newest reason.
    fn hear(&mut self, recorded: &Recorded) {
        if let Event::HumanReviewRequested(body) = &recorded.event {
            self.reason =
                Reason { seq: recorded.seq, code: body.reason.clone(), message: body.message.clone() };
        }
    }
}
