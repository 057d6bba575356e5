//! What a program prints: harmless, bounded, and on the disk while it runs.

use std::path::Path;
use std::sync::{Arc, Mutex};

use agentpr::adapters::process::group::{Ending, GroupReport};
use agentpr::adapters::process::sanitise::Sanitiser;
use agentpr::adapters::process::transcript::{STREAM_CAP, STREAM_TAIL};
use agentpr::domain::confine::Tier;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::sandbox::Place;
use super::world::put;

/// Cleans bytes that come in the given pieces.
fn clean(pieces: &[&[u8]]) -> String {
    let mut out = Vec::new();
    let mut sanitiser = Sanitiser::default();
    for piece in pieces {
        sanitiser.push(piece, &mut out);
    }
    sanitiser.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn control_characters_and_sequences_are_taken_off() {
    let facts: [(&[u8], &str); 17] = [
        (b"plain\ttext\n", "plain\ttext\n"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPsecret\x1b\\after", "after"),
        (b"\x1b(Bafter\x1b7\x1b=", "after"),
        (b"\xc2\x9b31mred\xc2\x9d0;t\xc2\x9cafter", "redafter"),
        (b"a\0b\x08c\x7fd\x0ee", "abcde"),
        (b"one\r\ntwo\r\n", "one\ntwo\n"),
        (b"10%\r20%\r\r\n30%\r", "10%\n20%\n30%\n"),
        (b"\xff\xfeok\xe4\xb8", "\u{fffd}\u{fffd}ok\u{fffd}"),
        ("grüße 中文 😀".as_bytes(), "grüße 中文 😀"),
        (b"\x1b]0;never closed\nthe next line", "\nthe next line"),
        (b"\x1b[12\nthe next line", "\nthe next line"),
        (b"\x1b\x1b[1mtwo", "two"),
        (b"\x1b]0;x\x1b[1mbold", "bold"),
        (b"\xe4A\x1b[1mB", "\u{fffd}AB"),
    ];
    for (bytes, wanted) in facts {
        assert_eq!(clean(&[bytes]), wanted, "{}", String::from_utf8_lossy(bytes));
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(clean(&pieces), wanted, "in single bytes: {}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_sequence_that_is_never_closed_does_not_swallow_the_rest() {
    let mut bytes = b"\x1b]0;".to_vec();
    bytes.extend(vec![b'x'; 100_000]);
    assert!(clean(&[&bytes]).len() > 90_000);
}

proptest! {
    #[test]
    fn however_it_is_cut_the_text_is_the_same_and_harmless(
        bytes in proptest::collection::vec(prop_oneof![
            any::<u8>(), Just(0x1b), Just(b'['), Just(b']'), Just(b'\r'), Just(b'\n'), Just(0xc2), Just(0x9b), Just(b'\\'),
        ], 0..200),
        cut in 0_usize..200,
    ) {
        let at = cut.min(bytes.len());
        let whole = clean(&[&bytes]);
        prop_assert_eq!(&whole, &clean(&[&bytes[..at], &bytes[at..]]));
        prop_assert!(!whole.chars().any(|found| found.is_control() && found != '\n' && found != '\t'));
    }
}

fn place() -> Place {
    Place::of(Tier::Open).unwrap()
}

async fn shell(place: &Place, line: &str) -> GroupReport {
    place.run(&place.order(Path::new("/bin/sh"), &["-c", line])).await
}

#[tokio::test]
async fn the_log_has_the_digest_and_size_of_what_is_stored() {
    let place = place();
    let report = shell(&place, "printf 'a\\033[31mb\\000c\\n'; echo err >&2").await;
    let stored = std::fs::read(place.at("data/artifacts/log")).unwrap();
    let log = report.log.unwrap();
    assert_eq!(log.sha256.as_str(), hex::encode(Sha256::digest(&stored)));
    assert_eq!((log.bytes, log.truncated), (stored.len() as u64, false));
    let text = String::from_utf8(stored).unwrap();
    assert!(text.contains("abc\n") && text.contains("err\n"), "{text}");
    assert_eq!(text.as_bytes(), report.output.bytes);
}

#[tokio::test]
async fn an_output_beyond_its_cap_keeps_its_beginning_and_end_and_the_other_one() {
    let place = place();
    let path = place.at("work/own/script");
    put(&path, "err the other one\nprint first\nflood 40000000\nprint \\nlast");
    let order = place.order(Path::new(env!("CARGO_BIN_EXE_fake-agent")), &[path.to_str().unwrap()]);
    let report = place.run(&order).await;
    assert_eq!(report.ending, Ending::Exited(0));
    let stored = std::fs::read_to_string(place.at("data/artifacts/log")).unwrap();
    let log = report.log.unwrap();
    assert!(log.truncated && log.bytes == stored.len() as u64);
    let most = STREAM_CAP + STREAM_TAIL as u64 + 200;
    assert!(log.bytes > STREAM_CAP && log.bytes < most, "{}", log.bytes);
    assert!(stored.contains("the other one\n") && stored.ends_with("\nlast\n"));
    assert!(stored.contains(" bytes of the output left out]\n"));
    assert!(report.output.bytes.len() < 600 * 1024);
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[tokio::test]
async fn one_line_of_two_hundred_megabytes_takes_no_memory() {
    // `AGENTPR_TEST_LINE_MIB=2048` makes it the line of the specification; it takes a minute in a build without optimisation.
    let mib = std::env::var("AGENTPR_TEST_LINE_MIB").map_or(200, |text| text.parse::<u64>().unwrap());
    let mut place = place();
    place.limits.wall = std::time::Duration::from_secs(600);
    let before = resident();
    let report =
        shell(&place, &format!("head -c {} /dev/zero | tr '\\0' x; echo end", mib * 1024 * 1024)).await;
    assert_eq!(report.ending, Ending::Exited(0));
    let grown = resident().saturating_sub(before);
    // Other tests run in this process at the same time.
    assert!(grown < 100 * 1024 * 1024, "{grown}");
    assert!(report.output.bytes.ends_with(b"end\n"));
}

#[tokio::test]
async fn an_adapter_gets_the_lines_as_they_arrive() {
    let place = place();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&lines);
    let mut order = place
        .order(Path::new("/bin/sh"), &["-c", "printf 'one\\ntwo'; echo err >&2; printf ' more\\n\\nlast'"]);
    order.lines = Some(Arc::new(move |line: &[u8]| {
        taken.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
    }));
    place.run(&order).await;
    assert_eq!(*lines.lock().unwrap(), ["one", "two more", "", "last"]);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_said_before_anything_starts() {
    let place = place();
    let mut order = place.order(Path::new("/bin/sh"), &["-c", "touch started"]);
    order.log = Some(place.at("home/canary/log"));
    let refused = place.refused(&order).await;
    assert!(refused.contains("cannot write the log"), "{refused}");
    assert!(!place.at("work/own/started").exists());
}
