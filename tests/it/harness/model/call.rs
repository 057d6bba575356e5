//! What the script wants done, in the words of the tools a request offers.

use serde_json::{Value, json};

use super::{Act, Asked, Tool};

/// A call of a tool.
pub(super) struct Call {
    pub name: &'static str,
    pub input: Input,
}

/// What a tool is called with.
pub(super) enum Input {
    Json(Value),
    /// Text of any form.
    Free(String),
}

impl Call {
    fn json(name: &'static str, input: Value) -> Self {
        Self { name, input: Input::Json(input) }
    }

    fn free(name: &'static str, input: String) -> Self {
        Self { name, input: Input::Free(input) }
    }
}

/// The call that does `act` with what `asked` offers; `None` where no tool can.
pub(super) fn call_for(act: &Act, asked: &Asked) -> Option<Call> {
    let offers = |name: &str| asked.tools.iter().any(|tool| tool.name == name);
    let free = |name: &str| asked.tools.contains(&Tool { name: name.to_owned(), is_free: true });
    // codex with a model in "code mode" has one tool, which takes JavaScript.
    if free("exec") {
        return Some(Call::free("exec", script(act)));
    }
    match act {
        Act::Read(path) if offers("Read") => Some(Call::json("Read", json!({"file_path": path}))),
        Act::Read(path) if offers("read") => Some(Call::json("read", json!({"filePath": path}))),
        Act::Edit { .. } if free("apply_patch") => Some(Call::free("apply_patch", patch(act))),
        Act::Edit { path, old, new } if offers("Edit") => {
            Some(Call::json("Edit", json!({"file_path": path, "old_string": old, "new_string": new})))
        }
        Act::Edit { path, old, new } if offers("edit") => {
            Some(Call::json("edit", json!({"filePath": path, "oldString": old, "newString": new})))
        }
        Act::Edit { .. } if offers("apply_patch") => {
            Some(Call::json("apply_patch", json!({"patchText": patch(act)})))
        }
        Act::Command(_) | Act::Read(_) | Act::Edit { .. } => {
            let line = line(act);
            let words = "what the script says";
            let shells = [
                ("exec_command", json!({"cmd": line})),
                ("shell_command", json!({"command": line})),
                ("Bash", json!({"command": line, "description": words})),
                ("bash", json!({"command": line, "description": words})),
            ];
            shells.into_iter().find(|(name, _)| offers(name)).map(|(name, input)| Call::json(name, input))
        }
    }
}

/// The same as text, for a client that reads edits in the answer: a block to search and one to put in its place.
pub(super) fn words_for(act: &Act) -> String {
    match act {
        Act::Command(_) | Act::Read(_) => String::new(),
        Act::Edit { path, old, new } => {
            format!("\n{path}\n```\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n```\n")
        }
    }
}

/// The same as a line of shell. A patch in a here-document is what codex takes for an edit.
fn line(act: &Act) -> String {
    match act {
        Act::Command(line) => line.clone(),
        Act::Read(path) => format!("cat {}", shell_words::quote(path)),
        Act::Edit { .. } => format!("apply_patch <<'PATCH'\n{}PATCH\n", patch(act)),
    }
}

fn script(act: &Act) -> String {
    match act {
        Act::Edit { .. } => format!("text(await tools.apply_patch({}));", Value::from(patch(act))),
        Act::Command(_) | Act::Read(_) => {
            format!("text(await tools.exec_command({}));", json!({"cmd": line(act)}))
        }
    }
}

fn patch(act: &Act) -> String {
    let Act::Edit { path, old, new } = act else { return String::new() };
    let mut lines = vec!["*** Begin Patch".to_owned(), format!("*** Update File: {path}"), "@@".to_owned()];
    lines.extend(old.lines().map(|line| format!("-{line}")));
    lines.extend(new.lines().map(|line| format!("+{line}")));
    lines.push("*** End Patch\n".to_owned());
    lines.join("\n")
}
