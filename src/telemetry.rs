//! Logs for operators, on standard error; standard output belongs to results. No secret passes here either.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use crate::config::Environment;

type Mask = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Starts logging as `AGENTPR_LOG` (a filter such as `info` or `agentpr=debug`, default `warn`) and `AGENTPR_LOG_FORMAT`
/// (`text` or `json`) say. A filter that cannot be read counts as `warn`; a second call changes nothing.
///
/// Every line, the words of a panic too, goes through `mask`.
pub fn start(environment: &Environment, mask: impl Fn(&str) -> String + Send + Sync + 'static) {
    let mask: Mask = Arc::new(mask);
    let variable = |name: &str| environment.get(OsStr::new(name)).and_then(|value| value.to_str());
    let filter = variable("AGENTPR_LOG").and_then(|text| EnvFilter::try_new(text).ok());
    let line_mask = Arc::clone(&mask);
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new("warn")))
        .with_writer(move || Masked(Arc::clone(&line_mask)))
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    // Whoever embeds the library may have logging of its own already; theirs stays.
    let _kept = match variable("AGENTPR_LOG_FORMAT") {
        Some("json") => logs.json().try_init(),
        _ => logs.try_init(),
    };
    std::panic::set_hook(Box::new(move |panic| {
        let trace = std::backtrace::Backtrace::capture();
        // Nobody is left to be told when standard error is gone.
        let _told = writeln!(io::stderr(), "agentpr {}\n{trace}", mask(&panic.to_string()));
    }));
}

/// Standard error behind the mask. A log line comes in one write.
struct Masked(Mask);

impl Write for Masked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all((self.0)(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
