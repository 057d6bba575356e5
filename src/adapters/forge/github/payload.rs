//! What GitHub's webhooks say, as facts.

use crate::ports::payload::{Misfit, Payloads, Reading};

/// Reads GitHub's deliveries.
#[derive(Debug, Clone, Copy, Default)]
pub struct GitHubPayloads;

impl Payloads for GitHubPayloads {
    fn read(&self, _event: &str, body: &[u8]) -> Result<Reading, Misfit> {
        let _value: serde_json::Value =
            serde_json::from_slice(body).map_err(|err| Misfit::NotJson(err.to_string()))?;
        Ok(Reading::Nothing("unknown event"))
    }
}
