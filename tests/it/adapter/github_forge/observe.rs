//! Where many pull requests stand, by few questions.

use agentpr::domain::forge::fact::{ForgeFact, PullState};
use agentpr::domain::id::PrNumber;
use agentpr::ports::forge::{Forge, ForgeError, Watched};
use serde_json::json;

use super::super::world::run_of;
use super::{REPO, Stage};

fn watched(number: u64) -> Watched {
    let (run, spec) = run_of(REPO);
    Watched { run, repo: spec.repo.clone(), spec, number: PrNumber::new(number).unwrap() }
}

/// Opens as many pull requests by somebody.
fn open(stage: &Stage, count: u64) -> Vec<Watched> {
    let mut all = Vec::new();
    for number in 1..=count {
        let branch = format!("work-{number}");
        stage.github.push_by_other(REPO, &branch, "acme", ("b", &format!("{number}\n")));
        let body = json!({"head": format!("acme:{branch}"), "base": "main", "title": "Any", "by": "acme"});
        stage.github.act(REPO, "pulls", &body);
        all.push(watched(number));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_pull_requests_are_two_questions() {
    let stage = Stage::new();
    let mut all = open(&stage, 30);
    stage.github.merge(REPO, 3);
    all.insert(5, watched(999));
    all.truncate(30);
    let forge = stage.forge();
    let seen = forge.observe(&all).await.unwrap();
    assert_eq!(stage.github.requests().len(), 2);
    assert_eq!(stage.asked("POST", "/graphql"), 2);
    assert!(seen.iter().zip(&all).all(|(seen, asked)| seen.run == asked.run), "in their order");
    assert!(matches!(seen[5].facts, Err(ForgeError::NotFound(_))), "{:?}", seen[5].facts);
    for (seen, asked) in seen.iter().zip(&all).filter(|(_, asked)| asked.number.get() != 999) {
        let facts = seen.facts.as_ref().unwrap();
        let pull =
            facts.iter().find_map(|fact| if let ForgeFact::Pull(pull) = fact { Some(pull) } else { None });
        let pull = pull.unwrap();
        assert_eq!(pull.number, asked.number);
        let merged = asked.number.get() == 3;
        assert_eq!(pull.state, if merged { PullState::Merged } else { PullState::Open });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_fails_is_told_of_each_it_was_about() {
    let stage = Stage::new();
    let all = open(&stage, 26);
    stage.github.faults(&json!([{"path_regex": "graphql", "kind": "error_before", "status": 502}]));
    let seen = stage.forge().observe(&all).await.unwrap();
    assert!(seen[..25].iter().all(|one| one.facts.as_ref().is_err_and(ForgeError::is_transient)));
    assert!(seen[25].facts.is_ok());
}
