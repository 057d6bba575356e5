//! Calls to opencode's server. Every call has a time limit and a cap on what it reads; none goes through a proxy.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::protocol::{self, Event};
use crate::domain::agent::signal::FileChange;

/// Time for one call. All of them answer at once, for a prompt is only handed in.
const CALL: Duration = Duration::from_secs(30);

/// Time to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// Files of a turn that are told; the tree is judged elsewhere.
const MOST_FILES: usize = 200;

/// Bytes of an answer that are read: a long conversation with all its tools' output has some megabytes.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Characters of an error's answer that are shown.
const SHOWN: usize = 300;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// The server refused it.
    #[error("it answered {status}: {body}")]
    Refused {
        /// The status.
        status: u16,
        /// The beginning of its answer.
        body: String,
    },
    /// The server was not reached, or the connection broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// Its answer makes no sense.
    #[error("its answer makes no sense: {0}")]
    Garbled(String),
}

impl CallError {
    /// The status of a refusal.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unreachable(_) | Self::Garbled(_) => None,
        }
    }
}

/// A model as opencode names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    /// The provider.
    pub(super) provider: String,
    /// Its name for the model, which may have slashes of its own.
    pub(super) name: String,
}

impl Model {
    /// Reads `provider/model`.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (provider, name) =
            text.split_once('/').filter(|(left, right)| !left.is_empty() && !right.is_empty())?;
        Some(Self { provider: provider.to_owned(), name: name.to_owned() })
    }
}

/// What is asked of a session.
#[derive(Debug, Clone)]
pub(super) struct Prompt<'a> {
    /// The words.
    pub(super) text: &'a str,
    /// Which of its agents is asked: `build` or `plan`.
    pub(super) agent: &'a str,
    /// The model.
    pub(super) model: Option<&'a Model>,
    /// How much it is to think, in the model's own word.
    pub(super) variant: Option<&'a str>,
    /// The form of its answer.
    pub(super) schema: Option<Value>,
}

/// A server and how it is spoken to.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    login: Option<(String, String)>,
    directory: String,
}

impl Client {
    /// A client for the server at `base`, whose sessions work in `directory`.
    ///
    /// # Errors
    /// What is wrong with the address, for people.
    pub(super) fn new(base: &str, login: Option<(String, String)>, directory: &Path) -> Result<Self, String> {
        let base = base.trim().trim_end_matches('/').to_owned();
        let url = reqwest::Url::parse(&base).map_err(|err| format!("`{base}` is not an address: {err}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("`{base}` is not the address of a server; it begins with `http://`"));
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .build()
            .map_err(|err| err.to_string())?;
        Ok(Self { http, base, login, directory: directory.to_string_lossy().into_owned() })
    }

    /// The address.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .query(&[("directory", &self.directory)]);
        match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    /// Calls and reads an answer in JSON; an empty one is `null`.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, CallError> {
        let mut request = self.request(method, path).timeout(CALL);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let mut response = accepted(request.send().await.map_err(unreachable)?).await?;
        let bytes = read(&mut response, LONGEST_ANSWER).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|err| CallError::Garbled(err.to_string()))
    }

    /// Says whether the server is ready.
    ///
    /// # Errors
    /// [`CallError`] when it is not.
    pub(super) async fn health(&self) -> Result<(), CallError> {
        let answer = self.call(Method::GET, "/global/health", None).await?;
        let is_healthy = answer["healthy"] == true;
        is_healthy
            .then_some(())
            .ok_or_else(|| CallError::Garbled("it does not call itself healthy".to_owned()))
    }

    /// Begins a session that may not do what is in `denied`.
    ///
    /// # Errors
    /// [`CallError`], also for an id that could not stand in a path.
    pub(super) async fn create_session(&self, title: &str, denied: &[&str]) -> Result<String, CallError> {
        let rule = |name: &&str| json!({"permission": name, "pattern": "*", "action": "deny"});
        let rules: Vec<Value> = denied.iter().map(rule).collect();
        let made =
            self.call(Method::POST, "/session", Some(json!({"title": title, "permission": rules}))).await?;
        match made["id"].as_str().filter(|id| is_id(id)) {
            Some(id) => Ok(id.to_owned()),
            None => Err(CallError::Garbled("it made a session without an id".to_owned())),
        }
    }

    /// Says whether a session is there.
    ///
    /// # Errors
    /// [`CallError`] when that cannot be said.
    pub(super) async fn has_session(&self, id: &str) -> Result<bool, CallError> {
        if !is_id(id) {
            return Ok(false);
        }
        match self.call(Method::GET, &format!("/session/{id}"), None).await {
            Ok(found) => Ok(found["id"] == id),
            Err(CallError::Refused { status: 400 | 404, .. }) => Ok(false),
            Err(err) => Err(err),
        }
    }

    /// Hands a prompt in; what comes of it is told by the events. Builds that do not take the model in two parts get it in one.
    ///
    /// # Errors
    /// [`CallError`] when it is not taken.
    pub(super) async fn prompt(&self, session: &str, prompt: &Prompt<'_>) -> Result<(), CallError> {
        let path = format!("/session/{session}/prompt_async");
        let mut body = json!({"agent": prompt.agent, "parts": [{"type": "text", "text": prompt.text}]});
        if let Some(variant) = prompt.variant {
            body["variant"] = json!(variant);
        }
        if let Some(schema) = &prompt.schema {
            body["format"] = json!({"type": "json_schema", "schema": schema});
        }
        let Some(model) = prompt.model else {
            return self.call(Method::POST, &path, Some(body)).await.map(drop);
        };
        body["model"] = json!({"providerID": model.provider, "modelID": model.name});
        match self.call(Method::POST, &path, Some(body.clone())).await {
            Err(CallError::Refused { status: 400 | 422, .. }) => {
                body["model"] = json!(format!("{}/{}", model.provider, model.name));
                self.call(Method::POST, &path, Some(body)).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// All messages of a session, oldest first.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn messages(&self, session: &str) -> Result<Vec<Value>, CallError> {
        match self.call(Method::GET, &format!("/session/{session}/message"), None).await? {
            Value::Array(messages) => Ok(messages),
            _ => Err(CallError::Garbled("its messages are no list".to_owned())),
        }
    }

    /// The files a turn changed by the session's own snapshots, commands' changes included: relative paths, with what happened to each.
    /// The turn is named by its prompt's message; without one the server answers with nothing (measured on 1.18.33).
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn diff(
        &self,
        session: &str,
        prompt: &str,
    ) -> Result<Vec<(String, FileChange)>, CallError> {
        let mut request = self.request(Method::GET, &format!("/session/{session}/diff")).timeout(CALL);
        request = request.query(&[("messageID", prompt)]);
        let mut response = accepted(request.send().await.map_err(unreachable)?).await?;
        let bytes = read(&mut response, LONGEST_ANSWER).await?;
        let files: Value =
            serde_json::from_slice(&bytes).map_err(|err| CallError::Garbled(err.to_string()))?;
        let change = |file: &Value| {
            let path = file["file"].as_str()?.to_owned();
            let change = match file["status"].as_str() {
                Some("added") => FileChange::Added,
                Some("deleted") => FileChange::Deleted,
                _ => FileChange::Updated,
            };
            Some((path, change))
        };
        Ok(files.as_array().into_iter().flatten().take(MOST_FILES).filter_map(change).collect())
    }

    /// What a session does: `null` for one that does nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn status(&self, session: &str) -> Result<Value, CallError> {
        let mut all = self.call(Method::GET, "/session/status", None).await?;
        Ok(all[session].take())
    }

    /// Stops what a session does, its commands included.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn abort(&self, session: &str) -> Result<(), CallError> {
        self.call(Method::POST, &format!("/session/{session}/abort"), None).await.map(drop)
    }

    /// Ends everything the server holds for the directory.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn dispose(&self) -> Result<(), CallError> {
        self.call(Method::POST, "/instance/dispose", None).await.map(drop)
    }

    /// Gives or refuses leave that was asked for.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn answer(&self, request: &str, allow: bool) -> Result<(), CallError> {
        if !is_id(request) {
            return Err(CallError::Garbled("a request for leave without an id".to_owned()));
        }
        let reply = json!({"reply": if allow { "once" } else { "reject" }});
        self.call(Method::POST, &format!("/permission/{request}/reply"), Some(reply)).await.map(drop)
    }

    /// What waits for an answer: requests for leave, and questions.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn waiting(&self) -> Result<Vec<Event>, CallError> {
        let permissions = self.call(Method::GET, "/permission", None).await?;
        let questions = self.call(Method::GET, "/question", None).await?;
        let asked = permissions.as_array().into_iter().flatten().map(protocol::asked);
        Ok(asked.chain(questions.as_array().into_iter().flatten().map(protocol::question)).collect())
    }

    /// Turns a question away.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn turn_away(&self, question: &str) -> Result<(), CallError> {
        if !is_id(question) {
            return Err(CallError::Garbled("a question without an id".to_owned()));
        }
        self.call(Method::POST, &format!("/question/{question}/reject"), None).await.map(drop)
    }

    /// Subscribes to the events of the directory; read them with [`Response::chunk`].
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn events(&self) -> Result<Response, CallError> {
        // A limit on the request would be one on the whole stream.
        let sent = tokio::time::timeout(CALL, self.request(Method::GET, "/event").send()).await;
        accepted(
            sent.map_err(|_| CallError::Unreachable("no answer to a subscription".to_owned()))?
                .map_err(unreachable)?,
        )
        .await
    }
}

/// Says whether a text can stand in a path as it is: ids of sessions and requests come from outside.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

async fn accepted(mut response: Response) -> Result<Response, CallError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = read(&mut response, 16 * 1024).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
    Err(CallError::Refused { status: status.as_u16(), body })
}

async fn read(response: &mut Response, most: usize) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > most {
            return Err(CallError::Garbled(format!("it is longer than {most} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The innermost cause says what happened; the address and what is in it are left out.
fn unreachable(err: reqwest::Error) -> CallError {
    let err = err.without_url();
    let mut cause: &dyn std::error::Error = &err;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    CallError::Unreachable(cause.to_string())
}
