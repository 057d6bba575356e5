//! The table `[webhook]` and the secrets beside it: where deliveries of GitHub come in.

use serde::Deserialize;

use super::ConfigError;
use super::layer::{Layers, Origin};
use super::secret::{FileRule, Hidden, found};

/// Where the secret of deliveries is; `_FILE` may stand after the name.
const SECRET: &str = "AGENTPR_GITHUB_WEBHOOK_SECRET";

/// Where the one is that it takes the place of.
const PREVIOUS: &str = "AGENTPR_GITHUB_WEBHOOK_SECRET_PREVIOUS";

/// 25 MiB, more than GitHub ever sends, and room for what stands around it.
const MOST_BODY: u64 = 25 * 1024 * 1024 + 64 * 1024;

/// No body is so large that a server of one process should hold it.
const MOST_MOST_BODY: u64 = 256 * 1024 * 1024;

/// GitHub sends a delivery again for three days, its servers for seven: what is forgotten sooner would be taken for new.
const LEAST_KEEP_DAYS: u32 = 7;

/// What the table says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileWebhook {
    host: Option<String>,
    port: Option<u16>,
    path: Option<String>,
    max_body_bytes: Option<u64>,
    keep_days: Option<u32>,
}

/// The settings of the webhook's server.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The address it listens at.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The path of deliveries, with its slash.
    pub path: String,
    /// The longest body that is taken, in bytes.
    pub max_body_bytes: u64,
    /// Days a delivery is remembered.
    pub keep_days: u32,
    /// The secrets a signature may be made with: the one in force, then the one before it. Empty when none is set.
    pub secrets: Vec<Hidden>,
    /// What is shown, as name, value and origin.
    rows: Vec<(&'static str, String, Origin)>,
}

impl WebhookSettings {
    /// Each setting as name, shown value and origin. A secret is shown as the place it came from.
    pub(super) fn rows(&self) -> impl Iterator<Item = (String, String, Origin)> + '_ {
        self.rows
            .iter()
            .map(|(name, value, origin)| (format!("webhook.{name}"), value.clone(), origin.clone()))
    }
}

/// Reads the table and the secrets.
pub(super) fn read(layers: &Layers<'_>, table: &FileWebhook) -> Result<WebhookSettings, ConfigError> {
    let origin = |in_file: bool| if in_file { layers.in_file() } else { Origin::Default };
    let wrong = |name: &str, rule: String| {
        Err(ConfigError::Value { name: format!("webhook.{name}"), origin: layers.in_file(), why: rule })
    };
    let host = table.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte)) {
        return wrong("host", "an address of this machine, such as 127.0.0.1 or ::1".to_owned());
    }
    let path = table.path.clone().unwrap_or_else(|| "/github/webhook".to_owned());
    let is_path = path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if !is_path {
        return wrong("path", "a path such as /github/webhook, of letters, digits and `/-_.~`".to_owned());
    }
    let max_body_bytes = table.max_body_bytes.unwrap_or(MOST_BODY);
    if !(1024..=MOST_MOST_BODY).contains(&max_body_bytes) {
        return wrong("max_body_bytes", format!("1024 to {MOST_MOST_BODY}"));
    }
    let keep_days = table.keep_days.unwrap_or(30);
    if keep_days < LEAST_KEEP_DAYS {
        let why = "a delivery that is sent again later would be taken for a new one";
        return wrong("keep_days", format!("{LEAST_KEEP_DAYS} or more: {why}"));
    }
    let port = table.port.unwrap_or(8787);
    let mut rows = vec![
        ("host", host.clone(), origin(table.host.is_some())),
        ("port", port.to_string(), origin(table.port.is_some())),
        ("path", path.clone(), origin(table.path.is_some())),
        ("max_body_bytes", max_body_bytes.to_string(), origin(table.max_body_bytes.is_some())),
        ("keep_days", keep_days.to_string(), origin(table.keep_days.is_some())),
    ];
    let mut secrets = Vec::new();
    for (name, variable) in [("secret", SECRET), ("secret_previous", PREVIOUS)] {
        if let Some((secret, from)) = found(layers.environment, variable, FileRule::Private)? {
            if variable == PREVIOUS && secrets.is_empty() {
                return Err(ConfigError::Value {
                    name: PREVIOUS.to_owned(),
                    origin: Origin::Environment(PREVIOUS),
                    why: format!("it is the secret before that in {SECRET}, which is not set"),
                });
            }
            rows.push((name, format!("set (from {from})"), Origin::Environment(variable)));
            secrets.push(secret);
        }
    }
    Ok(WebhookSettings { host, port, path, max_body_bytes, keep_days, secrets, rows })
}
