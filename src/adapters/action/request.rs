//! The text of a request to its actions: `version: 1` and a list, each action with the fields of its kind and no others.

use crate::adapters::yaml::fields::{Fields, Notes};
use crate::adapters::yaml::reader::{self, Node, Value};
use crate::domain::action::{ActionKind, ActionLine, Risk, assumed_risk};

/// The longest request.
pub(super) const MAX_BYTES: usize = reader::MAX_BYTES;

/// Actions of one request at most: a request is a few repairs, not a program.
const MAX_ACTIONS: usize = 20;

/// Tries besides the first at most, whatever is asked for.
const MAX_RETRIES: u32 = 3;

const FIELDS: [&str; 9] =
    ["id", "kind", "cmd", "timeout_seconds", "retries", "path", "content", "risk_level", "rationale"];

/// One action, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) id: String,
    pub(super) kind: ActionKind,
    pub(super) risk: Risk,
    /// What is given to the shell; empty for a file.
    pub(super) command: String,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) retries: u32,
    /// What is written; empty for a command.
    pub(super) path: String,
    pub(super) content: String,
}

impl Action {
    pub(super) fn line(&self) -> ActionLine {
        let what = if self.kind == ActionKind::WriteFile { &self.path } else { &self.command };
        ActionLine { id: self.id.clone(), kind: self.kind, what: what.clone(), risk: self.risk }
    }
}

/// Reads a request.
///
/// # Errors
/// A stable word for the first fault, and all faults in one sentence.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Action>, (&'static str, String)> {
    let mut request = Request { notes: Notes::default(), code: None };
    let root = reader::parse(bytes).map_err(|problems| ("invalid_yaml", told(&problems)))?;
    let actions = request.actions(&root);
    if request.notes.problems.is_empty() {
        return Ok(actions);
    }
    Err((request.code.unwrap_or("invalid_yaml"), told(&request.notes.problems)))
}

fn told(problems: &[crate::domain::pipeline::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

struct Request {
    notes: Notes,
    /// The word of the first fault that has one of its own.
    code: Option<&'static str>,
}

impl Request {
    fn fault(&mut self, code: &'static str, fields: &Fields<'_>, key: &str, why: &str) {
        self.code.get_or_insert(code);
        self.notes.problem(fields.path(key), fields.place_of(key), why);
    }

    fn actions(&mut self, root: &Node) -> Vec<Action> {
        let top = Fields::of(root, "", &["version", "actions"], &mut self.notes);
        if !top.get("version").is_some_and(|node| node.value == Value::Int(1)) {
            self.notes.problem("version", top.place_of("version"), "must be given as the number 1");
        }
        let items = match top.get("actions").map(|node| &node.value) {
            Some(Value::List(items)) if !items.is_empty() => items.as_slice(),
            _ => {
                self.notes.problem(
                    "actions",
                    top.place_of("actions"),
                    "must be a list with at least one action",
                );
                &[]
            }
        };
        if items.len() > MAX_ACTIONS {
            let why = format!("has {} actions, and {MAX_ACTIONS} are the most", items.len());
            self.notes.problem("actions", top.place_of("actions"), why);
        }
        let mut actions: Vec<Action> = Vec::new();
        for (at, item) in items.iter().take(MAX_ACTIONS).enumerate() {
            let fields = Fields::of(item, &format!("actions[{at}]"), &FIELDS, &mut self.notes);
            if !matches!(item.value, Value::Map(_)) {
                continue;
            }
            if let Some(action) = self.action(&fields, at) {
                if actions.iter().any(|other| other.id == action.id) {
                    self.fault("duplicate_id", &fields, "id", "is given to two actions");
                }
                actions.push(action);
            }
        }
        actions
    }

    fn action(&mut self, fields: &Fields<'_>, at: usize) -> Option<Action> {
        let id = fields.text("id", &mut self.notes).unwrap_or_else(|| format!("action-{:03}", at + 1));
        // It becomes part of a file's name.
        let is_name = id.len() <= 64
            && !id.starts_with('.')
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_name {
            self.fault("invalid_id", fields, "id", "must be at most 64 letters, digits, `-`, `_` or `.`");
        }
        let kind = self.kind(fields)?;
        let risks = [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];
        let declared = fields.choice("risk_level", &risks, &mut self.notes);
        let _recorded_in_the_copy = fields.text("rationale", &mut self.notes);
        let retries = fields.number("retries", 0..=100, "", &mut self.notes).unwrap_or_default();
        let timeout_seconds = fields.number("timeout_seconds", 1..=86_400, " of seconds", &mut self.notes);
        let mut action = Action {
            id,
            kind,
            risk: Risk::Low,
            command: String::new(),
            timeout_seconds,
            retries: u32::try_from(retries).unwrap_or(MAX_RETRIES).min(MAX_RETRIES),
            path: String::new(),
            content: String::new(),
        };
        let foreign: &[&str] = if kind == ActionKind::WriteFile {
            action.path = self.needed("path", "missing_path", fields)?;
            action.content = match fields.get("content") {
                Some(_) => fields.raw_text("content", &mut self.notes)?,
                None => {
                    self.fault("missing_content", fields, "content", "is needed to write a file");
                    return None;
                }
            };
            if let Err((code, why)) = super::file::parts_of(&action.path) {
                self.fault(code, fields, "path", why);
            }
            &["cmd", "timeout_seconds", "retries"]
        } else {
            action.command = self.needed("cmd", "missing_cmd", fields)?;
            &["path", "content"]
        };
        for key in foreign {
            if fields.get(key).is_some() {
                self.notes.problem(
                    fields.path(key),
                    fields.place_of(key),
                    "does not belong to an action of this kind",
                );
            }
        }
        action.risk = assumed_risk(kind, &action.command, declared);
        Some(action)
    }

    fn kind(&mut self, fields: &Fields<'_>) -> Option<ActionKind> {
        let Some(node) = fields.get("kind") else { return Some(ActionKind::RunCmd) };
        match &node.value {
            Value::Text(word) if word == "run_cmd" => Some(ActionKind::RunCmd),
            Value::Text(word) if word == "install_tool" => Some(ActionKind::InstallTool),
            Value::Text(word) if word == "start_service" => Some(ActionKind::StartService),
            Value::Text(word) if word == "write_file" => Some(ActionKind::WriteFile),
            other => {
                let why = format!(
                    "must be `run_cmd`, `install_tool`, `start_service` or `write_file`, and it is {}",
                    other.kind()
                );
                self.fault("unsupported_action_kind", fields, "kind", &why);
                None
            }
        }
    }

    fn needed(&mut self, key: &str, code: &'static str, fields: &Fields<'_>) -> Option<String> {
        let empty = match fields.get(key).map(|node| &node.value) {
            None | Some(Value::Null) => true,
            Some(Value::Text(text)) => text.trim().is_empty(),
            Some(_) => false,
        };
        if empty {
            self.fault(code, fields, key, "is needed for an action of this kind");
            return None;
        }
        fields.text(key, &mut self.notes)
    }
}
