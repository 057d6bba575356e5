//! The name of an event is not signed, so a body says itself what it is.

use agentpr::adapters::forge::github::payload::GitHubPayloads;
use agentpr::ports::payload::{Misfit, Payloads};
use serde_json::{Value, json};

use super::{BODIES, body, read};

#[test]
fn a_body_is_read_under_the_name_of_its_own_event_alone() {
    for (is, _) in BODIES {
        for (offered, _) in BODIES {
            let answer = read(offered, &body(is));
            if is == offered {
                assert!(answer.is_ok(), "{is}: {answer:?}");
            } else {
                assert!(matches!(answer, Err(Misfit::Shape { .. })), "{is} offered as {offered}: {answer:?}");
            }
        }
    }
}

#[test]
fn the_same_holds_whatever_action_the_body_tells() {
    let actions = [
        "opened",
        "edited",
        "closed",
        "deleted",
        "archived",
        "transferred",
        "created",
        "submitted",
        "completed",
    ];
    for (is, _) in BODIES {
        for action in actions {
            let mut body = body(is);
            body["action"] = json!(action);
            for (offered, _) in BODIES.into_iter().filter(|(offered, _)| *offered != is) {
                assert!(read(offered, &body).is_err(), "{is} {action} offered as {offered}");
            }
        }
    }
}

/// Everything that GitHub sends has a repository, and a star or a label can be deleted too.
#[test]
fn what_else_happens_in_a_repository_is_no_news_of_the_repository_itself() {
    for key in ["starred_at", "label", "release", "milestone", "thread", "discussion", "forkee", "ref_type"] {
        let mut body = body("repository");
        body["action"] = json!("deleted");
        body[key] = Value::Null;
        assert!(matches!(read("repository", &body), Err(Misfit::Shape { .. })), "{key}");
    }
}

#[test]
fn what_is_no_json_object_is_refused_whatever_it_is_offered_as() {
    let texts: [&[u8]; 9] = [
        b"",
        b" ",
        b"{",
        b"nothing",
        b"{\"action\":\"x\",}",
        b"{} {}",
        b"\xff\xfe",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":01}",
    ];
    for event in ["check_run", "of_next_year"] {
        for text in texts {
            let answer = GitHubPayloads.read(event, text);
            assert!(matches!(answer, Err(Misfit::NotJson(_))), "{event} {text:?}: {answer:?}");
        }
        for text in ["[]", "[1,{\"action\":2}]", "1", "\"text\"", "null", "true"] {
            let answer = GitHubPayloads.read(event, text.as_bytes());
            assert!(matches!(answer, Err(Misfit::Shape { .. })), "{event} {text}: {answer:?}");
        }
    }
    assert!(matches!(GitHubPayloads.read("check_run", b"{}"), Err(Misfit::Shape { .. })));
}

#[test]
fn a_reason_is_short_however_long_what_it_quotes() {
    let mut body = body("check_run");
    body["check_run"]["id"] = json!("x".repeat(1_000_000));
    let Err(misfit) = read("check_run", &body) else { panic!("a text is no number") };
    assert!(misfit.to_string().len() < 600, "{} bytes", misfit.to_string().len());
    let Err(misfit) = read(
        "check_run",
        &super::with("check_run", &[("/repository/full_name", json!("x".repeat(1_000_000)))]),
    ) else {
        panic!("no repository has such a name");
    };
    assert!(misfit.to_string().len() < 600);
}
