//! Drives one session: subscribe, prompt, listen, judge. Where the stream of events says nothing, the server is asked instead.
//!
//! Ends by itself only; who drops it must abort the sessions it [`Drive::sessions`] names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::arguments;
use super::client::{CallError, Client, Model, Prompt};
use super::journal::Journal;
use super::protocol::{self, Event, PartKind, Status, ToolState};
use super::signals::{Follower, Next};
use super::stream::{Heard, Stream};
use super::trouble;
use crate::adapters::worker::agent::Stage;
use crate::adapters::worker::recorder::Recorder;
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::signal::{AgentSignal, cut};

/// Time for the first word of a new subscription, which is `server.connected`.
const GREETING: Duration = Duration::from_secs(2);

/// How long a prompt may be handed in without a sign of work or an error.
const BEGINNING: Duration = Duration::from_secs(60);

/// How long a session that began must be idle, when the server is asked, to count as stopped without a last word.
const SETTLING: Duration = Duration::from_secs(5);

/// How long a program may wait for an allowance by itself. It gives up after 70 s, unless it was told to wait longer.
const RETRYING: Duration = Duration::from_secs(180);

/// Calls in a row that may fail before the server counts as gone.
const MOST_FAILURES: u32 = 10;

/// How patient the driver is. The defaults are for real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Time for a server to say its address and be healthy.
    pub health: Duration,
    /// How long a stream that never said anything of the session may stay so before the server is asked.
    pub poll: Duration,
    /// The same for a stream that did.
    pub look: Duration,
    /// Time for aborting and disposing before the server is ended.
    pub farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            health: Duration::from_secs(20),
            poll: Duration::from_secs(2),
            look: Duration::from_secs(15),
            farewell: Duration::from_millis(1_500),
        }
    }
}

/// How a drive ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Driven {
    /// With a judgement.
    Done(Judgement),
    /// By a halt or a stop.
    Halted,
    /// At its time limit.
    TimedOut,
    /// Because nothing happened for as long as the limit on silence allows.
    Silent,
}

/// One session on one server.
pub(super) struct Drive<'a> {
    /// What is asked.
    pub(super) stage: &'a Stage<'a>,
    /// Takes the signals.
    pub(super) recorder: &'a Recorder,
    /// The server.
    pub(super) client: &'a Client,
    /// The model.
    pub(super) model: Option<&'a Model>,
    /// Takes the events.
    pub(super) journal: &'a Journal,
    /// How patient it is.
    pub(super) patience: Patience,
    /// Time without activity after which it ends; `None` where somebody else watches for that.
    pub(super) silence: Option<Duration>,
    /// The sessions that were begun, to be aborted by whoever ends it.
    pub(super) sessions: Arc<Mutex<BTreeSet<String>>>,
}

/// What is known while it goes on.
struct Course {
    follower: Follower,
    session: String,
    stream: Stream,
    asked_at: Instant,
    /// When something was last heard of the session.
    active_at: Instant,
    /// Whether this stream has said anything of the session.
    is_proven: bool,
    retrying_since: Option<Instant>,
    /// Since when the server calls the session idle, when it is asked.
    idle_since: Option<Instant>,
    failures: u32,
}

impl Drive<'_> {
    /// Drives it to its end.
    pub(super) async fn run(&self) -> Driven {
        match self.converse().await {
            Ok(driven) => driven,
            Err(err) => Driven::Done(judged(self.client, &err)),
        }
    }

    async fn converse(&self) -> Result<Driven, CallError> {
        let order = self.stage.order;
        let (session, is_old) = self.session().await?;
        self.tell(&[AgentSignal::Session { id: session.clone() }]);
        let mut follower = Follower::new(&session, order.role.writes());
        if is_old {
            for message in self.client.messages(&session).await? {
                follower.forget(&protocol::message(&message["info"]));
            }
        }
        // Before the prompt: what is told to nobody is lost.
        let mut stream = Stream::open(self.client).await;
        if stream.is_open() {
            let _greeting = timeout(GREETING, stream.next(self.client)).await;
        }
        let schema = order.output_schema.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let prompt = Prompt {
            text: &order.prompt,
            agent: arguments::agent(order.role),
            model: self.model,
            variant: self.stage.setup.effort.as_deref(),
            schema,
        };
        self.client.prompt(&session, &prompt).await?;
        let now = Instant::now();
        let course = Course {
            follower,
            session,
            stream,
            asked_at: now,
            active_at: now,
            is_proven: false,
            retrying_since: None,
            idle_since: None,
            failures: 0,
        };
        self.listen(course).await
    }

    /// The session to go on with where it is still there, else a new one.
    async fn session(&self) -> Result<(String, bool), CallError> {
        if let Some(id) = self.stage.resume() {
            if self.client.has_session(id).await? {
                self.remember(id);
                return Ok((id.to_owned(), true));
            }
            let message = format!("the session `{id}` is not there any more; a new one is begun");
            self.recorder.take(&[AgentSignal::Warning { message }]);
        }
        let title = format!("agentpr {} {}", self.stage.order.run, self.stage.order.attempt);
        let id = self.client.create_session(&title, arguments::denied(self.stage.order.role)).await?;
        self.remember(&id);
        Ok((id, false))
    }

    fn remember(&self, id: &str) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    fn tell(&self, signals: &[AgentSignal]) {
        self.recorder.take(signals);
        if let Some(session) = self.recorder.new_session() {
            self.stage.listener.session(&session);
        }
    }

    async fn listen(&self, mut course: Course) -> Result<Driven, CallError> {
        let mut ticks = interval(self.patience.poll.min(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ended = tokio::select! {
                heard = course.stream.next(self.client) => match heard {
                    Heard::Payloads(payloads) => self.hear(&mut course, payloads).await,
                    Heard::Joined => {
                        // What was said in between is read as a whole.
                        course.is_proven = false;
                        self.poll(&mut course).await?
                    }
                },
                _ = ticks.tick() => self.look(&mut course).await?,
            };
            if let Some(driven) = ended {
                return Ok(driven);
            }
        }
    }

    async fn hear(&self, course: &mut Course, payloads: Vec<Vec<u8>>) -> Option<Driven> {
        for payload in payloads {
            // Whatever the agent's commands print comes this way, too.
            let payload = self.stage.supervisor.redactor().bytes(&payload);
            let event = protocol::event(&payload);
            if course.follower.is_activity(&event) {
                course.active_at = Instant::now();
                course.is_proven = true;
                if !is_partial(&event) {
                    self.journal.event(&payload);
                }
            }
            if let Some(driven) = self.take(course, event).await {
                return Some(driven);
            }
        }
        None
    }

    async fn take(&self, course: &mut Course, event: Event) -> Option<Driven> {
        match &event {
            Event::Status { status: Status::Retry { message, .. }, .. }
                if trouble::is_rate_limit(message) =>
            {
                course.retrying_since.get_or_insert_with(Instant::now);
            }
            Event::Part(part) if !matches!(part.kind, PartKind::Retry { .. }) => course.retrying_since = None,
            _ => {}
        }
        let mut signals = Vec::new();
        let is_new = matches!(event, Event::Created { .. });
        let next = course.follower.take(event, &mut signals);
        self.tell(&signals);
        for session in course.follower.sessions().iter().filter(|_| is_new) {
            self.remember(session);
        }
        let answered = match next {
            Next::Go => return None,
            Next::Idle => {
                // One that comes before any work is about something earlier.
                return if course.follower.has_begun() { Some(self.finish(course).await) } else { None };
            }
            Next::Halt(why) => {
                self.recorder.halt(why);
                return Some(Driven::Halted);
            }
            Next::Answer { id, allow } => self.client.answer(&id, allow).await,
            Next::TurnAway { id } => self.client.turn_away(&id).await,
        };
        if let Err(err) = answered {
            tracing::debug!(%err, "a request of an agent could not be answered");
        }
        None
    }

    /// Looks whether the stream has been silent for too long.
    async fn look(&self, course: &mut Course) -> Result<Option<Driven>, CallError> {
        if course.retrying_since.is_some_and(|since| since.elapsed() > RETRYING) {
            let why = "the model's allowance did not come back while opencode waited for it";
            self.recorder.halt(Judgement::trouble(Trouble::RateLimited, why));
            return Ok(Some(Driven::Halted));
        }
        let quiet = course.active_at.elapsed();
        if self.silence.is_some_and(|most| quiet > most) {
            return Ok(Some(Driven::Silent));
        }
        let is_due = if course.is_proven { quiet >= self.patience.look } else { quiet >= self.patience.poll };
        if is_due { self.poll(course).await } else { Ok(None) }
    }

    /// Asks the server for what its stream does not say.
    async fn poll(&self, course: &mut Course) -> Result<Option<Driven>, CallError> {
        match self.ask(course).await {
            Ok(driven) => {
                course.failures = 0;
                Ok(driven)
            }
            Err(CallError::Refused { status: status @ (401 | 403), body }) => {
                Err(CallError::Refused { status, body })
            }
            Err(err) => {
                course.failures += 1;
                if course.failures >= MOST_FAILURES { Err(err) } else { Ok(None) }
            }
        }
    }

    async fn ask(&self, course: &mut Course) -> Result<Option<Driven>, CallError> {
        let found = self.client.status(&course.session).await?;
        let is_idle = found.is_null() || protocol::status(&found) == Status::Idle;
        if !course.is_proven || is_idle {
            let before = course.follower.weight();
            for event in self.client.waiting().await?.into_iter().chain(self.told(course).await?) {
                if let Some(driven) = self.take(course, event).await {
                    return Ok(Some(driven));
                }
            }
            if course.follower.weight() != before {
                course.active_at = Instant::now();
            }
        }
        if !is_idle {
            course.idle_since = None;
            let event = Event::Status { session: course.session.clone(), status: protocol::status(&found) };
            return Ok(self.take(course, event).await);
        }
        // A session that is about to begin, or is between two steps, may be missing among the busy ones for a moment.
        let idle_for = course.idle_since.get_or_insert_with(Instant::now).elapsed();
        if course.follower.has_settled() || (course.follower.has_begun() && idle_for > SETTLING) {
            return Ok(Some(self.finish(course).await));
        }
        if course.asked_at.elapsed() > BEGINNING {
            let why = "opencode took the prompt and did nothing with it";
            return Ok(Some(Driven::Done(Judgement::trouble(Trouble::Protocol, why))));
        }
        Ok(None)
    }

    /// All messages of the session, as events.
    async fn told(&self, course: &Course) -> Result<Vec<Event>, CallError> {
        let mut events = Vec::new();
        for message in self.client.messages(&course.session).await? {
            events.extend(self.events_of(&message));
        }
        Ok(events)
    }

    fn events_of(&self, message: &Value) -> Vec<Event> {
        let clean = self.stage.supervisor.redactor().text(&message.to_string());
        let message: Value = serde_json::from_str(&clean).unwrap_or_default();
        let parts = message["parts"].as_array().into_iter().flatten();
        let mut events = vec![Event::Message(protocol::message(&message["info"]))];
        events.extend(parts.map(|part| Event::Part(protocol::part(part))));
        events
    }

    /// The files the last turn changed, whoever changed them; nothing when the server does not say.
    async fn changed(&self, session: &str) -> Vec<AgentSignal> {
        let prompt = self.client.messages(session).await.ok().and_then(|messages| {
            let asked = messages.iter().rev().find(|message| message["info"]["role"] == "user")?;
            asked["info"]["id"].as_str().map(str::to_owned)
        });
        let Some(prompt) = prompt else { return Vec::new() };
        match self.client.diff(session, &prompt).await {
            Ok(files) => files
                .into_iter()
                .map(|(path, change)| AgentSignal::FileEdit { path: cut(&path), change })
                .collect(),
            Err(err) => {
                tracing::debug!(%err, "a session's diff cannot be read");
                Vec::new()
            }
        }
    }

    /// The session has stopped: reads it as a whole, so that nothing that a stream lost is missing, and judges.
    async fn finish(&self, course: &mut Course) -> Driven {
        let mut signals = Vec::new();
        match self.told(course).await {
            Ok(events) => {
                for event in events {
                    let _known = course.follower.take(event, &mut signals);
                }
            }
            Err(err) => {
                tracing::warn!(%err, "the messages of a session cannot be read; what was streamed counts");
            }
        }
        course.follower.flush(&mut signals);
        signals.extend(self.changed(&course.session).await);
        let (judgement, words) = course.follower.judge();
        signals.push(AgentSignal::End { ok: judgement.trouble.is_none(), text: words });
        self.tell(&signals);
        Driven::Done(judgement)
    }
}

/// Says whether an event only tells a part of what another one tells whole.
fn is_partial(event: &Event) -> bool {
    match event {
        Event::Delta { .. } => true,
        Event::Part(part) => match &part.kind {
            PartKind::Tool(tool) => {
                tool.state == ToolState::Pending
                    || (tool.state == ToolState::Running && !tool.metadata.is_null())
            }
            _ => false,
        },
        _ => false,
    }
}

/// What a call that failed means.
pub(super) fn judged(client: &Client, err: &CallError) -> Judgement {
    let base = client.base();
    match err.status() {
        Some(status @ (401 | 403)) => Judgement::trouble(
            Trouble::Auth,
            format!(
                "opencode's server at `{base}` answered {status}: its user or password is another one; set \
                 `OPENCODE_SERVER_USERNAME` and `OPENCODE_SERVER_PASSWORD` to what that server was started with"
            ),
        ),
        Some(400..500) => {
            Judgement::trouble(Trouble::Usage, format!("opencode's server at `{base}` refused a call: {err}"))
        }
        Some(_) => {
            Judgement::trouble(Trouble::Server, format!("opencode's server at `{base}` failed: {err}"))
        }
        None => Judgement::trouble(Trouble::Network, format!("opencode's server at `{base}`: {err}")),
    }
}
