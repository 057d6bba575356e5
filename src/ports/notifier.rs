//! Word to the operator.

use crate::domain::gate::PrRequest;
use crate::domain::id::RunId;

/// Tells the operator what only the operator may hear.
pub trait Notifier: Send + Sync {
    /// Hands over the token of a new request, once: it is kept nowhere else.
    ///
    /// Never fails: an operator who missed it asks for a new one.
    fn token_issued(&self, run: &RunId, request: &PrRequest, token: &str);
}
