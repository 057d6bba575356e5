//! A repository: its names, its rights, its refs as they were last seen, and all that hangs on it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::check::Checks;
use crate::clock::stamp;
use crate::hook::Hook;
use crate::pull::Pull;
use crate::user::{Level, User, Who};

/// One repository.
#[derive(Debug)]
pub(crate) struct Repository {
    pub id: u64,
    pub owner: String,
    pub name: String,
    pub is_private: bool,
    pub is_archived: bool,
    pub is_disabled: bool,
    /// Deleted: nobody finds it any more, but its hooks hear of that.
    pub is_gone: bool,
    pub default_branch: String,
    pub parent: Option<u64>,
    /// How many more looks find nothing: a fork is made asynchronously.
    pub looks: u32,
    /// By login in lower case.
    pub rights: BTreeMap<String, Level>,
    pub dir: PathBuf,
    /// Branches and tags as they were when somebody last looked.
    pub refs: BTreeMap<String, String>,
    pub pulls: BTreeMap<u64, Pull>,
    pub checks: Checks,
    pub hooks: Vec<Hook>,
    pub created_ms: i64,
    /// When a branch or a tag moved last.
    pub pushed_ms: i64,
    /// When anything of it changed last.
    pub updated_ms: i64,
    /// How often its refs were read since they were packed.
    pub reads: u32,
}

impl Repository {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The key of a name: GitHub does not tell upper case from lower case in names.
    pub(crate) fn key(owner: &str, name: &str) -> String {
        format!("{owner}/{name}").to_lowercase()
    }

    pub(crate) fn tip(&self, branch: &str) -> Option<&str> {
        self.refs.get(&format!("refs/heads/{branch}")).map(String::as_str)
    }

    /// What somebody may do here; nobody in particular may read what is public.
    pub(crate) fn level(&self, who: Option<&Who>) -> Level {
        let least = if self.is_private { Level::None } else { Level::Pull };
        let Some(who) = who else { return least };
        let same = |login: &str| login.eq_ignore_ascii_case(&self.owner);
        if same(&who.login) {
            return Level::Admin;
        }
        let given = self.rights.get(&who.login.to_lowercase()).copied();
        let installed = who.installation.as_deref().filter(|account| same(account)).map(|_| Level::Maintain);
        given.or(installed).unwrap_or(least).max(least)
    }

    /// GitHub's shape, as `who` sees it.
    pub(crate) fn json(&self, owner: &User, origin: &str, who: Option<&Who>) -> Value {
        // Rights are shown as those of a person: an installation of an App sees none, whatever it may do.
        let shown = match who {
            Some(who) if who.installation.is_some() => Level::None,
            who => self.level(who),
        };
        let full_name = self.full_name();
        let url = format!("{origin}/api/v3/repos/{full_name}");
        let html_url = format!("{origin}/{full_name}");
        let visibility = if self.is_private { "private" } else { "public" };
        json!({
            "id": self.id, "node_id": format!("R_{}", self.id), "name": self.name, "full_name": full_name,
            "owner": owner.json(origin), "private": self.is_private, "visibility": visibility,
            "html_url": html_url, "url": url, "clone_url": format!("{html_url}.git"), "description": null,
            "fork": self.parent.is_some(), "archived": self.is_archived, "disabled": self.is_disabled,
            "default_branch": self.default_branch, "permissions": shown.json(),
            "hooks_url": format!("{url}/hooks"), "forks_url": format!("{url}/forks"),
            "created_at": stamp(self.created_ms), "updated_at": stamp(self.updated_ms),
            "pushed_at": stamp(self.pushed_ms), "allow_forking": true, "has_issues": self.parent.is_none(),
        })
    }
}
