//! The lines of a check's output that a fixer needs: those that speak of errors, else the last ones.

/// Lines kept.
const LINES: usize = 50;

/// Characters kept.
pub(super) const CHARACTERS: usize = 2_000;

/// Words that make a line one about an error wherever they occur, in lower case.
const WORDS: [&str; 12] = [
    "failed",
    "failure",
    "failing",
    "assert",
    "panic",
    "traceback",
    "exception",
    "typeerror",
    "referenceerror",
    "syntaxerror",
    "valueerror",
    "keyerror",
];

/// The first 50 lines about errors, else the last 50 lines that are not empty; printable, at most 2,000 characters.
pub fn excerpt(output: &[u8]) -> String {
    let text = strip_escapes(&String::from_utf8_lossy(output));
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let errors: Vec<&str> = lines.iter().copied().filter(|line| speaks_of_error(line)).take(LINES).collect();
    let chosen = if errors.is_empty() {
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().to_vec()
    } else {
        errors
    };
    let joined = chosen.join("\n");
    let excess = joined.chars().count().saturating_sub(CHARACTERS);
    // The end of a log says how it ended; error lines begin with the first one.
    if chosen.first().is_some_and(|line| speaks_of_error(line)) {
        joined.chars().take(CHARACTERS).collect()
    } else {
        joined.chars().skip(excess).collect()
    }
}

fn speaks_of_error(line: &str) -> bool {
    let lower = line.to_lowercase();
    let has_error = lower.match_indices("error").any(|(at, word)| {
        let next = lower.get(at + word.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|c| c.is_whitespace() || ":[(]".contains(c))
    });
    let has_fail = lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "fail");
    has_error || has_fail || WORDS.iter().any(|word| lower.contains(word))
}

/// Drops terminal control sequences and every other control character but line breaks and tabs.
fn strip_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\n' | '\t' => kept.push(c),
            c if c.is_control() => {}
            c => kept.push(c),
        }
    }
    kept
}

/// Skips the rest of a sequence after ESC: CSI up to its final byte, OSC up to BEL or ST, else one character (ECMA-48).
fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while chars.peek().is_some_and(|c| *c != '\n') {
                if chars.next().is_some_and(|c| ('\u{40}'..='\u{7e}').contains(&c)) {
                    break;
                }
            }
        }
        Some(']') => {
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}
