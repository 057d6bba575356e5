//! What opencode's errors mean, and whether it may do what it asks leave for.

use super::protocol::Failure;
use crate::domain::agent::class::{Judgement, Trouble};

/// What an answer of a model's server, or a message of the program, says when an allowance is used up for long.
const USED_UP: [&str; 6] = [
    "insufficient_quota",
    "quota exceeded",
    "exceeded your current quota",
    "usage limit",
    "credit balance",
    "billing",
];

/// What a message says when the server was not reached or the connection broke.
const BROKEN: [&str; 9] = [
    "unable to connect",
    "connectionrefused",
    "econnrefused",
    "econnreset",
    "fetch failed",
    "socket",
    "timed out",
    "timeout",
    "getaddrinfo",
];

/// What kind of trouble an error is.
pub(super) fn of(failure: &Failure) -> Trouble {
    let said = format!("{} {}", failure.message, failure.body).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match failure.name.as_str() {
        "ContextOverflowError" => return Trouble::ContextOverflow,
        "ProviderAuthError" => return Trouble::Auth,
        "MessageAbortedError"
        | "MessageOutputLengthError"
        | "ContentFilterError"
        | "StructuredOutputError" => {
            return Trouble::GaveUp;
        }
        _ => {}
    }
    match failure.status {
        _ if says(&["context_length_exceeded"]) => Trouble::ContextOverflow,
        Some(401 | 403) => Trouble::Auth,
        Some(402) => Trouble::QuotaExhausted,
        Some(429) if says(&USED_UP) => Trouble::QuotaExhausted,
        Some(429) => Trouble::RateLimited,
        Some(408) => Trouble::Network,
        Some(500..) => Trouble::Server,
        Some(_) if failure.is_retryable => Trouble::Server,
        Some(_) => Trouble::BadRequest,
        None if says(&["modelnotfound", "model not found", "providerinit"]) => Trouble::Usage,
        None if failure.is_retryable || says(&BROKEN) => Trouble::Network,
        // The server hides what went wrong inside it; seen for a model that its settings do not have.
        None if says(&["unexpected server error"]) => Trouble::Usage,
        None => Trouble::Protocol,
    }
}

/// The judgement about a run that ended in an error.
pub(super) fn judged(failure: &Failure) -> Judgement {
    let status = failure.status.map(|status| format!(" {status}")).unwrap_or_default();
    let message = match of(failure) {
        Trouble::Usage => format!(
            "opencode did not take its settings: {}: {}; look at the model's name, which is `provider/model`",
            failure.name, failure.message
        ),
        _ => format!("opencode ended with {}{status}: {}", failure.name, failure.message),
    };
    Judgement::trouble(of(failure), message)
}

/// Says whether a message about a retry is about an allowance.
pub(super) fn is_rate_limit(message: &str) -> bool {
    let said = message.to_lowercase();
    ["rate limit", "rate_limit", "too many requests", "429", "quota", "usage limit"]
        .iter()
        .any(|word| said.contains(word))
}

/// Leave to be given when it is asked for. The settings deny what is not wanted, so hardly anything is ever asked on a server of ours; an
/// operator's server may be set up to ask.
pub(super) fn may(permission: &str, writes: bool) -> bool {
    match permission {
        "read" | "glob" | "grep" | "list" | "lsp" | "todowrite" | "todoread" | "skill" | "webfetch"
        | "websearch" => true,
        "edit" | "write" | "bash" | "task" => writes,
        _ => false,
    }
}
