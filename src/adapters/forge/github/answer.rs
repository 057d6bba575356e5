//! What an answer means: an answer whatever it says, a refusal, or the sign that GitHub is not well.

use serde_json::Value;

use super::limit::speaks_of_limit;
use super::wire::Reply;
use crate::ports::forge::ForgeError;

/// Characters of GitHub's words that are passed on.
const MOST_WORDS: usize = 300;

/// What the API answered: a code of 2xx, 404, 409, 410 or 422. All else is a [`ForgeError`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The code.
    pub status: u16,
    /// The document; null where there is none.
    pub body: Value,
    /// Path and query of the next page, as [`super::client::GitHubClient::get`] takes it.
    pub next: Option<String>,
}

impl Answer {
    /// Says whether it was done, or is there.
    pub fn is_success(&self) -> bool {
        (200..=299).contains(&self.status)
    }

    /// What GitHub says for people, printable and cut: its message and those of its errors.
    pub fn message(&self) -> String {
        words(&self.body)
    }
}

/// A reply whose document was read.
#[derive(Debug)]
pub(super) struct Said {
    pub reply: Reply,
    pub body: Value,
}

/// Reads the document of a reply. Redirects and unchanged answers have none, and what was done may have none.
///
/// # Errors
/// Why GitHub is not well: it says so, or what came is not its own.
pub(super) fn document(reply: &Reply, is_read: bool) -> Result<Value, String> {
    match reply.status {
        500.. => Err(format!("it answered {}", reply.status)),
        300..=399 => Ok(Value::Null),
        200..=299 if reply.body.is_empty() && !(is_read && reply.status == 200) => Ok(Value::Null),
        status => serde_json::from_slice(&reply.body)
            .map_err(|_| format!("what it answered with {status} is not a whole JSON document")),
    }
}

/// What says of a limit in a reply: its code, as if GraphQL had codes, and its words.
pub(super) fn limiting(reply: &Reply, document: &Value, is_graphql: bool) -> (u16, String) {
    let message = match document {
        Value::Null => String::from_utf8_lossy(&reply.body).chars().take(MOST_WORDS).collect(),
        document => words(document),
    };
    if is_graphql && reply.status == 200 && document.get("data").is_none_or(Value::is_null) {
        let is_limited =
            errors(document).any(|error| error.get("type").and_then(Value::as_str) == Some("RATE_LIMITED"));
        if is_limited || speaks_of_limit(&message) {
            return (403, format!("rate limit: {message}"));
        }
    }
    (reply.status, message)
}

/// The answer in a reply that is no redirect.
///
/// # Errors
/// [`ForgeError::Denied`], or [`ForgeError::Refused`] for any other code than those of [`Answer`].
pub(super) fn judge(said: Said, next: Option<String>) -> Result<Answer, ForgeError> {
    let status = said.reply.status;
    match status {
        200..=299 | 404 | 409 | 410 | 422 => Ok(Answer { status, body: said.body, next }),
        401 => Err(ForgeError::Denied(format!(
            "GitHub does not take the token (`{}`); log in again or give another one",
            words(&said.body)
        ))),
        403 => Err(ForgeError::Denied(format!(
            "`{}`; give the token or the App the permission that this needs",
            words(&said.body)
        ))),
        _ => Err(ForgeError::Refused(format!("GitHub answered {status}: `{}`", words(&said.body)))),
    }
}

/// The whole GraphQL answer when it has data.
///
/// # Errors
/// What its errors mean when it has none.
pub(super) fn with_data(body: Value) -> Result<Value, ForgeError> {
    if body.get("data").is_some_and(|data| !data.is_null()) {
        return Ok(body);
    }
    let kind =
        errors(&body).find_map(|error| error.get("type").or_else(|| error.pointer("/extensions/code")));
    let message = words(&body);
    Err(match kind.and_then(Value::as_str) {
        // GitHub gives no kind to "something went wrong" and to its own time limit.
        None => ForgeError::Unavailable(format!("GitHub's GraphQL says `{message}`")),
        Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => ForgeError::Denied(format!("`{message}`")),
        Some("NOT_FOUND") => ForgeError::NotFound(message),
        Some(kind) => ForgeError::Refused(format!("GitHub's GraphQL says `{kind}`: `{message}`")),
    })
}

/// GitHub's words for people in a document, printable and cut.
pub(super) fn words(document: &Value) -> String {
    let message = document.get("message").and_then(Value::as_str);
    let more = errors(document).filter_map(|error| match error {
        Value::String(text) => Some(text.as_str()),
        error => error.get("message").or_else(|| error.get("code")).and_then(Value::as_str),
    });
    let all: Vec<&str> = message.into_iter().chain(more).collect();
    printable(&all.join("; "))
}

fn errors(document: &Value) -> impl Iterator<Item = &Value> {
    document.get("errors").and_then(Value::as_array).into_iter().flatten()
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_WORDS).collect()
}
