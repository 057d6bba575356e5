//! The lines aider prints for people that say something, read from 0.86.2.
//!
//! The model's own words stand between them, and could look like any of them. So a line is a sign, and the order of lines decides:
//! aider reports the tokens after everything the model said.

use crate::domain::agent::class::Trouble;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// What it prints before the model speaks ends here.
    HeadEnds,
    /// A request was answered.
    Tokens(Tokens),
    /// What the answer before cost, where the tokens did not say it.
    Cost(u64),
    /// A file was changed.
    Applied(&'a str),
    /// The model's server, or the way to it, failed.
    Failed {
        /// How.
        trouble: Trouble,
        /// Whether aider tries again by itself, as long as its patience lasts.
        may_pass: bool,
    },
    /// It explains a failure it told in the line before.
    Explained,
    /// It tries again after a pause.
    Retrying,
    /// The server answered with nothing.
    Empty,
    /// It stops, because the model could not be brought to do it.
    GaveUp,
    /// The conversation does not fit the model.
    TooLong,
    /// Python's report of a fault in the program.
    Traceback,
    /// Words of the model, or anything else.
    Words,
}

/// What one answer used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Sent.
    pub sent: u64,
    /// Of these, written to a cache.
    pub cache_write: u64,
    /// Of these, read from a cache.
    pub cache_hit: u64,
    /// Received.
    pub received: u64,
    /// Its cost in millionths of a dollar, where the program knows a price.
    pub micros: Option<u64>,
}

/// Reads a line.
pub fn read(line: &str) -> Line<'_> {
    if let Some(rest) = line.strip_prefix("Tokens: ") {
        return tokens(rest).map_or(Line::Words, Line::Tokens);
    }
    if let Some(rest) = line.strip_prefix("Cost: $") {
        return dollars(rest).map_or(Line::Words, Line::Cost);
    }
    if let Some(path) = line.strip_prefix("Applied edit to ") {
        return Line::Applied(path);
    }
    if let Some(rest) = line.strip_prefix("litellm.") {
        return failed(rest).map_or(Line::Words, |(trouble, may_pass)| Line::Failed { trouble, may_pass });
    }
    let is_added = line.starts_with("Added ")
        && [" to the chat.", " to the chat (read-only)."].iter().any(|end| line.ends_with(end));
    if is_added || line.starts_with("Repo-map:") || line == "Restored previous conversation history." {
        Line::HeadEnds
    } else if line.starts_with("The API provider") {
        Line::Explained
    } else if line.starts_with("Retrying in ") && line.ends_with(" seconds...") {
        Line::Retrying
    } else if line.starts_with("Empty response received from LLM.") {
        Line::Empty
    } else if line.starts_with("Only ") && line.ends_with(" reflections allowed, stopping.") {
        Line::GaveUp
    } else if line.starts_with("Model ") && line.ends_with(" has hit a token limit!") {
        Line::TooLong
    } else if line.starts_with("Traceback (most recent call last):") {
        Line::Traceback
    } else {
        Line::Words
    }
}

/// `1.9k sent, 2k cache write, 3k cache hit, 32 received. Cost: $0.01 message, $0.03 session.`
fn tokens(rest: &str) -> Option<Tokens> {
    let (counts, cost) = rest.split_once(" received.")?;
    let mut tokens =
        Tokens { micros: cost.trim().strip_prefix("Cost: $").and_then(dollars), ..Tokens::default() };
    let mut parts = counts.rsplit(", ");
    tokens.received = count(parts.next()?)?;
    let mut has_sent = false;
    for part in parts {
        let (number, what) = part.split_once(' ')?;
        let number = count(number)?;
        match what {
            "sent" => (tokens.sent, has_sent) = (number, true),
            "cache write" => tokens.cache_write = number,
            "cache hit" => tokens.cache_hit = number,
            _ => return None,
        }
    }
    has_sent.then_some(tokens)
}

/// `320`, `1.9k`, `12k`.
fn count(text: &str) -> Option<u64> {
    let Some(thousands) = text.strip_suffix('k') else { return text.parse().ok() };
    let (whole, tenths) = thousands.split_once('.').unwrap_or((thousands, "0"));
    if tenths.len() != 1 {
        return None;
    }
    let (whole, tenths): (u64, u64) = (whole.parse().ok()?, tenths.parse().ok()?);
    whole.checked_mul(1_000)?.checked_add(tenths * 100)
}

/// The first sum of `0.0123 message, $0.03 session.`, in millionths, rounded down.
fn dollars(text: &str) -> Option<u64> {
    let sum = text.split(' ').next()?;
    let (whole, parts) = sum.split_once('.').unwrap_or((sum, ""));
    if !parts.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millionths: String = parts.chars().chain("000000".chars()).take(6).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths.parse().ok()?)
}

/// What went wrong, by the name of the exception and, where it says too little, by its words.
fn failed(rest: &str) -> Option<(Trouble, bool)> {
    let (name, words) = rest.split_once(':')?;
    let lower = words.to_lowercase();
    let has = |all: &[&str]| all.iter().any(|word| lower.contains(word));
    let used_up =
        has(&["insufficient_quota", "exceeded your current quota", "insufficient credits", "credit balance"]);
    let answer = match name {
        _ if used_up => (Trouble::QuotaExhausted, name == "RateLimitError"),
        "RateLimitError" | "RouterRateLimitError" => (Trouble::RateLimited, true),
        "AuthenticationError" | "PermissionDeniedError" => (Trouble::Auth, false),
        "ContextWindowExceededError" => (Trouble::ContextOverflow, false),
        // A login that is not taken can come with this name, by what the server calls it.
        "BadRequestError"
            if has(&["api key", "api_key", "bad key", "unauthorized", "authentication", "401"]) =>
        {
            (Trouble::Auth, false)
        }
        "BadRequestError" | "NotFoundError" | "ImageFetchError" => (Trouble::BadRequest, false),
        "InvalidRequestError"
        | "UnprocessableEntityError"
        | "UnsupportedParamsError"
        | "ContentPolicyViolationError" => (Trouble::BadRequest, true),
        "BudgetExceededError" => (Trouble::QuotaExhausted, true),
        "APIConnectionError" | "Timeout" => (Trouble::Network, true),
        "InternalServerError" if has(&["connection error"]) => (Trouble::Network, true),
        // The names of a server's own faults, and names that are new.
        _ if name.ends_with("Error") => (Trouble::Server, true),
        _ => return None,
    };
    Some(answer)
}
