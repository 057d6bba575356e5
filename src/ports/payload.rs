//! Reading what a forge's webhooks and lists of deliveries say.

use async_trait::async_trait;

use super::forge::ForgeError;
use crate::domain::forge::delivery::{Address, DeliveryId};
use crate::domain::forge::fact::ForgeFact;
use crate::domain::id::RepoSlug;
use crate::domain::time::Timestamp;

/// Reads deliveries. Pure: the same bytes always say the same.
pub trait Payloads: Send + Sync {
    /// Reads the bytes of a delivery whose signature was checked, or of one from before.
    ///
    /// # Errors
    /// [`Misfit`] when the bytes are no JSON or not of the shape that the event's name promises.
    fn read(&self, event: &str, body: &[u8]) -> Result<Reading, Misfit>;
}

/// What a delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Facts, each group for the runs that its address fits.
    Facts(Vec<Told>),
    /// The hook says who it is.
    Ping(Ping),
    /// Nothing that concerns a run; the word says why, such as `unknown event`.
    Nothing(&'static str),
}

/// Facts for some runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub address: Address,
    /// The facts.
    pub facts: Vec<ForgeFact>,
}

/// What a hook says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The forge's number of it.
    pub hook: u64,
    /// The repository it belongs to, where it is one's.
    pub repo: Option<RepoSlug>,
    /// The events it sends.
    pub events: Vec<String>,
}

/// Bytes that do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// They are no JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// They are JSON of another shape than the event's name promises.
    #[error("the body is not one of `{event}`: {why}")]
    Shape {
        /// The event's name, as offered.
        event: String,
        /// What is missing or wrong.
        why: String,
    },
}

/// Asks a forge about deliveries of hooks that are ours to look into.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// The hooks of a repository.
    ///
    /// # Errors
    /// [`ForgeError`]; [`ForgeError::Denied`] where they are not ours to look into.
    async fn hooks(&self, repo: &RepoSlug) -> Result<Vec<HookInfo>, ForgeError>;

    /// What was sent by a hook since `since`, one row for each delivery, oldest first, with whether any attempt was taken.
    ///
    /// # Errors
    /// [`ForgeError`].
    async fn sent(&self, repo: &RepoSlug, hook: u64, since: Timestamp) -> Result<Vec<Sent>, ForgeError>;

    /// The bytes of one attempt, made again from what is shown of it.
    ///
    /// # Errors
    /// [`ForgeError`].
    async fn payload(&self, repo: &RepoSlug, hook: u64, attempt: u64) -> Result<Vec<u8>, ForgeError>;
}

/// A hook as the forge has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookInfo {
    /// The forge's number of it.
    pub id: u64,
    /// Where it sends to.
    pub url: String,
    /// Whether it sends at all.
    pub active: bool,
    /// The events it sends.
    pub events: Vec<String>,
}

/// A delivery as the forge lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its name, the same in every attempt.
    pub id: DeliveryId,
    /// The newest attempt's number.
    pub attempt: u64,
    /// The event.
    pub event: String,
    /// When it was sent first.
    pub at: Timestamp,
    /// Whether any attempt was answered with success.
    pub taken: bool,
}
