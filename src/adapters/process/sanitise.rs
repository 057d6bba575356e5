//! What a program prints, made harmless where it enters: valid UTF-8 without control characters and terminal sequences.
//!
//! Line breaks and tabs stay. A carriage return ends a line, as a progress bar means it. Escape sequences are taken off even when
//! they come in pieces; one that is never closed ends with its line, so that it cannot swallow the rest.

/// Longest escape sequence that is waited for.
const LONGEST: usize = 4 * 1024;

/// Cleans one stream.
#[derive(Debug, Default)]
pub struct Sanitiser {
    state: State,
    /// The beginning of a character whose rest has not come yet; at most three bytes.
    partial: Vec<u8>,
    /// Whether the last character was a carriage return that has not become a line break yet.
    returned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate character: one more and it is over.
    EscapeMore,
    /// In a control sequence (CSI), so many characters long.
    Control(usize),
    /// In a string (OSC, DCS, SOS, PM, APC), so many characters long.
    Long(usize),
    /// After ESC in a string, which `\` closes.
    LongEscape(usize),
}

/// What stands at the beginning of some bytes.
enum Next {
    Char(char),
    Invalid(usize),
    Incomplete,
}

impl Sanitiser {
    /// Takes bytes in, and appends to `out` what stays.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.state == State::Text && self.partial.is_empty() && !self.returned {
                let plain = rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
                let (text, other) = rest.split_at(plain);
                out.extend_from_slice(text);
                rest = other;
            }
            rest = self.one(rest, out);
        }
    }

    /// The stream has ended.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if !self.partial.is_empty() {
            self.take(char::REPLACEMENT_CHARACTER, out);
        }
        if self.returned {
            out.push(b'\n');
        }
    }

    /// Takes one character off the front.
    fn one<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let Some((first, rest)) = bytes.split_first() else { return bytes };
        if self.partial.is_empty() && first.is_ascii() {
            self.take(char::from(*first), out);
            return rest;
        }
        self.partial.push(*first);
        match next(&self.partial) {
            Next::Char(found) => {
                self.partial.clear();
                self.take(found, out);
                rest
            }
            Next::Incomplete => rest,
            Next::Invalid(length) => {
                // The byte that spoilt a character may begin another one.
                let again = self.partial.len() > length;
                self.partial.clear();
                self.take(char::REPLACEMENT_CHARACTER, out);
                if again { bytes } else { rest }
            }
        }
    }

    fn take(&mut self, found: char, out: &mut Vec<u8>) {
        self.state = match self.state {
            State::Text => return self.text(found, out),
            State::Escape => match found {
                '[' => State::Control(0),
                ']' | 'P' | 'X' | '^' | '_' => State::Long(0),
                ' '..='/' => State::EscapeMore,
                '0'..='~' => State::Text,
                _ => return self.again(found, out),
            },
            State::EscapeMore => match found {
                ' '..='/' => State::EscapeMore,
                '0'..='~' => State::Text,
                _ => return self.again(found, out),
            },
            State::Control(length) => match found {
                ' '..='?' if length < LONGEST => State::Control(length + 1),
                '@'..='~' => State::Text,
                _ => return self.again(found, out),
            },
            State::Long(length) => match found {
                '\u{7}' | '\u{9c}' => State::Text,
                '\u{1b}' => State::LongEscape(length + 1),
                '\n' => return self.again(found, out),
                _ if length >= LONGEST => State::Text,
                _ => State::Long(length + 1),
            },
            State::LongEscape(_) if found == '\\' => State::Text,
            State::LongEscape(_) => {
                // It was the beginning of another sequence.
                self.state = State::Escape;
                return self.take(found, out);
            }
        };
    }

    /// The sequence was none; the character is text.
    fn again(&mut self, found: char, out: &mut Vec<u8>) {
        self.state = State::Text;
        self.text(found, out);
    }

    fn text(&mut self, found: char, out: &mut Vec<u8>) {
        if found == '\r' {
            self.returned = true;
            return;
        }
        if std::mem::take(&mut self.returned) && found != '\n' {
            out.push(b'\n');
        }
        match found {
            '\u{1b}' => self.state = State::Escape,
            '\u{9b}' => self.state = State::Control(0),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => self.state = State::Long(0),
            '\n' | '\t' => out.push(if found == '\n' { b'\n' } else { b'\t' }),
            _ if found.is_control() => {}
            _ => out.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t')
}

fn next(bytes: &[u8]) -> Next {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().next().map_or(Next::Incomplete, Next::Char),
        Err(err) => match err.error_len() {
            None => Next::Incomplete,
            Some(length) => Next::Invalid(length),
        },
    }
}
