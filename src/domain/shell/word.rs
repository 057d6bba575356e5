//! Words: quotes, escapes, variables and substitutions.

use super::command::{Route, Spot, TooComplex, Word};
use super::parse::{Close, Parser};

impl Parser<'_> {
    /// Reads a word up to a blank or an operator; empty only when it stands at one.
    pub(super) fn word(&mut self, spot: Spot) -> Result<Word, TooComplex> {
        let start = self.at;
        let mut word = Word::default();
        while let Some(c) = self.peek(0) {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '|' | '&' | ')' => break,
                '(' if word.text.ends_with('=') && is_assignment(&word.text) => {
                    self.array(&mut word.text, spot)?;
                }
                '(' => break,
                '<' | '>' if self.peek(1) == Some('(') => {
                    self.skip(2);
                    self.substitution(&mut word.text, spot)?;
                }
                '<' | '>' => break,
                '\'' => {
                    word.quoted = true;
                    self.skip(1);
                    self.single_quoted(&mut word.text);
                }
                '"' => {
                    word.quoted = true;
                    self.skip(1);
                    self.double_quoted(&mut word.text, Some('"'), spot)?;
                }
                '\\' => {
                    self.skip(1);
                    match self.bump() {
                        Some('\n') => {}
                        Some(escaped) => {
                            word.quoted = true;
                            word.text.push(escaped);
                        }
                        None => word.text.push('\\'),
                    }
                }
                '$' if matches!(self.peek(1), Some('\'' | '"')) => {
                    // `$'..'` knows escapes; `$".."` is a double-quoted text to be translated.
                    word.quoted = true;
                    self.skip(1);
                    if self.bump() == Some('\'') {
                        self.ansi_quoted(&mut word.text);
                    } else {
                        self.double_quoted(&mut word.text, Some('"'), spot)?;
                    }
                }
                '$' => self.dollar(&mut word.text, spot, false)?,
                '`' => self.backticks(&mut word.text, spot)?,
                plain => {
                    self.skip(1);
                    word.text.push(plain);
                }
            }
        }
        word.raw = self.slice(start, self.at);
        Ok(word)
    }

    fn single_quoted(&mut self, text: &mut String) {
        while let Some(c) = self.bump() {
            if c == '\'' {
                return;
            }
            text.push(c);
        }
    }

    /// Reads up to `end` (or the end of the text) as between double quotes, where only `$`, backticks and some escapes mean
    /// anything. Bodies of here-documents are read so too.
    pub(super) fn double_quoted(
        &mut self,
        text: &mut String,
        end: Option<char>,
        spot: Spot,
    ) -> Result<(), TooComplex> {
        while let Some(c) = self.peek(0) {
            match c {
                c if Some(c) == end => {
                    self.skip(1);
                    return Ok(());
                }
                '\\' => {
                    self.skip(1);
                    match self.bump() {
                        Some('\n') => {}
                        Some(escaped @ ('$' | '`' | '"' | '\\')) => text.push(escaped),
                        Some(other) => text.extend(['\\', other]),
                        None => text.push('\\'),
                    }
                }
                '$' => self.dollar(text, spot, true)?,
                '`' => self.backticks(text, spot)?,
                plain => {
                    self.skip(1);
                    text.push(plain);
                }
            }
        }
        Ok(())
    }

    /// Reads what a dollar sign begins. A plain variable stays in the text as written.
    fn dollar(&mut self, text: &mut String, spot: Spot, in_double: bool) -> Result<(), TooComplex> {
        match (self.peek(1), self.peek(2)) {
            (Some('('), Some('(')) if self.arithmetic(1, spot)? => {
                text.push_str("$(())");
                Ok(())
            }
            (Some('('), _) => {
                self.skip(2);
                self.substitution(text, spot)
            }
            (Some('{'), _) => {
                self.skip(2);
                text.push_str("${");
                let quotes = !in_double || self.at_pattern_operator();
                self.until_bracket('}', quotes, text, spot)
            }
            (Some('['), _) => {
                // Arithmetic of old: what is shifted there is no here-document.
                self.skip(2);
                text.push_str("$[");
                self.until_bracket(']', false, text, spot)
            }
            _ => {
                self.skip(1);
                text.push('$');
                Ok(())
            }
        }
    }

    /// Whether the expansion that begins here, `${x%..}`, `${x/..}`, takes a pattern: single quotes count in one, even
    /// between double quotes.
    fn at_pattern_operator(&self) -> bool {
        let mut ahead = 0;
        // Nobody's variable has a longer name.
        while ahead < 64 && self.peek(ahead).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            ahead += 1;
        }
        matches!(self.peek(ahead), Some('#' | '%' | '/' | '^' | ','))
    }

    fn until_bracket(
        &mut self,
        end: char,
        single_quotes: bool,
        text: &mut String,
        spot: Spot,
    ) -> Result<(), TooComplex> {
        self.deeper()?;
        while let Some(c) = self.peek(0) {
            match c {
                c if c == end => {
                    self.skip(1);
                    text.push(end);
                    break;
                }
                '\'' if single_quotes => {
                    self.skip(1);
                    self.single_quoted(text);
                }
                '"' => {
                    self.skip(1);
                    self.double_quoted(text, Some('"'), spot)?;
                }
                '\\' => {
                    self.skip(1);
                    text.extend(self.bump());
                }
                '$' => self.dollar(text, spot, !single_quotes)?,
                '`' => self.backticks(text, spot)?,
                plain => {
                    self.skip(1);
                    text.push(plain);
                }
            }
        }
        self.shallower();
        Ok(())
    }

    /// Reads the commands of a substitution; the parenthesis is read already.
    fn substitution(&mut self, text: &mut String, spot: Spot) -> Result<(), TooComplex> {
        text.push_str("$()");
        let outer = self.begin_substitution(Route::Substitution(spot));
        self.parens += 1;
        let read = self.list(Close::Paren);
        self.parens -= 1;
        self.end_substitution(outer);
        read.map(|_| ())
    }

    fn backticks(&mut self, text: &mut String, spot: Spot) -> Result<(), TooComplex> {
        self.skip(1);
        text.push_str("$()");
        let mut inner = String::new();
        while let Some(c) = self.bump() {
            match c {
                '`' => break,
                '\\' => match self.bump() {
                    Some(escaped @ ('`' | '$' | '\\')) => inner.push(escaped),
                    Some(other) => inner.extend(['\\', other]),
                    None => inner.push('\\'),
                },
                plain => inner.push(plain),
            }
        }
        let outer = self.begin_substitution(Route::Substitution(spot));
        let read = self.nested(&inner, |parser| parser.list(Close::Text).map(|_| ()));
        self.end_substitution(outer);
        read
    }

    /// Reads the words of an array; they are data.
    fn array(&mut self, text: &mut String, spot: Spot) -> Result<(), TooComplex> {
        self.skip(1);
        self.deeper()?;
        self.parens += 1;
        while let Some(c) = self.peek(0) {
            if c == ')' {
                self.skip(1);
                break;
            }
            let before = self.at;
            let word = self.word(spot)?;
            text.push_str(&word.text);
            if self.at == before {
                self.newline_or_skip()?;
            }
        }
        self.parens -= 1;
        self.shallower();
        Ok(())
    }

    /// Skips `((…))`, `ahead` characters from here, when it is arithmetic: what is shifted there is no here-document. The
    /// shell decides in the same way, by whether the two closing parentheses stand together.
    pub(super) fn arithmetic(&mut self, ahead: usize, spot: Spot) -> Result<bool, TooComplex> {
        let start = self.at + ahead;
        let mut open = 0_usize;
        let mut end = start;
        loop {
            match self.char_at(end) {
                None => {
                    self.spend(end - start)?;
                    return Ok(false);
                }
                Some('(') => open += 1,
                Some(')') if open == 2 => {
                    if self.char_at(end + 1) != Some(')') {
                        return Ok(false);
                    }
                    break;
                }
                Some(')') => open = open.saturating_sub(1),
                Some(_) => {}
            }
            end += 1;
        }
        self.spend(end - start)?;
        let inner = self.slice(start + 2, end);
        self.at = end + 2;
        let outer = self.begin_substitution(Route::Substitution(spot));
        let read = self.nested(&inner, |parser| parser.double_quoted(&mut String::new(), None, spot));
        self.end_substitution(outer);
        read.map(|()| true)
    }

    fn ansi_quoted(&mut self, text: &mut String) {
        while let Some(c) = self.bump() {
            match c {
                '\'' => return,
                '\\' => match self.bump() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('x') => self.coded(text, 16, 2),
                    Some('u') => self.coded(text, 16, 4),
                    Some('U') => self.coded(text, 16, 8),
                    Some(digit @ '0'..='7') => {
                        self.at -= 1;
                        let most = if digit == '0' { 4 } else { 3 };
                        self.coded(text, 8, most);
                    }
                    Some(other) => text.push(other),
                    None => return,
                },
                plain => text.push(plain),
            }
        }
    }

    fn coded(&mut self, text: &mut String, radix: u32, most: usize) {
        let mut value = 0_u32;
        for _ in 0..most {
            let Some(digit) = self.peek(0).and_then(|c| c.to_digit(radix)) else { break };
            value = value.wrapping_mul(radix).wrapping_add(digit);
            self.skip(1);
        }
        text.extend(char::from_u32(value));
    }
}

/// Whether a text begins like an assignment: `name=`, `name+=`, `name[..]=`.
pub(super) fn is_assignment(text: &str) -> bool {
    let Some((name, _)) = text.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split_once('[').map_or(name, |(name, _)| name);
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
