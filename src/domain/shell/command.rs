//! The shape of a shell command after reading: words, redirections, and where in the text it stands.

use thiserror::Error;

/// One word, as it was written and as the shell would hand it on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// After quote removal. Variables stay as written (`$HOME`, `${HOME}`); a substitution is the three characters `$()`.
    pub text: String,
    /// As written.
    pub raw: String,
    /// Whether any part was quoted or escaped; such a word is no keyword.
    pub quoted: bool,
}

/// One redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `>`, `>>`, `<`, `<<`, `<<<`, `&>`, ... without the number of the descriptor.
    pub operator: String,
    /// The file, or the delimiter of a here-document.
    pub target: Word,
    /// The text of a here-document or here-string.
    pub body: Option<String>,
}

/// A stage of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which pipeline; numbers are unique within one reading.
    pub pipeline: usize,
    /// Which stage, from 0.
    pub stage: usize,
}

/// Which part of the outer command a substitution stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// An assignment before the program, or nothing else.
    Assignment,
    /// The word of this number.
    Word(usize),
    /// A redirection or a here-document.
    Redirect,
}

/// How a command came to be run by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Its words are arguments: `env rm x`, `find -exec rm {} ;`.
    Wrapped,
    /// Its text is an argument or the input: `sh -c 'rm x'`, `eval`, a here-document.
    Script,
    /// Its output is used: `$(…)`, backticks, `<(…)`.
    Substitution(Spot),
}

/// The command that runs this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// Its index in the list.
    pub parent: usize,
    /// How.
    pub route: Route,
}

/// One simple command: a program with its words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SimpleCommand {
    /// Assignments before the program, `A=b`.
    pub assignments: Vec<Word>,
    /// The program and its arguments; empty for a bare assignment or redirection.
    pub words: Vec<Word>,
    /// Its redirections.
    pub redirects: Vec<Redirect>,
    /// The text it was read from.
    pub raw: String,
    /// The pipelines it stands in, outermost first.
    pub places: Vec<Place>,
    /// The functions whose bodies it stands in, outermost first.
    pub functions: Vec<String>,
    /// Whether nobody waits for it: `&`.
    pub background: bool,
    /// The command that runs it; `None` at the top.
    pub inside: Option<Inside>,
    /// How many wrappers and scripts deep.
    pub level: usize,
}

impl SimpleCommand {
    /// The program: the last component of the first word, or nothing.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", |word| last_component(&word.text))
    }

    /// The words after the program, quotes removed.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(|word| word.text.as_str())
    }

    /// Whether its output reaches `other` through a pipe.
    pub fn feeds(&self, other: &Self) -> bool {
        self.places.iter().any(|mine| {
            other.places.iter().any(|theirs| mine.pipeline == theirs.pipeline && mine.stage < theirs.stage)
        })
    }
}

/// The part of a path after its last slash; a path that ends in one is its own name.
fn last_component(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((_, name)) if !name.is_empty() => name,
        _ => path,
    }
}

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooComplex {
    /// Longer than [`super::MAX_TEXT`].
    #[error("the command is longer than 64 KiB; put it into a script")]
    TooLong,
    /// More groups, substitutions or wrappers inside each other than anybody writes by hand.
    #[error("the command nests too deeply; put it into a script")]
    TooDeep,
    /// Scripts within scripts whose reading would take too long.
    #[error("the command holds too many commands; put it into a script")]
    TooMany,
}
