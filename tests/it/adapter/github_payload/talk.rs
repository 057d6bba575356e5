//! Verdicts and comments.

use agentpr::domain::forge::fact::{CommentFact, CommentKind, ForgeFact, MAX_BODY, ReviewFact};
use serde_json::{Value, json};

use super::{at_seven, body, fact, is_misshapen, ours, says_nothing, ten, told};

fn review(changes: &[(&str, Value)]) -> ReviewFact {
    let ForgeFact::Review(review) = fact("pull_request_review", changes) else { panic!("no verdict") };
    review
}

fn comment(event: &str, changes: &[(&str, Value)]) -> CommentFact {
    let ForgeFact::Comment(comment) = fact(event, changes) else { panic!("no comment") };
    comment
}

#[test]
fn ev_pull_request_review_is_a_verdict_for_its_pull_request_alone() {
    let (address, fact) = told("pull_request_review", &body("pull_request_review"));
    assert_eq!(address, at_seven(None), "a text is no proof of a commit");
    let wanted = ReviewFact {
        id: 801,
        reviewer: "Bea".to_owned(),
        state: "changes_requested".to_owned(),
        commit: Some(ours()),
        at: ten(20, 0),
        body: "Name it.".to_owned(),
        association: "member".to_owned(),
    };
    assert_eq!(fact, ForgeFact::Review(wanted));
}

#[test]
fn ev_pull_request_review_a_dismissal_is_newer_than_what_it_dismisses() {
    let gone = [("/action", json!("dismissed")), ("/review/state", json!("dismissed"))];
    let dismissed = review(&gone);
    assert!(dismissed.is_newer_than(&review(&[])) && !review(&[]).is_newer_than(&dismissed));
    assert_eq!(review(&[("/review/state", json!("APPROVED"))]).state, "approved");
    says_nothing("pull_request_review", &[("/review/state", json!("pending"))]);
    says_nothing("pull_request_review", &[("/action", json!("pondered"))]);
    is_misshapen("pull_request_review", &[("/review/submitted_at", Value::Null)]);
}

#[test]
fn a_review_that_decides_nothing_is_a_comment_if_it_has_words() {
    let said = comment("pull_request_review", &[("/review/state", json!("commented"))]);
    assert_eq!((said.kind, said.id, said.body.as_str()), (CommentKind::Review, 801, "Name it."));
    let silent = [("/review/state", json!("commented")), ("/review/body", Value::Null)];
    says_nothing("pull_request_review", &silent);
    let taken_back = [&silent[..], &[("/action", json!("edited"))]].concat();
    assert!(comment("pull_request_review", &taken_back).deleted);
}

#[test]
fn ev_pull_request_review_comment_is_kept_with_its_line() {
    let said = comment("pull_request_review_comment", &[]);
    assert_eq!(
        (said.kind, said.path.as_deref(), said.line),
        (CommentKind::Line, Some("src/parse.rs"), Some(12))
    );
    assert_eq!((said.association.as_str(), said.at), ("member", ten(19, 0)));
    let outdated = [("/comment/line", Value::Null)];
    assert_eq!(comment("pull_request_review_comment", &outdated).line, None);
}

#[test]
fn ev_issue_comment_counts_on_pull_requests_only() {
    let (address, said) = told("issue_comment", &body("issue_comment"));
    assert_eq!(address, at_seven(None));
    let wanted = CommentFact {
        kind: CommentKind::Issue,
        id: 951,
        author: "carl".to_owned(),
        association: "none".to_owned(),
        path: None,
        line: None,
        body: "Thanks.".to_owned(),
        at: ten(31, 0),
        deleted: false,
    };
    assert_eq!(said, ForgeFact::Comment(wanted));
    says_nothing("issue_comment", &[("/issue/pull_request", Value::Null)]);
    let gone = comment("issue_comment", &[("/action", json!("deleted"))]);
    assert!(gone.deleted && gone.body.is_empty());
    assert!(gone.is_newer_than(&comment("issue_comment", &[("/action", json!("edited"))])));
}

#[test]
fn what_strangers_write_is_cut_and_printable_and_a_lost_account_has_a_name() {
    let text = format!("a\u{202e}b\u{1b}[31m\u{200b}{}", "é".repeat(500_000));
    let said = comment("issue_comment", &[("/comment/body", json!(text)), ("/comment/user", Value::Null)]);
    assert!(said.body.starts_with("ab[31mé") && said.body.len() <= MAX_BODY + '…'.len_utf8());
    assert_eq!(said.author, "ghost");
}
