//! opencode on a server of our own: how it is started, spoken to and ended, told with a program that stands in for it.

use std::time::Duration;

use agentpr::adapters::worker::opencode::Patience;
use agentpr::domain::agent::class::{OutcomeClass, Trouble};
use agentpr::domain::agent::role::Role;
use agentpr::domain::confine::{LimitKind, Tier};
use agentpr::domain::evidence::AttemptOutcome;
use agentpr::ports::worker::{WorkReport, WorkerError};
use serde_json::{Value, json};

use super::agent_opencode_world::{Scene, answered, event, idle, info};
use super::world::until;
use crate::harness::opencode::{SESSION, Script};

fn script() -> Script {
    Script { events: answered("done"), ..Script::default() }
}

fn class(report: &WorkReport) -> (OutcomeClass, Option<Trouble>) {
    let record = report.evidence.agent.as_ref().unwrap();
    (record.class, record.trouble)
}

fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Everything that was started is gone: the server, and the child that its agent's command left in a session of its own.
async fn assert_nothing_left(scene: &Scene) {
    let server = scene.heard.started.lock().unwrap()[0].pid;
    until("the server is gone", || !lives(server)).await;
    if let Ok(child) = std::fs::read_to_string(scene.path("child")) {
        let child = child.parse().unwrap();
        until("the agent's command is gone", || !lives(child)).await;
    }
}

#[tokio::test]
async fn a_turn_is_driven_to_its_end_and_its_use_is_on_record() {
    let scene = Scene::fake(&script());
    let report = scene.run().await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    assert_eq!((report.last_message.as_str(), report.evidence.signal), ("done", None));
    let record = report.evidence.agent.unwrap();
    assert_eq!(record.session.unwrap().id, SESSION);
    let tokens = record.usage.tokens;
    assert_eq!((tokens.input, tokens.cached, tokens.cache_write), (117, 100, 7));
    assert_eq!((tokens.output, tokens.reasoning, record.usage.turns), (6, 1, 1));
    assert_eq!(record.usage.micros, 250_000);
    assert_eq!(*scene.heard.sessions.lock().unwrap(), [SESSION]);
    assert!(scene.log().contains("opencode server listening on http://127.0.0.1:"));
    assert_nothing_left(&scene).await;
}

#[tokio::test]
async fn ocr_03_twenty_starts_at_once_all_find_their_server() {
    let starts = (0..20).map(|_| {
        tokio::spawn(async {
            let scene = Scene::fake(&script());
            scene.run().await.unwrap().outcome
        })
    });
    for start in starts.collect::<Vec<_>>() {
        assert_eq!(start.await.unwrap(), AttemptOutcome::Succeeded);
    }
}

#[tokio::test]
async fn ocr_04_the_model_goes_with_the_message_and_not_with_the_arguments() {
    let mut scene = Scene::fake(&script());
    scene.order.model = Some("stub/family/m".to_owned());
    scene.run().await.unwrap();
    let prompt = scene.call(&format!("POST /session/{SESSION}/prompt_async"));
    assert_eq!(prompt["body"]["model"], json!({"providerID": "stub", "modelID": "family/m"}));
    assert_eq!(prompt["body"]["parts"], json!([{"type": "text", "text": "Fix the failing test."}]));
    assert_eq!(scene.logged()[0]["args"], json!(["serve", "--hostname", "127.0.0.1", "--port", "0"]));

    let scene = Scene::fake(&Script { model_in_one: true, ..script() });
    let report = scene.run().await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "a build that wants the model in one word");
    let bodies: Vec<Value> = scene.logged().into_iter().map(|call| call["body"]["model"].clone()).collect();
    assert!(bodies.contains(&json!("stub/m")), "{bodies:?}");
}

#[tokio::test]
async fn ocr_05_a_server_that_prints_ten_megabytes_is_not_held_up() {
    let scene = Scene::fake(&Script { noise: 10_000_000, ..script() });
    let report = scene.run().await.unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    assert!(report.evidence.log.unwrap().bytes >= 10_000_000);
}

#[tokio::test]
async fn ocr_06_a_server_that_is_never_healthy_is_ended_at_the_limit() {
    for script in [Script { unhealthy: true, ..script() }, Script { silent: true, ..script() }] {
        let mut scene = Scene::fake(&script);
        scene.patience.health = Duration::from_millis(500);
        let report = scene.run().await.unwrap();
        assert_eq!(class(&report), (OutcomeClass::InfraError, Some(Trouble::Server)));
        assert!(!scene.called().iter().any(|what| what.contains("session")));
        assert_nothing_left(&scene).await;
    }
    assert_eq!(Patience::default().health, Duration::from_secs(20));
}

#[tokio::test]
async fn ocr_06_a_server_that_does_not_take_its_settings_says_what_is_wrong() {
    let scene = Scene::fake(&Script { exit: Some(3), ..script() });
    let report = scene.run().await.unwrap();
    assert_eq!(class(&report), (OutcomeClass::AgentError, Some(Trouble::Usage)));
    assert!(report.evidence.message.contains("code 3"), "{}", report.evidence.message);
    assert!(report.evidence.message.contains("a setting is wrong"), "{}", report.evidence.message);
}

#[tokio::test]
async fn ocr_07_nothing_is_left_whatever_the_path() {
    let child = |scene: &mut Scene, script: Script| {
        let script = Script { child: Some(scene.path("child")), log: Some(scene.path("calls")), ..script };
        std::fs::write(scene.path("script"), serde_json::to_string(&script).unwrap()).unwrap();
    };
    // Normal.
    let mut scene = Scene::fake(&script());
    child(&mut scene, script());
    assert_eq!(scene.run().await.unwrap().outcome, AttemptOutcome::Succeeded);
    assert_nothing_left(&scene).await;
    // An error.
    let failed = json!({"sessionID": "SES", "error": {"name": "APIError", "data": {"statusCode": 401}}});
    let events = vec![event("session.error", failed), idle()];
    child(&mut scene, Script { events, ..Script::default() });
    let report = scene.run().await.unwrap();
    assert_eq!(class(&report), (OutcomeClass::AgentError, Some(Trouble::Auth)));
    assert_nothing_left(&scene).await;
    // A limit.
    let mut scene = Scene::fake(&script());
    child(&mut scene, Script { busy: true, ..Script::default() });
    scene.order.limits.wall = Duration::from_secs(2);
    assert_eq!(scene.run().await.unwrap().outcome, AttemptOutcome::TimedOut);
    assert_nothing_left(&scene).await;
    // A caller that goes away, as one that panics does.
    let mut scene = Scene::fake(&script());
    child(&mut scene, Script { busy: true, ..Script::default() });
    let begun = scene.path("child");
    tokio::select! {
        _ = scene.run() => panic!("it ended by itself"),
        () = until("the agent's command runs", || std::fs::metadata(&begun).is_ok_and(|found| found.len() > 0)) => {}
    }
    assert_nothing_left(&scene).await;
}

#[tokio::test]
async fn ocr_28_a_stop_aborts_the_session_before_the_server_is_ended() {
    let scene = Scene::fake(&Script { busy: true, ..Script::default() });
    let (stop, calls) = (scene.stop.clone(), scene.path("calls"));
    let prompted = move || std::fs::read_to_string(&calls).is_ok_and(|text| text.contains("prompt_async"));
    let (report, ()) = tokio::join!(scene.run(), async {
        until("the prompt is in", prompted).await;
        stop.cancel();
    });
    let report = report.unwrap();
    assert_eq!((report.outcome, class(&report)), (AttemptOutcome::Stopped, (OutcomeClass::Killed, None)));
    let called = scene.called();
    let at = |what: &str| called.iter().position(|call| call == what);
    let (abort, dispose) = (at(&format!("POST /session/{SESSION}/abort")), at("POST /instance/dispose"));
    assert!(abort.is_some() && abort < dispose, "{called:?}");
    assert_nothing_left(&scene).await;
}

#[tokio::test]
async fn fsm_54_the_server_is_ours_alone_and_is_disposed_of_at_the_end() {
    let passwords = async || {
        let mut scene = Scene::fake(&script());
        scene.model_at("http://127.0.0.1:1/v1");
        let report = scene.run().await.unwrap();
        assert!(report.evidence.log.is_some());
        let begun = &scene.logged()[0];
        let env = &begun["env"];
        let password = env["OPENCODE_SERVER_PASSWORD"].as_str().unwrap().to_owned();
        assert!(password.len() == 32 && password.bytes().all(|byte| byte.is_ascii_hexdigit()), "{password}");
        assert!(begun["args"].to_string().contains("127.0.0.1"));
        assert!(!begun["args"].to_string().contains(&password) && !scene.log().contains(&password));
        assert!(!begun["args"].to_string().contains("key-of-the-stub"));
        let settings: Value = serde_json::from_str(env["OPENCODE_CONFIG_CONTENT"].as_str().unwrap()).unwrap();
        assert!(!settings.to_string().contains("key-of-the-stub"), "{settings}");
        assert_eq!(settings["provider"]["stub"]["options"]["apiKey"], "{env:AGENTPR_OPENCODE_KEY}");
        assert_eq!(env["AGENTPR_OPENCODE_KEY"], "key-of-the-stub");
        assert_eq!((&settings["autoupdate"], &settings["share"]), (&json!(false), &json!("disabled")));
        assert_eq!(settings["permission"]["external_directory"], "deny");
        for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"] {
            assert!(env[variable].as_str().unwrap().contains("/opencode/"), "{variable}");
        }
        assert_eq!(env["OPENCODE_DISABLE_PROJECT_CONFIG"], "1");
        let npmrc = format!("{}/opencode/.npmrc", env["XDG_CONFIG_HOME"].as_str().unwrap());
        assert_eq!(std::fs::read_to_string(npmrc).unwrap(), "offline=true\n");
        let called = scene.called();
        assert_eq!(called.last().unwrap(), "POST /instance/dispose");
        assert!(!called.iter().any(|what| what.starts_with("401")), "{called:?}");
        assert_nothing_left(&scene).await;
        password
    };
    assert_ne!(passwords().await, passwords().await);
}

#[tokio::test]
async fn a_role_that_does_not_write_is_given_neither_edits_nor_commands() {
    for role in [Role::Plan, Role::Explore, Role::Review] {
        let mut scene = Scene::fake(&script());
        scene.order.role = role;
        scene.run().await.unwrap();
        let denied = scene.call("POST /session")["body"]["permission"].to_string();
        assert!(
            ["edit", "bash", "task"].iter().all(|tool| denied.contains(&format!("\"{tool}\""))),
            "{denied}"
        );
        let prompt = scene.call(&format!("POST /session/{SESSION}/prompt_async"));
        assert_eq!(prompt["body"]["agent"], "plan");
        let env = &scene.logged()[0]["env"]["OPENCODE_CONFIG_CONTENT"];
        let settings: Value = serde_json::from_str(env.as_str().unwrap()).unwrap();
        for place in [&settings["permission"], &settings["agent"]["plan"]["permission"]] {
            assert_eq!((&place["edit"], &place["bash"]), (&json!("deny"), &json!("deny")), "{settings}");
        }
    }
}

#[tokio::test]
async fn an_operators_login_is_lent_and_a_renewed_one_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let mut scene = Scene::fake(&script());
    let login = scene.root.path().join("auth.json");
    std::fs::write(&login, "{\"stub\":1}").unwrap();
    scene.setup.login = Some(login);
    scene.run().await.unwrap();
    let data = scene.logged()[0]["env"]["XDG_DATA_HOME"].as_str().unwrap().to_owned();
    let copy = std::path::PathBuf::from(data).join("opencode/auth.json");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "{\"stub\":1}");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&copy, "{\"stub\":2}").unwrap();
    scene.run().await.unwrap();
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "{\"stub\":2}");
}

#[tokio::test]
async fn what_a_command_of_an_earlier_start_left_in_its_settings_is_gone() {
    let scene = Scene::fake(&script());
    scene.run().await.unwrap();
    let env = scene.logged()[0]["env"].clone();
    let place = |variable: &str| std::path::PathBuf::from(env[variable].as_str().unwrap());
    let traps = [
        place("XDG_CONFIG_HOME").join("opencode/plugin/evil.ts"),
        place("XDG_CONFIG_HOME").join("opencode/opencode.json"),
        place("XDG_CACHE_HOME").join("opencode/node_modules/evil/index.js"),
    ];
    let conversation = place("XDG_DATA_HOME").join("opencode/storage/session");
    for file in traps.iter().chain([&conversation]) {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "trap").unwrap();
    }
    scene.run().await.unwrap();
    assert!(traps.iter().all(|trap| !trap.exists()), "{traps:?}");
    assert!(conversation.is_file());
}

#[tokio::test]
async fn without_the_network_behind_a_wall_there_is_no_server_to_speak_to() {
    let mut scene = Scene::fake(&script());
    scene.order.confinement.network = false;
    scene.tier = Tier::Bubblewrap;
    let refused = scene.run().await.unwrap_err();
    assert!(
        matches!(&refused, WorkerError::Unavailable(why) if why.contains("give the run the network")),
        "{refused}"
    );
    scene.tier = Tier::Open;
    scene.order.model = Some("no-provider".to_owned());
    let refused = scene.run().await.unwrap_err();
    assert!(matches!(&refused, WorkerError::Unavailable(why) if why.contains("provider/model")), "{refused}");
}

#[tokio::test]
async fn a_server_that_dies_or_says_nothing_is_no_success() {
    let mut scene = Scene::fake(&Script { busy: true, ..Script::default() });
    scene.order.limits.silence = Some(Duration::from_secs(2));
    scene.patience.poll = Duration::from_secs(30);
    scene.patience.look = Duration::from_secs(30);
    let report = scene.run().await.unwrap();
    assert_eq!(report.evidence.limit, Some(LimitKind::Silence), "{}", report.evidence.message);
    let scene = Scene::fake(&Script { busy: true, ..Script::default() });
    let started = scene.heard.started.clone();
    let calls = scene.path("calls");
    let (report, ()) = tokio::join!(scene.run(), async {
        until("the prompt is in", || {
            std::fs::read_to_string(&calls).is_ok_and(|text| text.contains("prompt_async"))
        })
        .await;
        let pid = started.lock().unwrap()[0].pid;
        super::agent_opencode_world::kill(pid);
    });
    assert_eq!(class(&report.unwrap()).0, OutcomeClass::Killed);
}

#[tokio::test]
async fn a_context_that_overflows_ends_the_run_at_once() {
    let error = json!({"name": "ContextOverflowError", "data": {"message": "too long"}});
    let failed = event("session.error", json!({"sessionID": "SES", "error": error}));
    let scene = Scene::fake(&Script { events: vec![failed], busy: true, ..Script::default() });
    let report = scene.run().await.unwrap();
    assert_eq!(class(&report), (OutcomeClass::AgentError, Some(Trouble::ContextOverflow)));
    assert!(scene.called().contains(&format!("POST /session/{SESSION}/abort")));
}

#[tokio::test]
async fn an_answer_in_a_given_form_is_asked_for_and_is_the_last_message() {
    let mut structured = info("tool-calls");
    structured["structured"] = json!({"ok": true});
    let events = vec![event("message.updated", json!({"info": structured})), idle()];
    let mut scene = Scene::fake(&Script { events, ..Script::default() });
    scene.order.output_schema = Some("{\"type\":\"object\"}".to_owned());
    let report = scene.run().await.unwrap();
    assert_eq!((report.outcome, report.last_message.as_str()), (AttemptOutcome::Succeeded, "{\"ok\":true}"));
    let format = scene.call(&format!("POST /session/{SESSION}/prompt_async"))["body"]["format"].clone();
    assert_eq!(format, json!({"type": "json_schema", "schema": {"type": "object"}}));
}
