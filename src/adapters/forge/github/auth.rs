//! Who asks: a token, a GitHub App's installation, or a token that somebody is asked for later. None of it has a text form.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// A token or a key. It is shown as `***`.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides a text. Blanks around it are not part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// The text. Goes to GitHub, to git's question for a password and to what masks it, and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Says whether it can stand in a header: visible characters, and some.
    pub(super) fn is_header(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// A text without it.
    pub(super) fn mask(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&*self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to log in.
#[derive(Clone)]
pub enum Login {
    /// By a token of a person or a machine user, of any length and form.
    Token(Secret),
    /// As an installation of a GitHub App; its tokens are asked for, and renewed before they end.
    App {
        /// The App.
        app_id: u64,
        /// The installation.
        installation: u64,
        /// Its private key, PKCS#1 or PKCS#8 in PEM.
        key_pem: Secret,
    },
    /// By a token that is asked for when it is needed first, and once: `gh auth token` is slow. It may block.
    Later(Arc<dyn Fn() -> Option<Secret> + Send + Sync>),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(***)"),
            Self::App { app_id, installation, .. } => {
                f.debug_struct("App").field("app_id", app_id).field("installation", installation).finish()
            }
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// The name under which the limits of a login are remembered: the beginning of a digest, from which nothing leads back.
pub(super) fn name_of(words: &str) -> String {
    let mut name = hex::encode(Sha256::digest(words.as_bytes()));
    name.truncate(16);
    name
}
