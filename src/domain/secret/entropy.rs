//! Chance or meaning: tells a random value from a word, a name and a placeholder.

/// Words that say that a value is none; compared in lower case, anywhere in the value.
const PLACEHOLDERS: [&str; 30] = [
    "example",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "your",
    "xxxx",
    "dummy",
    "sample",
    "fake",
    "redacted",
    "insert",
    "replace",
    "todo",
    "secret",
    "password",
    "passwd",
    "token",
    "test",
    "abcdef",
    "123456",
    "00000",
    "11111",
    "aaaaa",
    "foobar",
    "process.env",
    "os.environ",
    "privatek",
    "publick",
    "getenv",
];

/// Says whether a value looks drawn by lot: its kinds of characters change often, and none stands too often.
///
/// In random base 62 two neighbours are of different kinds (lower, upper, digit) in about 60 of 100 cases, in random
/// hexadecimal in 47, in identifiers and words in fewer than 20. Between words stand signs, so those do not count.
pub(super) fn is_random(value: &[u8]) -> bool {
    let differ =
        |pair: &&[u8]| matches!(pair, [a, b] if kind(*a) != 3 && kind(*b) != 3 && kind(*a) != kind(*b));
    let changes = value.windows(2).filter(differ).count();
    let pairs = value.len().saturating_sub(1).max(1);
    changes * 100 >= pairs * 22 && is_varied(value)
}

/// Says whether a value is neither one of few characters nor a stair such as `abcdefgh` or `12345678`.
pub(super) fn is_varied(value: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in value {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    let distinct = seen.iter().filter(|slot| **slot).count();
    let steps = value.windows(2).filter(|pair| matches!(pair, [a, b] if a.abs_diff(*b) <= 1)).count();
    distinct >= (value.len() / 3).clamp(4, 9) && steps * 2 < value.len()
}

/// Says whether the first 20 bytes have so few different ones that chance had no hand in it: a cheap look before the others.
///
/// Twenty random hexadecimal digits have fewer than seven different ones in about one of 40,000 cases.
pub(super) fn is_monotonous(value: &[u8]) -> bool {
    let seen = value.iter().take(20).fold(0_u64, |seen, byte| seen | 1 << (byte & 63));
    seen.count_ones() < 7
}

/// Shannon's entropy of the bytes, in bits for each.
pub(super) fn bits(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u32::try_from(value.len()).unwrap_or(u32::MAX));
    let part = |count: &u32| {
        let share = f64::from(*count) / total;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(part).sum()
}

/// Says whether a value stands for one: a word that says so, a variable, a template, a call.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(value).to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| lower.contains(word))
        || value.iter().any(|byte| matches!(byte, b'<' | b'>' | b'{' | b'}' | b'(' | b')' | b'*' | b'\\'))
        || lower.starts_with('$')
        || lower.starts_with('%')
        || lower.contains("...")
}

/// How many of lower case, upper case, digit and other stand in the value.
pub(super) fn kinds(value: &[u8]) -> usize {
    let mut seen = [false; 4];
    for byte in value {
        if let Some(slot) = seen.get_mut(usize::from(kind(*byte))) {
            *slot = true;
        }
    }
    seen.iter().filter(|slot| **slot).count()
}

fn kind(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    }
}
