//! Commands with reserved words: loops, `case`, functions.

use super::command::{Spot, TooComplex, Word};
use super::parse::{Close, Ended, Parser};

impl Parser<'_> {
    /// `for x in words; do …; done`: the words are data.
    pub(super) fn for_loop(&mut self) -> Result<bool, TooComplex> {
        self.blanks();
        let is_arithmetic =
            (self.peek(0), self.peek(1)) == (Some('('), Some('(')) && self.arithmetic(0, Spot::Assignment)?;
        if !is_arithmetic {
            self.words_to_line_end()?;
        }
        self.list(Close::Word("done")).map(|_| false)
    }

    fn words_to_line_end(&mut self) -> Result<(), TooComplex> {
        loop {
            self.blanks();
            let before = self.at;
            self.word(Spot::Assignment)?;
            if self.at == before {
                return Ok(());
            }
        }
    }

    /// `case word in pattern) …;; esac`: the patterns are data.
    pub(super) fn case(&mut self) -> Result<bool, TooComplex> {
        self.deeper()?;
        loop {
            self.blank_lines()?;
            let before = self.at;
            let word = self.word(Spot::Assignment)?;
            if word.raw == "in" || self.at == before {
                break;
            }
        }
        loop {
            self.blank_lines()?;
            if self.pattern()? {
                break;
            }
            // What ends an arm without `;;` is `esac`, a parenthesis around all of it, or the text.
            if self.list(Close::Arm)? == Ended::Closed {
                break;
            }
        }
        self.shallower();
        Ok(false)
    }

    /// Reads one pattern with its parenthesis. True when there is none.
    fn pattern(&mut self) -> Result<bool, TooComplex> {
        if self.peek(0) == Some('(') {
            self.skip(1);
        }
        loop {
            self.blank_lines()?;
            let before = self.at;
            let word = self.word(Spot::Assignment)?;
            match self.peek(0) {
                Some(')') => {
                    self.skip(1);
                    return Ok(false);
                }
                _ if word.raw == "esac" => return Ok(true),
                Some('|') => self.skip(1),
                None => return Ok(true),
                // Not a pattern at all: the rest is read as commands, which hides nothing.
                Some(_) if self.at == before => return Ok(false),
                Some(_) => {}
            }
        }
    }

    /// Whether `()` stands here, so that the word before it names a function; it is read then.
    pub(super) fn at_function_parens(&mut self, name: &Word) -> bool {
        if name.raw.is_empty() {
            return false;
        }
        let start = self.at;
        self.blanks();
        if self.peek(0) == Some('(') {
            self.skip(1);
            self.blanks();
            if self.peek(0) == Some(')') {
                self.skip(1);
                return true;
            }
        }
        self.at = start;
        false
    }

    pub(super) fn function_keyword(&mut self) -> Result<bool, TooComplex> {
        self.blanks();
        let name = self.word(Spot::Assignment)?;
        self.at_function_parens(&name);
        self.function(name.text)
    }

    /// Reads the body of a function.
    pub(super) fn function(&mut self, name: String) -> Result<bool, TooComplex> {
        self.blank_lines()?;
        self.with_function(name, |parser| match parser.peek(0) {
            None | Some(';' | '|' | '&' | ')') => Ok(false),
            Some(_) => parser.one_command(),
        })
    }
}
