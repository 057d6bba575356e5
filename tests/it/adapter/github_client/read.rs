//! Reads: what is sent along, what is remembered, what is repeated, where redirects lead.

use std::time::Duration;

use agentpr::ports::forge::ForgeError;
use serde_json::json;

use super::server::{Act, say, say_with};
use super::{Stage, TOKEN};

#[tokio::test]
async fn a_call_says_who_asks_and_for_which_version() {
    let stage = Stage::new([]);
    let _answer = stage.client().get("/repos/o/r/pulls?state=all&head=o:b").await.unwrap();
    let came = &stage.server.came()[0];
    assert_eq!(came.path, "/api/v3/repos/o/r/pulls?state=all&head=o:b");
    assert_eq!(came.all("user-agent"), [format!("agentpr/{}", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(came.all("x-github-api-version"), ["2022-11-28"]);
    assert_eq!(came.all("accept"), ["application/vnd.github+json"]);
    assert_eq!(came.all("authorization"), [format!("Bearer {TOKEN}")]);
}

#[tokio::test]
async fn a_304_gives_the_remembered_body() {
    let page =
        [("etag", "W/\"abc\""), ("link", "<https://other/api/v3/repositories/7/pulls?page=2>; rel=\"next\"")];
    let stage =
        Stage::new([say_with(200, &page, &json!([1, 2])), say(304, &json!(null)), say(200, &json!([3]))]);
    let client = stage.client();
    let first = client.get("/repos/o/r/pulls").await.unwrap();
    let second = client.get("/repos/o/r/pulls").await.unwrap();
    assert_eq!(second, first);
    assert_eq!(second.next.as_deref(), Some("/repositories/7/pulls?page=2"));
    assert_eq!(client.get("/repos/o/r/pulls").await.unwrap().body, json!([3]));
    let tags: Vec<Vec<String>> = (stage.server.came().iter())
        .map(|came| came.all("if-none-match").iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(tags, [vec![], vec!["W/\"abc\"".to_owned()], vec!["W/\"abc\"".to_owned()]]);
}

#[tokio::test]
async fn the_memory_of_answers_is_bounded() {
    let tag = [("etag", "\"1\"")];
    let stage = Stage::new((0..260).map(|number| say_with(200, &tag, &json!(number))));
    let client = stage.client();
    for number in 0..258 {
        let _answer = client.get(&format!("/{number}")).await.unwrap();
    }
    for number in [0, 257] {
        let _answer = client.get(&format!("/{number}")).await.unwrap();
    }
    let came = stage.server.came();
    assert_eq!(came[258].header("if-none-match"), None, "the oldest was forgotten");
    assert_eq!(came[259].header("if-none-match"), Some("\"1\""));
}

#[tokio::test]
async fn a_read_is_repeated_twice_and_then_given_up() {
    let stage = Stage::new([Act::Cut, say(502, &json!({})), say(200, &json!({"ok": true}))]);
    assert_eq!(stage.client().get("/a").await.unwrap().body["ok"], true);
    assert_eq!(stage.server.came().len(), 3);

    let stage = Stage::new([Act::Half(200), Act::Cut, say(503, &json!({})), say(200, &json!({}))]);
    let _why = super::assert_unavailable(stage.client().get("/a").await);
    assert_eq!(stage.server.came().len(), 3);
}

#[tokio::test]
async fn what_is_no_json_is_no_answer() {
    let page = || Act::Say(404, Vec::new(), "<html>not here</html>".to_owned());
    let stage = Stage::new([page(), page(), page()]);
    let why = super::assert_unavailable(stage.client().get("/repos/o/r").await);
    assert!(why.contains("404"), "{why}");
}

#[tokio::test]
async fn an_answer_longer_than_16_mib_is_refused() {
    let long = format!("\"{}\"", "x".repeat(16 * 1024 * 1024));
    let stage = Stage::new([Act::Say(200, Vec::new(), long)]);
    let answer = stage.client().get("/a").await;
    assert!(matches!(&answer, Err(ForgeError::Refused(why)) if why.contains("16 MiB")), "{answer:?}");
}

#[tokio::test]
async fn pages_are_followed_up_to_the_wanted_number() {
    let next = |page: usize| {
        format!("<http://127.0.0.1/api/v3/r/check-runs?page={page}>; rel=\"next\", <x>; rel=\"last\"")
    };
    let page = |link: &str, items: serde_json::Value| {
        say_with(200, &[("link", link)], &json!({"total_count": 9, "check_runs": items}))
    };
    let stage = Stage::new([
        page(&next(2), json!([1, 2])),
        page(&next(3), json!([3, 4])),
        page(&next(4), json!([5, 6])),
    ]);
    let found = stage.client().pages("/r/check-runs?per_page=2", 5).await.unwrap();
    assert_eq!(found, [1, 2, 3, 4, 5]);
    let paths = ["/r/check-runs?per_page=2", "/r/check-runs?page=2", "/r/check-runs?page=3"];
    assert_eq!(stage.lines(), paths.map(|path| format!("GET /api/v3{path}")));

    let stage = Stage::new([say(404, &json!({"message": "Not Found"}))]);
    assert!(matches!(stage.client().pages("/r", 5).await, Err(ForgeError::NotFound(_))));
}

#[tokio::test]
async fn a_renamed_repository_is_followed_on_the_same_host() {
    let moved = [("location", "/api/v3/repositories/7")];
    let stage = Stage::new([say_with(301, &moved, &json!({})), say(200, &json!({"id": 7}))]);
    assert_eq!(stage.client().get("/repos/o/r").await.unwrap().body["id"], 7);
    assert_eq!(stage.server.came()[1].all("authorization").len(), 1);
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_get_the_token() {
    let stage = Stage::new([]);
    let log = stage.server.elsewhere() + "/_blob/1?sig=secret";
    stage.server.then([
        say_with(302, &[("location", &log)], &json!({})),
        Act::Say(200, Vec::new(), "line 1\nline 2\nlast ä".to_owned()),
    ]);
    let client = stage.client();
    let text = client.text_elsewhere("/repos/o/r/actions/jobs/1/logs", 8).await.unwrap();
    assert_eq!(text.as_deref(), Some("\nlast ä"));
    let came = stage.server.came();
    assert_eq!(came[0].all("authorization").len(), 1);
    assert_eq!(came[1].all("authorization"), [""; 0]);
    assert_eq!(came[1].path, "/_blob/1?sig=secret");

    // Any other call is not led elsewhere at all.
    stage.server.then([say_with(302, &[("location", &log)], &json!({}))]);
    let answer = client.get("/repos/o/r").await;
    assert!(matches!(&answer, Err(ForgeError::Refused(why)) if !why.contains("sig=")), "{answer:?}");
    assert_eq!(stage.server.came().len(), 3);
}

#[tokio::test]
async fn a_log_that_may_not_be_read_is_none() {
    for status in [403, 404, 410] {
        let stage = Stage::new([say(status, &json!({"message": "Must have admin rights"}))]);
        assert_eq!(stage.client().text_elsewhere("/jobs/1/logs", 5).await.unwrap(), None);
    }
    let stage = Stage::new([say_with(302, &[("location", "http://example.org/log")], &json!({}))]);
    let answer = stage.client().text_elsewhere("/jobs/1/logs", 100).await;
    assert!(matches!(answer, Err(ForgeError::Refused(_))), "another host by plain HTTP: {answer:?}");
}

#[tokio::test]
async fn graphql_answers_whole_or_says_why_not() {
    let partial = json!({"data": {"p0": null}, "errors": [{"type": "NOT_FOUND", "path": ["p0"]}]});
    let stage = Stage::new([
        say(200, &partial),
        say(
            200,
            &json!({"data": null, "errors": [{"message": "Something went wrong while executing your query."}]}),
        ),
        say(200, &json!({"errors": [{"type": "MAX_NODE_LIMIT_EXCEEDED", "message": "too much"}]})),
    ]);
    let client = stage.client();
    assert_eq!(client.graphql("query { x }", json!({"a": 1})).await.unwrap(), partial);
    let came = &stage.server.came()[0];
    assert_eq!((came.verb.as_str(), came.path.as_str()), ("POST", "/api/graphql"));
    assert_eq!(came.body, "{\"query\":\"query { x }\",\"variables\":{\"a\":1}}");
    let _why = super::assert_unavailable(client.graphql("query { x }", json!({})).await);
    assert!(matches!(client.graphql("query { x }", json!({})).await, Err(ForgeError::Refused(_))));
}

#[tokio::test]
async fn no_path_leads_out_of_the_api() {
    let stage = Stage::new([]);
    let client = stage.client();
    for path in ["repos", "//other/x", "/../../x", "/a/%2e%2e/%2e%2e/%2e%2e/x", "@other/x", "/a#b", ""] {
        let answer = client.get(path).await;
        let is_outside = stage.server.came().iter().any(|came| !came.path.starts_with("/api/v3/"));
        assert!(!is_outside, "`{path}` was asked");
        assert!(matches!(answer, Err(ForgeError::Refused(_)) | Ok(_)), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn calls_are_serial_even_when_one_hangs() {
    let mut stage = Stage::new([Act::Hang, say(200, &json!({}))]);
    stage.time_limit = Duration::from_millis(150);
    let (first, second) = (stage.client(), stage.client());
    let (_, _) = tokio::join!(first.get("/a"), second.get("/b"));
    let came = stage.server.came();
    assert!(came[1].at - came[0].at >= Duration::from_millis(100), "calls are serial");
}
