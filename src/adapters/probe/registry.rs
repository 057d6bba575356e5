//! Where package managers get packages from: their own answers, and their own settings files of the operator. No address of a
//! registry is known here, so a mirror is asked exactly when the tool would ask it.
//!
//! Settings inside a workspace are not read: an agent could name any address there.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{ProbeSettings, program};
use crate::ports::probe::Registry;

/// How long a package manager may take to say where it gets packages from; npm takes 300 ms when it is warm.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Asks each manager, all at once.
pub(super) fn ask(settings: &ProbeSettings, managers: &[String]) -> Vec<Registry> {
    thread::scope(|scope| {
        let asked: Vec<_> =
            managers.iter().map(|manager| scope.spawn(|| registry(settings, manager))).collect();
        let unknown = |manager: &String| nobody(manager, "it could not be asked");
        let answers = asked.into_iter().zip(managers);
        answers.map(|(thread, manager)| thread.join().unwrap_or_else(|_| unknown(manager))).collect()
    })
}

fn registry(settings: &ProbeSettings, manager: &str) -> Registry {
    let found = match manager {
        "npm" | "pnpm" | "yarn" => npm(settings, manager),
        "pip" => pip(settings),
        "uv" => uv(settings),
        "cargo" => cargo(settings),
        "bun" => bun(settings),
        _ => None,
    };
    match found {
        Some((url, source)) => Registry { manager: manager.to_owned(), url: address(&url), source },
        None => nobody(manager, &format!("default registry of {manager}: ask it")),
    }
}

fn nobody(manager: &str, why: &str) -> Registry {
    Registry { manager: manager.to_owned(), url: None, source: why.to_owned() }
}

type Found = Option<(String, String)>;

/// npm names its default too; pnpm and yarn share its settings, and answer the same question.
fn npm(settings: &ProbeSettings, manager: &str) -> Found {
    let more =
        ["npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_userconfig", "NPM_CONFIG_USERCONFIG"];
    let key = if manager == "yarn" { "npmRegistryServer" } else { "registry" };
    said(settings, manager, &["config", "get", key], &more).or_else(|| {
        if manager == "yarn" { said(settings, "yarn", &["config", "get", "registry"], &more) } else { None }
    })
}

fn pip(settings: &ProbeSettings) -> Found {
    variable(settings, &["PIP_INDEX_URL"]).or_else(|| {
        let args = ["config", "get", "global.index-url"];
        let more = ["PIP_CONFIG_FILE", "PYENV_ROOT", "VIRTUAL_ENV"];
        ["pip", "pip3"].iter().find_map(|program| said(settings, program, &args, &more))
    })
}

fn uv(settings: &ProbeSettings) -> Found {
    variable(settings, &["UV_DEFAULT_INDEX", "UV_INDEX_URL"]).or_else(|| {
        let own = settings.parent.get("UV_CONFIG_FILE").map(PathBuf::from);
        let user = config_home(settings).map(|home| home.join("uv/uv.toml"));
        let files = own.into_iter().chain(user).chain([PathBuf::from("/etc/uv/uv.toml")]);
        first(files, |table| {
            let indexes = table.get("index").and_then(toml::Value::as_array);
            let is_default =
                |index: &&toml::Value| index.get("default").and_then(toml::Value::as_bool) == Some(true);
            let default = indexes.and_then(|indexes| indexes.iter().find(is_default));
            let pip = table.get("pip").and_then(|pip| pip.get("index-url"));
            text(default.and_then(|index| index.get("url")).or(table.get("index-url")).or(pip))
        })
    })
}

/// cargo's sources: `replace-with` is followed, as cargo does, a few steps.
fn cargo(settings: &ProbeSettings) -> Found {
    let home = settings.parent.get("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(settings.parent.get("HOME")?).join(".cargo")))?;
    first([home.join("config.toml"), home.join("config")], |table| {
        let sources = table.get("source")?;
        let mut source = sources.get("crates-io")?;
        for _ in 0..8 {
            match text(source.get("replace-with")) {
                Some(next) => source = sources.get(&next)?,
                None => {
                    return text(source.get("registry"))
                        .map(|url| url.trim_start_matches("sparse+").to_owned());
                }
            }
        }
        None
    })
}

fn bun(settings: &ProbeSettings) -> Found {
    let set = variable(settings, &["BUN_CONFIG_REGISTRY", "NPM_CONFIG_REGISTRY", "npm_config_registry"]);
    let home = settings.parent.get("HOME").map(PathBuf::from);
    let home = home.as_deref();
    set.or_else(|| {
        let files = config_home(settings).into_iter().chain(home.map(Path::to_owned));
        first(files.map(|folder| folder.join(".bunfig.toml")), |table| {
            let registry = table.get("install")?.get("registry")?;
            text(Some(registry)).or_else(|| text(registry.get("url")))
        })
    })
    .or_else(|| {
        let file = home?.join(".npmrc");
        let lines = std::fs::read_to_string(&file).ok()?;
        let value =
            lines.lines().find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == "registry"));
        value.map(|(_, value)| (value.trim().trim_matches('"').to_owned(), file.display().to_string()))
    })
}

/// What a program says on one line, when it is an address.
fn said(settings: &ProbeSettings, name: &str, args: &[&str], more: &[&str]) -> Found {
    let path = program::find(&settings.search_path, name)?;
    let output = program::answer(&path, args, program::environment(settings, more), ANSWER_LIMIT).ok()?;
    let line = program::lines(&output.stdout).last().filter(|_| output.code == Some(0))?;
    address(&line)?;
    Some((line, format!("`{name} {}`", args.join(" "))))
}

fn variable(settings: &ProbeSettings, names: &[&str]) -> Found {
    let set = |name: &&str| {
        let value = settings.parent.get(*name).filter(|value| !value.trim().is_empty())?;
        Some((value.clone(), (*name).to_owned()))
    };
    names.iter().find_map(set)
}

/// The first file that is there, can be read and answers.
fn first(files: impl IntoIterator<Item = PathBuf>, look: impl Fn(&toml::Table) -> Option<String>) -> Found {
    files.into_iter().find_map(|file| {
        let table = std::fs::read_to_string(&file).ok()?.parse::<toml::Table>().ok()?;
        Some((look(&table)?, file.display().to_string()))
    })
}

fn text(value: Option<&toml::Value>) -> Option<String> {
    value.and_then(toml::Value::as_str).map(str::to_owned)
}

fn config_home(settings: &ProbeSettings) -> Option<PathBuf> {
    let set = settings.parent.get("XDG_CONFIG_HOME").map(PathBuf::from);
    set.or_else(|| Some(PathBuf::from(settings.parent.get("HOME")?).join(".config")))
}

/// An address as it may be shown and asked: without credentials; `None` for what is no address of the web.
fn address(text: &str) -> Option<String> {
    let mut url = reqwest::Url::parse(text.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    Some(url.into())
}
