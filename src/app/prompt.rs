//! The texts an agent and its readers get, from the templates in `prompts/`.
//!
//! Templates are compiled in. A variable that a template names and nobody gives is an error, never an empty hole.

use minijinja::{Environment, UndefinedBehavior, context};

use super::AppError;
use crate::domain::run::Run;

const SAFETY: &str = include_str!("../../prompts/safety.md");
const IMPLEMENT: &str = include_str!("../../prompts/implement.md");
const FIX: &str = include_str!("../../prompts/fix.md");
const ITERATE: &str = include_str!("../../prompts/iterate.md");
const NEWS: &str = include_str!("../../prompts/news.md");
const CONTRACT: &str = include_str!("../../prompts/contract.md");

/// What the agent is asked in an unattended attempt: the task, the repair of what the checks found, or what the pull request
/// still lacks.
///
/// # Errors
/// [`AppError::Prompt`] when a template is broken.
pub fn for_attempt(run: &Run) -> Result<String, AppError> {
    let failed = run.checks.as_ref().and_then(|report| {
        let about_newest = run.change.as_ref().is_some_and(|change| change.head_sha == report.head_sha);
        report.results.iter().find(|result| about_newest && !result.passed())
    });
    let text = match failed {
        Some(result) => fill(
            FIX,
            context! {
                task => &run.spec.task,
                command => &result.command,
                exit_code => result.exit_code,
                timed_out => result.timed_out,
                output => &result.excerpt,
                round => run.fix_rounds,
            },
        )?,
        None if is_sent_back(run) => fill(
            ITERATE,
            context! {
                task => &run.spec.task,
                checks => &run.spec.checks,
                forge_checks => run.forge_checks.as_ref().map(|(_, conclusion)| conclusion),
                review => &run.review,
            },
        )?,
        None => fill(IMPLEMENT, context! { task => &run.spec.task, checks => &run.spec.checks })?,
    };
    guarded(run, &text)
}

/// Whether the newest change is the one at the remote: the forge's checks or its reviewers did not take it.
fn is_sent_back(run: &Run) -> bool {
    let (Some(change), Some(pushed), Some(_)) = (&run.change, &run.pushed, &run.pr) else { return false };
    change.head_sha == pushed.sha
}

/// `text` under the rules every agent works by.
///
/// # Errors
/// [`AppError::Prompt`] when the template is broken.
pub fn guarded(run: &Run, text: &str) -> Result<String, AppError> {
    let base = run.prepared.as_ref().map(|prepared| prepared.base_branch.to_string()).unwrap_or_default();
    let rules = fill(SAFETY, context! { repo => run.spec.repo.to_string(), base })?;
    let news = news(run)?;
    Ok(format!("{rules}\n{news}---\n\n{text}"))
}

/// What the agent should hear of its last attempt: what was put back, and what became of the actions it asked for.
fn news(run: &Run) -> Result<String, AppError> {
    let last = run.agent.as_ref().map(|agent| agent.no);
    let guard = last.and_then(|no| run.guard_of(no));
    if guard.is_none() && run.actions_report.is_none() {
        return Ok(String::new());
    }
    let put_back: Vec<String> = guard
        .iter()
        .flat_map(|report| &report.violations)
        .map(|violation| format!("{} {}", violation.path, violation.breach.words()))
        .collect();
    fill(
        NEWS,
        context! {
            put_back,
            left => run.guard_violations,
            most => run.spec.policy.max_guard_violations,
            actions => run.actions_report.as_ref().map(|report| context! {
                refused => &report.quarantined,
                detail => &report.detail,
                results => report.results.iter().map(|result| context! {
                    id => &result.id,
                    exit_code => result.exit_code,
                    error => &result.error,
                }).collect::<Vec<_>>(),
            }),
        },
    )
}

/// The contract of a run: what was asked, on which commit, and how it will be judged.
///
/// # Errors
/// [`AppError::Prompt`] when the template is broken.
pub fn contract(run: &Run) -> Result<String, AppError> {
    let (base_branch, base_sha) = match &run.prepared {
        Some(prepared) => (prepared.base_branch.to_string(), prepared.base_sha.to_string()),
        None => (String::new(), String::new()),
    };
    fill(
        CONTRACT,
        context! {
            run => run.id.to_string(),
            repo => run.spec.repo.to_string(),
            title => run.spec.pr_title(),
            task => &run.spec.task,
            head => run.spec.head_branch.to_string(),
            checks => &run.spec.checks,
            base_branch,
            base_sha,
        },
    )
}

fn fill(template: &str, values: minijinja::Value) -> Result<String, AppError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_str(template, values).map_err(|err| AppError::Prompt(err.to_string()))
}
