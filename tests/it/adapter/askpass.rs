//! A token over HTTP: only git gets it, only for its own site, and it stands nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use agentpr::adapters::git::credential::Credential;
use agentpr::adapters::git::program::{Git, GitCall, GitError, Keys};
use agentpr::adapters::git::remote::Remote;
use tempfile::TempDir;

use crate::harness::git;
use crate::harness::git_http::{GitHttp, Look, Manner};

/// What no argument, variable or file may have in it. Put together here, so that not even the program under test has it in one piece.
fn token() -> String {
    ["zzcanary", "token", "0123456789"].join("-")
}

const USER: &str = "x-access-token";

/// A folder with the repository `owner/repo.git` on a server that wants [`token`], and a repository to work from.
struct Scene {
    root: TempDir,
    server: GitHttp,
}

impl Scene {
    fn new(host: &str, look: Look) -> Self {
        let root = tempfile::tempdir().unwrap();
        let served = root.path().join("served");
        let bare = served.join("owner/repo.git");
        git::bare_remote(&bare, &[("a", "1\n")]);
        git::git(&bare, &["config", "http.receivepack", "true"]);
        git::git(root.path(), &["clone", "--quiet", "--bare", &bare.display().to_string(), "work.git"]);
        let manner = Manner { login: (USER.to_owned(), token()), root: served, leads_to: None, look };
        Self { server: GitHttp::start(host, manner), root }
    }

    fn quiet() -> Self {
        Self::new("127.0.0.1", Box::new(|_| ()))
    }

    fn site(&self) -> String {
        format!("http://{}", self.server.address)
    }

    fn remote(&self) -> Remote {
        Remote::new(&format!("{}/owner/repo.git", self.site())).unwrap()
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("work.git")
    }

    fn credential(&self) -> Credential {
        Credential::new(&self.site(), USER, token())
    }

    fn heads(&self) -> String {
        git::all_refs(&self.root.path().join("served/owner/repo.git"))
    }
}

fn parent() -> BTreeMap<String, String> {
    let home = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    [("PATH".to_owned(), path), ("HOME".to_owned(), home.path().display().to_string())].into()
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_agentpr"))
}

fn asking() -> Git {
    Git::new(&parent()).asking_with(program())
}

fn push<'a>(git: &'a Git, scene: &Scene) -> GitCall<'a> {
    git.on(&scene.work())
        .transfer()
        .run(["push", "--quiet", "--"])
        .to(&scene.remote())
        .arg("refs/heads/main:refs/heads/pushed")
}

/// Arguments and environment of every process that may be looked into, with its directory in `/proc`.
fn processes() -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let told = |path: PathBuf| {
        let text = |name| fs::read(path.join(name)).unwrap_or_default();
        let all = [text("cmdline"), text("environ")].concat();
        (path, all)
    };
    entries.map(told).collect()
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|part| part == word.as_bytes())
}

/// The sockets that programs were told to ask at.
fn sockets() -> BTreeSet<PathBuf> {
    let values = processes().into_iter().flat_map(|(_, told)| {
        let told = String::from_utf8_lossy(&told).into_owned();
        told.split('\0')
            .filter_map(|part| part.strip_prefix("AGENTPR_ASKPASS="))
            .map(PathBuf::from)
            .collect::<Vec<_>>()
    });
    values.filter(|path| path.exists()).collect()
}

/// Every file below a directory that has the word in it.
fn files_with(folder: &Path, word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_with(&path, word));
        } else if kind.is_file() && fs::read(&path).is_ok_and(|text| has(&text, word)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_push_is_let_in_by_a_token_that_stands_in_no_argument_variable_or_file() {
    let seen: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
    let faults: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
    let (looks, found) = (Arc::clone(&seen), Arc::clone(&faults));
    let look = move |path: &str| {
        let table = processes();
        let leaks = table.iter().filter(|(_, told)| has(told, &token())).map(|(path, _)| path.clone());
        found.lock().unwrap().extend(leaks);
        let folders = sockets().into_iter().filter_map(|socket| Some(socket.parent()?.to_owned()));
        found.lock().unwrap().extend(folders.flat_map(|folder| files_with(&folder, &token())));
        let git_is_there =
            table.iter().any(|(_, told)| has(told, "git-remote-http") || has(told, "remote-http"));
        looks.lock().unwrap().push((path.to_owned(), git_is_there));
    };
    let scene = Scene::new("127.0.0.1", Box::new(look));
    push(&asking(), &scene).credential(&scene.credential()).output().unwrap();
    assert!(scene.heads().contains("refs/heads/pushed"), "{}", scene.heads());
    let seen = seen.lock().unwrap().clone();
    assert!(seen.iter().any(|(path, _)| path.contains("git-receive-pack")), "{seen:?}");
    assert!(seen.iter().all(|(_, git_is_there)| *git_is_there), "the look came too late: {seen:?}");
    assert_eq!(*faults.lock().unwrap(), [""; 0].map(PathBuf::from));
    assert_eq!(files_with(&scene.work(), &token()), [""; 0].map(PathBuf::from));
}

#[test]
fn a_repository_on_the_other_loopback_and_by_name_is_read_the_same_way() {
    for (host, named) in [("::1", "[::1]"), ("127.0.0.1", "localhost")] {
        let Ok(_there) = std::net::TcpListener::bind((host, 0)) else {
            crate::harness::skip::skipped(&format!("no address {host}"));
            continue;
        };
        let scene = Scene::new(host, Box::new(|_| ()));
        let site = format!("http://{named}:{}", scene.server.address.port());
        let remote = Remote::new(&format!("{site}/owner/repo.git")).unwrap();
        assert_eq!(remote.site(), Some(site.clone()));
        let credential = Credential::new(&site, USER, token());
        let git = asking();
        let call = git.anywhere(scene.root.path()).run(["ls-remote", "--"]).to(&remote);
        assert!(call.credential(&credential).text().unwrap().contains("refs/heads/main"), "{host}");
    }
}

#[test]
fn keys_are_asked_for_the_site_of_the_remote_when_it_wants_to_know() {
    #[derive(Debug)]
    struct Ring(Credential, Mutex<Vec<String>>);
    impl Keys for Ring {
        fn of_site(&self, site: &str) -> Option<Credential> {
            self.1.lock().unwrap().push(site.to_owned());
            Some(self.0.clone())
        }
    }
    let scene = Scene::quiet();
    let ring = Arc::new(Ring(scene.credential(), Mutex::default()));
    let git = asking().with_keys(Arc::<Ring>::clone(&ring));
    git.anywhere(scene.root.path()).run(["ls-remote", "--"]).to(&scene.remote()).output().unwrap();
    assert_eq!(*ring.1.lock().unwrap(), [scene.site()], "once a command");
    let local = Remote::new(&scene.work().display().to_string()).unwrap();
    git.anywhere(scene.root.path()).run(["ls-remote", "--"]).to(&local).output().unwrap();
    assert_eq!(ring.1.lock().unwrap().len(), 1, "who does not ask is told nothing");
}

#[test]
fn the_credential_of_another_site_user_or_nobody_opens_nothing() {
    let scene = Scene::quiet();
    let elsewhere = format!("http://127.0.0.1:{}", scene.server.address.port().wrapping_add(1).max(1));
    for credential in [
        Credential::new("https://github.com", USER, token()),
        Credential::new(&elsewhere, USER, token()),
        Credential::new(&scene.site().replace("http:", "https:"), USER, token()),
        Credential::new(&scene.site(), USER, "another"),
        Credential::new(&scene.site(), "somebody", token()),
    ] {
        let refused = push(&asking(), &scene).credential(&credential).output().unwrap_err();
        assert!(matches!(refused, GitError::Failed { .. }), "{refused}");
        assert!(!refused.to_string().contains(&token()), "{refused}");
    }
    let refused = push(&asking(), &scene).output().unwrap_err();
    assert!(refused.said().contains("could not read Username"), "{refused}");
    let refused = push(&Git::new(&parent()), &scene).credential(&scene.credential()).output().unwrap_err();
    assert!(matches!(refused, GitError::NotRun { .. }), "{refused}");
    assert!(!scene.heads().contains("pushed"));
    assert!(!format!("{:?}", scene.credential()).contains("zzcanary"));
}

#[test]
fn a_server_that_leads_elsewhere_does_not_take_the_credential_along() {
    let asked: Arc<Mutex<usize>> = Arc::default();
    let counted = Arc::clone(&asked);
    // The place that is led to would take the token, if it came.
    let there = Scene::new("127.0.0.1", Box::new(move |_| *counted.lock().unwrap() += 1));
    let manner = Manner {
        login: (USER.to_owned(), token()),
        root: there.root.path().to_owned(),
        leads_to: Some(there.site()),
        look: Box::new(|_| ()),
    };
    let here = GitHttp::start("127.0.0.1", manner);
    let site = format!("http://{}", here.address);
    let remote = Remote::new(&format!("{site}/owner/repo.git")).unwrap();
    let credential = Credential::new(&site, USER, token());
    let git = asking();
    let call = git.anywhere(there.root.path()).run(["ls-remote", "--"]).to(&remote);
    let refused = call.credential(&credential).output().unwrap_err();
    assert!(refused.said().contains(&there.site()), "git asked for the place it was led to: {refused}");
    assert!(*asked.lock().unwrap() > 0, "the way there was gone");
}

#[test]
fn only_what_this_git_command_started_is_answered() {
    let told: Arc<Mutex<Vec<(bool, String)>>> = Arc::default();
    let tries = Arc::clone(&told);
    let site: Arc<Mutex<String>> = Arc::default();
    let known = Arc::clone(&site);
    // While git waits for the server, another program of the same user, started by the same engine, knocks at the socket.
    let look = move |_: &str| {
        for socket in sockets() {
            // One of a test beside this one may be gone by now.
            if let Ok(private) = fs::metadata(socket.parent().unwrap()) {
                assert_eq!(private.permissions().mode() & 0o777, 0o700);
            }
            let prompt = format!("Username for '{}': ", known.lock().unwrap());
            let output =
                Command::new(program()).arg(prompt).env("AGENTPR_ASKPASS", &socket).output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            tries.lock().unwrap().push((output.status.success(), said));
        }
    };
    let scene = Scene::new("127.0.0.1", Box::new(look));
    scene.site().clone_into(&mut site.lock().unwrap());
    push(&asking(), &scene).credential(&scene.credential()).output().unwrap();
    let told = told.lock().unwrap();
    assert!(!told.is_empty());
    assert!(told.iter().all(|(is_answered, said)| !is_answered && said.is_empty()), "{told:?}");
}

#[test]
fn a_socket_is_gone_with_its_command() {
    let seen: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
    let during = Arc::clone(&seen);
    let scene = Scene::new("127.0.0.1", Box::new(move |_| during.lock().unwrap().extend(sockets())));
    push(&asking(), &scene).credential(&scene.credential()).output().unwrap();
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty());
    // Sockets of tests beside this one may be among them, and be gone a little later.
    let own = |socket: &PathBuf| !sockets().contains(socket) && !socket.parent().unwrap().exists();
    assert!(seen.iter().any(own), "{seen:?}");
}

#[test]
fn addresses_without_encryption_are_for_this_machine_and_none_has_a_user_in_it() {
    for fine in [
        "http://127.0.0.1:4000/o/r.git",
        "http://localhost/o/r",
        "http://LOCALHOST:1/o/r",
        "http://[::1]:4000/o/r",
        "https://github.com/o/r.git",
        "ssh://git@github.com/o/r",
        "git@github.com:o/r.git",
    ] {
        Remote::new(fine).unwrap();
    }
    for refused in [
        "http://github.com/o/r",
        "http://localhost.example.com/o/r",
        "http://127.0.0.1.example.com/o/r",
        "http://127.0.0.1:4000x/o/r",
        "http://127.0.0.2/o/r",
        "http://[::1]x/o/r",
        "http:///o/r",
        "http://127.0.0.1%2eexample.com/o/r",
        "http://127.0.0.1\\.example.com/o/r",
        "http://127.0.0.1?.example.com/o/r",
        "HTTP://github.com/o/r",
        "ftp://127.0.0.1/o/r",
    ] {
        Remote::new(refused).unwrap_err();
    }
    for with_user in [
        "https://me:zzcanary@github.com/o/r",
        "https://zzcanary@github.com/o/r",
        "http://zzcanary@127.0.0.1/o/r",
        "http://127.0.0.1\\@zzcanary/o/r",
        "HTTPS://me:zzcanary@github.com/o/r",
    ] {
        let refused = Remote::new(with_user).unwrap_err().to_string();
        assert!(refused.contains("--github-token-file"), "{refused}");
        assert!(!refused.contains("me:"), "{refused}");
    }
    let site = |text| Remote::new(text).unwrap().site();
    assert_eq!(site("https://GitHub.com/o/r").as_deref(), Some("https://github.com"));
    assert_eq!(site("git@github.com:o/r.git"), None);
}

#[test]
fn plain_http_is_allowed_to_git_only_for_a_call_to_such_a_remote() {
    let scene = Scene::quiet();
    let git = asking();
    let address = format!("{}/owner/repo.git", scene.site());
    let call = git.anywhere(scene.root.path()).run(["ls-remote", "--"]).arg(&address);
    let refused = call.credential(&scene.credential()).output().unwrap_err();
    assert!(refused.said().contains("'http' not allowed"), "{refused}");
}
