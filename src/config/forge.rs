//! The setting `forge`: where runs are pushed to.

use serde::Deserialize;

use super::ConfigError;
use super::layer::{Layers, Origin, Sourced};

/// Which forge runs are pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeChoice {
    /// GitHub for a run whose remote is there, else the local one.
    #[default]
    Auto,
    /// The local one.
    Local,
    /// GitHub.
    GitHub,
}

impl ForgeChoice {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Local => "local",
            Self::GitHub => "github",
        }
    }

    /// Reads the setting `forge` or its variable.
    pub(super) fn read(layers: &Layers<'_>, setting: Option<Self>) -> Result<Sourced<Self>, ConfigError> {
        if let Some(text) = layers.text("AGENTPR_FORGE", None)? {
            let all = [Self::Auto, Self::Local, Self::GitHub];
            let value = all.into_iter().find(|choice| choice.word() == text.value.trim());
            let value = value.ok_or_else(|| text.wrong("forge", "one of auto, local, github"))?;
            return Ok(Sourced { value, origin: text.origin });
        }
        let origin = if setting.is_some() { layers.in_file() } else { Origin::Default };
        Ok(Sourced { value: setting.unwrap_or_default(), origin })
    }
}
