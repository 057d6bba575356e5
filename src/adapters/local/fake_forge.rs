//! The fake GitHub, for the demo: started as a program of its own, and asked for what other people do there.
//!
//! The run itself reaches it as it reaches GitHub, by git, REST, GraphQL and webhooks. What is called here are the fake's own calls
//! below `/_fake/`, which no GitHub has.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::continuous;
use crate::adapters::git::program::Git;
use crate::adapters::process::service::{Service, ServiceOrder};
use crate::domain::id::{CommitSha, PrNumber, RepoSlug};
use crate::ports::fake_forge::{CiCheck, FakeForge, FakeForgeError, FakePlace, FakePull};

/// The program's name.
const PROGRAM: &str = "fake-github";

/// What it prints before its address.
const LISTENING: &str = "listening ";

/// How long it may take to listen, on a busy machine.
const START: Duration = Duration::from_secs(30);

/// How long one call may take; deliveries are waited for within 15 seconds.
const CALL: Duration = Duration::from_secs(30);

/// Who we are there, and who takes pull requests.
const LOGIN: &str = "helpful-bot";
const MAINTAINER: &str = "grace";

/// Where the program is looked for, and what it is started with.
#[derive(Debug, Clone)]
pub struct FakeForgeSettings {
    /// The folder that is looked into first: that of this program.
    pub beside: Option<PathBuf>,
    /// Where programs are looked for, as `PATH` has it.
    pub search_path: String,
    /// Runs what continuous integration needs.
    pub git: Git,
    /// A folder for everything of its own.
    pub dir: PathBuf,
}

/// The running fake; it ends when this is dropped.
pub struct FakeGitHub {
    place: FakePlace,
    http: Client,
    git: Git,
    search_path: String,
    dir: PathBuf,
    /// The bare repositories by name.
    repositories: Mutex<BTreeMap<String, PathBuf>>,
    _service: Service,
}

impl FakeGitHub {
    /// Finds the program, starts it, and makes us known there. Blocks.
    ///
    /// # Errors
    /// [`FakeForgeError::Missing`] when there is no such program, [`FakeForgeError::Failed`] when it does not start.
    pub fn start(settings: FakeForgeSettings) -> Result<Self, FakeForgeError> {
        let FakeForgeSettings { beside, search_path, git, dir } = settings;
        let program = find(beside.as_deref(), &search_path)?;
        std::fs::create_dir_all(&dir).map_err(|err| failed(&err))?;
        let home = dir.display().to_string();
        let order = ServiceOrder {
            program,
            args: vec![
                "--with-stdin".to_owned(),
                "--dir".to_owned(),
                dir.join("repositories").display().to_string(),
            ],
            dir: dir.clone(),
            env: BTreeMap::from([("PATH".to_owned(), search_path.clone()), ("HOME".to_owned(), home)]),
            log: dir.join("fake-github.log"),
            limit: START,
        };
        let (service, line) = Service::start(&order).map_err(|err| failed(&err))?;
        let web_url =
            line.strip_prefix(LISTENING).ok_or_else(|| failed(&"it does not say its address"))?.to_owned();
        let http = Client::builder()
            .no_proxy()
            .timeout(CALL)
            // Calls come from short runtimes, one after the other: what one left open is of no use to the next.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|err| failed(&err))?;
        let place = FakePlace {
            api_url: format!("{web_url}/api/v3"),
            web_url,
            login: LOGIN.to_owned(),
            token: format!("ghp_{}", random()?),
            secret: random()?,
            maintainer: MAINTAINER.to_owned(),
        };
        let repositories = Mutex::default();
        Ok(Self { place, http, git, search_path, dir, repositories, _service: service })
    }

    async fn ask(&self, method: Method, what: &str, body: &Value) -> Result<Value, FakeForgeError> {
        let url = format!("{}/_fake/{what}", self.place.web_url);
        let request = self.http.request(method, url).body(body.to_string());
        let answer = request.send().await.map_err(|err| failed(&err.without_url()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|err| failed(&err.without_url()))?;
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(said);
        }
        Err(failed(&format!("`{what}` was refused: {}", said["message"].as_str().unwrap_or("no reason"))))
    }

    async fn act(&self, repo: &RepoSlug, what: &str, body: &Value) -> Result<Value, FakeForgeError> {
        self.ask(Method::POST, &format!("repos/{repo}/{what}"), body).await
    }

    fn bare(&self, repo: &RepoSlug) -> Result<PathBuf, FakeForgeError> {
        let repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        repositories.get(&repo.key()).cloned().ok_or_else(|| failed(&format!("no repository `{repo}`")))
    }

    /// Says how a check goes; gives its number.
    async fn check(&self, repo: &RepoSlug, body: &Value) -> Result<u64, FakeForgeError> {
        let made = self.act(repo, "checks", body).await?;
        made["id"].as_u64().ok_or_else(|| failed(&"a check has no number"))
    }
}

#[async_trait]
impl FakeForge for FakeGitHub {
    fn place(&self) -> &FakePlace {
        &self.place
    }

    async fn make_repository(&self, repo: &RepoSlug, from: &Path) -> Result<String, FakeForgeError> {
        // By a call and not by the command line, which everybody on the machine can read.
        let token = json!({"login": LOGIN, "token": self.place.token});
        self.ask(Method::POST, "tokens", &token).await?;
        let rights = json!({MAINTAINER: "maintain"});
        let plan = json!({"owner": repo.owner(), "name": repo.repo(), "from": from, "default_branch": "main", "rights": rights});
        let made = self.ask(Method::POST, "repos", &plan).await?;
        let dir = made["dir"].as_str().ok_or_else(|| failed(&"a repository has no directory"))?;
        let mut repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        repositories.insert(repo.key(), PathBuf::from(dir));
        Ok(format!("{}/{repo}", self.place.web_url))
    }

    async fn add_hook(&self, repo: &RepoSlug, url: &str) -> Result<(), FakeForgeError> {
        self.act(repo, "hooks", &json!({"url": url, "secret": self.place.secret})).await.map(|_| ())
    }

    async fn run_ci(&self, repo: &RepoSlug, pr: PrNumber) -> Result<Vec<CiCheck>, FakeForgeError> {
        let pulls = self.pulls(repo).await?;
        let pull = pulls.into_iter().find(|pull| pull.number == pr.get());
        let sha = pull.ok_or_else(|| failed(&format!("no pull request #{pr}")))?.head_sha;
        let mut begun = BTreeMap::new();
        for (name, _) in super::sample::CI {
            let body = json!({"sha": sha, "name": name, "status": "in_progress"});
            begun.insert(name.to_owned(), self.check(repo, &body).await?);
        }
        let (git, bare, search_path) = (self.git.clone(), self.bare(repo)?, self.search_path.clone());
        let (commit, tree) = (sha.clone(), self.dir.join("ci"));
        let work = move || continuous::run(&git, &bare, &commit, &tree, &search_path);
        let checks = tokio::task::spawn_blocking(work).await.map_err(|err| failed(&err))?;
        let checks = checks.map_err(|why| failed(&format!("its continuous integration: {why}")))?;
        for check in &checks {
            let body = json!({
                "id": begun.get(&check.name), "sha": sha, "name": check.name, "status": "completed",
                "conclusion": if check.passed { "success" } else { "failure" },
                "title": if check.passed { "passed" } else { "failed" }, "summary": "", "log": check.log,
            });
            self.check(repo, &body).await?;
        }
        Ok(checks)
    }

    async fn approve(&self, repo: &RepoSlug, pr: PrNumber, words: &str) -> Result<(), FakeForgeError> {
        let body = json!({"by": MAINTAINER, "state": "approved", "body": words});
        self.act(repo, &format!("pulls/{pr}/review"), &body).await.map(|_| ())
    }

    async fn merge(&self, repo: &RepoSlug, pr: PrNumber) -> Result<(), FakeForgeError> {
        self.act(repo, &format!("pulls/{pr}/merge"), &json!({"by": MAINTAINER})).await.map(|_| ())
    }

    async fn settle(&self) -> Result<(), FakeForgeError> {
        self.ask(Method::POST, "hooks/flush", &json!({})).await.map(|_| ())
    }

    async fn pulls(&self, repo: &RepoSlug) -> Result<Vec<FakePull>, FakeForgeError> {
        let state = self.ask(Method::GET, "state", &Value::Null).await?;
        let pulls = state["repositories"][repo.to_string()]["pulls"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pull = |pull: &Value| {
            Some(FakePull {
                number: pull["number"].as_u64()?,
                label: text(&pull["head"]["label"]),
                head_sha: text(&pull["head"]["sha"]),
                merged: pull["merged"] == true,
            })
        };
        Ok(pulls.iter().filter_map(pull).collect())
    }

    async fn contains(&self, repo: &RepoSlug, commit: &CommitSha) -> Result<bool, FakeForgeError> {
        let (git, bare, commit) = (self.git.clone(), self.bare(repo)?, commit.to_string());
        let look = move || {
            let asked = git.on(&bare).run(["merge-base", "--is-ancestor"]).arg(commit).arg("HEAD").answer();
            asked.map(|output| output.code == Some(0)).map_err(|err| failed(&err.said()))
        };
        tokio::task::spawn_blocking(look).await.map_err(|err| failed(&err))?
    }
}

/// The program: beside this one, else on the search path.
fn find(beside: Option<&Path>, search_path: &str) -> Result<PathBuf, FakeForgeError> {
    let folders =
        beside.map(Path::to_owned).into_iter().chain(std::env::split_paths(OsStr::new(search_path)));
    let mut programs = folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(PROGRAM));
    programs.find(|program| program.is_file()).ok_or_else(|| {
        FakeForgeError::Missing(beside.map(|folder| folder.display().to_string()).unwrap_or_default())
    })
}

fn random() -> Result<String, FakeForgeError> {
    let mut bytes = [0_u8; 20];
    getrandom::fill(&mut bytes).map_err(|err| failed(&err))?;
    Ok(hex::encode(bytes))
}

fn failed(err: &(impl std::fmt::Display + ?Sized)) -> FakeForgeError {
    FakeForgeError::Failed(err.to_string())
}
