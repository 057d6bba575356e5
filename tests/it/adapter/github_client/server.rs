//! A GitHub of a few words: answers that were written down before, in their order, and a note of what came.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use serde_json::Value;

/// What is done with one request.
#[derive(Debug)]
pub(super) enum Act {
    /// A whole answer.
    Say(u16, Vec<(String, String)>, String),
    /// The request is read and the connection is cut.
    Cut,
    /// An answer that ends before its length.
    Half(u16),
    /// Silence until the server is gone.
    Hang,
    /// The answer waits until [`Server::let_go`].
    Held(u16),
}

/// A JSON answer.
pub(super) fn say(status: u16, body: &Value) -> Act {
    Act::Say(status, Vec::new(), body.to_string())
}

/// A JSON answer with headers.
pub(super) fn say_with(status: u16, headers: &[(&str, &str)], body: &Value) -> Act {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Act::Say(status, headers, body.to_string())
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub verb: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
}

impl Came {
    /// The values of a header, by its name in lower case.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let own = self.headers.iter().filter(|(own, _)| own == name);
        own.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

#[derive(Default)]
struct State {
    acts: VecDeque<Act>,
    came: Vec<Came>,
    is_free: bool,
    open: Vec<TcpStream>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
}

/// The server; it ends when it is dropped.
pub(super) struct Server {
    shared: Arc<Shared>,
    port: u16,
}

impl Server {
    /// A server that answers in this order, and `{}` after that.
    pub(super) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        shared.lock().acts.extend(acts);
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if own.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                own.lock().open.push(socket.try_clone().unwrap());
                let own = Arc::clone(&own);
                std::thread::spawn(move || serve(&own, socket));
            }
        });
        Self { shared, port }
    }

    /// The base of its API, as a GitHub Enterprise server has it.
    pub(super) fn api(&self) -> String {
        format!("http://127.0.0.1:{}/api/v3", self.port)
    }

    /// The same server by another name.
    pub(super) fn elsewhere(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Writes down more answers.
    pub(super) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.shared.lock().acts.extend(acts);
    }

    /// What came so far.
    pub(super) fn came(&self) -> Vec<Came> {
        self.shared.lock().came.clone()
    }

    /// Waits until so many requests came.
    pub(super) fn wait_for(&self, number: usize) {
        let state = self.shared.lock();
        let _state = self.shared.changed.wait_while(state, |state| state.came.len() < number).unwrap();
    }

    /// Answers what was held.
    pub(super) fn let_go(&self) {
        self.shared.lock().is_free = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.let_go();
        for socket in &self.shared.lock().open {
            let _gone = socket.shutdown(Shutdown::Both);
        }
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(shared: &Shared, mut socket: TcpStream) {
    let mut input = BufReader::new(socket.try_clone().unwrap());
    while let Some(came) = request(&mut input) {
        let act = {
            let mut state = shared.lock();
            state.came.push(came);
            shared.changed.notify_all();
            state.acts.pop_front()
        };
        let written = match act {
            Some(Act::Say(status, headers, body)) => answer(&mut socket, status, &headers, &body, body.len()),
            Some(Act::Cut) => break,
            Some(Act::Half(status)) => {
                let _half = answer(&mut socket, status, &[], "{\"a\": [1", 1_000);
                break;
            }
            Some(Act::Hang) => {
                let mut end = [0];
                let _gone = input.read(&mut end);
                break;
            }
            Some(Act::Held(status)) => {
                let state = shared.lock();
                drop(shared.changed.wait_while(state, |state| !state.is_free).unwrap());
                answer(&mut socket, status, &[], "{}", 2)
            }
            None => answer(&mut socket, 200, &[], "{}", 2),
        };
        if written.is_err() {
            break;
        }
    }
    let _gone = socket.shutdown(Shutdown::Both);
}

fn request(input: &mut BufReader<TcpStream>) -> Option<Came> {
    let mut first = String::new();
    input.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (verb, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    input.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Came { verb, path, headers, body, at: Instant::now() })
}

fn answer(
    socket: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
    body: &str,
    length: usize,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    if status != 304 {
        text.extend(["content-type: application/json\r\ncontent-length: ", &length.to_string(), "\r\n"]);
    }
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text += "\r\n";
    if status != 304 {
        text += body;
    }
    socket.write_all(text.as_bytes())
}
