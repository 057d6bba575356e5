//! Bytes to a plan. Total: whatever comes in, there is a plan or a list of faults.

use std::collections::BTreeMap;

use super::{Code, Criterion, Fault, MAX_BYTES, Plan, Section, SectionName, Step};

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Every fault, in the order of the file as far as one has a line.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Fault>> {
        let whole = |code| vec![Fault { code, line: 0, about: String::new() }];
        if bytes.len() > MAX_BYTES {
            return Err(whole(Code::PlanTooLarge));
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return Err(whole(Code::NotText)) };
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let mut faults = Vec::new();
        let sections = sections(&lines, &mut faults);
        let plan = Self { lines, sections };
        plan.judge(&mut faults);
        if faults.is_empty() {
            return Ok(plan);
        }
        faults.sort_by_key(|fault| fault.line);
        Err(faults)
    }

    fn judge(&self, faults: &mut Vec<Fault>) {
        let mut fault = |code, line, about: &str| faults.push(Fault { code, line, about: about.to_owned() });
        for (name, code) in [
            (SectionName::Next, Code::MissingNextSection),
            (SectionName::Backlog, Code::MissingBacklogSection),
        ] {
            if self.section(name).is_none() {
                fault(code, 0, "");
            }
        }
        match self.steps(SectionName::Next) {
            [] => {
                let heading = self.section(SectionName::Next).map(|section| section.heading + 1);
                if let (Some(step), Some(line)) = (self.open_backlog().next(), heading) {
                    fault(Code::NextMissingWhileBacklogOpen, line, &step.id);
                }
            }
            [step] if step.is_checked => fault(Code::NextIsChecked, step.line, &step.id),
            [_] => {}
            [_, second, ..] => fault(Code::NextCountNotOne, second.line, &second.id),
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for step in self.sections.iter().flat_map(|section| &section.steps) {
            if seen.insert(&step.id, step.line).is_some() {
                fault(Code::DuplicateStepId, step.line, &step.id);
            }
        }
    }
}

/// Finds the sections with a meaning and reads what is in them.
pub(super) fn sections(lines: &[String], faults: &mut Vec<Fault>) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    // Whether the section that is open is a known one, met for the first time.
    let mut is_read = false;
    let mut fence: Option<(char, usize)> = None;
    for (at, line) in lines.iter().enumerate() {
        if let Some(section) = found.last_mut().filter(|_| is_read) {
            section.end = at + 1;
        }
        if let Some(mark) = fence_of(line) {
            match fence {
                None => fence = Some(mark),
                Some((c, length)) if mark.0 == c && mark.1 >= length => fence = None,
                Some(_) => {}
            }
            continue;
        }
        if fence.is_some() {
            continue;
        }
        if let Some(heading) = line.trim().strip_prefix("## ") {
            if let Some(section) = found.last_mut().filter(|_| is_read) {
                section.end = at;
            }
            let name = section_name(heading);
            is_read = name.is_some_and(|name| !found.iter().any(|section| section.name == name));
            match name {
                Some(name) if is_read => {
                    let (steps, boxes) = (Vec::new(), Vec::new());
                    found.push(Section { name, heading: at, end: at + 1, steps, boxes });
                }
                Some(name) => faults.push(Fault {
                    code: Code::DuplicateSection,
                    line: at + 1,
                    about: name.word().to_owned(),
                }),
                None => {}
            }
            continue;
        }
        if let Some(section) = found.last_mut().filter(|_| is_read) {
            take_line(section, line, at + 1, faults);
        }
    }
    found
}

/// The name after `## `: the whole word, so that `Nextcloud` is not `Next`.
fn section_name(heading: &str) -> Option<SectionName> {
    let heading = heading.trim();
    SectionName::ALL.into_iter().find(|name| {
        heading
            .strip_prefix(name.word())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '('))
    })
}

/// The fence a line opens or closes: its character and how many there are.
fn fence_of(line: &str) -> Option<(char, usize)> {
    let line = line.trim_start();
    let first = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == first).count();
    // "```x```" in one line is no fence.
    let rest = line.trim_start_matches(first);
    (length >= 3 && !(first == '`' && rest.contains('`'))).then_some((first, length))
}

fn take_line(section: &mut Section, line: &str, number: usize, faults: &mut Vec<Fault>) {
    let Some((is_checked, text)) = box_of(line) else {
        if is_meant_as_step(line) {
            bad(section.name, number, faults);
        }
        return;
    };
    if section.name == SectionName::Acceptance {
        section.boxes.push(Criterion { text: text.to_owned(), is_checked, line: number });
        return;
    }
    match step_of(text) {
        Some((id, text)) => {
            section.steps.push(Step { id: id.to_owned(), text: text.to_owned(), is_checked, line: number });
        }
        None if is_meant_as_step(line) => bad(section.name, number, faults),
        None => {}
    }
}

fn bad(section: SectionName, line: usize, faults: &mut Vec<Fault>) {
    let code = match section {
        SectionName::Next => Code::BadNextLine,
        SectionName::Backlog => Code::BadBacklogLine,
        _ => return,
    };
    faults.push(Fault { code, line, about: String::new() });
}

/// A line that would be a step but for a slip; notes, links behind other bullets and nested lists are none.
fn is_meant_as_step(line: &str) -> bool {
    line.starts_with("- [") || (line.trim_start().starts_with(['-', '*', '+']) && line.contains("STEP_ID"))
}

/// A bullet with a box: whether it is ticked, and the text after it.
pub(super) fn box_of(line: &str) -> Option<(bool, &str)> {
    let rest = line.trim().strip_prefix(['-', '*', '+'])?.trim_start().strip_prefix('[')?;
    let mut chars = rest.chars();
    let is_checked = match chars.next()? {
        ' ' => false,
        'x' | 'X' => true,
        _ => return None,
    };
    Some((is_checked, chars.as_str().strip_prefix(']')?.trim()))
}

/// The id and the text of a step; digits only, and some text.
fn step_of(text: &str) -> Option<(&str, &str)> {
    let (id, text) = text.strip_prefix("(STEP_ID=")?.split_once(')')?;
    let text = text.trim();
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    (is_id && !text.is_empty()).then_some((id, text))
}
