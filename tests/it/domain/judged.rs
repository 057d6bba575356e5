//! Work that is judged: what the guard, the contract, the findings and the requested actions do to a run.

use agentpr::domain::action::ActionsReport;
use agentpr::domain::actor::Actor;
use agentpr::domain::command::{ActionsFound, Command, Flow, StepOutcome};
use agentpr::domain::event::Event;
use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, Step};
use agentpr::domain::gate::{Gate, PolicyReport};
use agentpr::domain::guard::{Breach, GuardReport, Scope, Violation};
use agentpr::domain::next::{Due, Wait};
use agentpr::domain::policy::{Finding, Severity};
use agentpr::domain::spec::{Delivery, RunSpec};
use agentpr::domain::state::State;
use agentpr::domain::verification::{Blocked, PinnedSpec};

use super::samples::{acted, asked_actions, change, digest, driven_spec, person, prepared, report, request};
use super::scenario::{Story, in_state};

use State::{Done, FailedRetryable, Implementing, LocalValidating, NeedsHumanReview};

fn agent(n: Option<u8>, actions: Option<ActionsFound>) -> StepOutcome {
    let outcome = AttemptOutcome::Succeeded;
    StepOutcome::AgentEnded { outcome, change: n.map(change), actions, flow: Flow::Unattended }
}

fn checked(outcome: CheckOutcome, findings: Vec<Finding>) -> StepOutcome {
    StepOutcome::Checked { report: report(1, outcome), findings, flow: Flow::Unattended }
}

fn found(severity: Severity) -> Finding {
    Finding {
        rule: "secret".to_owned(),
        severity,
        path: "a.txt".to_owned(),
        line: Some(3),
        detail: "a token of GitHub".to_owned(),
    }
}

fn violation(breach: Breach) -> GuardReport {
    GuardReport::of(Scope::Build, vec![Violation { path: "pipeline.yml".to_owned(), breach }])
}

fn spec() -> PinnedSpec {
    PinnedSpec { origin: "pipeline.yml".to_owned(), sha256: digest(5), copy: "run-1/pipeline.yml".to_owned() }
}

impl Story {
    /// An attempt of the agent in which the guard found something.
    fn breached(&mut self, breach: Breach, outcome: StepOutcome) -> &mut Self {
        self.begin(&Actor::engine(), Step::Agent);
        let attempt = self.run().attempts;
        self.engine(Command::NoteGuard { attempt, report: violation(breach) });
        self.end(outcome)
    }

    fn code(&self) -> &str {
        &self.run().reason.code
    }
}

#[test]
fn fsm_28_three_phases_with_a_violation_go_to_a_person() {
    let mut story = in_state(Implementing);
    for n in 1..=2 {
        story.breached(Breach::Changed, agent(Some(n), None));
        assert_eq!(story.state(), LocalValidating, "what is legal is judged like any other change");
        story.step(
            &Actor::engine(),
            Step::Checks,
            StepOutcome::Checked {
                report: report(n, CheckOutcome::Failed),
                findings: Vec::new(),
                flow: Flow::Unattended,
            },
        );
        assert_eq!(story.state(), Implementing);
    }
    story.breached(Breach::Changed, agent(Some(3), None));
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "guard_violation"));
    story.person(Command::Retry { target: None });
    assert_eq!(story.run().guard_violations, 0, "a person who sends it on gives it its patience back");
}

#[test]
fn what_cannot_be_undone_is_a_persons_at_once() {
    let mut story = in_state(Implementing);
    story.breached(Breach::Pushed, agent(Some(1), None));
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "safety_violation"));
    assert!(story.run().change.is_some(), "what was done is on record for the person who looks");
    assert_eq!(story.due(), Due::Wait(Wait::Person));
}

#[test]
fn an_attempt_of_which_nothing_is_left_is_made_again_until_the_third() {
    let mut story = in_state(Implementing);
    for _ in 0..2 {
        story.breached(Breach::Created, agent(None, None));
        assert_eq!((story.state(), story.due()), (Implementing, Due::Perform(Step::Agent)));
    }
    story.breached(Breach::Created, agent(None, None));
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "guard_violation"));
}

#[test]
fn an_attempt_that_leaves_the_change_that_failed_is_not_checked_again() {
    let mut story = in_state(LocalValidating);
    story.step(&Actor::engine(), Step::Checks, checked(CheckOutcome::Failed, Vec::new()));
    story.breached(Breach::Created, agent(Some(1), None));
    assert_eq!((story.state(), story.due()), (Implementing, Due::Perform(Step::Agent)));
    assert_eq!(story.run().fix_rounds, 1);
}

#[test]
fn a_clean_report_leaves_no_trace() {
    let mut story = in_state(Implementing);
    story.begin(&Actor::engine(), Step::Agent);
    let before = story.run().version;
    let attempt = story.run().attempts;
    story.engine(Command::NoteGuard { attempt, report: GuardReport::clean(Scope::Build) });
    assert_eq!(story.run().version, before);
}

#[test]
fn what_an_attempt_that_was_cut_off_left_is_noted_once_in_a_later_one() {
    let mut story = in_state(Implementing);
    story.begin(&Actor::engine(), Step::Agent);
    let first = story.run().attempts;
    let note = |attempt| Command::NoteGuard { attempt, report: violation(Breach::Changed) };
    story.end(StepOutcome::Interrupted);
    story.begin(&Actor::engine(), Step::Agent);
    for _ in 0..2 {
        story.engine(note(first));
        assert_eq!(story.run().guard_violations, 1, "one occurrence is one event");
    }
    story.engine(note(story.run().attempts));
    assert_eq!(story.run().guard_violations, 2);
}

#[test]
fn the_contract_of_the_base_commit_is_pinned_with_the_workspace_and_changed_by_persons_only() {
    let mut story = Story::of(driven_spec()).until(State::Discovery);
    let outcome = StepOutcome::Prepared { prepared: prepared(), spec: Some(spec()) };
    story.step(&Actor::engine(), Step::Prepare, outcome);
    assert_eq!(story.run().verify_spec, Some(spec()));
    let other = PinnedSpec { sha256: digest(6), ..spec() };
    let pin = |spec| Command::PinVerifySpec { spec };
    assert_eq!(story.refused(Actor::engine(), pin(Some(other.clone()))), "not_a_person");
    story.person(pin(Some(other.clone())));
    assert_eq!(story.run().verify_spec, Some(other));
    let again = StepOutcome::Prepared { prepared: prepared(), spec: Some(spec()) };
    story.step(&Actor::engine(), Step::Prepare, again);
    assert_ne!(story.run().verify_spec, Some(spec()), "preparing again does not undo a person's pin");
    story.person(pin(None));
    assert_eq!(story.run().verify_spec, None);
}

#[test]
fn fsm_37_a_login_by_hand_stops_the_run_and_the_grant_checks_the_same_change_again() {
    let mut story = in_state(LocalValidating);
    let mut blocked = report(1, CheckOutcome::Blocked);
    let code = "interactive_auth_required".to_owned();
    blocked.blocked = Some(Blocked { code, detail: "use --unattended guided".to_owned() });
    let outcome = StepOutcome::Checked { report: blocked, findings: Vec::new(), flow: Flow::Unattended };
    story.step(&Actor::engine(), Step::Checks, outcome);
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "interactive_auth_required"));
    assert_eq!(story.refused(Actor::engine(), Command::GrantAuth), "not_a_person");
    story.person(Command::GrantAuth);
    assert_eq!((story.state(), story.due()), (LocalValidating, Due::Perform(Step::Checks)));
    assert!(story.run().auth_granted);
}

#[test]
fn a_contract_that_could_not_run_is_tried_again_on_the_same_change() {
    let mut story = in_state(LocalValidating);
    story.step(&Actor::engine(), Step::Checks, checked(CheckOutcome::Blocked, Vec::new()));
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "verify_blocked_by_policy"));
    assert_eq!(story.run().fix_rounds, 0, "no agent can mend what its operator wrote");
    story.person(Command::Retry { target: None });
    assert_eq!(story.due(), Due::Perform(Step::Checks));
}

#[test]
fn blocking_findings_hold_a_passed_change_until_a_person_takes_it_on() {
    let mut story = in_state(LocalValidating);
    let finding = found(Severity::Blocking);
    story.step(&Actor::engine(), Step::Checks, checked(CheckOutcome::Passed, vec![finding.clone()]));
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "policy_findings"));
    assert_eq!(story.due(), Due::Wait(Wait::Person), "no token is made for it by itself");
    assert_eq!(story.run().blocking_findings(), Some(1));
    let card = PolicyReport { findings: vec![finding], blocking: 1, ..PolicyReport::default() };
    let mut asked = request(1, 1);
    asked.card = card;
    let ask = |request| Command::RequestPr { request: Box::new(request) };
    assert_eq!(story.refused(person(), ask(asked.clone())), "policy_findings");
    asked.card.accepted_because = Some("it is a test vector".to_owned());
    assert_eq!(story.refused(Actor::engine(), ask(asked.clone())), "policy_findings");
    story.person(ask(asked));
    assert!(matches!(story.run().gate, Gate::Open { .. }));
}

#[test]
fn notes_hold_nothing() {
    let mut story = in_state(LocalValidating);
    story.step(&Actor::engine(), Step::Checks, checked(CheckOutcome::Passed, vec![found(Severity::Note)]));
    assert_eq!(story.code(), "ready_for_review");
    assert_eq!(story.run().scan.as_ref().map(|scan| scan.findings.len()), Some(1));
}

#[test]
fn a_run_that_delivers_nothing_is_not_done_over_blocking_findings() {
    let mut story = Story::of(RunSpec { delivery: Delivery::None, ..driven_spec() }).until(LocalValidating);
    story.step(
        &Actor::engine(),
        Step::Checks,
        checked(CheckOutcome::Passed, vec![found(Severity::Blocking)]),
    );
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "policy_findings"));
    assert_ne!(story.state(), Done);
}

#[test]
fn fsm_45_requested_actions_run_before_the_change_is_checked() {
    let mut story = in_state(Implementing);
    let asks = ActionsFound::Request(asked_actions(false));
    story.step(&Actor::engine(), Step::Agent, agent(Some(1), Some(asks)));
    assert_eq!((story.state(), story.due()), (LocalValidating, Due::Perform(Step::Actions)));
    story.step(&Actor::engine(), Step::Actions, StepOutcome::Acted(acted()));
    assert_eq!(story.due(), Due::Perform(Step::Checks));
    assert_eq!(story.run().actions_report, Some(acted()));
}

#[test]
fn an_agent_that_only_asks_is_tried_again_after_its_actions_and_not_for_ever() {
    let mut story = in_state(Implementing);
    for _ in 0..3 {
        let asks = ActionsFound::Request(asked_actions(false));
        story.step(&Actor::engine(), Step::Agent, agent(None, Some(asks)));
        assert_eq!((story.state(), story.due()), (Implementing, Due::Perform(Step::Actions)));
        story.step(&Actor::engine(), Step::Actions, StepOutcome::Acted(acted()));
        assert_eq!(story.due(), Due::Perform(Step::Agent));
    }
    let asks = ActionsFound::Request(asked_actions(false));
    story.step(&Actor::engine(), Step::Agent, agent(None, Some(asks)));
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "retryable_limit_exceeded"));
}

#[test]
fn fsm_47_risky_actions_wait_for_a_person_whose_word_sends_the_run_on() {
    for granted in [true, false] {
        let mut story = in_state(Implementing);
        let asks = ActionsFound::Request(asked_actions(true));
        story.step(&Actor::engine(), Step::Agent, agent(None, Some(asks)));
        assert_eq!((story.state(), story.code()), (NeedsHumanReview, "high_risk_action"));
        assert_eq!(story.due(), Due::Wait(Wait::Person));
        let decide = Command::DecideActions { granted };
        assert_eq!(story.refused(Actor::engine(), decide.clone()), "not_a_person");
        story.person(decide);
        let due = if granted { Step::Actions } else { Step::Agent };
        assert_eq!((story.state(), story.due()), (Implementing, Due::Perform(due)), "{granted}");
        let denied = story.run().actions_report.as_ref().and_then(|report| report.quarantined.as_deref());
        assert_eq!(denied, (!granted).then_some("denied"), "the denial is on record");
    }
    assert_eq!(
        in_state(Implementing).refused(person(), Command::DecideActions { granted: true }),
        "no_actions"
    );
}

#[test]
fn f16_a_request_that_was_put_aside_runs_nothing_and_is_told() {
    let mut story = in_state(Implementing);
    let quarantined = Some("stale".to_owned());
    let aside = ActionsReport { quarantined, detail: "older".to_owned(), results: Vec::new() };
    story.step(&Actor::engine(), Step::Agent, agent(Some(1), Some(ActionsFound::PutAside(aside))));
    assert_eq!((story.state(), story.due()), (LocalValidating, Due::Perform(Step::Checks)));
    let told = story.run().actions_report.as_ref().and_then(|report| report.quarantined.as_deref());
    assert_eq!(told, Some("stale"));
}

#[test]
fn an_unfit_workspace_is_a_failed_step_and_a_persons_matter() {
    let mut story = in_state(Implementing);
    let failures = "cmd.git: not found".to_owned();
    story.person(Command::FailPreflight { transient: false, failures });
    assert_eq!((story.state(), story.code()), (NeedsHumanReview, "preflight_failed"));
    let verdict = story.run().verdict.as_ref().map(|verdict| verdict.reason_code.as_str());
    assert_eq!(verdict, Some("preflight_hard_failure"));
    let error = story.run().last_error.as_ref().map(ToString::to_string);
    assert_eq!(error.as_deref(), Some("preflight:preflight_failed:cmd.git: not found"));
}

#[test]
fn a_failed_agent_that_needs_a_person_is_a_failure_and_one_append() {
    let mut story = in_state(Implementing);
    story.begin(&Actor::engine(), Step::Agent);
    let end = Command::EndAttempt {
        attempt: story.run().attempts,
        evidence: super::samples::evidence(),
        outcome: StepOutcome::AgentEnded {
            outcome: AttemptOutcome::CouldNotStart,
            change: None,
            actions: None,
            flow: Flow::ByHand { success: None },
        },
    };
    let decision = story.ask(&Actor::engine(), &end).unwrap();
    let names: Vec<&str> = decision.events.iter().map(Event::name).collect();
    assert_eq!(names, ["attempt.ended", "verdict.rendered", "worker.step.failed"]);
    assert_eq!(story.state(), NeedsHumanReview);
    assert!(story.run().last_error.is_some());
}

#[test]
fn a_person_who_sends_a_failed_run_on_starts_the_count_of_retries_anew() {
    let mut story = in_state(Implementing);
    let late = StepOutcome::AgentEnded {
        outcome: AttemptOutcome::TimedOut,
        change: None,
        actions: None,
        flow: Flow::Unattended,
    };
    story.step(&Actor::engine(), Step::Agent, late);
    assert_eq!((story.state(), story.run().retries), (FailedRetryable, 1));
    story.person(Command::Retry { target: None });
    assert_eq!(story.run().retries, 0);
}

#[test]
fn another_contract_voids_what_was_judged_and_the_request_that_rests_on_it() {
    let mut story = in_state(LocalValidating);
    story.step(&Actor::engine(), Step::Checks, checked(CheckOutcome::Passed, Vec::new()));
    assert_eq!(story.due(), Due::Perform(Step::PrRequest));
    story.step(&Actor::engine(), Step::PrRequest, StepOutcome::Requested(Box::new(request(1, 1))));
    assert!(matches!(story.run().gate, Gate::Open { .. }));
    story.person(Command::PinVerifySpec { spec: Some(spec()) });
    assert!(matches!(story.run().gate, Gate::Cancelled { .. }));
    assert_eq!(story.run().evidence(), None);
    let again = Command::RequestPr { request: Box::new(request(1, 1)) };
    assert_eq!(story.refused(person(), again), "missing_test_evidence");
    story.person(Command::Retry { target: None });
    assert_eq!(story.due(), Due::Perform(Step::Checks), "the same change is judged by the new contract");
    story.begin(&Actor::engine(), Step::Checks);
    assert_eq!(story.refused(person(), Command::PinVerifySpec { spec: None }), "attempt_under_way");
}

#[test]
fn a_pause_is_no_way_around_findings() {
    let mut story = in_state(LocalValidating);
    let outcome = checked(CheckOutcome::Passed, vec![found(Severity::Blocking)]);
    story.step(&Actor::engine(), Step::Checks, outcome);
    story.person(Command::Pause).person(Command::Resume { target: None });
    assert_eq!((story.state(), story.due()), (NeedsHumanReview, Due::Wait(Wait::Person)));
}
