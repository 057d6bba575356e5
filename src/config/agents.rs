//! The tables `[agents.NAME]`: which program each agent known by name is, and what it works with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;
use super::layer::{Layers, Origin, Sourced};
use super::secret::{Secret, check_name};
use crate::domain::agent::known::{KNOWN, KnownAgent};
use crate::domain::agent::role::check_model;

/// The one agent that may be a server somebody started already.
const WITH_SERVER: &str = "opencode";

/// What one table says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileAgent {
    program: Option<PathBuf>,
    model: Option<String>,
    base_url: Option<String>,
    key_env: Option<String>,
    login: Option<PathBuf>,
    args: Option<Vec<String>>,
    effort: Option<String>,
    pool: Option<String>,
    url: Option<String>,
    server_user: Option<String>,
    server_password_env: Option<String>,
}

/// The settings of one agent.
#[derive(Debug, Clone, Default)]
pub struct AgentSettings {
    /// Its program, absolute; `None` looks for its name on the search path.
    pub program: Option<PathBuf>,
    /// The model of a run that names none.
    pub model: Option<String>,
    /// The address of the model's server, without a slash at its end.
    pub base_url: Option<String>,
    /// The key it is given.
    pub key: Option<Secret>,
    /// The login file that is copied into each run's own configuration.
    pub login: Option<PathBuf>,
    /// Arguments before those of an order.
    pub args: Vec<String>,
    /// How much the model is to think.
    pub effort: Option<String>,
    /// The name of the allowance it shares.
    pub pool: Option<String>,
    /// The address of its server that is running already.
    pub url: Option<String>,
    /// That server's user.
    pub server_user: Option<String>,
    /// That server's password.
    pub server_password: Option<Secret>,
    /// What is set, as name, shown value and origin.
    rows: Vec<(&'static str, String, Origin)>,
}

/// The variables an agent's key is taken from when nothing names one: those the program itself reads for its one provider. opencode
/// and aider speak to any provider, and a key must not go to another one than it is for.
fn usual_keys(agent: &str) -> &'static [&'static str] {
    match agent {
        "codex" => &["CODEX_API_KEY"],
        "claude" => &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
        _ => &[],
    }
}

/// Reads the tables and the variables beside them: settings for every agent known by name.
pub(super) fn read(
    layers: &Layers<'_>,
    tables: &BTreeMap<String, FileAgent>,
) -> Result<BTreeMap<String, AgentSettings>, ConfigError> {
    if let Some(unknown) = tables.keys().find(|name| KnownAgent::of(name).is_none()) {
        let known: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        return Err(ConfigError::Value {
            name: format!("agents.{unknown}"),
            origin: layers.in_file(),
            why: format!(
                "the agents known by name are {}; any other program runs as `command:PROGRAM ARGS` and has no table",
                known.join(", ")
            ),
        });
    }
    let empty = FileAgent::default();
    KNOWN
        .iter()
        .map(|known| {
            let table = tables.get(known.name).unwrap_or(&empty);
            Ok((known.name.to_owned(), Reader { layers, known, rows: Vec::new() }.settings(table)?))
        })
        .collect()
}

/// Each setting that is set, as name, shown value and origin. A key is shown as its variable's name.
pub(super) fn rows(agents: &BTreeMap<String, AgentSettings>) -> Vec<(String, String, Origin)> {
    let of_agent = |(agent, settings): (&String, &AgentSettings)| -> Vec<_> {
        let full = |(name, value, origin): &(&'static str, String, Origin)| {
            (format!("agents.{agent}.{name}"), value.clone(), origin.clone())
        };
        settings.rows.iter().map(full).collect()
    };
    agents.iter().flat_map(of_agent).collect()
}

/// Reads one table, and notes what was set.
struct Reader<'a> {
    layers: &'a Layers<'a>,
    known: &'static KnownAgent,
    rows: Vec<(&'static str, String, Origin)>,
}

impl Reader<'_> {
    fn settings(mut self, table: &FileAgent) -> Result<AgentSettings, ConfigError> {
        let has_server = self.known.name == WITH_SERVER;
        for (name, is_set) in [
            ("url", table.url.is_some()),
            ("server_user", table.server_user.is_some()),
            ("server_password_env", table.server_password_env.is_some()),
        ] {
            if is_set && !has_server {
                return Err(self.wrong(
                    name,
                    self.layers.in_file(),
                    "only opencode can be a server that runs already",
                ));
            }
        }
        let program = self.program(table.program.as_ref())?;
        let model = self.text("model", None, table.model.as_ref(), check_name_of_model)?;
        let base_url = self.text("base_url", None, table.base_url.as_ref(), check_address)?;
        let key = self.secret("key_env", table.key_env.as_ref(), usual_keys(self.known.name))?;
        let login = self.login(table.login.as_ref())?;
        let effort = self.text("effort", None, table.effort.as_ref(), check_name_of_model)?;
        let pool = self.text("pool", None, table.pool.as_ref(), check_line)?;
        let args = table.args.clone().unwrap_or_default();
        if args.iter().any(|arg| arg.contains('\0')) {
            return Err(self.wrong("args", self.layers.in_file(), "no NUL bytes"));
        }
        if !args.is_empty() {
            self.rows.push(("args", format!("{args:?}"), self.layers.in_file()));
        }
        let (mut url, mut server_user, mut server_password) = (None, None, None);
        if has_server {
            url = self.text("url", Some("AGENTPR_OPENCODE_URL"), table.url.as_ref(), check_address)?;
        }
        // Without a server of the operator's the engine starts one and makes up its password.
        if url.is_some() {
            let variable = Some("OPENCODE_SERVER_USERNAME");
            server_user = self.text("server_user", variable, table.server_user.as_ref(), check_line)?;
            let named = table.server_password_env.as_ref();
            server_password = self.secret("server_password_env", named, &["OPENCODE_SERVER_PASSWORD"])?;
        }
        Ok(AgentSettings {
            program,
            model,
            base_url,
            key,
            login,
            args,
            effort,
            pool,
            url,
            server_user,
            server_password,
            rows: self.rows,
        })
    }

    /// The program: absolute in the file; in the variable a name that is found on the search path will do.
    fn program(&mut self, setting: Option<&PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
        let variable = self.known.variable;
        let setting = setting.map(|path| path.to_string_lossy().into_owned());
        let Some(Sourced { value, origin }) = self.layers.text(variable, setting.as_ref())? else {
            return Ok(None);
        };
        let path = PathBuf::from(&value);
        let is_name = matches!(origin, Origin::Environment(_)) && !value.contains('/');
        let found = if is_name { self.layers.on_search_path(&value) } else { Some(path) };
        match found.filter(|path| path.is_absolute()) {
            Some(path) => {
                self.rows.push(("program", path.display().to_string(), origin));
                Ok(Some(path))
            }
            // The agent's own name is what it is looked for by anyway, and missing it is said where it is needed.
            None if is_name && value == self.known.name => Ok(None),
            None if is_name => {
                Err(self.wrong("program", origin, "no program of that name is on the search path"))
            }
            None => Err(self.wrong("program", origin, "an absolute path")),
        }
    }

    fn login(&mut self, setting: Option<&PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
        if setting.is_some_and(|path| path.starts_with("~")) {
            return Err(self.wrong(
                "login",
                self.layers.in_file(),
                "`~` is not filled in here; write the whole path",
            ));
        }
        let Some(path) = setting.map(|path| self.layers.beside(path)) else { return Ok(None) };
        self.rows.push(("login", path.display().to_string(), self.layers.in_file()));
        Ok(Some(path))
    }

    /// A text as `check` wants it.
    fn text(
        &mut self,
        name: &'static str,
        variable: Option<&'static str>,
        setting: Option<&String>,
        check: fn(&str) -> Result<String, &'static str>,
    ) -> Result<Option<String>, ConfigError> {
        let found = match variable {
            Some(variable) => self.layers.text(variable, setting)?,
            None => setting.map(|value| Sourced { value: value.clone(), origin: self.layers.in_file() }),
        };
        let Some(Sourced { value, origin }) = found else { return Ok(None) };
        match check(&value) {
            Ok(value) => {
                self.rows.push((name, value.clone(), origin));
                Ok(Some(value))
            }
            Err(rule) => Err(self.wrong(name, origin, rule)),
        }
    }

    fn secret(
        &mut self,
        name: &'static str,
        named: Option<&String>,
        usual: &'static [&'static str],
    ) -> Result<Option<Secret>, ConfigError> {
        let environment = self.layers.environment;
        if let Some(variable) = named {
            check_name(variable).map_err(|why| self.wrong(name, self.layers.in_file(), &why))?;
            let found = Secret::find(environment, variable)?;
            let state = if found.is_some() { "set" } else { "not set" };
            self.rows.push((name, format!("{variable} ({state})"), self.layers.in_file()));
            return Ok(found);
        }
        for variable in usual {
            if let Some(found) = Secret::find(environment, variable)? {
                self.rows.push((name, format!("{variable} (set)"), Origin::Environment(variable)));
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn wrong(&self, name: &str, origin: Origin, rule: &str) -> ConfigError {
        ConfigError::Value {
            name: format!("agents.{}.{name}", self.known.name),
            origin,
            why: rule.to_owned(),
        }
    }
}

fn check_name_of_model(name: &str) -> Result<String, &'static str> {
    check_model(name).map(|()| name.to_owned())
}

fn check_line(text: &str) -> Result<String, &'static str> {
    let is_line = !text.trim().is_empty() && text.len() <= 200 && !text.contains(char::is_control);
    if is_line { Ok(text.to_owned()) } else { Err("1 to 200 bytes on one line") }
}

/// An address of a server, without a slash at its end; what looks like a login in it is refused, because addresses are shown.
pub(super) fn check_address(address: &str) -> Result<String, &'static str> {
    const RULE: &str = "an address such as https://models.example/v1, without user, password, `?` and `#`";
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).ok_or(RULE)?;
    let host = rest.split('/').next().unwrap_or_default();
    let is_plain = !rest.contains(|c: char| c.is_whitespace() || c.is_control() || "@?#\\".contains(c));
    let is_named = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    if is_plain && is_named { Ok(address.trim_end_matches('/').to_owned()) } else { Err(RULE) }
}
