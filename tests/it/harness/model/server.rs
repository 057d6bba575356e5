//! The server: its threads, its script's positions, its record of what was asked.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::call::{Call, call_for, words_for};
use super::http::{Request, Wire};
use super::{Answer, Asked, Client, Reply, Rule, Times, Used, chat, fault, messages, responses};

/// Connections at once; the busiest agent has four.
const MOST_CONNECTIONS: usize = 64;

/// Headers in which clients name their conversation.
const CONVERSATION: [&str; 3] = ["x-claude-code-session-id", "thread-id", "x-session-affinity"];

/// Headers in which a credential comes.
const CREDENTIAL: [&str; 3] = ["authorization", "x-api-key", "api-key"];

/// A running server. Dropping it ends its threads, whatever they wait for.
pub(crate) struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepts: Option<JoinHandle<()>>,
}

struct Shared {
    client: Client,
    rules: Vec<Rule>,
    /// By rule and conversation: the next answer, and how often a fault there was served.
    places: Mutex<BTreeMap<(usize, String), (usize, u32)>>,
    asked: Mutex<Vec<Asked>>,
    open: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
    ids: AtomicU64,
}

impl Model {
    /// Starts a server that gives `client` these answers in every conversation.
    pub(crate) fn start(client: Client, answers: Vec<Answer>) -> Self {
        Self::with_rules(client, vec![Rule { when: "", answers }])
    }

    /// Starts a server whose answers depend on what is asked.
    pub(crate) fn with_rules(client: Client, rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            client,
            rules,
            places: Mutex::default(),
            asked: Mutex::default(),
            open: Mutex::default(),
            stop: AtomicBool::new(false),
            ids: AtomicU64::new(1),
        });
        let own = Arc::clone(&shared);
        let accepts = std::thread::spawn(move || accept(&listener, &own));
        Self { address, shared, accepts: Some(accepts) }
    }

    /// Its address, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address to give to its client, in the form that one wants.
    pub(crate) fn base_url(&self) -> String {
        match self.shared.client {
            Client::Claude => self.url(),
            Client::Codex | Client::Opencode | Client::Aider => format!("{}/v1", self.url()),
        }
    }

    /// Every request of the story so far, titles and the like left out.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(self.address);
        if let Some(accepts) = self.accepts.take() {
            let _ended = accepts.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for socket in listener.incoming() {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let Ok(socket) = socket else { continue };
        if threads.len() >= MOST_CONNECTIONS {
            continue;
        }
        if let Ok(handle) = socket.try_clone() {
            let mut open = shared.open.lock().unwrap();
            open.retain(|socket| socket.peer_addr().is_ok());
            open.push(handle);
        }
        let own = Arc::clone(shared);
        // A client that goes away in the middle is no news: agents are killed here all the time.
        threads.push(std::thread::spawn(move || drop(own.serve(Wire::new(socket, &own.stop)))));
    }
    for socket in shared.open.lock().unwrap().drain(..) {
        let _ended = socket.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ended = thread.join();
    }
}

impl Shared {
    fn serve(&self, mut wire: Wire<'_>) -> std::io::Result<()> {
        let request = wire.request()?;
        let path = request.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        if path.ends_with("/count_tokens") {
            return wire.json(200, &[], &json!({"input_tokens": request.body.len() / 4 + 1}));
        }
        if path.ends_with("/models") {
            return wire.json(200, &[], &json!({"object": "list", "data": [], "has_more": false}));
        }
        let protocol = Protocol::of(path).filter(|_| request.method == "POST");
        let body = serde_json::from_slice::<Value>(&request.body).ok();
        let (Some(protocol), Some(body)) = (protocol, body) else {
            let nothing = json!({"error": {"type": "not_found_error", "message": "not served here"}});
            let nothing = if request.method == "HEAD" { String::new() } else { nothing.to_string() };
            return wire.whole(404, "application/json", &[], nothing.as_bytes());
        };
        let asked = protocol.understand(body, &request);
        if self.client.asks_aside(&asked) {
            return answer(&mut wire, protocol, &asked, &Bound::words("a title", &asked));
        }
        let next = self.next(&asked);
        let bound = match &next {
            Answer::Reply(reply) => Some(Bound::new(reply, &asked, self)),
            Answer::Fault(..) => None,
        };
        self.asked.lock().unwrap().push(asked.clone());
        match (next, bound) {
            (Answer::Fault(kind, _), _) => fault::serve(&kind, &mut wire, protocol, &asked),
            (Answer::Reply(_), Some(bound)) => answer(&mut wire, protocol, &asked, &bound),
            (Answer::Reply(_), None) => Ok(()),
        }
    }

    /// The answer of the script, and the step past it.
    fn next(&self, asked: &Asked) -> Answer {
        let at = self.rules.iter().position(|rule| asked.prompt.contains(rule.when));
        let Some(at) = at else { return Answer::text("No answer is written for this.") };
        let mut places = self.places.lock().unwrap();
        let (index, served) = places.entry((at, asked.conversation.clone())).or_default();
        let Some(answer) = self.rules[at].answers.get(*index) else {
            return Answer::text("There is nothing more to do.");
        };
        *served += 1;
        let is_over = match answer {
            Answer::Reply(_) => true,
            Answer::Fault(_, Times::Count(times)) => *served >= *times,
            Answer::Fault(_, Times::Always) => false,
        };
        if is_over {
            (*index, *served) = (*index + 1, 0);
        }
        answer.clone()
    }
}

fn answer(wire: &mut Wire<'_>, protocol: Protocol, asked: &Asked, bound: &Bound) -> std::io::Result<()> {
    if !asked.is_streamed {
        return wire.json(200, &[], &protocol.whole(bound));
    }
    wire.begin_stream()?;
    for event in protocol.stream(bound) {
        wire.chunk(&event.bytes())?;
    }
    wire.chunk(b"")
}

/// An answer made for one request.
pub(super) struct Bound {
    pub model: String,
    pub text: String,
    pub calls: Vec<Call>,
    pub used: Used,
    /// The answer's own id; ids of its parts begin with what they are.
    pub answer: String,
    parts: AtomicU64,
}

impl Bound {
    fn new(reply: &Reply, asked: &Asked, shared: &Shared) -> Self {
        let mut bound = Self::words(&reply.text, asked);
        bound.answer = format!("answer_{}", shared.ids.fetch_add(1, Ordering::Relaxed));
        bound.used = reply.used;
        for act in &reply.acts {
            match call_for(act, asked) {
                Some(call) => bound.calls.push(call),
                None => bound.text += &words_for(act),
            }
        }
        bound
    }

    /// Words, and nothing else.
    pub(super) fn words(text: &str, asked: &Asked) -> Self {
        Self {
            model: asked.model.clone(),
            text: text.to_owned(),
            calls: Vec::new(),
            used: Used::default(),
            answer: "answer_0".to_owned(),
            parts: AtomicU64::new(0),
        }
    }

    /// A fresh id.
    pub(super) fn id(&self, kind: &str) -> String {
        format!("{kind}_{}_{}", self.answer, self.parts.fetch_add(1, Ordering::Relaxed))
    }
}

/// One event of a stream.
pub(super) struct Event {
    pub name: Option<String>,
    pub data: String,
}

impl Event {
    /// An event whose name is its `type`.
    pub(super) fn named_by_type(data: &Value) -> Self {
        Self { name: data["type"].as_str().map(str::to_owned), data: data.to_string() }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let name = self.name.as_ref().map(|name| format!("event: {name}\n")).unwrap_or_default();
        format!("{name}data: {}\n\n", self.data).into_bytes()
    }
}

/// What a client speaks, by the path it asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    Responses,
    Messages,
    Chat,
}

impl Protocol {
    fn of(path: &str) -> Option<Self> {
        match path.rsplit('/').next()? {
            "responses" => Some(Self::Responses),
            "messages" => Some(Self::Messages),
            "completions" => Some(Self::Chat),
            _ => None,
        }
    }

    fn understand(self, body: Value, request: &Request) -> Asked {
        let (protocol, tools, prompt) = match self {
            Self::Responses => ("responses", responses::tools(&body), responses::prompt(&body)),
            Self::Messages => ("messages", messages::tools(&body), messages::prompt(&body)),
            Self::Chat => ("chat", chat::tools(&body), chat::prompt(&body)),
        };
        let came = |name: &&str| request.header(name).is_some_and(|value| !value.is_empty());
        let conversation = CONVERSATION.iter().find_map(|name| request.header(name)).unwrap_or_default();
        Asked {
            protocol,
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            prompt,
            tools,
            is_streamed: body["stream"] == true,
            has_auth: CREDENTIAL.iter().any(came),
            conversation: conversation.to_owned(),
            body,
        }
    }

    pub(super) fn stream(self, bound: &Bound) -> Vec<Event> {
        match self {
            Self::Responses => responses::stream(bound),
            Self::Messages => messages::stream(bound),
            Self::Chat => chat::stream(bound),
        }
    }

    fn whole(self, bound: &Bound) -> Value {
        match self {
            Self::Responses => responses::whole(bound),
            Self::Messages => messages::whole(bound),
            Self::Chat => chat::whole(bound),
        }
    }

    pub(super) fn refusal(self, status: u16, kind: Option<&str>) -> Value {
        match self {
            Self::Messages => messages::refusal(status, kind),
            Self::Responses | Self::Chat => responses::refusal(status, kind),
        }
    }
}
