//! The table `[github]` and the variables beside it: where GitHub is, who we are there, and how pull requests are made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::agents::check_address;
use super::github_login::{FoundToken, GitHubApp};
use super::layer::{Layers, Origin, Sourced};
use super::secret::Hidden;

/// GitHub's own address.
const PUBLIC_API: &str = "https://api.github.com";

/// Where the API of a server of one's own is found under its address.
const SERVER_API: &str = "/api/v3";

/// GitHub asks for a second between writes; more often is answered with a secondary limit.
const LEAST_WRITE_GAP_MS: u64 = 1000;

/// Seconds between two looks at all pull requests; GitHub's allowance is for an hour.
const LEAST_POLL_SECONDS: u64 = 10;

/// Seconds between two looks when nobody says.
const DEFAULT_POLL_SECONDS: u64 = 120;

/// Longest name of a label, in characters; GitHub refuses longer ones.
const LONGEST_LABEL: usize = 50;

/// What the table says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileGitHub {
    api_url: Option<String>,
    web_url: Option<String>,
    login: Option<String>,
    fork: Option<ForkChoice>,
    draft: Option<bool>,
    labels: Option<Vec<String>>,
    trailers: Option<Vec<String>>,
    maintainer_can_modify: Option<bool>,
    pub(super) app_id: Option<u64>,
    pub(super) installation_id: Option<u64>,
    pub(super) app_key_file: Option<PathBuf>,
    token_env: Option<String>,
    write_gap_ms: Option<u64>,
    poll_seconds: Option<u64>,
}

/// Whether a branch is pushed to a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForkChoice {
    /// Where we may not push to the repository itself.
    Auto,
    /// Always.
    Always,
    /// Never: without permission to push there is no pull request.
    Never,
}

/// The settings of GitHub.
#[derive(Debug, Clone)]
pub struct GitHubSettings {
    /// The address of the API, without a slash at its end.
    pub api_url: String,
    /// The address of pages and repositories, without a slash at its end.
    pub web_url: String,
    /// Who we are there, as the owner of forks; `None` asks.
    pub login: Option<String>,
    /// Whether a branch is pushed to a fork.
    pub fork: ForkChoice,
    /// Whether a new pull request is a draft.
    pub draft: bool,
    /// Labels of a new pull request.
    pub labels: Vec<String>,
    /// Lines such as `Signed-off-by: Ada <ada@example.com>` at the end of each commit's message.
    pub trailers: Vec<String>,
    /// Whether maintainers may push to the branch of a fork.
    pub maintainer_can_modify: bool,
    /// The App, if one is used.
    pub app: Option<GitHubApp>,
    /// The token, if there is one here; the login of `gh` is asked for by who needs it.
    pub token: Option<FoundToken>,
    /// Least time between two writes.
    pub write_gap: Duration,
    /// Time between two looks at all open pull requests.
    pub poll: Duration,
    /// What is shown, as name, value and origin.
    rows: Vec<(&'static str, String, Origin)>,
}

impl GitHubSettings {
    /// The settings of a server of this machine that nobody else uses, with nothing of the operator's: the token is the only login,
    /// and writes follow each other at once.
    pub fn of_loopback(api_url: &str, web_url: &str, token: &str) -> Self {
        Self {
            api_url: api_url.to_owned(),
            web_url: web_url.to_owned(),
            login: None,
            fork: ForkChoice::Auto,
            draft: true,
            labels: Vec::new(),
            trailers: Vec::new(),
            maintainer_can_modify: true,
            app: None,
            token: Some(FoundToken {
                value: Hidden::new(token.to_owned()),
                from: "the server itself".to_owned(),
            }),
            write_gap: Duration::ZERO,
            poll: Duration::from_secs(DEFAULT_POLL_SECONDS),
            rows: Vec::new(),
        }
    }

    /// The secrets among them, for what masks them.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let token = self.token.iter().map(|token| token.value.reveal());
        token.chain(self.app.iter().map(|app| app.key.reveal()))
    }

    /// Each setting as name, shown value and origin. A secret is shown as the place it came from.
    pub(super) fn rows(&self) -> impl Iterator<Item = (String, String, Origin)> + '_ {
        self.rows
            .iter()
            .map(|(name, value, origin)| (format!("github.{name}"), value.clone(), origin.clone()))
    }
}

impl ForkChoice {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// Reads the table, the variables beside it, and the files with secrets; `token_file` is what the flag says.
pub(super) fn read(
    layers: &Layers<'_>,
    table: &FileGitHub,
    token_file: Option<&Path>,
) -> Result<GitHubSettings, ConfigError> {
    Reader { layers, rows: Vec::new() }.settings(table, token_file)
}

/// Reads the table, and notes what is in force.
pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers<'a>,
    pub(super) rows: Vec<(&'static str, String, Origin)>,
}

impl Reader<'_> {
    fn settings(
        mut self,
        table: &FileGitHub,
        token_file: Option<&Path>,
    ) -> Result<GitHubSettings, ConfigError> {
        let api_url = self.address("api_url", "AGENTPR_GITHUB_API_URL", table.api_url.as_ref())?;
        let api_url = api_url.unwrap_or_else(|| self.default("api_url", PUBLIC_API.to_owned()));
        let web_url = self.address("web_url", "AGENTPR_GITHUB_WEB_URL", table.web_url.as_ref())?;
        let web_url = match web_url {
            Some(web_url) => web_url,
            None => match web_of(&api_url) {
                Some(web_url) => self.default("web_url", web_url),
                None => {
                    let rule = "it cannot be told from `api_url`; say it, such as https://github.example.com";
                    return Err(self.wrong("web_url", Origin::Default, rule));
                }
            },
        };
        let login = self.login(table.login.as_ref())?;
        let fork = self.choice("fork", table.fork, ForkChoice::Auto, ForkChoice::word);
        let draft = self.choice("draft", table.draft, true, yes_or_no);
        let labels =
            self.list("labels", table.labels.as_ref(), is_label, "1 to 50 characters on one line each")?;
        let rule = "lines such as `Signed-off-by: Ada <ada@example.com>`";
        let trailers = self.list("trailers", table.trailers.as_ref(), is_trailer, rule)?;
        let maintainer_can_modify =
            self.choice("maintainer_can_modify", table.maintainer_can_modify, true, yes_or_no);
        let is_here = is_loopback(&api_url);
        let (least_gap, least_poll) = if is_here { (0, 1) } else { (LEAST_WRITE_GAP_MS, LEAST_POLL_SECONDS) };
        let gap = self.number("write_gap_ms", table.write_gap_ms, LEAST_WRITE_GAP_MS, least_gap)?;
        let poll = self.number("poll_seconds", table.poll_seconds, DEFAULT_POLL_SECONDS, least_poll)?;
        let app = self.app(table)?;
        let token = self.token(table.token_env.as_ref(), token_file)?;
        Ok(GitHubSettings {
            api_url,
            web_url,
            login,
            fork,
            draft,
            labels,
            trailers,
            maintainer_can_modify,
            app,
            token,
            write_gap: Duration::from_millis(gap),
            poll: Duration::from_secs(poll),
            rows: self.rows,
        })
    }

    fn address(
        &mut self,
        name: &'static str,
        variable: &'static str,
        setting: Option<&String>,
    ) -> Result<Option<String>, ConfigError> {
        let Some(Sourced { value, origin }) = self.layers.text(variable, setting)? else { return Ok(None) };
        let value = check_address(value.trim()).map_err(|rule| self.wrong(name, origin.clone(), rule))?;
        if value.starts_with("http://") && !is_loopback(&value) {
            let rule = "`http` is used on this machine only; everywhere else it is `https`";
            return Err(self.wrong(name, origin, rule));
        }
        self.rows.push((name, value.clone(), origin));
        Ok(Some(value))
    }

    fn login(&mut self, setting: Option<&String>) -> Result<Option<String>, ConfigError> {
        let Some(Sourced { value, origin }) = self.layers.text("AGENTPR_GITHUB_LOGIN", setting)? else {
            return Ok(None);
        };
        let is_login = value.len() <= 100
            && value.starts_with(|c: char| c.is_ascii_alphanumeric())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_[]".contains(&byte));
        if !is_login {
            return Err(self.wrong("login", origin, "the name of a user or an organisation"));
        }
        self.rows.push(("login", value.clone(), origin));
        Ok(Some(value))
    }

    fn list(
        &mut self,
        name: &'static str,
        setting: Option<&Vec<String>>,
        is_fine: fn(&str) -> bool,
        rule: &str,
    ) -> Result<Vec<String>, ConfigError> {
        let list = setting.cloned().unwrap_or_default();
        if !list.iter().all(|item| is_fine(item)) {
            return Err(self.wrong(name, self.layers.in_file(), rule));
        }
        self.rows.push((name, list.join("; "), self.origin(setting.is_some())));
        Ok(list)
    }

    fn number(
        &mut self,
        name: &'static str,
        setting: Option<u64>,
        default: u64,
        least: u64,
    ) -> Result<u64, ConfigError> {
        let value = setting.unwrap_or(default);
        if value < least || value > u64::from(u32::MAX) {
            let rule = format!("{least} or more; only a server of this machine may be asked more often");
            return Err(self.wrong(name, self.layers.in_file(), &rule));
        }
        self.rows.push((name, value.to_string(), self.origin(setting.is_some())));
        Ok(value)
    }

    fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        setting: Option<T>,
        default: T,
        word: fn(T) -> &'static str,
    ) -> T {
        let value = setting.unwrap_or(default);
        self.rows.push((name, word(value).to_owned(), self.origin(setting.is_some())));
        value
    }

    fn default(&mut self, name: &'static str, value: String) -> String {
        self.rows.push((name, value.clone(), Origin::Default));
        value
    }

    fn origin(&self, in_file: bool) -> Origin {
        if in_file { self.layers.in_file() } else { Origin::Default }
    }

    pub(super) fn wrong(&self, name: &str, origin: Origin, rule: &str) -> ConfigError {
        ConfigError::Value { name: format!("github.{name}"), origin, why: rule.to_owned() }
    }
}

/// The address of pages that goes with an API's: a server's own has the API below it, GitHub's stand under `api.` before the host.
fn web_of(api_url: &str) -> Option<String> {
    if let Some(server) = api_url.strip_suffix(SERVER_API) {
        return Some(server.to_owned());
    }
    let host = api_url.strip_prefix("https://api.").filter(|host| !host.contains('/'))?;
    Some(format!("https://{host}"))
}

/// Says whether an address is on this machine, by one of the three names that are never looked up anywhere else.
fn is_loopback(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    ["127.0.0.1", "[::1]", "localhost"].into_iter().any(|host| {
        let port = authority.strip_prefix(host);
        port.is_some_and(|port| {
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

fn is_label(label: &str) -> bool {
    !label.trim().is_empty() && label.chars().count() <= LONGEST_LABEL && !label.contains(char::is_control)
}

/// `Key: value`, as git-interpret-trailers(1) has it.
fn is_trailer(line: &str) -> bool {
    let is_key = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_alphanumeric())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    line.len() <= 200
        && !line.contains(char::is_control)
        && line.split_once(": ").is_some_and(|(key, value)| is_key(key) && !value.trim().is_empty())
}

fn yes_or_no(choice: bool) -> &'static str {
    if choice { "true" } else { "false" }
}
