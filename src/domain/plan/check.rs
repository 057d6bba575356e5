//! A plan against its acceptance, and against the plan it was before an agent had it.

use super::{Code, Fault, Plan, SectionName, Step};

/// The acceptance about the test command, word for word; it stands behind the box.
pub fn acceptance_of(test_cmd: &str) -> String {
    format!("TEST_CMD passes: `{test_cmd}`")
}

/// What changed from one plan to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// What may not be.
    pub faults: Vec<Fault>,
    /// Ids of open steps that say something else now; allowed, and worth an event.
    pub reworded: Vec<String>,
}

impl Plan {
    /// Looks whether the acceptance names the test command, ticked or not.
    ///
    /// # Errors
    /// [`Code::MissingAcceptanceTestCmd`].
    pub fn check_acceptance(&self, test_cmd: &str) -> Result<(), Fault> {
        let wanted = acceptance_of(test_cmd);
        if self.acceptance().iter().any(|criterion| criterion.text == wanted) {
            return Ok(());
        }
        let line = self.section(SectionName::Acceptance).map_or(0, |section| section.heading + 1);
        Err(Fault { code: Code::MissingAcceptanceTestCmd, line, about: test_cmd.to_owned() })
    }

    /// Compares with the plan as it was before.
    pub fn compare(&self, before: &Self) -> Comparison {
        let mut comparison = Comparison::default();
        let mut fault = |code, line, step: &Step| {
            comparison.faults.push(Fault { code, line, about: step.id.clone() });
        };
        for (name, old) in before.all_steps() {
            let was_done = name == SectionName::Done && old.is_checked;
            match self.all_steps().find(|(_, step)| step.id == old.id) {
                None if was_done => fault(Code::DoneItemRemoved, 0, old),
                None if old.is_checked || name == SectionName::Done => {}
                None if self.has_successor(&old.id) => {}
                None => fault(Code::StepLost, 0, old),
                Some((now, step)) => {
                    let is_open = matches!(now, SectionName::Next | SectionName::Backlog);
                    if was_done && (now != SectionName::Done || !step.is_checked) {
                        fault(Code::DoneItemReopened, step.line, step);
                    } else if !says_the_same(&old.text, &step.text) {
                        if was_done || !is_open {
                            fault(Code::StepIdChangedText, step.line, step);
                        } else {
                            comparison.reworded.push(step.id.clone());
                        }
                    }
                }
            }
        }
        comparison
    }

    fn all_steps(&self) -> impl Iterator<Item = (SectionName, &Step)> {
        self.sections.iter().flat_map(|section| section.steps.iter().map(|step| (section.name, step)))
    }

    /// Says whether a step came from one that is gone, by its text.
    fn has_successor(&self, id: &str) -> bool {
        let mark = format!("STEP_ID={id}");
        self.all_steps().any(|(_, step)| {
            step.text.match_indices(&mark).any(|(at, _)| {
                let rest = step.text.get(at + mark.len()..).unwrap_or_default();
                !rest.starts_with(|c: char| c.is_ascii_digit())
            })
        })
    }
}

/// Compares words; blanks between them say nothing.
fn says_the_same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
