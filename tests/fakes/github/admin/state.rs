//! The whole state as JSON, in which tests look for what must be and what must not be.

use serde_json::{Map, Value, json};

use crate::repository::Repository;
use crate::world::World;

/// `early`, `writes`, `repositories` by full name, and what hooks still wait for.
pub(super) fn json(world: &World) -> Value {
    let repositories: Map<String, Value> = world
        .repositories
        .values()
        .filter(|own| !own.is_gone)
        .map(|own| (own.full_name(), repository(own)))
        .collect();
    let gaps: Map<String, Value> = world
        .limits
        .meters
        .iter()
        .filter_map(|(token, meter)| Some((token.clone(), json!(meter.gap_ms?))))
        .collect();
    let hooks = world.repositories.values().flat_map(|own| &own.hooks);
    json!({
        "now_ms": world.now(), "early": world.limits.early.len(), "early_requests": world.limits.early,
        "shortest_write_gap_ms": gaps, "faults_struck": world.faults.struck, "repositories": repositories,
        "queued_deliveries": hooks.map(|hook| hook.queue.len()).sum::<usize>(),
        "deliveries_on_their_way": world.sending.busy.len(), "requests": world.log.lines.len(),
    })
}

fn repository(own: &Repository) -> Value {
    let pulls: Vec<Value> = own
        .pulls
        .values()
        .map(|pull| {
            let reviews: Vec<Value> = pull
                .reviews
                .iter()
                .map(|review| json!({"id": review.id, "by": review.by, "state": review.state, "body": review.body}))
                .collect();
            let comments: Vec<Value> = pull
                .comments
                .iter()
                .map(|comment| json!({"id": comment.id, "by": comment.by, "body": comment.body}))
                .collect();
            let merged = pull.merged.as_ref();
            json!({
                "number": pull.number, "node_id": pull.node(), "title": pull.title, "body": pull.body,
                "state": pull.state(), "draft": pull.is_draft, "merged": merged.is_some(),
                "merged_by": merged.map(|merged| merged.by.as_str()),
                "merge_commit_sha": merged.map(|merged| merged.commit.as_str()), "user": pull.author,
                "head": {"label": pull.label(), "sha": pull.head_sha, "ref": pull.head_branch},
                "base": {"ref": pull.base_branch, "sha": pull.base_sha}, "labels": pull.labels,
                "reviews": reviews, "comments": comments,
            })
        })
        .collect();
    let hooks: Vec<Value> = own
        .hooks
        .iter()
        .map(|hook| {
            json!({"id": hook.id, "url": hook.url, "events": hook.events, "active": hook.is_active,
                "queued": hook.queue.len(), "deliveries": hook.log.iter().map(|one| one.json()).collect::<Vec<_>>()})
        })
        .collect();
    json!({
        "id": own.id, "dir": own.dir, "private": own.is_private, "archived": own.is_archived,
        "fork_of": own.parent, "default_branch": own.default_branch, "refs": own.refs, "pulls": pulls,
        "hooks": hooks,
    })
}
