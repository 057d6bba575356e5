//! GitHub Apps: the signed word of an App, and the tokens its installations get for it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::chance;
use crate::clock::stamp;
use crate::message::{Answer, Ask, Reply};
use crate::user::Token;
use crate::world::World;

/// The longest life of an App's word, by the documentation, and what clocks may differ by.
const LONGEST: i64 = 600;
const DRIFT: i64 = 60;

/// One App.
#[derive(Debug)]
pub(crate) struct App {
    pub id: u64,
    pub slug: String,
    /// The key in PKCS #1 form; without one any signature is taken.
    pub key: Option<Vec<u8>>,
    /// Accounts by installation id.
    pub installations: BTreeMap<u64, String>,
    /// How long its tokens live.
    pub ttl_secs: i64,
}

/// Serves what only an App may ask.
pub(crate) fn route(world: &mut World, ask: &Ask, jwt: &str, parts: &[&str]) -> Answer {
    let id = author(world, jwt)?;
    let app = world.apps.get(&id).ok_or_else(Reply::not_found)?;
    match (ask.method.as_str(), parts) {
        ("GET", ["app"]) => Ok(Reply::json(200, &shape(app, &world.origin))),
        ("GET", ["app", "installations"]) => {
            let all = app.installations.iter().map(|(id, account)| installation(*id, account, app));
            Ok(Reply::json(200, &all.collect()))
        }
        ("GET", ["repos", owner, _, "installation"]) => {
            let mut all = app.installations.iter();
            let (id, account) =
                all.find(|(_, account)| account.eq_ignore_ascii_case(owner)).ok_or_else(Reply::not_found)?;
            Ok(Reply::json(200, &installation(*id, account, app)))
        }
        ("POST", ["app", "installations", number, "access_tokens"]) => {
            let number = number.parse::<u64>().map_err(|_| Reply::not_found())?;
            let account = app.installations.get(&number).ok_or_else(Reply::not_found)?.clone();
            let (login, ttl) = (format!("{}[bot]", app.slug), app.ttl_secs * 1_000);
            Ok(grant(world, id, login, account, ttl))
        }
        _ => Err(Reply::not_found()),
    }
}

fn grant(world: &mut World, app: u64, login: String, account: String, ttl_ms: i64) -> Reply {
    // As long as GitHub's own have become in 2026, dots and all.
    let parts: Vec<String> = (0..13).map(|_| chance::name()).collect();
    let text = format!("ghs_{app}_{}", parts.join("."));
    let expires_ms = world.now() + ttl_ms;
    world.user(&login);
    let token = Token { login, installation: Some(account), expires_ms: Some(expires_ms) };
    world.tokens.insert(text.clone(), token);
    let permissions =
        json!({"contents": "write", "metadata": "read", "pull_requests": "write", "checks": "read"});
    Reply::json(
        201,
        &json!({"token": text, "expires_at": stamp(expires_ms), "permissions": permissions,
            "repository_selection": "all"}),
    )
}

fn shape(app: &App, origin: &str) -> Value {
    json!({"id": app.id, "slug": app.slug, "node_id": format!("A_{}", app.id), "name": app.slug,
        "html_url": format!("{origin}/apps/{}", app.slug), "events": [], "installations_count": app.installations.len(),
        "permissions": {"contents": "write", "pull_requests": "write", "checks": "read"}})
}

fn installation(id: u64, account: &str, app: &App) -> Value {
    json!({"id": id, "account": {"login": account}, "app_id": app.id, "app_slug": app.slug,
        "repository_selection": "all", "permissions": {"contents": "write", "pull_requests": "write"}, "events": []})
}

/// Which App a word comes from; the refusals are GitHub's.
fn author(world: &World, jwt: &str) -> Result<u64, Reply> {
    let undecodable = || Reply::error(401, "A JSON web token could not be decoded");
    let parts: Vec<&str> = jwt.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { return Err(undecodable()) };
    let decode = |text: &&str| URL_SAFE_NO_PAD.decode(text).map_err(|_| undecodable());
    let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).map_err(|_| undecodable());
    let (head, said, signature) = (read(decode(head)?)?, read(decode(claims)?)?, decode(signature)?);
    let issuer = match &said["iss"] {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let app = issuer.and_then(|id| world.apps.get(&id));
    let app = app.ok_or_else(|| Reply::error(401, "Integration must generate a public key"))?;
    if head["alg"] != "RS256" {
        return Err(undecodable());
    }
    if let Some(key) = &app.key {
        let signed = jwt.rsplit_once('.').map(|(signed, _)| signed).unwrap_or_default();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| undecodable())?;
    }
    let now = world.clock.seconds();
    let (Some(issued), Some(expires)) = (said["iat"].as_i64(), said["exp"].as_i64()) else {
        return Err(Reply::error(401, "Missing 'expiration time' claim ('exp') in assertion"));
    };
    if expires > now + LONGEST {
        return Err(Reply::error(401, "'Expiration time' claim ('exp') is too far in the future"));
    }
    if expires <= now {
        return Err(Reply::error(
            401,
            "'Expiration time' claim ('exp') must be a numeric value in the future",
        ));
    }
    if issued > now + DRIFT {
        let words = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
        return Err(Reply::error(401, words));
    }
    Ok(app.id)
}

/// The PKCS #1 form of a public key in PEM, which may be wrapped in the form that names its kind.
pub(crate) fn key(pem: &str) -> Option<Vec<u8>> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(text.trim()).ok()?;
    if pem.contains("BEGIN RSA PUBLIC KEY") {
        return Some(der);
    }
    // SEQUENCE { SEQUENCE { kind }, BIT STRING { no unused bits, key } }
    let (_, outer, _) = element(&der)?;
    let (_, _, rest) = element(outer)?;
    let (tag, bits, _) = element(rest)?;
    (tag == 3).then(|| bits.get(1..).map(<[u8]>::to_vec)).flatten()
}

/// The tag and the content of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
