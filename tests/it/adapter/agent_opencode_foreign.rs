//! opencode on a server that is the operator's, or whose stream is not to be relied on.

use std::time::Duration;

use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::record::Session;
use agentpr::domain::agent::usage::Tokens;
use agentpr::domain::confine::LimitKind;
use agentpr::domain::evidence::AttemptOutcome;
use serde_json::json;

use super::agent_opencode_world::{ANSWER, Scene, answered, event, idle, info, text};
use super::world::until;
use crate::harness::opencode::{FakeServer, SESSION, Script};

fn login(password: &str) -> Option<(String, String)> {
    Some(("opencode".to_owned(), password.to_owned()))
}

fn message(words: &str) -> serde_json::Value {
    let part = json!({"id": "prt_2", "messageID": ANSWER, "sessionID": "SES", "type": "text", "text": words, "time": {"end": 2}});
    json!({"info": info("stop"), "parts": [part]})
}

#[tokio::test]
async fn fsm_55_a_foreign_server_is_used_with_its_password_and_left_running() {
    let script =
        Script { password: Some("sesame".to_owned()), events: answered("done"), ..Script::default() };
    let server = FakeServer::start(script);
    let mut scene = Scene::foreign(&server);
    scene.setup.server_login = login("sesame");
    let report = scene.run().await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    assert_eq!(report.last_message, "done");
    assert!(scene.heard.started.lock().unwrap().is_empty(), "no program was started");
    assert!(!server.called().iter().any(|what| what.contains("dispose")), "{:?}", server.called());
    let again = scene.run().await.unwrap();
    assert_eq!(again.outcome, AttemptOutcome::Succeeded, "it is still there");
    assert!(server.calls().iter().all(|call| call.query.starts_with("directory=")));

    scene.setup.server_login = login("wrong");
    let report = scene.run().await.unwrap();
    let record = report.evidence.agent.unwrap();
    assert_eq!((record.class, record.trouble), (OutcomeClass::AgentError, Some(Trouble::Auth)));
    let said = report.evidence.message;
    assert!(said.contains("401") && said.contains("OPENCODE_SERVER_PASSWORD"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
}

#[tokio::test]
async fn fsm_55_a_stop_aborts_a_foreign_servers_session_and_nothing_else() {
    let server = FakeServer::start(Script { busy: true, ..Script::default() });
    let scene = Scene::foreign(&server);
    let stop = scene.stop.clone();
    let (report, ()) = tokio::join!(scene.run(), async {
        until("the prompt is in", || server.called().iter().any(|what| what.contains("prompt_async"))).await;
        stop.cancel();
    });
    assert_eq!(report.unwrap().outcome, AttemptOutcome::Stopped);
    assert_eq!(server.called().last().unwrap(), &format!("POST /session/{SESSION}/abort"));
}

#[tokio::test]
async fn a_foreign_server_is_held_to_the_limits_too() {
    let server = FakeServer::start(Script { busy: true, ..Script::default() });
    let mut scene = Scene::foreign(&server);
    scene.order.limits.wall = Duration::from_millis(500);
    assert_eq!(scene.run().await.unwrap().outcome, AttemptOutcome::TimedOut);
    scene.order.limits.wall = Duration::from_secs(30);
    scene.order.allowance.secs = Some(1);
    let evidence = scene.run().await.unwrap().evidence;
    assert_eq!(evidence.agent.unwrap().trouble, Some(Trouble::Budget), "a budget of time is one, too");
    assert!(evidence.duration_ms < 20_000, "{} ms", evidence.duration_ms);
    scene.order.allowance.secs = None;
    scene.order.limits.silence = Some(Duration::from_millis(500));
    let report = scene.run().await.unwrap();
    assert_eq!(report.evidence.limit, Some(LimitKind::Silence));
    assert_eq!(server.called().last().unwrap(), &format!("POST /session/{SESSION}/abort"));
    let mut scene = Scene::foreign(&server);
    scene.setup.url = Some("http://127.0.0.1:1".to_owned());
    scene.patience.health = Duration::from_millis(300);
    let record = scene.run().await.unwrap().evidence.agent.unwrap();
    assert_eq!(record.class, OutcomeClass::InfraError);
}

#[tokio::test]
async fn ocr_08_the_subscription_comes_before_the_prompt() {
    // The fake sends its events before it answers the prompt, and to those who have subscribed by then only; no message repeats them.
    let server = FakeServer::start(Script { events: answered("heard in time"), ..Script::default() });
    let scene = Scene::foreign(&server);
    let report = scene.run().await.unwrap();
    assert_eq!(report.last_message, "heard in time");
    let called = server.called();
    let at = |part: &str| called.iter().position(|what| what.contains(part)).unwrap();
    assert!(at("GET /event") < at("prompt_async"), "{called:?}");
}

#[tokio::test]
async fn the_files_of_a_turn_are_asked_for_by_its_own_prompt() {
    let asked = json!({"info": {"id": "msg_asked", "role": "user", "sessionID": "SES"}, "parts": []});
    let diff = json!([{"file": "a.rs", "status": "modified"}, {"file": "b.rs", "status": "added"}, {"status": "odd"}]);
    let script = Script { messages: vec![asked, message("done")], diff, ..Script::default() };
    let server = FakeServer::start(script);
    let report = Scene::foreign(&server).run().await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    let call = server.calls().into_iter().find(|call| call.what.ends_with("/diff")).unwrap();
    assert!(call.query.contains("messageID=msg_asked"), "{}", call.query);
}

#[tokio::test]
async fn ocr_09_a_stream_that_is_cut_twice_goes_on() {
    let mut events = answered("said after two cuts");
    let first = text("prt_0", "said first");
    events.insert(1, first);
    let server = FakeServer::start(Script { events, cuts: vec![2, 1], ..Script::default() });
    let scene = Scene::foreign(&server);
    let report = scene.run().await.unwrap();
    assert_eq!(
        (report.outcome, report.last_message.as_str()),
        (AttemptOutcome::Succeeded, "said after two cuts")
    );
    assert_eq!(report.evidence.agent.unwrap().usage.turns, 1);
    let joined = server.called().iter().filter(|what| *what == "GET /event").count();
    assert_eq!(joined, 3);
}

#[tokio::test]
async fn ocr_09_without_a_stream_or_with_heartbeats_only_the_server_is_asked() {
    for script in
        [Script { mute: true, ..Script::default() }, Script { no_stream: true, ..Script::default() }]
    {
        let server = FakeServer::start(Script { messages: vec![message("read, not heard")], ..script });
        let scene = Scene::foreign(&server);
        let report = scene.run().await.unwrap();
        assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
        assert_eq!(report.last_message, "read, not heard");
        assert!(server.called().iter().any(|what| what == "GET /session/status"));
    }
}

#[tokio::test]
async fn a_session_is_gone_on_with_and_its_past_is_not_counted_again() {
    let mut old = message("said long ago");
    old["info"]["id"] = json!("msg_1");
    old["parts"][0]["messageID"] = json!("msg_1");
    let script = Script {
        sessions: vec!["ses_old".to_owned()],
        before: vec![old],
        events: answered("new"),
        ..Script::default()
    };
    let server = FakeServer::start(script.clone());
    let mut scene = Scene::foreign(&server);
    let session = |id: &str| {
        Some(Session { agent: "opencode".to_owned(), id: id.to_owned(), total: Tokens::default() })
    };
    scene.order.resume = session("ses_old");
    let report = scene.run().await.unwrap();
    assert_eq!((report.outcome, report.last_message.as_str()), (AttemptOutcome::Succeeded, "new"));
    assert_eq!(report.evidence.agent.unwrap().session.unwrap().id, "ses_old");
    assert!(!server.called().contains(&"POST /session".to_owned()));
    // An old answer is not this one's.
    let server = FakeServer::start(Script { events: vec![idle()], busy: true, ..script });
    let mut scene = Scene::foreign(&server);
    scene.order.resume = session("ses_old");
    scene.order.limits.wall = Duration::from_secs(1);
    assert_eq!(scene.run().await.unwrap().outcome, AttemptOutcome::TimedOut);
    // One that is gone, and one whose name is a path, are begun anew.
    for id in ["ses_gone", "../config"] {
        let server = FakeServer::start(Script { events: answered("anew"), ..Script::default() });
        let mut scene = Scene::foreign(&server);
        scene.order.resume = session(id);
        let report = scene.run().await.unwrap();
        assert_eq!(report.evidence.agent.unwrap().session.unwrap().id, SESSION);
    }
}

#[tokio::test]
async fn leave_that_is_asked_for_is_given_or_refused_and_a_refusal_is_no_success() {
    let asked = |id: &str, permission: &str| {
        let body = json!({"id": id, "sessionID": "SES", "permission": permission, "patterns": ["x"]});
        event("permission.asked", body)
    };
    let mut events = answered("done");
    events.insert(1, asked("per_1", "edit"));
    let server = FakeServer::start(Script { events, ..Script::default() });
    let scene = Scene::foreign(&server);
    assert_eq!(scene.run().await.unwrap().outcome, AttemptOutcome::Succeeded);
    let reply = |server: &FakeServer| {
        let call =
            server.calls().into_iter().find(|call| call.what.starts_with("POST /permission/")).unwrap();
        (call.what, call.body)
    };
    assert_eq!(reply(&server), ("POST /permission/per_1/reply".to_owned(), json!({"reply": "once"})));

    let ended = event("message.updated", json!({"info": info("tool-calls")}));
    let events = vec![asked("per_2", "external_directory"), ended, idle()];
    let server = FakeServer::start(Script { events, ..Script::default() });
    let scene = Scene::foreign(&server);
    let record = scene.run().await.unwrap().evidence.agent.unwrap();
    assert_eq!(record.trouble, Some(Trouble::Asking));
    assert_eq!(reply(&server), ("POST /permission/per_2/reply".to_owned(), json!({"reply": "reject"})));
}
