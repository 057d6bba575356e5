//! Wiring: which adapter stands behind which port.

use std::sync::Arc;

use crate::app::{App, AppError, OperatorNotifier};
use crate::config::Config;
use crate::surfaces::cli::{Access, Wire};

/// Puts the app together from the adapters of this program.
pub struct Wiring;

impl Wire for Wiring {
    fn open(&self, config: &Config, _: Access, _: Arc<dyn OperatorNotifier>) -> Result<App, AppError> {
        Err(AppError::Invalid(format!("no store is wired for `{}`", config.db.value.display())))
    }
}
