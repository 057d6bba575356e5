//! Whatever way a history is told, late, twice, shuffled, or lost and made good by a question: what is known at the end is the same.

use std::collections::BTreeMap;

use agentpr::domain::command::Command;
use agentpr::domain::forge::fact::{CheckKind, CommentKind, ForgeFact, PullState};
use agentpr::domain::forge::view::{ForgeView, KEPT_COMMENTS};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;

use super::forge_history::{End, Forge};
use super::samples::{github, sha};
use super::scenario::{Story, in_state};
use super::seeds::Lot;

const HISTORIES: u64 = 10_000;

/// How a history comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// Anything at any time, and some of it several times.
    Shuffled,
    /// Neighbours change places.
    Jostled,
    /// Some of it comes after everything else, as three days later.
    Late,
    /// Most of it is lost, and then the forge is asked.
    LostThenAsked,
}

const ARRIVALS: [Arrival; 4] = [Arrival::Shuffled, Arrival::Jostled, Arrival::Late, Arrival::LostThenAsked];

/// One delivery after the other, by a run whose checks are awaited.
fn told(waiting: &Story, deliveries: &[Vec<ForgeFact>]) -> Story {
    let mut story = waiting.clone();
    for facts in deliveries {
        story.ask(&github(), &Command::Observe { facts: facts.clone() }).unwrap();
    }
    story
}

fn one_by_one(facts: &[ForgeFact]) -> Vec<Vec<ForgeFact>> {
    facts.iter().map(|fact| vec![fact.clone()]).collect()
}

fn arrives(facts: &[ForgeFact], arrival: Arrival, lot: &mut Lot) -> Vec<Vec<ForgeFact>> {
    let mut sent: Vec<ForgeFact> = Vec::new();
    for fact in facts {
        let copies = [1, 1, 1, 2, 3][lot.below(5)];
        sent.extend(std::iter::repeat_n(fact.clone(), copies));
    }
    match arrival {
        Arrival::Shuffled => shuffle(&mut sent, lot, usize::MAX),
        Arrival::Jostled => shuffle(&mut sent, lot, 4),
        Arrival::Late => {
            let (late, on_time): (Vec<_>, Vec<_>) = sent.into_iter().partition(|_| lot.below(5) == 0);
            sent = [on_time, late].concat();
        }
        Arrival::LostThenAsked => {
            shuffle(&mut sent, lot, usize::MAX);
            let loss = 1 + lot.below(10);
            // No answer speaks of what was deleted, and such a text does no harm.
            sent.retain(|fact| is_deletion(fact) || lot.below(10) >= loss);
            let mut deliveries = one_by_one(&sent);
            deliveries.push(answer(facts));
            return deliveries;
        }
    }
    one_by_one(&sent)
}

fn shuffle(facts: &mut [ForgeFact], lot: &mut Lot, reach: usize) {
    for at in (1..facts.len()).rev() {
        let nearest = at.saturating_sub(reach);
        facts.swap(at, nearest + lot.below(at - nearest + 1));
    }
}

fn is_deletion(fact: &ForgeFact) -> bool {
    matches!(fact, ForgeFact::Comment(comment) if comment.deleted)
}

/// What is true at the end, by what a fact is about: found without the rules under test, by the order in which things happened.
fn truth(facts: &[ForgeFact]) -> Vec<ForgeFact> {
    let mut last: BTreeMap<String, (i64, usize, &ForgeFact)> = BTreeMap::new();
    for (place, fact) in facts.iter().enumerate() {
        let (about, at) = match fact {
            ForgeFact::Check(check) if check.head_sha != sha(1) => continue,
            ForgeFact::Check(check) => (format!("{:?}", check.key()), 0),
            // An old verdict that is dismissed does not take the place of a newer one.
            ForgeFact::Review(review) => (review.reviewer.clone(), review.at.0),
            ForgeFact::Comment(comment) => (format!("{:?} {}", comment.kind, comment.id), 0),
            ForgeFact::Pull(_) => ("pull".to_owned(), 0),
            ForgeFact::Head(_) => ("head".to_owned(), 0),
            ForgeFact::Repository(_) => ("repository".to_owned(), 0),
        };
        let known = last.get(&about);
        if known.is_none_or(|(known_at, known_place, _)| (at, place) > (*known_at, *known_place)) {
            last.insert(about, (at, place, fact));
        }
    }
    last.into_values().map(|(_, _, fact)| fact.clone()).collect()
}

/// The answer to a question that is asked when everything has happened. Its times are a little later; it knows no branch but that of
/// the pull request, no numbers of statuses, and nothing deleted.
fn answer(facts: &[ForgeFact]) -> Vec<ForgeFact> {
    let mut answer: Vec<ForgeFact> = truth(facts)
        .into_iter()
        .filter(|fact| !matches!(fact, ForgeFact::Head(_)) && !is_deletion(fact))
        .collect();
    for fact in &mut answer {
        match fact {
            ForgeFact::Pull(pull) => {
                pull.by = None;
                pull.at.0 += 999;
            }
            ForgeFact::Check(check) if check.kind == CheckKind::Status => {
                check.id = 0;
                check.at.0 += 999;
            }
            ForgeFact::Repository(repository) => repository.at.0 += 5_000_000,
            _ => {}
        }
    }
    answer
}

/// A view without what only one of the two ways tells.
fn apart_from_the_way(view: &ForgeView) -> ForgeView {
    let mut view = view.clone();
    if let Some(pull) = &mut view.pull {
        (pull.at, pull.by) = (Timestamp(0), None);
    }
    if let Some(repository) = &mut view.repository {
        repository.at = Timestamp(0);
    }
    for check in view.checks.values_mut().filter(|check| check.kind == CheckKind::Status) {
        (check.id, check.at) = (0, Timestamp(0));
    }
    view.head = None;
    view
}

fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000)
}

/// The view holds what is true at the end, and nothing else.
fn is_true(view: &ForgeView, facts: &[ForgeFact]) -> Result<(), String> {
    let mut comments: Vec<(Timestamp, CommentKind, u64)> = Vec::new();
    let mut others = 0;
    for fact in truth(facts) {
        let is_known = match &fact {
            ForgeFact::Check(check) => view.checks.get(&(sha(1), check.key())) == Some(check),
            ForgeFact::Review(review) => view.reviews.get(&review.reviewer.to_lowercase()) == Some(review),
            ForgeFact::Pull(pull) => view.pull.as_ref() == Some(pull),
            ForgeFact::Head(head) => view.head.as_ref() == Some(head),
            ForgeFact::Repository(repository) => view.repository.as_ref() == Some(repository),
            ForgeFact::Comment(comment) => {
                comments.push((comment.at, comment.kind, comment.id));
                let known = view.comments.get(&(comment.kind, comment.id));
                known.is_none_or(|known| known == comment)
            }
        };
        others += usize::from(matches!(fact, ForgeFact::Check(_) | ForgeFact::Review(_)));
        if !is_known {
            return Err(format!("{fact:?} is true and not known"));
        }
    }
    comments.sort_unstable();
    let newest = comments.iter().rev().take(KEPT_COMMENTS).map(|(_, kind, id)| (*kind, *id));
    let mut newest: Vec<_> = newest.collect();
    newest.sort_unstable();
    if newest != view.comments.keys().copied().collect::<Vec<_>>() {
        return Err("other comments than the newest are kept".to_owned());
    }
    if view.checks.len() + view.reviews.len() != others {
        return Err("something is known that is not true".to_owned());
    }
    Ok(())
}

/// Compares what came of a history told in order with what came of it otherwise.
///
/// Equal means: the same state in run and row, and the same view. A finished run takes nothing in, so two that are done were ended
/// by the same thing and know the same of their pull request; how much else they knew by then is what came before.
fn agree(orderly: &Story, other: &Story, facts: &[ForgeFact], arrival: Arrival) -> Result<(), String> {
    let (one, two) = (orderly.run(), other.run());
    let states = |story: &Story| (story.state(), story.row.as_ref().map(|row| row.state));
    if states(orderly) != states(other) {
        return Err(format!("{:?} in order, and {:?} otherwise", states(orderly), states(other)));
    }
    if one.state == State::Done {
        let ended = |story: &Story| {
            let pull = story.run().forge.pull.clone();
            pull.map(|pull| (pull.state, pull.merge_sha, story.run().reason.code.clone()))
        };
        let is_same = ended(orderly) == ended(other) && ended(orderly).is_some();
        return if is_same { Ok(()) } else { Err(format!("{:?} and {:?}", ended(orderly), ended(other))) };
    }
    is_true(&one.forge, facts)?;
    if arrival != Arrival::LostThenAsked {
        return if one.forge == two.forge { Ok(()) } else { Err(difference(&one.forge, &two.forge)) };
    }
    let heads = (one.forge.newest_head(), two.forge.newest_head());
    let (first, second) = (apart_from_the_way(&one.forge), apart_from_the_way(&two.forge));
    // The last of several heads of one moment.
    let is_one_head = match heads {
        (Some(first), Some(second)) => first.sha == second.sha && seconds(first.at) == seconds(second.at),
        (None, None) => true,
        _ => false,
    };
    if first == second && is_one_head { Ok(()) } else { Err(difference(&first, &second)) }
}

fn difference(one: &ForgeView, two: &ForgeView) -> String {
    format!("in order: {one:#?}\notherwise: {two:#?}")
}

/// Searches all seeds; a history that fails is made as short as it can be and shown with its seed.
fn for_each_history(
    seeds: std::ops::Range<u64>,
    holds: impl Fn(u64, &[ForgeFact]) -> Result<(), String> + Sync,
) {
    let facts_of = |seed| if seed < 1_000_000 { Forge::lived(seed).facts } else { Forge::undone(seed).facts };
    let workers = 4;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (seeds, holds) = (seeds.clone(), &holds);
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % workers == worker) {
                    let mut facts = facts_of(seed);
                    let Err(mut why) = holds(seed, &facts) else { continue };
                    let mut at = 0;
                    while at < facts.len() {
                        let mut fewer = facts.clone();
                        fewer.remove(at);
                        match holds(seed, &fewer) {
                            Err(other) => (facts, why) = (fewer, other),
                            Ok(()) => at += 1,
                        }
                    }
                    panic!("seed {seed}: {why}\nthe history: {facts:#?}");
                }
            });
        }
    });
}

#[test]
fn ten_thousand_histories_leave_the_same_however_they_are_told() {
    let waiting = in_state(State::CiWait);
    for_each_history(0..HISTORIES, |seed, facts| {
        let mut lot = Lot::new(seed ^ 0xa11e);
        let is_gone = matches!(Forge::lived(seed).end, End::RepositoryDeleted);
        let arrival = match ARRIVALS[usize::try_from(seed % 4).unwrap()] {
            // Nobody answers for what is gone.
            Arrival::LostThenAsked if is_gone => Arrival::Shuffled,
            arrival => arrival,
        };
        let orderly = told(&waiting, &one_by_one(facts));
        let other = told(&waiting, &arrives(facts, arrival, &mut lot));
        agree(&orderly, &other, facts, arrival).map_err(|why| format!("{arrival:?}: {why}"))
    });
}

/// What was done and undone in between is seen or not, as it comes: a run that saw its pull request closed is done, one that saw a
/// commit of somebody else is a person's. But what is known at the end is the same, and so is the state of runs that are neither.
#[test]
fn what_was_undone_in_between_is_known_alike_by_runs_that_go_on() {
    let waiting = in_state(State::CiWait);
    for_each_history(1_000_000..1_002_000, |seed, facts| {
        let mut lot = Lot::new(seed ^ 0xa11e);
        let arrival = ARRIVALS[usize::try_from(seed % 3).unwrap()];
        let orderly = told(&waiting, &one_by_one(facts));
        let other = told(&waiting, &arrives(facts, arrival, &mut lot));
        if orderly.state() == State::Done || other.state() == State::Done {
            let was_closed = facts
                .iter()
                .any(|fact| matches!(fact, ForgeFact::Pull(pull) if pull.state == PullState::Closed));
            return if was_closed { Ok(()) } else { Err("done, and never closed".to_owned()) };
        }
        if orderly.run().forge != other.run().forge {
            return Err(difference(&orderly.run().forge, &other.run().forge));
        }
        is_true(&orderly.run().forge, facts)?;
        let is_held = orderly.state() == State::Paused || other.state() == State::Paused;
        let is_same = orderly.state() == other.state();
        if is_same || is_held { Ok(()) } else { Err(format!("{} and {}", orderly.state(), other.state())) }
    });
}
