//! What secrets look like: each seeded one is found and kept out of text, look-alikes are not, real history is quiet.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::path::Path;
use std::process::Command;

use agentpr::domain::secret::{MASK, find, redacted};

use super::seeds::{KINDS, Lot, seeds};
use crate::harness::skip::skipped;

#[test]
fn each_of_200_seeded_secrets_is_found_by_its_name_and_nothing_of_it_is_shown() {
    let seeds = seeds(4 * KINDS);
    assert_eq!(seeds.len(), 200);
    for seed in seeds {
        let hits = find(seed.text.as_bytes());
        let rules: Vec<_> = hits.iter().map(|hit| hit.rule).collect();
        assert_eq!(rules, [seed.rule], "{}", seed.text);
        let shown = redacted(&seed.text);
        assert_eq!(shown, seed.text.replace(&seed.secret, MASK), "{}", seed.rule);
    }
}

#[test]
fn what_only_looks_like_a_secret_is_not_one() {
    let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let lines = [
        "sk-loading-indicator-for-the-very-long-list-of-things".to_owned(),
        "task-4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a".to_owned(),
        format!("{}{}", "AKIA", "IOSFODNN7EXAMPLE"),
        format!("ghp_{}", "x".repeat(36)),
        format!("ghp_{}", "0123456789abcdefghijklmnopqrstuvwxyz"),
        "highs_and_lows_of_a_name_that_goes_on_and_on_and_on".to_owned(),
        format!("sha256 = \"{hex}\""),
        format!("checksum = \"{hex}\""),
        format!("image@sha256:{hex}"),
        "password = \"changeme\"".to_owned(),
        "password: ${DB_PASSWORD}".to_owned(),
        "api_key = os.environ[\"API_KEY\"]".to_owned(),
        "api_key = \"<your-api-key-1234567890>\"".to_owned(),
        "const token = await getAccessTokenFromHeader2(request)".to_owned(),
        "let token = parser.next_token_after_4_blanks()".to_owned(),
        "secret: \"{{ .Values.auth.secretName2 }}\"".to_owned(),
        "token: ${{ secrets.GITHUB_TOKEN }}".to_owned(),
        "password=password".to_owned(),
        "\"input_tokens\": 123456789012345678901".to_owned(),
        "postgres://postgres:postgres@localhost:5432/db".to_owned(),
        "https://user:password@example.com/".to_owned(),
        "https://example.com:8080/a@b".to_owned(),
        "git@github.com:owner/repo.git".to_owned(),
        "Authorization: Bearer <token>".to_owned(),
        "Authorization: Bearer ${TOKEN}".to_owned(),
        "the bearer of_this_long_message_is_welcome".to_owned(),
        "if text.contains(\"-----BEGIN PRIVATE KEY-----\") { return Some(PrivateKeyFormat::Pem) }".to_owned(),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEb0vBdZPVdWmT9zvbHV2e\n".to_owned(),
        "eyJ is how an object begins in base64".to_owned(),
        "2026-11-21T10:12345678:abcdef".to_owned(),
        "secret_key_base = Rails.application.credentials.secret_key_base".to_owned(),
        "credentials: 'same-origin', cache: 'no-store'".to_owned(),
        "access_key_path = \"/etc/agentpr/keys/2026/access_key_01.pem\"".to_owned(),
        "tokenizer = \"meta-llama/Llama-3.1-8B-Instruct\"".to_owned(),
        "SECRET_NAME=projects/p1/locations/eu/secrets/s1/versions/3".to_owned(),
    ];
    for line in lines {
        assert_eq!(find(line.as_bytes()), [], "{line}");
        assert_eq!(redacted(&line), line);
    }
}

#[test]
fn a_secret_in_a_quoted_text_is_found() {
    for seed in seeds(4 * KINDS) {
        let quoted = serde_json::to_string(&seed.text).unwrap();
        let secret = serde_json::to_string(&seed.secret).unwrap();
        let shown = redacted(&quoted);
        assert!(!shown.contains(secret.trim_matches('"')), "{}: {quoted}", seed.rule);
    }
}

#[test]
fn a_token_behind_many_names_is_found() {
    let token = &seeds(1)[0].secret;
    let line = format!("{}{token}", "password=".repeat(200));
    assert_eq!(redacted(&line), format!("{}{MASK}", "password=".repeat(200)));
}

#[test]
fn the_tokens_of_requests_can_be_shown() {
    for number in 0..1_000 {
        let mut lot = Lot::new(number);
        let digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let token = format!("{}-{}", lot.of(digits, 6), lot.of(digits, 26));
        for line in
            [token.clone(), format!("agentpr approve-open-pr --run-id r1 --confirm-token {token} --confirm")]
        {
            assert_eq!(redacted(&line), line);
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_looked_through() {
    let mut bytes = vec![0xff, 0xfe, 0, b'\n', 0xc3];
    let key = &seeds(1)[0].secret;
    bytes.extend_from_slice(key.as_bytes());
    bytes.push(0x80);
    let hits = find(&bytes);
    assert_eq!(hits.iter().map(|hit| (hit.start, hit.end)).collect::<Vec<_>>(), [(5, 5 + key.len())]);
}

/// Diffs from which on a share says something.
const ENOUGH: usize = 1_000;

/// Of 1,000 real diffs at most one in a hundred raises an alarm.
///
/// Uses this repository's own history and the repositories (or files of diffs) that `AGENTPR_CLEAN_HISTORY` names, with
/// colons between them. `AGENTPR_SHOW_ALARMS` prints where the alarms are.
#[test]
fn real_history_raises_alarm_in_at_most_one_of_a_hundred_diffs() {
    let named = std::env::var("AGENTPR_CLEAN_HISTORY").unwrap_or_default();
    let own = env!("CARGO_MANIFEST_DIR");
    let mut diffs = Vec::new();
    for place in named.split(':').filter(|place| !place.is_empty()).chain([own]) {
        diffs.extend(history(Path::new(place)));
    }
    // A few commits that test what secrets look like would weigh too much in a short history.
    if diffs.len() < ENOUGH {
        skipped("enough real diffs (AGENTPR_CLEAN_HISTORY) not found");
        return;
    }
    let mut alarms = 0;
    for (name, added) in &diffs {
        let hits = find(added.as_bytes());
        alarms += usize::from(!hits.is_empty());
        if std::env::var_os("AGENTPR_SHOW_ALARMS").is_some() {
            for hit in &hits {
                let line = added[..hit.start].rfind('\n').map_or(0, |at| at + 1);
                let shown: String =
                    added[line..].lines().next().unwrap_or_default().chars().take(160).collect();
                eprintln!("{name}: {}: {shown}", hit.rule);
            }
        }
    }
    eprintln!("{alarms} alarms in {} diffs", diffs.len());
    assert!(alarms * 100 <= diffs.len(), "{alarms} alarms in {} diffs", diffs.len());
}

/// The lines added by each commit of a repository.
fn history(repository: &Path) -> Vec<(String, String)> {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args([
            "log",
            "--no-merges",
            "-p",
            "-U0",
            "--no-renames",
            "--no-color",
            "--format=%x00commit %h",
            "-n",
            "3000",
        ])
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C")])
        .output()
        .unwrap();
    if !output.status.success() {
        eprintln!("{} is no git repository", repository.display());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let commits = text.split('\0').filter_map(|part| part.split_once('\n'));
    let added = |patch: &str| -> String {
        let lines = patch.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++"));
        lines.map(|line| format!("{}\n", &line[1..])).collect()
    };
    commits
        .map(|(name, patch)| (name.to_owned(), added(patch)))
        .filter(|(_, added)| !added.is_empty())
        .collect()
}
