//! The book-keeping of a plan, done by the engine: a step that passed moves to Done, one that cannot go on to Blocked, and
//! exactly one step is promoted. A step takes the indented lines below it along.

use std::fmt::Write as _;

use super::check::acceptance_of;
use super::parse::box_of;
use super::{Fault, Plan, SectionName, Step};

/// Why an edit was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Nothing is next.
    #[error("the plan has no next step")]
    NothingNext,
    /// Another step is next.
    #[error("the next step is `{next}`, not `{asked}`")]
    NotNext {
        /// The step that was named.
        asked: String,
        /// The one that is next.
        next: String,
    },
    /// There is no open step of that id.
    #[error("the plan has no open step `{0}`")]
    NoSuchStep(String),
    /// The acceptance has no such line.
    #[error("the acceptance has no line `{0}`")]
    NoSuchCriterion(String),
    /// A section that has to be made would be inside a code block.
    #[error("a code block of the plan is never closed")]
    OpenFence,
    /// The edited plan would not be one.
    #[error("the plan would not be valid afterwards: {0}")]
    Invalid(Fault),
}

/// A fresh plan: its first step is to make the others.
pub fn template(goal: &str, test_cmd: Option<&str>, criteria: &[String]) -> String {
    let mut text = format!("# PLAN\n\n## Goal\n- {}\n\n## Acceptance\n", one_line(goal));
    for criterion in test_cmd.map(acceptance_of).into_iter().chain(criteria.iter().map(|text| one_line(text)))
    {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "- [ ] {criterion}");
    }
    text.push_str(
        "\n## Next (exactly ONE item)\n\
         - [ ] (STEP_ID=001) Build the backlog: smallest steps, each one edit and one verification\n\n\
         ## Backlog\n\n## Done\n- [x] (STEP_ID=000) Initialised\n\n## Notes\n",
    );
    text
}

impl Plan {
    /// Moves the next step to Done, ticked, and promotes the first open step of the backlog.
    ///
    /// # Errors
    /// [`EditError::NothingNext`], or [`EditError::NotNext`] when `step` names another one.
    pub fn mark_done(&self, step: &str) -> Result<Self, EditError> {
        let next = self.next().ok_or(EditError::NothingNext)?;
        if next.id != step {
            return Err(EditError::NotNext { asked: step.to_owned(), next: next.id.clone() });
        }
        let mut lines = self.lines.clone();
        let mut moved = take(&mut lines, next);
        if let Some(first) = moved.first_mut() {
            *first = ticked(first);
        }
        finish(put(lines, SectionName::Done, moved))?.with(SectionName::Done, step)
    }

    /// Moves an open step to Blocked with the reason below it; when it was next, the backlog's first open step is promoted.
    ///
    /// # Errors
    /// [`EditError::NoSuchStep`].
    pub fn block(&self, step: &str, reason: &str) -> Result<Self, EditError> {
        let open = self.next().into_iter().chain(self.open_backlog()).find(|open| open.id == step);
        let open = open.ok_or_else(|| EditError::NoSuchStep(step.to_owned()))?;
        let mut lines = self.lines.clone();
        let mut moved = take(&mut lines, open);
        let ending = ending_of(&moved);
        moved.push(format!("  Blocked: {}{ending}", one_line(reason)));
        finish(put(lines, SectionName::Blocked, moved))?.with(SectionName::Blocked, step)
    }

    /// Ticks the acceptance about the test command.
    ///
    /// # Errors
    /// [`EditError::NoSuchCriterion`].
    pub fn accept_tests(&self, test_cmd: &str) -> Result<Self, EditError> {
        self.accept(&acceptance_of(test_cmd))
    }

    /// Ticks a line of the acceptance, named by its text.
    ///
    /// # Errors
    /// [`EditError::NoSuchCriterion`].
    pub fn accept(&self, criterion: &str) -> Result<Self, EditError> {
        let found = self.acceptance().iter().find(|one| one.text == criterion);
        let found = found.ok_or_else(|| EditError::NoSuchCriterion(criterion.to_owned()))?;
        let mut lines = self.lines.clone();
        if let Some(line) = lines.get_mut(found.line - 1).filter(|_| !found.is_checked) {
            *line = ticked(line);
        }
        read_again(&lines)
    }

    /// The plan, when the step arrived.
    fn with(self, name: SectionName, step: &str) -> Result<Self, EditError> {
        let arrived = self.steps(name).iter().any(|one| one.id == step);
        if arrived { Ok(self) } else { Err(EditError::OpenFence) }
    }
}

/// Takes a step with the indented lines below it out of the file.
fn take(lines: &mut Vec<String>, step: &Step) -> Vec<String> {
    let last = block_end(lines, step.line);
    let first = (step.line - 1).min(last);
    let mut moved: Vec<String> = lines.drain(first..last).collect();
    // The last line of a file may have no ending, and others come after it now.
    let ending = ending_of(lines);
    if let Some(line) = moved.last_mut().filter(|line| !line.ends_with('\n')) {
        line.push_str(ending);
    }
    moved
}

/// The line after a step in line `line`, from 1, and the indented lines below it.
fn block_end(lines: &[String], line: usize) -> usize {
    let belongs = |line: &&String| {
        line.starts_with([' ', '\t']) && !line.trim().is_empty() && box_of(line).is_none() && !is_mark(line)
    };
    let below = lines.iter().skip(line).take_while(belongs).count();
    (line + below).min(lines.len())
}

/// Says whether a line could begin or end something of its own: a heading or a fence.
fn is_mark(line: &str) -> bool {
    line.trim_start().starts_with(['#', '`', '~'])
}

/// Puts lines at the end of a section, and makes the section when it is not there.
fn put(mut lines: Vec<String>, name: SectionName, moved: Vec<String>) -> Vec<String> {
    // The step is gone from the file, so another one may be missing for a moment: only the sections are looked at.
    let mut unheard = Vec::new();
    let sections = super::parse::sections(&lines, &mut unheard);
    let ending = ending_of(&lines);
    if let Some(line) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
        line.push_str(ending);
    }
    if let Some(section) = sections.iter().find(|section| section.name == name) {
        // Behind its last step or its heading: neither is inside a code block.
        let at = section.steps.last().map_or(section.heading + 1, |step| block_end(&lines, step.line));
        lines.splice(at..at, moved);
        return lines;
    }
    // Before the section that comes after it in the order of the file, else at the end.
    let before = sections.iter().filter(|section| section.name > name).map(|section| section.heading).min();
    let at = before.unwrap_or(lines.len()).min(lines.len());
    let gap = at > 0 && lines.get(at - 1).is_some_and(|line| !line.trim().is_empty());
    let mut made: Vec<String> = if gap { vec![ending.to_owned()] } else { Vec::new() };
    made.push(format!("## {}{ending}", name.word()));
    made.extend(moved);
    made.push(ending.to_owned());
    lines.splice(at..at, made);
    lines
}

/// Promotes a step when nothing is next, and reads the plan again.
fn finish(lines: Vec<String>) -> Result<Plan, EditError> {
    let mut unheard = Vec::new();
    let sections = super::parse::sections(&lines, &mut unheard);
    let plan = Plan { lines, sections };
    let first = plan.open_backlog().next();
    let (None, Some(first)) = (plan.next(), first) else { return read_again(&plan.lines) };
    let mut lines = plan.lines.clone();
    let moved = take(&mut lines, first);
    read_again(&put(lines, SectionName::Next, moved))
}

fn read_again(lines: &[String]) -> Result<Plan, EditError> {
    Plan::parse(lines.concat().as_bytes()).map_err(|faults| {
        let whole = Fault { code: super::Code::NotText, line: 0, about: String::new() };
        EditError::Invalid(faults.into_iter().next().unwrap_or(whole))
    })
}

/// The line with its box ticked.
fn ticked(line: &str) -> String {
    line.replacen("[ ]", "[x]", 1)
}

/// How the file ends its lines.
fn ending_of(lines: &[String]) -> &'static str {
    if lines.iter().any(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
}

/// Text in one line of at most 500 characters.
fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(500).collect()
}
