//! What an attempt keeps of its agent: which program it was, what it was asked with, what it cost, how it ended.

use serde::{Deserialize, Serialize};

use super::class::{OutcomeClass, Trouble};
use super::liveness::Vitals;
use super::quota::{Exhausted, Pool};
use super::role::Role;
use super::usage::{Tokens, Usage};
use crate::domain::id::Digest;

/// The program behind an agent, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The program that really runs, absolute; wrappers are looked through.
    pub program: String,
    /// What it says its version is.
    pub version: Option<String>,
    /// SHA-256 of its file.
    pub sha256: Option<Digest>,
}

/// The template an agent was asked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptRef {
    /// Its name, such as `implement`.
    pub template: String,
    /// SHA-256 over this template and every other text that went in beside it, before values were filled in.
    pub sha256: Digest,
}

/// A conversation that can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The agent, without arguments.
    pub agent: String,
    /// The program's name for it.
    pub id: String,
    /// What the conversation had used when it was left, for programs that report its total.
    #[serde(default)]
    pub total: Tokens,
}

/// The record. Boxed inside the attempt's evidence, which most steps have without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// How it ended.
    pub class: OutcomeClass,
    /// The trouble it ended in.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// What it was used for.
    #[serde(default)]
    pub role: Role,
    /// The program.
    #[serde(default)]
    pub identity: Identity,
    /// The model it was given or told; `None` is its own default.
    #[serde(default)]
    pub model: Option<String>,
    /// What it was asked with; `None` for a prompt of a person's own.
    #[serde(default)]
    pub prompt: Option<PromptRef>,
    /// The conversation, where the program has such a thing.
    #[serde(default)]
    pub session: Option<Session>,
    /// What it used.
    #[serde(default)]
    pub usage: Usage,
    /// The credential it worked with.
    #[serde(default)]
    pub pool: Option<Pool>,
    /// The allowance it used up.
    #[serde(default)]
    pub exhausted: Option<Exhausted>,
    /// Its last words, cut.
    #[serde(default)]
    pub last_words: String,
    /// The signs at the moment it was ended from outside.
    #[serde(default)]
    pub vitals: Option<Vitals>,
}

impl AgentRecord {
    /// A record with nothing in it but how it ended.
    pub fn of(class: OutcomeClass, trouble: Option<Trouble>) -> Self {
        Self {
            class,
            trouble,
            role: Role::default(),
            identity: Identity::default(),
            model: None,
            prompt: None,
            session: None,
            usage: Usage::default(),
            pool: None,
            exhausted: None,
            last_words: String::new(),
            vitals: None,
        }
    }
}
