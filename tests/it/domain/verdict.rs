//! How evidence is weighed: an exit code alone never passes, and a transcript never does.

use agentpr::domain::confine::LimitKind;
use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome, CheckReport};
use agentpr::domain::guard::{Breach, GuardReport, Scope, Violation};
use agentpr::domain::policy::Policy;
use agentpr::domain::signal::{SafetySignal, Signals};
use agentpr::domain::verdict::{Evidence, Grade, NextAction, Verdict, on_preflight, verdict};
use agentpr::domain::verification::{Blocked, Stage};

use AttemptOutcome::{CouldNotStart, Failed, Interrupted, OverLimit, Stopped, Succeeded, TimedOut};

use super::samples::report;

const OUTCOMES: [AttemptOutcome; 7] =
    [Succeeded, Failed, TimedOut, OverLimit, CouldNotStart, Interrupted, Stopped];
const CHECKS: [Option<CheckOutcome>; 5] = [
    None,
    Some(CheckOutcome::Passed),
    Some(CheckOutcome::Failed),
    Some(CheckOutcome::NoEvidence),
    Some(CheckOutcome::Blocked),
];

fn weighed(
    agent: AttemptOutcome,
    changed: bool,
    checks: Option<CheckOutcome>,
    more: impl Fn(&mut Evidence<'_>),
) -> Verdict {
    guarded(None, agent, changed, checks, more)
}

fn guarded(
    guard: Option<&GuardReport>,
    agent: AttemptOutcome,
    changed: bool,
    checks: Option<CheckOutcome>,
    more: impl Fn(&mut Evidence<'_>),
) -> Verdict {
    let policy = Policy::default();
    let report = checks.map(|outcome| report(1, outcome));
    let mut evidence = Evidence { guard, checks: report.as_ref(), ..Evidence::of(agent, changed, &policy) };
    more(&mut evidence);
    verdict(&evidence)
}

fn nothing(_: &mut Evidence<'_>) {}

fn breach(breach: Breach) -> GuardReport {
    GuardReport::of(Scope::Build, vec![Violation { path: "pipeline.yml".to_owned(), breach }])
}

#[test]
fn only_a_change_with_passed_checks_passes() {
    for agent in OUTCOMES {
        for changed in [false, true] {
            for checks in CHECKS {
                for blocking in [0, 1] {
                    let graded = weighed(agent, changed, checks, |e| e.blocking = blocking);
                    let deserves = agent == Succeeded
                        && changed
                        && checks == Some(CheckOutcome::Passed)
                        && blocking == 0;
                    assert_eq!(graded.grade == Grade::Pass, deserves, "{agent:?} {changed} {checks:?}");
                    assert_eq!(graded.next_action == NextAction::Advance, deserves);
                }
            }
        }
    }
}

#[test]
fn grade_and_next_action_say_the_same() {
    for agent in OUTCOMES {
        for changed in [false, true] {
            for checks in CHECKS {
                let graded = weighed(agent, changed, checks, nothing);
                let wanted = match graded.grade {
                    Grade::Pass => NextAction::Advance,
                    Grade::Retryable => NextAction::Retry,
                    Grade::HumanReview => NextAction::Escalate,
                };
                assert_eq!(graded.next_action, wanted);
                assert!(!graded.because.is_empty());
            }
        }
    }
}

#[test]
fn what_cannot_be_undone_goes_to_a_person_whatever_else_is_true() {
    let pushed = breach(Breach::Pushed);
    let signals = Signals {
        safety: vec![SafetySignal { rule: "sudo".to_owned(), command: "sudo make install".to_owned() }],
        ..Signals::default()
    };
    for agent in OUTCOMES {
        for changed in [false, true] {
            for checks in CHECKS {
                let by_guard = guarded(Some(&pushed), agent, changed, checks, nothing);
                let policy = Policy::default();
                let by_signal =
                    verdict(&Evidence { signals: Some(&signals), ..Evidence::of(agent, changed, &policy) });
                for graded in [by_guard, by_signal] {
                    assert_eq!(
                        (graded.reason_code.as_str(), graded.grade),
                        ("safety_violation", Grade::HumanReview)
                    );
                }
            }
        }
    }
}

#[test]
fn each_trouble_has_its_word() {
    let cases = [
        (Succeeded, false, None, "no_change", Grade::HumanReview),
        (Succeeded, true, None, "missing_test_evidence", Grade::HumanReview),
        (Succeeded, true, Some(CheckOutcome::NoEvidence), "missing_test_evidence", Grade::HumanReview),
        (Succeeded, true, Some(CheckOutcome::Failed), "verify_failed", Grade::HumanReview),
        (Succeeded, true, Some(CheckOutcome::Blocked), "verify_blocked_by_policy", Grade::HumanReview),
        (TimedOut, true, Some(CheckOutcome::Passed), "runtime_timeout", Grade::Retryable),
        (Failed, true, None, "runtime_unknown_failure", Grade::Retryable),
        (Interrupted, false, None, "runtime_interrupted", Grade::Retryable),
        (Stopped, false, None, "runtime_interrupted", Grade::Retryable),
        (CouldNotStart, false, None, "runtime_hard_failure", Grade::HumanReview),
    ];
    for (agent, changed, checks, word, grade) in cases {
        let graded = weighed(agent, changed, checks, nothing);
        assert_eq!(
            (graded.reason_code.as_str(), graded.grade),
            (word, grade),
            "{agent:?} {changed} {checks:?}"
        );
    }
}

#[test]
fn a_hang_may_pass_by_itself_and_an_appetite_does_not() {
    let of = |limit| weighed(OverLimit, true, None, |e| e.limit = Some(limit));
    for (limit, word, grade) in [
        (LimitKind::Silence, "worker_inactive", Grade::Retryable),
        (LimitKind::Memory, "memory_limit", Grade::HumanReview),
        (LimitKind::Processes, "process_limit", Grade::HumanReview),
        (LimitKind::Disk, "disk_limit", Grade::HumanReview),
    ] {
        let graded = of(limit);
        assert_eq!((graded.reason_code.as_str(), graded.grade), (word, grade));
    }
}

#[test]
fn a_failed_agent_is_tried_again_for_trouble_that_passes_and_handed_over_for_trouble_that_stays() {
    let policy = Policy::default();
    let of = |hard: Option<&str>, transient: Option<&str>| {
        let signals = Signals {
            hard: hard.map(str::to_owned),
            transient: transient.map(str::to_owned),
            ..Signals::default()
        };
        verdict(&Evidence { signals: Some(&signals), ..Evidence::of(Failed, false, &policy) }).reason_code
    };
    assert_eq!(of(None, Some("error: HTTP 503")), "runtime_transient_failure");
    assert_eq!(of(Some("error: not logged in"), None), "runtime_hard_failure");
    assert_eq!(of(Some("error: not logged in"), Some("error: timed out")), "runtime_hard_failure");
    assert_eq!(of(None, None), "runtime_unknown_failure");
}

#[test]
fn transient_words_of_an_agent_that_succeeded_change_nothing() {
    let policy = Policy::default();
    let signals = Signals { hard: Some("forbidden".to_owned()), ..Signals::default() };
    let passed = report(1, CheckOutcome::Passed);
    let graded = verdict(&Evidence {
        signals: Some(&signals),
        checks: Some(&passed),
        ..Evidence::of(Succeeded, true, &policy)
    });
    assert_eq!(graded.grade, Grade::Pass);
}

#[test]
fn fsm_28_the_third_violation_is_a_persons_and_the_first_two_are_not() {
    let report = breach(Breach::Changed);
    for (violations, word) in [(1, "runtime_success"), (2, "runtime_success"), (3, "guard_violation")] {
        let graded = guarded(Some(&report), Succeeded, true, Some(CheckOutcome::Passed), |e| {
            e.guard_violations = violations;
        });
        assert_eq!(graded.reason_code, word, "{violations}");
    }
}

#[test]
fn an_attempt_of_which_nothing_legal_is_left_is_made_again() {
    let report = breach(Breach::Created);
    let graded = guarded(Some(&report), Succeeded, false, None, |e| e.guard_violations = 1);
    assert_eq!((graded.reason_code.as_str(), graded.grade), ("guard_violation", Grade::Retryable));
}

#[test]
fn retries_are_counted_in_a_row_and_end_with_a_person() {
    let of = |retries| weighed(TimedOut, true, None, |e| e.retries = retries);
    assert_eq!(of(2).reason_code, "runtime_timeout");
    let capped = of(3);
    assert_eq!((capped.reason_code.as_str(), capped.grade), ("retryable_limit_exceeded", Grade::HumanReview));
    assert!(capped.because.contains("runtime_timeout"), "{}", capped.because);
}

#[test]
fn a_failure_the_operator_knows_passes_and_says_so() {
    let policy = Policy::default();
    let mut report = report(1, CheckOutcome::Failed);
    report.results[0].known_failure = Some("flaky_clock".to_owned());
    assert_eq!(report.outcome(), CheckOutcome::Passed);
    let graded = verdict(&Evidence { checks: Some(&report), ..Evidence::of(Succeeded, true, &policy) });
    assert_eq!(graded.reason_code, "runtime_success_allowlisted_test_failures");
    assert_eq!(graded.grade, Grade::Pass);
}

#[test]
fn too_few_proofs_are_not_enough() {
    let policy = Policy { min_checks: 2, ..Policy::default() };
    let report = report(1, CheckOutcome::Passed);
    let graded = verdict(&Evidence { checks: Some(&report), ..Evidence::of(Succeeded, true, &policy) });
    assert_eq!(graded.reason_code, "insufficient_test_evidence");
}

#[test]
fn f12_logging_in_alone_proves_nothing() {
    let mut report = report(1, CheckOutcome::Passed);
    report.results[0].stage = Stage::Auth;
    assert_eq!(report.outcome(), CheckOutcome::NoEvidence);
    let empty = CheckReport { results: Vec::new(), ..report };
    assert_eq!(empty.outcome(), CheckOutcome::NoEvidence);
}

#[test]
fn a_runner_that_found_no_tests_is_neither_failure_nor_proof() {
    let mut report = report(1, CheckOutcome::Failed);
    report.results[0].command = "python3 -m pytest -q".to_owned();
    report.results[0].exit_code = Some(5);
    assert_eq!(report.outcome(), CheckOutcome::NoEvidence);
    report.results[0].command = "make test".to_owned();
    assert_eq!(report.outcome(), CheckOutcome::Failed);
}

#[test]
fn measurements_that_are_wrong_fail_the_stage_metrics() {
    let mut report = report(1, CheckOutcome::Passed);
    report.metrics_errors = vec!["metrics_not_updated".to_owned()];
    assert_eq!((report.outcome(), report.failed_stage()), (CheckOutcome::Failed, Some(Stage::Metrics)));
}

#[test]
fn a_login_that_needs_a_person_has_a_word_of_its_own() {
    let policy = Policy::default();
    let mut report = report(1, CheckOutcome::Blocked);
    let code = "interactive_auth_required".to_owned();
    report.blocked = Some(Blocked { code, detail: "the contract logs in by hand".to_owned() });
    let graded = verdict(&Evidence { checks: Some(&report), ..Evidence::of(Succeeded, true, &policy) });
    assert_eq!(graded.reason_code, "interactive_auth_required");
}

#[test]
fn a_workspace_that_is_not_fit_is_graded_by_what_is_missing() {
    assert_eq!(on_preflight(true, "net.registry: no answer").reason_code, "preflight_transient_failure");
    assert_eq!(on_preflight(true, "net.registry: no answer").grade, Grade::Retryable);
    assert_eq!(on_preflight(false, "cmd.git: not found").reason_code, "preflight_hard_failure");
    assert_eq!(on_preflight(false, "cmd.git: not found").grade, Grade::HumanReview);
}
