//! Logs for operators, on standard error; standard output belongs to results.

use std::ffi::OsStr;

use tracing_subscriber::EnvFilter;

use crate::config::Environment;

/// Starts logging as `AGENTPR_LOG` (a filter such as `info` or `agentpr=debug`, default `warn`) and `AGENTPR_LOG_FORMAT`
/// (`text` or `json`) say. A filter that cannot be read counts as `warn`; a second call changes nothing.
pub fn start(environment: &Environment) {
    let variable = |name: &str| environment.get(OsStr::new(name)).and_then(|value| value.to_str());
    let filter = variable("AGENTPR_LOG").and_then(|text| EnvFilter::try_new(text).ok());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // Whoever embeds the library may have logging of its own already; theirs stays.
    let _kept = match variable("AGENTPR_LOG_FORMAT") {
        Some("json") => logs.json().try_init(),
        _ => logs.try_init(),
    };
}
