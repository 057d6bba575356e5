//! Opening: found before it is made, never twice, and what people wrote in it stays.

use agentpr::ports::forge::{Forge, ForgeError};
use serde_json::{Value, json};

use super::super::gate::{Wish, approval};
use super::super::world::until;
use super::{ME, REPO, Stage, Work};

/// A change that is pushed, to the repository itself.
async fn pushed() -> (Stage, Work) {
    let stage = Stage::trusted();
    let work = stage.work().await;
    work.push(&stage).await.unwrap();
    (stage, work)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_opened_as_it_was_approved_and_found_again() {
    let (mut stage, work) = pushed().await;
    stage.settings.labels = vec!["automated".to_owned(), "fix".to_owned()];
    let wish = Wish { draft: true, ..Wish::default() };
    let opened = work.open(&stage, &wish).await.unwrap();
    assert!(!opened.found);
    let pull = stage.pull();
    assert_eq!(opened.url, Some(format!("{}/{REPO}/pull/1", stage.github.web())));
    assert_eq!((&pull["title"], &pull["draft"]), (&json!("Fix it"), &json!(true)));
    assert_eq!(pull["base"]["ref"], "main");
    assert_eq!(pull["labels"], json!(["automated", "fix"]));
    let body = format!("It was wrong.\n\n<!-- agentpr run={} req=req-1 -->\n", work.run);
    assert_eq!(pull["body"], body);
    let again = work.open(&stage, &wish).await.unwrap();
    assert_eq!((again.number, again.found), (opened.number, true));
    assert_eq!(stage.asked("POST", "/pulls"), 1);
    assert_eq!(stage.asked("POST", "/labels"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_found_at_the_next_try() {
    for kind in ["reset_after", "error_after"] {
        let (stage, work) = pushed().await;
        stage
            .github
            .faults(&json!([{"method": "POST", "path_regex": "/pulls$", "kind": kind, "status": 502}]));
        let lost = work.open(&stage, &Wish::default()).await.unwrap_err();
        assert!(lost.is_transient(), "{lost:?}");
        let opened = work.open(&stage, &Wish::default()).await.unwrap();
        assert!(opened.found);
        assert_eq!(stage.pull()["number"], opened.number.get());
        assert_eq!(stage.asked("POST", "/pulls"), 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_openers_make_one_pull_request() {
    let (stage, work) = pushed().await;
    let (one, other) = (stage.forge(), stage.forge());
    let approved = work.approved(&stage, &Wish::default());
    let (first, second) =
        tokio::join!(one.open_pr(&work.spec, &approved), other.open_pr(&work.spec, &approved));
    assert_eq!(first.unwrap().number, second.unwrap().number);
    let _the_only_one = stage.pull();
}

/// What we would open, opened by somebody.
fn by_somebody(stage: &Stage, work: &Work, by: &str, body: &str) -> u64 {
    let head = format!("acme:{}", work.spec.head_branch);
    let body = json!({"head": head, "base": "main", "title": "Theirs", "body": body, "by": by});
    stage.github.act(REPO, "pulls", &body)["number"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_not_ours_is_left_alone() {
    for (by, has_line) in [("eve", true), (ME, false), ("eve", false)] {
        let (stage, work) = pushed().await;
        let line = format!("<!-- agentpr run={} req=req-1 -->", work.run);
        by_somebody(&stage, &work, by, if has_line { &line } else { "" });
        let refused = work.open(&stage, &Wish::default()).await.unwrap_err();
        assert!(matches!(&refused, ForgeError::Refused(why) if why.contains("not ours")), "{refused}");
        assert_eq!(stage.pull()["title"], "Theirs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_appears_between_look_and_try_is_judged_by_a_second_look() {
    for (by, is_ours) in [(ME, true), ("eve", false)] {
        let (stage, work) = pushed().await;
        let line = format!("<!-- agentpr run={} req=req-0 -->", work.run);
        // The first look is answered with what was there before.
        let plan = json!([{"method": "GET", "path_regex": "/pulls\\?.*head=acme", "kind": "hang", "ms": 600, "effect": "first"}]);
        stage.github.faults(&plan);
        let (forge, approved) = (stage.forge(), work.approved(&stage, &Wish::default()));
        let before = stage.asked("GET", "/pulls");
        let theirs = async {
            until("the list was asked for", || stage.asked("GET", "/pulls") > before).await;
            by_somebody(&stage, &work, by, &line)
        };
        let (opened, number) = tokio::join!(forge.open_pr(&work.spec, &approved), theirs);
        match opened {
            Ok(opened) => assert!(is_ours && opened.found && opened.number.get() == number),
            Err(refused) => assert!(!is_ours && matches!(refused, ForgeError::Refused(_)), "{refused}"),
        }
        assert_eq!(stage.asked("POST", "/pulls"), 1, "it was tried");
        let _the_only_one = stage.pull();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_closed_or_merged_is_not_opened_again() {
    for what in ["close", "merge"] {
        let (stage, work) = pushed().await;
        let opened = work.open(&stage, &Wish::default()).await.unwrap();
        stage.github.pull_act(REPO, opened.number.get(), what, &json!({}));
        let refused = work.open(&stage, &Wish::default()).await.unwrap_err();
        assert!(matches!(&refused, ForgeError::Refused(why) if why.contains("is closed")), "{refused}");
        assert_eq!(stage.github.pulls(REPO).len(), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_run_are_a_persons_to_sort_out() {
    let (stage, work) = pushed().await;
    let opened = work.open(&stage, &Wish::default()).await.unwrap();
    stage.github.close(REPO, opened.number.get());
    let line = format!("<!-- agentpr run={} req=req-1 -->", work.run);
    by_somebody(&stage, &work, ME, &line);
    let refused = work.open(&stage, &Wish::default()).await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Refused(why) if why.contains("1, 2")), "{refused}");
}

fn body_with(evidence: &str) -> String {
    format!("What and why.\n\n<!-- agentpr:evidence -->\n{evidence}\n<!-- /agentpr:evidence -->")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_brings_the_evidence_and_keeps_what_people_wrote() {
    let (stage, work) = pushed().await;
    let first = body_with("tests: failed");
    let opened = work.open(&stage, &Wish { body: &first, ..Wish::default() }).await.unwrap();
    let number = opened.number.get();
    let edited = stage.pull()["body"].as_str().unwrap().replace("What and why.", "A maintainer's words.");
    let edit = json!({"by": "acme", "title": "A better title", "body": edited.replace('\n', "\r\n")});
    stage.github.pull_act(REPO, number, "edit", &edit);
    let newer = stage.again(&work, "3\n").await;
    let second = body_with("tests: passed");
    let wish = Wish { id: "req-2", body: &second, draft: true };
    let approved = approval(&work.run, &work.spec, &work.binding(&newer, Some(stage.id())), &wish);
    let forge = stage.forge();
    forge.push(&work.spec, &approved.push_permit(), Some(&work.change.head_sha)).await.unwrap();
    let found = forge.open_pr(&work.spec, &approved).await.unwrap();
    assert_eq!((found.number, found.found), (opened.number, true));
    let pull = stage.pull();
    let body = pull["body"].as_str().unwrap();
    assert!(body.starts_with("A maintainer's words."), "{body}");
    assert!(body.contains("tests: passed") && !body.contains("tests: failed"), "{body}");
    assert!(body.contains(&format!("<!-- agentpr run={} req=req-1 -->", work.run)), "{body}");
    assert_eq!((&pull["title"], &pull["draft"]), (&json!("A better title"), &json!(false)));
    assert_eq!(pull["head"]["sha"], newer.head_sha.as_str());
    // Once more changes nothing.
    forge.open_pr(&work.spec, &approved).await.unwrap();
    assert_eq!(stage.asked("PATCH", &format!("/pulls/{number}")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_an_older_commit_goes_when_the_newer_one_has_none() {
    let (stage, work) = pushed().await;
    let first = format!("{}\n\nAfter.", body_with("tests: passed"));
    work.open(&stage, &Wish { body: &first, ..Wish::default() }).await.unwrap();
    let newer = stage.again(&work, "3\n").await;
    let wish = Wish { id: "req-2", body: "What and why.", ..Wish::default() };
    let approved = approval(&work.run, &work.spec, &work.binding(&newer, Some(stage.id())), &wish);
    let forge = stage.forge();
    forge.push(&work.spec, &approved.push_permit(), Some(&work.change.head_sha)).await.unwrap();
    forge.open_pr(&work.spec, &approved).await.unwrap();
    let pull = stage.pull();
    let body = pull["body"].as_str().unwrap();
    assert!(!body.contains("tests: passed") && body.contains("After."), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_the_section_is_left_as_it_is() {
    let (stage, work) = pushed().await;
    work.open(&stage, &Wish::default()).await.unwrap();
    let second = body_with("tests: passed");
    work.open(&stage, &Wish { id: "req-2", body: &second, ..Wish::default() }).await.unwrap();
    assert!(stage.pull()["body"].as_str().unwrap().starts_with("It was wrong."));
    assert_eq!(stage.github.requests().iter().filter(|request| request["method"] == "PATCH").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_label_opens_all_the_same() {
    let mut stage = Stage::new();
    stage.settings.labels = vec!["automated".to_owned()];
    let work = stage.work().await;
    work.push(&stage).await.unwrap();
    let opened = work.open(&stage, &Wish::default()).await.unwrap();
    assert!(!opened.found);
    assert_eq!(stage.pull()["labels"], json!([]));
    assert_eq!(stage.asked("POST", "/labels"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_opened_for_a_branch_that_is_not_at_the_approved_commit() {
    let stage = Stage::trusted();
    let work = stage.work().await;
    assert!(matches!(work.open(&stage, &Wish::default()).await, Err(ForgeError::Moved { .. })));
    stage.github.push_by_other(REPO, work.spec.head_branch.as_str(), "eve", ("b", "x\n"));
    assert!(matches!(work.open(&stage, &Wish::default()).await, Err(ForgeError::Moved { .. })));
    assert!(stage.github.pulls(REPO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_says_when_to_come_again_and_nothing_is_asked_before() {
    let (stage, work) = pushed().await;
    let plan =
        json!([{"method": "POST", "path_regex": "/pulls$", "kind": "rate_secondary", "retry_after": 1}]);
    stage.github.faults(&plan);
    let limited = work.open(&stage, &Wish::default()).await.unwrap_err();
    let ForgeError::Limited { until, .. } = limited else { panic!("{limited}") };
    let before = stage.github.requests().len();
    assert!(matches!(work.open(&stage, &Wish::default()).await, Err(ForgeError::Limited { .. })));
    assert_eq!(stage.github.requests().len(), before);
    let clock = agentpr::adapters::clock::SystemClock::new();
    let left = until.since(agentpr::ports::clock::Clock::now(&clock).wall);
    tokio::time::sleep(left).await;
    work.open(&stage, &Wish::default()).await.unwrap();
    assert_eq!(stage.github.state()["early"], Value::from(0));
}
