//! Looking at a machine and at workspaces that an agent may have prepared for the look.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use agentpr::adapters::probe::home::hidden;
use agentpr::adapters::probe::{ProbeSettings, SystemProbe};
use agentpr::adapters::process::sandbox::{Sandbox, SandboxSettings};
use agentpr::domain::confine::Tier;
use agentpr::domain::time::Timestamp;
use agentpr::ports::probe::{GitDir, Probe, Version};

use crate::harness::skip::skipped;

/// A probe whose world is below a directory: `bin` is its search path, `data` its data, `home` its home.
pub(super) fn probe(root: &Path, mut parent: BTreeMap<String, String>) -> SystemProbe {
    let bin = root.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    parent.entry("PATH".to_owned()).or_insert(path);
    parent.entry("HOME".to_owned()).or_insert(root.join("home").display().to_string());
    let search_path = bin.display().to_string();
    let settings = ProbeSettings {
        search_path: vec![bin],
        programs: BTreeMap::new(),
        parent,
        data_dir: root.join("data"),
        db: root.join("data/agentpr.db"),
        config_file: root.join("config.toml"),
    };
    SystemProbe::new(settings, Sandbox::new(SandboxSettings { search_path, ..SandboxSettings::default() }))
}

fn plain(root: &Path) -> SystemProbe {
    probe(root, BTreeMap::new())
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Makes a program. A child writes it: were it open here for writing, a fork of another test could keep it busy.
fn program(root: &Path, name: &str, script: &str) {
    let path = root.join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = format!("#!/bin/sh\n{script}\n");
    let mut sh = std::process::Command::new("sh");
    let made =
        sh.args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", &text]).arg(&path).status();
    assert!(made.unwrap().success());
}

fn managers(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn f72_many_doctors_at_once_do_not_fail_each_other() {
    let root = tempfile::tempdir().unwrap();
    let probe = plain(root.path());
    let place = root.path().join("workspaces");
    thread::scope(|scope| {
        let asked: Vec<_> = (0..16).map(|_| scope.spawn(|| probe.writable(&place))).collect();
        for answer in asked {
            assert_eq!(answer.join().unwrap(), Ok(()));
        }
    });
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing stays");
}

#[test]
fn f72_a_login_or_a_version_that_hangs_is_given_up() {
    let root = tempfile::tempdir().unwrap();
    for name in ["gh", "codex", "claude"] {
        program(root.path(), name, "sleep 60 & sleep 60");
    }
    let probe = plain(root.path());
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| assert!(probe.forge_login().unwrap_err().contains("longer than 5 s")));
        let versions = probe.versions(&["codex", "claude"]);
        assert!(versions.iter().all(|version| matches!(version, Version::Mute { .. })), "{versions:?}");
    });
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
}

#[test]
fn a_version_is_asked_without_anything_of_the_engines() {
    let root = tempfile::tempdir().unwrap();
    program(root.path(), "codex", "echo \"codex 1.2.3 token=$GH_TOKEN at $(pwd)\"");
    let secret = BTreeMap::from([("GH_TOKEN".to_owned(), "canary".to_owned())]);
    let said = probe(root.path(), secret).versions(&["codex"]);
    assert!(matches!(&said[0], Version::Said { line, .. } if line == "codex 1.2.3 token= at /"), "{said:?}");
}

#[test]
fn a_program_that_is_asked_for_its_version_leaves_nothing_in_the_home() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("home")).unwrap();
    program(root.path(), "codex", "mkdir -p \"$HOME/.config/codex\" && echo codex 1.2.3");
    let said = plain(root.path()).versions(&["codex"]);
    assert!(matches!(&said[0], Version::Said { line, .. } if line == "codex 1.2.3"), "{said:?}");
    assert_eq!(fs::read_dir(root.path().join("home")).unwrap().count(), 0);
}

#[test]
fn a_git_directory_that_an_agent_replaced_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let probe = plain(root.path());
    let workspace = root.path().join("w");
    fs::create_dir_all(workspace.join(".git")).unwrap();
    assert_eq!(probe.git_writable(&workspace), GitDir::Writable);
    assert_eq!(fs::read_dir(workspace.join(".git")).unwrap().count(), 0, "nothing stays");

    let elsewhere = root.path().join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    let before = fs::metadata(&elsewhere).unwrap().modified().unwrap();
    fs::remove_dir(workspace.join(".git")).unwrap();
    symlink(&elsewhere, workspace.join(".git")).unwrap();
    assert_eq!(probe.git_writable(&workspace), GitDir::Absent("`.git` is a link".to_owned()));
    assert_eq!(fs::metadata(&elsewhere).unwrap().modified().unwrap(), before, "nothing was written there");

    fs::remove_file(workspace.join(".git")).unwrap();
    write(&workspace.join(".git"), "gitdir: ../elsewhere\n");
    assert_eq!(probe.git_writable(&workspace), GitDir::Absent("`.git` is no directory".to_owned()));
    assert!(matches!(probe.git_writable(&root.path().join("none")), GitDir::Absent(_)));
}

/// Files of a repository, and the tools of Python, JavaScript and others they ask for.
type Case = (&'static [(&'static str, &'static str)], Tools, Tools, Tools);

type Tools = &'static [&'static str];

#[test]
fn a_project_is_known_by_its_files() {
    let root = tempfile::tempdir().unwrap();
    let probe = plain(root.path());
    let cases: &[Case] = &[
        (&[("README.md", "")], &[], &[], &[]),
        (
            &[("pyproject.toml", "[tool.poetry]\n[tool.\"uv\".pip]\n"), ("tox.ini", "")],
            &["poetry", "uv", "tox"],
            &[],
            &[],
        ),
        (
            &[("pyproject.toml", "[tool.poetryish]\n# [tool.hatch]\nx = '''\n[tool.rye]\n'''\n")],
            &[],
            &[],
            &[],
        ),
        (&[("pyproject.toml", "[tool.poetry\n")], &[], &[], &[]),
        (&[("pyproject.toml", ""), ("poetry.lock", "")], &["poetry"], &[], &[]),
        (&[("package.json", "{}")], &[], &["npm", "node"], &[]),
        (&[("package.json", "{\"packageManager\": \"pnpm@9.1.0\"}")], &[], &["pnpm", "node"], &[]),
        (
            &[("package.json", "{\"packageManager\": \"pnpm@9\"}"), ("yarn.lock", "")],
            &[],
            &["yarn", "node"],
            &[],
        ),
        (&[("package.json", "{\"packageManager\": \"sh -c evil\"}")], &[], &["npm", "node"], &[]),
        (&[("yarn.lock", ""), ("pnpm-lock.yaml", ""), ("bun.lock", "")], &[], &["bun"], &[]),
        (&[("package.json", "not json")], &[], &["npm", "node"], &[]),
        (&[("Cargo.toml", ""), ("Makefile", "")], &[], &[], &["cargo", "make"]),
    ];
    for (index, (files, python, javascript, other)) in cases.iter().enumerate() {
        let repository = root.path().join(index.to_string());
        for (name, text) in *files {
            write(&repository.join(name), text);
        }
        let project = probe.project(&repository);
        assert_eq!(project.python_tools, managers(python), "{files:?}");
        assert_eq!(project.javascript_tools, managers(javascript), "{files:?}");
        assert_eq!(project.other_tools, managers(other), "{files:?}");
        assert_eq!(project.python, files.iter().any(|(name, _)| *name == "pyproject.toml"), "{files:?}");
        assert_eq!(project.is_unknown(), index == 0, "{files:?}");
    }
}

#[test]
fn a_project_file_that_is_a_pipe_or_a_link_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let repository = root.path().join("r");
    fs::create_dir_all(&repository).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(repository.join("package.json")).status();
    if !pipe.is_ok_and(|status| status.success()) {
        skipped("mkfifo not found");
        return;
    }
    write(&root.path().join("secret.toml"), "[tool.poetry]\n");
    symlink(root.path().join("secret.toml"), repository.join("pyproject.toml")).unwrap();
    write(&repository.join("yarn.lock"), "");
    let project = plain(root.path()).project(&repository);
    assert!(!project.python && project.python_tools.is_empty(), "{project:?}");
    assert_eq!(project.javascript_tools, ["yarn"]);
}

#[test]
fn registries_are_those_the_tools_are_configured_for() {
    let root = tempfile::tempdir().unwrap();
    program(root.path(), "npm", "echo http://user:hunter2@mirror.test/npm/?key=hunter3");
    program(root.path(), "pip", "echo http://mirror.test/simple");
    write(
        &root.path().join("home/.config/uv/uv.toml"),
        "[[index]]\nurl = 'http://mirror.test/uv'\ndefault = true\n",
    );
    write(
        &root.path().join("home/.cargo/config.toml"),
        "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'b'\n[source.b]\nregistry = 'sparse+http://mirror.test/cargo/'\n",
    );
    write(
        &root.path().join("home/.bunfig.toml"),
        "[install]\nregistry = { url = 'http://mirror.test/bun' }\n",
    );
    let found = plain(root.path()).registries(&managers(&["npm", "pip", "uv", "cargo", "bun"]));
    let urls: Vec<_> = found.iter().map(|registry| registry.url.clone().unwrap_or_default()).collect();
    let wanted = ["npm/", "simple", "uv", "cargo/", "bun"].map(|end| format!("http://mirror.test/{end}"));
    assert_eq!(urls, wanted);
    assert!(!format!("{found:?}").contains("hunter"), "{found:?}");
    let set = BTreeMap::from([("PIP_INDEX_URL".to_owned(), "http://other.test/".to_owned())]);
    let found = probe(root.path(), set).registries(&managers(&["pip"]));
    assert_eq!(
        (found[0].url.as_deref(), found[0].source.as_str()),
        (Some("http://other.test/"), "PIP_INDEX_URL")
    );
}

#[test]
fn a_tool_without_an_answer_is_said_and_its_default_is_not_guessed() {
    let root = tempfile::tempdir().unwrap();
    program(root.path(), "pip", "echo 'ERROR: No such key' >&2; exit 1");
    program(root.path(), "npm", "echo undefined");
    write(
        &root.path().join("home/.cargo/config.toml"),
        "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'a'\n",
    );
    let found = plain(root.path()).registries(&managers(&["npm", "pip", "uv", "cargo", "bun", "gem"]));
    for registry in found {
        assert_eq!(registry.url, None, "{registry:?}");
        assert_eq!(registry.source, format!("default registry of {0}: ask it", registry.manager));
    }
}

#[test]
fn places_that_others_may_enter_are_named_and_tightened() {
    let root = tempfile::tempdir().unwrap();
    let probe = plain(root.path());
    assert_eq!(probe.loose_modes(), [], "what is not there is not loose");
    let data = root.path().join("data");
    write(&data.join("agentpr.db"), "");
    write(&data.join("agentpr.db-wal"), "");
    write(&root.path().join("config.toml"), "agent = 'x'\nwebhook_secret_file = '/run/secret'\n");
    let mode =
        |name: &str, mode| fs::set_permissions(data.join(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("agentpr.db", 0o644);
    mode("agentpr.db-wal", 0o600);
    let loose = probe.loose_modes();
    let names: Vec<_> = loose.iter().map(|place| (place.path.clone(), place.mode, place.wanted)).collect();
    assert_eq!(names, [(data.clone(), 0o755, 0o700), (data.join("agentpr.db"), 0o644, 0o600)]);
    write(&root.path().join("config.toml"), "[telegram]\nbot_token = 'abc'\n");
    fs::set_permissions(root.path().join("config.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let loose = probe.loose_modes();
    assert_eq!(loose.len(), 3, "a settings file with a secret: {loose:?}");
    for place in &loose {
        probe.tighten(place).unwrap();
    }
    assert_eq!(probe.loose_modes(), []);
}

#[test]
fn a_sweep_takes_old_files_of_passing_names_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("w");
    for name in [".agentpr_doctor_probeAbC", ".agentpr-new-xyz", "agentpr.db", ".agentpr_doctor", "notes"] {
        write(&place.join(name), "");
    }
    fs::create_dir(place.join(".agentpr_doctor_probe.d")).unwrap();
    symlink(place.join("notes"), place.join(".agentpr_doctor_probe.link")).unwrap();
    let now = Timestamp(
        fs::metadata(place.join("notes"))
            .unwrap()
            .modified()
            .unwrap()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis()
            .try_into()
            .unwrap(),
    );
    let probe = plain(root.path());
    assert_eq!(
        probe.sweep(std::slice::from_ref(&place), now),
        Vec::<std::path::PathBuf>::new(),
        "somebody may use them"
    );
    let removed = probe.sweep(&[place.clone(), place.clone()], now.plus(Duration::from_secs(4000)));
    assert_eq!(removed, [place.join(".agentpr-new-xyz"), place.join(".agentpr_doctor_probeAbC")]);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 5);
}

#[test]
fn a_home_that_a_unit_hides_is_seen_in_the_list_of_mounts() {
    let root = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";
    let hide = "90 22 0:24 /systemd/inaccessible/dir /home ro,nosuid master:7 - tmpfs tmpfs rw,size=1k\n";
    let empty = "90 22 0:55 / /root ro,nosuid,nodev - tmpfs tmpfs rw,size=0k\n";
    let own = "91 22 8:2 / /home/ann rw - ext4 /dev/sdb1 rw\n";
    let of = |mounts: &[&str], home: &str| hidden(&mounts.concat(), Path::new(home));
    assert_eq!(of(&[root], "/home/ann"), None);
    assert!(of(&[root, hide], "/home/ann").unwrap().contains("ProtectHome=yes"));
    assert_eq!(of(&[root, hide, own], "/home/ann"), None, "a place bound over the hidden one is seen");
    assert!(of(&[root, empty], "/root").unwrap().contains("ProtectHome=tmpfs"));
    assert_eq!(of(&[root, hide], "/var/lib/agentpr"), None);
    assert_eq!(of(&["garbage\n\n - x"], "/root"), None);
}

#[test]
fn a_missing_or_broken_bubblewrap_lowers_the_tier_and_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let facts = plain(root.path()).sandbox();
    assert!(
        facts.tier < Tier::Bubblewrap && facts.detail.contains("no `bwrap` on the search path"),
        "{facts:?}"
    );
    assert_eq!(facts.remedy, "sudo apt-get install -y bubblewrap");
    program(root.path(), "bwrap", "echo 'setting up uid map: Permission denied' >&2; exit 1");
    let facts = plain(root.path()).sandbox();
    assert!(facts.tier < Tier::Bubblewrap && facts.detail.contains("uid map"), "{facts:?}");
    assert!(facts.remedy.starts_with("sudo sysctl -w "), "{facts:?}");
    program(root.path(), "bwrap", "echo bubblewrap 9.8.7");
    let facts = plain(root.path()).sandbox();
    assert_eq!((facts.tier, facts.remedy.as_str()), (Tier::Bubblewrap, ""));
    assert!(facts.detail.contains("9.8.7"), "{facts:?}");
}
