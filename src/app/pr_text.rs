//! What a pull request says: what was asked, in the shape the repository wants, and the evidence beneath it.
//!
//! The evidence is what the engine saw itself, on the exact commit: commands, exit codes, durations and digests of logs. It stands
//! between two marks, so that an update replaces it and leaves alone what people wrote around it.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::domain::evidence::{CheckReport, CheckResult};
use crate::domain::run::Run;

/// Before the evidence.
pub const EVIDENCE: &str = "<!-- agentpr:evidence -->";

/// After it.
pub const EVIDENCE_END: &str = "<!-- /agentpr:evidence -->";

/// Where repositories keep the text a pull request should begin from (GitHub's documentation, "Creating a pull request template").
pub(crate) const TEMPLATES: [&str; 6] = [
    ".github/pull_request_template.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
    "pull_request_template.md",
    "PULL_REQUEST_TEMPLATE.md",
    "docs/pull_request_template.md",
    "docs/PULL_REQUEST_TEMPLATE.md",
];

/// Bytes of a template that are read; a longer one is left aside.
pub(crate) const TEMPLATE_CAP: u64 = 32 * 1024;

/// Characters of a title that GitHub takes.
pub(crate) const TITLE_CAP: usize = 256;

/// GitHub takes 65,536 characters; the marker and what a person adds later need room. In bytes, of which there are never fewer.
const BODY_CAP: usize = 60_000;

/// Bytes of rows of evidence; what goes beyond is counted. The text above must have room too.
const ROWS_CAP: usize = 20_000;

/// Headings under which a template wants to know what was done.
const ABOUT: [&str; 7] = ["description", "summary", "what", "changes", "overview", "purpose", "motivation"];

/// Headings under which a template wants to know how it was tried.
const TRIED: [&str; 4] = ["test", "verif", "how has this been", "validation"];

/// The body of a pull request: `given` by a person, or the task in the repository's `template`; with the evidence.
pub(crate) fn body(run: &Run, given: Option<&str>, template: Option<&str>) -> String {
    let evidence = evidence(run);
    let text = match (given, template) {
        (Some(given), _) => given.trim_end().to_owned(),
        (None, Some(template)) => filled(template, &about(run), evidence.is_some()),
        (None, None) => about(run),
    };
    let evidence = evidence.map_or_else(String::new, |evidence| format!("\n\n{evidence}"));
    let text = cut(without_marks(&text).trim_end(), BODY_CAP.saturating_sub(evidence.len()));
    text + &evidence
}

/// A text without what only the engine writes: a section of evidence, which is another body's or nobody's, and the beginnings of its
/// marks, so that nothing in a task, a template or a body can be taken for evidence or for the line a pull request is found by.
fn without_marks(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(begin) = text.find(EVIDENCE) {
        let end = text.get(begin..).and_then(|rest| rest.find(EVIDENCE_END));
        let Some(end) = end else { break };
        text.replace_range(begin..begin + end + EVIDENCE_END.len(), "");
    }
    text.replace("<!-- agentpr", "<!-- not agentpr").replace("<!-- /agentpr", "<!-- not /agentpr")
}

/// What was asked for.
fn about(run: &Run) -> String {
    let task = run.spec.task.trim();
    if task.is_empty() { run.spec.pr_title() } else { task.to_owned() }
}

fn cut(text: &str, cap: usize) -> String {
    if text.len() <= cap {
        return text.to_owned();
    }
    let mut end = cap;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n\n…", text.get(..end).unwrap_or_default().trim_end())
}

/// Puts what was done under the template's own heading for it, and leaves every other part, boxes included, as it is: what nobody
/// looked at is not ticked.
fn filled(template: &str, about: &str, has_evidence: bool) -> String {
    let mut filled = String::new();
    let (mut told, mut tried) = (false, !has_evidence);
    for line in template.lines() {
        filled.push_str(line);
        filled.push('\n');
        let Some(heading) = heading(line) else { continue };
        if !told && ABOUT.iter().any(|word| heading.contains(word)) {
            told = true;
            filled.push('\n');
            filled.push_str(about);
            filled.push('\n');
        } else if !tried && TRIED.iter().any(|word| heading.contains(word)) {
            tried = true;
            filled.push_str("\nThe commands at the end of this text were run on exactly this commit.\n");
        }
    }
    if told { filled } else { format!("{about}\n\n{filled}") }
}

/// The words of a heading, lower-case; `None` for any other line.
fn heading(line: &str) -> Option<String> {
    let line = line.trim();
    let words = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#')).or_else(|| {
        line.strip_prefix("**").and_then(|rest| rest.strip_suffix("**").or_else(|| rest.strip_suffix("**:")))
    })?;
    Some(words.trim().to_lowercase())
}

/// The evidence on the newest change; `None` where nothing ran on it.
fn evidence(run: &Run) -> Option<String> {
    let change = run.change.as_ref()?;
    let report = run.checks.as_ref().filter(|report| report.head_sha == change.head_sha)?;
    if report.results.is_empty() {
        return None;
    }
    let mut text = format!("{EVIDENCE}\n### Checks run on {}\n\n", change.head_sha.short());
    text.push_str("| command | result | time | log (SHA-256) |\n|---|---|---|---|\n");
    for (index, result) in report.results.iter().enumerate() {
        if text.len() > ROWS_CAP {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| and {} more | | | |", report.results.len() - index);
            break;
        }
        text.push_str(&row(result));
    }
    text.push_str(&place(report));
    text.push_str(EVIDENCE_END);
    Some(text)
}

fn row(result: &CheckResult) -> String {
    let log = result.log.as_ref().and_then(|log| log.sha256.as_str().get(..16)).unwrap_or("-");
    let code = result.exit_code.map_or("no exit code".to_owned(), |code| format!("exit {code}"));
    let verdict = match (result.passed(), &result.known_failure) {
        (true, _) => "passed",
        (false, Some(_)) => "known failure",
        (false, None) if result.ran_nothing() => "found nothing to run",
        (false, None) => "failed",
    };
    let seconds = result.duration_ms / 1000;
    let tenths = result.duration_ms % 1000 / 100;
    format!("| {} | {verdict}, {code} | {seconds}.{tenths} s | `{log}` |\n", code_span(&result.command))
}

fn place(report: &CheckReport) -> String {
    let mut text = String::new();
    let wall = report.tier.map(|tier| format!(", sandbox tier {}", tier.number())).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\nRun by agentpr {} in a clean checkout of `{}`{wall}.",
        env!("CARGO_PKG_VERSION"),
        report.head_sha
    );
    text
}

/// A command as code within a table: on one line, and with nothing that ends either, or the section around them.
fn code_span(command: &str) -> String {
    let line: Cow<'_, str> = command.split_whitespace().collect::<Vec<_>>().join(" ").into();
    let line = line.replace("<!--", "<! --");
    let shown: String = line.chars().take(200).map(|c| if c == '`' { '\'' } else { c }).collect();
    format!("`{}`", shown.replace('|', "\\|"))
}
