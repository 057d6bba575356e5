//! Signatures: GitHub's own vector is accepted, and nothing that was altered.

use agentpr::surfaces::http::signature::Signatures;

use crate::harness::deliveries::sign;

/// From GitHub's documentation, "Validating webhook deliveries".
const VECTOR: (&str, &[u8], &str) = (
    "It's a Secret to Everybody",
    b"Hello, World!",
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
);

/// Altered pairs; a million by `AGENTPR_MUTATIONS=1000000`.
const MUTATIONS: u64 = 10_000;

fn accepts(secrets: &[&str], header: &[u8], body: &[u8]) -> bool {
    Signatures::new(secrets.iter().copied()).unwrap().accept(Some(header), body)
}

#[test]
fn s1_the_published_vector_is_accepted() {
    let (secret, body, header) = VECTOR;
    assert!(accepts(&[secret], header.as_bytes(), body));
}

#[test]
fn while_a_secret_is_replaced_both_are_good_and_no_third() {
    let body = b"{}";
    for secret in ["new", "old"] {
        assert!(accepts(&["new", "old"], sign(secret, body).as_bytes(), body), "{secret}");
    }
    assert!(!accepts(&["new", "old"], sign("older", body).as_bytes(), body));
    assert!(!accepts(&[], sign("new", body).as_bytes(), body));
}

#[test]
fn what_is_no_signature_is_refused_like_a_wrong_one() {
    let (secret, body, good) = VECTOR;
    let digits = good.trim_start_matches("sha256=");
    let signatures = Signatures::new([secret]).unwrap();
    assert!(!signatures.accept(None, body));
    let odd = [
        String::new(),
        "sha256=".to_owned(),
        digits.to_owned(),
        format!("sha1={digits}"),
        format!("SHA256={digits}"),
        format!("sha256={}", digits.to_uppercase()),
        format!("sha256= {digits}"),
        format!("{good} "),
        format!("{good},{good}"),
        format!("{good}00"),
        good[..good.len() - 1].to_owned(),
        format!("sha256={}", "g".repeat(64)),
        format!("sha256={}", "é".repeat(32)),
        format!("sha256={}", "0".repeat(64)),
    ];
    for header in odd {
        assert!(!signatures.accept(Some(header.as_bytes()), body), "{header:?}");
    }
    assert!(!signatures.accept(Some(&[0xff; 71]), body));
}

#[test]
fn s1_no_altered_header_or_body_is_accepted() {
    let count = std::env::var("AGENTPR_MUTATIONS").ok().and_then(|count| count.parse().ok());
    let count: u64 = count.unwrap_or(MUTATIONS);
    let secret = "one of the secrets";
    let signatures = Signatures::new([secret, "the other"]).unwrap();
    let mut chance = Chance(0x5eed);
    for turn in 0..count {
        let body: Vec<u8> = (0..1 + chance.below(200)).map(|_| chance.byte()).collect();
        let header = sign(secret, &body).into_bytes();
        assert!(signatures.accept(Some(&header), &body), "turn {turn}: an unaltered pair is refused");
        let (mut header, mut body) = (header, body);
        let place = if chance.below(2) == 0 { &mut header } else { &mut body };
        alter(place, &mut chance);
        assert!(!signatures.accept(Some(&header), &body), "turn {turn}: {header:?} {body:?}");
    }
}

/// Alters one thing: a bit, a byte more or less, two bytes that differ in each other's place.
fn alter(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len());
    match chance.below(5) {
        0 => {
            bytes.remove(at);
        }
        1 => {
            let byte = chance.byte();
            bytes.insert(at, byte);
        }
        2 => {
            let other = chance.below(bytes.len());
            if bytes[at] == bytes[other] {
                bytes[at] ^= 0x20;
            } else {
                bytes.swap(at, other);
            }
        }
        3 => bytes.truncate(at),
        _ => bytes[at] ^= 1 << chance.below(8),
    }
}

/// A small generator whose whole sequence is its seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}
