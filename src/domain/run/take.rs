//! What each event says of a run, besides where it leads.

use super::{AgentAttempt, PendingActions, PullRequest, PushedBranch, Run, Scan};
use crate::domain::agent::class::{OutcomeClass, Trouble};
use crate::domain::agent::quota::Parked;
use crate::domain::agent::record::AgentRecord;
use crate::domain::event::{CheckRecorded, Event, Recorded, ReviewRecorded};
use crate::domain::evidence::{AttemptOutcome, CheckOutcome, OpenAttempt, Step};
use crate::domain::forge::fact::{CheckFact, CheckKind, ForgeFact, ReviewFact};
use crate::domain::gate::Gate;
use crate::domain::reason::LastError;
use crate::domain::time::Timestamp;
use crate::domain::transition::{Conclusion, Position, conclusion};
use crate::domain::verdict::Grade;

impl Run {
    /// What an ended attempt says of its agent: the conversation as it was left, and that an allowance is there.
    fn hear_agent(&mut self, record: Option<&AgentRecord>) {
        let Some(record) = record else { return };
        match &record.session {
            Some(_) if record.trouble == Some(Trouble::SessionLost) => {
                self.sessions.remove(&record.role);
            }
            Some(session) => {
                self.sessions.insert(record.role, session.clone());
            }
            None => {}
        }
        if record.class != OutcomeClass::Quota {
            self.parked = None;
        }
    }

    /// Takes a fact of the forge in; the captured commit may be on its way there.
    fn learn(&mut self, fact: &ForgeFact) {
        self.forge.learn(fact, self.change.as_ref().map(|change| &change.head_sha));
    }

    /// A word about all checks together counts beside what the forge says of each.
    fn hear_told_check(&mut self, word: &str, at: Timestamp) {
        let Some(pushed) = &self.pushed else { return };
        let told = CheckFact {
            kind: CheckKind::Told,
            id: 0,
            suite: None,
            name: "record-check".to_owned(),
            app: String::new(),
            head_sha: self.forge.judged(&pushed.sha).clone(),
            conclusion: Some(word.to_owned()),
            at,
            url: None,
            summary: String::new(),
        };
        self.forge.hear_check(told);
    }

    fn hear_told_review(&mut self, state: &str, at: Timestamp) {
        let told = ReviewFact {
            id: 0,
            reviewer: String::new(),
            state: state.to_owned(),
            commit: None,
            at,
            body: String::new(),
            association: String::new(),
        };
        self.forge.hear_review(told);
    }

    /// Takes in what an event says, besides where it leads.
    pub(super) fn take(&mut self, recorded: &Recorded) {
        let event = &recorded.event;
        match event {
            Event::WorkspacePrepared(body) => self.prepared = Some(body.prepared.clone()),
            Event::VerifySpecPinned(body) => {
                self.verify_spec.clone_from(&body.spec);
                // What another contract said proves nothing by this one.
                self.checks = None;
                self.auth_granted = false;
            }
            Event::AuthGranted(_) => self.auth_granted = true,
            Event::SessionNamed(body) => {
                self.sessions.insert(body.role, body.session.clone());
            }
            Event::QuotaParked(body) => {
                self.parked = Some(Parked { pool: body.pool.clone(), until: body.until, times: body.times });
            }
            Event::QuotaLifted(body) => {
                if self.parked.as_ref().is_some_and(|parked| parked.pool == body.pool) {
                    self.parked = None;
                }
            }
            Event::GuardViolated(body) => {
                self.guard_violations += 1;
                self.guard = Some((body.attempt, body.report.clone()));
            }
            Event::ActionsRequested(body) => {
                self.actions = Some(PendingActions { request: body.request.clone(), granted: None });
            }
            Event::ActionsDecided(body) => {
                if let Some(pending) = &mut self.actions {
                    pending.granted = Some(body.granted);
                }
            }
            Event::ActionsExecuted(body) => {
                self.actions = None;
                self.actions_report = Some(body.report.clone());
            }
            Event::PolicyScanned(body) => {
                self.scan = Some(Scan {
                    head_sha: body.head_sha.clone(),
                    findings: body.findings.clone(),
                    blocking: body.blocking,
                });
            }
            Event::PlanReady(body) => self.contract = Some(body.contract.clone()),
            Event::AttemptStarted(body) => {
                self.attempts = body.attempt;
                self.fresh_change &= body.step != Step::Agent;
                if body.step == Step::Push {
                    self.push_begun.get_or_insert(recorded.at);
                }
                self.open = Some(OpenAttempt {
                    no: body.attempt,
                    step: body.step,
                    generation: body.generation,
                    process: None,
                });
            }
            Event::ProcessStarted(body) => {
                if let Some(open) = self.open.as_mut().filter(|open| open.no == body.attempt) {
                    open.process = Some(body.process.clone());
                }
            }
            Event::AttemptEnded(body) => {
                self.open = None;
                if body.step == Step::Agent {
                    self.agent = Some(AgentAttempt {
                        no: body.attempt,
                        outcome: body.outcome,
                        evidence: body.evidence.clone(),
                    });
                }
                self.hear_agent(body.evidence.agent.as_deref());
                self.interruptions = match (body.outcome, self.interruptions) {
                    (AttemptOutcome::Interrupted, Some((step, count))) if step == body.step => {
                        Some((step, count + 1))
                    }
                    (AttemptOutcome::Interrupted, _) => Some((body.step, 1)),
                    (AttemptOutcome::Stopped, before) => before,
                    _ => None,
                };
            }
            Event::ChangeCaptured(body) => {
                self.change = Some(body.change.clone());
                self.push_begun = None;
                self.fresh_change = true;
            }
            Event::ChecksFinished(body) => {
                self.checks = Some(body.report.clone());
                self.fresh_change &= self.evidence().is_none();
                if self.evidence() == Some(CheckOutcome::Passed) {
                    self.fix_rounds = 0;
                }
            }
            Event::VerdictRendered(body) => {
                self.retries = match body.verdict.grade {
                    // Waiting for an allowance is no failed try.
                    Grade::Retryable if body.verdict.reason_code == Trouble::QuotaExhausted.reason_code() => {
                        self.retries
                    }
                    Grade::Retryable => self.retries + 1,
                    Grade::Pass | Grade::HumanReview => 0,
                };
                self.verdict = Some(body.verdict.clone());
            }
            Event::FixRequested(body) => self.fix_rounds = body.round,
            Event::ValidationStarted(_) => self.fresh_change = false,
            Event::StepFailed(_) | Event::TimedOut(_) => self.last_error = LastError::of(event),
            Event::PrRequested(body) => {
                self.requests.push(body.request.id.clone());
                self.last_error = None;
                self.gate = Gate::Open { request: body.request.clone(), wrong_tokens: 0 };
            }
            Event::TokenRefused(body) => {
                if let Gate::Open { request, wrong_tokens } = &mut self.gate
                    && request.id == body.request
                {
                    *wrong_tokens = body.wrong_tokens;
                }
            }
            Event::PrRequestCancelled(body) => {
                self.gate = Gate::Cancelled { request: body.request.clone(), reason: body.reason };
            }
            Event::PrApproved(body) => {
                if let Gate::Open { request, .. } = &self.gate {
                    self.gate = Gate::Approved { request: request.clone(), by: body.by.clone() };
                }
            }
            Event::Pushed(body) => {
                self.pushed = Some(PushedBranch { branch: body.branch.clone(), sha: body.sha.clone() });
                self.forge_checks = None;
                self.review = None;
                self.forge_parked = None;
                // After a crash it may have been there, and judged, long before that could be recorded.
                let begun = self.push_begun.take().unwrap_or(recorded.at);
                self.forge.pushed(&body.sha, begun);
            }
            Event::PrLinked(body) => {
                self.forge_parked = None;
                self.pr = Some(PullRequest { number: body.pr_number, url: body.url.clone() });
                // One that was told of before may have been somebody else's, from a branch of the same name.
                if self.forge.pull.as_ref().is_some_and(|pull| pull.number != body.pr_number) {
                    self.forge.pull = None;
                }
                if let (Gate::Approved { request, by }, Some(linked)) = (&self.gate, &body.request)
                    && request.id == *linked
                {
                    self.first_approval.get_or_insert_with(|| by.clone());
                    self.gate = Gate::Used { request: linked.clone() };
                }
            }
            Event::CheckRecorded(CheckRecorded { check: Some(check), .. }) => {
                self.learn(&ForgeFact::Check((**check).clone()));
            }
            Event::ReviewRecorded(ReviewRecorded { review: Some(review), .. }) => {
                self.learn(&ForgeFact::Review((**review).clone()));
            }
            Event::CommentRecorded(body) => self.learn(&ForgeFact::Comment(body.comment.clone())),
            Event::PullChanged(body) => self.learn(&ForgeFact::Pull(body.pull.clone())),
            Event::HeadSeen(body) => self.learn(&ForgeFact::Head(body.head.clone())),
            Event::RepositoryChanged(body) => self.learn(&ForgeFact::Repository(body.repository.clone())),
            Event::ForgeParked(body) => self.forge_parked = Some((body.until, body.times)),
            Event::ChecksPassed(body) => {
                self.forge_checks = Some((Some(body.head_sha.clone()), "success".to_owned()));
            }
            Event::SentBack(body) => {
                if !body.checks.is_empty() {
                    self.forge_checks = Some((Some(body.head_sha.clone()), "failure".to_owned()));
                }
                if !body.reviewers.is_empty() {
                    self.review = Some("changes_requested".to_owned());
                }
            }
            Event::ChecksPending(_) => self.forge_checks = None,
            Event::CheckRecorded(body) => {
                if Position::of(self).is_head(body.head_sha.as_ref())
                    && conclusion(&body.conclusion) != Conclusion::Unknown
                {
                    self.forge_checks = Some((body.head_sha.clone(), body.conclusion.clone()));
                    self.hear_told_check(&body.conclusion, recorded.at);
                }
                self.last_check = Some((body.head_sha.clone(), body.conclusion.clone()));
            }
            Event::ReviewRecorded(body) => {
                if Position::of(self).is_head(body.head_sha.as_ref()) {
                    self.review = Some(body.state.clone());
                    self.hear_told_review(&body.state, recorded.at);
                }
                self.last_review = Some((body.head_sha.clone(), body.state.clone()));
            }
            // A person stepped in: the run gets its rounds, its patience and its time back.
            Event::Retried(_) | Event::Resumed(_) => {
                self.fix_rounds = 0;
                self.interruptions = None;
                self.guard_violations = 0;
                self.retries = 0;
                self.parked = None;
                self.forge_parked = None;
                self.clock_from = recorded.at;
                let candidate = self.change.as_ref().map(|change| change.head_sha.clone());
                self.forge.accept_head(candidate.as_ref());
            }
            // These only move the state, or speak to readers of the log.
            Event::RunCreated(_)
            | Event::DiscoveryStarted(_)
            | Event::ImplementationStarted(_)
            | Event::HumanReviewRequested(_)
            | Event::HeadMoved(_)
            | Event::PrClosed(_)
            | Event::MarkedDone(_)
            | Event::PausedByPerson(_)
            | Event::Cancelled(_)
            | Event::Skipped(_)
            | Event::ArtifactRegistered(_) => {}
        }
    }
}
