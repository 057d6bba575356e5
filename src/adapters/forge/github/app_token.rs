//! A GitHub App's own token, made here, and what GitHub answers to it: an installation's token with an end.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::auth::Secret;
use crate::domain::time::Timestamp;

/// GitHub advises to date it back by a minute, because clocks differ.
const BACK: i64 = 60;

/// How long it is good for, in seconds; GitHub takes ten minutes at most.
const GOOD: i64 = 9 * 60;

/// An installation's token is renewed so long before it ends, so that no push begins with one that ends under it.
const RENEW: Duration = Duration::from_secs(5 * 60);

/// An installation's token.
#[derive(Debug, Clone)]
pub(super) struct AppToken {
    /// The token.
    pub secret: Secret,
    /// When GitHub stops taking it.
    pub ends: Timestamp,
    /// Whether it may change what is in repositories; `None` where GitHub did not say.
    pub may_push: Option<bool>,
}

impl AppToken {
    /// Reads GitHub's answer.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let secret = body.get("token")?.as_str().filter(|token| !token.is_empty())?;
        let ends: jiff::Timestamp = body.get("expires_at")?.as_str()?.parse().ok()?;
        let granted =
            body.get("permissions").and_then(Value::as_object).filter(|granted| !granted.is_empty());
        let may_push = granted.map(|granted| granted.get("contents").is_some_and(|right| right == "write"));
        Some(Self { secret: Secret::new(secret), ends: Timestamp(ends.as_millisecond()), may_push })
    }

    /// Says whether it need not be renewed yet.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        now.plus(RENEW) < self.ends
    }
}

/// Makes the token by which an App says who it is: a JWT, signed with RS256.
///
/// # Errors
/// What is wrong with the key; nothing of it is part of that.
pub(super) fn sign(app_id: u64, key_pem: &Secret, now: Timestamp) -> Result<Secret, &'static str> {
    let key = key(key_pem.reveal())?;
    let now = now.0.div_euclid(1_000);
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "RS256", "typ": "JWT"}));
    let claims = part(json!({"iat": now - BACK, "exp": now + GOOD, "iss": app_id.to_string()}));
    let text = format!("{head}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "the key does not sign")?;
    Ok(Secret::new(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// Reads a key: GitHub hands out PKCS#1, other programs make PKCS#8 of it. Line ends may have become `\n` in two letters on the way.
fn key(pem: &str) -> Result<RsaKeyPair, &'static str> {
    let pem = pem.replace("\\n", "\n");
    let body: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).map_err(|_| "it is no PEM")?;
    RsaKeyPair::from_der(&der)
        .or_else(|_| RsaKeyPair::from_pkcs8(&der))
        .map_err(|_| "it is no RSA key of 2048 bits or more in PKCS#1 or PKCS#8")
}
