//! What is asked of the inbox beside one delivery: twins, lists, what waits for what, what is forgotten, hooks and incidents.

use agentpr::adapters::store::MemoryStore;
use agentpr::domain::forge::delivery::{Address, DeliveryOrigin, DeliveryStatus};
use agentpr::domain::time::Timestamp;
use agentpr::ports::inbox::{DeliveryQuery, DeliveryRow, HookRow, Incident, Taken};

use super::address::{addresses, at_pull};
use super::inbox::{DAY, NOON, count, delivery, failed, id, listed, waiting};
use super::story::{Store, every_store};
use super::{Place, life};

#[test]
fn a_twin_has_the_same_bytes_under_another_name_lately() {
    every_store(|store| {
        let twin_of = |n: u64, since: i64| {
            store.twin("github", &id(99), &life::digest(u32::try_from(n).unwrap()), Timestamp(since)).unwrap()
        };
        store.take(&delivery(1), &[]).unwrap();
        assert_eq!(twin_of(1, NOON.0 + 1), Some(id(1)));
        assert_eq!(twin_of(1, NOON.0 + 2), None, "it came before that");
        assert_eq!(store.twin("github", &id(1), &life::digest(1), NOON).unwrap(), None, "itself is no twin");
        assert_eq!(store.twin("gitlab", &id(99), &life::digest(1), NOON).unwrap(), None);
        let newer = DeliveryRow { digest: life::digest(1), status: DeliveryStatus::Replayed, ..delivery(2) };
        store.take(&newer, &[]).unwrap();
        assert_eq!(twin_of(1, NOON.0), Some(id(2)), "the newest");
        let reconciled = DeliveryRow { origin: DeliveryOrigin::Reconciled, ..delivery(3) };
        store.take(&reconciled, &[]).unwrap();
        assert_eq!(twin_of(3, NOON.0), None, "bytes that were made again say nothing");
        for (n, status) in
            [(4, DeliveryStatus::Failed), (5, DeliveryStatus::Waiting), (6, DeliveryStatus::Dead)]
        {
            store.take(&DeliveryRow { status, ..delivery(n) }, &[]).unwrap();
            assert_eq!(twin_of(n, NOON.0), None, "its own work is not done");
        }
    });
}

#[test]
fn lists_are_newest_first_and_those_due_longest_first() {
    every_store(|store| {
        for row in [failed(1, 300), delivery(2), failed(3, 100), failed(4, 200), delivery(5)] {
            store.take(&row, &[]).unwrap();
        }
        let earlier = DeliveryRow { received_at: Timestamp(NOON.0 - DAY), ..delivery(6) };
        store.take(&earlier, &[]).unwrap();
        store.take(&DeliveryRow { source: "gitlab".to_owned(), ..delivery(7) }, &[]).unwrap();
        let of_github = DeliveryQuery { source: "github".to_owned(), ..DeliveryQuery::default() };
        assert_eq!(listed(store, &of_github), [5, 4, 3, 2, 1, 6].map(id));
        assert_eq!(listed(store, &DeliveryQuery::default())[0], id(7));
        let processed = DeliveryQuery { statuses: vec![DeliveryStatus::Processed], ..of_github.clone() };
        assert_eq!(listed(store, &processed), [5, 2, 6].map(id));
        let two = DeliveryQuery { limit: Some(2), ..of_github.clone() };
        assert_eq!(listed(store, &two), [5, 4].map(id));
        let due = |by| DeliveryQuery { due_by: Some(Timestamp(by)), ..of_github.clone() };
        assert_eq!(listed(store, &due(99)), []);
        assert_eq!(listed(store, &due(250)), [3, 4].map(id));
        assert_eq!(listed(store, &DeliveryQuery { limit: Some(1), ..due(300) }), [3].map(id));
        let none = DeliveryQuery { statuses: vec![DeliveryStatus::Dead], ..due(300) };
        assert_eq!(listed(store, &none), []);
        assert!(store.deliveries(&of_github).unwrap().iter().all(|row| row.body.is_none()));
        assert_eq!(count(store, DeliveryStatus::Failed), 3);
        assert_eq!(count(store, DeliveryStatus::Processed), 3);
        assert_eq!(count(store, DeliveryStatus::Dead), 0);
        store.take(&delivery(3), &[]).unwrap();
        assert_eq!(listed(store, &due(300)), [4, 1].map(id), "what was processed is not due");
        assert_eq!(count(store, DeliveryStatus::Failed), 2);
    });
}

#[test]
fn what_waits_is_found_by_what_it_waits_for() {
    every_store(|store| {
        let commit = Address { sha: Some(life::sha(9)), ..Address::default() };
        store.take(&waiting(1, vec![at_pull("acme/widget", Some(5), 7), commit.clone()]), &[]).unwrap();
        store.take(&waiting(2, vec![at_pull("acme/widget", Some(5), 8)]), &[]).unwrap();
        let waits_for = |address: &Address| {
            let waiting_for = Some(address.clone());
            listed(store, &DeliveryQuery { waiting_for, ..DeliveryQuery::default() })
        };
        assert_eq!(waits_for(&at_pull("acme/widget", None, 7)), [id(1)]);
        assert_eq!(waits_for(&at_pull("acme/gizmo", Some(5), 8)), [id(2)]);
        assert_eq!(waits_for(&at_pull("acme/widget", Some(6), 8)), []);
        assert_eq!(waits_for(&commit), [id(1)]);
        let whole = Address { repo_id: Some(5), whole_repository: true, ..Address::default() };
        assert_eq!(waits_for(&whole), [id(2), id(1)]);
        // It waits for something else from now on, and then for nothing.
        store.take(&waiting(1, vec![at_pull("acme/gadget", None, 1)]), &[]).unwrap();
        assert_eq!(waits_for(&commit), []);
        assert_eq!(waits_for(&at_pull("acme/gadget", None, 1)), [id(1)]);
        store.take(&delivery(1), &[]).unwrap();
        assert_eq!(waits_for(&at_pull("acme/gadget", None, 1)), []);
        assert_eq!(count(store, DeliveryStatus::Waiting), 1);
    });
}

#[test]
fn both_stores_find_the_same_deliveries_waiting_for_every_address() {
    let place = Place::new();
    let stores: [Box<dyn Store>; 2] = [Box::new(MemoryStore::new()), Box::new(place.create())];
    let all = addresses();
    for store in &stores {
        for (n, address) in (1..).zip(&all) {
            store.take(&waiting(n, vec![address.clone()]), &[]).unwrap();
        }
    }
    for address in all.iter().step_by(7) {
        let query = DeliveryQuery { waiting_for: Some(address.clone()), ..DeliveryQuery::default() };
        let [memory, sqlite] = stores.each_ref().map(|store| listed(&**store, &query));
        assert_eq!(memory, sqlite, "{address:?}");
        let meets = all.iter().filter(|own| own.meets(address)).count();
        assert_eq!(memory.len(), meets);
    }
}

#[test]
fn what_is_done_is_forgotten_and_what_is_not_stays_a_month_longer() {
    every_store(|store| {
        for (n, status) in (0..).zip(DeliveryStatus::ALL) {
            let addresses = vec![at_pull("acme/widget", None, 7)];
            let of = |n, days: i64| DeliveryRow {
                status,
                addresses: addresses.clone(),
                received_at: Timestamp(NOON.0 - days * DAY),
                ..delivery(n)
            };
            for row in [of(10 * n, 0), of(10 * n + 1, 8), of(10 * n + 2, 38)] {
                store.take(&row, &[]).unwrap();
            }
        }
        store
            .take(
                &DeliveryRow { source: "gitlab".to_owned(), received_at: Timestamp(0), ..delivery(99) },
                &[],
            )
            .unwrap();
        assert_eq!(store.forget_before("github", Timestamp(NOON.0 - 7 * DAY)).unwrap(), 2 * 4 + 2);
        for status in DeliveryStatus::ALL {
            let is_done = !matches!(status, DeliveryStatus::Waiting | DeliveryStatus::Failed);
            assert_eq!(count(store, status), if is_done { 1 } else { 2 }, "{status:?}");
        }
        assert!(store.delivery("gitlab", &id(99)).unwrap().is_some());
        let waiting_for = Some(at_pull("acme/widget", None, 7));
        let waiting = DeliveryQuery { waiting_for, ..DeliveryQuery::default() };
        assert_eq!(listed(store, &waiting), [20, 21].map(id));
        assert_eq!(store.forget_before("github", Timestamp(NOON.0 - 7 * DAY)).unwrap(), 0);
        // A name that was forgotten is a new one.
        assert_eq!(store.take(&delivery(1), &[]).unwrap(), Taken::Recorded(vec![]));
    });
}

#[test]
fn many_are_forgotten_at_once() {
    every_store(|store| {
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                scope.spawn(move || {
                    for n in 0..300 {
                        store.take(&delivery(thread * 1_000 + n), &[]).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.forget_before("github", Timestamp(NOON.0 + DAY)).unwrap(), 2_400);
        assert_eq!(store.counts("github").unwrap(), DeliveryStatus::ALL.map(|status| (status, 0)));
    });
}

#[test]
fn hooks_are_remembered_as_they_were_seen_last() {
    every_store(|store| {
        let hook = |id, events: &[&str]| HookRow {
            id,
            repo: Some("acme/widget".to_owned()),
            events: events.iter().map(|&event| event.to_owned()).collect(),
            seen_at: NOON,
        };
        assert_eq!(store.hooks().unwrap(), []);
        store.put_hook(&hook(78, &["push"])).unwrap();
        store.put_hook(&hook(77, &["*"])).unwrap();
        let of_organisation = HookRow { repo: None, ..hook(78, &["push", "status"]) };
        store.put_hook(&of_organisation).unwrap();
        assert_eq!(store.hooks().unwrap(), [hook(77, &["*"]), of_organisation]);
    });
}

#[test]
fn incidents_are_kept_newest_first_and_no_more_than_a_thousand() {
    every_store(|store| {
        let incident = |n: i64| Incident {
            at: Timestamp(n),
            kind: "other_body".to_owned(),
            delivery: id(u64::try_from(n).unwrap()),
            detail: format!("the {n}th"),
        };
        for n in 1..=1_003 {
            store.note_incident(&incident(n)).unwrap();
        }
        assert_eq!(store.incidents(2).unwrap(), [incident(1_003), incident(1_002)]);
        let all = store.incidents(usize::MAX).unwrap();
        assert_eq!((all.len(), all[999].at), (1_000, Timestamp(4)));
        store.forget_before("github", Timestamp(1_000)).unwrap();
        assert_eq!(store.incidents(9).unwrap().len(), 4);
    });
}
