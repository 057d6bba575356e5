//! Private key blocks between `-----BEGIN … PRIVATE KEY-----` and their end, on many lines or with escaped line breaks.

use super::entropy;
use super::shape::Class;

/// Bytes of a block at most; an RSA key of 16,384 bits has about 13 KiB.
const BLOCK_CAP: usize = 16 * 1024;

/// Bytes behind the beginning by which key material must have begun: encrypted keys open with a few header lines.
const BODY_WITHIN: usize = 384;

/// Bytes of key material in one piece that tell a block from a text that speaks about blocks.
const BODY_RUN: usize = 32;

/// Whether a block begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    No,
    Block,
    /// More must be seen.
    Unknown,
}

/// Follows a private key block to its end, over any number of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pem {
    eaten: usize,
    dashes: usize,
    word: usize,
    closing: bool,
    over: bool,
}

impl Pem {
    /// Takes the bytes that belong to the block and says how many.
    pub fn eat(&mut self, bytes: &[u8]) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            if self.over || self.eaten >= BLOCK_CAP || !may_stand(*byte) {
                self.over = true;
                return index;
            }
            self.eaten += 1;
            self.step(*byte);
        }
        bytes.len()
    }

    /// Says whether its end was seen.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn step(&mut self, byte: u8) {
        const END: &[u8] = b"END";
        if byte == b'-' {
            self.dashes += 1;
            self.word = 0;
            self.over = self.closing && self.dashes == 5;
            return;
        }
        if self.dashes >= 5 || self.word > 0 {
            self.word = if END.get(self.word) == Some(&byte) { self.word + 1 } else { 0 };
            self.closing |= self.word == END.len();
        }
        self.dashes = 0;
    }
}

/// Says whether a private key block begins at the beginning of the text.
pub(super) fn begins(text: &[u8], complete: bool) -> Begin {
    let Some(label) = text.strip_prefix(b"-----BEGIN ") else { return Begin::No };
    let short = |rest: &[u8]| !complete && rest.len() < BODY_WITHIN;
    let length = label.iter().take_while(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' ')).count();
    let (name, rest) = label.split_at(length);
    if rest.is_empty() {
        return if short(label) { Begin::Unknown } else { Begin::No };
    }
    if !(name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK")) || length > 48 {
        return Begin::No;
    }
    let body = rest.get(..BODY_WITHIN).unwrap_or(rest);
    let is_material = |run: &[u8]| run.len() >= BODY_RUN && entropy::is_random(run);
    if body.split(|byte| !Class::Base64.has(*byte)).any(is_material) {
        return Begin::Block;
    }
    if short(rest) { Begin::Unknown } else { Begin::No }
}

/// Bytes of key material, of the lines around it, and of the ways it is quoted in a program, a diff or a listing.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || Class::Base64.has(byte)
        || matches!(
            byte,
            b'-' | b'\\' | b'"' | b'\'' | b',' | b':' | b'.' | b'(' | b')' | b'|' | b'>' | b'#' | b'*'
        )
}
