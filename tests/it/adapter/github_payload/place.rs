//! Repositories and hooks.

use agentpr::domain::forge::delivery::Address;
use agentpr::domain::forge::fact::{ForgeFact, RepositoryFact};
use agentpr::domain::time::Timestamp;
use agentpr::ports::payload::{Ping, Reading};
use serde_json::{Value, json};

use super::{body, fact, is_misshapen, read, says_nothing, told, with};

fn repository(changes: &[(&str, Value)]) -> RepositoryFact {
    let ForgeFact::Repository(repository) = fact("repository", changes) else { panic!("no repository") };
    repository
}

#[test]
fn ev_repository_renamed_is_told_to_all_its_runs_by_number_and_by_the_name_they_know() {
    let (address, fact) = told("repository", &body("repository"));
    let wanted = Address {
        repo_id: Some(4242),
        repo: Some("acme/oldparser".to_owned()),
        whole_repository: true,
        ..Address::default()
    };
    assert_eq!(address, wanted);
    let ForgeFact::Repository(now) = fact else { panic!("no repository") };
    assert_eq!((now.id, now.name.to_string().as_str()), (4242, "acme/Parser"));
    assert_eq!(now.at, Timestamp(1_795_165_200_000));
}

#[test]
fn ev_repository_transferred_is_told_by_the_owner_from_before() {
    for kind in ["user", "organization"] {
        let moved = [
            ("/action", json!("transferred")),
            ("/changes", json!({"owner": {"from": {kind: {"login": "Old"}}}})),
        ];
        assert_eq!(told("repository", &with("repository", &moved)).0.repo.as_deref(), Some("old/parser"));
    }
}

#[test]
fn ev_repository_archived_unarchived_and_deleted_are_told() {
    assert!(repository(&[("/action", json!("archived"))]).archived);
    assert!(!repository(&[("/action", json!("unarchived")), ("/repository/archived", json!(true))]).archived);
    let gone = [("/action", json!("deleted")), ("/repository/updated_at", Value::Null)];
    assert!(repository(&gone).deleted, "needs no time: it stays so");
    is_misshapen("repository", &[("/repository/updated_at", Value::Null)]);
    says_nothing("repository", &[("/action", json!("publicized"))]);
}

#[test]
fn ev_ping_names_the_hook_and_its_events() {
    let wanted = Ping {
        hook: 3,
        repo: Some("acme/Parser".parse().unwrap()),
        events: vec!["check_run".to_owned(), "push".to_owned()],
    };
    assert_eq!(read("ping", &body("ping")), Ok(Reading::Ping(wanted.clone())));
    let of_an_organization = with("ping", &[("/repository", Value::Null)]);
    assert_eq!(read("ping", &of_an_organization), Ok(Reading::Ping(Ping { repo: None, ..wanted })));
    is_misshapen("ping", &[("/hook_id", json!(4))]);
}

#[test]
fn ev_installation_and_everything_else_says_nothing() {
    let body: Value = serde_json::from_str(include_str!("../../data/github/installation.json")).unwrap();
    for event in
        ["installation", "installation_repositories", "issues", "star", "of_next_year", "Check_Run", ""]
    {
        assert!(matches!(read(event, &body), Ok(Reading::Nothing(_))), "{event}");
    }
}
