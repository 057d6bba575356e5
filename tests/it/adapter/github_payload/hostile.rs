//! Bodies that nobody should send: whatever they are, they are read or refused.

use agentpr::adapters::forge::github::payload::GitHubPayloads;
use agentpr::adapters::forge::github::snapshot;
use agentpr::domain::forge::fact::{ForgeFact, MAX_BODY};
use agentpr::domain::time::Timestamp;
use agentpr::ports::payload::{Misfit, Payloads, Reading};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ANSWER, BODIES, body, read};

/// Pointers to everything in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| places(value, &format!("{at}/{i}"), found));
        }
        _ => {}
    }
}

fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(-1),
        json!(u64::MAX),
        json!(1.5e300),
        json!(true),
        json!(""),
        json!("x\u{202e}\u{0}\n"),
        json!([]),
        json!([[1, "a"]]),
        json!({}),
        json!({"a": {"b": []}}),
    ]
}

/// What is read must be fit to keep: short, printable, and not addressed to everybody.
fn is_fit(event: &str, reading: &Reading) {
    let Reading::Facts(told) = reading else { return };
    for told in told {
        assert!(told.address.repo_id.is_some() && told.address.repo.is_some(), "{event}");
        assert_eq!(told.address.whole_repository, event == "repository");
        let is_text_fit =
            |text: &str| text.len() <= MAX_BODY + 3 && !text.contains(['\u{0}', '\u{202e}', '\u{1b}']);
        for fact in &told.facts {
            assert!(match fact {
                ForgeFact::Check(check) => is_text_fit(&check.name) && is_text_fit(&check.summary),
                ForgeFact::Review(review) => is_text_fit(&review.reviewer) && is_text_fit(&review.body),
                ForgeFact::Comment(comment) => is_text_fit(&comment.author) && is_text_fit(&comment.body),
                ForgeFact::Pull(pull) => pull.by.as_deref().is_none_or(is_text_fit),
                ForgeFact::Head(head) => head.by.as_deref().is_none_or(is_text_fit),
                ForgeFact::Repository(_) => true,
            });
        }
    }
}

#[test]
fn any_value_of_any_type_in_any_place_is_read_or_refused() {
    let mut tried = 0;
    for (event, _) in BODIES {
        let whole = body(event);
        let mut found = Vec::new();
        places(&whole, "", &mut found);
        for place in found {
            for odd in odd_values() {
                let mut body = whole.clone();
                *body.pointer_mut(&place).unwrap() = odd;
                if let Ok(reading) = read(event, &body) {
                    is_fit(event, &reading);
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 3_000, "{tried}");
}

#[test]
fn any_value_in_any_place_of_an_answer_is_read_or_refused() {
    let whole: Value = serde_json::from_str(ANSWER).unwrap();
    let mut found = Vec::new();
    places(&whole, "", &mut found);
    for place in found {
        for odd in odd_values() {
            let mut answer = whole.clone();
            *answer.pointer_mut(&place).unwrap() = odd;
            for index in 0..3 {
                let _read_or_refused = snapshot::facts(&answer, index, Timestamp(i64::MAX));
            }
        }
    }
}

#[test]
fn any_body_cut_off_anywhere_is_refused() {
    for (event, text) in BODIES {
        let text = text.trim_end();
        for end in 0..text.len() {
            assert!(matches!(GitHubPayloads.read(event, &text.as_bytes()[..end]), Err(Misfit::NotJson(_))));
        }
    }
}

#[test]
fn deep_json_is_refused_wherever_it_is() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [200, 100_000, 1_000_000] {
            for closed in [true, false] {
                let end = if closed { format!("1{}", close.repeat(depth)) } else { String::new() };
                let deep = format!("{}{end}", open.repeat(depth));
                for text in [deep.clone(), format!("{{\"skipped\":{deep}"), format!("{{\"check_run\":{deep}")]
                {
                    for event in ["check_run", "of_next_year"] {
                        let answer = GitHubPayloads.read(event, text.as_bytes());
                        assert!(matches!(answer, Err(Misfit::NotJson(_))), "{depth}: {answer:?}");
                    }
                }
            }
        }
    }
    let mut body = body("check_run");
    body["skipped"] = json!("[".repeat(1_000) + "\\\"{");
    assert!(read("check_run", &body).is_ok(), "brackets in a text nest nothing");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("a1".repeat(20))),
        Just(json!("2026-11-20T10:00:00Z")),
    ];
    let keys = prop::sample::select(vec![
        "action",
        "check_run",
        "check_suite",
        "pull_request",
        "review",
        "comment",
        "issue",
        "repository",
        "id",
        "number",
        "head_sha",
        "status",
        "state",
        "full_name",
        "sender",
        "ref",
        "after",
        "pusher",
        "hook",
        "zen",
    ]);
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..8)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_json_is_read_or_refused(value in any_json(), which in 0..BODIES.len()) {
        let event = BODIES[which].0;
        let mut merged = body(event);
        if let (Some(fields), Value::Object(odd)) = (merged.as_object_mut(), value.clone()) {
            fields.extend(odd);
        }
        for body in [value, merged] {
            if let Ok(reading) = read(event, &body) {
                is_fit(event, &reading);
            }
        }
    }

    #[test]
    fn random_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..BODIES.len()) {
        let (event, text) = BODIES[which];
        let _read_or_refused = GitHubPayloads.read(event, &bytes);
        let mut damaged = text.as_bytes().to_vec();
        let at = bytes.len() * 7 % damaged.len();
        damaged.splice(at..(at + 3).min(text.len()), bytes);
        let _read_or_refused = GitHubPayloads.read(event, &damaged);
    }
}
