//! A GitHub that is not well: the breaker.

use std::time::Duration;

use agentpr::adapters::forge::github::client::Verb;
use serde_json::json;

use super::server::{Act, say};
use super::{Stage, assert_unavailable};

fn down() -> Act {
    say(503, &json!({}))
}

async fn fail(stage: &Stage, times: usize) {
    for _ in 0..times {
        let _why = assert_unavailable(stage.client().write(Verb::Post, "/a", &json!({})).await);
    }
}

#[tokio::test]
async fn the_breaker_opens_after_five_failures_and_lets_one_through() {
    let stage = Stage::new([down(), Act::Cut, Act::Half(200), down(), down()]);
    fail(&stage, 5).await;
    assert_eq!(stage.server.came().len(), 5);

    // Each time it lets one through that fails, it stays open twice as long, over processes, and fifteen minutes at most.
    for wanted in [30, 60, 120, 240, 480, 900, 900] {
        let left = stage.left(stage.client().get("/b").await);
        assert!(left <= Duration::from_secs(wanted), "{left:?}");
        assert!(left >= Duration::from_secs(wanted - 2), "{left:?}");
        let came = stage.server.came().len();
        stage.clock.forward(left);
        stage.server.then([down()]);
        fail(&stage, 1).await;
        assert_eq!(stage.server.came().len(), came + 1);
    }

    let left = stage.left(stage.client().get("/b").await);
    stage.clock.forward(left);
    let _answer = stage.client().get("/b").await.unwrap();
    stage.server.then([down(), say(200, &json!({}))]);
    let _answer = stage.client().get("/b").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_wait_one_tries_and_the_others_see_what_came_of_it() {
    let stage = Stage::new((0..5).map(|_| down()));
    fail(&stage, 5).await;
    let left = stage.left(stage.client().get("/b").await);
    stage.clock.forward(left);
    stage.server.then([Act::Held(503)]);
    let first = stage.client();
    let first = tokio::spawn(async move { first.write(Verb::Post, "/a", &json!({})).await });
    tokio::task::block_in_place(|| stage.server.wait_for(6));
    let others: Vec<_> = (0..4)
        .map(|_| {
            let other = stage.client();
            tokio::spawn(async move { other.get("/c").await })
        })
        .collect();
    stage.server.let_go();
    let _why = assert_unavailable(first.await.unwrap());
    for other in others {
        let _left = stage.left(other.await.unwrap());
    }
    assert_eq!(stage.server.came().len(), 6);
}

#[tokio::test]
async fn failures_with_an_answer_between_them_or_long_apart_open_nothing() {
    let stage =
        Stage::new([down(), down(), down(), down(), say(404, &json!({})), down(), down(), down(), down()]);
    fail(&stage, 4).await;
    let _answer = stage.client().get("/a").await.unwrap();
    fail(&stage, 4).await;
    stage.clock.forward(Duration::from_secs(61));
    stage.server.then([down()]);
    fail(&stage, 1).await;
    let _answer = stage.client().get("/a").await.unwrap();
}

#[tokio::test]
async fn a_github_that_is_not_there_is_unavailable() {
    let stage = Stage::new([]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let settings = super::ClientSettings {
        api_url: format!("http://127.0.0.1:{port}"),
        login: super::Login::Token(super::Secret::new(super::TOKEN)),
        state_dir: stage.folder.path().to_owned(),
        write_gap: Duration::ZERO,
        time_limit: Duration::from_secs(5),
    };
    let client = super::GitHubClient::new(settings, std::sync::Arc::new(stage.clock.clone())).unwrap();
    let why = assert_unavailable(client.write(Verb::Post, "/a", &json!({})).await);
    assert!(why.to_lowercase().contains("refused"), "{why}");
}
