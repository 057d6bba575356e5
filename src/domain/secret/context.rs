//! Values that are secret because of what stands before them: a header, an address, a name.

use super::entropy::{bits, is_placeholder, is_random, is_varied, kinds};
use super::shape::{Class, sighting};
use super::{ASSIGNED, Sighting};

/// Words in the name of a secret value; of a word with `-`, the forms with `_` and with nothing count too.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "api-key",
    "access-key",
    "private-key",
    "auth-key",
    "encryption-key",
    "signing-key",
    "account-key",
];

/// Words before `token` that make it a place in a list.
const PAGING: [&[u8]; 4] = [b"next", b"page", b"continue", b"uation"];

/// What makes a following value secret, as patterns.
pub(super) fn triggers() -> impl Iterator<Item = String> {
    let names = NAMES.iter().map(|name| name.replace('-', "[_-]?"));
    let names = names.chain(["authorization", "bearer "].map(str::to_owned)).collect::<Vec<_>>().join("|");
    ["://".to_owned(), format!("(?i:{names})")].into_iter()
}

/// Bytes between a name and its value at most, and of a name behind its first word.
const NAME_REST: usize = 40;

/// Bytes of a named value that are judged: names stand often, so this bounds the work for each byte of a text.
const VALUE: usize = 256;

/// The value that the beginning of the text makes secret, if it is one.
///
/// `prior` is what stands before it: `nextPageToken` says where a list goes on, and is no secret.
pub(super) fn at(text: &[u8], prior: &[u8]) -> Option<Sighting> {
    if text.starts_with(b"://") {
        return address(text);
    }
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    if begins(b"authorization") {
        return header(text, 13);
    }
    if begins(b"bearer ") {
        return value_at(text, 7, "authorization_header", |value| value.len() >= 20 && is_random(value));
    }
    if !matches!(text.first()?.to_ascii_lowercase(), b'p' | b's' | b't' | b'c' | b'a' | b'e') {
        return None;
    }
    let near = prior.get(prior.len().saturating_sub(8)..)?.to_ascii_lowercase();
    let name = near.strip_suffix(b"_").unwrap_or(&near);
    if begins(b"token") && PAGING.iter().any(|word| name.ends_with(word)) {
        return None;
    }
    let rest = NAMES.iter().find_map(|name| behind(text, name))?;
    assignment(text, text.len() - rest)
}

/// How much is behind a name at the beginning of the text, if it is there.
fn behind(text: &[u8], name: &str) -> Option<usize> {
    let mut rest = text;
    for letter in name.bytes() {
        match rest.split_first() {
            Some((first, after)) if first.eq_ignore_ascii_case(&letter) => rest = after,
            Some((b'_', after)) if letter == b'-' => rest = after,
            _ if letter == b'-' => {}
            _ => return None,
        }
    }
    Some(rest.len())
}

/// `scheme://user:password@host`; also `scheme://token@host`.
fn address(text: &[u8]) -> Option<Sighting> {
    let rest = text.get(3..512.min(text.len()))?;
    let is_end =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\'' | b'<' | b'`' | b'\\');
    let authority = rest.split(is_end).next()?;
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let (info, host) = authority.split_at(at);
    if !host.get(1)?.is_ascii_alphanumeric() {
        return None;
    }
    let colon = info.iter().position(|byte| *byte == b':');
    let (user, word, start) = match colon {
        Some(colon) => (info.get(..colon)?, info.get(colon + 1..)?, 3 + colon + 1),
        None => (&b""[..], info, 3),
    };
    let is_secret = match colon {
        Some(_) => {
            word.len() >= 6 && word != user && kinds(word) >= 2 && !is_placeholder(word) && is_varied(word)
        }
        None => word.len() >= 20 && is_random(word) && !is_placeholder(word),
    };
    let is_plain = info.iter().all(u8::is_ascii_graphic);
    (is_secret && is_plain).then(|| {
        let mut found = sighting("address_password", 3 + at, text, Class::Value);
        found.hit.start = start;
        found
    })
}

/// `Authorization: Bearer value`, in a header, a command line or a program.
fn header(text: &[u8], name: usize) -> Option<Sighting> {
    let at = skip(text, name, |byte| matches!(byte, b'"' | b'\'' | b'\\'), 4);
    let at = operator(text, at)?;
    let at = skip(text, at, |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\'), 6);
    let rest = text.get(at..)?;
    let scheme = Class::Alnum.run(rest.get(..12.min(rest.len()))?);
    let word = rest.get(..scheme)?.to_ascii_lowercase();
    if rest.get(scheme) != Some(&b' ') || ![&b"bearer"[..], b"basic", b"token"].contains(&word.as_slice()) {
        return None;
    }
    let basic = word == b"basic";
    value_at(text, at + scheme + 1, "authorization_header", |value| {
        let is_drawn = if basic {
            value.len() >= 8 && kinds(value) >= 2
        } else {
            value.len() >= 16 && is_varied(value) && value.iter().any(u8::is_ascii_digit)
        };
        is_drawn && !is_placeholder(value)
    })
}

fn value_at(text: &[u8], at: usize, rule: &'static str, is_it: impl Fn(&[u8]) -> bool) -> Option<Sighting> {
    let rest = text.get(at..)?;
    is_it(Class::Header.head(rest)).then(|| {
        let mut found = sighting(rule, at + Class::Header.run(rest), text, Class::Header);
        found.hit.start = at;
        found
    })
}

/// `name = "value"`, `name: value`, `"name": "value"`, `NAME=value`, and each of them in a quoted text: `\"name\": \"value\"`.
fn assignment(text: &[u8], word: usize) -> Option<Sighting> {
    let name = skip(text, word, |byte| Class::Dotted.has(byte), NAME_REST);
    let at = skip(text, name, |byte| matches!(byte, b'"' | b'\'' | b']' | b'\\'), 4);
    let at = operator(text, at)?;
    // Within a quoted text, as in JSON lines, quotes stand behind signs of escape; one ends the value as well.
    let escapes = skip(text, at, |byte| byte == b'\\', 3);
    let is_escaped = escapes > at && matches!(text.get(escapes), Some(b'"' | b'\''));
    let at = if is_escaped { escapes } else { at };
    let quote = text.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let start = at + usize::from(quote.is_some());
    let rest = text.get(start..)?;
    let value = Class::Value.head(rest.get(..VALUE).unwrap_or(rest));
    if quote.is_some()
        && rest.get(value.len()).is_some_and(|byte| {
            Some(*byte) != quote && !Class::Value.has(*byte) && !(is_escaped && *byte == b'\\')
        })
    {
        return None;
    }
    let name = text.get(..name)?.to_ascii_lowercase();
    // What is kept in the place of a secret is none.
    if [&b"hash"[..], b"digest", b"fingerprint"].iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let is_password = name.starts_with(b"pass") || name.starts_with(b"pwd");
    let is_secret =
        if quote.is_some() { is_quoted_secret(value, is_password) } else { is_bare_secret(value) };
    (is_secret && !is_placeholder(value)).then(|| {
        let mut found = sighting(ASSIGNED, start + Class::Value.run(rest), text, Class::Value);
        found.hit.start = start;
        found
    })
}

fn is_quoted_secret(value: &[u8], is_password: bool) -> bool {
    if is_password && value.len() >= 10 && kinds(value) >= 3 && is_varied(value) && is_random(value) {
        return true;
    }
    value.len() >= 16 && looks_drawn(value) && !is_name(value)
}

/// Without quotes a value may be any expression: more is asked of it.
fn is_bare_secret(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    value.len() >= 20 && digits >= 2 && looks_drawn(value) && !is_name(value)
}

fn looks_drawn(value: &[u8]) -> bool {
    let has_digit = value.iter().any(u8::is_ascii_digit);
    let floor = if value.iter().all(u8::is_ascii_hexdigit) { 2.9 } else { 3.3 };
    has_digit && is_random(value) && bits(value) >= floor
}

/// Paths, addresses, versions and dotted names are no secrets, however varied they are.
fn is_name(value: &[u8]) -> bool {
    let words = |separator: u8| value.split(|byte| *byte == separator).filter(|part| part.len() >= 3).count();
    value.windows(3).any(|window| window == b"://")
        || matches!(value, [b'/' | b'.' | b'@' | b'#' | b'&', ..])
        || value.iter().filter(|byte| matches!(byte, b':' | b'|' | b'@' | b'?')).count() > 1
        || words(b'.') > 3
        || words(b'_') > 3
        || words(b'/') > 3
        || words(b'-') > 4
}

/// Passes blanks and one operator, and the blanks behind it.
fn operator(text: &[u8], at: usize) -> Option<usize> {
    let blank = |byte| matches!(byte, b' ' | b'\t');
    let at = skip(text, at, blank, 8);
    let rest = text.get(at..)?;
    let width = [&b":="[..], b"=>", b"=", b":"].iter().find(|sign| rest.starts_with(sign))?.len();
    // A comparison gives no value, and a path in a program is no assignment.
    if matches!(rest.get(width), Some(b'=' | b':')) {
        return None;
    }
    Some(skip(text, at + width, blank, 8))
}

fn skip(text: &[u8], at: usize, is_passed: impl Fn(u8) -> bool, most: usize) -> usize {
    at + text.get(at..).unwrap_or_default().iter().take(most).take_while(|byte| is_passed(**byte)).count()
}
