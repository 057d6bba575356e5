//! Secrets for tests, drawn from a seed: every known shape, and none of them written in a source.

/// A small generator of numbers, the same on every machine (xorshift64*).
pub(crate) struct Lot(u64);

impl Lot {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % bound
    }

    pub(crate) fn of(&mut self, alphabet: &str, length: usize) -> String {
        let chars: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| chars[self.below(chars.len())]).collect()
    }
}

pub(crate) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEX: &str = "0123456789abcdef";
const CAPITAL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret in the line it would stand in.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) rule: &'static str,
    pub(crate) secret: String,
    pub(crate) text: String,
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 50;

/// `count` secrets, the kinds in turn.
pub(crate) fn seeds(count: usize) -> Vec<Seed> {
    (0..count).map(|number| seed(number % KINDS, &mut Lot::new(number as u64 + 1))).collect()
}

fn prefixed(rule: &'static str, parts: &[&str], body: &str) -> Seed {
    let secret = format!("{}{body}", parts.concat());
    Seed { rule, text: format!("the value is {secret} and no other"), secret }
}

fn named(rule: &'static str, before: &str, secret: String, after: &str) -> Seed {
    Seed { rule, text: format!("{before}{secret}{after}"), secret }
}

fn jwt(lot: &mut Lot, payload: usize) -> String {
    let (head, body) = (lot.of(URL, 33), lot.of(URL, payload));
    format!("ey{}{head}.ey{}{body}.{}", "J", "J", lot.of(URL, 43))
}

fn seed(kind: usize, lot: &mut Lot) -> Seed {
    match kind {
        0 => prefixed("github_token", &["ghp", "_"], &lot.of(ALNUM, 36)),
        1 => prefixed("github_token", &["gho", "_"], &lot.of(ALNUM, 36)),
        2 => prefixed("github_token", &["ghu", "_"], &lot.of(ALNUM, 36)),
        3 => prefixed("github_token", &["ghs", "_"], &lot.of(ALNUM, 36)),
        4 => prefixed("github_token", &["ghr", "_"], &lot.of(ALNUM, 76)),
        5 => {
            prefixed("github_token", &["ghs", "_"], &format!("{}_{}", lot.of("123456789", 7), jwt(lot, 420)))
        }
        6 => prefixed(
            "github_token",
            &["github", "_pat_"],
            &format!("{}_{}", lot.of(ALNUM, 22), lot.of(ALNUM, 59)),
        ),
        7 => prefixed("aws_access_key", &["AK", "IA"], &lot.of(CAPITAL, 16)),
        8 => prefixed("aws_access_key", &["AS", "IA"], &lot.of(CAPITAL, 16)),
        9 => named("assigned_secret", "aws_secret_access_key = ", lot.of(BASE64, 40), "\n"),
        10 => named("assigned_secret", "export AWS_SECRET_ACCESS_KEY=\"", lot.of(BASE64, 40), "\"\n"),
        11 => prefixed("google_api_key", &["AI", "za"], &lot.of(URL, 35)),
        12 => service_account(lot),
        13 => prefixed(
            "slack_token",
            &["xo", "xb-"],
            &format!("{}-{}-{}", lot.of("123456789", 12), lot.of("123456789", 12), lot.of(ALNUM, 24)),
        ),
        14 => prefixed(
            "slack_token",
            &["xo", "xp-"],
            &format!("{}-{}", lot.of("123456789", 12), lot.of(HEX, 32)),
        ),
        15 => named(
            "slack_webhook",
            "post to https://",
            format!(
                "{}{}/T{}/B{}/{}",
                "hooks.slack",
                ".com/services",
                lot.of(CAPITAL, 8),
                lot.of(CAPITAL, 8),
                lot.of(ALNUM, 24)
            ),
            " please",
        ),
        16 => prefixed("stripe_key", &["sk", "_live_"], &lot.of(ALNUM, 24)),
        17 => prefixed("stripe_key", &["rk", "_live_"], &lot.of(ALNUM, 99)),
        18 => prefixed("openai_key", &["sk", "-"], &lot.of(ALNUM, 48)),
        19 => prefixed("openai_key", &["sk", "-proj-"], &lot.of(URL, 120)),
        20 => prefixed("anthropic_key", &["sk", "-ant-api03-"], &lot.of(URL, 93)),
        21 => prefixed("gitlab_token", &["gl", "pat-"], &lot.of(URL, 20)),
        22 => prefixed("npm_token", &["np", "m_"], &lot.of(ALNUM, 36)),
        23 => prefixed("pypi_token", &["py", "pi-"], &format!("AgEIcHlwaS5vcmc{}", lot.of(URL, 150))),
        24 => prefixed("docker_token", &["dckr", "_pat_"], &lot.of(URL, 27)),
        25 => prefixed("telegram_token", &[&lot.of("123456789", 10), ":"], &lot.of(URL, 35)),
        26 => prefixed("telegram_token", &[&lot.of("123456789", 8), ":AA"], &lot.of(URL, 33)),
        27 => prefixed("sendgrid_key", &["SG", "."], &format!("{}.{}", lot.of(URL, 22), lot.of(URL, 43))),
        28 => prefixed("twilio_key", &["S", "K"], &lot.of(HEX, 32)),
        29 => prefixed("huggingface_token", &["h", "f_"], &lot.of(ALNUM, 34)),
        30 => prefixed("digitalocean_token", &["dop", "_v1_"], &lot.of(HEX, 64)),
        31 => prefixed("crates_io_token", &["c", "io"], &lot.of(ALNUM, 32)),
        32 => prefixed("jwt", &[], &jwt(lot, 120)),
        33 => block(lot, "RSA "),
        34 => block(lot, "OPENSSH "),
        35 => block(lot, "EC "),
        36 => named("authorization_header", "Authorization: Bearer ", lot.of(ALNUM, 40), "\r\n"),
        37 => named("authorization_header", "-H 'authorization: Basic ", lot.of(BASE64, 32), "'"),
        38 => named("authorization_header", "\"Authorization\": \"token ", lot.of(HEX, 40), "\","),
        39 => named("address_password", "postgres://app:", lot.of(ALNUM, 20), "@db.internal:5432/app"),
        40 => named("address_password", "https://deploy:", lot.of(URL, 24), "@git.internal/a.git"),
        41 => named("assigned_secret", "api_key = \"", lot.of(ALNUM, 32), "\""),
        42 => named("assigned_secret", "password: \"", lot.of(ALNUM, 20), "\""),
        43 => named("assigned_secret", "CLIENT_SECRET=", lot.of(ALNUM, 40), "\n"),
        44 => named("assigned_secret", "\"auth_token\": \"", lot.of(HEX, 40), "\""),
        45 => named("assigned_secret", "secretKey: '", lot.of(BASE64, 44), "'"),
        46 => prefixed("gitlab_token", &["gl", "rt-"], &lot.of(URL, 20)),
        47 => prefixed("digitalocean_token", &["doo", "_v1_"], &lot.of(HEX, 64)),
        48 => prefixed(
            "slack_token",
            &["xa", "pp-"],
            &format!("1-A{}-{}-{}", lot.of(CAPITAL, 10), lot.of("123456789", 13), lot.of(HEX, 64)),
        ),
        _ => prefixed("google_oauth", &["GOC", "SPX-"], &lot.of(URL, 28)),
    }
}

fn block(lot: &mut Lot, kind: &str) -> Seed {
    let lines: Vec<String> = (0..12).map(|_| lot.of(BASE64, 64)).collect();
    let dashes = "-".repeat(5);
    let label = format!("{kind}PRIVATE KEY{dashes}");
    let secret = format!("{dashes}BEGIN {label}\n{}\n{dashes}END {label}", lines.join("\n"));
    named("private_key", "cat id\n", secret, "\nit was that\n")
}

fn service_account(lot: &mut Lot) -> Seed {
    let lines: Vec<String> = (0..26).map(|_| lot.of(BASE64, 64)).collect();
    let dashes = "-".repeat(5);
    let label = format!("PRIVATE KEY{dashes}");
    let secret = format!("{dashes}BEGIN {label}\\n{}\\n{dashes}END {label}", lines.join("\\n"));
    named(
        "private_key",
        "\"type\": \"service_account\", \"private_key\": \"",
        secret,
        "\\n\", \"client_id\": 1",
    )
}
