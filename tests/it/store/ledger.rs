//! What agents used, and whose allowance is used up: every store gives the answers of a plain fold.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use agentpr::adapters::store::MemoryStore;
use agentpr::domain::agent::budget::{Allowance, Spent};
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::quota::Pool;
use agentpr::domain::agent::record::AgentRecord;
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::{MOST_CHARGED, MoneySource, Tokens, Usage};
use agentpr::domain::event::{
    AttemptEnded, AttemptStarted, DiscoveryStarted, Event, QuotaLifted, QuotaParked, Recorded, RunCreated,
};
use agentpr::domain::evidence::{AttemptEvidence, AttemptOutcome, Step};
use agentpr::domain::id::{AttemptNo, EventSeq, RunId};
use agentpr::domain::projection::{PoolNews, UsageRow};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;
use agentpr::ports::ledger::{Ledger, UsagePart, UsageQuery};
use agentpr::ports::store::Upkeep;

use super::story::{Store, every_store};
use super::{Place, append, life, run};

const REPOSITORIES: [&str; 3] = ["acme/widget", "Acme/Widget", "acme/gadget"];

/// Begins a run of a repository: two events.
fn begin(store: &dyn Store, name: &str, repository: &str) -> RunId {
    let run = run(name);
    let mut spec = life::spec(&run);
    spec.repo = repository.parse().unwrap();
    let events =
        vec![(RunCreated { spec }.into(), State::Queued), (DiscoveryStarted {}.into(), State::Discovery)];
    store.append(&append(&run, 0, events)).unwrap();
    run
}

/// Appends to a run of that version, at a time.
fn add(store: &dyn Store, run: &RunId, version: u64, at: i64, events: Vec<Event>) -> Vec<Recorded> {
    let mut wanted = append(run, version, Vec::new());
    wanted.at = Timestamp(at);
    wanted.events = events.into_iter().map(|event| (event, State::Discovery)).collect();
    store.append(&wanted).unwrap()
}

fn started(no: u32, step: Step, reserved: Option<Allowance>) -> Event {
    AttemptStarted { attempt: AttemptNo(no), step, generation: 1, reserved }.into()
}

fn ended(no: u32, step: Step, outcome: AttemptOutcome, secs: u64, record: Option<AgentRecord>) -> Event {
    let evidence = AttemptEvidence {
        duration_ms: secs * 1_000 + 999,
        worker: "codex".to_owned(),
        agent: record.map(Box::new),
        ..AttemptEvidence::default()
    };
    AttemptEnded { attempt: AttemptNo(no), step, outcome, evidence }.into()
}

fn record(input: u64, output: u64, micros: u64, source: MoneySource) -> AgentRecord {
    let tokens = Tokens { input, output, cached: input / 2, ..Tokens::default() };
    AgentRecord {
        model: Some("model-1".to_owned()),
        role: Role::Debug,
        usage: Usage { tokens, micros, source, turns: 2 },
        ..AgentRecord::of(OutcomeClass::Succeeded, None)
    }
}

fn reserved(tokens: u64) -> Option<Allowance> {
    Some(Allowance { tokens: Some(tokens), micros: Some(5_000), ..Allowance::default() })
}

fn of_run(run: &RunId) -> UsageQuery {
    UsageQuery { run: Some(run.clone()), ..UsageQuery::default() }
}

#[test]
fn an_attempt_is_charged_what_it_reserved_until_it_ends_and_then_what_it_used() {
    every_store(|store| {
        let one = begin(store, "one", "acme/widget");
        let begun = add(store, &one, 2, 1_000, vec![started(1, Step::Agent, reserved(900))]);
        let open = store.spent(&of_run(&one)).unwrap();
        assert_eq!(open, Spent { tokens: 900, micros: 5_000, ..Spent::default() });
        let only_ended = UsageQuery { part: UsagePart::Ended, ..of_run(&one) };
        assert_eq!(store.spent(&only_ended).unwrap(), Spent::default());
        let before_itself = UsageQuery { before: Some(begun[0].seq), ..of_run(&one) };
        assert_eq!(store.spent(&before_itself).unwrap(), Spent::default());

        let used = record(100, 20, 700, MoneySource::Table);
        add(
            store,
            &one,
            3,
            9_000,
            vec![ended(1, Step::Agent, AttemptOutcome::Failed, 8, Some(used.clone()))],
        );
        let settled = Spent { tokens: 120, micros: 700, secs: 8, turns: 2, has_unknown_cost: false };
        assert_eq!(store.spent(&of_run(&one)).unwrap(), settled);
        assert_eq!(store.spent(&only_ended).unwrap(), settled);
        let rows = store.usage_rows(&of_run(&one), 9).unwrap();
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!((row.agent.as_str(), row.model.as_str(), row.role), ("codex", "model-1", Role::Debug));
        assert_eq!((row.class, row.usage), (Some(OutcomeClass::Succeeded), Some(used.usage)));
        assert_eq!((row.started_at, row.ended_at), (Timestamp(1_000), Some(Timestamp(9_000))));
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    });
}

#[test]
fn an_attempt_that_was_cut_off_keeps_its_reservation() {
    every_store(|store| {
        let one = begin(store, "one", "acme/widget");
        let cut_off = ended(1, Step::Agent, AttemptOutcome::Interrupted, 3, None);
        add(store, &one, 2, 0, vec![started(1, Step::Agent, reserved(900)), cut_off]);
        let ended_part = UsageQuery { part: UsagePart::Ended, ..of_run(&one) };
        assert_eq!(store.spent(&ended_part).unwrap().tokens, 900);
        // So does one that was ended before its program told anything; one that failed by itself without a word used nothing.
        let silent = |class| AgentRecord::of(class, None);
        for (no, class, charged) in [(2, OutcomeClass::Killed, 1_000), (3, OutcomeClass::AgentError, 1_000)] {
            let end = ended(no, Step::Agent, AttemptOutcome::Failed, 1, Some(silent(class)));
            let version = u64::from(no) * 2;
            add(store, &one, version, 0, vec![started(no, Step::Agent, reserved(100)), end]);
            assert_eq!(store.spent(&ended_part).unwrap().tokens, charged);
        }
        // One that ended before an agent ran costs nothing.
        let no_agent = ended(4, Step::Agent, AttemptOutcome::CouldNotStart, 0, None);
        add(store, &one, 8, 0, vec![started(4, Step::Agent, reserved(50)), no_agent]);
        assert_eq!(store.spent(&ended_part).unwrap().tokens, 1_000);
        // Checks are nobody's tokens.
        add(store, &one, 10, 0, vec![started(5, Step::Checks, None)]);
        assert_eq!(store.usage_rows(&of_run(&one), 9).unwrap().len(), 4);
    });
}

#[test]
fn money_nobody_knows_is_told_as_such() {
    every_store(|store| {
        let one = begin(store, "one", "acme/widget");
        let two = begin(store, "two", "ACME/widget");
        let free = record(0, 0, 0, MoneySource::Unknown);
        let known = record(10, 5, 40, MoneySource::Reported);
        let unknown = record(10, 5, 0, MoneySource::Unknown);
        let whole = |no, record| {
            vec![
                started(no, Step::Agent, None),
                ended(no, Step::Agent, AttemptOutcome::Failed, 1, Some(record)),
            ]
        };
        add(store, &one, 2, 10, whole(1, free));
        add(store, &one, 4, 20, whole(2, known));
        assert!(!store.spent(&of_run(&one)).unwrap().has_unknown_cost);
        add(store, &two, 2, 30, whole(1, unknown));
        assert!(!store.spent(&of_run(&one)).unwrap().has_unknown_cost);
        assert!(store.spent(&of_run(&two)).unwrap().has_unknown_cost);
        let both = UsageQuery { repository: Some("acme/widget".to_owned()), ..UsageQuery::default() };
        let spent = store.spent(&both).unwrap();
        assert_eq!((spent.tokens, spent.micros, spent.has_unknown_cost), (30, 40, true));
        let later = UsageQuery { since: Some(Timestamp(20)), ..both.clone() };
        assert_eq!(store.spent(&later).unwrap().tokens, 30);
        let latest = UsageQuery { since: Some(Timestamp(31)), ..both };
        assert_eq!(store.spent(&latest).unwrap(), Spent::default());
    });
}

#[test]
fn the_newest_word_about_a_pool_counts() {
    every_store(|store| {
        let one = begin(store, "one", "acme/widget");
        let two = begin(store, "two", "acme/gadget");
        let pool = Pool::new("codex:KEY");
        let parked = |until: i64, reset: Option<i64>| -> Event {
            QuotaParked {
                pool: pool.clone(),
                reset_at: reset.map(Timestamp),
                until: Timestamp(until),
                times: 1,
            }
            .into()
        };
        assert_eq!(store.pool(&pool).unwrap(), None);
        add(store, &two, 2, 0, vec![parked(70, Some(60))]);
        let row = store.pool(&pool).unwrap().unwrap();
        assert_eq!((row.until, row.run), (Timestamp(60), two.clone()), "without the run's own spread");
        add(store, &one, 2, 0, vec![parked(90, None)]);
        assert_eq!(store.pools().unwrap()[0].run, one);
        add(store, &two, 3, 0, vec![QuotaLifted { pool: pool.clone() }.into()]);
        assert_eq!((store.pool(&pool).unwrap(), store.pools().unwrap()), (None, vec![]));
        assert_eq!(
            store.rebuild().unwrap().differences,
            Vec::<String>::new(),
            "read run by run it is the same"
        );
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
        assert_eq!(store.pools().unwrap(), vec![]);
    });
}

#[test]
fn rows_that_are_not_what_the_events_say_are_found_and_mended() {
    let place = Place::new();
    let store = place.create();
    let one = begin(&store, "one", "acme/widget");
    let parked = QuotaParked { pool: Pool::new("p"), reset_at: None, until: Timestamp(5), times: 1 };
    let used = record(100, 20, 700, MoneySource::Table);
    let whole = vec![
        started(1, Step::Agent, reserved(9)),
        ended(1, Step::Agent, AttemptOutcome::Succeeded, 1, Some(used)),
        parked.into(),
    ];
    add(&store, &one, 2, 0, whole);
    place.raw().execute_batch("UPDATE usage SET micros = 1; UPDATE pools SET until = 6").unwrap();
    let faults = store.verify().unwrap().faults;
    assert_eq!(
        faults,
        ["usage of `one`: not what the events say", "pools: not what the events say"].map(str::to_owned)
    );
    assert_eq!(store.rebuild().unwrap().differences, ["usage `one 1`", "pools `p`"].map(str::to_owned));
    assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
    place.raw().execute_batch("DELETE FROM usage; DELETE FROM pools").unwrap();
    assert_eq!(store.verify().unwrap().faults.len(), 2);
}

#[test]
fn a_sum_over_few_attempts_does_not_grow_with_the_store() {
    let place = Place::new();
    let store = place.create();
    let run = begin(&store, "new", "acme/gadget");
    // Attempts of years, which no event here began; the rows are all that a sum reads.
    let old = "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
        INSERT INTO usage SELECT i, 'old-' || i % 500, i, 'acme/widget', i, i, 'codex', '', 'm', 'build', 'no_op',
            NULL, NULL, NULL, NULL, 1, 5, 0, 0, 5, 0, 5, 'table', 1, 1000 FROM n";
    place.raw().execute_batch(old).unwrap();
    let today = Some(Timestamp(1_000_000));
    add(&store, &run, 2, 1_000_001, vec![started(1, Step::Agent, reserved(10))]);
    let newest = store.usage_rows(&UsageQuery::default(), 1).unwrap().remove(0).seq;
    let everything = UsageQuery::default();
    let few = [
        of_run(&run),
        UsageQuery { since: today, ..of_run(&run) },
        UsageQuery { since: today, ..everything.clone() },
        UsageQuery { since: today, before: Some(EventSeq(newest.0 + 1)), ..everything.clone() },
        UsageQuery { since: today, repository: Some("acme/gadget".to_owned()), ..everything.clone() },
        UsageQuery { since: today, repository: Some("acme/widget".to_owned()), ..everything.clone() },
    ];
    let quickest = |work: &dyn Fn()| {
        let time = |_| {
            let begun = std::time::Instant::now();
            work();
            begun.elapsed()
        };
        (0..5).map(time).min().unwrap()
    };
    let whole = quickest(&|| assert_eq!(store.spent(&everything).unwrap().tokens, 59_001 * 10 + 10));
    for query in few {
        let part = quickest(&|| assert!(store.spent(&query).is_ok()));
        assert!(part * 10 < whole, "{part:?} of {whole:?} for {query:?}");
        let rows = quickest(&|| assert!(store.usage_rows(&query, 50).is_ok()));
        assert!(rows * 10 < whole, "{rows:?} of {whole:?} for the rows of {query:?}");
    }
}

/// One thing that happens to one of three runs.
#[derive(Debug, Clone)]
enum Deed {
    Start(Step, Option<Allowance>),
    End(AttemptOutcome, u64, Option<Box<AgentRecord>>),
    Park(usize, i64, Option<i64>),
    Lift(usize),
}

const POOLS: [&str; 2] = ["codex:KEY", "claude:oauth"];

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..5_000_u64, 1 => Just(0), 1 => Just(MOST_CHARGED), 1 => Just(u64::MAX)]
}

fn deeds() -> impl Strategy<Value = (usize, i64, Deed)> {
    let allowance = (proptest::option::of(numbers()), proptest::option::of(numbers()), any::<Option<u32>>())
        .prop_map(|(tokens, micros, turns)| Allowance { tokens, micros, secs: tokens, turns });
    let source = select(vec![MoneySource::Table, MoneySource::Reported, MoneySource::Unknown]);
    let records = (numbers(), numbers(), numbers(), source, any::<u32>()).prop_map(
        |(input, output, micros, source, turns)| {
            let mut made = record(input, output, micros, source);
            made.usage.turns = turns;
            made
        },
    );
    let silent = select(OutcomeClass::ALL.to_vec()).prop_map(|class| AgentRecord::of(class, None));
    let records = prop_oneof![4 => records, 1 => silent];
    use AttemptOutcome::{CouldNotStart, Failed, Interrupted, Succeeded};
    let outcomes = select(vec![Succeeded, Failed, Interrupted, Interrupted, CouldNotStart]);
    let deed = prop_oneof![
        4 => (select(vec![Step::Agent, Step::Agent, Step::Plan, Step::Checks]), proptest::option::of(allowance))
            .prop_map(|(step, reserved)| Deed::Start(step, reserved)),
        4 => (outcomes, 0..90_000_u64, proptest::option::of(records))
            .prop_map(|(outcome, secs, record)| Deed::End(outcome, secs, record.map(Box::new))),
        1 => (0..2_usize, 0..99_i64, proptest::option::of(0..99_i64))
            .prop_map(|(pool, until, reset)| Deed::Park(pool, until, reset)),
        1 => (0..2_usize).prop_map(Deed::Lift),
    ];
    (0..3_usize, 0..100_i64, deed)
}

/// Does the deeds to three runs, as far as they make sense, and answers the log.
fn tell(store: &dyn Store, deeds: &[(usize, i64, Deed)]) -> Vec<Recorded> {
    let runs: Vec<RunId> = (0..3).map(|n| begin(store, &format!("run-{n}"), REPOSITORIES[n])).collect();
    let mut versions = [2_u64; 3];
    let mut attempts = [(0_u32, None::<Step>); 3];
    for (of, at, deed) in deeds {
        let (no, open) = &mut attempts[*of];
        let event = match (deed, *open) {
            (Deed::Start(step, reserved), None) => {
                (*no, *open) = (*no + 1, Some(*step));
                started(*no, *step, *reserved)
            }
            (Deed::End(outcome, secs, record), Some(step)) => {
                *open = None;
                ended(*no, step, *outcome, *secs, record.as_deref().cloned())
            }
            (Deed::Park(pool, until, reset), _) => QuotaParked {
                pool: Pool::new(POOLS[*pool]),
                reset_at: reset.map(Timestamp),
                until: Timestamp(*until),
                times: 1,
            }
            .into(),
            (Deed::Lift(pool), _) => QuotaLifted { pool: Pool::new(POOLS[*pool]) }.into(),
            (Deed::Start(..), Some(_)) | (Deed::End(..), None) => continue,
        };
        add(store, &runs[*of], versions[*of], *at, vec![event]);
        versions[*of] += 1;
    }
    store.events_after(EventSeq(0), usize::MAX).unwrap()
}

/// The rows by a plain fold of the log.
fn folded(log: &[Recorded]) -> Vec<UsageRow> {
    let mut rows: Vec<UsageRow> = Vec::new();
    for recorded in log {
        let of = recorded.run.as_str().trim_start_matches("run-").parse::<usize>().unwrap();
        rows.extend(UsageRow::birth(recorded, &REPOSITORIES[of].parse().unwrap()));
        rows.iter_mut().filter(|row| row.run == recorded.run).for_each(|row| row.apply(recorded));
    }
    rows
}

fn queries() -> impl Strategy<Value = UsageQuery> {
    let run = proptest::option::of((0..3_usize).prop_map(|n| run(&format!("run-{n}"))));
    let repository = proptest::option::of(select(vec!["acme/widget".to_owned(), "acme/gadget".to_owned()]));
    let since = proptest::option::of((0..100_i64).prop_map(Timestamp));
    let before = proptest::option::of((0..60_u64).prop_map(EventSeq));
    let part = select(vec![UsagePart::All, UsagePart::Ended]);
    (run, repository, since, before, part).prop_map(|(run, repository, since, before, part)| UsageQuery {
        run,
        repository,
        since,
        before,
        part,
    })
}

/// The same condition, written once more.
fn counts(query: &UsageQuery, row: &UsageRow) -> bool {
    let mut counts = query.part == UsagePart::All || row.ended_at.is_some();
    if let Some(run) = &query.run {
        counts &= row.run == *run;
    }
    if let Some(repository) = &query.repository {
        counts &= row.repository == *repository;
    }
    if let Some(since) = query.since {
        counts &= row.started_at >= since;
    }
    if let Some(before) = query.before {
        counts &= row.seq < before;
    }
    counts
}

fn judge(store: &dyn Store, log: &[Recorded], queries: &[UsageQuery]) {
    let rows = folded(log);
    for query in queries {
        let mut wanted: Vec<UsageRow> = rows.iter().filter(|row| counts(query, row)).cloned().collect();
        let mut sum = Spent::default();
        wanted.iter().for_each(|row| match row.usage {
            Some(usage) => sum.add(&usage, Duration::from_millis(row.duration_ms)),
            None => sum.reserve(&row.reserved),
        });
        assert_eq!(store.spent(query).unwrap(), sum, "{query:?}");
        wanted.reverse();
        assert_eq!(store.usage_rows(query, usize::MAX).unwrap(), wanted, "{query:?}");
        wanted.truncate(2);
        assert_eq!(store.usage_rows(query, 2).unwrap(), wanted, "{query:?}");
    }
    let mut pools = BTreeMap::new();
    for news in log.iter().filter_map(PoolNews::of) {
        match news {
            PoolNews::Exhausted(row) => pools.insert(row.pool.clone(), row),
            PoolNews::Lifted(pool) => pools.remove(&pool),
        };
    }
    assert_eq!(store.pools().unwrap(), pools.into_values().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_store_answers_as_a_plain_fold_of_the_log(
        deeds in prop::collection::vec(deeds(), 1..50),
        queries in prop::collection::vec(queries(), 12),
    ) {
        let memory = MemoryStore::new();
        let log = tell(&memory, &deeds);
        judge(&memory, &log, &queries);
        let place = Place::new();
        let sqlite = place.create();
        prop_assert_eq!(&tell(&sqlite, &deeds), &log);
        judge(&sqlite, &log, &queries);
        let stores: [&dyn Store; 2] = [&memory, &sqlite];
        for store in stores {
            prop_assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
            prop_assert_eq!(store.rebuild().unwrap().differences, Vec::<String>::new());
        }
        judge(&sqlite, &log, &queries);
    }
}
