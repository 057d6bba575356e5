//! Where a value comes from, and which layer wins.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// The variables of this process, read once by `main.rs`.
pub type Environment = BTreeMap<OsString, OsString>;

/// The layer a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A variable.
    Environment(&'static str),
    /// The settings file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("the command line"),
            Self::Environment(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    pub(super) fn wrong(&self, name: &'static str, rule: &str) -> ConfigError {
        ConfigError::Value { name: name.to_owned(), origin: self.origin.clone(), why: rule.to_owned() }
    }
}

impl<T> Sourced<Option<T>> {
    pub(super) fn none() -> Self {
        Self { value: None, origin: Origin::Default }
    }

    pub(super) fn some(found: Sourced<T>) -> Self {
        Self { value: Some(found.value), origin: found.origin }
    }
}

/// Environment and file; a flag is handed to each question.
pub(super) struct Layers<'a> {
    pub(super) environment: &'a Environment,
    pub(super) file: &'a Path,
}

impl Layers<'_> {
    /// A path, absolute: from flag and variable it counts from the current directory, in the file from the file's.
    pub(super) fn path(
        &self,
        flag: Option<&PathBuf>,
        variable: &'static str,
        setting: Option<&PathBuf>,
    ) -> Option<Sourced<PathBuf>> {
        if let Some(flag) = flag {
            return Some(Sourced { value: absolute(flag), origin: Origin::Flag });
        }
        if let Some(value) = self.variable(variable) {
            return Some(Sourced {
                value: absolute(Path::new(value)),
                origin: Origin::Environment(variable),
            });
        }
        setting.map(|path| Sourced { value: self.beside(path), origin: self.in_file() })
    }

    /// A path as the file means it: absolute, or counted from the file's directory.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        absolute(&self.file.parent().unwrap_or_else(|| Path::new("")).join(path))
    }

    /// The first file of this name in the folders of `PATH`.
    pub(super) fn on_search_path(&self, name: &str) -> Option<PathBuf> {
        let folders = std::env::split_paths(self.variable("PATH")?);
        folders.map(|folder| folder.join(name)).find(|path| path.is_absolute() && path.is_file())
    }

    /// A text; a variable that is no text is an error, not a gap.
    pub(super) fn text(
        &self,
        variable: &'static str,
        setting: Option<&String>,
    ) -> Result<Option<Sourced<String>>, ConfigError> {
        let Some(value) = self.variable(variable) else {
            return Ok(setting.map(|text| Sourced { value: text.clone(), origin: self.in_file() }));
        };
        let origin = Origin::Environment(variable);
        match value.to_str() {
            Some(text) => Ok(Some(Sourced { value: text.to_owned(), origin })),
            None => Err(ConfigError::Value {
                name: variable.to_owned(),
                origin,
                why: "it is not UTF-8".to_owned(),
            }),
        }
    }

    /// A list of paths, taken as they are; a variable has them as `PATH` has its folders.
    pub(super) fn paths(
        &self,
        variable: &'static str,
        setting: Option<&Vec<PathBuf>>,
    ) -> Sourced<Vec<PathBuf>> {
        if let Some(value) = self.variable(variable) {
            let value = std::env::split_paths(value).filter(|path| !path.as_os_str().is_empty()).collect();
            return Sourced { value, origin: Origin::Environment(variable) };
        }
        match setting {
            Some(paths) => Sourced { value: paths.clone(), origin: self.in_file() },
            None => Sourced { value: Vec::new(), origin: Origin::Default },
        }
    }

    /// A number.
    pub(super) fn number(
        &self,
        name: &'static str,
        variable: &'static str,
        setting: Option<usize>,
        default: usize,
    ) -> Result<Sourced<usize>, ConfigError> {
        if let Some(text) = self.text(variable, None)? {
            let value = text.value.trim().parse().map_err(|_| text.wrong(name, "a whole number"))?;
            return Ok(Sourced { value, origin: text.origin });
        }
        Ok(match setting {
            Some(value) => Sourced { value, origin: self.in_file() },
            None => Sourced { value: default, origin: Origin::Default },
        })
    }

    /// The file, as an origin.
    pub(super) fn in_file(&self) -> Origin {
        Origin::File(self.file.to_owned())
    }

    /// A variable that says something; an empty one counts as unset.
    fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.get(OsStr::new(name)).filter(|value| !value.is_empty())
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A directory variable of the XDG rules: one that is not absolute counts as unset.
pub(super) fn absolute_path(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute())
}
