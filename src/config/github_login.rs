//! Who we are at GitHub: a token, or an App that tokens are asked for. Their values are shown nowhere.

use std::path::Path;

use super::ConfigError;
use super::github::{FileGitHub, Reader};
use super::layer::{Environment, Origin, Sourced};
use super::secret::{FileRule, Hidden, check_variable, found, read_file};

/// The variables a token is taken from when nothing names one, the first that is set. Each may have `_FILE` after its name.
const TOKENS: [&str; 3] = ["AGENTPR_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"];

/// A token, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundToken {
    /// The token.
    pub value: Hidden,
    /// The variable or flag it came by.
    pub from: String,
}

/// A GitHub App that tokens are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubApp {
    /// Its number.
    pub id: u64,
    /// The installation that is used; there is no forge on GitHub without it.
    pub installation: Option<u64>,
    /// Its private key as PEM.
    pub key: Hidden,
}

impl Reader<'_> {
    /// The App: number and key belong together.
    pub(super) fn app(&mut self, table: &FileGitHub) -> Result<Option<GitHubApp>, ConfigError> {
        let id = self.id("app_id", "AGENTPR_GITHUB_APP_ID", table.app_id)?;
        let installation =
            self.id("installation_id", "AGENTPR_GITHUB_INSTALLATION_ID", table.installation_id)?;
        let file = self.layers.path(None, "AGENTPR_GITHUB_APP_KEY_FILE", table.app_key_file.as_ref());
        let (id, file) = match (id, file) {
            (Some(id), Some(file)) => (id, file),
            (None, None) if installation.is_none() => return Ok(None),
            (id, file) => {
                let origin = file.map_or(self.layers.in_file(), |file| file.origin);
                let name = if id.is_none() { "app_id" } else { "app_key_file" };
                let rule = "a GitHub App needs `app_id` and `app_key_file` together";
                return Err(self.wrong(name, origin, rule));
            }
        };
        let shown = file.value.display();
        let key = read_file(&file.value, FileRule::Private)
            .map_err(|why| self.wrong("app_key_file", file.origin.clone(), &format!("`{shown}`: {why}")))?;
        if !key.trim_start().starts_with("-----BEGIN") {
            let rule = format!("`{shown}` is no private key as PEM, which begins with `-----BEGIN`");
            return Err(self.wrong("app_key_file", file.origin, &rule));
        }
        self.rows.push(("app_key_file", format!("set (from {shown})"), file.origin));
        Ok(Some(GitHubApp { id, installation, key: Hidden::new(key) }))
    }

    fn id(
        &mut self,
        name: &'static str,
        variable: &'static str,
        setting: Option<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let setting = setting.map(|number| number.to_string());
        let Some(Sourced { value, origin }) = self.layers.text(variable, setting.as_ref())? else {
            return Ok(None);
        };
        match value.trim().parse::<u64>() {
            Ok(number) if number > 0 => {
                self.rows.push((name, number.to_string(), origin));
                Ok(Some(number))
            }
            _ => Err(self.wrong(name, origin, "the number GitHub shows for it")),
        }
    }

    pub(super) fn token(
        &mut self,
        named: Option<&String>,
        file: Option<&Path>,
    ) -> Result<Option<FoundToken>, ConfigError> {
        if let Some(name) = named {
            let in_file = self.layers.in_file();
            check_variable(name).map_err(|why| self.wrong("token_env", in_file.clone(), &why))?;
            self.rows.push(("token_env", name.clone(), in_file));
        }
        let token = match (file, named) {
            (Some(file), _) => Some(self.token_in(file)?),
            (None, Some(name)) => self.token_of(self.layers.environment, name)?,
            (None, None) => {
                let mut found = None;
                for name in TOKENS {
                    found = self.token_of(self.layers.environment, name)?;
                    if found.is_some() {
                        break;
                    }
                }
                found
            }
        };
        if let Some((token, origin)) = &token {
            self.rows.push(("token", format!("set (from {})", token.from), origin.clone()));
        }
        Ok(token.map(|(token, _)| token))
    }

    fn token_in(&self, file: &Path) -> Result<(FoundToken, Origin), ConfigError> {
        let wrong = |why: &str| self.wrong("token", Origin::Flag, &format!("`{}`: {why}", file.display()));
        let text = read_file(file, FileRule::Private).map_err(|why| wrong(&why))?;
        let value = text.trim();
        if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong("a token is one word on one line"));
        }
        let from = "--github-token-file".to_owned();
        Ok((FoundToken { value: Hidden::new(value.to_owned()), from }, Origin::Flag))
    }

    fn token_of(
        &self,
        environment: &Environment,
        variable: &str,
    ) -> Result<Option<(FoundToken, Origin)>, ConfigError> {
        let Some((value, from)) = found(environment, variable, FileRule::Private)? else { return Ok(None) };
        let usual = TOKENS.into_iter().find(|usual| *usual == variable);
        let origin = usual.map_or_else(|| self.layers.in_file(), Origin::Environment);
        Ok(Some((FoundToken { value, from }, origin)))
    }
}
