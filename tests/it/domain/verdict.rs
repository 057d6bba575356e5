//! How evidence is weighed: an exit code alone never passes.

use agentpr::domain::evidence::{AttemptOutcome, CheckOutcome};
use agentpr::domain::verdict::{Evidence, Grade, NextAction, verdict};

use AttemptOutcome::{CouldNotStart, Failed, Interrupted, Stopped, Succeeded, TimedOut};

const OUTCOMES: [AttemptOutcome; 6] = [Succeeded, Failed, TimedOut, CouldNotStart, Interrupted, Stopped];
const CHECKS: [Option<CheckOutcome>; 4] =
    [None, Some(CheckOutcome::Passed), Some(CheckOutcome::Failed), Some(CheckOutcome::NoEvidence)];

#[test]
fn only_a_change_with_passed_checks_passes() {
    for agent in OUTCOMES {
        for changed in [false, true] {
            for checks in CHECKS {
                let graded = verdict(Evidence { agent, changed, checks });
                let deserves = agent == Succeeded && changed && checks == Some(CheckOutcome::Passed);
                assert_eq!(graded.grade == Grade::Pass, deserves, "{agent:?} {changed} {checks:?}");
                assert_eq!(graded.next_action == NextAction::Advance, deserves);
            }
        }
    }
}

#[test]
fn grade_and_next_action_say_the_same() {
    for agent in OUTCOMES {
        for changed in [false, true] {
            for checks in CHECKS {
                let graded = verdict(Evidence { agent, changed, checks });
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
fn each_trouble_has_its_word() {
    let cases = [
        (Succeeded, false, None, "no_change", Grade::HumanReview),
        (Succeeded, true, None, "missing_test_evidence", Grade::HumanReview),
        (Succeeded, true, Some(CheckOutcome::NoEvidence), "missing_test_evidence", Grade::HumanReview),
        (Succeeded, true, Some(CheckOutcome::Failed), "verify_failed", Grade::HumanReview),
        (TimedOut, true, Some(CheckOutcome::Passed), "runtime_timeout", Grade::Retryable),
        (Failed, true, None, "runtime_unknown_failure", Grade::Retryable),
        (Interrupted, false, None, "runtime_interrupted", Grade::Retryable),
        (Stopped, false, None, "runtime_interrupted", Grade::Retryable),
        (CouldNotStart, false, None, "runtime_hard_failure", Grade::HumanReview),
    ];
    for (agent, changed, checks, word, grade) in cases {
        let graded = verdict(Evidence { agent, changed, checks });
        assert_eq!(
            (graded.reason_code.as_str(), graded.grade),
            (word, grade),
            "{agent:?} {changed} {checks:?}"
        );
    }
}
