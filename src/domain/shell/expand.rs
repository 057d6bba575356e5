//! The whole reading: the text, then the scripts and commands its commands run, until nothing new is found.

use super::command::{Inside, Route, SimpleCommand, TooComplex};
use super::parse::{Shared, read, word_of};
use super::wrapper::{Inner, inner, reads_script_from_stdin};
use super::{MAX_TEXT, Redirect};

/// Most wrappers and scripts inside each other; `sudo env nice timeout 5 sh -c …` is five.
const MAX_LEVEL: usize = 16;

/// Reads every simple command of a text: the ones it names, then those that wrappers and scripts among them run.
///
/// Some have no words: a bare assignment, a redirection, the head of a loop. Outer commands come before inner ones, and [`SimpleCommand::inside`] leads back. A wrapper is in the list itself, so
/// `sudo rm x` gives `sudo rm x` and `rm x`.
///
/// # Errors
/// [`TooComplex`] for a text nobody can judge; rules refuse it.
pub fn simple_commands(text: &str) -> Result<Vec<SimpleCommand>, TooComplex> {
    if text.len() > MAX_TEXT {
        return Err(TooComplex::TooLong);
    }
    let mut shared = Shared::default();
    read(&mut shared, text)?;
    let mut at = 0;
    while let Some(command) = shared.commands.get(at) {
        let mut found = inner(command);
        if reads_script_from_stdin(command) {
            // Each such shell looks through all commands for what feeds it.
            let work = shared.commands.len();
            shared.spend(work)?;
            found.extend(inputs(&shared.commands, at).into_iter().map(Inner::Script));
        }
        for inner in found {
            add(&mut shared, at, inner)?;
        }
        at += 1;
    }
    Ok(shared.commands)
}

fn add(shared: &mut Shared, parent: usize, inner: Inner) -> Result<(), TooComplex> {
    let Some(outer) = shared.commands.get(parent) else { return Ok(()) };
    let level = outer.level + 1;
    if level > MAX_LEVEL {
        return Err(TooComplex::TooDeep);
    }
    match inner {
        Inner::Words(words) => {
            let raw = words.iter().map(|word| word.raw.as_str()).collect::<Vec<_>>().join(" ");
            let work = raw.len();
            let inside = Some(Inside { parent, route: Route::Wrapped });
            let command = SimpleCommand {
                words,
                raw,
                places: outer.places.clone(),
                functions: outer.functions.clone(),
                background: outer.background,
                inside,
                level,
                ..SimpleCommand::default()
            };
            shared.commands.push(command);
            shared.spend(work)
        }
        Inner::Script(text) => {
            shared.places = outer.places.clone();
            shared.functions = outer.functions.clone();
            shared.inside = Some(Inside { parent, route: Route::Script });
            shared.level = level;
            read(shared, &text)
        }
    }
}

/// Texts that reach the standard input of a shell and can be read here: here-documents, here-strings, and what `echo` or
/// `printf` say in an earlier stage.
fn inputs(commands: &[SimpleCommand], shell: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut at = Some(shell);
    while let Some(command) = at.and_then(|index| commands.get(index)) {
        texts.extend(command.redirects.iter().filter_map(|Redirect { body, .. }| body.clone()));
        at = command.inside.filter(|inside| inside.route == Route::Wrapped).map(|inside| inside.parent);
    }
    let Some(command) = commands.get(shell) else { return texts };
    let speakers = commands.iter().filter(|other| matches!(other.program(), "echo" | "printf" | "cat"));
    for speaker in speakers.filter(|other| other.feeds(command)) {
        texts.extend(speaker.redirects.iter().filter_map(|Redirect { body, .. }| body.clone()));
        match speaker.program() {
            "echo" => {
                let said = speaker.arguments().skip_while(|argument| argument.starts_with('-'));
                texts.push(said.collect::<Vec<_>>().join(" "));
            }
            // Which argument goes where the format says; each is read.
            "printf" => texts.extend(speaker.arguments().map(str::to_owned)),
            _ => {}
        }
    }
    texts
}

/// The first word of a text, quotes removed; it may go on over lines while it is quoted.
pub fn first_word(text: &str) -> Option<String> {
    word_of(&mut Shared::default(), text).ok().filter(|word| !word.is_empty())
}
