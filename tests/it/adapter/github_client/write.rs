//! Writes: sent once, a gap apart, over processes.

use std::time::Duration;

use agentpr::adapters::forge::github::client::Verb;
use agentpr::ports::forge::ForgeError;
use serde_json::json;

use super::server::{Act, say, say_with};
use super::{Stage, assert_unavailable};

const GAP: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_write_that_was_not_answered_is_not_sent_again() {
    for lost in [say(502, &json!({})), say(500, &json!({})), Act::Cut, Act::Half(201)] {
        let stage = Stage::new([lost]);
        let answer = stage.client().write(Verb::Post, "/repos/o/r/pulls", &json!({"title": "t"})).await;
        let _why = assert_unavailable(answer);
        assert_eq!(stage.lines(), ["POST /api/v3/repos/o/r/pulls"]);
    }
}

#[tokio::test]
async fn a_write_on_a_connection_that_was_used_before_is_sent_once() {
    let stage = Stage::new([say(200, &json!({})), Act::Cut]);
    let client = stage.client();
    let _first = client.get("/user").await.unwrap();
    let _why = assert_unavailable(client.write(Verb::Post, "/repos/o/r/pulls", &json!({})).await);
    assert_eq!(stage.server.came().len(), 2);
}

#[tokio::test]
async fn a_write_that_hangs_ends_at_the_time_limit_and_is_sent_once() {
    let mut stage = Stage::new([Act::Hang]);
    stage.time_limit = Duration::from_millis(300);
    let why = assert_unavailable(stage.client().write(Verb::Patch, "/repos/o/r/pulls/1", &json!({})).await);
    assert!(why.contains("0.3 s"), "{why}");
    assert_eq!(stage.lines(), ["PATCH /api/v3/repos/o/r/pulls/1"]);
}

#[tokio::test]
async fn answers_that_say_no_are_answers() {
    let exists = json!({"message": "Validation Failed", "errors": [{"resource": "PullRequest", "code": "custom",
        "message": "A pull request already exists for o:work."}]});
    let stage =
        Stage::new([say(422, &exists), say(404, &json!({"message": "Not Found"})), say(423, &json!({}))]);
    let client = stage.client();
    let answer = client.write(Verb::Post, "/repos/o/r/pulls", &json!({})).await.unwrap();
    assert_eq!((answer.status, answer.is_success()), (422, false));
    assert_eq!(answer.message(), "Validation Failed; A pull request already exists for o:work.");
    assert_eq!(client.write(Verb::Put, "/x", &json!({})).await.unwrap().status, 404);
    assert!(matches!(client.write(Verb::Delete, "/x", &json!({})).await, Err(ForgeError::Refused(_))));
}

#[tokio::test]
async fn two_processes_never_write_within_the_gap() {
    let mut stage = Stage::new([]);
    stage.gap = GAP;
    let clients = [stage.client(), stage.client(), stage.client()];
    let body = json!({});
    let write = async |number: usize| {
        for _ in 0..2 {
            let _answer =
                clients[number].write(Verb::Post, "/repos/o/r/issues/1/labels", &body).await.unwrap();
        }
    };
    tokio::join!(write(0), write(1), write(2));
    let came = stage.server.came();
    assert_eq!(came.len(), 6);
    for pair in came.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= GAP, "{apart:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_process_died_in_a_write_the_next_one_waits_the_whole_gap() {
    let mut stage = Stage::new([Act::Hang]);
    stage.gap = GAP;
    let client = stage.client();
    let dying = tokio::spawn(async move { client.write(Verb::Post, "/a", &json!({})).await });
    tokio::task::block_in_place(|| stage.server.wait_for(1));
    tokio::time::sleep(GAP).await;
    dying.abort();
    let died = std::time::Instant::now();
    let _gone = dying.await;
    let _answer = stage.client().write(Verb::Post, "/b", &json!({})).await.unwrap();
    let came = stage.server.came();
    let apart = came[1].at.duration_since(died);
    assert!(apart >= GAP, "{apart:?} after the death, although the dead one's write began long before");
}

#[tokio::test]
async fn a_read_need_not_wait_for_the_gap() {
    let mut stage = Stage::new([]);
    stage.gap = Duration::from_secs(60);
    let client = stage.client();
    let _answer = client.write(Verb::Post, "/a", &json!({})).await.unwrap();
    let _answer = client.get("/b").await.unwrap();
    assert_eq!(stage.lines(), ["POST /api/v3/a", "GET /api/v3/b"]);
}

#[tokio::test]
async fn a_write_follows_a_renamed_repository_with_the_same_verb_and_body() {
    let moved = [("location", "/api/v3/repositories/7/pulls")];
    for status in [301, 302, 307, 308] {
        let stage = Stage::new([say_with(status, &moved, &json!({})), say(201, &json!({"number": 3}))]);
        let answer =
            stage.client().write(Verb::Post, "/repos/o/r/pulls", &json!({"title": "t"})).await.unwrap();
        assert_eq!(answer.body["number"], 3);
        let came = stage.server.came();
        assert_eq!(stage.lines(), ["POST /api/v3/repos/o/r/pulls", "POST /api/v3/repositories/7/pulls"]);
        assert_eq!(came[1].body, "{\"title\":\"t\"}");
    }
    let stage = Stage::new([say_with(301, &moved, &json!({})), say_with(301, &moved, &json!({}))]);
    let answer = stage.client().write(Verb::Post, "/repos/o/r/pulls", &json!({})).await;
    assert!(matches!(answer, Err(ForgeError::Refused(_))), "{answer:?}");
    assert_eq!(stage.server.came().len(), 2);
}
