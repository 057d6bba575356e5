//! The signature of a delivery: HMAC-SHA256 over its raw bytes, compared in constant time.
//!
//! Only GitHub's own form is taken, `sha256=` and 64 lower-case digits, so a header that was altered in any way is refused.

use std::fmt;

use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What stands before the digits.
const PREFIX: &[u8] = b"sha256=";

/// The secrets a signature may be made with; two while one takes the place of the other.
#[derive(Clone)]
pub struct Signatures {
    keys: Vec<Hmac<Sha256>>,
}

impl Signatures {
    /// Takes secrets in, and works out what is the same for every body.
    ///
    /// # Errors
    /// None that can happen: a key of any length is taken.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidLength> {
        let key = |secret: &str| Hmac::new_from_slice(secret.as_bytes());
        Ok(Self { keys: secrets.into_iter().map(key).collect::<Result<_, _>>()? })
    }

    /// Says whether one of the secrets signed `body`. `header` is the value of `X-Hub-Signature-256` as it came; what is no
    /// signature at all is refused like a wrong one.
    pub fn accept(&self, header: Option<&[u8]>, body: &[u8]) -> bool {
        let Some(digest) = header.and_then(digest) else { return false };
        self.keys.iter().any(|key| {
            let mut mac = key.clone();
            mac.update(body);
            mac.verify_slice(&digest).is_ok()
        })
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.keys.len())
    }
}

fn digest(header: &[u8]) -> Option<[u8; 32]> {
    let digits = header.strip_prefix(PREFIX)?;
    if digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut digest = [0_u8; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    Some(digest)
}
