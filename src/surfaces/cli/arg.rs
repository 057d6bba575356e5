//! Arguments that several commands share.

use std::io::Read;
use std::path::Path;

use super::error::CliError;
use crate::domain::id::{IdempotencyKey, RunId};

/// A run, named as `RUN` or as `--run-id RUN`.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct RunArg {
    /// The run
    #[arg(value_name = "RUN")]
    run: Option<RunId>,
    /// The run, as a named option
    #[arg(long = "run-id", value_name = "RUN")]
    run_id: Option<RunId>,
}

impl RunArg {
    /// The run that was named.
    pub(super) fn get(&self) -> Result<&RunId, CliError> {
        // Clap asks for one of the two; the error is for whoever changes that.
        self.run
            .as_ref()
            .or(self.run_id.as_ref())
            .ok_or_else(|| CliError::usage("no run is named", "agentpr list"))
    }
}

/// A run, named as `--run-id RUN` only.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RunOption {
    /// The run
    #[arg(long = "run-id", value_name = "RUN")]
    pub(super) run_id: RunId,
}

/// The caller's name for an occurrence.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct KeyArg {
    /// A name of your own for this occurrence: said twice, it happens once
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<IdempotencyKey>,
}

/// A token as it was given; `-` reads it from standard input, where no list of processes shows it.
pub(super) fn token(given: &str) -> Result<String, CliError> {
    match given {
        "-" => text_file("token", Path::new("-"), 1024).map(|text| text.trim().to_owned()),
        token => Ok(token.to_owned()),
    }
}

/// Reads a text from a file, or from standard input for `-`, at most `limit` bytes.
///
/// Nothing that is not a text is taken: no NUL, no bytes that are not UTF-8.
pub(super) fn text_file(what: &str, path: &Path, limit: usize) -> Result<String, CliError> {
    let shown = path.display();
    let cannot = |why: String| {
        CliError::usage(format!("cannot read the {what} from `{shown}`: {why}"), "name a readable text file")
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a long file from one that just fits.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|err| cannot(err.to_string()))?;
    if bytes.len() > limit {
        return Err(CliError::usage(
            format!("the {what} in `{shown}` is longer than the {limit} bytes allowed"),
            "put long material into a file of the repository and name that file in the text",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8".to_owned()))?;
    if text.contains('\0') {
        return Err(cannot("it contains a NUL byte".to_owned()));
    }
    Ok(text)
}
