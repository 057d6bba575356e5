//! What git answers a remote with that asks who it is: a user and a token for one site, and no other.

use std::fmt;

/// A secret that git is handed. It has no text form but the one that is asked for by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The value. Goes to git's question and to what masks it, and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A user and a token of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Scheme, host and port, as in `https://github.com`.
    site: String,
    user: String,
    token: Token,
}

/// What git asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    User,
    Token,
}

impl Credential {
    /// A credential of `site` (scheme, host and port, as in `https://github.com`).
    ///
    /// For GitHub the user is `x-access-token`, whatever kind the token is of.
    pub fn new(site: &str, user: impl Into<String>, token: impl Into<String>) -> Self {
        let site = site.trim_end_matches('/').to_ascii_lowercase();
        Self { site, user: user.into(), token: Token(token.into()) }
    }

    /// The answer to git's question, if it is about this site and user.
    ///
    /// Git asks `Username for 'https://host': `, then `Password for 'https://user@host': `, both with what is unusual in a name
    /// written as `%XX`. After a redirect it asks anew, for the host it was sent to, and gets nothing.
    pub(super) fn answer(&self, prompt: &str) -> Option<&str> {
        let (kind, rest) = prompt.split_once(" for '")?;
        let asked = decoded(rest.trim_end().strip_suffix("':")?)?;
        let wanted = match kind {
            "Username" => Wanted::User,
            "Password" => Wanted::Token,
            _ => return None,
        };
        let (scheme, host) = self.site.split_once("://")?;
        let fits = |expected: &str| asked.eq_ignore_ascii_case(expected);
        match wanted {
            Wanted::User => fits(&self.site).then_some(self.user.as_str()),
            Wanted::Token => fits(&format!("{scheme}://{}@{host}", self.user)).then(|| self.token.reveal()),
        }
    }
}

/// A text with `%XX` put back.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
