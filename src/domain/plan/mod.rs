//! The plan file, `PLAN.md`: reading it, judging it, and the book-keeping the engine does in it itself.
//!
//! [`parse`] reads any bytes and gives a plan or a list of codes; [`check`] compares a plan with its acceptance and with what
//! it was before; [`edit`] marks steps done or blocked and promotes the next one. Every line an edit does not name stays as
//! it was written. Nothing here reads or writes a file.

use std::fmt;

pub mod check;
pub mod edit;
pub mod parse;

/// The longest plan, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// A plan that keeps the grammar: at most one step is next, and there is one when the backlog has an open step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The lines with their endings; joined, they are the file.
    lines: Vec<String>,
    sections: Vec<Section>,
}

/// A section that is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    name: SectionName,
    /// Line of the heading, from 0.
    heading: usize,
    /// The line after its last one.
    end: usize,
    steps: Vec<Step>,
    boxes: Vec<Criterion>,
}

/// The sections with a meaning; others are kept and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionName {
    /// What it is for.
    Goal,
    /// What must be true at the end.
    Acceptance,
    /// The one step that is next.
    Next,
    /// Steps after it.
    Backlog,
    /// Steps that need a person.
    Blocked,
    /// Steps that passed.
    Done,
    /// Anything else.
    Notes,
}

impl SectionName {
    /// In the order of the file.
    pub const ALL: [Self; 7] =
        [Self::Goal, Self::Acceptance, Self::Next, Self::Backlog, Self::Blocked, Self::Done, Self::Notes];

    /// The word after `## `.
    pub fn word(self) -> &'static str {
        match self {
            Self::Goal => "Goal",
            Self::Acceptance => "Acceptance",
            Self::Next => "Next",
            Self::Backlog => "Backlog",
            Self::Blocked => "Blocked",
            Self::Done => "Done",
            Self::Notes => "Notes",
        }
    }
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its digits, as written.
    pub id: String,
    /// What to do.
    pub text: String,
    /// Whether its box is ticked.
    pub is_checked: bool,
    /// Its line, from 1.
    pub line: usize,
}

/// Something that must be true at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// What.
    pub text: String,
    /// Whether its box is ticked.
    pub is_checked: bool,
    /// Its line, from 1.
    pub line: usize,
}

/// What can be wrong with a plan; the names are stable words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// There is no section `Next`.
    MissingNextSection,
    /// A line of `Next` begins like a step and is none.
    BadNextLine,
    /// `Next` has more than one step.
    NextCountNotOne,
    /// The step in `Next` is ticked.
    NextIsChecked,
    /// `Next` is empty while the backlog has an open step.
    NextMissingWhileBacklogOpen,
    /// Two steps have one id.
    DuplicateStepId,
    /// There is no section `Backlog`.
    MissingBacklogSection,
    /// A line of `Backlog` begins like a step and is none.
    BadBacklogLine,
    /// A section occurs twice.
    DuplicateSection,
    /// The acceptance has no line about the test command.
    MissingAcceptanceTestCmd,
    /// A step that was done is gone.
    DoneItemRemoved,
    /// A step that was done is open again.
    DoneItemReopened,
    /// An open step is gone, and no new step says it came from it.
    StepLost,
    /// A step that was done says something else now.
    StepIdChangedText,
    /// It is longer than [`MAX_BYTES`].
    PlanTooLarge,
    /// It is no UTF-8 text.
    NotText,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::MissingNextSection,
        Self::BadNextLine,
        Self::NextCountNotOne,
        Self::NextIsChecked,
        Self::NextMissingWhileBacklogOpen,
        Self::DuplicateStepId,
        Self::MissingBacklogSection,
        Self::BadBacklogLine,
        Self::DuplicateSection,
        Self::MissingAcceptanceTestCmd,
        Self::DoneItemRemoved,
        Self::DoneItemReopened,
        Self::StepLost,
        Self::StepIdChangedText,
        Self::PlanTooLarge,
        Self::NotText,
    ];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingNextSection => "missing_next_section",
            Self::BadNextLine => "bad_next_line",
            Self::NextCountNotOne => "next_count_not_one",
            Self::NextIsChecked => "next_is_checked",
            Self::NextMissingWhileBacklogOpen => "next_missing_while_backlog_open",
            Self::DuplicateStepId => "duplicate_step_id",
            Self::MissingBacklogSection => "missing_backlog_section",
            Self::BadBacklogLine => "bad_backlog_line",
            Self::DuplicateSection => "duplicate_section",
            Self::MissingAcceptanceTestCmd => "missing_acceptance_test_cmd",
            Self::DoneItemRemoved => "done_item_removed",
            Self::DoneItemReopened => "done_item_reopened",
            Self::StepLost => "step_lost",
            Self::StepIdChangedText => "step_id_changed_text",
            Self::PlanTooLarge => "plan_too_large",
            Self::NotText => "not_text",
        }
    }

    /// What to do about it, for whoever wrote the plan.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::MissingNextSection => "add a section `## Next (exactly ONE item)`",
            Self::MissingBacklogSection => "add a section `## Backlog`",
            Self::BadNextLine | Self::BadBacklogLine => "write steps as `- [ ] (STEP_ID=7) what to do`",
            Self::NextCountNotOne => "keep one step in Next and move the others to Backlog",
            Self::NextIsChecked => "leave the step in Next unticked; the engine moves it when it passed",
            Self::NextMissingWhileBacklogOpen => "move one step from Backlog to Next",
            Self::DuplicateStepId => "give every step an id of its own",
            Self::DuplicateSection => "write each section once",
            Self::MissingAcceptanceTestCmd => {
                "put the line about the test command back into Acceptance, word for word"
            }
            Self::DoneItemRemoved | Self::DoneItemReopened => "leave the steps in Done as they were",
            Self::StepLost => "put the step back; when it was split, say `(from STEP_ID=7)` in the new steps",
            Self::StepIdChangedText => "give another step another id",
            Self::PlanTooLarge => "shorten the plan; long material belongs into other files",
            Self::NotText => "save the plan as UTF-8 text",
        }
    }
}

/// One thing that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub code: Code,
    /// Its line, from 1; 0 stands for the plan as a whole.
    pub line: usize,
    /// The step or the section it is about; empty for the plan as a whole.
    pub about: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(self.code.name())?;
        if !self.about.is_empty() {
            write!(f, " (`{}`)", self.about)?;
        }
        write!(f, ": {}", self.code.remedy())
    }
}

impl Plan {
    /// The file.
    pub fn text(&self) -> String {
        self.lines.concat()
    }

    /// The step that is next.
    pub fn next(&self) -> Option<&Step> {
        self.steps(SectionName::Next).first()
    }

    /// The steps of a section, in order.
    pub fn steps(&self, name: SectionName) -> &[Step] {
        self.section(name).map_or(&[], |section| section.steps.as_slice())
    }

    /// Steps that wait behind the next one.
    pub fn open_backlog(&self) -> impl Iterator<Item = &Step> {
        self.steps(SectionName::Backlog).iter().filter(|step| !step.is_checked)
    }

    /// Steps that need a person.
    pub fn blocked(&self) -> impl Iterator<Item = &Step> {
        self.steps(SectionName::Blocked).iter().filter(|step| !step.is_checked)
    }

    /// What must be true at the end.
    pub fn acceptance(&self) -> &[Criterion] {
        self.section(SectionName::Acceptance).map_or(&[], |section| section.boxes.as_slice())
    }

    /// Says whether nothing is left: no open step, and none that is blocked.
    pub fn is_finished(&self) -> bool {
        self.next().is_none() && self.open_backlog().next().is_none() && self.blocked().next().is_none()
    }

    fn section(&self, name: SectionName) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}
