//! Takes what continuous integration says of a commit, keeps it, and sends the events of it.

use serde_json::{Value, json};

use crate::check::{Place, Run, Status, Suite, Workflow};
use crate::message::Reply;
use crate::pull::Pull;
use crate::world::World;

/// A text of what is given.
pub(crate) fn text(wish: &Value, name: &str) -> Option<String> {
    wish[name].as_str().map(str::to_owned)
}

/// A text that must be given.
pub(crate) fn needed(wish: &Value, name: &str) -> Result<String, Reply> {
    text(wish, name).ok_or_else(|| Reply::error(400, &format!("`{name}` is missing")))
}

impl World {
    /// Where checks of a commit are shown. What comes from a fork belongs to no pull request, as far as checks know.
    pub(crate) fn place(&self, id: u64, sha: &str) -> Place {
        let Some(repository) = self.repositories.get(&id) else {
            return Place { api: self.api(), web: self.origin.clone(), pulls: json!([]), branch: None };
        };
        let api = self.url(repository);
        let own = repository.pulls.values().filter(|pull| pull.is_open && pull.head_repository == id);
        let own: Vec<&Pull> = own.filter(|pull| pull.head_sha == sha).collect();
        let at = |pull: &&Pull| {
            json!({"id": pull.id, "number": pull.number, "url": format!("{api}/pulls/{}", pull.number),
                "head": {"ref": pull.head_branch, "sha": pull.head_sha},
                "base": {"ref": pull.base_branch, "sha": pull.base_sha}})
        };
        let pulls: Value = own.iter().map(at).collect();
        let tips = repository.refs.iter().find(|(name, tip)| name.starts_with("refs/heads/") && *tip == sha);
        let branch = tips.and_then(|(name, _)| name.strip_prefix("refs/heads/")).map(str::to_owned);
        let web = format!("{}/{}", self.origin, repository.full_name());
        Place { api, web, pulls, branch }
    }

    /// The suite of an App on a commit, made when it is not there.
    fn suite(&mut self, id: u64, sha: &str, wish: &Value) -> Result<u64, Reply> {
        let app = wish["app"].as_str().unwrap_or("github-actions");
        let (fresh, now) = (self.id(), self.now());
        let checks = &mut self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?.checks;
        if let Some(known) = wish["suite"].as_u64() {
            return checks.suite(known).map(|suite| suite.id).ok_or_else(Reply::not_found);
        }
        if let Some(known) = checks.suites.iter().find(|suite| suite.sha == sha && suite.app == app) {
            return Ok(known.id);
        }
        checks.suites.push(Suite {
            id: fresh,
            sha: sha.to_owned(),
            app: app.to_owned(),
            status: "queued".to_owned(),
            conclusion: None,
            created_ms: now,
            updated_ms: now,
        });
        Ok(fresh)
    }

    /// Makes a check run or, with `id`, changes one. Gives its id and its suite's.
    pub(crate) fn check(&mut self, id: u64, wish: &Value) -> Result<(u64, u64), Reply> {
        let known = wish["id"].as_u64();
        let now = self.now();
        let (run, action) = if let Some(known) = known {
            let checks = &mut self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?.checks;
            let run = checks.runs.iter_mut().find(|run| run.id == known).ok_or_else(Reply::not_found)?;
            fill(run, wish, now);
            (run.clone(), "completed")
        } else {
            let (sha, name) = (needed(wish, "sha")?, needed(wish, "name")?);
            let suite = self.suite(id, &sha, wish)?;
            let mut run = Run {
                id: self.id(),
                suite,
                name,
                status: "queued".to_owned(),
                conclusion: None,
                started_ms: None,
                completed_ms: None,
                title: None,
                summary: None,
                text: None,
                annotations: Vec::new(),
                log: None,
                log_status: 302,
            };
            fill(&mut run, wish, now);
            let checks = &mut self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?.checks;
            checks.runs.push(run.clone());
            (run, "created")
        };
        let checks = &mut self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?.checks;
        let is_settled = checks.settle(run.suite, now);
        let suite = checks.suite(run.suite).cloned().ok_or_else(Reply::not_found)?;
        let place = self.place(id, &suite.sha);
        // Hooks of a repository hear of a check twice: when it comes to be and when it is over.
        let is_over = run.status == "completed";
        for (action, is_said) in [("created", action == "created"), ("completed", is_over)] {
            if is_said {
                let body = json!({"check_run": run.json(&suite, &place)});
                self.emit(id, "check_run", Some(action), &format!("{}[bot]", suite.app), body);
            }
        }
        if is_settled {
            self.suite_completed(id, &suite);
        }
        Ok((run.id, suite.id))
    }

    fn suite_completed(&mut self, id: u64, suite: &Suite) {
        let place = self.place(id, &suite.sha);
        let checks = self.repositories.get(&id).map(|repository| &repository.checks);
        let runs = checks.map_or(0, |checks| checks.runs.iter().filter(|run| run.suite == suite.id).count());
        let body = json!({"check_suite": suite.json(&place, runs)});
        self.emit(id, "check_suite", Some("completed"), &format!("{}[bot]", suite.app), body);
    }

    /// Sets a suite's word by hand; that is how a first-time contributor's suite looks that nobody has approved.
    pub(crate) fn conclude(&mut self, id: u64, wish: &Value) -> Result<u64, Reply> {
        let sha = needed(wish, "sha")?;
        let suite = self.suite(id, &sha, wish)?;
        let now = self.now();
        let checks = &mut self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?.checks;
        let own = checks.suites.iter_mut().find(|own| own.id == suite).ok_or_else(Reply::not_found)?;
        own.conclusion = text(wish, "conclusion");
        let status = if own.conclusion.is_some() { "completed" } else { "queued" };
        own.status = text(wish, "status").unwrap_or_else(|| status.to_owned());
        own.updated_ms = now;
        let own = own.clone();
        if own.status == "completed" {
            self.suite_completed(id, &own);
        }
        Ok(suite)
    }

    pub(crate) fn status(&mut self, id: u64, wish: &Value) -> Result<u64, Reply> {
        let (sha, state) = (needed(wish, "sha")?, needed(wish, "state")?);
        let creator = text(wish, "by").unwrap_or_else(|| "ci[bot]".to_owned());
        self.user(&creator);
        let status = Status {
            id: self.id(),
            sha: sha.clone(),
            state,
            context: text(wish, "context").unwrap_or_else(|| "default".to_owned()),
            description: text(wish, "description"),
            target_url: text(wish, "target_url"),
            creator,
            created_ms: self.now(),
        };
        let place = self.place(id, &sha);
        let repository = self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?;
        repository.checks.statuses.push(status.clone());
        let (name, number) = (repository.full_name(), status.id);
        let branches = place.branch.map(|name| json!([{"name": name, "commit": {"sha": sha}}]));
        let mut body = status.json(&place.api, &self.user_json(&status.creator));
        body["sha"] = json!(sha);
        body["name"] = json!(name);
        body["commit"] = json!({"sha": sha});
        body["branches"] = branches.unwrap_or_else(|| json!([]));
        self.emit(id, "status", None, &status.creator, body);
        Ok(number)
    }

    /// Makes a workflow run or, with `id`, changes one.
    pub(crate) fn workflow(&mut self, id: u64, wish: &Value) -> Result<u64, Reply> {
        let now = self.now();
        let number = if let Some(known) = wish["id"].as_u64() {
            known
        } else {
            let sha = needed(wish, "sha")?;
            let suite = self.suite(id, &sha, wish)?;
            let workflow = Workflow {
                id: self.id(),
                suite,
                sha,
                name: text(wish, "name").unwrap_or_else(|| "CI".to_owned()),
                status: "queued".to_owned(),
                conclusion: None,
                attempt: 1,
                created_ms: now,
                updated_ms: now,
            };
            let number = workflow.id;
            let repository = self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?;
            repository.checks.workflows.push(workflow);
            number
        };
        let checks = &mut self.repositories.get_mut(&id).ok_or_else(Reply::not_found)?.checks;
        let workflow =
            checks.workflows.iter_mut().find(|own| own.id == number).ok_or_else(Reply::not_found)?;
        workflow.conclusion = text(wish, "conclusion");
        let status = if workflow.conclusion.is_some() { "completed" } else { "queued" };
        workflow.status = text(wish, "status").unwrap_or_else(|| status.to_owned());
        workflow.attempt = wish["attempt"].as_u64().unwrap_or(workflow.attempt);
        workflow.updated_ms = now;
        let workflow = workflow.clone();
        let action = match workflow.status.as_str() {
            "completed" => "completed",
            "in_progress" => "in_progress",
            _ => "requested",
        };
        let body = json!({"workflow_run": workflow.json(&self.place(id, &workflow.sha)),
            "workflow": {"id": 1, "name": workflow.name}});
        self.emit(id, "workflow_run", Some(action), "github-actions[bot]", body);
        Ok(number)
    }
}

/// Takes into a run what is given.
fn fill(run: &mut Run, wish: &Value, now_ms: i64) {
    if let Some(conclusion) = text(wish, "conclusion") {
        run.conclusion = Some(conclusion);
        run.status = "completed".to_owned();
    }
    if let Some(status) = text(wish, "status") {
        run.status = status;
    }
    match run.status.as_str() {
        "completed" => {
            run.started_ms = run.started_ms.or(Some(now_ms));
            run.completed_ms = Some(now_ms);
        }
        "in_progress" => run.started_ms = Some(now_ms),
        _ => {}
    }
    if run.status != "completed" {
        run.conclusion = None;
        run.completed_ms = None;
    }
    for (name, into) in [("title", &mut run.title), ("summary", &mut run.summary), ("text", &mut run.text)] {
        *into = text(wish, name).or_else(|| into.take());
    }
    run.log = text(wish, "log").or_else(|| run.log.take());
    if let Some(annotations) = wish["annotations"].as_array() {
        run.annotations.clone_from(annotations);
    }
    if let Some(status) = wish["log_status"].as_u64() {
        run.log_status = u16::try_from(status).unwrap_or(404);
    }
}
