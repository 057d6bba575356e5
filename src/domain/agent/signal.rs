//! Signals: what a program says while it works, in one vocabulary for all of them.
//!
//! A signal is the agent's word. It is counted, shown and can stop an attempt; it never proves anything (decision D7).

use serde::{Deserialize, Serialize};

use super::class::Trouble;
use super::usage::Reading;

/// Characters of an input, an output or a message that a signal carries; adapters cut what is longer with [`cut`].
pub const MAX_TEXT: usize = 4_000;

/// Bytes of [`AgentSignal::Text`] and [`AgentSignal::End`], which may be a whole plan; cut with [`cut_words`].
pub const MAX_WORDS: usize = 64 * 1024;

/// One thing an agent said or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AgentSignal {
    /// The name under which the program can go on with this conversation later.
    Session {
        /// The name.
        id: String,
    },
    /// Words of the model, whole: one signal for each finished part, never for a token.
    Text {
        /// The words.
        text: String,
    },
    /// The model thought. Its thoughts are neither kept nor shown, only that there were some.
    Reasoning {
        /// How many characters.
        chars: u64,
    },
    /// A tool was called. A [`Self::Command`] or [`Self::ToolEnded`] with the same id follows when it ends.
    ToolCall {
        /// The program's name for the call.
        id: String,
        /// The tool.
        tool: String,
        /// What it was called with, as text.
        input: String,
    },
    /// A tool other than a command ended.
    ToolEnded {
        /// The call.
        id: String,
        /// Whether it worked, by its own word.
        ok: bool,
        /// What it answered, cut; empty where the protocol does not say.
        output: String,
    },
    /// A command ended.
    Command {
        /// The call.
        id: String,
        /// The command line.
        command: String,
        /// Its exit code; `None` when the program does not say, or it was refused or cut off.
        exit_code: Option<i32>,
        /// What it printed, cut.
        output: String,
    },
    /// A file was changed by the agent's own editing tool.
    FileEdit {
        /// The file, as the program names it.
        path: String,
        /// What happened to it.
        change: FileChange,
    },
    /// One request to the model was answered.
    Turn,
    /// What has been used.
    Usage(Reading),
    /// The provider's allowance is used up for now.
    RateLimit {
        /// Seconds until it is there again, when the program says so.
        reset_secs: Option<u64>,
        /// The same as a wall clock moment, in milliseconds since 1970, when the program says so.
        reset_at_ms: Option<i64>,
        /// What the program said.
        message: String,
    },
    /// The program tries the same request again by itself.
    Retrying {
        /// Which try, where it says so.
        attempt: Option<u32>,
        /// What it said.
        message: String,
    },
    /// The program waits for a person or an answer that nobody gives.
    Asking {
        /// What it asks.
        message: String,
    },
    /// Something is not as it should be, and the program goes on.
    Warning {
        /// What it said.
        message: String,
    },
    /// Something went wrong that the program does not recover from by itself.
    Error {
        /// What kind of trouble.
        trouble: Trouble,
        /// What it said.
        message: String,
    },
    /// The program says that it is done.
    End {
        /// Whether it calls its work a success.
        ok: bool,
        /// Its last words.
        text: String,
    },
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It is new.
    Added,
    /// It was changed.
    Updated,
    /// It is gone.
    Deleted,
}

/// Cuts a text to at most [`MAX_TEXT`] characters.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Cuts words to at most [`MAX_WORDS`] bytes, at a character.
pub fn cut_words(text: &str) -> String {
    let mut end = text.len().min(MAX_WORDS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
