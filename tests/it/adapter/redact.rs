//! Redaction of streams: every place a stream can be cut at, every form a value can have.

use std::collections::{BTreeMap, HashSet};

use agentpr::adapters::process::redact::{Redactor, secrets_in_files_of, secrets_of};
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

/// Says whether any 16 bytes of the secret are in the text.
fn leaks(text: &[u8], secret: &str) -> bool {
    let size = secret.len().min(16);
    let parts: HashSet<&[u8]> = secret.as_bytes().windows(size).collect();
    text.windows(size).any(|window| parts.contains(window))
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

fn value(seed: u64) -> String {
    format!("{}x", Lot::new(seed).of(&format!("{ALNUM}/+\"\\ =&"), 37).trim())
}

fn percent(value: &str, small: bool) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if small => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

#[test]
fn a_known_value_is_taken_out_in_every_form_it_is_printed_in() {
    for seed in 1..40 {
        let value = value(seed);
        let redactor = Redactor::new([value.clone()]);
        let json = serde_json::to_string(&value).unwrap();
        let forms = [
            value.clone(),
            hex::encode(&value),
            hex::encode_upper(&value),
            percent(&value, false),
            percent(&value, true),
            json.trim_matches('"').to_owned(),
        ];
        for form in forms {
            assert_eq!(redactor.text(&format!("<{form}>")), "<***>", "{form}");
        }
        for before in ["", "u", "us", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                let whole = format!("{before}{value}{after}");
                for form in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                    let shown = redactor.text(&form);
                    let ends = shown.split("***").map(str::len).sum::<usize>();
                    // A character on each side may hold bits of its neighbour too, and is not known.
                    let most = (before.len() * 8).div_ceil(6) + (after.len() * 8).div_ceil(6) + 4;
                    assert!(shown.contains("***") && ends <= most, "{before}|{after}: {form} as {shown}");
                }
            }
        }
    }
}

#[test]
fn any_16_bytes_of_a_known_value_are_taken_out() {
    let value = value(3);
    let redactor = Redactor::new([value.clone()]);
    for form in [value.clone(), STANDARD.encode(&value), hex::encode(&value)] {
        let whole = form.trim_end_matches('=');
        for from in 0..=whole.len() - 16 {
            let part = &whole[from..from + 16];
            let out = redactor.text(&format!("[{part}]"));
            // In base64 a window at the end may show the one character that is decided by what follows.
            assert_eq!(out, "[***]", "{from} of {whole}");
            for at in 0..=18 {
                let text = format!("[{part}]");
                let (first, second) = text.as_bytes().split_at(at);
                assert_eq!(streamed(&redactor, &[first, second]), b"[***]");
            }
        }
    }
}

#[test]
fn each_line_of_a_known_key_is_taken_out() {
    let key = seeds(50).into_iter().find(|seed| seed.rule == "private_key").unwrap().secret;
    let redactor = Redactor::new([key.clone()]);
    for line in key.lines() {
        let out = redactor.text(&format!("  {line};"));
        assert!(!leaks(out.as_bytes(), line), "{out}");
    }
    let wrapped: Vec<u8> = STANDARD.encode(&key).as_bytes().chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..]);
    let out = redactor.text(&String::from_utf8(wrapped).unwrap());
    // The last line may be shorter than what gives a value away.
    assert!(out.lines().all(|line| line == "***" || line.len() < 16), "{out}");
}

#[test]
fn words_and_short_values_are_no_secrets() {
    let values = ["", "a", "main", "12345", "false", "default", "production", "aaaaaaaaaaaa"];
    let redactor = Redactor::new(values.map(str::to_owned));
    let text = "a main 12345 false default production aaaaaaaaaaaa";
    assert_eq!(redactor.text(text), text);
    let short = Redactor::new(["q7Zx1k".to_owned()]);
    assert_eq!(short.text("pin q7Zx1k!"), "pin ***!");
}

#[test]
fn clean_bytes_pass_as_they_are_however_they_are_cut() {
    let mut lot = Lot::new(11);
    let mut bytes: Vec<u8> = (0..300_000).map(|_| u8::try_from(lot.below(256)).unwrap()).collect();
    bytes.extend("fn main() { let token = next(); } \u{e4}\u{1f468}\r\n".repeat(3_000).into_bytes());
    bytes.extend(vec![b'x'; 100_000]);
    let redactor = Redactor::new([value(5)]);
    for size in [1, 7, 4_095, 4_096, 8_192, 65_536, 1_000_000] {
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        assert!(streamed(&redactor, &pieces) == bytes, "in pieces of {size}");
    }
}

#[test]
fn secrets_far_into_a_line_without_end_are_taken_out_wherever_it_is_cut() {
    let known = value(9);
    let redactor = Redactor::new([known.clone()]);
    for (number, seed) in seeds(50).into_iter().enumerate() {
        let mut text = "lorem ipsum, ".repeat(900 + number);
        text.push_str(&seed.text.replace("\r\n", " ").replace('\n', " "));
        text.extend([" ", &known, " "]);
        text.push_str(&"dolor sit, ".repeat(1_500));
        for size in [509, 4_096, 8_191] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let out = streamed(&redactor, &pieces);
            assert!(!leaks(&out, &known), "{} {size}", seed.rule);
            let shown = String::from_utf8_lossy(&out);
            assert!(
                !leaks(&out, &seed.secret.replace('\n', " ")),
                "{} {size}: {} in {shown}",
                seed.rule,
                seed.text
            );
        }
    }
}

#[test]
fn a_secret_longer_than_what_is_held_back_is_swallowed_to_its_end() {
    let token = format!("gh{}_{}", "p", Lot::new(4).of(ALNUM, 40_000));
    let text = format!("a {token} b");
    for size in [1, 1_000, 100_000] {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(String::from_utf8(streamed(&Redactor::none(), &pieces)).unwrap(), "a *** b", "{size}");
    }
    let known = Lot::new(6).of(ALNUM, 30_000);
    let redactor = Redactor::new([known.clone()]);
    for size in [1_000, 100_000] {
        let pieces: Vec<&[u8]> = known.as_bytes().chunks(size).collect();
        let out = streamed(&redactor, &pieces);
        assert!(out.iter().all(|byte| *byte == b'*'), "{size}");
    }
}

#[test]
fn little_is_held_back_and_a_line_is_given_at_its_end() {
    let redactor = Redactor::new([value(2)]);
    let mut stream = redactor.stream();
    let (mut out, mut given) = (Vec::new(), 0);
    stream.push(b"a line\nthe next", &mut out);
    assert_eq!(out, b"a line\n");
    for _ in 0..10_000 {
        stream.push(b"abc def ", &mut out);
        given += 8;
        assert!(given + 15 - out.len() <= 8 * 1024);
    }
    // A key that is begun and never ended does not take the rest of the output with it.
    let mut text = seeds(50).into_iter().find(|seed| seed.rule == "private_key").unwrap().secret;
    text.truncate(300);
    text.push_str("\n{ the build goes on }\n");
    assert!(redactor.text(&text).ends_with("{ the build goes on }\n"));
}

#[test]
fn a_secret_in_a_file_that_a_variable_names_is_known_and_a_pipe_is_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).display().to_string();
    std::fs::write(path("key"), "zzcanary-0123456789\n").unwrap();
    let status = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
    assert!(status.success());
    let env = [
        ("OPENAI_API_KEY_FILE", path("key")),
        ("AGENTPR_LOG_FILE", path("key")),
        ("GH_TOKEN_FILE", path("pipe")),
        ("AGENTPR_TELEGRAM_BOT_TOKEN_FILE", path("missing")),
    ];
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(secrets_in_files_of(&env), ["zzcanary-0123456789"]);
}

#[test]
fn secrets_of_an_environment_are_told_by_their_names() {
    let env = [
        ("GH_TOKEN", "q7Zx1kq7Zx1k"),
        ("my_api_key", "k1"),
        ("DB_PASSWORD", "hunter2hunter2"),
        ("DATABASE_URL", "postgres://app:s3cr3tw0rd@db/app"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/root/.aws/credentials"),
        ("SSH_KEY", "/home/a/.ssh/id_rsa"),
        ("MAX_TOKENS", "4096"),
        ("PATH", "/usr/bin"),
        ("TOKENIZERS_PATTERN", "on"),
        ("HOME", "/root"),
    ];
    let env: BTreeMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let secrets = secrets_of(&env);
    assert_eq!(secrets, ["s3cr3tw0rd", "hunter2hunter2", "q7Zx1kq7Zx1k", "on", "k1"]);
}
