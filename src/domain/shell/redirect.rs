//! Redirections and here-documents.

use super::command::{Redirect, Route, Spot, TooComplex};
use super::parse::Parser;

/// A here-document whose lines come after the end of this one.
pub(super) struct HereDocument {
    command: usize,
    redirect: usize,
    delimiter: String,
    literal: bool,
    tabs_stripped: bool,
}

impl Parser<'_> {
    /// How many digits stand before the redirection that begins here, if one does.
    pub(super) fn at_redirect(&self) -> Option<usize> {
        let mut digits = 0;
        // A descriptor has few digits; more is a word, and not looked through again and again.
        while digits < 5 && self.peek(digits).is_some_and(|c| c.is_ascii_digit()) {
            digits += 1;
        }
        match (self.peek(digits), self.peek(digits + 1)) {
            (Some('<' | '>'), Some('(')) => None,
            (Some('<' | '>'), _) => Some(digits),
            (Some('&'), Some('>')) if digits == 0 => Some(0),
            _ => None,
        }
    }

    pub(super) fn redirect(&mut self, index: usize) -> Result<(), TooComplex> {
        let mut operator = String::new();
        while let Some(c @ ('<' | '>' | '&' | '|' | '-')) = self.peek(0) {
            // `-` belongs to `<<-` only, `|` to `>|`, and `<(` begins a word.
            let fits = match c {
                '-' => operator == "<<",
                '|' => operator == ">",
                '<' => matches!(operator.as_str(), "" | "<" | "<<") && self.peek(1) != Some('('),
                '>' => matches!(operator.as_str(), "" | ">" | "&" | "<" | "&>") && self.peek(1) != Some('('),
                _ => matches!(operator.as_str(), "" | ">" | "<"),
            };
            if !fits {
                break;
            }
            operator.push(c);
            self.skip(1);
        }
        if operator.is_empty() {
            self.skip(1);
            return Ok(());
        }
        self.blanks();
        let target = self.word(Spot::Redirect)?;
        let body = (operator == "<<<").then(|| target.text.clone());
        let here = operator.starts_with("<<") && operator != "<<<";
        let Some(command) = self.shared.commands.get_mut(index) else { return Ok(()) };
        if here {
            self.pending.push_back(HereDocument {
                command: index,
                redirect: command.redirects.len(),
                delimiter: target.text.clone(),
                literal: target.quoted,
                tabs_stripped: operator == "<<-",
            });
        }
        command.redirects.push(Redirect { operator, target, body });
        Ok(())
    }

    /// Passes over one character; after a newline over the here-documents that begin there.
    pub(super) fn newline_or_skip(&mut self) -> Result<(), TooComplex> {
        if self.bump() != Some('\n') {
            return Ok(());
        }
        while let Some(document) = self.pending.pop_front() {
            let Some(body) = self.here_document(&document)? else { continue };
            if !document.literal {
                let outer_command = std::mem::replace(&mut self.command, document.command);
                let outer = self.begin_substitution(Route::Substitution(Spot::Redirect));
                let read = self
                    .nested(&body, |parser| parser.double_quoted(&mut String::new(), None, Spot::Redirect));
                self.end_substitution(outer);
                self.command = outer_command;
                read?;
            }
            let command = self.shared.commands.get_mut(document.command);
            if let Some(redirect) = command.and_then(|command| command.redirects.get_mut(document.redirect)) {
                redirect.body = Some(body);
            }
        }
        Ok(())
    }

    /// Reads a body. `None` where its end is missing: what looked like a here-document was perhaps none, so the lines are
    /// left to be read as commands.
    fn here_document(&mut self, document: &HereDocument) -> Result<Option<String>, TooComplex> {
        let begin = self.at;
        let mut body = String::new();
        while self.at < self.chars.len() {
            let start = self.at;
            while self.bump().is_some_and(|c| c != '\n') {}
            let line = self.slice(start, self.at);
            let shown = if document.tabs_stripped { line.trim_start_matches('\t') } else { &line };
            if shown.trim_end_matches(['\n', '\r']) == document.delimiter {
                return Ok(Some(body));
            }
            body.push_str(shown);
        }
        self.spend(self.at - begin)?;
        self.at = begin;
        Ok(None)
    }
}
