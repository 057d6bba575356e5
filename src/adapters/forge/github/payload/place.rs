//! The repository itself, and hooks that say who they are.

use super::super::text;
use super::body::{Body, Changes, needed};
use crate::domain::forge::delivery::Address;
use crate::domain::forge::fact::{ForgeFact, RepositoryFact};
use crate::domain::id::RepoSlug;
use crate::domain::time::Timestamp;
use crate::ports::payload::{Ping, Reading, Told};

/// The longest list of events that is kept; GitHub has about seventy.
const MAX_EVENTS: usize = 200;

pub(super) fn repository(body: &Body) -> Result<Reading, String> {
    let (id, name) = body.home()?;
    let repository = needed(body.repository.as_ref(), "repository")?;
    let action = body.action();
    if !["renamed", "transferred", "archived", "unarchived", "deleted"].contains(&action) {
        return Ok(Reading::Nothing("nothing that is kept of a repository"));
    }
    let archived = match action {
        "archived" => true,
        "unarchived" => false,
        _ => repository.archived == Some(true),
    };
    let deleted = action == "deleted";
    // What is gone stays gone, whenever that was.
    let at = repository.updated_at.0.or(deleted.then(Timestamp::default));
    // Runs that know the number are found by it; the others only know the name from before.
    let known_as = former(&name, body.changes.as_ref()).unwrap_or_else(|| name.clone());
    let fact = RepositoryFact { id, name, archived, deleted, at: needed(at, "updated_at")? };
    let address = Address {
        repo_id: Some(id),
        repo: Some(known_as.key()),
        whole_repository: true,
        ..Address::default()
    };
    Ok(Reading::Facts(vec![Told { address, facts: vec![ForgeFact::Repository(fact)] }]))
}

/// The name a repository had before it was renamed or given away.
fn former(now: &RepoSlug, changes: Option<&Changes>) -> Option<RepoSlug> {
    let changes = changes?;
    if let Some(renamed) = &changes.repository {
        return RepoSlug::new(now.owner(), &renamed.name.from).ok();
    }
    let from = &changes.owner.as_ref()?.from;
    let owner = from.user.as_ref().or(from.organization.as_ref())?;
    RepoSlug::new(owner.login.as_deref()?, now.repo()).ok()
}

pub(super) fn ping(body: &Body) -> Result<Reading, String> {
    let hook = needed(body.hook.as_ref(), "hook")?;
    if body.hook_id.is_some_and(|id| id != hook.id) {
        return Err("`hook_id` is not the number of `hook`".to_owned());
    }
    let repo = body.repository.as_ref().map(|_| body.home()).transpose()?;
    let events = hook.events.iter().take(MAX_EVENTS).map(|event| text::name(event)).collect();
    Ok(Reading::Ping(Ping { hook: hook.id, repo: repo.map(|(_, name)| name), events }))
}
