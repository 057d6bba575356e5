//! Tokens that say by their first characters who issued them.
//!
//! Sources of the shapes: the issuers' own documentation; GitHub's change of 2026-04 for `ghs_` (an app id and a JWT, about
//! 520 characters with dots).

use std::sync::LazyLock;

use super::entropy::{is_monotonous, is_random, is_varied};
use super::{Hit, Rest, Sighting};

/// A bot token of Telegram: digits, a colon, 35 characters. The trigger asks for less than the whole.
pub(super) const TELEGRAM: &str = r"\b[0-9]{8,10}:[A-Za-z0-9_-]{6}";

/// Bytes of a header that are looked through for its end.
const JUDGED: usize = 1024;

/// Bytes of a token that are judged: more would tell nothing more, and text may be full of beginnings.
const TELLING: usize = 64;

/// Characters a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Letters and digits.
    Alnum,
    /// Capitals and digits.
    Capital,
    /// Digits and small letters to `f`.
    Hex,
    /// Letters, digits, `_` and `-`.
    Url,
    /// Letters, digits, `_`, `-` and `.`.
    Dotted,
    /// Letters, digits, `+`, `/` and `=`.
    Base64,
    /// Letters, digits and `/`.
    Path,
    /// What a header may carry: letters, digits and `._~+/=-`.
    Header,
    /// Everything that can be seen but quotes, brackets and what ends a value.
    Value,
}

impl Class {
    /// Says whether a byte is one.
    pub fn has(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Capital => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Self::Path => byte.is_ascii_alphanumeric() || byte == b'/',
            Self::Header => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'-')
            }
            Self::Value => {
                byte.is_ascii_graphic()
                    && !matches!(byte, b'"' | b'\'' | b'`' | b',' | b';' | b'\\' | b'<' | b'>')
                    && !matches!(byte, b'(' | b')' | b'{' | b'}' | b'[' | b']')
            }
        }
    }

    /// How many bytes at the beginning are of the class.
    pub fn run(self, text: &[u8]) -> usize {
        text.iter().take_while(|byte| self.has(**byte)).count()
    }

    /// The bytes at the beginning that are of the class, as many as a judgement needs: text that is full of beginnings
    /// is not run through once for each of them.
    pub(super) fn head(self, text: &[u8]) -> &[u8] {
        let near = text.get(..JUDGED).unwrap_or(text);
        near.get(..self.run(near)).unwrap_or_default()
    }
}

/// How sure a prefix is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// Nothing else is called so.
    Prefix,
    /// It may end a word or begin a name: it must begin a word, and the rest must look drawn by lot.
    Weak,
}

use Sure::{Prefix, Weak};

/// Rule, prefix, characters after it, at least how many, at most how many, sureness.
type Row = (&'static str, &'static str, Class, usize, usize, Sure);

const MANY: usize = usize::MAX;

const SHAPES: &[Row] = &[
    ("github_token", "ghp_", Class::Alnum, 36, MANY, Prefix),
    ("github_token", "gho_", Class::Alnum, 36, MANY, Prefix),
    ("github_token", "ghu_", Class::Alnum, 36, MANY, Prefix),
    ("github_token", "ghr_", Class::Alnum, 36, MANY, Prefix),
    ("github_token", "ghs_", Class::Dotted, 36, MANY, Weak),
    ("github_token", "github_pat_", Class::Url, 36, MANY, Prefix),
    ("aws_access_key", "AKIA", Class::Capital, 16, 16, Weak),
    ("aws_access_key", "ASIA", Class::Capital, 16, 16, Weak),
    ("google_api_key", "AIza", Class::Url, 35, 35, Weak),
    ("google_oauth", "GOCSPX-", Class::Url, 28, MANY, Prefix),
    ("google_oauth", "ya29.", Class::Url, 30, MANY, Prefix),
    ("slack_token", "xoxa-", Class::Url, 20, MANY, Prefix),
    ("slack_token", "xoxb-", Class::Url, 20, MANY, Prefix),
    ("slack_token", "xoxe-", Class::Url, 20, MANY, Prefix),
    ("slack_token", "xoxe.xox", Class::Dotted, 20, MANY, Prefix),
    ("slack_token", "xoxo-", Class::Url, 20, MANY, Prefix),
    ("slack_token", "xoxp-", Class::Url, 20, MANY, Prefix),
    ("slack_token", "xoxr-", Class::Url, 20, MANY, Prefix),
    ("slack_token", "xoxs-", Class::Url, 20, MANY, Prefix),
    ("slack_token", "xapp-", Class::Url, 30, MANY, Prefix),
    ("slack_webhook", "hooks.slack.com/services/", Class::Path, 30, MANY, Prefix),
    ("slack_webhook", "hooks.slack.com/workflows/", Class::Path, 30, MANY, Prefix),
    ("stripe_key", "sk_live_", Class::Alnum, 20, MANY, Prefix),
    ("stripe_key", "rk_live_", Class::Alnum, 20, MANY, Prefix),
    ("stripe_key", "sk_test_", Class::Alnum, 20, MANY, Prefix),
    ("stripe_key", "rk_test_", Class::Alnum, 20, MANY, Prefix),
    ("stripe_key", "whsec_", Class::Base64, 30, MANY, Prefix),
    ("anthropic_key", "sk-ant-", Class::Url, 20, MANY, Prefix),
    ("openai_key", "sk-proj-", Class::Url, 20, MANY, Prefix),
    ("openai_key", "sk-svcacct-", Class::Url, 20, MANY, Prefix),
    ("openai_key", "sk-admin-", Class::Url, 20, MANY, Prefix),
    ("openai_key", "sk-or-v1-", Class::Hex, 40, MANY, Prefix),
    ("openai_key", "sk-", Class::Alnum, 20, MANY, Weak),
    ("gitlab_token", "glpat-", Class::Dotted, 20, MANY, Prefix),
    ("gitlab_token", "gldt-", Class::Dotted, 20, MANY, Prefix),
    ("gitlab_token", "glrt-", Class::Dotted, 20, MANY, Prefix),
    ("gitlab_token", "glptt-", Class::Dotted, 20, MANY, Prefix),
    ("npm_token", "npm_", Class::Alnum, 36, 36, Weak),
    ("pypi_token", "pypi-", Class::Url, 60, MANY, Weak),
    ("docker_token", "dckr_pat_", Class::Url, 20, MANY, Prefix),
    ("docker_token", "dckr_oat_", Class::Url, 20, MANY, Prefix),
    ("sendgrid_key", "SG.", Class::Dotted, 60, MANY, Weak),
    ("twilio_key", "SK", Class::Hex, 32, 32, Weak),
    ("huggingface_token", "hf_", Class::Alnum, 30, MANY, Weak),
    ("digitalocean_token", "dop_v1_", Class::Hex, 60, MANY, Prefix),
    ("digitalocean_token", "doo_v1_", Class::Hex, 60, MANY, Prefix),
    ("digitalocean_token", "dor_v1_", Class::Hex, 60, MANY, Prefix),
    ("crates_io_token", "cio", Class::Alnum, 32, 32, Weak),
    ("shopify_token", "shpat_", Class::Alnum, 32, MANY, Prefix),
    ("shopify_token", "shpss_", Class::Alnum, 32, MANY, Prefix),
    ("rubygems_key", "rubygems_", Class::Hex, 48, 48, Prefix),
    ("vault_token", "hvs.", Class::Url, 24, MANY, Weak),
    ("grafana_token", "glsa_", Class::Url, 32, MANY, Prefix),
    ("groq_key", "gsk_", Class::Alnum, 40, MANY, Weak),
    ("linear_key", "lin_api_", Class::Alnum, 32, MANY, Prefix),
    ("atlassian_token", "ATATT3", Class::Header, 60, MANY, Prefix),
    ("age_key", "AGE-SECRET-KEY-1", Class::Capital, 50, MANY, Prefix),
];

/// The rows by the first byte of their prefix.
static BY_FIRST: LazyLock<[Vec<&Row>; 128]> = LazyLock::new(|| {
    let begins = |byte: usize, row: &Row| row.1.bytes().next().map(usize::from) == Some(byte);
    std::array::from_fn(|byte| SHAPES.iter().filter(|row| begins(byte, row)).collect())
});

/// The prefixes for the trigger, as patterns: one that must begin a word is not even looked at within one.
pub(super) fn triggers() -> impl Iterator<Item = String> {
    let pattern = |(prefix, sure): (&str, Sure)| match sure {
        Prefix => regex::escape(prefix),
        Weak => format!(r"\b{}", regex::escape(prefix)),
    };
    SHAPES.iter().map(|row| (row.1, row.5)).chain([("eyJ", Weak)]).map(pattern)
}

/// The token that begins at the beginning of the text, if one does; `before` is the byte before it.
pub(super) fn at(text: &[u8], before: Option<u8>) -> Option<Sighting> {
    let begins_word = !before.is_some_and(|byte| Class::Url.has(byte));
    let rows = text.first().and_then(|first| BY_FIRST.get(usize::from(*first)))?;
    let prefixed = rows.iter().find_map(|(rule, prefix, class, min, max, sure)| {
        let body = text.strip_prefix(prefix.as_bytes())?;
        // A dot within dots begins no word either.
        if *sure == Weak && (!begins_word || before.is_some_and(|byte| class.has(byte))) {
            return None;
        }
        let near = body.get(..TELLING).unwrap_or(body);
        let value = near.get(..class.run(near)).unwrap_or_default();
        if value.len() < *min || value.len() > *max || is_monotonous(value) {
            return None;
        }
        let is_it = *sure == Prefix || *class == Class::Capital || is_random(value);
        (is_it && is_real(value)).then(|| sighting(rule, prefix.len() + class.run(body), text, *class))
    });
    prefixed.or_else(|| jwt(text, begins_word)).or_else(|| telegram(text, begins_word))
}

/// A hit from the beginning to `end`, that goes on when it ran into the end of the text.
pub(super) fn sighting(rule: &'static str, end: usize, text: &[u8], class: Class) -> Sighting {
    Sighting { hit: Hit { rule, start: 0, end }, rest: (end == text.len()).then_some(Rest::Run(class)) }
}

/// Drops what documentation prints in the place of a token.
fn is_real(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    is_varied(value)
        && ![&b"example"[..], b"xxxx", b"placeholder", b"your"]
            .iter()
            .any(|word| lower.windows(word.len()).any(|window| window == *word))
}

/// Three parts in base64url, of which the first two are objects: `{"` is `eyJ`.
fn jwt(text: &[u8], begins_word: bool) -> Option<Sighting> {
    if !begins_word || !text.starts_with(b"eyJ") {
        return None;
    }
    let head = Class::Url.head(text);
    let payload = Class::Url.head(text.get(head.len()..)?.strip_prefix(b".")?);
    (head.len() >= 16 && payload.starts_with(b"eyJ") && payload.len() >= 10 && is_varied(head))
        .then(|| sighting("jwt", Class::Dotted.run(text), text, Class::Dotted))
}

fn telegram(text: &[u8], begins_word: bool) -> Option<Sighting> {
    let digits = text.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let value = text.get(digits..)?.strip_prefix(b":")?;
    let value = Class::Url.head(value);
    (begins_word && (8..=10).contains(&digits) && value.len() == 35 && is_random(value))
        .then(|| sighting("telegram_token", digits + 1 + value.len(), text, Class::Url))
}
