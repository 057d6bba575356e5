//! Names from outside: what gets in, and what does not.

use agentpr::domain::id::{
    BranchName, CommitSha, Digest, IdempotencyKey, PrNumber, RepoSlug, RequestId, RunId, TreeSha,
};
use agentpr::domain::state::State;

const HOSTILE: [&str; 16] = [
    "",
    " ",
    ".",
    "..",
    "../..",
    "a/../b",
    "--upload-pack=x",
    "-",
    "a\0b",
    "a b",
    "a\nb",
    "a;b",
    "$(id)",
    "ä",
    "\u{202e}x",
    "a\u{7f}",
];

#[test]
fn hostile_texts_are_no_names() {
    for text in HOSTILE {
        assert!(RunId::new(text).is_err(), "run id {text:?}");
        assert!(RequestId::new(text).is_err(), "request id {text:?}");
        assert!(RepoSlug::new(text, "repo").is_err(), "owner {text:?}");
        assert!(RepoSlug::new("owner", text).is_err(), "repository {text:?}");
        assert!(CommitSha::new(text).is_err() && TreeSha::new(text).is_err(), "commit {text:?}");
        assert!(Digest::new(text).is_err(), "digest {text:?}");
    }
}

#[test]
fn a_run_id_has_up_to_64_plain_characters() {
    for good in ["r", "run_1", "01J-x", &"a".repeat(64)] {
        assert_eq!(RunId::new(good).unwrap().as_str(), good);
    }
    for bad in ["_run", "-run", "a.b", "a/b", "run:1", &"a".repeat(65)] {
        assert!(RunId::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_branch_is_one_git_takes_and_never_an_option() {
    for good in ["main", "agentpr/run-1", "feature/ä", "v1.0", "a-b", "a.b/c", "x@y", &"a".repeat(200)] {
        assert!(BranchName::new(good).is_ok(), "{good}");
    }
    let bad = [
        "",
        "@",
        "HEAD",
        "-x",
        "--upload-pack=x",
        "/a",
        "a/",
        "a//b",
        "a..b",
        "../..",
        "a.",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "a@{1}",
        "refs/heads/a",
        "a\0b",
        "a\u{1b}b",
        "a\nb",
    ];
    for text in bad {
        assert!(BranchName::new(text).is_err(), "{text:?}");
    }
    assert!(BranchName::new("a".repeat(201)).is_err());
}

#[test]
fn a_repository_is_owner_and_name() {
    for good in ["octo/hello", "o/.github", "Octo-Org/a..b", "user_corp/Repo.js"] {
        assert_eq!(good.parse::<RepoSlug>().unwrap().to_string(), good);
    }
    let bad = [
        "octo",
        "octo/",
        "/hello",
        "octo/hello/x",
        "octo/..",
        "octo/.",
        "octo/...",
        "octo/.git",
        "octo/x.git",
        "octo/x.GIT",
        "octo/-x",
        "-o/x",
        "o.o/x",
        "octo/a b",
        "octo/a%2fb",
        "octo/ä",
        "../..",
        "--upload-pack=x/y",
    ];
    for text in bad {
        assert!(text.parse::<RepoSlug>().is_err(), "{text}");
    }
    assert!(RepoSlug::new(&"o".repeat(39), &"r".repeat(100)).is_ok());
    assert!(RepoSlug::new(&"o".repeat(40), "r").is_err());
    assert!(RepoSlug::new("o", &"r".repeat(101)).is_err());
}

#[test]
fn repositories_that_differ_in_letter_case_are_the_same() {
    let (one, other): (RepoSlug, RepoSlug) = ("Octo/Hello".parse().unwrap(), "octo/hellO".parse().unwrap());
    assert_eq!(one, other);
    assert_eq!(one.key(), other.key());
    assert_ne!(one, "octo/hell0".parse().unwrap());
    assert_eq!(one.to_string(), "Octo/Hello", "as it was typed");
}

#[test]
fn an_object_id_is_whole_and_lower_case() {
    assert!(CommitSha::new("a".repeat(40)).is_ok() && CommitSha::new("0".repeat(64)).is_ok());
    for bad in ["a".repeat(39), "a".repeat(41), "A".repeat(40), "g".repeat(40), "a".repeat(63)] {
        assert!(CommitSha::new(bad.as_str()).is_err(), "{bad}");
    }
    assert_eq!(CommitSha::new("abcdef0123456789abcdef0123456789abcdef01").unwrap().short(), "abcdef012345");
    assert!(Digest::new("a".repeat(40)).is_err() && Digest::new("a".repeat(64)).is_ok());
}

#[test]
fn a_key_is_printable_and_short() {
    assert!(IdempotencyKey::new("delivery:72d3162e-cc78-11e3-81ab-4c9367dc0958").is_ok());
    for bad in ["", "a b", "a\tb", "ä", &"k".repeat(201)] {
        assert!(IdempotencyKey::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_pull_request_has_a_number_from_one() {
    assert!(PrNumber::new(0).is_none());
    assert_eq!(PrNumber::new(7).unwrap().get(), 7);
    assert!(serde_json::from_str::<PrNumber>("0").is_err());
}

#[test]
fn stored_names_pass_the_same_rules() {
    assert!(serde_json::from_str::<RunId>("\"../..\"").is_err());
    assert!(serde_json::from_str::<RepoSlug>("\"octo/..\"").is_err());
    assert!(serde_json::from_str::<BranchName>("\"--upload-pack=x\"").is_err());
    let slug: RepoSlug = "Octo/Hello".parse().unwrap();
    assert_eq!(serde_json::to_string(&slug).unwrap(), "\"Octo/Hello\"");
}

#[test]
fn a_refusal_shows_the_text_harmlessly() {
    let shown = RunId::new(format!("\u{1b}[31m{}", "x".repeat(200))).unwrap_err().to_string();
    assert!(!shown.contains('\u{1b}') && shown.len() < 300, "{shown:?}");
}

#[test]
fn state_names_are_read_in_any_case_with_their_aliases() {
    for state in State::ALL {
        assert_eq!(state.name().to_lowercase().replace('_', "-").parse::<State>().unwrap(), state);
    }
    assert_eq!("implementation".parse::<State>().unwrap(), State::Implementing);
    assert_eq!("LOCAL_VALIDATION".parse::<State>().unwrap(), State::LocalValidating);
    assert!("EXECUTING".parse::<State>().is_err() && "".parse::<State>().is_err());
}
