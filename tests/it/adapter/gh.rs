//! The login of `gh`, told by a program in its place.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use agentpr::adapters::forge::gh::gh_token;

/// Puts a `gh` into a folder and gives what it answers for a host.
fn asked(folder: &Path, script: &str, env: &[(&str, &str)]) -> Option<String> {
    let gh = folder.join("gh");
    fs::write(&gh, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&gh, Permissions::from_mode(0o755)).unwrap();
    let env: BTreeMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    gh_token(folder.as_os_str(), "github.example.com", &env)
}

#[test]
fn gh_is_asked_for_the_host_with_the_way_to_its_settings_and_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let script = format!("echo \"$@\" > {0}; /usr/bin/env >> {0}; echo the-token", said.display());
    let env =
        [("HOME", "/home/me"), ("GH_CONFIG_DIR", "/c"), ("GH_TOKEN", "zzcanary"), ("AWS_KEY", "zzcanary")];
    assert_eq!(asked(folder.path(), &script, &env).as_deref(), Some("the-token"));
    let said = fs::read_to_string(said).unwrap();
    assert!(said.starts_with("auth token --hostname github.example.com\n"), "{said}");
    assert!(said.contains("HOME=/home/me\n") && said.contains("GH_CONFIG_DIR=/c\n"), "{said}");
    assert!(!said.contains("zzcanary"), "{said}");
}

#[test]
fn no_gh_no_login_and_no_token_are_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(gh_token(folder.path().as_os_str(), "github.com", &BTreeMap::new()), None);
    for script in ["echo the-token; exit 1", "exit 0", "echo two words", "echo a; echo b"] {
        assert_eq!(asked(folder.path(), script, &[]), None, "{script}");
    }
    fs::set_permissions(folder.path().join("gh"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(gh_token(folder.path().as_os_str(), "github.com", &BTreeMap::new()), None);
    assert_eq!(gh_token("relative".as_ref(), "github.com", &BTreeMap::new()), None);
}
