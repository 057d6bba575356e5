//! Rows of lists and tables, each the fold of events.

use agentpr::domain::actor::Actor;
use agentpr::domain::command::Command;
use agentpr::domain::event::{Event, Recorded};
use agentpr::domain::evidence::{AttemptOutcome, Step};
use agentpr::domain::id::{EventSeq, PrNumber, Version};
use agentpr::domain::projection::{ArtifactRow, AttemptRow, RunRow};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;

use super::samples::{attempt, every_event, failure, linked, person, pushed, run_id};
use super::scenario::{Story, in_state};

fn recorded(event: Event, version: u64) -> Recorded {
    Recorded {
        seq: EventSeq(version * 10),
        run: run_id(),
        version: Version(version),
        at: Timestamp(i64::try_from(version).unwrap() * 1_000),
        actor: person(),
        cause: None,
        key: None,
        state: State::Implementing,
        event,
    }
}

fn row(story: &Story) -> &RunRow {
    story.row.as_ref().unwrap()
}

#[test]
fn a_row_is_born_by_the_creation_only() {
    let born: Vec<String> = every_event()
        .into_iter()
        .filter(|(_, event)| RunRow::birth(&recorded(event.clone(), 1)).is_some())
        .map(|(label, _)| label)
        .collect();
    assert_eq!(born, ["command.run.create"]);
}

#[test]
fn a_row_tells_state_reason_error_and_pull_request() {
    let mut story = in_state(State::Implementing);
    assert_eq!(
        (row(&story).title.as_str(), row(&story).repo.to_string().as_str()),
        ("mend the test", "octo/hello")
    );
    story.step(&Actor::engine(), Step::Agent, failure(true));
    let error = "agent:remote_unavailable:no route";
    assert_eq!((row(&story).state, row(&story).last_error.as_deref()), (State::FailedRetryable, Some(error)));
    assert_eq!(row(&story).reason, "remote_unavailable");
    let story = story.then(Command::Retry { target: None });
    assert_eq!((row(&story).last_error.clone(), row(&story).reason.as_str()), (None, "retried"));
    let story = in_state(State::CiWait);
    assert_eq!(row(&story).pr_number.map(PrNumber::get), Some(5));
    assert_eq!((row(&story).version, row(&story).last_seq), (story.run().version, story.run().last_seq));
}

#[test]
fn a_row_is_the_fold_in_every_state() {
    for state in State::ALL {
        let story = in_state(state);
        let run = story.run();
        assert_eq!(row(&story).state, run.state);
        assert_eq!(row(&story).reason, run.reason.code, "{state}");
        assert_eq!(row(&story).last_error, run.last_error.as_ref().map(ToString::to_string), "{state}");
        assert_eq!(row(&story).updated_at, run.updated_at);
    }
}

#[test]
fn an_attempt_has_a_row_from_its_beginning_to_its_end() {
    let story = in_state(State::FailedRetryable);
    let mut rows: Vec<AttemptRow> = Vec::new();
    for entry in &story.log {
        rows.extend(AttemptRow::birth(entry));
        rows.iter_mut().for_each(|row| row.apply(entry));
    }
    let steps: Vec<(Step, Option<AttemptOutcome>)> = rows.iter().map(|row| (row.step, row.outcome)).collect();
    let good = Some(AttemptOutcome::Succeeded);
    assert_eq!(
        steps,
        [(Step::Prepare, good), (Step::Plan, good), (Step::Agent, Some(AttemptOutcome::Failed))]
    );
    assert_eq!(rows.iter().map(|row| row.no.0).collect::<Vec<_>>(), [1, 2, 3]);
    let last = rows.last().unwrap();
    assert_eq!((last.exit_code, last.duration_ms, last.log.as_deref()), (Some(0), 12, Some("run-1/1.log")));
    assert!(last.ended_at.is_some() && last.no == attempt(3));
}

#[test]
fn what_registers_something_has_an_artifact_row() {
    let rows: Vec<(String, String)> = every_event()
        .into_iter()
        .filter_map(|(_, event)| ArtifactRow::of(&recorded(event, 4)))
        .map(|row| (row.kind, row.uri))
        .collect();
    let wanted = [
        ("contract", "contract.md"),
        ("branch", "agentpr/run-1"),
        ("pr_url", "https://example.test/5"),
        ("prompt", "run-1/p"),
    ];
    assert_eq!(rows, wanted.map(|(kind, uri)| (kind.to_owned(), uri.to_owned())));
    let row = ArtifactRow::of(&recorded(pushed(1), 4)).unwrap();
    assert_eq!((row.seq, row.at, row.sha256), (EventSeq(40), Timestamp(4_000), None));
    let Event::PrLinked(mut body) = linked(7) else { unreachable!() };
    body.url = None;
    assert_eq!(
        ArtifactRow::of(&recorded(body.into(), 4)).unwrap().uri,
        "7",
        "a number where there is no address"
    );
}
