//! The runs a forge's fact is for: found by every name a forge has for them, in every store the same way.

use agentpr::adapters::store::{MemoryStore, SqliteStore};
use agentpr::domain::event::{Cancelled, Event, PrLinked, Pushed, RepositoryChanged, RunCreated};
use agentpr::domain::forge::delivery::Address;
use agentpr::domain::forge::fact::RepositoryFact;
use agentpr::domain::id::{EventSeq, PrNumber, RunId};
use agentpr::domain::state::State;
use agentpr::domain::time::Timestamp;
use agentpr::ports::inbox::Inbox;
use agentpr::ports::store::{EventStore, Upkeep};

use super::story::{Store, every_store};
use super::{Place, append, life, run};

/// What a forge knows of a made-up run.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) repo: &'a str,
    pub(super) repo_id: Option<u64>,
    pub(super) branch: &'a str,
    /// Number of the commit that was pushed; its captured one is 3.
    pub(super) sha: u32,
    pub(super) pr: Option<u64>,
}

pub(super) const WIDGET: Known<'_> =
    Known { repo: "Acme/Widget", repo_id: Some(5), branch: "agentpr/one", sha: 20, pr: Some(7) };

/// Gives a run its life up to its pull request; its version afterwards is 15 to 17.
pub(super) fn publish(store: &(impl EventStore + ?Sized), name: &str, known: Known<'_>) -> RunId {
    let run = run(name);
    let mut spec = life::spec(&run);
    spec.repo = known.repo.parse().unwrap();
    let mut events = life::life(&run, 14);
    events[0].0 = RunCreated { spec }.into();
    let branch = known.branch.parse().unwrap();
    events.push((Pushed { branch, sha: life::sha(known.sha), request: None }.into(), State::Pushed));
    if let Some(id) = known.repo_id {
        events.push((requested(id), State::Pushed));
    }
    if let Some(number) = known.pr {
        let linked = PrLinked { pr_number: pull(number), url: None, request: None };
        events.push((linked.into(), State::CiWait));
    }
    store.append(&append(&run, 0, events)).unwrap();
    run
}

fn requested(repo_id: u64) -> Event {
    let stored = include_str!("../data/events/v1/pr.requested.json");
    let body = stored.replace("\"repo_id\": 42", &format!("\"repo_id\": {repo_id}"));
    Event::read("pr.requested", 1, &body).unwrap()
}

fn renamed(name: &str, id: u64) -> Event {
    let name = name.parse().unwrap();
    let repository = RepositoryFact { id, name, archived: false, deleted: false, at: Timestamp(1) };
    RepositoryChanged { repository }.into()
}

pub(super) fn pull(number: u64) -> PrNumber {
    PrNumber::new(number).unwrap()
}

/// An address of a pull request.
pub(super) fn at_pull(repo: &str, repo_id: Option<u64>, pr: u64) -> Address {
    Address { repo_id, repo: Some(repo.to_owned()), pr: Some(pull(pr)), ..Address::default() }
}

fn at_commit(n: u32) -> Address {
    Address { sha: Some(life::sha(n)), ..Address::default() }
}

#[test]
fn a_run_is_found_by_everything_a_forge_calls_it() {
    every_store(|store| {
        let one = publish(store, "one", WIDGET);
        let branch = |name: &str| Address { branch: Some(name.parse().unwrap()), ..Address::default() };
        let whole = |repo: Option<&str>, repo_id| Address {
            repo: repo.map(str::to_owned),
            repo_id,
            whole_repository: true,
            ..Address::default()
        };
        for address in [
            at_pull("acme/widget", None, 7),
            at_pull("acme/widget", Some(5), 7),
            Address { repo_id: Some(5), pr: Some(pull(7)), ..Address::default() },
            at_commit(3),
            at_commit(20),
            Address { sha: Some(life::sha(20)), ..at_pull("other/fork", Some(99), 1) },
            branch("agentpr/one"),
            Address { branch: Some("agentpr/one".parse().unwrap()), ..whole(Some("bot/widget"), Some(77)) },
            whole(Some("acme/widget"), None),
            whole(None, Some(5)),
        ] {
            assert_eq!(store.runs_at(&address).unwrap(), std::slice::from_ref(&one), "{address:?}");
        }
        for address in [
            Address::default(),
            at_pull("acme/widget", None, 8),
            at_pull("acme/gadget", None, 7),
            Address { pr: Some(pull(7)), ..Address::default() },
            Address { repo: Some("acme/widget".to_owned()), repo_id: Some(5), ..Address::default() },
            at_commit(4),
            branch("agentpr/on"),
            whole(Some("acme/gadget"), None),
            whole(None, None),
        ] {
            assert_eq!(store.runs_at(&address).unwrap(), [], "{address:?}");
        }
    });
}

#[test]
fn a_run_that_no_forge_knows_is_found_by_its_captured_commit_alone() {
    every_store(|store| {
        let one = super::live(store, "one", 14);
        assert_eq!(store.runs_at(&at_commit(3)).unwrap(), [one]);
        let whole =
            Address { repo: Some("acme/widget".to_owned()), whole_repository: true, ..Address::default() };
        assert_eq!(store.runs_at(&whole).unwrap(), []);
    });
}

#[test]
fn a_renamed_repository_is_known_by_its_number_and_its_new_name() {
    every_store(|store| {
        let one = publish(store, "one", Known { repo_id: None, ..WIDGET });
        let events = vec![(renamed("Acme/Gizmo", 5), State::CiWait)];
        store.append(&append(&one, 16, events)).unwrap();
        for (repo, repo_id, found) in [
            ("acme/gizmo", None, true),
            ("acme/gizmo", Some(5), true),
            ("acme/widget", Some(5), true),
            ("acme/widget", None, false),
            ("acme/gizmo", Some(6), false),
        ] {
            let runs = store.runs_at(&at_pull(repo, repo_id, 7)).unwrap();
            assert_eq!(runs.len(), usize::from(found), "{repo} {repo_id:?}");
        }
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
        assert_eq!(store.rebuild().unwrap().differences, Vec::<String>::new());
        assert_eq!(store.runs_at(&at_pull("acme/gizmo", Some(5), 7)).unwrap(), [one]);
    });
}

#[test]
fn a_new_repository_under_an_old_name_is_none_of_the_runs() {
    every_store(|store| {
        let one = publish(store, "one", WIDGET);
        let numberless = publish(store, "two", Known { repo_id: None, ..WIDGET });
        assert_eq!(
            store.runs_at(&at_pull("acme/widget", Some(6), 7)).unwrap(),
            std::slice::from_ref(&numberless)
        );
        assert_eq!(store.runs_at(&at_pull("acme/widget", None, 7)).unwrap(), [numberless, one]);
    });
}

#[test]
fn the_newest_runs_come_first_and_no_more_than_100() {
    every_store(|store| {
        let all: Vec<RunId> = (0..105).map(|n| super::live(store, &format!("run-{n}"), 13)).collect();
        let paused = vec![(agentpr::domain::event::PausedByPerson {}.into(), State::Paused)];
        store.append(&append(&all[50], 13, paused)).unwrap();
        let found = store.runs_at(&at_commit(3)).unwrap();
        assert_eq!(found.len(), 100);
        assert_eq!(found[..2], [all[50].clone(), all[104].clone()]);
        assert_eq!(found[99], all[5]);
    });
}

#[test]
fn runs_that_are_over_crowd_out_none_that_is_under_way() {
    every_store(|store| {
        let open = super::live(store, "open", 13);
        for n in 0..101 {
            let over = super::live(store, &format!("run-{n}"), 13);
            let reason = "not wanted".to_owned();
            let cancelled = vec![(Cancelled { reason }.into(), State::FailedTerminal)];
            store.append(&append(&over, 13, cancelled)).unwrap();
        }
        let found = store.runs_at(&at_commit(3)).unwrap();
        assert_eq!((found.len(), &found[0]), (100, &open));
    });
}

/// Every address that can be made of a few names.
pub(super) fn addresses() -> Vec<Address> {
    let mut all = vec![Address::default()];
    let parts: [&[fn(&mut Address)]; 6] = [
        &[|a| a.repo_id = Some(5), |a| a.repo_id = Some(6)],
        &[|a| a.repo = Some("acme/widget".to_owned()), |a| a.repo = Some("acme/gadget".to_owned())],
        &[|a| a.pr = PrNumber::new(7), |a| a.pr = PrNumber::new(8)],
        &[|a| a.sha = Some(life::sha(20))],
        &[|a| a.branch = "agentpr/one".parse().ok()],
        &[|a| a.whole_repository = true],
    ];
    for part in parts {
        let without = all.clone();
        for set in part {
            all.extend(without.iter().cloned().map(|mut address| {
                set(&mut address);
                address
            }));
        }
    }
    all
}

#[test]
fn both_stores_find_the_same_runs_at_every_address() {
    let place = Place::new();
    let stores: [Box<dyn Store>; 2] = [Box::new(MemoryStore::new()), Box::new(place.create())];
    for store in &stores {
        let mut n = 0;
        for repo in ["acme/widget", "Acme/Gadget"] {
            for repo_id in [None, Some(5), Some(6)] {
                for (pr, branch) in
                    [(None, "agentpr/one"), (Some(7), "agentpr/one"), (Some(8), "agentpr/two")]
                {
                    n += 1;
                    let known = Known { repo, repo_id, branch, sha: 20 + n % 2, pr };
                    publish(&**store, &format!("run-{n}"), known);
                }
            }
        }
    }
    for address in addresses() {
        let [memory, sqlite] = stores.each_ref().map(|store| store.runs_at(&address).unwrap());
        assert_eq!(memory, sqlite, "{address:?}");
    }
}

#[test]
fn links_are_verified_and_made_again() {
    let changes = [
        ("UPDATE links SET pr_number = 8", "links `one"),
        ("UPDATE links SET repo = 'acme/gadget'", "links `one"),
        ("UPDATE links SET repo_id = NULL", "links `one"),
        ("UPDATE links SET branch = 'no branch'", "links `one"),
        ("DELETE FROM links", "links `one"),
        ("INSERT INTO links VALUES ('none', 'acme/widget', 5, 7, NULL)", "links `none"),
        ("DELETE FROM forge_heads WHERE sha LIKE '%3'", "one"),
        ("INSERT INTO forge_heads VALUES ('x', 'one')", "forge_heads"),
        ("INSERT INTO forge_heads VALUES ('x', 'none')", "forge_heads `none"),
    ];
    for (sql, part) in changes {
        let place = Place::new();
        let store = place.create();
        let one = publish(&store, "one", WIDGET);
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
        place.vandalise(sql);
        let faults = store.verify().unwrap().faults;
        assert!(faults.iter().any(|fault| fault.contains(part)), "{sql}: {faults:?}");
        let report = store.rebuild().unwrap();
        assert_eq!(report.differences.len(), 1, "{sql}: {report:?}");
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new(), "{sql}");
        assert_eq!(store.rebuild().unwrap().differences, Vec::<String>::new());
        for address in [at_pull("acme/widget", Some(5), 7), at_commit(3)] {
            assert_eq!(store.runs_at(&address).unwrap(), std::slice::from_ref(&one), "{sql}");
        }
    }
}

#[test]
fn another_process_finds_a_run_at_once() {
    let place = Place::new();
    let stores = [place.create(), SqliteStore::open(&place.path()).unwrap()];
    assert_eq!(stores[1].runs_at(&at_commit(20)).unwrap(), []);
    let one = publish(&stores[0], "one", WIDGET);
    assert_eq!(stores[1].runs_at(&at_commit(20)).unwrap(), [one]);
    assert_eq!(stores[1].last_seq().unwrap(), EventSeq(17));
}
