//! The look at hosts: those that runs use and those that package managers are configured for, and no others.

use std::time::Duration;

use super::judge;
use super::machine::{DoctorOrder, Look, Requirement};
use super::report::{Finding, Severity};
use crate::domain::id::RunId;
use crate::domain::spec::RunSpec;
use crate::domain::state::State;
use crate::ports::forge::ForgeError;
use crate::ports::store::RunQuery;

/// Runs whose remotes are asked: the newest, so that a long history costs nothing.
const RUNS: usize = 50;

/// Repositories whose forge is asked what we may do there.
const REPOSITORIES: usize = 3;

/// Package managers whose registries a required agent may need.
const MANAGERS: [&str; 5] = ["npm", "pip", "uv", "cargo", "bun"];

impl Look<'_> {
    /// The login, when the run's remote is at GitHub; starts no program.
    pub(super) fn login_of(&mut self, run: Option<&RunId>) {
        let run = run.and_then(|run| self.app.find(run).ok().flatten());
        let remote = run.and_then(|run| run.spec.remote);
        if remote.is_none_or(|remote| !self.is_github(&remote)) || self.login().is_some() {
            return;
        }
        self.program("gh");
    }

    /// The login, when GitHub is in use; asks `gh` when no token is set.
    pub(super) fn login_in_use(&mut self) {
        if let Some(login) = self.login() {
            let set = format!("{login} is set");
            self.report.add(Finding::good("gh.auth", set));
            return;
        }
        if !self.remotes().iter().any(|remote| self.is_github(remote)) {
            self.report.add(Finding::info("gh.auth", "not needed: no run has a remote at GitHub"));
            return;
        }
        self.program("gh");
        if self.app.ports.probe.program("gh").is_some() {
            self.report.add(match self.app.ports.probe.forge_login() {
                Ok(()) => Finding::good("gh.auth", "gh is logged in"),
                Err(said) => Finding::bad(Severity::Error, "gh.auth", said, "gh auth login"),
            });
        }
    }

    /// Asks every host that is in use.
    pub(super) async fn network(&mut self, order: &DoctorOrder, limit: Duration) {
        let remotes = self.remotes();
        let elsewhere = remotes.iter().filter(|remote| !self.is_github(remote));
        let mut urls: Vec<String> = elsewhere.filter_map(|remote| origin(remote)).collect();
        if self.login().is_some() || remotes.iter().any(|remote| self.is_github(remote)) {
            let github = &self.app.settings.github;
            urls.extend([format!("{}/", github.web_url), format!("{}/", github.api_url)]);
        }
        if urls.is_empty() {
            self.report.note(
                "the network was not asked for a forge: no run has a remote on it, and no token is set",
            );
        }
        if order.requires(Requirement::Codex) {
            let there = |name: &&str| self.app.ports.probe.program(name).is_some();
            let managers: Vec<String> =
                MANAGERS.iter().filter(|name| there(name)).map(|name| (*name).to_owned()).collect();
            urls.extend(self.registries(&managers));
        } else {
            self.report.note("Package registry checks skipped (require_codex=false).");
        }
        self.reach(urls, limit).await;
        self.forges(limit).await;
    }

    /// What the login is good for at the forges in use: for the repositories of the newest runs, and alone where a token is set.
    async fn forges(&mut self, limit: Duration) {
        let mut specs = self.specs();
        specs.dedup_by(|one, other| one.repo == other.repo);
        let mut asked = false;
        for spec in specs.iter().take(REPOSITORIES) {
            asked |= self.access(Some(spec), limit).await;
        }
        if !asked && self.login().is_some() {
            self.access(None, limit).await;
        }
    }

    /// Asks the forge of a run who we are there; says whether it is one that asks.
    pub(super) async fn access(&mut self, spec: Option<&RunSpec>, limit: Duration) -> bool {
        let answer = tokio::time::timeout(limit, self.app.ports.forge.access(spec)).await;
        let silent = |_| Err(ForgeError::Unavailable(format!("no answer within {} s", limit.as_secs_f64())));
        match answer.unwrap_or_else(silent) {
            Ok(None) => false,
            Ok(Some(access)) => {
                for finding in judge::access(&access) {
                    self.report.add(finding);
                }
                true
            }
            Err(err) => {
                let finding = judge::no_access(&err, self.login());
                self.report.add(finding);
                true
            }
        }
    }

    /// The addresses package managers are configured for; one that does not tell is noted.
    pub(super) fn registries(&mut self, managers: &[String]) -> Vec<String> {
        let mut urls = Vec::new();
        for registry in self.app.ports.probe.registries(managers) {
            let name = format!("registry.{}", registry.manager);
            match registry.url {
                Some(url) => {
                    self.report.add(Finding::info(name, format!("{url}, by {}", registry.source)));
                    urls.push(url);
                }
                None => self.report.add(Finding::info(name, registry.source)),
            }
        }
        urls
    }

    /// Asks addresses, each once, all at the same time.
    pub(super) async fn reach(&mut self, mut urls: Vec<String>, limit: Duration) {
        urls.sort();
        urls.dedup();
        let answers = self.app.ports.probe.reach(&urls, limit).await;
        for (url, answer) in urls.into_iter().zip(answers) {
            self.report.add(judge::reached(&url, &answer, limit));
        }
    }

    /// Remotes of the newest runs that are not over.
    fn remotes(&self) -> Vec<String> {
        self.specs().into_iter().filter_map(|spec| spec.remote).collect()
    }

    /// Orders of the newest runs that are not over.
    fn specs(&self) -> Vec<RunSpec> {
        let states = State::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
        let rows = self.app.ports.store.run_rows(&RunQuery { states, limit: Some(RUNS) }).unwrap_or_default();
        let spec = |run: &RunId| self.app.find(run).ok().flatten().map(|run| run.spec);
        rows.iter().filter_map(|row| spec(&row.run)).collect()
    }

    /// Where the login of GitHub comes from, unless that is `gh`.
    fn login(&self) -> Option<&str> {
        self.app.settings.github.login.as_deref()
    }

    fn is_github(&self, remote: &str) -> bool {
        let known = host(&self.app.settings.github.web_url);
        host(remote).is_some_and(|host| known.is_some_and(|known| host.eq_ignore_ascii_case(known)))
    }
}

/// The host of a remote; `None` for a path.
fn host(remote: &str) -> Option<&str> {
    let place = match remote.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split('/').next()?,
        // `user@host:path`, as ssh is written for short; a path has its slash before any colon.
        None => remote.split_once(':').map(|(place, _)| place).filter(|place| !place.contains('/'))?,
    };
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let host = if place.starts_with('[') { place } else { place.split(':').next()? };
    (!host.is_empty()).then_some(host)
}

/// The address of a remote's host that can be asked, without credentials; ssh is not asked, because nothing short answers.
fn origin(remote: &str) -> Option<String> {
    let (scheme, rest) = remote.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let place = rest.split('/').next()?;
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    Some(format!("{scheme}://{place}/"))
}

/// The package managers of a project whose registries its checks need.
pub(super) fn managers(project: &crate::ports::probe::Project) -> Vec<String> {
    let mut managers = Vec::new();
    if project.python {
        let has_uv = project.python_tools.iter().any(|tool| tool == "uv");
        managers.push(if has_uv { "uv" } else { "pip" }.to_owned());
    }
    if project.javascript {
        managers.extend(project.javascript_tools.first().cloned());
    }
    if project.other_tools.iter().any(|tool| tool == "cargo") {
        managers.push("cargo".to_owned());
    }
    managers
}
