//! People, organizations and bots, their tokens, and what they may do in a repository.

use serde_json::{Value, json};

/// Somebody with a login.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub login: String,
    pub id: u64,
    /// `User`, `Organization` or `Bot`.
    pub kind: String,
}

impl User {
    /// The shape GitHub gives in every place where a user stands.
    pub(crate) fn json(&self, origin: &str) -> Value {
        let Self { login, id, kind } = self;
        let url = format!("{origin}/api/v3/users/{login}");
        json!({
            "login": login, "id": id, "node_id": format!("U_{id}"), "type": kind, "site_admin": false,
            "avatar_url": format!("{origin}/avatars/{id}"), "gravatar_id": "", "url": url,
            "html_url": format!("{origin}/{login}"),
            "followers_url": format!("{url}/followers"), "following_url": format!("{url}/following"),
            "gists_url": format!("{url}/gists"), "starred_url": format!("{url}/starred"),
            "subscriptions_url": format!("{url}/subscriptions"), "organizations_url": format!("{url}/orgs"),
            "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events"),
            "received_events_url": format!("{url}/received_events"),
        })
    }
}

/// What a token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub login: String,
    /// The installation's account, where the token is an App's.
    pub installation: Option<String>,
    pub expires_ms: Option<i64>,
}

/// Who makes a request.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub login: String,
    pub installation: Option<String>,
}

/// What somebody may do in a repository; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Level {
    #[default]
    None,
    Pull,
    Triage,
    Push,
    Maintain,
    Admin,
}

impl Level {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "pull" | "read" => Self::Pull,
            "triage" => Self::Triage,
            "push" | "write" => Self::Push,
            "maintain" => Self::Maintain,
            "admin" => Self::Admin,
            _ => return None,
        })
    }

    pub(crate) fn json(self) -> Value {
        json!({
            "admin": self >= Self::Admin, "maintain": self >= Self::Maintain, "push": self >= Self::Push,
            "triage": self >= Self::Triage, "pull": self >= Self::Pull,
        })
    }
}
