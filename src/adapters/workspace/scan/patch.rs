//! The text of a diff without context, read line by line: which lines each file got.
//!
//! The counts of a hunk's head say which lines are its content, so that no content is taken for a head.

/// Lines that stand together in the new file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Added<'a> {
    /// The path of the new file.
    pub(super) path: String,
    /// The number of the first line, from 1.
    pub(super) first: u32,
    /// The lines, without the sign and the line break.
    pub(super) lines: Vec<&'a [u8]>,
}

/// Reads `diff-tree -p -U0 --src-prefix=a/ --dst-prefix=b/` and gives each piece that was added to `take`.
pub(super) fn read<'a>(patch: &'a [u8], mut take: impl FnMut(&Added<'a>)) {
    let mut piece = Added::default();
    let (mut removed, mut added) = (0_u32, 0_u32);
    for line in patch.split(|byte| *byte == b'\n') {
        match line.split_first() {
            Some((b'-', _)) if removed > 0 => removed -= 1,
            Some((b'+', content)) if added > 0 => {
                added -= 1;
                piece.lines.push(content);
                if added == 0 {
                    take(&piece);
                    piece.lines.clear();
                }
            }
            Some((b'\\', _)) => {}
            _ => {
                // A patch that was cut ends within a piece.
                (removed, added) = (0, 0);
                if let Some(name) = line.strip_prefix(b"+++ ") {
                    piece.path = path_of(name);
                } else if let Some((old, first, new)) = counts(line) {
                    (removed, added) = (old, new);
                    piece.first = first;
                }
            }
        }
    }
    if !piece.lines.is_empty() {
        take(&piece);
    }
}

/// Removed lines, first line and added lines of `@@ -12,3 +14,2 @@`; a count that is left out is 1.
fn counts(line: &[u8]) -> Option<(u32, u32, u32)> {
    let text = std::str::from_utf8(line.strip_prefix(b"@@ -")?.split(|byte| *byte == b'@').next()?).ok()?;
    let (old, new) = text.trim_end().split_once(" +")?;
    let pair = |range: &str| {
        let (first, count) = range.split_once(',').unwrap_or((range, "1"));
        Some((first.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
    };
    let ((_, old), (first, new)) = (pair(old)?, pair(new)?);
    Some((old, first, new))
}

/// The path behind `+++ `: git puts a tab after names with blanks, and quotes names with odd bytes as C does.
fn path_of(name: &[u8]) -> String {
    let bytes = match name.strip_suffix(b"\t").unwrap_or(name) {
        [b'"', inner @ .., b'"'] => unquoted(inner),
        name => name.to_vec(),
    };
    let path = String::from_utf8_lossy(&bytes);
    path.strip_prefix("b/").unwrap_or(&path).to_owned()
}

fn unquoted(quoted: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(quoted.len());
    let mut rest = quoted.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        plain.push(match rest.next().unwrap_or(b'\\') {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            high @ b'0'..=b'3' => {
                let mut digit = || rest.next().unwrap_or(b'0').wrapping_sub(b'0') & 7;
                let (middle, low) = (digit(), digit());
                (high - b'0') << 6 | middle << 3 | low
            }
            other => other,
        });
    }
    plain
}
