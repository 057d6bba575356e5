//! The world of the walk: a remote branch, pull requests, a base that moves, and everything that can happen next.

use agentpr::domain::actor::Actor;
use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::quota::{Exhausted, Pool};
use agentpr::domain::agent::record::AgentRecord;
use agentpr::domain::command::{Approval, Command, Flow, StepOutcome};
use agentpr::domain::evidence::{AttemptEvidence, AttemptOutcome, CheckOutcome, OpenAttempt, Step};
use agentpr::domain::forge::fact::{ForgeFact, PullState};
use agentpr::domain::gate::{Approved, Gate, PolicyReport, PrBinding, PrRequest};
use agentpr::domain::id::CommitSha;
use agentpr::domain::next::{Due, next};
use agentpr::domain::projection::RunRow;
use agentpr::domain::run::Run;
use agentpr::domain::state::State;
use agentpr::domain::time::Moment;

use super::facts::{awaiting_maintainer, checked, head, pull, repository, reviewed, told};
use super::samples::{
    acted, approval, binding, change, contract, digest, failure, github, minutes, person, pr, prepared,
    report, request, request_id, sha, start,
};

/// Somebody else's commit on our branch.
pub(super) const FOREIGN: u8 = 0xfe;

/// What is outside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct World {
    /// What the remote branch points to.
    pub remote: Option<u8>,
    /// Pull requests opened for the branch.
    pub prs: u8,
    /// How often the base branch moved.
    pub base: u8,
    /// Whether a person ordered the attempt that is under way.
    pub ordered: bool,
}

/// A run in its world.
#[derive(Clone)]
pub(super) struct Node {
    pub run: Option<Run>,
    pub row: Option<RunRow>,
    pub world: World,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Somebody asks something of the run.
    Ask { by: Actor, command: Command, late: bool },
    /// The push that is under way reaches the remote; it is not recorded yet.
    PushReaches,
    /// The pull request that is being opened is opened; it is not recorded yet.
    PrOpens,
    /// Somebody guesses tokens until the request is gone.
    Guesses { command: Command },
    /// Somebody moves the base branch.
    BaseMoves,
    /// Somebody else pushes to the run's branch.
    BranchTaken,
}

/// What a walk looks at, and how the performer of effects behaves; the teeth are tried by breaking one of its rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Whether persons resume and retry to every place by name, and do by hand what the engine would do.
    pub by_name: bool,
    /// Whether branches move and tokens are guessed.
    pub hostile: bool,
    /// Whether the performer compares the approval with the facts just before it pushes.
    pub verifies: bool,
    /// Whether it looks for a pull request before it opens one.
    pub looks_first: bool,
    /// Whether the forge tells facts one by one, and takes nothing at times.
    pub facts: bool,
    /// Whether verdicts of reviewers are told by hand, beside checks.
    pub reviews: bool,
}

const STEPS: [Step; 7] =
    [Step::Prepare, Step::Plan, Step::Agent, Step::Checks, Step::PrRequest, Step::Push, Step::PrCreate];

/// The number a commit was made from.
pub(super) fn number(commit: &CommitSha) -> u8 {
    u8::from_str_radix(&commit.as_str()[..2], 16).unwrap()
}

impl Node {
    pub(super) fn run(&self) -> &Run {
        self.run.as_ref().unwrap()
    }

    pub(super) fn newest(&self) -> Option<u8> {
        self.run().change.as_ref().map(|last| number(&last.head_sha))
    }

    /// A change nobody has seen.
    fn unseen(&self) -> u8 {
        self.newest().map_or(1, |n| n % 0x8f + 1)
    }

    /// The base branch's commit.
    pub(super) fn base(&self) -> u8 {
        0xa0 + self.world.base % 32
    }

    /// The facts as they are now, about the newest change.
    fn facts(&self) -> PrBinding {
        PrBinding { base_sha: sha(self.base()), ..binding(self.newest().unwrap_or(1)) }
    }

    /// Whether the open or confirmed request is about facts that moved since.
    pub(super) fn is_stale(&self) -> bool {
        match &self.run().gate {
            Gate::Open { request, .. } | Gate::Approved { request, .. } => request.binding != self.facts(),
            Gate::Closed | Gate::Used { .. } | Gate::Cancelled { .. } => false,
        }
    }

    fn asked(&self) -> PrRequest {
        let id = u8::try_from(self.run().requests.len() % 200).unwrap() + 1;
        PrRequest { binding: self.facts(), ..request(id, self.newest().unwrap_or(1)) }
    }

    /// The commit the push under way may bring to the remote, if its permission still holds.
    pub(super) fn permitted(&self, scope: Scope) -> Option<u8> {
        if self.world.ordered {
            return self.newest();
        }
        match &self.run().gate {
            Gate::Approved { request, .. } => {
                let holds = Approved::verify(self.run(), &self.facts(), &moment(false)).is_ok();
                (holds || !scope.verifies).then(|| number(&request.binding.head_sha))
            }
            _ if scope.verifies => None,
            _ => self.newest(),
        }
    }

    /// Everything that can happen now.
    pub(super) fn acts(&self, scope: Scope) -> Vec<Act> {
        let mut acts = vec![];
        self.engine(&mut acts);
        self.outcomes(scope, &mut acts);
        self.person(scope, &mut acts);
        self.gate(scope, &mut acts);
        self.forge(scope, &mut acts);
        if scope.hostile {
            acts.push(Act::BaseMoves);
        }
        if scope.hostile && self.world.remote.is_some_and(|at| at != FOREIGN) && self.run().pr.is_some() {
            acts.push(Act::BranchTaken);
        }
        acts
    }

    fn engine(&self, acts: &mut Vec<Act>) {
        for late in [false, true] {
            let command = match next(self.run(), &moment(late)) {
                Due::Command(command) => command,
                Due::Perform(step) => Command::StartAttempt { step, generation: 1, reserved: None },
                Due::Wait(_) => continue,
            };
            acts.push(ask(Actor::engine(), command, late));
        }
        for command in [
            Command::StartImplementation,
            Command::MarkLocalValidated,
            Command::Resume { target: None },
            Command::Retry { target: None },
            Command::Escalate { reason: "no_change".to_owned(), message: String::new() },
        ] {
            acts.push(ask(Actor::engine(), command, false));
        }
    }

    fn outcomes(&self, scope: Scope, acts: &mut Vec<Act>) {
        let Some(open) = &self.run().open else { return };
        let flows = if self.world.ordered {
            vec![
                Flow::ByHand { success: None },
                Flow::ByHand { success: Some(State::LocalValidating) },
                Flow::ByHand { success: Some(State::NeedsHumanReview) },
            ]
        } else {
            vec![Flow::Unattended]
        };
        let mut all = vec![failure(true), failure(false), StepOutcome::Interrupted];
        if !open.step.touches_the_world() {
            all.push(StepOutcome::Stopped);
        }
        match open.step {
            Step::Prepare => all.push(StepOutcome::Prepared { prepared: prepared(), spec: None }),
            Step::Plan => all.push(StepOutcome::Planned(contract())),
            Step::Agent => {
                for flow in flows {
                    for n in [Some(self.unseen()), self.newest(), None] {
                        let outcome = AttemptOutcome::Succeeded;
                        all.push(StepOutcome::AgentEnded {
                            outcome,
                            change: n.map(change),
                            actions: None,
                            flow,
                        });
                    }
                    all.push(StepOutcome::AgentEnded {
                        outcome: AttemptOutcome::TimedOut,
                        change: None,
                        actions: None,
                        flow,
                    });
                }
            }
            Step::Checks => {
                for flow in flows {
                    for outcome in [CheckOutcome::Passed, CheckOutcome::Failed, CheckOutcome::NoEvidence] {
                        let about = self.newest().unwrap_or(1);
                        all.push(StepOutcome::Checked {
                            report: report(about, outcome),
                            findings: Vec::new(),
                            flow,
                        });
                    }
                    all.push(StepOutcome::Checked {
                        report: report(FOREIGN, CheckOutcome::Passed),
                        findings: Vec::new(),
                        flow,
                    });
                }
            }
            Step::Actions => all.push(StepOutcome::Acted(acted())),
            Step::PrRequest => all.push(StepOutcome::Requested(Box::new(self.asked()))),
            Step::Push => {
                if self.permitted(scope).is_some() && self.world.remote != Some(FOREIGN) {
                    acts.push(Act::PushReaches);
                }
                if let Some(at) = self.world.remote.filter(|at| *at != FOREIGN) {
                    let request = self.run().requests.last().cloned().filter(|_| !self.world.ordered);
                    let branch = self.run().spec.head_branch.clone();
                    all.push(StepOutcome::PushDone { branch, sha: sha(at), request });
                }
            }
            Step::PrCreate => {
                if self.world.prs == 0 || !scope.looks_first {
                    acts.push(Act::PrOpens);
                }
                if let (true, Some(request)) = (self.world.prs > 0, self.run().requests.last().cloned()) {
                    all.push(StepOutcome::PrOpened { number: pr(5), url: None, request });
                }
            }
        }
        if let Step::Agent | Step::Plan = open.step {
            acts.push(ask(Actor::engine(), self.used_up(open), false));
        }
        if scope.facts && matches!(open.step, Step::PrRequest | Step::Push | Step::PrCreate) {
            all.push(StepOutcome::Parked { until: minutes(5).wall, reason: "enough".to_owned() });
        }
        for outcome in all {
            let command = Command::EndAttempt { attempt: open.no, evidence: Default::default(), outcome };
            acts.push(ask(Actor::engine(), command, false));
        }
    }

    /// The agent meets the end of its allowance.
    fn used_up(&self, open: &OpenAttempt) -> Command {
        let mut record = AgentRecord::of(OutcomeClass::Quota, Some(Trouble::QuotaExhausted));
        record.exhausted = Some(exhausted());
        let evidence = AttemptEvidence { agent: Some(Box::new(record)), ..AttemptEvidence::default() };
        let flow = if self.world.ordered { Flow::ByHand { success: None } } else { Flow::Unattended };
        let outcome = match open.step {
            Step::Agent => {
                StepOutcome::AgentEnded { outcome: AttemptOutcome::Failed, change: None, actions: None, flow }
            }
            _ => failure(true),
        };
        Command::EndAttempt { attempt: open.no, evidence, outcome }
    }

    fn person(&self, scope: Scope, acts: &mut Vec<Act>) {
        let text = String::new;
        let mut commands = vec![
            Command::MarkLocalValidated,
            Command::NoteChange { change: change(self.unseen()) },
            Command::MarkDone,
            Command::Pause,
            Command::Cancel { reason: text() },
            Command::Skip { reason: text() },
            Command::Resume { target: None },
            Command::Retry { target: None },
            Command::LinkPr { number: pr(5), url: None },
        ];
        if scope.by_name || !self.run().spec.is_driven() {
            commands.extend([
                Command::StartDiscovery,
                Command::MarkPlanReady { contract: contract() },
                Command::StartImplementation,
            ]);
            for step in STEPS {
                commands.push(Command::StartAttempt { step, generation: 1, reserved: None });
            }
        }
        if scope.by_name {
            for state in State::ALL {
                commands.push(Command::Resume { target: Some(state) });
                commands.push(Command::Retry { target: Some(state) });
            }
        }
        if self.run().parked.is_some() {
            commands.push(Command::LiftQuota { pool: exhausted().pool });
        }
        acts.extend(commands.into_iter().map(|command| ask(person(), command, false)));
    }

    fn gate(&self, scope: Scope, acts: &mut Vec<Act>) {
        let mut mine = Vec::new();
        let mut by_person = |command, late| mine.push(ask(person(), command, late));
        let asked = self.asked();
        let card = PolicyReport { accepted_because: Some("I looked".to_owned()), ..PolicyReport::default() };
        by_person(Command::RequestPr { request: Box::new(PrRequest { card, ..asked.clone() }) }, false);
        by_person(Command::RequestPr { request: Box::new(asked) }, false);
        if let Gate::Open { request, .. } = &self.run().gate {
            let right = Approval {
                request: Some(request.id.clone()),
                token_hash: request.token_hash.clone(),
                confirmed: true,
                facts: Some(self.facts()),
            };
            let wrong = Approval { token_hash: digest(0xff), ..right.clone() };
            let half = Approval { confirmed: false, ..right.clone() };
            by_person(Command::Approve(right.clone()), false);
            by_person(Command::Approve(right.clone()), true);
            by_person(Command::Approve(half), false);
            by_person(Command::Approve(wrong.clone()), false);
            if scope.hostile && self.run().state != State::Paused {
                mine.push(Act::Guesses { command: Command::Approve(wrong) });
            }
            acts.push(ask(Actor::engine(), Command::Approve(right), false));
        }
        acts.append(&mut mine);
        let old = request_id(1);
        acts.push(ask(person(), Command::Approve(approval(1, self.newest().unwrap_or(1))), false));
        if let Gate::Open { request, .. } | Gate::Approved { request, .. } = &self.run().gate {
            let drift = request.binding.drift(&self.facts());
            if !drift.is_empty() {
                let command = Command::CancelRequest { request: request.id.clone(), drift };
                acts.push(ask(Actor::engine(), command, false));
            }
            if request.id != old {
                acts.push(ask(
                    Actor::engine(),
                    Command::CancelRequest { request: old, drift: vec![] },
                    false,
                ));
            }
        }
    }

    fn forge(&self, scope: Scope, acts: &mut Vec<Act>) {
        if scope.facts {
            // What a person tells by hand of all checks together is met by the other walks.
            acts.extend(self.said().into_iter().map(|fact| ask(github(), told([fact]), false)));
            acts.push(ask(github(), Command::Settle, false));
            return;
        }
        let head = self.run().pushed.as_ref().map(|pushed| pushed.sha.clone());
        for word in ["success", "failure", "in_progress"] {
            for head_sha in [head.clone(), Some(sha(0xdd)), None] {
                let command = Command::RecordCheck { conclusion: word.to_owned(), head_sha, pr_number: None };
                acts.push(ask(github(), command, false));
            }
        }
        let verdicts: &[&str] = if scope.reviews { &["changes_requested", "approved"] } else { &[] };
        for &state in verdicts {
            for head_sha in [head.clone(), Some(sha(0xdd)), None] {
                acts.push(ask(github(), Command::RecordReview { state: state.to_owned(), head_sha }, false));
            }
        }
        acts.push(ask(github(), Command::MarkDone, false));
    }

    /// A few of the facts that a forge tells about the commit at the remote.
    fn said(&self) -> Vec<ForgeFact> {
        let run = self.run();
        let Some(at) = run.pushed.as_ref().map(|pushed| number(&pushed.sha)) else { return Vec::new() };
        vec![
            checked("build", at, "failure", 1),
            checked("build", at, "success", 2),
            awaiting_maintainer(at, 1),
            reviewed("mona", "changes_requested", 1, at, 1),
            reviewed("mona", "changes_requested", 2, at, 2),
            ForgeFact::Pull(pull(PullState::Merged, at, 5)),
            ForgeFact::Head(head(FOREIGN, 3)),
            ForgeFact::Head(head(at, 4)),
            ForgeFact::Repository(repository(true, 1)),
        ]
    }
}

fn ask(by: Actor, command: Command, late: bool) -> Act {
    Act::Ask { by, command, late }
}

/// The time of an act: the request's hour, or after it.
fn exhausted() -> Exhausted {
    Exhausted { pool: Pool::new("model:KEY"), reset_at: None, reset_secs: Some(60) }
}

pub(super) fn moment(late: bool) -> Moment {
    if late { minutes(31) } else { start() }
}
