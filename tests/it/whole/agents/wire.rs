//! The scripted model itself, asked over a plain socket: the tests of the agents rest on what it says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::model::{Act, Answer, Client, Fault, Model, Reply, Rule, Times};

/// Sends a request and gives all that comes back.
fn ask(model: &Model, path: &str, body: &Value) -> String {
    let mut socket = send(model, path, body);
    let mut answer = String::new();
    let _until_the_end = socket.read_to_string(&mut answer);
    answer
}

fn send(model: &Model, path: &str, body: &Value) -> TcpStream {
    let mut socket = TcpStream::connect(model.url().trim_start_matches("http://")).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nauthorization: Bearer hush\r\nthread-id: t1\r\ncontent-length: {}",
        body.len()
    );
    write!(socket, "{head}\r\n\r\n{body}").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn said(role: &str, text: &str) -> Value {
    json!([{"role": role, "content": text}])
}

/// A request of each protocol, with a shell and something to edit with.
fn requests() -> [(Client, &'static str, Value); 3] {
    [
        (
            Client::Codex,
            "/v1/responses",
            json!({"model": "m", "stream": true, "input": said("user", "please"),
            "tools": [{"type": "function", "name": "exec_command"}, {"type": "custom", "name": "apply_patch"}]}),
        ),
        (
            Client::Claude,
            "/v1/messages?beta=true",
            json!({"model": "m", "stream": true,
            "messages": said("user", "please"), "tools": [{"name": "Bash"}, {"name": "Edit"}]}),
        ),
        (
            Client::Opencode,
            "/v1/chat/completions",
            json!({"model": "m", "stream": true,
            "messages": said("user", "please"),
            "tools": [{"function": {"name": "bash"}}, {"function": {"name": "edit"}}]}),
        ),
    ]
}

#[test]
fn an_answer_is_told_in_each_protocol_and_the_credential_is_not_kept() {
    for (client, path, mut body) in requests() {
        let edit = Act::Edit { path: "a".to_owned(), old: "41\n".to_owned(), new: "42\n".to_owned() };
        let acts = vec![Act::Command("make check".to_owned()), edit];
        let reply = Answer::Reply(Reply { text: "Look.".to_owned(), acts, ..Reply::default() });
        let model = Model::start(client, vec![reply, Answer::text("Done.")]);
        let first = ask(&model, path, &body);
        // The Messages protocol does not count what came from a cache as input.
        let input = if client == Client::Claude { "400" } else { "1000" };
        for part in ["HTTP/1.1 200", "text/event-stream", "Look.", "make check", "42", input] {
            assert!(first.contains(part), "{path}: no {part}: {first}");
        }
        body["stream"] = json!(false);
        let second = ask(&model, path, &body);
        assert!(second.contains("Done.") && !second.contains("event-stream"), "{second}");
        let asked = model.asked();
        assert_eq!(asked.len(), 2);
        assert!(path.contains(asked[0].protocol), "{path}: {}", asked[0].protocol);
        assert!(asked[0].has_auth && asked[0].is_streamed && !asked[1].is_streamed);
        assert_eq!((asked[0].prompt.as_str(), asked[0].model.as_str()), ("please", "m"));
        assert_eq!((asked[0].tools.len(), asked[0].conversation.as_str()), (2, "t1"));
        assert!(!format!("{asked:?}").contains("hush"), "the credential is nowhere");
    }
}

#[test]
fn a_fault_happens_so_many_times_and_then_the_script_goes_on() {
    for (client, path, body) in requests() {
        let faults = [
            (Fault::Status(401), "HTTP/1.1 401"),
            (Fault::Status(500), "HTTP/1.1 500"),
            (Fault::RetryAfter(7), "retry-after: 7"),
            (Fault::Exhausted { kind: "insufficient_quota", resets_at: 0 }, "insufficient_quota"),
            (Fault::Exhausted { kind: "usage_limit_reached", resets_at: 123_456 }, "123456"),
            (Fault::Garbage, "<html>"),
            (Fault::GarbageEvents, "nonsense"),
        ];
        for (fault, sign) in faults {
            let model = Model::start(
                client,
                vec![Answer::Fault(fault.clone(), Times::Count(2)), Answer::text("On.")],
            );
            for _ in 0..2 {
                let answer = ask(&model, path, &body);
                // A byte that is no text may end the reading.
                assert!(answer.contains(sign) || fault == Fault::GarbageEvents, "{path} {fault:?}: {answer}");
            }
            assert!(ask(&model, path, &body).contains("On."), "{path} {fault:?}");
        }
    }
}

#[test]
fn a_stream_that_is_cut_has_no_end_and_one_that_stalls_stays_open() {
    for (client, path, body) in requests() {
        let answers = [Fault::Cut, Fault::Stall].map(|fault| Answer::Fault(fault, Times::Count(1)));
        let model = Model::start(client, answers.to_vec());
        let cut = ask(&model, path, &body);
        assert!(cut.contains("This will not") && !cut.ends_with("0\r\n\r\n"), "{cut}");
        let mut stalled = send(&model, path, &body);
        stalled.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut text = Vec::new();
        let end = stalled.read_to_end(&mut text);
        assert!(end.is_err(), "the connection is open");
        assert!(String::from_utf8_lossy(&text).contains("This will not"));
    }
}

#[test]
fn a_server_that_is_dropped_ends_whoever_waits() {
    let (client, path, body) = requests()[0].clone();
    let model = Model::start(client, vec![Answer::Fault(Fault::Hang, Times::Always)]);
    let mut waits = send(&model, path, &body);
    let begun = Instant::now();
    while model.asked().is_empty() {
        std::thread::yield_now();
    }
    drop(model);
    let mut nothing = Vec::new();
    let _ended = waits.read_to_end(&mut nothing);
    assert!(nothing.is_empty() && begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn each_question_has_its_own_answers() {
    let (client, path, mut body) = requests()[1].clone();
    let rule = |when, text| Rule { when, answers: vec![Answer::text(text)] };
    let model = Model::with_rules(client, vec![rule("plan", "A plan."), rule("", "A deed.")]);
    assert!(ask(&model, path, &body).contains("A deed."));
    assert!(ask(&model, path, &body).contains("nothing more to do"));
    body["messages"] = said("user", "please plan it");
    assert!(ask(&model, path, &body).contains("A plan."));
}
