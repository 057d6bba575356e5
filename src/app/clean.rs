//! No secret in the log: what an order may not have in it, and events without what came from outside by accident.
//!
//! The log is for ever and its hashes forbid a correction, so everything is looked at before an event is made. What a person
//! says is refused, for the person can say it otherwise; what programs, files and repositories say is masked.

use serde_json::Value;

use super::{App, AppError};
use crate::domain::event::Event;
use crate::domain::forge::fact::ForgeFact;
use crate::domain::secret;
use crate::domain::spec::RunSpec;
use crate::ports::redaction::Redaction;

/// Fields that say where the engine's own files lie, or what an approval is bound to: they are made of names that were looked
/// at before, and with another text they would name nothing.
const OWN_WORDS: [&str; 3] = ["log", "copy", "binding"];

impl App {
    /// Refuses a text with a secret in it, without repeating it.
    pub(crate) fn refuse_secret(&self, what: &str, text: &str) -> Result<(), AppError> {
        let masked = self.ports.redaction.masked(text);
        if masked == text {
            return Ok(());
        }
        let line = text.lines().zip(masked.lines()).take_while(|(raw, clean)| raw == clean).count() + 1;
        let place =
            if text.contains('\n') { format!("line {line} of the {what}") } else { format!("the {what}") };
        Err(AppError::Secret { place })
    }

    /// Refuses an order with a secret in it.
    ///
    /// Names are held against the shapes of secrets only: a short password that is also somebody's name is none there.
    pub(crate) fn refuse_secrets_of(&self, run: &str, spec: &RunSpec) -> Result<(), AppError> {
        let texts = [
            ("task", Some(spec.task.as_str())),
            ("title", spec.title.as_deref()),
            ("name of the agent", spec.agent.as_deref()),
            ("address of the remote", spec.remote.as_deref()),
            ("prompt version", Some(spec.prompt_version.as_str())),
        ];
        for (what, text) in texts.into_iter().filter_map(|(what, text)| Some((what, text?))) {
            self.refuse_secret(what, text)?;
        }
        for (index, check) in spec.checks.iter().enumerate() {
            self.refuse_secret(&format!("check {}", index + 1), check)?;
        }
        let repo = spec.repo.to_string();
        let base = spec.base_branch.as_ref().map(ToString::to_string).unwrap_or_default();
        let head = spec.head_branch.to_string();
        let names = [
            ("run's name", run),
            ("repository's name", &repo),
            ("base branch", &base),
            ("head branch", &head),
        ];
        for (what, name) in names {
            if !secret::find(name.as_bytes()).is_empty() {
                return Err(AppError::Secret { place: format!("the {what}") });
            }
        }
        Ok(())
    }
}

/// The event with a mask in the place of each secret.
///
/// Orders, workspaces and contracts are as they were accepted: a secret in them was refused before.
///
/// # Errors
/// [`AppError::Internal`] when an event cannot be written and read again, which no event type can cause.
pub(super) fn cleaned(event: Event, redaction: &dyn Redaction) -> Result<Event, AppError> {
    if matches!(event, Event::RunCreated(_) | Event::WorkspacePrepared(_) | Event::VerifySpecPinned(_)) {
        return Ok(event);
    }
    let internal = |err: &dyn std::fmt::Display| AppError::Internal(err.to_string());
    let body = event.body().map_err(|err| internal(&err))?;
    if is_plain_fact(&event) && !body.contains('\\') && redaction.masked(&body) == body {
        return Ok(event);
    }
    let mut value: Value = serde_json::from_str(&body).map_err(|err| internal(&err))?;
    if !mask(&mut value, redaction) {
        return Ok(event);
    }
    Event::read(event.name(), event.schema(), &value.to_string()).map_err(|err| internal(&err))
}

/// Facts with a mask in the place of each secret, before anything is decided: what the log has is masked, and a fact that differs from
/// it would be news each time it is told.
///
/// # Errors
/// [`AppError::Internal`] where a name would be none with a mask in it.
pub(super) fn cleaned_facts(
    facts: &[ForgeFact],
    redaction: &dyn Redaction,
) -> Result<Vec<ForgeFact>, AppError> {
    let internal = |err: serde_json::Error| AppError::Internal(err.to_string());
    let clean = |fact: &ForgeFact| {
        if matches!(fact, ForgeFact::Check(_) | ForgeFact::Pull(_) | ForgeFact::Head(_)) {
            // As for events of them.
            let body = serde_json::to_string(fact).map_err(internal)?;
            if !body.contains('\\') && redaction.masked(&body) == body {
                return Ok(fact.clone());
            }
        }
        let mut value = serde_json::to_value(fact).map_err(internal)?;
        if !mask(&mut value, redaction) {
            return Ok(fact.clone());
        }
        serde_json::from_value(value).map_err(internal)
    };
    facts.iter().map(clean).collect()
}

/// Facts of the forge that come by the thousand and have no long text: one look at the whole is enough where nothing in it is
/// written with an escape, and it costs a tenth of a look at each part.
fn is_plain_fact(event: &Event) -> bool {
    match event {
        Event::CheckRecorded(body) => body.check.is_some(),
        Event::ChecksPassed(_) | Event::ChecksPending(_) | Event::PullChanged(_) | Event::HeadSeen(_) => true,
        _ => false,
    }
}

/// Masks every text in a document, and says whether there was one to mask.
fn mask(value: &mut Value, redaction: &dyn Redaction) -> bool {
    match value {
        Value::String(text) => {
            let masked = redaction.masked(text);
            let differs = masked != *text;
            if differs {
                *text = masked.into_owned();
            }
            differs
        }
        // Every item is masked, so no short cut is taken.
        Value::Array(items) => items.iter_mut().fold(false, |found, item| mask(item, redaction) | found),
        Value::Object(fields) => fields
            .iter_mut()
            .filter(|(name, _)| !OWN_WORDS.contains(&name.as_str()))
            .fold(false, |found, (_, field)| mask(field, redaction) | found),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
