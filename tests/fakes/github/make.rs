//! Makes repositories and forks, gives them other names, and takes them away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::check::Checks;
use crate::git;
use crate::repository::Repository;
use crate::world::{Found, World};

/// A repository to make.
pub(crate) struct Plan {
    pub owner: String,
    pub name: String,
    pub is_private: bool,
    pub default_branch: Option<String>,
    /// A repository whose branches and tags are copied.
    pub from: Option<PathBuf>,
    /// What its first commit has, where there is none to copy.
    pub files: BTreeMap<String, Option<String>>,
}

impl World {
    /// Makes a repository and gives its id.
    pub(crate) fn make(&mut self, plan: &Plan) -> Result<u64, String> {
        let Plan { owner, name, .. } = plan;
        if let Found::Here(_) = self.find(owner, name) {
            return Err(format!("`{owner}/{name}` is there already"));
        }
        self.user(owner);
        let id = self.id();
        let dir = self.dir.join(format!("{id}.git"));
        let mut branch = plan.default_branch.clone();
        if let Some(from) = &plan.from {
            git::copy(from, &dir)?;
            branch = branch.or_else(|| git::head(&dir));
        } else {
            let branch = branch.as_deref().unwrap_or("main");
            git::init(&dir, branch, None)?;
            let seconds = self.clock.seconds();
            let commit = git::Commit {
                branch,
                parent: None,
                files: &plan.files,
                message: "Begin",
                author: owner,
                seconds,
            };
            if !plan.files.is_empty() {
                git::commit(&dir, &commit)?;
            }
        }
        let refs = git::refs(&dir)?;
        let repository = Repository {
            id,
            owner: owner.clone(),
            name: name.clone(),
            is_private: plan.is_private,
            is_archived: false,
            is_disabled: false,
            is_gone: false,
            default_branch: branch.unwrap_or_else(|| "main".to_owned()),
            parent: None,
            looks: 0,
            rights: BTreeMap::new(),
            dir,
            refs,
            pulls: BTreeMap::new(),
            checks: Checks::default(),
            hooks: Vec::new(),
            created_ms: self.now(),
            pushed_ms: self.now(),
            updated_ms: self.now(),
            reads: 0,
        };
        self.moved.remove(&Repository::key(owner, name));
        self.repositories.insert(id, repository);
        Ok(id)
    }

    /// Makes a fork for `owner`, or finds the one there is. It is not to be seen before [`World::fork_looks`] looks.
    pub(crate) fn fork(&mut self, of: u64, owner: &str, is_default_only: bool) -> Result<u64, String> {
        let root = self.root(of);
        let theirs = |one: &&Repository| !one.is_gone && one.owner.eq_ignore_ascii_case(owner);
        let mut known = self.repositories.values().filter(theirs);
        if let Some(known) = known.find(|one| self.root(one.id) == root) {
            return Ok(known.id);
        }
        let parent = self.repositories.get(&of).ok_or("no such repository")?;
        let store = self.repositories.get(&root).ok_or("no such repository")?.dir.join("objects");
        let (mut name, branch, refs) =
            (parent.name.clone(), parent.default_branch.clone(), parent.refs.clone());
        let is_private = parent.is_private;
        let mut more = 0;
        while let Found::Here(_) = self.find(owner, &name) {
            more += 1;
            name = format!("{}-{more}", self.repositories.get(&of).map_or("fork", |parent| &parent.name));
        }
        self.user(owner);
        let id = self.id();
        let dir = self.dir.join(format!("{id}.git"));
        git::init(&dir, &branch, Some(&store))?;
        let wanted = format!("refs/heads/{branch}");
        let refs: BTreeMap<_, _> =
            refs.into_iter().filter(|(name, _)| !is_default_only || *name == wanted).collect();
        let lines: String = refs.iter().map(|(name, sha)| format!("create {name} {sha}\n")).collect();
        git::git(&dir, &["update-ref", "--stdin"], lines.as_bytes())?;
        let fork = Repository {
            id,
            owner: owner.to_owned(),
            name,
            is_private,
            is_archived: false,
            is_disabled: false,
            is_gone: false,
            default_branch: branch,
            parent: Some(of),
            looks: self.fork_looks,
            rights: BTreeMap::new(),
            dir,
            refs,
            pulls: BTreeMap::new(),
            checks: Checks::default(),
            hooks: Vec::new(),
            created_ms: self.now(),
            pushed_ms: self.now(),
            updated_ms: self.now(),
            reads: 0,
        };
        self.repositories.insert(id, fork);
        Ok(id)
    }

    /// Gives a repository another name, another owner, or both; the old name leads to it from then on.
    pub(crate) fn rename(&mut self, id: u64, owner: Option<&str>, name: Option<&str>, by: &str) {
        let now = self.now();
        let Some(repository) = self.repositories.get_mut(&id) else { return };
        repository.updated_ms = now;
        let (old_owner, old_name) = (repository.owner.clone(), repository.name.clone());
        let old_key = Repository::key(&old_owner, &old_name);
        repository.owner = owner.unwrap_or(&old_owner).to_owned();
        repository.name = name.unwrap_or(&old_name).to_owned();
        let new_key = Repository::key(&repository.owner, &repository.name);
        if old_key != new_key {
            self.moved.insert(old_key, id);
            self.moved.remove(&new_key);
        }
        if let Some(owner) = owner {
            self.user(owner);
            let old = self.user(&old_owner);
            let kind = if old.kind == "Organization" { "organization" } else { "user" };
            let changes = json!({"owner": {"from": {kind: old.json(&self.origin)}}});
            self.emit(id, "repository", Some("transferred"), by, json!({"changes": changes}));
        }
        if name.is_some() {
            let changes = json!({"repository": {"name": {"from": old_name}}});
            self.emit(id, "repository", Some("renamed"), by, json!({"changes": changes}));
        }
    }

    pub(crate) fn archive(&mut self, id: u64, is_archived: bool, by: &str) {
        let now = self.now();
        let Some(repository) = self.repositories.get_mut(&id) else { return };
        repository.updated_ms = now;
        repository.is_archived = is_archived;
        let action = if is_archived { "archived" } else { "unarchived" };
        self.emit(id, "repository", Some(action), by, json!({}));
    }

    /// Takes a repository away; its hooks hear of that as their last.
    pub(crate) fn delete(&mut self, id: u64, by: &str) {
        self.emit(id, "repository", Some("deleted"), by, json!({}));
        if let Some(repository) = self.repositories.get_mut(&id) {
            repository.is_gone = true;
            repository.refs.clear();
        }
    }

    /// Makes a commit on a branch by somebody and lets everything follow it. Gives the commit.
    pub(crate) fn commit(&mut self, id: u64, wish: &Value) -> Result<String, String> {
        let repository = self.repositories.get(&id).ok_or("no such repository")?;
        let branch = wish["branch"].as_str().unwrap_or(&repository.default_branch).to_owned();
        let by = wish["by"].as_str().unwrap_or(&repository.owner).to_owned();
        let tip = repository.tip(&branch).or_else(|| repository.tip(&repository.default_branch));
        let parent = wish["parent"].as_str().or(tip);
        let files: BTreeMap<String, Option<String>> =
            serde_json::from_value(wish["files"].clone()).map_err(|err| err.to_string())?;
        let message = wish["message"].as_str().unwrap_or("Change");
        let seconds = self.clock.seconds();
        let commit = git::Commit { branch: &branch, parent, files: &files, message, author: &by, seconds };
        let sha = git::commit(&repository.dir, &commit)?;
        self.look(id, &by);
        Ok(sha)
    }
}
