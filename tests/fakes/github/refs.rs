//! Moved refs: after every push the fake looks what has changed, tells the hooks, and lets pull requests follow.

use serde_json::{Value, json};

use crate::git;
use crate::world::World;

/// Thousands of loose refs would make every read slow.
const PACKED_AFTER: u32 = 200;

/// No commit, as events write it.
const NONE: &str = "0000000000000000000000000000000000000000";

impl World {
    /// Compares a repository's refs with those of the last look and follows every change; `by` is who pushed.
    pub(crate) fn look(&mut self, id: u64, by: &str) {
        let now = self.now();
        let Some(repository) = self.repositories.get_mut(&id) else { return };
        let Ok(refs) = git::refs(&repository.dir) else { return };
        repository.reads += 1;
        if repository.reads >= PACKED_AFTER {
            repository.reads = 0;
            let _packed = git::git(&repository.dir, &["pack-refs", "--all"], b"");
        }
        let before = std::mem::replace(&mut repository.refs, refs.clone());
        if before != refs {
            (repository.pushed_ms, repository.updated_ms) = (now, now);
        }
        let mut names: Vec<&String> = before.keys().chain(refs.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (old, new) = (before.get(name), refs.get(name));
            if old == new {
                continue;
            }
            let old = old.map(String::as_str);
            let new = new.map(String::as_str);
            self.pushed(id, name, old, new, by);
            if let Some(branch) = name.strip_prefix("refs/heads/") {
                self.follow(id, branch, new, by);
                self.absorb(id, branch, new, by);
            }
        }
    }

    /// The push event.
    fn pushed(&mut self, id: u64, name: &str, old: Option<&str>, new: Option<&str>, by: &str) {
        let Some(repository) = self.repositories.get(&id) else { return };
        let is_forced = match (old, new) {
            (Some(old), Some(new)) => !git::contains(&repository.dir, old, new),
            _ => false,
        };
        let commit = new.map_or(Value::Null, |sha| {
            let at = git::git(&repository.dir, &["show", "--no-patch", "--format=%cI", sha], b"");
            json!({"id": sha, "message": "", "author": {"name": by}, "timestamp": at.ok()})
        });
        let body = json!({
            "ref": name, "before": old.unwrap_or(NONE), "after": new.unwrap_or(NONE), "created": old.is_none(),
            "deleted": new.is_none(), "forced": is_forced, "base_ref": null, "commits": [],
            "pusher": {"name": by, "email": format!("{by}@users.invalid")}, "head_commit": commit,
            "compare": format!("{}/{}/compare", self.origin, repository.full_name()),
        });
        self.emit(id, "push", None, by, body);
    }

    /// Open pull requests from this branch get its new head, or are closed with it.
    fn follow(&mut self, head: u64, branch: &str, new: Option<&str>, by: &str) {
        let mut touched = Vec::new();
        for (id, repository) in &self.repositories {
            for pull in repository.pulls.values() {
                if pull.is_open && pull.head_repository == head && pull.head_branch == branch {
                    touched.push((*id, pull.number));
                }
            }
        }
        for (id, number) in touched {
            let Some(new) = new else {
                let _closed = self.close(id, number, by);
                continue;
            };
            let Ok(pull) = self.pull_mut(id, number) else { continue };
            let before = std::mem::replace(&mut pull.head_sha, new.to_owned());
            let pull = pull.clone();
            self.keep(id, &pull);
            self.told(id, number, "synchronize", by, json!({"before": before, "after": new}));
        }
    }

    /// Open pull requests whose commits have reached their base by a push are merged by it.
    fn absorb(&mut self, id: u64, branch: &str, new: Option<&str>, by: &str) {
        let (Some(repository), Some(new)) = (self.repositories.get(&id), new) else { return };
        let is_in = |sha: &str| git::contains(&repository.dir, sha, new);
        let open = repository.pulls.values().filter(|pull| pull.is_open && pull.base_branch == branch);
        let merged: Vec<u64> = open.filter(|pull| is_in(&pull.head_sha)).map(|pull| pull.number).collect();
        for number in merged {
            self.mark_merged(id, number, by, new);
        }
    }
}
