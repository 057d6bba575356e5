//! Limits: told by GitHub, kept by every process, never earlier.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use agentpr::adapters::forge::github::client::{Login, Secret, Verb};
use serde_json::{Value, json};

use super::server::{Act, say, say_with};
use super::{Stage, TODAY, TOKEN, assert_clean};

fn limited(headers: &[(&str, &str)], message: &str) -> Act {
    say_with(403, headers, &json!({"message": message}))
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// GitHub's clock, so many seconds from when the tests take place.
fn reset(number: u64) -> String {
    (TODAY / 1_000 + number).to_string()
}

#[tokio::test]
async fn nothing_is_asked_before_retry_after_even_by_the_next_process() {
    for status in [403, 429] {
        let told = say_with(status, &[("retry-after", "90")], &json!({"message": "wait"}));
        let stage = Stage::new([told]);
        let left = stage.left(stage.client().get("/a").await);
        assert!((seconds(89)..=seconds(100)).contains(&left), "{left:?}");

        // Whatever is asked, and whoever starts: nothing goes out.
        stage.clock.forward(seconds(88));
        let next = stage.client();
        let _left = stage.left(next.get("/a").await);
        let _left = stage.left(next.write(Verb::Post, "/a", &json!({})).await);
        let _left = stage.left(next.graphql("query { x }", json!({})).await);
        let _left = stage.left(next.text_elsewhere("/a", 9).await);
        assert_eq!(stage.server.came().len(), 1);

        stage.clock.forward(left - seconds(88));
        let _answer = next.get("/a").await.unwrap();
        assert_eq!(stage.server.came().len(), 2);
    }
}

#[tokio::test]
async fn retry_after_is_heeded_where_github_is_not_well() {
    let stage = Stage::new([say_with(503, &[("retry-after", "30")], &json!({}))]);
    let left = stage.left(stage.client().get("/a").await);
    assert!(left >= seconds(29), "{left:?}");
    assert_eq!(stage.server.came().len(), 1, "a read is repeated, but not here");
}

#[tokio::test]
async fn a_budget_that_is_used_up_waits_for_its_reset_and_leaves_the_other_alone() {
    let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset(600))];
    let stage = Stage::new([limited(&used_up, "API rate limit exceeded")]);
    let client = stage.client();
    let left = stage.left(client.write(Verb::Post, "/a", &json!({})).await);
    assert!((seconds(598)..=seconds(631)).contains(&left), "{left:?}");
    let _left = stage.left(client.get("/a").await);
    stage.server.then([say(200, &json!({"data": {}}))]);
    let _answer = client.graphql("query { x }", json!({})).await.unwrap();
    assert_eq!(stage.server.came().len(), 2);
}

#[tokio::test]
async fn a_reset_is_read_by_github_s_clock_and_not_by_a_wrong_one() {
    // GitHub is two hours behind, or we are two hours ahead; the budget comes back in ten minutes.
    let date = jiff::Timestamp::from_second(i64::try_from(TODAY / 1_000).unwrap() - 7_200).unwrap();
    let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    let reset = (TODAY / 1_000 - 7_200 + 600).to_string();
    let headers = [("date", &*date), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset)];
    let stage = Stage::new([limited(&headers, "API rate limit exceeded")]);
    let left = stage.left(stage.client().get("/a").await);
    assert!((seconds(599)..=seconds(631)).contains(&left), "{left:?}");
}

#[tokio::test]
async fn a_limit_without_a_length_takes_a_minute_and_then_twice_as_long() {
    let secondary = || limited(&[], "You have exceeded a secondary rate limit.");
    let stage = Stage::new([secondary(), secondary(), secondary()]);
    for wanted in [60, 120, 240] {
        let left = stage.left(stage.client().get("/a").await);
        assert!((seconds(wanted - 1)..=seconds(wanted + 31)).contains(&left), "{left:?}");
        stage.clock.forward(left);
    }
    let _answer = stage.client().get("/a").await.unwrap();
    stage.server.then([secondary()]);
    let left = stage.left(stage.client().get("/a").await);
    assert!(left < seconds(70), "an answer in between ends the row: {left:?}");
}

#[tokio::test]
async fn a_refusal_that_is_no_limit_is_denied() {
    let stage =
        Stage::new([limited(&[("x-ratelimit-remaining", "4000")], "Resource not accessible by integration")]);
    let answer = stage.client().get("/a").await;
    assert!(matches!(&answer, Err(agentpr::ports::forge::ForgeError::Denied(_))), "{answer:?}");
    let _answer = stage.client().get("/a").await.unwrap();
}

#[tokio::test]
async fn the_last_of_a_budget_is_kept_for_writes() {
    let low =
        [("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "49"), ("x-ratelimit-reset", &*reset(600))];
    let stage = Stage::new([say_with(200, &low, &json!({}))]);
    let _answer = stage.client().get("/a").await.unwrap();
    let left = stage.left(stage.client().get("/b").await);
    assert!(left >= seconds(598), "{left:?}");
    let _answer = stage.client().write(Verb::Post, "/c", &json!({})).await.unwrap();
    assert_eq!(stage.lines(), ["GET /api/v3/a", "POST /api/v3/c"]);
    stage.clock.forward(left);
    let _answer = stage.client().get("/b").await.unwrap();
}

#[tokio::test]
async fn graphql_says_its_limit_with_a_200() {
    let body = json!({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]});
    let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset(60))];
    let stage = Stage::new([say_with(200, &used_up, &body)]);
    let client = stage.client();
    let left = stage.left(client.graphql("query { x }", json!({})).await);
    assert!(left >= seconds(58), "{left:?}");
    let _answer = client.get("/a").await.unwrap();
}

#[tokio::test]
async fn another_token_has_another_budget() {
    let stage = Stage::new([limited(&[("retry-after", "90")], "wait")]);
    let _left = stage.left(stage.client().get("/a").await);
    let other = stage.client_as(Login::Token(Secret::new("ghp_other")));
    let _answer = other.get("/a").await.unwrap();
    let _left = stage.left(stage.client().get("/a").await);
}

#[tokio::test]
async fn what_is_remembered_is_private_and_names_no_token() {
    let stage = Stage::new([limited(&[("retry-after", "90")], "wait")]);
    let _left = stage.left(stage.client().get("/a").await);
    let _left = stage.left(stage.client().write(Verb::Post, "/a", &json!({})).await);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stage.state()), 0o600);
    assert_eq!(mode(stage.state().parent().unwrap()), 0o700);
    assert_clean(stage.state().parent().unwrap(), &[TOKEN, &TOKEN[..12]]);
    let text: Value = serde_json::from_slice(&std::fs::read(stage.state()).unwrap()).unwrap();
    assert!(text.is_object());
}

#[tokio::test]
async fn a_damaged_memory_may_have_held_a_limit() {
    let stage = Stage::new([]);
    let _answer = stage.client().write(Verb::Post, "/a", &json!({})).await.unwrap();
    std::fs::write(stage.state(), "{\"logins\":").unwrap();
    let left = stage.left(stage.client().get("/a").await);
    assert!(left <= seconds(60), "{left:?}");
    stage.clock.forward(seconds(40));
    let left = stage.left(stage.client().get("/a").await);
    assert!(left <= seconds(20), "the minute does not begin anew: {left:?}");
    stage.clock.forward(left);
    let _answer = stage.client().get("/a").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waited_for_its_turn_heeds_what_the_one_before_it_was_told() {
    let stage = Stage::new([Act::Held(429)]);
    let first = stage.client();
    let first = tokio::spawn(async move { first.get("/a").await });
    tokio::task::block_in_place(|| stage.server.wait_for(1));
    let others: Vec<_> = (0..8)
        .map(|number| {
            let other = stage.client();
            tokio::spawn(async move { other.get(&format!("/{number}")).await })
        })
        .collect();
    tokio::task::yield_now().await;
    stage.server.let_go();
    let _left = stage.left(first.await.unwrap());
    for other in others {
        let _left = stage.left(other.await.unwrap());
    }
    assert_eq!(stage.server.came().len(), 1);
}
