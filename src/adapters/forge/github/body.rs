//! The body of a pull request: the line it is found again by, and the section that is the engine's own.

/// What the section with the evidence begins with.
pub(super) const EVIDENCE: &str = "<!-- agentpr:evidence -->";

/// What it ends with.
pub(super) const EVIDENCE_END: &str = "<!-- /agentpr:evidence -->";

/// The body with the section of the approved one in the place of its own; `None` where it has none, or nothing changes. An approved one
/// without evidence empties the section: what it says is of another commit.
///
/// All else stays as it is: people have edited it since.
pub(super) fn with_evidence_of(approved: &str, body: &str) -> Option<String> {
    let empty = format!("{EVIDENCE}\n{EVIDENCE_END}");
    let wanted = parts(approved).map_or(empty.as_str(), |(_, wanted, _)| wanted);
    let (before, found, after) = parts(body)?;
    // The web turns line ends into CRLF when somebody edits a body there.
    let same = found.replace("\r\n", "\n") == wanted.replace("\r\n", "\n");
    (!same).then(|| format!("{before}{wanted}{after}"))
}

/// What is before the section, the section with its two marks, and what is after it.
fn parts(body: &str) -> Option<(&str, &str, &str)> {
    let begin = body.find(EVIDENCE)?;
    let end = begin + body.get(begin..)?.find(EVIDENCE_END)? + EVIDENCE_END.len();
    Some((body.get(..begin)?, body.get(begin..end)?, body.get(end..)?))
}
