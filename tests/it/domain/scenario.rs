//! Given these events, when this is asked, then this follows; and stories that play commands in a log of their own.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::{Approval, Command, Flow, StepOutcome};
use agentpr::domain::decide::{Ctx, Decision, Rejection, decide};
use agentpr::domain::event::{Event, Recorded};
use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, Step};
use agentpr::domain::gate::Gate;
use agentpr::domain::id::{EventSeq, Version};
use agentpr::domain::next::{Due, next};
use agentpr::domain::projection::RunRow;
use agentpr::domain::run::{Run, Unfoldable};
use agentpr::domain::spec::RunSpec;
use agentpr::domain::state::State;
use agentpr::domain::time::Moment;

use super::samples::{
    acted, attempt, change, contract, driven_spec, evidence, failure, github, person, pr, prepared, report,
    request, run_id, start,
};

/// Takes `event` into run and row, as a store does.
pub(super) fn append(
    run: &mut Option<Run>,
    row: &mut Option<RunRow>,
    event: &Event,
    actor: &Actor,
    now: &Moment,
) -> Result<Recorded, Unfoldable> {
    let version = run.as_ref().map_or(Version(0), |run| run.version).next();
    let state = run.as_ref().map_or(State::Queued, |run| run.state_after(event).unwrap_or(run.state));
    let recorded = Recorded {
        seq: EventSeq(version.0 * 3),
        run: run_id(),
        version,
        at: now.wall,
        actor: actor.clone(),
        cause: None,
        key: None,
        state,
        event: event.clone(),
    };
    match (run.as_mut(), row.as_mut()) {
        (Some(run), Some(row)) => {
            run.evolve(&recorded)?;
            row.apply(&recorded);
        }
        _ => {
            *run = Some(Run::birth(&recorded)?);
            *row = RunRow::birth(&recorded);
        }
    }
    assert_eq!(
        run.as_ref().map(|run| run.state),
        Some(state),
        "the state after {} was foretold",
        event.name()
    );
    Ok(recorded)
}

/// A run that is played: every accepted command's events are appended and folded.
#[derive(Clone, Default)]
pub(super) struct Story {
    pub run: Option<Run>,
    pub row: Option<RunRow>,
    pub log: Vec<Recorded>,
    pub now: Option<Moment>,
}

impl Story {
    /// A created run.
    pub(super) fn of(spec: RunSpec) -> Self {
        let mut story = Self::default();
        story.person(Command::Create { spec: Box::new(spec) });
        story
    }

    pub(super) fn run(&self) -> &Run {
        self.run.as_ref().unwrap()
    }

    pub(super) fn state(&self) -> State {
        self.run().state
    }

    pub(super) fn now(&self) -> Moment {
        self.now.clone().unwrap_or_else(start)
    }

    pub(super) fn due(&self) -> Due {
        next(self.run(), &self.now())
    }

    /// Decides and appends; the events are those of the decision, a refusal's traces included.
    pub(super) fn ask(&mut self, actor: &Actor, command: &Command) -> Result<Decision, Rejection> {
        let ctx = Ctx { now: self.now(), actor: actor.clone() };
        let decision = decide(self.run.as_ref(), command, &ctx)?;
        for event in &decision.events {
            let recorded = append(&mut self.run, &mut self.row, event, actor, &ctx.now)
                .unwrap_or_else(|fault| panic!("`{}` was accepted but: {fault}", command.name()));
            self.log.push(recorded);
        }
        Ok(decision)
    }

    fn accepted(&mut self, actor: &Actor, command: &Command) -> &mut Self {
        let decision =
            self.ask(actor, command).unwrap_or_else(|refusal| panic!("{}: {refusal}", command.name()));
        assert_eq!(decision.refusal, None, "{}", command.name());
        self
    }

    /// A person's command, which must be accepted.
    #[expect(clippy::needless_pass_by_value, reason = "a story reads better without borrows")]
    pub(super) fn person(&mut self, command: Command) -> &mut Self {
        self.accepted(&person(), &command)
    }

    /// The engine's command, which must be accepted.
    #[expect(clippy::needless_pass_by_value, reason = "a story reads better without borrows")]
    pub(super) fn engine(&mut self, command: Command) -> &mut Self {
        self.accepted(&Actor::engine(), &command)
    }

    /// A command that must be refused; answers its code.
    #[expect(clippy::needless_pass_by_value, reason = "a story reads better without borrows")]
    pub(super) fn refused(&mut self, actor: Actor, command: Command) -> &'static str {
        match self.ask(&actor, &command) {
            Err(refusal) => refusal.code(),
            Ok(decision) => decision.refusal.map_or("accepted", |refusal| refusal.code()),
        }
    }

    /// Begins `step` and leaves it open.
    pub(super) fn begin(&mut self, actor: &Actor, step: Step) -> &mut Self {
        self.accepted(actor, &Command::StartAttempt { step, generation: 1, reserved: None })
    }

    /// Ends the open attempt.
    pub(super) fn end(&mut self, outcome: StepOutcome) -> &mut Self {
        let attempt = self.run().open.as_ref().map_or(attempt(0), |open| open.no);
        self.engine(Command::EndAttempt { attempt, evidence: evidence(), outcome })
    }

    /// Carries out one step from begin to end.
    pub(super) fn step(&mut self, actor: &Actor, step: Step, outcome: StepOutcome) -> &mut Self {
        self.begin(actor, step).end(outcome)
    }

    /// Does what is due, with everything going well; `false` when the run waits.
    pub(super) fn go(&mut self) -> bool {
        match self.due() {
            Due::Command(command) => {
                self.engine(command);
            }
            Due::Perform(step) => {
                self.begin(&Actor::engine(), step);
                let outcome = self.good(step, Flow::Unattended);
                self.end(outcome);
            }
            Due::Wait(_) => return false,
        }
        true
    }

    /// Goes on until the run is `state`.
    pub(super) fn until(mut self, state: State) -> Self {
        for _ in 0..40 {
            if self.state() == state {
                return self;
            }
            assert!(self.go(), "the run waits in {} for {:?}, not in {state}", self.state(), self.due());
        }
        panic!("{state} was not reached");
    }

    /// Lets the engine make its request.
    pub(super) fn asked(mut self) -> Self {
        assert!(self.go(), "a request is due");
        self
    }

    /// Lets a person confirm the newest request.
    pub(super) fn approved(self) -> Self {
        let Gate::Open { request, .. } = self.run().gate.clone() else { panic!("no request is open") };
        let approval = Approval {
            request: Some(request.id),
            token_hash: request.token_hash,
            confirmed: true,
            facts: Some(request.binding),
        };
        self.then(Command::Approve(approval))
    }

    /// A person's command, in a chain.
    pub(super) fn then(mut self, command: Command) -> Self {
        self.person(command);
        self
    }

    /// The forge tells a conclusion about the pushed commit.
    pub(super) fn hears(mut self, conclusion: &str) -> Self {
        let head_sha = self.run().pushed.as_ref().map(|pushed| pushed.sha.clone());
        let command = Command::RecordCheck { conclusion: conclusion.to_owned(), head_sha, pr_number: None };
        self.accepted(&github(), &command);
        self
    }

    /// The outcome of a step with which all went well.
    pub(super) fn good(&self, step: Step, flow: Flow) -> StepOutcome {
        let run = self.run();
        let newest = run
            .change
            .as_ref()
            .map_or(1, |last| u8::from_str_radix(&last.head_sha.as_str()[..2], 16).unwrap());
        let asked = u8::try_from(run.requests.len()).unwrap() + 1;
        let pushed = run.change.as_ref().map(|last| last.head_sha.clone());
        let request_of_gate = run.requests.last().cloned();
        match step {
            Step::Prepare => StepOutcome::Prepared { prepared: prepared(), spec: None },
            Step::Plan => StepOutcome::Planned(contract()),
            Step::Agent => {
                let n = if run.change.is_some() { newest + 1 } else { newest };
                StepOutcome::AgentEnded {
                    outcome: AttemptOutcome::Succeeded,
                    change: Some(change(n)),
                    actions: None,
                    flow,
                }
            }
            Step::Checks => StepOutcome::Checked {
                report: report(newest, CheckOutcome::Passed),
                findings: Vec::new(),
                flow,
            },
            Step::Actions => StepOutcome::Acted(acted()),
            Step::PrRequest => StepOutcome::Requested(Box::new(request(asked, newest))),
            Step::Push => StepOutcome::PushDone {
                branch: run.spec.head_branch.clone(),
                sha: pushed.unwrap(),
                request: request_of_gate,
            },
            Step::PrCreate => {
                StepOutcome::PrOpened { number: pr(5), url: None, request: request_of_gate.unwrap() }
            }
        }
    }
}

/// A driven run brought to `state` along the way runs take.
pub(super) fn in_state(state: State) -> Story {
    let new = || Story::of(driven_spec());
    let asked = || new().until(State::NeedsHumanReview).asked();
    match state {
        State::Queued
        | State::Discovery
        | State::PlanReady
        | State::Implementing
        | State::LocalValidating => new().until(state),
        State::NeedsHumanReview => asked(),
        State::Pushed | State::CiWait => asked().approved().until(state),
        State::ReviewWait => asked().approved().until(State::CiWait).hears("success"),
        State::Iterating => asked().approved().until(State::CiWait).hears("failure"),
        State::Paused => new().until(State::Implementing).then(Command::Pause),
        State::FailedRetryable => {
            let mut story = new().until(State::Implementing);
            story.step(&Actor::engine(), Step::Agent, failure(true));
            story
        }
        State::Done => in_state(State::ReviewWait).then(Command::MarkDone),
        State::Skipped => new().then(Command::Skip { reason: String::new() }),
        State::FailedTerminal => new().then(Command::Cancel { reason: String::new() }),
    }
}

/// The events a case begins with.
pub(super) fn given(events: impl IntoIterator<Item = Event>) -> Given {
    let mut story = Story::default();
    for event in events {
        append(&mut story.run, &mut story.row, &event, &person(), &start()).unwrap();
    }
    Given { story, actor: person() }
}

pub(super) struct Given {
    story: Story,
    actor: Actor,
}

impl Given {
    /// Lets another actor ask.
    pub(super) fn by(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// Asks.
    #[expect(clippy::needless_pass_by_value, reason = "a case reads better without borrows")]
    pub(super) fn when(mut self, command: Command) -> Answer {
        let before = self.story.state();
        let answer = self.story.ask(&self.actor, &command);
        Answer { answer, moved: self.story.state() != before }
    }
}

/// What came of it.
pub(super) struct Answer {
    answer: Result<Decision, Rejection>,
    moved: bool,
}

impl Answer {
    pub(super) fn then(self, events: impl IntoIterator<Item = Event>) {
        let wanted = Decision { events: events.into_iter().collect(), refusal: None };
        assert_eq!(self.answer, Ok(wanted));
    }

    /// Recorded, and the state is what it was.
    pub(super) fn moves_nothing(self) -> bool {
        self.answer.is_ok_and(|decision| !decision.events.is_empty()) && !self.moved
    }

    pub(super) fn then_nothing(self) {
        self.then([]);
    }

    /// Refused, and no trace is left.
    pub(super) fn then_refused(self, code: &str) {
        assert_eq!(self.answer.unwrap_err().code(), code);
    }
}
