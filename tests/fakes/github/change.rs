//! What changes a pull request: opening, editing, closing, reopening, merging, each with its event.

use serde_json::{Value, json};

use crate::git;
use crate::message::Reply;
use crate::pull::{Merged, Pull};
use crate::world::World;

/// The longest body of a pull request.
const LONGEST_BODY: usize = 65_536;

/// A pull request to open.
pub(crate) struct Wanted<'a> {
    pub head: &'a str,
    pub base: &'a str,
    pub title: &'a str,
    pub body: Option<&'a str>,
    pub by: &'a str,
    pub is_draft: bool,
    pub may_maintainers_push: bool,
}

fn field(name: &str) -> Reply {
    Reply::invalid(&json!([{"resource": "PullRequest", "field": name, "code": "invalid"}]))
}

fn custom(message: &str) -> Reply {
    Reply::invalid(&json!([{"resource": "PullRequest", "code": "custom", "message": message}]))
}

impl World {
    /// Opens a pull request, or refuses in GitHub's words. Gives its number.
    pub(crate) fn open(&mut self, id: u64, wanted: &Wanted<'_>) -> Result<u64, Reply> {
        if wanted.title.trim().is_empty() {
            let missing = json!([{"resource": "Issue", "code": "missing_field", "field": "title"}]);
            return Err(Reply::invalid(&missing));
        }
        if wanted.body.is_some_and(|body| body.chars().count() > LONGEST_BODY) {
            let message = format!("body is too long (maximum is {LONGEST_BODY} characters)");
            let errors =
                json!([{"resource": "Issue", "code": "custom", "field": "body", "message": message}]);
            return Err(Reply::invalid(&errors));
        }
        let base = self.repositories.get(&id).ok_or_else(Reply::not_found)?;
        let is_persons = self.users.get(&base.owner.to_lowercase()).is_none_or(|owner| owner.kind == "User");
        if wanted.is_draft && base.is_private && is_persons {
            return Err(custom("Draft pull requests are not supported in this repository."));
        }
        let (owner, branch) = wanted.head.split_once(':').unwrap_or((base.owner.as_str(), wanted.head));
        let root = self.root(id);
        let of_owner =
            |id: &u64| self.repositories.get(id).is_some_and(|one| one.owner.eq_ignore_ascii_case(owner));
        let head = self.repositories.values().find(|one| {
            of_owner(&one.id) && self.root(one.id) == root && one.looks == 0 && one.tip(branch).is_some()
        });
        let head = head.ok_or_else(|| field("head"))?;
        let head_sha = head.tip(branch).ok_or_else(|| field("head"))?.to_owned();
        let base_sha = base.tip(wanted.base).ok_or_else(|| field("base"))?.to_owned();
        let is_same = |pull: &&Pull| {
            pull.is_open
                && pull.head_repository == head.id
                && pull.head_branch == branch
                && pull.base_branch == wanted.base
        };
        if base.pulls.values().any(|pull| is_same(&pull)) {
            return Err(custom(&format!("A pull request already exists for {}:{branch}.", head.owner)));
        }
        let names = if head.id == id {
            (wanted.base.to_owned(), branch.to_owned())
        } else {
            (format!("{}:{}", base.owner, wanted.base), format!("{}:{branch}", head.owner))
        };
        match git::fork_point(&base.dir, &base_sha, &head_sha) {
            Some(point) if point == head_sha => {
                return Err(custom(&format!("No commits between {} and {}", names.0, names.1)));
            }
            Some(_) => {}
            None => {
                let words = format!("The {} branch has no history in common with {}", names.1, names.0);
                return Err(custom(&words));
            }
        }
        let number = base.pulls.keys().next_back().copied().unwrap_or(0) + 1;
        let (head_repository, head_owner) = (head.id, head.owner.clone());
        let now = self.now();
        let pull = Pull {
            id: 0,
            number,
            title: wanted.title.to_owned(),
            body: wanted.body.map(str::to_owned),
            author: wanted.by.to_owned(),
            is_draft: wanted.is_draft,
            is_open: true,
            head_repository,
            head_owner,
            head_branch: branch.to_owned(),
            head_sha,
            base_branch: wanted.base.to_owned(),
            base_sha,
            may_maintainers_push: wanted.may_maintainers_push && head_repository != id,
            created_ms: now,
            updated_ms: now,
            closed_ms: None,
            merged: None,
            labels: Vec::new(),
            reviews: Vec::new(),
            comments: Vec::new(),
            remarks: Vec::new(),
        };
        self.user(wanted.by);
        let pull = Pull { id: self.id(), ..pull };
        self.keep(id, &pull);
        if let Some(base) = self.repositories.get_mut(&id) {
            base.pulls.insert(number, pull);
        }
        self.told(id, number, "opened", wanted.by, json!({}));
        Ok(number)
    }

    /// Points `refs/pull/N/head` to the head: its commits stay when the branch or the fork goes.
    pub(crate) fn keep(&self, id: u64, pull: &Pull) {
        let name = format!("refs/pull/{}/head", pull.number);
        if let Some(base) = self.repositories.get(&id) {
            let _kept = git::point(&base.dir, &name, Some(&pull.head_sha));
        }
    }

    pub(crate) fn pull(&self, id: u64, number: u64) -> Result<&Pull, Reply> {
        let repository = self.repositories.get(&id).ok_or_else(Reply::not_found)?;
        repository.pulls.get(&number).ok_or_else(Reply::not_found)
    }

    /// A pull request to be changed now.
    pub(crate) fn pull_mut(&mut self, id: u64, number: u64) -> Result<&mut Pull, Reply> {
        let now = self.now();
        let repository = self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?;
        let pull = repository.pulls.get_mut(&number).ok_or_else(Reply::not_found)?;
        pull.updated_ms = now;
        Ok(pull)
    }

    /// Sends the event of a change.
    pub(crate) fn told(&mut self, id: u64, number: u64, action: &str, by: &str, more: Value) {
        let Ok(pull) = self.pull(id, number) else { return };
        let mut body = json!({"number": number, "pull_request": pull.json(self, id)});
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        self.emit(id, "pull_request", Some(action), by, body);
    }

    /// Changes title, body, base, state and draft, as far as they are given.
    pub(crate) fn edit(&mut self, id: u64, number: u64, by: &str, wish: &Value) -> Result<(), Reply> {
        let is_known = |branch: &str| self.repositories.get(&id).is_some_and(|own| own.tip(branch).is_some());
        let base = wish["base"].as_str().map(str::to_owned);
        if base.as_deref().is_some_and(|base| !is_known(base)) {
            return Err(field("base"));
        }
        let pull = self.pull_mut(id, number)?;
        let mut changes = json!({});
        if let Some(title) = wish["title"].as_str().filter(|title| *title != pull.title) {
            changes["title"] = json!({"from": std::mem::replace(&mut pull.title, title.to_owned())});
        }
        if let Some(body) = wish["body"].as_str().filter(|body| Some(*body) != pull.body.as_deref()) {
            changes["body"] = json!({"from": pull.body.replace(body.to_owned()).unwrap_or_default()});
        }
        if let Some(base) = base.filter(|base| *base != pull.base_branch) {
            let from = std::mem::replace(&mut pull.base_branch, base);
            changes["base"] = json!({"ref": {"from": from}, "sha": {"from": pull.base_sha}});
        }
        if changes.as_object().is_some_and(|changes| !changes.is_empty()) {
            self.told(id, number, "edited", by, json!({"changes": changes}));
        }
        let pull = self.pull_mut(id, number)?;
        if let Some(is_draft) = wish["draft"].as_bool().filter(|is_draft| *is_draft != pull.is_draft) {
            pull.is_draft = is_draft;
            let action = if is_draft { "converted_to_draft" } else { "ready_for_review" };
            self.told(id, number, action, by, json!({}));
        }
        match wish["state"].as_str() {
            Some("closed") => self.close(id, number, by),
            Some("open") => self.reopen(id, number, by),
            Some(_) => Err(field("state")),
            None => Ok(()),
        }
    }

    pub(crate) fn close(&mut self, id: u64, number: u64, by: &str) -> Result<(), Reply> {
        let now = self.now();
        let pull = self.pull_mut(id, number)?;
        if !pull.is_open {
            return Ok(());
        }
        pull.is_open = false;
        pull.closed_ms = Some(now);
        self.told(id, number, "closed", by, json!({}));
        Ok(())
    }

    fn reopen(&mut self, id: u64, number: u64, by: &str) -> Result<(), Reply> {
        let pull = self.pull(id, number)?.clone();
        if pull.is_open {
            return Ok(());
        }
        let fixed = |words: &str| {
            let message = format!("state cannot be changed. {words}");
            let error =
                json!([{"resource": "PullRequest", "code": "custom", "field": "state", "message": message}]);
            Err(Reply::invalid(&error))
        };
        if pull.merged.is_some() {
            return fixed("The pull request cannot be reopened.");
        }
        let tip = self.repositories.get(&pull.head_repository).and_then(|head| head.tip(&pull.head_branch));
        let Some(tip) = tip.map(str::to_owned) else {
            return fixed(&format!("The {} branch has been deleted.", pull.head_branch));
        };
        let others = self.repositories.get(&id).map(|own| own.pulls.values()).into_iter().flatten();
        let is_same = |other: &Pull| other.is_open && other.label() == pull.label();
        if others.into_iter().any(|other| is_same(other) && other.base_branch == pull.base_branch) {
            return fixed(&format!("There is already an open pull request from {}.", pull.label()));
        }
        let pull = self.pull_mut(id, number)?;
        pull.is_open = true;
        pull.closed_ms = None;
        pull.head_sha = tip;
        let pull = pull.clone();
        self.keep(id, &pull);
        self.told(id, number, "reopened", by, json!({}));
        Ok(())
    }

    /// Merges with a real commit on the base branch, and gives that commit.
    pub(crate) fn merge(&mut self, id: u64, number: u64, by: &str, is_squash: bool) -> Result<String, Reply> {
        let pull = self.pull(id, number)?.clone();
        if !pull.is_open {
            return Err(Reply::error(405, "Pull Request is not mergeable"));
        }
        if pull.is_draft {
            // Nobody can merge a draft: whoever does has said first that it is ready.
            self.edit(id, number, by, &json!({"draft": false}))?;
        }
        let base = self.repositories.get(&id).ok_or_else(Reply::not_found)?;
        let tip = base.tip(&pull.base_branch).ok_or_else(|| field("base"))?.to_owned();
        let message = format!("Merge pull request #{number} from {}\n\n{}", pull.label(), pull.title);
        let made = git::merge(&base.dir, (&tip, &pull.head_sha), is_squash, &message);
        let commit = made.map_err(|err| Reply::error(409, &err))?;
        let name = format!("refs/heads/{}", pull.base_branch);
        git::point(&base.dir, &name, Some(&commit)).map_err(|err| Reply::error(409, &err))?;
        self.mark_merged(id, number, by, &commit);
        self.look(id, by);
        Ok(commit)
    }

    /// Notes that the base has a pull request's commits.
    pub(crate) fn mark_merged(&mut self, id: u64, number: u64, by: &str, commit: &str) {
        let now = self.now();
        self.user(by);
        let Ok(pull) = self.pull_mut(id, number) else { return };
        pull.is_open = false;
        pull.closed_ms = Some(now);
        pull.merged = Some(Merged { at_ms: now, by: by.to_owned(), commit: commit.to_owned() });
        self.told(id, number, "closed", by, json!({}));
    }
}
