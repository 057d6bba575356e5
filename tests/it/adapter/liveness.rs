//! Signs of life of real programs: which of them keep one alive, and what is on record of those that were ended.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::liveness::{Liveness, Pulse};
use agentpr::domain::confine::LimitKind;
use agentpr::domain::evidence::AttemptOutcome;

use super::recorder::{Talk, record};
use super::world::{ignore, put, until};

const CALL: &str = r#"{"kind":"tool_call","id":"1","tool":"sh","input":"make"}"#;
const ENDED: &str = r#"{"kind":"command","id":"1","command":"make","exit_code":0,"output":"ok"}"#;
const DONE: &str = r#"{"kind":"end","ok":true,"text":"done"}"#;

fn silent_for(silence: u64) -> Talk {
    let mut talk = Talk::new();
    talk.order.limits.silence = Some(Duration::from_millis(silence));
    talk
}

#[tokio::test]
async fn one_without_any_sign_is_ended_and_its_signs_are_on_record() {
    let talk = silent_for(900);
    let report = talk.play("print hello\nsleep 60").await;
    assert_eq!(
        (report.outcome, report.evidence.limit, record(&report).class),
        (AttemptOutcome::OverLimit, Some(LimitKind::Silence), OutcomeClass::TimedOut)
    );
    let vitals = record(&report).vitals.unwrap();
    assert!(vitals.is_running && vitals.idle_secs() >= 1, "{vitals:?}");
    assert_eq!((vitals.tool_secs, vitals.files_secs.is_some()), (None, true));
}

#[tokio::test]
async fn a_tool_under_way_may_be_silent_for_longer() {
    let talk = silent_for(900);
    let report = talk.play(&format!("print {CALL}\nsleep 1.9\nprint {ENDED}\nprint {DONE}")).await;
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    let report = talk.play(&format!("print {CALL}\nprint {ENDED}\nsleep 60")).await;
    assert_eq!(report.evidence.limit, Some(LimitKind::Silence), "none is under way any more");
    assert!(report.evidence.duration_ms < 2_500, "{}", report.evidence.duration_ms);
    let report = talk.play(&format!("print {CALL}\nsleep 60")).await;
    assert_eq!(report.evidence.limit, Some(LimitKind::Silence), "not for ever");
    assert!(record(&report).vitals.unwrap().tool_secs.is_some_and(|secs| secs >= 2));
}

#[tokio::test]
async fn a_file_that_changes_is_a_sign_of_life() {
    let talk = silent_for(900);
    let line = format!("for i in 1 2 3 4 5 6 7; do sleep 0.4; echo $i > made; done; echo '{DONE}'");
    let report = talk.shell(&line).await;
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
}

#[tokio::test]
async fn the_pulse_of_a_working_attempt_is_beside_its_log() {
    let talk = silent_for(60_000);
    let read = || -> Option<Pulse> {
        serde_json::from_slice(&std::fs::read(talk.pulse()).ok()?)
            .ok()
            .filter(|found: &Pulse| found.pid.is_some())
    };
    let go = talk.at("go");
    let script = format!("print {CALL}\nwait-file {}\nprint {DONE}", go.display());
    let work = talk.play_to(&script, &ignore);
    let look = async {
        until("the pulse tells what it does", || read().is_some_and(|pulse| pulse.doing == "sh make")).await;
        let pulse = read().unwrap();
        assert_eq!((pulse.liveness, pulse.vitals.is_running), (Liveness::Working, true));
        assert!(pulse.vitals.tool_secs.is_some() && pulse.silence_ms == Some(60_000));
        let mode = talk.pulse().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        put(&go, "");
    };
    let (report, ()) = tokio::join!(work, look);
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    assert_eq!(read().unwrap().liveness, Liveness::Dead, "the last one says that it is gone");
}
