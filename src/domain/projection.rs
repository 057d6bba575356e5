//! The rows that lists and tables read: each a fold of events, kept by every store in the same transaction as the events.
//!
//! A row can be dropped and rebuilt at any time; `agentpr rebuild-projections` does so and compares.

use super::agent::budget::{Allowance, Spent};
use super::agent::class::OutcomeClass;
use super::agent::quota::PoolRow;
use super::agent::role::Role;
use super::agent::usage::{MOST_CHARGED, Usage};
use super::event::{Event, Recorded};
use super::evidence::{AttemptOutcome, Step};
use super::forge::delivery::Address;
use super::id::{AttemptNo, BranchName, CommitSha, Digest, EventSeq, PrNumber, RepoSlug, RunId, Version};
use super::reason::{LastError, reason_of};
use super::state::State;
use super::time::Timestamp;

/// One line of a list of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The run.
    pub run: RunId,
    /// Its repository.
    pub repo: RepoSlug,
    /// The operator's name for the prompts in use.
    pub prompt_version: String,
    /// First line of what was asked for.
    pub title: String,
    /// Where it stands.
    pub state: State,
    /// Why, in a word.
    pub reason: String,
    /// The last failure as `step:reason_code:message`.
    pub last_error: Option<String>,
    /// Its pull request.
    pub pr_number: Option<PrNumber>,
    /// Number of its events.
    pub version: Version,
    /// Its last event.
    pub last_seq: EventSeq,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last event was recorded.
    pub updated_at: Timestamp,
}

/// One attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The run.
    pub run: RunId,
    /// The event that began it.
    pub seq: EventSeq,
    /// Its number in the run.
    pub no: AttemptNo,
    /// What it did.
    pub step: Step,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while under way.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<AttemptOutcome>,
    /// Exit code of its program.
    pub exit_code: Option<i32>,
    /// How long its program ran.
    pub duration_ms: u64,
    /// Path of its log, relative to the artifact directory.
    pub log: Option<String>,
    /// What happened, in one line.
    pub message: String,
}

/// What one attempt of an agent used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The run.
    pub run: RunId,
    /// The event that began it.
    pub seq: EventSeq,
    /// Its number in the run.
    pub no: AttemptNo,
    /// The repository, by [`RepoSlug::key`].
    pub repository: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while under way.
    pub ended_at: Option<Timestamp>,
    /// The agent, without arguments; empty while under way.
    pub agent: String,
    /// What its program says its version is; empty where it said nothing.
    pub version: String,
    /// The model, as far as known.
    pub model: String,
    /// What it was used for.
    pub role: Role,
    /// How it ended; `None` while under way, or when nobody saw.
    pub class: Option<OutcomeClass>,
    /// What it may use at most.
    pub reserved: Allowance,
    /// What it used; `None` while under way, or when nobody could read it.
    pub usage: Option<Usage>,
    /// How long its program ran, in milliseconds.
    pub duration_ms: u64,
}

/// One file or name registered with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    /// The run.
    pub run: RunId,
    /// The event that registered it.
    pub seq: EventSeq,
    /// What it is.
    pub kind: String,
    /// Path, branch or address.
    pub uri: String,
    /// Digest of its bytes, where it has bytes.
    pub sha256: Option<Digest>,
    /// When it was registered.
    pub at: Timestamp,
}

/// What a forge knows a run by, once something of it is there or was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// The run.
    pub run: RunId,
    /// The repository by the name it has now, as far as known: [`RepoSlug::key`].
    pub repo: String,
    /// The repository by the forge's number.
    pub repo_id: Option<u64>,
    /// The pull request.
    pub pr_number: Option<PrNumber>,
    /// The branch of the work, once it was pushed.
    pub branch: Option<BranchName>,
}

impl RunRow {
    /// The row a run begins with; `None` when the event is not a creation.
    pub fn birth(recorded: &Recorded) -> Option<Self> {
        let Event::RunCreated(body) = &recorded.event else { return None };
        Some(Self {
            run: recorded.run.clone(),
            repo: body.spec.repo.clone(),
            prompt_version: body.spec.prompt_version.clone(),
            title: body.spec.pr_title(),
            state: recorded.state,
            reason: "created".to_owned(),
            last_error: None,
            pr_number: None,
            version: recorded.version,
            last_seq: recorded.seq,
            created_at: recorded.at,
            updated_at: recorded.at,
        })
    }

    /// Takes one more event in.
    pub fn apply(&mut self, recorded: &Recorded) {
        if recorded.state != self.state {
            self.state = recorded.state;
            self.reason = reason_of(&recorded.event).0;
            let waits =
                matches!(recorded.state, State::NeedsHumanReview | State::FailedRetryable | State::Paused);
            if !waits {
                self.last_error = None;
            }
        }
        if let (Event::HumanReviewRequested(body), State::NeedsHumanReview) =
            (&recorded.event, recorded.state)
        {
            self.reason = body.reason.clone();
        }
        if let Some(error) = LastError::of(&recorded.event) {
            self.last_error = Some(error.to_string());
        }
        if let Event::PrRequested(_) = &recorded.event {
            self.last_error = None;
        }
        if let Event::PrLinked(body) = &recorded.event {
            self.pr_number = Some(body.pr_number);
        }
        self.version = recorded.version;
        self.last_seq = recorded.seq;
        self.updated_at = recorded.at;
    }
}

impl AttemptRow {
    /// The row an attempt begins with; `None` when the event does not begin one.
    pub fn birth(recorded: &Recorded) -> Option<Self> {
        let Event::AttemptStarted(body) = &recorded.event else { return None };
        Some(Self {
            run: recorded.run.clone(),
            seq: recorded.seq,
            no: body.attempt,
            step: body.step,
            started_at: recorded.at,
            ended_at: None,
            outcome: None,
            exit_code: None,
            duration_ms: 0,
            log: None,
            message: String::new(),
        })
    }

    /// Takes the end of the attempt in; any other event changes nothing.
    pub fn apply(&mut self, recorded: &Recorded) {
        let Event::AttemptEnded(body) = &recorded.event else { return };
        if body.attempt != self.no {
            return;
        }
        self.ended_at = Some(recorded.at);
        self.outcome = Some(body.outcome);
        self.exit_code = body.evidence.exit_code;
        self.duration_ms = body.evidence.duration_ms;
        self.log = body.evidence.log.as_ref().map(|log| log.path.clone());
        self.message = body.evidence.message.clone();
    }
}

impl UsageRow {
    /// The row an attempt of an agent begins with; `None` when the event does not begin one.
    pub fn birth(recorded: &Recorded, repo: &RepoSlug) -> Option<Self> {
        let Event::AttemptStarted(body) = &recorded.event else { return None };
        if !matches!(body.step, Step::Agent | Step::Plan) {
            return None;
        }
        Some(Self {
            run: recorded.run.clone(),
            seq: recorded.seq,
            no: body.attempt,
            repository: repo.key(),
            started_at: recorded.at,
            ended_at: None,
            agent: String::new(),
            version: String::new(),
            model: String::new(),
            role: Role::default(),
            class: None,
            reserved: body.reserved.unwrap_or_default().charged(),
            usage: None,
            duration_ms: 0,
        })
    }

    /// Takes the end of the attempt in; any other event changes nothing.
    pub fn apply(&mut self, recorded: &Recorded) {
        let Event::AttemptEnded(body) = &recorded.event else { return };
        if body.attempt != self.no {
            return;
        }
        self.ended_at = Some(recorded.at);
        self.agent = body.evidence.worker.clone();
        self.duration_ms = body.evidence.duration_ms.min(MOST_CHARGED);
        if let Some(record) = body.evidence.agent.as_deref() {
            self.version = record.identity.version.clone().unwrap_or_default();
            self.model = record.model.clone().unwrap_or_default();
            self.role = record.role;
            self.class = Some(record.class);
            // A program that was ended from outside before its first report used something, and nobody knows what; neither is
            // it known of one to which the model answered and which told no use.
            let is_cut_off =
                matches!(record.class, OutcomeClass::TimedOut | OutcomeClass::Killed | OutcomeClass::Unknown);
            let is_untold = record.usage.is_nothing() && (is_cut_off || record.usage.turns > 0);
            if !is_untold {
                self.usage = Some(record.usage.charged());
            }
        } else if body.outcome != AttemptOutcome::Interrupted {
            // It ended before an agent ran.
            self.usage = Some(Usage::default());
        }
    }

    /// Says whether there is anything to tell: an attempt that ended before an agent ran used nothing.
    pub fn is_telling(&self) -> bool {
        self.usage.is_none() || self.class.is_some()
    }

    /// Adds it to a sum: what it used, or what it reserved while nobody knows more.
    pub fn add_to(&self, sum: &mut Spent) {
        match &self.usage {
            Some(usage) => sum.add(usage, std::time::Duration::from_millis(self.duration_ms)),
            None => sum.reserve(&self.reserved),
        }
    }
}

/// What an event says of a pool: a new word about it, that it is there again, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolNews {
    /// It is used up.
    Exhausted(PoolRow),
    /// It is there again.
    Lifted(super::agent::quota::Pool),
}

impl PoolNews {
    /// What an event says.
    pub fn of(recorded: &Recorded) -> Option<Self> {
        match &recorded.event {
            Event::QuotaParked(body) => Some(Self::Exhausted(PoolRow {
                pool: body.pool.clone(),
                until: body.reset_at.unwrap_or(body.until),
                run: recorded.run.clone(),
            })),
            Event::QuotaLifted(body) => Some(Self::Lifted(body.pool.clone())),
            _ => None,
        }
    }
}

impl ArtifactRow {
    /// The row an event registers; `None` for an event that registers nothing.
    pub fn of(recorded: &Recorded) -> Option<Self> {
        let (kind, uri, sha256) = match &recorded.event {
            Event::ArtifactRegistered(body) => {
                (body.kind.clone(), body.path.clone(), Some(body.sha256.clone()))
            }
            Event::PlanReady(body) => {
                ("contract".to_owned(), body.contract.path.clone(), body.contract.sha256.clone())
            }
            Event::Pushed(body) => ("branch".to_owned(), body.branch.to_string(), None),
            Event::PrLinked(body) => {
                ("pr_url".to_owned(), body.url.clone().unwrap_or_else(|| body.pr_number.to_string()), None)
            }
            // An event that says nothing here registers nothing.
            _ => return None,
        };
        Some(Self { run: recorded.run.clone(), seq: recorded.seq, kind, uri, sha256, at: recorded.at })
    }
}

impl LinkRow {
    /// Says whether an event begins such a row or changes it.
    pub fn concerns(event: &Event) -> bool {
        matches!(
            event,
            Event::PrRequested(_) | Event::Pushed(_) | Event::PrLinked(_) | Event::RepositoryChanged(_)
        )
    }

    /// The row before the first event that concerns it.
    pub fn birth(run: &RunRow) -> Self {
        Self { run: run.run.clone(), repo: run.repo.key(), repo_id: None, pr_number: None, branch: None }
    }

    /// Takes one more event in; one that does not concern it changes nothing.
    pub fn apply(&mut self, event: &Event) {
        match event {
            // The name in a request may be an old one, so it changes nothing; the number never is.
            Event::PrRequested(body) => self.repo_id = body.request.binding.repo_id.or(self.repo_id),
            Event::Pushed(body) => self.branch = Some(body.branch.clone()),
            Event::PrLinked(body) => self.pr_number = Some(body.pr_number),
            Event::RepositoryChanged(body) => {
                self.repo = body.repository.name.key();
                self.repo_id = Some(body.repository.id);
            }
            _ => {}
        }
    }

    /// The same as an address, to be met by others; commits are rows of their own.
    pub fn address(&self) -> Address {
        Address {
            repo_id: self.repo_id,
            repo: Some(self.repo.clone()),
            pr: self.pr_number,
            branch: self.branch.clone(),
            ..Address::default()
        }
    }
}

/// The commit that an event says is the run's: captured, or at the forge.
pub fn commit_of(event: &Event) -> Option<&CommitSha> {
    match event {
        Event::ChangeCaptured(body) => Some(&body.change.head_sha),
        Event::Pushed(body) => Some(&body.sha),
        _ => None,
    }
}
