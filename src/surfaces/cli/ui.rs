//! The terminal: the only place that prints and asks.
//!
//! Whatever is printed passes [`words::clean`], so no text from a repository, an agent or a forge can move the cursor or
//! forge a line; and through the mask, so that none shows a secret. A reader that went away is no error; loops ask [`Ui::is_closed`] and end.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::words;
use crate::app::Masking;
use crate::domain::secret;

/// For what is as it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// For what went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// For what wants a person.
pub(super) const NOTICE: Style = AnsiColor::Yellow.on_default();
/// For headings and names.
pub(super) const STRONG: Style = Style::new().bold();
/// For what matters less.
pub(super) const FAINT: Style = Style::new().dimmed();
/// For everything else.
pub(super) const PLAIN: Style = Style::new();

/// One blank on each side of a cell.
const CELL_PADDING: u16 = 2;

/// The least width at which a wrapped last column is still read with ease.
const LAST_COLUMN: u16 = 16;

/// A piece of a line with its style.
pub(super) type Piece<'a> = (Style, Cow<'a, str>);

/// Standard output, standard error and the person at the keyboard.
#[derive(Debug, Clone)]
pub(super) struct Ui {
    json: bool,
    terminal: bool,
    asks: bool,
    draws: bool,
    program: String,
    masking: Option<Arc<dyn Masking>>,
    closed: Arc<AtomicBool>,
}

impl Ui {
    /// The terminal of this process; with `json` results are documents for machines.
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            terminal: std::io::stdout().is_terminal(),
            asks: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            draws: std::io::stderr().is_terminal(),
            program: "agentpr".to_owned(),
            masking: None,
            closed: Arc::default(),
        }
    }

    /// The same terminal, for a program that was called with flags which the commands it suggests must repeat.
    pub(super) fn with_program(self, program: String) -> Self {
        Self { program, ..self }
    }

    /// The same terminal, which knows the secrets of this process too; without it only what looks like a secret is masked.
    pub(super) fn with_masking(self, masking: Arc<dyn Masking>) -> Self {
        Self { masking: Some(masking), ..self }
    }

    /// A text without secrets.
    pub(super) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.masking {
            Some(masking) => masking.masked(text),
            None => secret::redacted(text),
        }
    }

    /// A suggestion, its commands written so that they work when typed as they are.
    pub(super) fn command(&self, suggestion: &str) -> String {
        let quoted = suggestion.replace("`agentpr ", &format!("`{} ", self.program));
        match quoted.strip_prefix("agentpr ") {
            Some(rest) => format!("{} {rest}", self.program),
            None => quoted,
        }
    }

    /// Whether results are documents for machines.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person can be asked.
    pub(super) fn can_ask(&self) -> bool {
        self.asks
    }

    /// Whether the reader of standard output went away.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Prints one line.
    pub(super) fn line(&self, text: impl AsRef<str>) {
        self.pieces(&[(PLAIN, Cow::Borrowed(text.as_ref()))]);
    }

    /// Prints one line in a style.
    pub(super) fn styled(&self, style: Style, text: impl AsRef<str>) {
        self.pieces(&[(style, Cow::Borrowed(text.as_ref()))]);
    }

    /// Prints one line of several pieces.
    pub(super) fn pieces(&self, pieces: &[Piece<'_>]) {
        let mut line = rendered(&self.safe(pieces));
        line.push('\n');
        self.out(line.as_bytes());
    }

    /// Prints a text of several lines, each cleaned.
    pub(super) fn block(&self, text: &str) {
        // As a whole: a private key is no secret in any one of its lines.
        for line in self.masked(text).lines() {
            self.line(line);
        }
    }

    /// Prints `name` and `value` in two columns.
    pub(super) fn field(&self, name: &str, value: impl AsRef<str>) {
        self.pieces(&[(FAINT, format!("  {name:<14}").into()), (PLAIN, value.as_ref().into())]);
    }

    /// Prints one line on standard error: progress and remarks that are no result.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        self.note_pieces(&[(PLAIN, Cow::Borrowed(text.as_ref()))]);
    }

    /// Prints one line of several pieces on standard error.
    pub(super) fn note_pieces(&self, pieces: &[Piece<'_>]) {
        // Nobody is left to be told when standard error is gone.
        let _told = writeln!(anstream::stderr().lock(), "{}", rendered(&self.safe(pieces)));
    }

    /// Prints a document: two spaces of indent, keys sorted.
    pub(super) fn document(&self, value: &Value) {
        let mut value = value.clone();
        self.mask(&mut value);
        let mut text = words::harmless(format!("{value:#}"));
        text.push('\n');
        self.out(text.as_bytes());
    }

    /// Prints a document on one line, for streams of events: as they are in the log, where no secret comes in, so that their
    /// hashes fit.
    pub(super) fn document_line(&self, value: &Value) {
        let mut text = words::harmless(value.to_string());
        text.push('\n');
        self.out(text.as_bytes());
    }

    /// Prints text of this program's own making as it is, such as a completion script.
    pub(super) fn own_text(&self, text: &[u8]) {
        self.out(text);
    }

    /// Prints a table; on a terminal it fits its width.
    pub(super) fn table(&self, header: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(header.iter().copied());
        for row in rows {
            table.add_row(row.iter().map(|cell| words::clean(&self.masked(cell)).replace('\t', " ")));
        }
        self.fit(&mut table);
        for (index, line) in table.lines().enumerate() {
            self.styled(if index == 0 { STRONG } else { PLAIN }, line.trim_end());
        }
    }

    /// Asks for one line; `None` when nobody is there to answer.
    pub(super) fn ask_line(&self, question: &str) -> Option<String> {
        if !self.asks {
            return None;
        }
        let mut err = anstream::stderr().lock();
        let _asked = write!(err, "{} ", words::clean(question)).and_then(|()| err.flush());
        drop(err);
        let mut answer = String::new();
        match std::io::stdin().lock().read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim().to_owned()),
        }
    }

    /// Asks a question whose answer is no unless it is `y` or `yes`.
    pub(super) fn ask_yes_no(&self, question: &str) -> bool {
        let answer = self.ask_line(&format!("{question} [y/N]"));
        answer.is_some_and(|answer| matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Shows that something is under way; nothing where nobody watches.
    pub(super) fn spinner(&self, message: &str) -> Spinner {
        if self.json || !self.draws {
            return Spinner { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(words::clean(message));
        bar.enable_steady_tick(Duration::from_millis(120));
        Spinner { bar }
    }

    /// Pieces without secrets.
    fn safe<'a>(&self, pieces: &'a [Piece<'a>]) -> Vec<Piece<'a>> {
        pieces.iter().map(|(style, text)| (*style, self.masked(text))).collect()
    }

    fn mask(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.masked(text) {
                    *text = masked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.mask(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Lets the last column wrap on a terminal that has room for the others; elsewhere each row is one line, however long.
    fn fit(&self, table: &mut Table) {
        let mut others = table.column_max_content_widths();
        others.pop();
        let taken: u16 = others.iter().map(|width| width.saturating_add(CELL_PADDING)).sum();
        let width = if self.terminal { table.width() } else { None };
        if width.is_none_or(|width| width < taken.saturating_add(LAST_COLUMN)) {
            table.set_content_arrangement(ContentArrangement::Disabled);
            return;
        }
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_constraints(others.iter().map(|_| ColumnConstraint::ContentWidth));
    }

    fn out(&self, bytes: &[u8]) {
        if self.is_closed() {
            return;
        }
        let mut out = anstream::stdout().lock();
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }
}

/// A sign that something is under way; gone when dropped.
pub(super) struct Spinner {
    bar: ProgressBar,
}

impl Spinner {
    /// Says what is under way now.
    pub(super) fn message(&self, text: &str) {
        self.bar.set_message(words::clean(text));
    }

    /// Prints with the sign out of the way.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn rendered(pieces: &[Piece<'_>]) -> String {
    pieces
        .iter()
        .map(|(style, text)| match words::clean(text) {
            text if *style == PLAIN => text,
            text => format!("{style}{text}{style:#}"),
        })
        .collect()
}
