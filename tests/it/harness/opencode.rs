//! A server that speaks as opencode's does, on a port of the system's choice: it answers by a script and remembers every call.
//!
//! Real HTTP on plain sockets. Used in the tests' own process, and as the program `fake-opencode`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64::Engine;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What it answers. In events and messages, `SES` stands for the session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Script {
    /// The password it wants; its user is `opencode`.
    pub(crate) password: Option<String>,
    /// It never says that it is healthy.
    pub(crate) unhealthy: bool,
    /// It takes a model in one word only.
    pub(crate) model_in_one: bool,
    /// Sessions that are there from the beginning.
    pub(crate) sessions: Vec<String>,
    /// Their messages.
    pub(crate) before: Vec<Value>,
    /// Events sent, before the answer to a prompt, to whoever has subscribed by then.
    pub(crate) events: Vec<Value>,
    /// The first stream ends after so many of them, the second after so many more, ...
    pub(crate) cuts: Vec<usize>,
    /// Streams have heartbeats only.
    pub(crate) mute: bool,
    /// No stream is to be had.
    pub(crate) no_stream: bool,
    /// What is read as messages after a prompt, besides those before.
    pub(crate) messages: Vec<Value>,
    /// The files a turn changed.
    pub(crate) diff: Value,
    /// The session is busy after a prompt, and goes on to be until it is aborted.
    pub(crate) busy: bool,
    /// What the program `fake-opencode` prints before it listens, in bytes.
    pub(crate) noise: usize,
    /// It prints no address.
    pub(crate) silent: bool,
    /// It ends with this code instead of listening.
    pub(crate) exit: Option<u8>,
    /// A file to which it writes its arguments, its environment and every call, one JSON a line.
    pub(crate) log: Option<String>,
    /// At a prompt it starts a program in a session of its own, and writes its process id to this file.
    pub(crate) child: Option<String>,
}

/// One call it got.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    /// `POST /session`.
    pub(crate) what: String,
    /// What stands behind the question mark.
    pub(crate) query: String,
    /// Its body.
    pub(crate) body: Value,
}

/// A server that runs until the process ends.
#[derive(Clone)]
pub(crate) struct FakeServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Script,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    queue: VecDeque<String>,
    streams: usize,
    open: usize,
    is_prompted: bool,
    is_aborted: bool,
}

/// The session it makes.
pub(crate) const SESSION: &str = "ses_new1";

impl FakeServer {
    /// Starts one.
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { script, state: Mutex::default(), changed: Condvar::new() });
        let server = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        server
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.state.lock().unwrap().calls.clone()
    }

    /// What was called, in order.
    pub(crate) fn called(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.what).collect()
    }
}

impl Shared {
    /// Serves one connection, request after request.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        while let Some((call, login)) = read(&mut reader) {
            let wanted = self.script.password.as_ref().map(|password| format!("opencode:{password}"));
            if wanted.is_some() && wanted != login {
                self.note(Call { what: format!("401 {}", call.what), ..call });
                answer(&mut writer, 401, &json!({"name": "UnauthorizedError"}));
                continue;
            }
            self.note(call.clone());
            if call.what == "GET /event" && !self.script.no_stream {
                self.stream(&mut writer);
                return;
            }
            let (status, body) = self.reply(&call);
            answer(&mut writer, status, &body);
        }
    }

    fn note(&self, call: Call) {
        if let Some(log) = &self.script.log {
            append(log, &serde_json::to_value(&call).unwrap());
        }
        self.state.lock().unwrap().calls.push(call);
    }

    fn reply(&self, call: &Call) -> (u16, Value) {
        let (is_prompted, is_aborted) = {
            let state = self.state.lock().unwrap();
            (state.is_prompted, state.is_aborted)
        };
        let known = |id: &str| id == SESSION || self.script.sessions.iter().any(|known| known == id);
        let parts: Vec<&str> = call.what.split(['/', ' ']).filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["GET", "global", "health"] => {
                (if self.script.unhealthy { 503 } else { 200 }, json!({"healthy": !self.script.unhealthy}))
            }
            ["POST", "session"] => (200, json!({"id": SESSION})),
            ["GET", "session", "status"] if is_prompted && self.script.busy && !is_aborted => {
                (200, json!({SESSION: {"type": "busy"}}))
            }
            ["GET", "session", "status"] => (200, json!({})),
            ["GET", "session", id] if known(id) => (200, json!({"id": id})),
            ["GET", "session", id, "message"] if known(id) => {
                let mut messages = self.script.before.clone();
                if is_prompted {
                    messages.extend(self.script.messages.clone());
                }
                (200, filled(&Value::Array(messages), id))
            }
            ["GET", "session", id, "diff"] if known(id) => (200, self.script.diff.clone()),
            ["POST", "session", id, "prompt_async"] if known(id) => self.prompt(id, &call.body),
            ["POST", "session", id, "abort"] if known(id) => {
                self.state.lock().unwrap().is_aborted = true;
                (200, json!(true))
            }
            ["GET", "permission" | "question"] => (200, json!([])),
            ["POST", "permission" | "question", ..] | ["POST", "instance", "dispose"] => (200, json!(true)),
            _ => (404, json!({"name": "NotFoundError", "data": {"message": "no such thing"}})),
        }
    }

    fn prompt(&self, session: &str, body: &Value) -> (u16, Value) {
        if self.script.model_in_one && body["model"].is_object() {
            return (400, json!({"name": "BadRequest"}));
        }
        if let Some(file) = &self.script.child {
            start_child(file);
        }
        let mut state = self.state.lock().unwrap();
        state.is_prompted = true;
        if state.open > 0 && !self.script.mute {
            state.queue.extend(self.script.events.iter().map(|event| filled(event, session).to_string()));
        }
        self.changed.notify_all();
        (204, Value::Null)
    }

    /// Sends what is in the queue, and heartbeats, until it is to be cut.
    fn stream(&self, writer: &mut TcpStream) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let mut send = |text: &str| writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).is_ok();
        if !send(head) || !send("data: {\"type\":\"server.connected\",\"properties\":{}}\n\n") {
            return;
        }
        let mut state = self.state.lock().unwrap();
        let cut = self.script.cuts.get(state.streams).copied();
        state.streams += 1;
        state.open += 1;
        let mut sent = 0;
        while cut.is_none_or(|cut| sent < cut) {
            let went_out = match state.queue.pop_front() {
                Some(event) => {
                    sent += 1;
                    send(&format!("data: {event}\n\n"))
                }
                None => send("data: {\"type\":\"server.heartbeat\",\"properties\":{}}\n\n"),
            };
            if !went_out {
                break;
            }
            if state.queue.is_empty() {
                state = self.changed.wait_timeout(state, Duration::from_millis(20)).unwrap().0;
            }
        }
        // A stream that is cut does not stop counting: what comes later waits for the next one.
        if cut.is_none() {
            state.open -= 1;
        }
    }
}

/// The value with the session put in.
fn filled(value: &Value, session: &str) -> Value {
    serde_json::from_str(&value.to_string().replace("SES", session)).unwrap()
}

/// Adds a line to a file.
pub(crate) fn append(file: &str, line: &Value) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "an agent's commands are programs of their own")]
fn start_child(file: &str) {
    let mut child = std::process::Command::new("setsid").args(["sleep", "300"]).spawn().unwrap();
    std::fs::write(file, child.id().to_string()).unwrap();
    std::thread::spawn(move || child.wait());
}

/// Reads a request, and whom it comes from.
fn read(reader: &mut BufReader<TcpStream>) -> Option<(Call, Option<String>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut login) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => {
                let encoded = value.strip_prefix("Basic ")?;
                login =
                    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok();
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some((Call { what: format!("{method} {path}"), query: query.to_owned(), body }, login))
}

fn answer(writer: &mut TcpStream, status: u16, body: &Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let _gone = writer.write_all(format!("{head}{body}").as_bytes());
}
