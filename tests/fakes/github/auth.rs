//! Who asks: what came in `Authorization`, and whom it stands for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::message::Ask;
use crate::user::Who;
use crate::world::World;

/// What came in `Authorization`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credential {
    /// `none`, `bearer`, `token`, `basic` or `jwt`; logs show this word.
    pub kind: &'static str,
    /// The token itself, which no log shows.
    pub text: String,
}

impl Credential {
    pub(crate) fn of(ask: &Ask) -> Self {
        let Some((scheme, text)) = ask.header("authorization").and_then(|value| value.split_once(' ')) else {
            return Self { kind: "none", text: String::new() };
        };
        let text = text.trim().to_owned();
        match scheme.to_ascii_lowercase().as_str() {
            // An App's word is three pieces of base64; its tokens begin otherwise.
            "bearer" if text.starts_with("eyJ") && text.split('.').count() == 3 => Self { kind: "jwt", text },
            "bearer" => Self { kind: "bearer", text },
            "token" => Self { kind: "token", text },
            "basic" => {
                let pair = STANDARD.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let pair = pair.unwrap_or_default();
                let (name, password) = pair.split_once(':').unwrap_or((&pair, ""));
                let is_name = password.is_empty() || password == "x-oauth-basic";
                Self { kind: "basic", text: if is_name { name } else { password }.to_owned() }
            }
            _ => Self { kind: "none", text: String::new() },
        }
    }

    /// Whom the token stands for; nobody when it is unknown, taken back or too old.
    pub(crate) fn who(&self, world: &World) -> Option<Who> {
        let token = world.tokens.get(&self.text)?;
        let is_alive = token.expires_ms.is_none_or(|until| world.now() < until);
        is_alive.then(|| Who { login: token.login.clone(), installation: token.installation.clone() })
    }
}
