//! No forge to ask about hooks: nobody gave a token, or the forge has none.

use async_trait::async_trait;

use crate::domain::id::RepoSlug;
use crate::domain::time::Timestamp;
use crate::ports::forge::ForgeError;
use crate::ports::payload::{HookInfo, Hooks, Sent};

/// Answers every question about hooks with what is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

#[async_trait]
impl Hooks for NoHooks {
    async fn hooks(&self, _repo: &RepoSlug) -> Result<Vec<HookInfo>, ForgeError> {
        Err(no_token())
    }

    async fn sent(&self, _repo: &RepoSlug, _hook: u64, _since: Timestamp) -> Result<Vec<Sent>, ForgeError> {
        Err(no_token())
    }

    async fn payload(&self, _repo: &RepoSlug, _hook: u64, _attempt: u64) -> Result<Vec<u8>, ForgeError> {
        Err(no_token())
    }
}

fn no_token() -> ForgeError {
    ForgeError::Denied("no GitHub token is known here".to_owned())
}
