//! The question about many pull requests, and its answer.

use agentpr::adapters::forge::github::snapshot::{SnapshotError, facts, query, variables};
use agentpr::domain::forge::fact::{CheckFact, CommentFact, ForgeFact, Light, PullFact, PullState};
use agentpr::domain::time::Timestamp;
use serde_json::{Value, json};

use super::{ANSWER, seven, ten};

fn answer(changes: &[(&str, Value)]) -> Value {
    let mut answer: Value = serde_json::from_str(ANSWER).unwrap();
    for (pointer, value) in changes {
        *answer.pointer_mut(&format!("/data/p0{pointer}")).unwrap() = value.clone();
    }
    answer
}

fn asked(changes: &[(&str, Value)], at: Timestamp) -> Vec<ForgeFact> {
    facts(&answer(changes), 0, at).unwrap()
}

fn pull(changes: &[(&str, Value)], at: Timestamp) -> PullFact {
    let found = asked(changes, at).into_iter().find_map(|fact| match fact {
        ForgeFact::Pull(pull) => Some(pull),
        _ => None,
    });
    found.unwrap()
}

fn checks(changes: &[(&str, Value)]) -> Vec<CheckFact> {
    let only = |fact| match fact {
        ForgeFact::Check(check) => Some(check),
        _ => None,
    };
    asked(changes, ten(40, 0)).into_iter().filter_map(only).collect()
}

fn comments(changes: &[(&str, Value)]) -> Vec<CommentFact> {
    let only = |fact| match fact {
        ForgeFact::Comment(comment) => Some(comment),
        _ => None,
    };
    asked(changes, ten(40, 0)).into_iter().filter_map(only).collect()
}

const COMMIT: &str = "/pullRequest/commits/nodes/0/commit";

#[test]
fn one_question_asks_about_many_and_names_nobody_in_its_text() {
    let text = query(3);
    for i in 0..3 {
        assert!(text.contains(&format!("$o{i}: String!, $n{i}: String!, $p{i}: Int!")));
        assert!(text.contains(&format!("p{i}: repository(owner: $o{i}, name: $n{i}, followRenames: true)")));
        assert!(text.contains(&format!("pullRequest(number: $p{i}) {{ ...pr }}")));
    }
    assert_eq!(text.matches("rateLimit { cost remaining resetAt }").count(), 1);
    assert_eq!(text.matches("fragment pr on PullRequest").count(), 1);
    assert_eq!(text.matches('{').count(), text.matches('}').count());
    assert!(!query(0).contains("$"));
    let asked = variables(&[("acme", "Parser", seven().unwrap()), ("o", "n\"}", seven().unwrap())]);
    assert_eq!(asked, json!({"o0": "acme", "n0": "Parser", "p0": 7, "o1": "o", "n1": "n\"}", "p1": 7}));
}

#[test]
fn what_is_not_there_is_said_of_that_one_alone() {
    let answer = answer(&[]);
    assert!(facts(&answer, 0, ten(40, 0)).is_ok());
    assert_eq!(facts(&answer, 1, ten(40, 0)), Err(SnapshotError::NotFound));
    assert!(matches!(facts(&answer, 2, ten(40, 0)), Err(SnapshotError::Shape(_))), "it was not asked about");
    let mut gone = answer;
    gone["data"]["p0"]["pullRequest"] = Value::Null;
    assert_eq!(facts(&gone, 0, ten(40, 0)), Err(SnapshotError::NotFound));
    gone["errors"] = json!([{"type": "FORBIDDEN", "path": ["p0", "pullRequest"], "message": "not for you"}]);
    assert_eq!(facts(&gone, 0, ten(40, 0)), Err(SnapshotError::Shape("not for you".to_owned())));
    for odd in [json!(null), json!([]), json!({"data": null}), json!({"errors": "x"})] {
        assert!(matches!(facts(&odd, 0, ten(40, 0)), Err(SnapshotError::Shape(_))), "{odd}");
    }
}

#[test]
fn a_state_that_was_looked_at_is_newer_than_what_was_told_of_its_second_and_asking_again_says_the_same() {
    let changed = ten(10, 0);
    assert_eq!(pull(&[], Timestamp(changed.0 + 1_999)).at, Timestamp(changed.0 + 1));
    assert_eq!(pull(&[], Timestamp(changed.0 + 2_000)).at, Timestamp(changed.0 + 999));
    assert_eq!(pull(&[], ten(40, 0)), pull(&[], ten(59, 0)));
}

#[test]
fn a_merge_is_told_with_who_and_what() {
    let merged = [
        ("/pullRequest/state", json!("MERGED")),
        ("/pullRequest/merged", json!(true)),
        ("/pullRequest/mergedBy", json!({"login": "ann"})),
        ("/pullRequest/mergeCommit", json!({"oid": "cc".repeat(20)})),
    ];
    let told = pull(&merged, ten(40, 0));
    assert_eq!((told.state, told.by.as_deref()), (PullState::Merged, Some("ann")));
    assert!(told.merge_sha.is_some());
    assert_eq!(pull(&[("/pullRequest/state", json!("CLOSED"))], ten(40, 0)).state, PullState::Closed);
}

#[test]
fn an_app_that_never_says_anything_is_nothing_to_wait_for() {
    assert!(checks(&[]).iter().all(|check| check.suite != Some(92)));
    let at = format!("{COMMIT}/checkSuites/nodes/2/checkRuns/totalCount");
    let told = checks(&[(&at, json!(1))]);
    let waits = told.iter().find(|check| check.suite == Some(92)).unwrap();
    assert_eq!(waits.light(), Light::Yellow);
}

#[test]
fn a_suite_that_waits_for_a_maintainer_is_held() {
    let told = checks(&[]);
    let held = told.iter().find(|check| check.suite == Some(91)).unwrap();
    assert_eq!((held.light(), held.name.as_str()), (Light::Held, "CI"));
    let at = format!("{COMMIT}/checkSuites/nodes/1");
    let (status, word) = (format!("{at}/status"), format!("{at}/conclusion"));
    let told = checks(&[
        (&status, json!("WAITING")),
        (&word, Value::Null),
        (&format!("{at}/checkRuns/totalCount"), json!(1)),
    ]);
    assert_eq!(told.iter().find(|check| check.suite == Some(91)).unwrap().light(), Light::Held);
}

#[test]
fn more_checks_than_fit_are_never_green_by_mistake() {
    let at = format!("{COMMIT}/statusCheckRollup/contexts/pageInfo/hasNextPage");
    let told = checks(&[(&at, json!(true))]);
    let unseen = told.iter().find(|check| check.name == "more checks").unwrap();
    assert_eq!(unseen.light(), Light::Yellow);
    assert!(checks(&[]).iter().all(|check| check.name != "more checks"));
}

#[test]
fn a_commit_without_checks_and_a_kind_of_check_of_next_year_are_no_fault() {
    let rollup = format!("{COMMIT}/statusCheckRollup");
    assert_eq!(checks(&[(&rollup, Value::Null)]).len(), 2);
    let node = format!("{rollup}/contexts/nodes/0");
    assert_eq!(checks(&[(&node, json!({"__typename": "Oracle", "says": 1}))]).len(), 3);
    assert_eq!(checks(&[(&node, Value::Null)]).len(), 3, "what may not be seen is null");
    assert!(
        !asked(&[("/pullRequest/reviews", Value::Null), ("/pullRequest/commits", Value::Null)], ten(40, 0))
            .is_empty()
    );
}

#[test]
fn settled_threads_and_verdicts_that_were_not_given_are_left_out() {
    assert!(comments(&[]).iter().all(|comment| comment.body != "Done."));
    let reviews = asked(&[], ten(40, 0)).into_iter().filter(|fact| matches!(fact, ForgeFact::Review(_)));
    assert_eq!(reviews.count(), 1);
    let state = "/pullRequest/reviews/nodes/0/state";
    let said = comments(&[(state, json!("COMMENTED"))]);
    assert!(said.iter().any(|comment| comment.body == "Name it."));
}

#[test]
fn a_bot_has_the_name_that_webhooks_give_it() {
    let author = "/pullRequest/comments/nodes/0/author";
    for (who, name) in [
        (json!({"__typename": "Bot", "login": "helper"}), "helper[bot]"),
        (json!({"__typename": "Bot", "login": "helper[bot]"}), "helper[bot]"),
        (json!({"__typename": "User", "login": "helper"}), "helper"),
        (json!({"login": "helper"}), "helper"),
        (Value::Null, "ghost"),
    ] {
        let said = comments(&[(author, who)]);
        assert!(said.iter().any(|comment| comment.author == name), "{name}");
    }
}
