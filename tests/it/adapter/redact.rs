//! Redaction of streams: every place a stream can be cut at, every form a value can have.

use std::collections::BTreeMap;

use agentpr::adapters::process::redact::{Redactor, secrets_of};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::domain::seeds::{ALNUM, Lot, seeds};

fn streamed(redactor: &Redactor, pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stream = redactor.stream();
    pieces.iter().for_each(|piece| stream.push(piece, &mut out));
    stream.finish(&mut out);
    out
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Says whether any 16 bytes of the secret are in the text.
fn leaks(text: &[u8], secret: &str) -> bool {
    let size = secret.len().min(16);
    secret.as_bytes().windows(size).any(|window| contains(text, window))
}

#[test]
fn a_secret_cut_at_any_place_is_taken_out() {
    let redactor = Redactor::none();
    for seed in seeds(100) {
        let whole = redactor.text(&seed.text);
        assert!(!leaks(whole.as_bytes(), &seed.secret), "{}: {whole}", seed.rule);
        for at in 0..=seed.text.len() {
            let (first, second) = seed.text.as_bytes().split_at(at);
            let out = streamed(&redactor, &[first, second]);
            assert_eq!(String::from_utf8_lossy(&out), whole, "{} cut at {at}", seed.rule);
        }
        let bytes: Vec<&[u8]> = seed.text.as_bytes().chunks(1).collect();
        assert_eq!(
            String::from_utf8_lossy(&streamed(&redactor, &bytes)),
            whole,
            "{} byte by byte",
            seed.rule
        );
    }
}

#[test]
fn a_known_value_cut_at_any_place_is_taken_out() {
    let value = Lot::new(7).of("abcdefghijklm", 23);
    let redactor = Redactor::new([value.clone()]);
    let text = format!("before {value} after {} end\n{}", STANDARD.encode(&value), hex::encode(&value));
    let whole = redactor.text(&text);
    assert_eq!(whole, "before *** after *** end\n***");
    for at in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(at);
        assert_eq!(String::from_utf8_lossy(&streamed(&redactor, &[first, second])), whole, "cut at {at}");
    }
}
