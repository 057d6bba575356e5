//! The texts an agent and its readers get, from the templates in `prompts/`.
//!
//! Templates are compiled in; an operator may put others in their place. A variable that a template names and nobody gives is an
//! error, never an empty hole. Whatever somebody else wrote stands between marks that it cannot close itself (`fence`).

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use sha2::{Digest as _, Sha256};

use super::AppError;
use super::feedback::Feedback;
use crate::domain::agent::record::PromptRef;
use crate::domain::evidence::AttemptOutcome;
use crate::domain::id::Digest;
use crate::domain::run::Run;

/// The built-in templates, by name, with the variables that each is given.
const BUILT_IN: [(&str, &str, &[&str]); 8] = [
    (
        "contract",
        include_str!("../../prompts/contract.md"),
        &["run", "repo", "title", "task", "head", "checks", "base_branch", "base_sha", "plan"],
    ),
    ("discovery", include_str!("../../prompts/discovery.md"), &["task", "checks"]),
    (
        "fix",
        include_str!("../../prompts/fix.md"),
        &["task", "command", "exit_code", "timed_out", "output", "round"],
    ),
    ("implement", include_str!("../../prompts/implement.md"), &["task", "checks", "plan"]),
    (
        "iterate",
        include_str!("../../prompts/iterate.md"),
        &["task", "checks", "forge_checks", "review", "failed", "reviews", "comments"],
    ),
    ("news", include_str!("../../prompts/news.md"), &["put_back", "left", "most", "actions"]),
    ("resumed", include_str!("../../prompts/resumed.md"), &[]),
    ("safety", include_str!("../../prompts/safety.md"), &["repo", "base"]),
];

/// The templates in use.
#[derive(Debug, Clone)]
pub struct Prompts {
    templates: BTreeMap<String, String>,
}

/// A prompt as an agent gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The whole text.
    pub text: String,
    /// Where it is from; `None` for the text of a person's own.
    pub template: Option<PromptRef>,
}

impl Default for Prompts {
    fn default() -> Self {
        let templates =
            BUILT_IN.iter().map(|(name, text, _)| ((*name).to_owned(), (*text).to_owned())).collect();
        Self { templates }
    }
}

impl Prompts {
    /// The built-in templates, with `own` in the place of those of the same names.
    ///
    /// # Errors
    /// [`AppError::Prompt`] for a name that no template has, and for a template that names a variable it is not given.
    pub fn with(own: BTreeMap<String, String>) -> Result<Self, AppError> {
        let mut prompts = Self::default();
        for (name, text) in own {
            let Some(place) = prompts.templates.get_mut(&name) else {
                let names: Vec<&str> = BUILT_IN.iter().map(|(name, ..)| *name).collect();
                return Err(AppError::Prompt(format!(
                    "there is no template `{name}`; the names are {}",
                    names.join(", ")
                )));
            };
            *place = text;
        }
        prompts.check()?;
        Ok(prompts)
    }

    /// Looks for variables that a template is not given, in branches that are seldom taken as well, and fills each with samples.
    fn check(&self) -> Result<(), AppError> {
        for (name, _, given) in BUILT_IN {
            self.check_variables(name, given)?;
        }
        let values = context! {
            task => "t", checks => ["c"], plan => "p", round => 1, command => "c", exit_code => 1, timed_out => false,
            output => "o", forge_checks => "f", review => "r",
            failed => [context! { name => "n", conclusion => "failure", summary => "s", log => "l" }],
            reviews => [context! { by => "b", text => "t" }],
            comments => [context! { by => "b", place => "p:1", text => "t" }], put_back => ["p"], left => 1, most => 3,
            actions => context! { refused => "r", detail => "d", results => ["r"] },
            repo => "o/n", base => "main", run => "r", title => "t", head => "h", base_branch => "main", base_sha => "s",
        };
        self.templates.keys().try_for_each(|name| self.fill(name, values.clone()).map(|_| ()))
    }

    fn check_variables(&self, name: &str, given: &[&str]) -> Result<(), AppError> {
        let environment = environment();
        let text = self.templates.get(name).map_or("", String::as_str);
        let template = environment.template_from_str(text).map_err(|err| broken(name, &err.to_string()))?;
        let named = template.undeclared_variables(false);
        let is_known = |variable: &str| {
            given.contains(&variable) || environment.globals().any(|(global, _)| global == variable)
        };
        let mut unknown: Vec<&str> =
            named.iter().map(String::as_str).filter(|variable| !is_known(variable)).collect();
        unknown.sort_unstable();
        if unknown.is_empty() {
            return Ok(());
        }
        let given = if given.is_empty() { "no variables".to_owned() } else { given.join(", ") };
        Err(broken(name, &format!("it names {}, and is given {given}", unknown.join(", "))))
    }

    /// What the agent is asked in an unattended attempt: the task, the repair of what the checks found, or what the pull request
    /// still lacks by what the forge said, which is `news`. `plan` is what another agent planned.
    ///
    /// # Errors
    /// [`AppError::Prompt`] when a template is broken.
    pub fn for_attempt(&self, run: &Run, plan: Option<&str>, news: &Feedback) -> Result<Prompt, AppError> {
        let failed = run.checks.as_ref().and_then(|report| {
            let about_newest = run.change.as_ref().is_some_and(|change| change.head_sha == report.head_sha);
            report.results.iter().find(|result| about_newest && !result.passed())
        });
        let spec = &run.spec;
        let (name, values) = match failed {
            Some(result) => (
                "fix",
                context! {
                    task => &spec.task,
                    command => &result.command,
                    exit_code => result.exit_code,
                    timed_out => result.timed_out,
                    output => &result.excerpt,
                    round => run.fix_rounds,
                },
            ),
            None if is_sent_back(run) => (
                "iterate",
                context! {
                    task => &spec.task,
                    checks => &spec.checks,
                    forge_checks => run.forge_checks.as_ref().map(|(_, conclusion)| conclusion),
                    review => &run.review,
                    failed => Serde(&news.failed),
                    reviews => Serde(&news.reviews),
                    comments => Serde(&news.comments),
                },
            ),
            None => ("implement", context! { task => &spec.task, checks => &spec.checks, plan }),
        };
        self.prompt(run, name, values)
    }

    /// What an agent is asked that plans.
    ///
    /// # Errors
    /// [`AppError::Prompt`] when a template is broken.
    pub fn discovery(&self, run: &Run) -> Result<Prompt, AppError> {
        self.prompt(run, "discovery", context! { task => &run.spec.task, checks => &run.spec.checks })
    }

    /// `text` under the rules every agent works by.
    ///
    /// # Errors
    /// [`AppError::Prompt`] when the template is broken.
    pub fn guarded(&self, run: &Run, text: &str) -> Result<Prompt, AppError> {
        let base = run.prepared.as_ref().map(|prepared| prepared.base_branch.to_string()).unwrap_or_default();
        let rules = self.fill("safety", context! { repo => run.spec.repo.to_string(), base })?;
        let news = self.news(run)?;
        Ok(Prompt { text: format!("{rules}\n{news}---\n\n{text}"), template: None })
    }

    fn prompt(&self, run: &Run, name: &str, values: Value) -> Result<Prompt, AppError> {
        let text = self.fill(name, values)?;
        let resumed = if was_cut_off(run) { self.fill("resumed", context! {})? } else { String::new() };
        let mut prompt = self.guarded(run, &format!("{text}{resumed}"))?;
        prompt.template = Some(PromptRef { template: name.to_owned(), sha256: self.digest(name)? });
        Ok(prompt)
    }

    /// SHA-256 over the template and those that may stand around it, each with its name and length before it.
    fn digest(&self, name: &str) -> Result<Digest, AppError> {
        let mut hasher = Sha256::new();
        for part in [name, "safety", "news", "resumed"] {
            let text = self.templates.get(part).map_or("", String::as_str);
            hasher.update(format!("{part} {}\n", text.len()));
            hasher.update(text);
        }
        Ok(Digest::new(hex::encode(hasher.finalize()))?)
    }

    /// What the agent should hear of its last attempt: what was put back, and what became of the actions it asked for.
    fn news(&self, run: &Run) -> Result<String, AppError> {
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
        let actions = run.actions_report.as_ref().map(|report| {
            let result = |result: &crate::domain::action::ActionResult| {
                let how = match result.error.as_str() {
                    "" => "done".to_owned(),
                    error => format!("failed ({error})"),
                };
                format!("{}: {how}", result.id)
            };
            context! {
                refused => &report.quarantined,
                detail => &report.detail,
                results => report.results.iter().map(result).collect::<Vec<_>>(),
            }
        });
        let most = run.spec.policy.max_guard_violations;
        self.fill("news", context! { put_back, left => run.guard_violations, most, actions })
    }

    /// The contract of a run: what was asked, on which commit, how it will be judged, and what an agent planned.
    ///
    /// # Errors
    /// [`AppError::Prompt`] when the template is broken.
    pub fn contract(&self, run: &Run, plan: Option<&str>) -> Result<String, AppError> {
        let (base_branch, base_sha) = match &run.prepared {
            Some(prepared) => (prepared.base_branch.to_string(), prepared.base_sha.to_string()),
            None => (String::new(), String::new()),
        };
        let values = context! {
            run => run.id.to_string(),
            repo => run.spec.repo.to_string(),
            title => run.spec.pr_title(),
            task => &run.spec.task,
            head => run.spec.head_branch.to_string(),
            checks => &run.spec.checks,
            base_branch,
            base_sha,
            plan,
        };
        self.fill("contract", values)
    }

    fn fill(&self, name: &str, values: Value) -> Result<String, AppError> {
        let text = self.templates.get(name).ok_or_else(|| broken(name, "there is none"))?;
        environment().render_str(text, values).map_err(|err| broken(name, &err.to_string()))
    }
}

fn broken(name: &str, why: &str) -> AppError {
    AppError::Prompt(format!("template `{name}`: {why}"))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("fence", fence);
    environment
}

/// Whether the run works on a pull request that is open: the forge's checks or its reviewers did not take it, or a person sent it on.
fn is_sent_back(run: &Run) -> bool {
    run.pushed.is_some() && run.pr.is_some()
}

/// Whether the agent's last turn was ended by something else than itself.
fn was_cut_off(run: &Run) -> bool {
    let ended = run.agent.as_ref().is_some_and(|agent| {
        matches!(
            agent.outcome,
            AttemptOutcome::Interrupted
                | AttemptOutcome::Stopped
                | AttemptOutcome::TimedOut
                | AttemptOutcome::OverLimit
        )
    });
    ended || run.parked.is_some()
}

/// Puts a text between marks that it can neither close nor open again: what would read as a mark in it gets a backslash, and the
/// real ones carry a part of the text's digest.
fn fence(text: &str, kind: &str) -> String {
    let text = without_marks(text);
    let digest = hex::encode(Sha256::digest(&text));
    let id = digest.get(..12).unwrap_or_default();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("<from kind=\"{kind}\" id=\"{id}\">\n{text}{end}</from id=\"{id}\">")
}

fn without_marks(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        plain.push(c);
        if c == '<' && is_mark(text.get(at + 1..).unwrap_or_default()) {
            plain.push('\\');
        }
    }
    plain
}

/// Whether what stands behind a `<` makes it one of our marks, for a reader who is not strict.
fn is_mark(rest: &str) -> bool {
    let rest = rest.trim_start();
    let name = rest.strip_prefix('/').unwrap_or(rest).trim_start();
    name.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("from"))
}
