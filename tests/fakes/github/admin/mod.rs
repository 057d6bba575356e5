//! What tests and the demonstration ask of the fake, beside what GitHub serves: no token, JSON in and out, below `/_fake/`.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST users` | `login`, `type?` (`User`, `Organization`, `Bot`) | the user |
//! | `POST tokens` | `login`, `token?`, `expires_in_ms?` | `token` |
//! | `DELETE tokens` | `token` | takes it back |
//! | `POST apps` | `id`, `slug`, `public_key?` (PEM; without it every signature is taken), `installations: [{id, account}]`, `ttl_secs?` | |
//! | `POST repos` | `owner`, `name`, `private?`, `default_branch?`, `from?` (a git directory) or `files?` `{path: text}`, `rights?` | `id`, `dir`, `clone_url`, `default_branch`, `sha` |
//! | `POST repos/O/R/rights` | `{login: none, pull, triage, push, maintain or admin}` | |
//! | `POST repos/O/R/hooks` | `url`, `secret?`, `events?` (all), `active?`, `ping?` | `id` |
//! | `POST repos/O/R/commits` | `branch?`, `files` (`null` removes), `message?`, `by?`, `parent?` | `sha` |
//! | `POST repos/O/R/refs` | `branch`, `sha` (`null` removes), `by?` | |
//! | `POST repos/O/R/look` | `by?`: somebody changed the bare repository itself | |
//! | `POST repos/O/R/checks` | `sha`, `name`, `status?`, `conclusion?`, `title?`, `summary?`, `text?`, `log?`, `log_status?`, `annotations?`, `app?`, `suite?`; with `id` changes one | `id`, `suite` |
//! | `POST repos/O/R/statuses` | `sha`, `state`, `context?`, `description?`, `target_url?`, `by?` | `id` |
//! | `POST repos/O/R/suites` | `sha`, `conclusion?`, `status?`, `app?`, `suite?` | `id` |
//! | `POST repos/O/R/workflow_runs` | `sha`, `name?`, `status?`, `conclusion?`, `suite?`, `attempt?`; with `id` changes one | `id` |
//! | `POST repos/O/R/pulls` | `head`, `base`, `title`, `body?`, `by`, `draft?` | the pull request |
//! | `POST repos/O/R/pulls/N/edit` | `by?`, `title?`, `body?`, `base?`, `draft?`, `state?` | the pull request |
//! | `POST repos/O/R/pulls/N/close`, `…/reopen` | `by?` | the pull request |
//! | `POST repos/O/R/pulls/N/merge` | `by?`, `method?` (`merge`, `squash`) | `sha` |
//! | `POST repos/O/R/pulls/N/review` | `by`, `state`, `body?`, `sha?` | `id` |
//! | `POST repos/O/R/pulls/N/dismiss`, `…/review_edit` | `review` or `by`, `actor?`, `body?` | `id` |
//! | `POST repos/O/R/pulls/N/comment` | `by`, `body`, `association?` | the comment |
//! | `POST repos/O/R/pulls/N/review_comment` | `by`, `body`, `path?`, `line?`, `sha?`, `resolved?`, `association?` | `id` |
//! | `POST repos/O/R/rename` | `name`, `by?` | |
//! | `POST repos/O/R/transfer` | `owner`, `by?` | |
//! | `POST repos/O/R/archive` | `archived?`, `by?` | |
//! | `POST repos/O/R/disable`, `…/delete` | | |
//! | `POST forks` | `looks`: how many looks at a new fork find nothing | |
//! | `POST clock` | `now_ms`; `null` lets it run again | |
//! | `POST limits` | `core?`, `graphql?`: what an hour allows; `grace_ms?`: how soon after a refusal a request is no early one; with `token`: `resource?`, `remaining`, `reset_in?` | |
//! | `POST faults` | the plan, a list of `{method?, path_regex?, times?, probability?, seed?, kind, …}` | |
//! | `DELETE faults` | ends the plan | |
//! | `GET requests`, `DELETE requests` | | the log |
//! | `GET state` | | everything as JSON |
//! | `POST hooks/pause` | | |
//! | `POST hooks/resume` | `order?` (`reverse`, `shuffle`), `seed?`, `copies?` | |
//! | `POST hooks/drop` | `next?` or `fraction?` with `seed?`; `log?` (false leaves no trace in the log of deliveries) | |
//! | `POST hooks/flush` | `timeout_ms?` | returns once nothing is on its way |
//! | `POST emit` | `repository`, `event`, `action?`, `by?`, `body`: an event of one's own | |
//!
//! Kinds of faults: `error_before {status}`, `error_after {status}`, `reset_before`, `reset_after`, `hang {ms, effect?}` (`late`,
//! `first`, `none`), `truncate {torn?}`, `not_found`, `rate_primary {reset_in}`, `rate_secondary {retry_after?, status?, lasts_ms?}`,
//! `redirect {location?}`. A refused call answers 4xx with `message`. Names of repositories that were renamed still work here.

mod act;
mod make;
mod plan;
mod state;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::message::{Answer, Ask, Reply};
use crate::sender;
use crate::world::{Found, Shared, World};

/// How long a flush waits if nothing else is said: longer than one delivery may take.
const FLUSH_MS: u64 = 15_000;

/// Answers a call; `path` is what follows `/_fake/`.
pub(crate) async fn serve(shared: &Arc<Shared>, ask: &Ask, path: &str) -> Reply {
    let body = match ask.json() {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if path == "hooks/flush" {
        return flush(shared, body["timeout_ms"].as_u64().unwrap_or(FLUSH_MS)).await;
    }
    let (own, method, path) = (Arc::clone(shared), ask.method.clone(), path.to_owned());
    let done = tokio::task::spawn_blocking(move || {
        let parts: Vec<&str> = path.split('/').collect();
        route(&mut own.lock(), &method, &parts, &body).unwrap_or_else(|refusal| refusal)
    });
    done.await.unwrap_or_else(|_| Reply::error(500, "the fake has failed: see its standard error"))
}

fn route(world: &mut World, method: &str, parts: &[&str], body: &Value) -> Answer {
    match (method, parts) {
        ("POST", ["repos", owner, name, rest @ ..]) => {
            let (Found::Here(id) | Found::Moved(id)) = world.find(owner, name) else {
                return Err(Reply::error(404, &format!("no repository `{owner}/{name}`")));
            };
            act::route(world, id, rest, body)
        }
        (_, ["users" | "tokens" | "apps" | "repos"]) => make::route(world, method, parts, body),
        ("GET", ["state"]) => Ok(Reply::json(200, &state::json(world))),
        _ => plan::route(world, method, parts, body),
    }
}

/// Waits until nothing is queued and nothing is on its way.
async fn flush(shared: &Arc<Shared>, timeout_ms: u64) -> Reply {
    let idle = async {
        loop {
            let rung = shared.bell.notified();
            if sender::is_idle(&shared.lock()) {
                break;
            }
            rung.await;
        }
    };
    // The sender may not have heard yet of what was queued just now.
    shared.bell.notify_waiters();
    match tokio::time::timeout(Duration::from_millis(timeout_ms), idle).await {
        Ok(()) => done(),
        Err(_) => Reply::error(504, "deliveries are still on their way, or held"),
    }
}

fn done() -> Reply {
    Reply::json(200, &json!({}))
}

/// A refusal for what was not understood.
fn wrong(words: &str) -> Reply {
    Reply::error(400, words)
}
