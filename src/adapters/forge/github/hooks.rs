//! Hooks that are ours to look into, and what they have sent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::forge::{GitHubForge, shaped};
use crate::domain::forge::delivery::DeliveryId;
use crate::domain::id::RepoSlug;
use crate::domain::time::Timestamp;
use crate::ports::forge::ForgeError;
use crate::ports::payload::{HookInfo, Hooks, Sent};

/// Hooks of one repository; GitHub allows 20 for each event.
const MOST_HOOKS: usize = 250;

/// Pages of a hundred that are read of one hook. What a busy hook sends in three days is less.
const MOST_PAGES: usize = 1_000;

/// How GitHub words an attempt that was answered with success.
const TAKEN: &str = "OK";

#[derive(Deserialize)]
struct Hook {
    id: u64,
    active: bool,
    events: Vec<String>,
    config: HookConfig,
}

#[derive(Deserialize)]
struct HookConfig {
    url: Option<String>,
}

#[derive(Deserialize)]
struct Attempt {
    id: u64,
    guid: String,
    delivered_at: String,
    status: String,
    event: String,
}

#[async_trait]
impl Hooks for GitHubForge {
    async fn hooks(&self, repo: &RepoSlug) -> Result<Vec<HookInfo>, ForgeError> {
        let base = self.repositories.get(repo).await?;
        let path = format!("/repos/{}/hooks?per_page=100", base.name);
        // GitHub answers with 404 to whoever may not see them.
        let listed = self.client.pages(&path, MOST_HOOKS).await.map_err(|err| match err {
            ForgeError::NotFound(_) => hidden(repo),
            err => err,
        });
        listed?.into_iter().map(|hook| shaped::<Hook>(hook, "hook").map(Hook::info)).collect()
    }

    async fn sent(&self, repo: &RepoSlug, hook: u64, since: Timestamp) -> Result<Vec<Sent>, ForgeError> {
        let base = self.repositories.get(repo).await?;
        let mut next = Some(format!("/repos/{}/hooks/{hook}/deliveries?per_page=100", base.name));
        let mut sent: BTreeMap<DeliveryId, Sent> = BTreeMap::new();
        for _ in 0..MOST_PAGES {
            let Some(path) = next.take() else { break };
            let answer = self.client.get(&path).await?;
            if answer.status != 200 {
                return Err(hidden(repo));
            }
            let page: Vec<Attempt> = shaped(answer.body, "list of deliveries")?;
            let mut is_past = false;
            for attempt in page {
                let at = moment(&attempt.delivered_at)?;
                is_past |= at < since;
                if at >= since {
                    attempt.count(at, &mut sent);
                }
            }
            // Newest first: what follows is older.
            next = answer.next.filter(|_| !is_past);
        }
        let mut sent: Vec<Sent> = sent.into_values().collect();
        sent.sort_by_key(|one| (one.at, one.attempt));
        Ok(sent)
    }

    async fn payload(&self, repo: &RepoSlug, hook: u64, attempt: u64) -> Result<Vec<u8>, ForgeError> {
        let base = self.repositories.get(repo).await?;
        let path = format!("/repos/{}/hooks/{hook}/deliveries/{attempt}", base.name);
        let answer = self.client.get(&path).await?;
        if answer.status != 200 {
            return Err(hidden(repo));
        }
        match &answer.body["request"]["payload"] {
            Value::Null => Err(ForgeError::Refused(format!("GitHub shows no payload of attempt {attempt}"))),
            payload => serde_json::to_vec(payload).map_err(|err| ForgeError::Unavailable(err.to_string())),
        }
    }
}

impl Hook {
    fn info(self) -> HookInfo {
        let url = self.config.url.unwrap_or_default();
        HookInfo { id: self.id, url, active: self.active, events: self.events }
    }
}

impl Attempt {
    /// Adds an attempt to the delivery it is of.
    fn count(self, at: Timestamp, sent: &mut BTreeMap<DeliveryId, Sent>) {
        // A name that is no UUID is none of GitHub's, and could not be taken in.
        let Ok(id) = DeliveryId::new(&self.guid) else { return };
        let taken = self.status == TAKEN;
        let first = || Sent { id: id.clone(), attempt: self.id, event: self.event.clone(), at, taken };
        let known = sent.entry(id.clone()).or_insert_with(first);
        known.attempt = known.attempt.max(self.id);
        known.at = known.at.min(at);
        known.taken |= taken;
    }
}

fn moment(text: &str) -> Result<Timestamp, ForgeError> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    let unfit = |err| ForgeError::Unavailable(format!("GitHub answered with no time: {err}"));
    parsed.map(|at| Timestamp(at.as_millisecond())).map_err(unfit)
}

fn hidden(repo: &RepoSlug) -> ForgeError {
    ForgeError::Denied(format!(
        "the hooks of `{repo}` are not ours to look into: the token has no right to them"
    ))
}
