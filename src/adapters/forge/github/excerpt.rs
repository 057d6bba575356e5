//! What a failed check said: its annotations, and the end of the job's log. Written by strangers, so made printable, masked, and cut.

use serde::Deserialize;
use serde_json::Value;

use super::forge::GitHubForge;
use crate::adapters::process::sanitise::Sanitiser;
use crate::domain::forge::fact::{CheckFact, CheckKind, Light, plain};
use crate::domain::id::RepoSlug;
use crate::domain::secret::redacted;
use crate::domain::spec::RunSpec;
use crate::ports::forge::ForgeError;

/// Annotations that are read; GitHub keeps 50 of one step.
const MOST_ANNOTATIONS: usize = 50;

/// Longest annotation, in bytes.
const ANNOTATION: usize = 500;

/// Check runs of one commit that are looked through for those of a suite.
const MOST_RUNS: usize = 200;

/// Bytes of a log that are fetched for each byte that is shown: colours, times and what is masked go off.
const LOG_FACTOR: usize = 4;

/// The app whose check runs are jobs: the number of the one is that of the other.
const ACTIONS: &str = "github-actions";

/// A check run that is read.
struct Run {
    id: u64,
    is_job: bool,
}

#[derive(Deserialize)]
struct Annotation {
    path: Option<String>,
    start_line: Option<u64>,
    annotation_level: Option<String>,
    message: Option<String>,
}

impl GitHubForge {
    pub(super) async fn excerpt_of(
        &self,
        spec: &RunSpec,
        check: &CheckFact,
        limit: usize,
    ) -> Result<Option<String>, ForgeError> {
        let name = bearable(self.base_of(spec).await)?.map_or(spec.repo.clone(), |base| base.name);
        let Some(run) = bearable(self.run_of(&name, check).await)?.flatten() else { return Ok(None) };
        let path = format!("/repos/{name}/check-runs/{}/annotations?per_page=50", run.id);
        let listed = bearable(self.client.pages(&path, MOST_ANNOTATIONS).await)?.unwrap_or_default();
        let lines: Vec<String> = listed.into_iter().filter_map(line).collect();
        // Half of the room for each, and all of it for one alone.
        let mut text = cut_end(&clean(lines.join("\n").as_bytes()), limit);
        if run.is_job {
            let path = format!("/repos/{name}/actions/jobs/{}/logs", run.id);
            let most = limit.saturating_mul(LOG_FACTOR);
            let log = bearable(self.client.text_elsewhere(&path, most).await)?.flatten();
            if let Some(log) = log {
                let log = clean(without_times(&log).as_bytes());
                if !text.is_empty() {
                    text = cut_end(&text, limit / 2);
                    text.push_str("\n\n");
                }
                text.push_str(cut_begin(log.trim(), limit.saturating_sub(text.len())));
            }
        }
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// The check run to read: the check itself, or the first red one of its suite.
    async fn run_of(&self, name: &RepoSlug, check: &CheckFact) -> Result<Option<Run>, ForgeError> {
        match check.kind {
            CheckKind::Run => Ok(Some(Run { id: check.id, is_job: check.app == ACTIONS })),
            CheckKind::Status | CheckKind::Told => Ok(None),
            CheckKind::Suite => {
                let path = format!("/repos/{name}/commits/{}/check-runs?per_page=100", check.head_sha);
                let runs = self.client.pages(&path, MOST_RUNS).await?;
                let suite = check.suite.unwrap_or(check.id);
                let is_red = |run: &&Value| {
                    let word = run["conclusion"].as_str().map(str::to_owned);
                    let seen = CheckFact { kind: CheckKind::Run, conclusion: word, ..check.clone() };
                    run["check_suite"]["id"].as_u64() == Some(suite) && seen.light() == Light::Red
                };
                let red = runs.iter().find(is_red);
                Ok(red.and_then(|run| {
                    Some(Run { id: run["id"].as_u64()?, is_job: run["app"]["slug"] == ACTIONS })
                }))
            }
        }
    }
}

/// Goes on without what may not be read; only a limit is for the caller to know, who comes again.
fn bearable<T>(answer: Result<T, ForgeError>) -> Result<Option<T>, ForgeError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(err @ ForgeError::Limited { .. }) => Err(err),
        Err(err) => {
            tracing::warn!("what a failed check said cannot be read: {err}");
            Ok(None)
        }
    }
}

/// `path:line message`, as compilers write it.
fn line(annotation: Value) -> Option<String> {
    let Annotation { path, start_line, annotation_level, message } =
        serde_json::from_value(annotation).ok()?;
    let message = message.filter(|message| !message.trim().is_empty())?;
    let place = match (path, start_line) {
        (Some(path), Some(line)) => format!("{path}:{line}: "),
        (Some(path), None) => format!("{path}: "),
        (None, _) => String::new(),
    };
    let level = annotation_level.map_or(String::new(), |level| format!("{level}: "));
    Some(plain(&format!("{place}{level}{}", message.trim()), ANNOTATION))
}

/// Printable text without terminal sequences and without what looks like a secret.
fn clean(bytes: &[u8]) -> String {
    let mut printable = Vec::with_capacity(bytes.len());
    let mut sanitiser = Sanitiser::default();
    sanitiser.push(bytes, &mut printable);
    sanitiser.finish(&mut printable);
    let text = String::from_utf8_lossy(&printable);
    plain(&redacted(&text), usize::MAX)
}

/// A job's log without the time in front of each line, as in `2026-01-02T03:04:05.1234567Z `.
fn without_times(log: &str) -> String {
    let bare = |line: &str| {
        let time = line.split_once("Z ").filter(|(time, _)| {
            time.len() >= 19 && time.bytes().all(|byte| byte.is_ascii_digit() || b"-:T.".contains(&byte))
        });
        time.map_or(line, |(_, rest)| rest).to_owned()
    };
    log.trim_start_matches('\u{feff}').lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// The beginning of a text, `limit` bytes at most.
fn cut_end(text: &str, limit: usize) -> String {
    let end = (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

/// The end of a text, `limit` bytes at most, from the beginning of a line where that costs little.
fn cut_begin(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let from = text.len() - limit;
    let begin = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let cut = text.get(begin..).unwrap_or_default();
    cut.split_once('\n').map(|(_, rest)| rest).filter(|rest| rest.len() >= limit / 2).unwrap_or(cut)
}
