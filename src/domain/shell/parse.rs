//! The grammar: lists, pipelines, groups and simple commands.
//!
//! Forgiving where the shell is strict: a stray `fi` or `)` is passed over, a missing one ends with the text. What is
//! read is then a superset of what a shell would run.

use std::collections::VecDeque;

use super::command::{Inside, Place, Route, SimpleCommand, Spot, TooComplex, Word};
use super::redirect::HereDocument;
use super::word::is_assignment;

/// Deepest nesting of groups, substitutions and quotes; each level is a few frames of the stack.
const MAX_DEPTH: usize = 48;
/// Characters that may be read in all, scripts within scripts included: a few times the longest text.
const MAX_WORK: usize = 8 * super::MAX_TEXT;
/// Most commands: far more than a text written by hand holds, and few enough to be compared with each other.
const MAX_COMMANDS: usize = 4_000;

/// Words that are part of the grammar where a program could stand.
const RESERVED: &[&str] = &[
    "then", "do", "else", "elif", "!", "time", "coproc", "fi", "done", "}", "esac", "{", "if", "while",
    "until", "for", "select", "case", "function",
];

/// What all readings of one text share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) commands: Vec<SimpleCommand>,
    pub(super) places: Vec<Place>,
    pub(super) functions: Vec<String>,
    pub(super) inside: Option<Inside>,
    pub(super) level: usize,
    pipelines: usize,
    depth: usize,
    work: usize,
}

impl Shared {
    /// Accounts for work, so that reading takes a bounded time whatever the text is.
    pub(super) fn spend(&mut self, work: usize) -> Result<(), TooComplex> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_WORK || self.commands.len() > MAX_COMMANDS {
            Err(TooComplex::TooMany)
        } else {
            Ok(())
        }
    }
}

/// What ends a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The end of the text.
    Text,
    /// A closing parenthesis.
    Paren,
    /// A reserved word: `}`, `fi`, `done`.
    Word(&'static str),
    /// `;;` or `esac`.
    Arm,
}

/// What did end it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The text, a parenthesis around it, or the word that was waited for.
    Closed,
    /// `;;` of a `case`: another arm may follow.
    ArmEnd,
}

/// What a substitution puts aside.
pub(super) struct Outer {
    places: Vec<Place>,
    inside: Option<Inside>,
}

/// A reading of one text.
pub(super) struct Parser<'a> {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    pub(super) parens: usize,
    pub(super) pending: VecDeque<HereDocument>,
    pub(super) shared: &'a mut Shared,
    pub(super) command: usize,
}

/// Reads a whole text into `shared`.
pub(super) fn read(shared: &mut Shared, text: &str) -> Result<(), TooComplex> {
    let mut parser = Parser::new(shared, text)?;
    parser.list(Close::Text).map(|_| ())
}

/// Reads one word.
pub(super) fn word_of(shared: &mut Shared, text: &str) -> Result<String, TooComplex> {
    let mut parser = Parser::new(shared, text)?;
    parser.blanks();
    parser.word(Spot::Assignment).map(|word| word.text)
}

impl<'a> Parser<'a> {
    fn new(shared: &'a mut Shared, text: &str) -> Result<Self, TooComplex> {
        let chars: Vec<char> = text.chars().collect();
        let command = shared.commands.len().saturating_sub(1);
        let mut parser = Self { chars, at: 0, parens: 0, pending: VecDeque::new(), shared, command };
        parser.spend(parser.chars.len())?;
        Ok(parser)
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.char_at(self.at.saturating_add(ahead))
    }

    pub(super) fn char_at(&self, at: usize) -> Option<char> {
        self.chars.get(at).copied()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        Some(c)
    }

    pub(super) fn skip(&mut self, many: usize) {
        self.at = self.at.saturating_add(many).min(self.chars.len());
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> String {
        self.chars.get(start..end).unwrap_or_default().iter().collect()
    }

    pub(super) fn spend(&mut self, work: usize) -> Result<(), TooComplex> {
        self.shared.spend(work)
    }

    pub(super) fn deeper(&mut self) -> Result<(), TooComplex> {
        self.shared.depth += 1;
        if self.shared.depth > MAX_DEPTH { Err(TooComplex::TooDeep) } else { Ok(()) }
    }

    pub(super) fn shallower(&mut self) {
        self.shared.depth = self.shared.depth.saturating_sub(1);
    }

    /// Reads another text as part of this one.
    pub(super) fn nested(
        &mut self,
        text: &str,
        read: impl FnOnce(&mut Parser<'_>) -> Result<(), TooComplex>,
    ) -> Result<(), TooComplex> {
        self.deeper()?;
        let mut parser = Parser::new(self.shared, text)?;
        parser.command = self.command;
        read(&mut parser)?;
        self.shallower();
        Ok(())
    }

    /// Sets what the commands of a substitution are part of: their output feeds a word, not the next stage of a pipeline.
    pub(super) fn begin_substitution(&mut self, route: Route) -> Outer {
        let inside = Inside { parent: self.command, route };
        Outer { places: std::mem::take(&mut self.shared.places), inside: self.shared.inside.replace(inside) }
    }

    pub(super) fn end_substitution(&mut self, outer: Outer) {
        self.shared.places = outer.places;
        self.shared.inside = outer.inside;
    }

    fn new_pipeline(&mut self) -> Place {
        self.shared.pipelines += 1;
        Place { pipeline: self.shared.pipelines, stage: 0 }
    }

    /// Reads commands until `close`.
    pub(super) fn list(&mut self, close: Close) -> Result<Ended, TooComplex> {
        self.deeper()?;
        let outer_command = self.command;
        let mut first = self.shared.commands.len();
        let mut place = self.new_pipeline();
        let ended = loop {
            self.blanks();
            match (self.peek(0), self.peek(1)) {
                (None, _) => break Ended::Closed,
                (Some(';'), Some(';' | '&')) if close == Close::Arm => {
                    self.skip(2);
                    if self.peek(0) == Some('&') {
                        self.skip(1);
                    }
                    break Ended::ArmEnd;
                }
                (Some(';' | '\n'), _) => {
                    self.newline_or_skip()?;
                    place = self.new_pipeline();
                    first = self.shared.commands.len();
                }
                (Some('&'), Some('&')) | (Some('|'), Some('|')) => {
                    self.skip(2);
                    place = self.new_pipeline();
                }
                (Some('&'), next) if next != Some('>') => {
                    self.skip(1);
                    for command in self.shared.commands.iter_mut().skip(first) {
                        command.background = true;
                    }
                    place = self.new_pipeline();
                    first = self.shared.commands.len();
                }
                (Some('|'), next) => {
                    self.skip(if next == Some('&') { 2 } else { 1 });
                    place.stage += 1;
                }
                (Some(')'), _) => {
                    if close == Close::Paren {
                        self.skip(1);
                        break Ended::Closed;
                    }
                    if self.parens > 0 {
                        break Ended::Closed;
                    }
                    self.skip(1);
                }
                _ => {
                    self.shared.places.push(place);
                    let closed = self.command(close);
                    self.shared.places.pop();
                    if closed? {
                        break Ended::Closed;
                    }
                }
            }
        };
        self.command = outer_command;
        self.shallower();
        Ok(ended)
    }

    /// Reads one command, simple or compound. True when it was the word that ends the list.
    fn command(&mut self, close: Close) -> Result<bool, TooComplex> {
        if self.peek(0) == Some('(') {
            if !(self.peek(1) == Some('(') && self.arithmetic_command()?) {
                self.skip(1);
                self.parens += 1;
                let read = self.list(Close::Paren);
                self.parens -= 1;
                read?;
            }
            return Ok(false);
        }
        let index = self.begin_command()?;
        let start = self.at;
        let word = self.plain_word(Spot::Word(0))?;
        if !word.quoted {
            let is_reserved = RESERVED.contains(&word.text.as_str()) || self.at_function_parens(&word);
            // The words of a head may hold substitutions, which need something to be inside of.
            let has_head = matches!(word.text.as_str(), "for" | "select" | "case" | "function");
            if is_reserved && !has_head && self.shared.commands.len() == index + 1 {
                self.shared.commands.pop();
            }
            let compound = match word.text.as_str() {
                "then" | "do" | "else" | "elif" | "!" | "time" | "coproc" => Some(Ok(false)),
                "fi" | "done" | "}" | "esac" => Some(Ok(match close {
                    Close::Word(wanted) => wanted == word.text,
                    Close::Arm => word.text == "esac",
                    Close::Text | Close::Paren => false,
                })),
                "{" => Some(self.group("}")),
                "if" => Some(self.group("fi")),
                "while" | "until" => Some(self.group("done")),
                "for" | "select" => Some(self.for_loop()),
                "case" => Some(self.case()),
                "function" => Some(self.function_keyword()),
                name if is_reserved => Some(self.function(name.to_owned())),
                _ => None,
            };
            if let Some(closed) = compound {
                return closed;
            }
        }
        self.simple(index, start, word)?;
        Ok(false)
    }

    /// Reads `((…))`, unless these are two subshells.
    fn arithmetic_command(&mut self) -> Result<bool, TooComplex> {
        self.begin_command()?;
        let is_arithmetic = self.arithmetic(0, Spot::Assignment)?;
        if !is_arithmetic {
            self.shared.commands.pop();
        }
        Ok(is_arithmetic)
    }

    fn begin_command(&mut self) -> Result<usize, TooComplex> {
        let index = self.shared.commands.len();
        if index >= MAX_COMMANDS {
            return Err(TooComplex::TooMany);
        }
        self.command = index;
        let names: usize = self.shared.functions.iter().map(String::len).sum();
        self.spend(names)?;
        self.shared.commands.push(SimpleCommand {
            places: self.shared.places.clone(),
            functions: self.shared.functions.clone(),
            inside: self.shared.inside,
            level: self.shared.level,
            ..SimpleCommand::default()
        });
        Ok(index)
    }

    /// Reads a word unless a redirection begins here, perhaps with the number of its descriptor.
    fn plain_word(&mut self, spot: Spot) -> Result<Word, TooComplex> {
        if self.at_redirect().is_some() { Ok(Word::default()) } else { self.word(spot) }
    }

    fn simple(&mut self, index: usize, start: usize, first: Word) -> Result<(), TooComplex> {
        if first.raw == "[[" {
            self.put_word(index, first);
            self.until_test_ends(index)?;
        } else if !first.raw.is_empty() {
            self.put_word(index, first);
        }
        loop {
            self.blanks();
            if let Some(digits) = self.at_redirect() {
                self.skip(digits);
                self.redirect(index)?;
                continue;
            }
            if matches!(self.peek(0), None | Some('\n' | ';' | '|' | '&' | ')' | '(')) {
                break;
            }
            let count = self.shared.commands.get(index).map_or(0, |command| command.words.len());
            let word = self.word(Spot::Word(count))?;
            self.put_word(index, word);
        }
        let raw = self.slice(start, self.at).trim().to_owned();
        if let Some(command) = self.shared.commands.get_mut(index) {
            command.raw = raw;
        }
        Ok(())
    }

    fn put_word(&mut self, index: usize, word: Word) {
        let Some(command) = self.shared.commands.get_mut(index) else { return };
        if command.words.is_empty() && is_assignment(&word.text) && is_assignment(&word.raw) {
            command.assignments.push(word);
        } else {
            command.words.push(word);
        }
    }

    /// Inside `[[ … ]]` the operators are comparisons.
    fn until_test_ends(&mut self, index: usize) -> Result<(), TooComplex> {
        loop {
            self.blanks();
            match self.peek(0) {
                None | Some('\n' | ';') => return Ok(()),
                Some('&' | '|' | '(' | ')') => self.skip(1),
                Some('<' | '>') if self.peek(1) != Some('(') => self.skip(1),
                Some(_) => {
                    let word = self.word(Spot::Word(1))?;
                    let is_end = word.raw == "]]";
                    self.put_word(index, word);
                    if is_end {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Passes over blanks, continued lines and comments.
    pub(super) fn blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(' ' | '\t' | '\r'), _) => self.skip(1),
                (Some('\\'), Some('\n')) => self.skip(2),
                (Some('#'), _) => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.skip(1);
                    }
                }
                _ => return,
            }
        }
    }

    pub(super) fn blank_lines(&mut self) -> Result<(), TooComplex> {
        self.blanks();
        while self.peek(0) == Some('\n') {
            self.newline_or_skip()?;
            self.blanks();
        }
        Ok(())
    }

    fn group(&mut self, end: &'static str) -> Result<bool, TooComplex> {
        self.list(Close::Word(end)).map(|_| false)
    }

    pub(super) fn one_command(&mut self) -> Result<bool, TooComplex> {
        self.deeper()?;
        let read = self.command(Close::Text);
        self.shallower();
        read
    }

    pub(super) fn with_function<T>(
        &mut self,
        name: String,
        read: impl FnOnce(&mut Self) -> Result<T, TooComplex>,
    ) -> Result<T, TooComplex> {
        self.shared.functions.push(name);
        let done = read(self);
        self.shared.functions.pop();
        done
    }
}
