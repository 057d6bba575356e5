//! The world of the walk: a remote branch, pull requests, a base that moves, and everything that can happen next.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Command, Flow, StepOutcome};
use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, Step};
use agentpr::domain::gate::{Approved, Gate, PolicyReport, PrBinding, PrRequest};
use agentpr::domain::id::CommitSha;
use agentpr::domain::next::{Due, next};
use agentpr::domain::projection::RunRow;
use agentpr::domain::run::Run;
use agentpr::domain::state::State;
use agentpr::domain::time::Moment;

use super::samples::{
    approval, binding, change, contract, digest, failure, github, minutes, person, pr, prepared, report,
    request, request_id, sha, start,
};

/// Somebody else's commit on our branch.
pub const FOREIGN: u8 = 9;

/// What is outside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct World {
    /// What the remote branch points to.
    pub remote: Option<u8>,
    /// Pull requests opened for the branch.
    pub prs: u8,
    /// Whether the base branch moved.
    pub base_moved: bool,
    /// Whether a person ordered the attempt that is under way.
    pub ordered: bool,
}

/// A run in its world.
#[derive(Clone)]
pub struct Node {
    pub run: Option<Run>,
    pub row: Option<RunRow>,
    pub world: World,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Act {
    /// Somebody asks something of the run.
    Ask { by: Actor, command: Command, late: bool },
    /// The push that is under way reaches the remote; it is not recorded yet.
    PushReaches,
    /// The pull request that is being opened is opened; it is not recorded yet.
    PrOpens,
    /// Somebody moves the base branch.
    BaseMoves,
    /// Somebody else pushes to the run's branch.
    BranchTaken,
}

/// How the world keeps the rules of a performer; the teeth of the walk are pulled by breaking one.
#[derive(Debug, Clone, Copy)]
pub struct Performer {
    /// Whether it compares the approval with the facts just before it pushes.
    pub verifies: bool,
    /// Whether it looks for a pull request before it opens one.
    pub looks_first: bool,
}

impl Performer {
    pub const CAREFUL: Self = Self { verifies: true, looks_first: true };
}

/// The number a commit was made from.
pub fn number(commit: &CommitSha) -> u8 {
    u8::from_str_radix(&commit.as_str()[..2], 16).unwrap()
}

impl Node {
    pub fn run(&self) -> &Run {
        self.run.as_ref().unwrap()
    }

    fn newest(&self) -> Option<u8> {
        self.run().change.as_ref().map(|last| number(&last.head_sha))
    }

    /// The facts as they are now, about the newest change.
    fn facts(&self) -> PrBinding {
        let base = if self.world.base_moved { 0xb1 } else { 0xb0 };
        PrBinding { base_sha: sha(base), ..binding(self.newest().unwrap_or(1)) }
    }

    fn asked(&self) -> PrRequest {
        let id = u8::try_from(self.run().requests.len() % 200).unwrap() + 1;
        PrRequest { binding: self.facts(), ..request(id, self.newest().unwrap_or(1)) }
    }

    /// The commit the push under way may bring to the remote, if its permission still holds.
    pub fn permitted(&self, performer: Performer) -> Option<u8> {
        if self.world.ordered {
            return self.newest();
        }
        match &self.run().gate {
            Gate::Approved { request, .. } => {
                let holds = Approved::verify(self.run(), &self.facts(), &moment(false)).is_ok();
                (holds || !performer.verifies).then(|| number(&request.binding.head_sha))
            }
            _ if performer.verifies => None,
            _ => self.newest(),
        }
    }

    /// Everything that can happen now.
    pub fn acts(&self, performer: Performer) -> Vec<Act> {
        let mut acts = vec![];
        self.engine(&mut acts);
        self.outcomes(performer, &mut acts);
        self.person(&mut acts);
        self.gate(&mut acts);
        self.forge(&mut acts);
        if !self.world.base_moved {
            acts.push(Act::BaseMoves);
        }
        if self.world.remote.is_some_and(|at| at != FOREIGN) && self.run().pr.is_some() {
            acts.push(Act::BranchTaken);
        }
        acts
    }

    fn engine(&self, acts: &mut Vec<Act>) {
        for late in [false, true] {
            let command = match next(self.run(), &moment(late)) {
                Due::Command(command) => command,
                Due::Perform(step) => Command::StartAttempt { step, generation: 1 },
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

    fn outcomes(&self, performer: Performer, acts: &mut Vec<Act>) {
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
            Step::Prepare => all.push(StepOutcome::Prepared(prepared())),
            Step::Plan => all.push(StepOutcome::Planned(contract())),
            Step::Agent => {
                for flow in flows {
                    for n in [Some(1), Some(2), None] {
                        let outcome = AttemptOutcome::Succeeded;
                        all.push(StepOutcome::AgentEnded { outcome, change: n.map(change), flow });
                    }
                    all.push(StepOutcome::AgentEnded {
                        outcome: AttemptOutcome::TimedOut,
                        change: None,
                        flow,
                    });
                }
            }
            Step::Checks => {
                for flow in flows {
                    for outcome in [CheckOutcome::Passed, CheckOutcome::Failed, CheckOutcome::NoEvidence] {
                        let about = self.newest().unwrap_or(1);
                        all.push(StepOutcome::Checked { report: report(about, outcome), flow });
                    }
                    all.push(StepOutcome::Checked { report: report(FOREIGN, CheckOutcome::Passed), flow });
                }
            }
            Step::PrRequest => all.push(StepOutcome::Requested(Box::new(self.asked()))),
            Step::Push => {
                if self.permitted(performer).is_some() && self.world.remote != Some(FOREIGN) {
                    acts.push(Act::PushReaches);
                }
                if let Some(at) = self.world.remote.filter(|at| *at != FOREIGN) {
                    let request = self.run().requests.last().cloned().filter(|_| !self.world.ordered);
                    let branch = self.run().spec.head_branch.clone();
                    all.push(StepOutcome::PushDone { branch, sha: sha(at), request });
                }
            }
            Step::PrCreate => {
                if self.world.prs == 0 || !performer.looks_first {
                    acts.push(Act::PrOpens);
                }
                if let (true, Some(request)) = (self.world.prs > 0, self.run().requests.last().cloned()) {
                    all.push(StepOutcome::PrOpened { number: pr(5), url: None, request });
                }
            }
        }
        for outcome in all {
            let command = Command::EndAttempt { attempt: open.no, evidence: Default::default(), outcome };
            acts.push(ask(Actor::engine(), command, false));
        }
    }

    fn person(&self, acts: &mut Vec<Act>) {
        let text = String::new;
        let mut commands = vec![
            Command::StartDiscovery,
            Command::MarkPlanReady { contract: contract() },
            Command::StartImplementation,
            Command::MarkLocalValidated,
            Command::NoteChange { change: change(if self.newest() == Some(1) { 2 } else { 1 }) },
            Command::MarkDone,
            Command::Pause,
            Command::Cancel { reason: text() },
            Command::Skip { reason: text() },
            Command::Resume { target: None },
            Command::Retry { target: None },
            Command::LinkPr { number: pr(5), url: None },
        ];
        for step in [
            Step::Prepare,
            Step::Plan,
            Step::Agent,
            Step::Checks,
            Step::PrRequest,
            Step::Push,
            Step::PrCreate,
        ] {
            commands.push(Command::StartAttempt { step, generation: 1 });
        }
        for state in State::ALL {
            commands.push(Command::Resume { target: Some(state) });
            commands.push(Command::Retry { target: Some(state) });
        }
        acts.extend(commands.into_iter().map(|command| ask(person(), command, false)));
    }

    fn gate(&self, acts: &mut Vec<Act>) {
        let mut by_person = |command, late| acts.push(ask(person(), command, late));
        let asked = self.asked();
        let card = PolicyReport { accepted_because: Some("I looked".to_owned()), ..PolicyReport::default() };
        by_person(Command::RequestPr { request: Box::new(PrRequest { card, ..asked.clone() }) }, false);
        by_person(Command::RequestPr { request: Box::new(asked) }, false);
        if let Gate::Open { request, wrong_tokens } = &self.run().gate {
            let right = agentpr::domain::command::Approval {
                request: Some(request.id.clone()),
                token_hash: request.token_hash.clone(),
                confirmed: true,
                facts: Some(self.facts()),
            };
            let wrong = agentpr::domain::command::Approval { token_hash: digest(0xff), ..right.clone() };
            let half = agentpr::domain::command::Approval { confirmed: false, ..right.clone() };
            by_person(Command::Approve(right.clone()), false);
            by_person(Command::Approve(right.clone()), true);
            by_person(Command::Approve(half), false);
            // One wrong token stands for all of them until the last.
            if *wrong_tokens < 2 {
                by_person(Command::Approve(wrong), false);
            }
            acts.push(ask(Actor::engine(), Command::Approve(right), false));
        }
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

    fn forge(&self, acts: &mut Vec<Act>) {
        let head = self.run().pushed.as_ref().map(|pushed| pushed.sha.clone());
        for word in ["success", "failure", "in_progress"] {
            for head_sha in [head.clone(), Some(sha(0xdd)), None] {
                let command = Command::RecordCheck { conclusion: word.to_owned(), head_sha, pr_number: None };
                acts.push(ask(github(), command, false));
            }
        }
        for state in ["changes_requested", "approved"] {
            acts.push(ask(github(), Command::RecordReview { state: state.to_owned() }, false));
        }
        acts.push(ask(github(), Command::MarkDone, false));
    }
}

fn ask(by: Actor, command: Command, late: bool) -> Act {
    Act::Ask { by, command, late }
}

/// The time of an act: the request's hour, or after it.
pub fn moment(late: bool) -> Moment {
    if late { minutes(31) } else { start() }
}
