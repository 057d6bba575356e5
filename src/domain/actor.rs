//! Who did something, and through which door.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The door a command came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The engine itself.
    Engine,
    /// A command typed on this machine.
    Cli,
    /// The Telegram bot.
    Telegram,
    /// The web page or its API.
    Http,
    /// Something GitHub said, by webhook or by answer.
    Github,
}

/// Who acts: recorded with every event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The door.
    pub channel: Channel,
    /// The name behind it: a login, a chat member, a component.
    pub name: String,
}

impl Actor {
    /// The engine, acting by the log and by nobody's order.
    pub fn engine() -> Self {
        Self { channel: Channel::Engine, name: "engine".to_owned() }
    }

    /// A person at a terminal of this machine.
    pub fn cli(name: impl Into<String>) -> Self {
        Self { channel: Channel::Cli, name: name.into() }
    }

    /// Says whether a person stands behind the act.
    ///
    /// Only a person moves a held run on, and only a person approves.
    pub fn is_person(&self) -> bool {
        matches!(self.channel, Channel::Cli | Channel::Telegram | Channel::Http)
    }
}

impl Channel {
    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Cli => "cli",
            Self::Telegram => "telegram",
            Self::Http => "http",
            Self::Github => "github",
        }
    }

    /// Reads a stored name; `None` for anything else.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Engine, Self::Cli, Self::Telegram, Self::Http, Self::Github]
            .into_iter()
            .find(|c| c.name() == name)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel.name(), self.name)
    }
}

impl std::str::FromStr for Actor {
    type Err = super::id::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':')
            .and_then(|(channel, name)| {
                Some(Self { channel: Channel::from_name(channel)?, name: name.to_owned() })
            })
            .ok_or_else(|| super::id::InvalidId::new("actor", "`channel:name`", text))
    }
}
