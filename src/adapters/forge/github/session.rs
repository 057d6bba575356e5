//! The login in use: the token of now, where it comes from, and when it is a new one's turn.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::app_token::AppToken;
use super::auth::{Login, Secret, name_of};
use crate::domain::time::Timestamp;

/// A login and what became of it.
#[derive(Debug)]
pub(super) struct Session {
    login: Login,
    later: OnceLock<Option<Secret>>,
    app: Mutex<Option<AppToken>>,
    /// Held by whoever renews the token, so that one does.
    pub renewing: tokio::sync::Mutex<()>,
}

impl Session {
    pub(super) fn new(login: Login) -> Self {
        Self { login, later: OnceLock::new(), app: Mutex::new(None), renewing: tokio::sync::Mutex::new(()) }
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// The token that is good now; for a login of later it may block once. `None` when an App's must be asked for, or nobody has one.
    pub(super) fn token(&self, now: Timestamp) -> Option<Secret> {
        match &self.login {
            Login::Token(token) => Some(token.clone()),
            Login::Later(ask) => self.later.get_or_init(|| ask()).clone(),
            Login::App { .. } => {
                let app = self.app.lock().unwrap_or_else(PoisonError::into_inner);
                app.as_ref().filter(|token| token.is_good(now)).map(|token| token.secret.clone())
            }
        }
    }

    /// The newest known token, even one that is due to be renewed, as long as it has not ended.
    pub(super) fn newest(&self, now: Timestamp) -> Option<Secret> {
        match &self.login {
            Login::Token(_) | Login::Later(_) => self.token(now),
            Login::App { .. } => {
                let app = self.app.lock().unwrap_or_else(PoisonError::into_inner);
                app.as_ref().filter(|token| now < token.ends).map(|token| token.secret.clone())
            }
        }
    }

    /// Whether it is an App's.
    pub(super) fn is_app(&self) -> bool {
        matches!(self.login, Login::App { .. })
    }

    /// Whether the newest token of an App may change what is in repositories; `None` where nobody said.
    pub(super) fn app_may_push(&self) -> Option<bool> {
        self.app.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.may_push
    }

    /// Takes a renewed token.
    pub(super) fn renew(&self, token: AppToken) {
        *self.app.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// Gives up a token that GitHub did not take, and says whether another one can be had.
    pub(super) fn give_up(&self, refused: &Secret) -> bool {
        if !self.is_app() {
            return false;
        }
        let mut app = self.app.lock().unwrap_or_else(PoisonError::into_inner);
        if app.as_ref().is_some_and(|token| token.secret.reveal() == refused.reveal()) {
            *app = None;
        }
        true
    }

    /// The name under which its limits are remembered. An App's installation keeps its limits when its token is renewed.
    pub(super) fn name(&self, bearer: &Secret) -> String {
        match &self.login {
            Login::Token(_) | Login::Later(_) => name_of(&format!("token {}", bearer.reveal())),
            Login::App { app_id, installation, .. } => name_of(&format!("app {app_id} {installation}")),
        }
    }
}
