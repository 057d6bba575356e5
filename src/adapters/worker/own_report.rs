//! What a program of the operator's own may say about itself when it ends: a small JSON file in its runtime directory.
//!
//! The file is the agent's word like its output: bounded, read strictly, never followed through a link, and never needed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::adapters::process::beneath::Root;
use crate::adapters::process::redact::Redactor;
use crate::adapters::process::sanitise::Sanitiser;
use crate::domain::agent::signal::cut_words;
use crate::domain::agent::usage::{Meter, Price, Reading, Span, Tokens, Usage};

/// The variable that names the file.
pub(super) const REPORT_FILE: &str = "AGENTPR_REPORT_FILE";

/// Its name in the runtime directory.
const NAME: &str = "report.json";

/// Bytes it may have: the last words, each character escaped, and some numbers.
const LONGEST: u64 = 512 * 1024;

/// What a program said.
#[derive(Debug, Default)]
pub(super) struct OwnReport {
    pub(super) usage: Option<Usage>,
    pub(super) last_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    last_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct WireUsage {
    input: u64,
    cached: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
    turns: u32,
    cost_micros: Option<u64>,
}

/// The file of a run, with nothing there: what an earlier attempt said is not this one's.
///
/// # Errors
/// What the file system says, when something stays in its place.
pub(super) fn expect(runtime: &Path) -> io::Result<PathBuf> {
    let path = runtime.join(NAME);
    match std::fs::symlink_metadata(&path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {}
        Err(err) => return Err(err),
        Ok(found) if found.is_dir() => {
            crate::adapters::process::tree::remove_tree(&path)?;
        }
        Ok(_) => std::fs::remove_file(&path)?,
    }
    Ok(path)
}

/// Reads the file; one that is not there says nothing.
///
/// # Errors
/// Why it cannot be taken, for people.
pub(super) fn read(runtime: &Path, price: Option<&Price>, redactor: &Redactor) -> Result<OwnReport, String> {
    let text = match text(runtime) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(OwnReport::default()),
        Err(err) => return Err(err.to_string()),
    };
    let wire: Wire = serde_json::from_slice(&text).map_err(|err| err.to_string())?;
    let usage = wire.usage.map(|told| {
        let tokens = Tokens {
            input: told.input,
            cached: told.cached,
            cache_write: told.cache_write,
            output: told.output,
            reasoning: told.reasoning,
        };
        let mut meter = Meter::default();
        let (step, cost_micros) = (String::new(), told.cost_micros);
        meter.read(Reading { span: Span::Start, step, tokens, cost_micros });
        Usage { turns: told.turns, ..meter.usage(price) }
    });
    let last_message = wire.last_message.map(|words| harmless(&cut_words(&words), redactor));
    Ok(OwnReport { usage, last_message })
}

fn text(runtime: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Root::open(runtime)?.read(NAME.as_bytes())?.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("it has more than {LONGEST} bytes")));
    }
    Ok(text)
}

/// The same care as for everything a program prints.
fn harmless(words: &str, redactor: &Redactor) -> String {
    let mut clean = Vec::new();
    let mut sanitiser = Sanitiser::default();
    sanitiser.push(words.as_bytes(), &mut clean);
    sanitiser.finish(&mut clean);
    cut_words(&redactor.text(&String::from_utf8_lossy(&clean)))
}
