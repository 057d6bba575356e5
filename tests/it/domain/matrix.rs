//! The whole of `transition`, as a text people can read, and against the seed's table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use agentpr::domain::event::Event;
use agentpr::domain::state::State;
use agentpr::domain::transition::{Move, Position, transition};

use super::samples::{every_event, sha};

use State::{
    CiWait, Discovery, Done, FailedRetryable, FailedTerminal, Implementing, Iterating, LocalValidating,
    NeedsHumanReview, Paused, PlanReady, Pushed, Queued, ReviewWait, Skipped,
};

/// The table of seed 004, section 2.
const SEED: [(State, &[State]); 15] = [
    (Queued, &[Discovery, Paused, Skipped, FailedTerminal]),
    (Discovery, &[PlanReady, Paused, Skipped, FailedRetryable, FailedTerminal, NeedsHumanReview]),
    (PlanReady, &[Implementing, Paused, Skipped, NeedsHumanReview]),
    (Implementing, &[LocalValidating, Paused, FailedRetryable, FailedTerminal, NeedsHumanReview]),
    (LocalValidating, &[Pushed, Paused, FailedRetryable, FailedTerminal, NeedsHumanReview]),
    (Pushed, &[CiWait, Paused, NeedsHumanReview, Done]),
    (CiWait, &[ReviewWait, Iterating, Paused, FailedRetryable, FailedTerminal, NeedsHumanReview]),
    (ReviewWait, &[Iterating, Paused, Done, FailedRetryable, NeedsHumanReview]),
    (Iterating, &[Implementing, LocalValidating, Paused, FailedRetryable, FailedTerminal, NeedsHumanReview]),
    (
        Paused,
        &[
            Discovery,
            PlanReady,
            Implementing,
            LocalValidating,
            Pushed,
            CiWait,
            ReviewWait,
            Iterating,
            NeedsHumanReview,
            Skipped,
            FailedTerminal,
        ],
    ),
    (NeedsHumanReview, &[Implementing, Iterating, Paused, Skipped, Done, FailedTerminal]),
    (
        FailedRetryable,
        &[Discovery, Implementing, LocalValidating, Iterating, NeedsHumanReview, Skipped, FailedTerminal],
    ),
    (Done, &[]),
    (Skipped, &[]),
    (FailedTerminal, &[]),
];

/// The edges this program adds to it: the starred ones of the specification, and going back to the queue from a pause in it.
const ADDED: [(State, State); 20] = [
    (Implementing, Done),
    (Iterating, CiWait),
    (Iterating, ReviewWait),
    (Iterating, Done),
    (LocalValidating, Implementing),
    (LocalValidating, Done),
    (NeedsHumanReview, LocalValidating),
    (NeedsHumanReview, PlanReady),
    (NeedsHumanReview, Pushed),
    (PlanReady, Discovery),
    (PlanReady, FailedRetryable),
    (PlanReady, FailedTerminal),
    (FailedRetryable, PlanReady),
    (FailedRetryable, Pushed),
    (FailedRetryable, CiWait),
    (CiWait, Done),
    (ReviewWait, CiWait),
    (ReviewWait, FailedTerminal),
    (Pushed, FailedTerminal),
    (Paused, Queued),
];

#[test]
fn the_moves_are_the_seeds_and_the_added_ones() {
    let seed = SEED.iter().flat_map(|(from, targets)| targets.iter().map(move |to| (*from, *to)));
    let wanted: BTreeSet<(State, State)> = seed.chain(ADDED).collect();
    let here: BTreeSet<(State, State)> =
        State::ALL.into_iter().flat_map(|from| from.targets().iter().map(move |to| (from, *to))).collect();
    assert_eq!(here, wanted);
}

fn place(state: State, paused_from: Option<State>, head: Option<&str>) -> Position<'_> {
    Position { state, paused_from, delivers_nothing: false, head_sha: head }
}

/// Every position, each with the words that tell it from the plain one of its state.
fn positions(head: &str) -> Vec<(String, Position<'_>)> {
    let mut all = Vec::new();
    for state in State::ALL {
        let origins: Vec<Option<State>> = if state == Paused {
            State::ALL.into_iter().filter(|from| !from.is_terminal() && *from != Paused).map(Some).collect()
        } else {
            vec![None]
        };
        for paused_from in origins {
            let plain = place(state, paused_from, Some(head));
            all.push((String::new(), plain));
            all.push((" delivering nothing".to_owned(), Position { delivers_nothing: true, ..plain }));
            all.push((" before any push".to_owned(), Position { head_sha: None, ..plain }));
        }
    }
    all
}

#[test]
fn every_move_follows_an_edge_and_every_edge_is_followed() {
    let head = sha(1);
    let mut followed = BTreeSet::new();
    for (_, position) in positions(head.as_str()) {
        for (label, event) in every_event() {
            match transition(position, &event) {
                Move::To(to) => {
                    assert!(position.state.allows(to), "{label}: {} to {to}", position.state);
                    followed.insert((position.state, to));
                }
                Move::Behind(to) => {
                    assert!(position.state == Paused && Paused.allows(to), "{label}: behind to {to}");
                }
                Move::Stay | Move::Illegal => {}
            }
        }
    }
    let edges: BTreeSet<(State, State)> =
        State::ALL.into_iter().flat_map(|from| from.targets().iter().map(move |to| (from, *to))).collect();
    let unused: Vec<(State, State)> = edges.difference(&followed).copied().collect();
    // Allowed by the tables, and nothing that happens leads there yet.
    let known = [(PlanReady, Discovery)];
    assert_eq!(unused, known);
}

#[test]
fn a_finished_run_is_moved_by_nothing() {
    for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
        for (label, event) in every_event() {
            let answer = transition(place(state, None, None), &event);
            assert!(matches!(answer, Move::Stay | Move::Illegal), "{label} in {state}");
        }
    }
}

#[test]
fn every_state_and_event_is_as_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/transitions.txt");
    let now = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = diff(&kept, &now);
    assert!(difference.is_empty(), "transitions.txt differs; UPDATE_GOLDEN=1 writes it anew:\n{difference}");
}

fn table() -> String {
    let mut text = String::from(
        "What each event does in each state. `->` moves the run, `behind` moves the place a paused run goes on from,\n\
         `stays` records the event only, `refused` records nothing. Written by UPDATE_GOLDEN=1 cargo test domain::matrix.\n",
    );
    for (label, event) in every_event() {
        let _ = write!(text, "\n{label}\n");
        for (answer, places) in answers(&event) {
            let _ = writeln!(text, "  {answer:<26} {}", places.join(", "));
        }
    }
    text
}

/// The answers to an event, each with the places that give it, in the order of a run's life.
fn answers(event: &Event) -> Vec<(String, Vec<String>)> {
    let head = sha(1);
    let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
    let mut put = |answer: String, place: String| match grouped.iter_mut().find(|(known, _)| *known == answer)
    {
        Some((_, places)) => places.push(place),
        None => grouped.push((answer, vec![place])),
    };
    let all = positions(head.as_str());
    for state in State::ALL {
        let plain: Vec<(Option<State>, Move)> = all
            .iter()
            .filter(|(words, position)| words.is_empty() && position.state == state)
            .map(|(_, position)| (position.paused_from, transition(*position, event)))
            .collect();
        let alike = plain.iter().all(|(_, answer)| *answer == plain[0].1);
        for (from, answer) in if alike { &plain[..1] } else { &plain[..] } {
            let place = if alike { state.to_string() } else { format!("{state} from {}", from.unwrap()) };
            put(words(*answer), place);
        }
        for (variant, position) in all.iter().filter(|(words, at)| !words.is_empty() && at.state == state) {
            let usual =
                plain.iter().find(|(from, _)| *from == position.paused_from).map(|(_, answer)| *answer);
            let answer = transition(*position, event);
            if Some(answer) != usual {
                put(words(answer), format!("{state}{variant}"));
            }
        }
    }
    grouped.sort_by_key(|(answer, _)| match answer.as_str() {
        "stays" => 1,
        "refused" => 2,
        _ => 0,
    });
    grouped
}

fn words(answer: Move) -> String {
    match answer {
        Move::To(to) => format!("-> {to}"),
        Move::Behind(to) => format!("behind {to}"),
        Move::Stay => "stays".to_owned(),
        Move::Illegal => "refused".to_owned(),
    }
}

/// The lines that differ, each with its number.
fn diff(kept: &str, now: &str) -> String {
    let (kept, now): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), now.lines().collect());
    let mut text = String::new();
    for line in 0..kept.len().max(now.len()) {
        let (old, new) = (kept.get(line).unwrap_or(&""), now.get(line).unwrap_or(&""));
        if old != new {
            let _ = writeln!(text, "{}: - {old}\n{}: + {new}", line + 1, line + 1);
        }
    }
    text
}
