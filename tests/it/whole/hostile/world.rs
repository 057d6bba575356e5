//! A world with a hostile repository in it, secrets around it, and a look at whether one of them got anywhere.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use agentpr::adapters::process::sandbox::probe::probe;
use agentpr::domain::confine::Tier;

use super::scripts::{AGENT, AGENT_CONFIG, CHECK};
use super::traps::{ATTRIBUTES, Traps};
use crate::harness::{Answer, Sandbox, git, sandbox::finish};

/// Variables of the operator's that hold secrets.
const SECRET_VARIABLES: [&str; 5] = [
    "AGENTPR_GITHUB_WEBHOOK_SECRET",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "AGENTPR_TELEGRAM_BOT_TOKEN",
    "PASSWORD_OF_OPS",
];

/// Everything of one test.
pub(crate) struct Hostile {
    pub(crate) sandbox: Sandbox,
    pub(crate) traps: Traps,
    pub(crate) tier: Tier,
    /// Each secret: where it lies, and what it is.
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) remote: PathBuf,
    /// A repository that no run is about.
    pub(crate) second: PathBuf,
    /// The secret object in it.
    pub(crate) stolen: String,
    pub(crate) listener: TcpListener,
    /// All that the program said.
    said: std::cell::RefCell<String>,
}

impl Hostile {
    /// A world whose programs run in a tier; `None` where this machine does not have it.
    pub(crate) fn new(tier: Tier) -> Option<Self> {
        let sandbox = Sandbox::empty();
        let root = sandbox.path().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut secrets: Vec<(String, String)> =
            SECRET_VARIABLES.iter().map(|name| ((*name).to_owned(), secret())).collect();
        let mut place = |name: &str| {
            let value = secret();
            secrets.push((name.to_owned(), value.clone()));
            value
        };
        sandbox.write("home/.ssh/id_ed25519", &place("home/.ssh/id_ed25519"));
        sandbox.write("data/private.txt", &place("data/private.txt"));
        sandbox.write("work/acme/parser/other/private.txt", &place("work/acme/parser/other/private.txt"));
        let second = sandbox.remote("victim", "second");
        git::bare_remote(&second, &[("secret.txt", &place("second")), ("file", "1\n")]);
        let stolen = git::git(&second, &["rev-parse", "main:secret.txt"]);
        let traps = Traps::new(&root);
        let world = Self {
            remote: sandbox.remote("acme", "parser"),
            traps,
            tier,
            secrets,
            second,
            stolen,
            listener,
            said: std::cell::RefCell::default(),
            sandbox,
        };
        world.collect_programs();
        let path = world.search_path();
        if probe(&path).tier < tier {
            return None;
        }
        world.publish();
        let _made = world.agentpr(&["init-db"]).ok();
        Some(world)
    }

    /// Links to every program but `bwrap`, for a search path on which tier 1 is the strongest.
    fn collect_programs(&self) {
        let tools = self.sandbox.path().join("tools");
        fs::create_dir_all(&tools).unwrap();
        for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name() != "bwrap" {
                    let _there_already = symlink(entry.path(), tools.join(entry.file_name()));
                }
            }
        }
    }

    fn search_path(&self) -> String {
        match self.tier {
            Tier::Landlock => self.sandbox.path().join("tools").display().to_string(),
            _ => std::env::var("PATH").unwrap(),
        }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.sandbox.path().join("home")
    }

    pub(crate) fn other(&self) -> PathBuf {
        self.sandbox.path().join("work/acme/parser/other/private.txt")
    }

    /// Where an agent of a run works.
    pub(crate) fn clone(&self, run: &str) -> PathBuf {
        self.sandbox.path().join("work/acme/parser").join(run)
    }

    /// The check, with the places it looks at.
    pub(crate) fn check(&self) -> String {
        let port = self.listener.local_addr().unwrap().port().to_string();
        self.places(CHECK).replace("{port}", &port)
    }

    fn places(&self, text: &str) -> String {
        let shown = |path: &Path| path.display().to_string();
        text.replace("{home}", &shown(&self.home()))
            .replace("{private}", &shown(&self.sandbox.path().join("data/private.txt")))
            .replace("{other}", &shown(&self.other()))
            .replace("{db}", &shown(&self.sandbox.db()))
            .replace("{second}", &shown(&self.second))
    }

    /// The agent, told what to do to its clone.
    pub(crate) fn agent(&self, deed: &str) -> String {
        let forge = self.sandbox.path().join("forge");
        let script = self
            .places(AGENT)
            .replace("{names}", &AGENT_CONFIG.join(" "))
            .replace("{config}", &self.traps.config(&forge, &self.second))
            .replace("{hooks}", &self.traps.hooks_script())
            .replace("{attributes}", ATTRIBUTES);
        let path = self.sandbox.write("agent.sh", &script);
        format!("command:sh {} {deed}", path.display())
    }

    /// Publishes the repository of a hostile author.
    fn publish(&self) {
        let mut files: Vec<(String, String)> = AGENT_CONFIG
            .iter()
            .map(|name| ((*name).to_owned(), format!("run: {}\n", self.traps.path(name).display())))
            .collect();
        for (name, text) in [
            ("answer.txt", "41\n"),
            ("pipeline.yml", "version: 1\ntests: {cmd: sh check.sh}\n"),
            ("check.sh", &self.check()),
            (".gitattributes", ATTRIBUTES),
            (".githooks/pre-commit", "#!/bin/sh\nexit 1\n"),
            ("a.trap", "base\n"),
            ("a.process", "base\n"),
            ("a.driven", "base\n"),
            ("a.texted", "base\n"),
            ("Case.txt", "upper\n"),
            ("case.txt", "lower\n"),
            ("two\nlines.txt", "x\n"),
            ("--upload-pack=touch pwned", "x\n"),
            ("-c", "x\n"),
            (".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = ../second.git\n"),
        ] {
            files.push((name.to_owned(), text.to_owned()));
        }
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        git::bare_remote(&self.remote, &files);
        self.add_rows(
            &self.remote,
            &[("120000", "out-of-here", &self.home().join(".ssh/id_ed25519").display().to_string())],
        );
        let row = format!("160000,{},sub", git::tip(&self.second, "refs/heads/main").unwrap());
        self.commit_rows(&self.remote, &["update-index", "--add", "--cacheinfo", &row]);
    }

    /// Adds entries of any mode to `main` of a bare repository.
    pub(crate) fn add_rows(&self, bare: &Path, rows: &[(&str, &str, &str)]) {
        for (mode, name, content) in rows {
            let file = self.sandbox.write("content", content);
            let id = git::git(bare, &["hash-object", "-w", &file.display().to_string()]);
            self.commit_rows(bare, &["update-index", "--add", "--cacheinfo", &format!("{mode},{id},{name}")]);
        }
    }

    /// Makes `.gitmodules` of `main` a link, which git's index would refuse.
    pub(crate) fn link_gitmodules(&self) {
        let listed = git::git(&self.remote, &["ls-tree", "-z", "main"]);
        let linked = listed.split('\0').map(|row| match row.strip_suffix("\t.gitmodules") {
            Some(rest) => format!("{}\t.gitmodules", rest.replace("100644", "120000")),
            None => row.to_owned(),
        });
        let rows = self.sandbox.write("rows", &linked.collect::<Vec<_>>().join("\0"));
        let made = std::process::Command::new("git")
            .args(["mktree", "-z", "--missing"])
            .current_dir(&self.remote)
            .stdin(fs::File::open(rows).unwrap())
            .output()
            .unwrap();
        let tree = String::from_utf8(made.stdout).unwrap();
        let commit = git::git(&self.remote, &["commit-tree", tree.trim(), "-p", "main", "-m", "Link"]);
        git::git(&self.remote, &["update-ref", "refs/heads/main", &commit]);
    }

    fn commit_rows(&self, bare: &Path, change: &[&str]) {
        git::git(bare, &["read-tree", "main"]);
        git::git(bare, change);
        let tree = git::git(bare, &["write-tree"]);
        let commit = git::git(bare, &["commit-tree", &tree, "-p", "main", "-m", "More"]);
        git::git(bare, &["update-ref", "refs/heads/main", &commit]);
    }

    /// Runs the program as the operator does, secrets in its environment, and keeps what it says.
    pub(crate) fn agentpr(&self, args: &[&str]) -> Answer {
        self.agentpr_in(self.sandbox.path(), args)
    }

    /// The same in another directory.
    pub(crate) fn agentpr_in(&self, dir: &Path, args: &[&str]) -> Answer {
        let mut command = self.sandbox.command(args);
        let mode = if self.tier == Tier::Open { "danger-full-access" } else { "auto" };
        command
            .current_dir(dir)
            .env("PATH", self.search_path())
            .env("AGENTPR_BASE_DIR", self.sandbox.path().join("work"))
            .env("AGENTPR_SANDBOX", mode)
            .env("AGENTPR_REQUIRED_TIER", self.tier.number().to_string());
        for (name, value) in self.secrets.iter().filter(|(name, _)| SECRET_VARIABLES.contains(&name.as_str()))
        {
            command.env(name, value);
        }
        let answer = finish(command.spawn().unwrap());
        let mut said = self.said.borrow_mut();
        said.push_str(&answer.stdout);
        said.push_str(&answer.stderr);
        answer
    }

    /// Runs the program with what a person types after its name.
    pub(crate) fn types(&self, line: &str) -> Answer {
        let words = shell_words::split(line).unwrap();
        self.agentpr(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Submits a run of the hostile agent.
    pub(crate) fn submit(&self, run: &str, deed: &str, more: &str) {
        let agent = self.agent(deed);
        let agent = shell_words::quote(&agent);
        let order = format!("--owner acme --repo parser --run-id {run} --task 'Say 42' --agent {agent}");
        let _submitted = self.types(&format!("submit {order} {more}")).ok();
    }

    pub(crate) fn state(&self, run: &str) -> String {
        let shown = self.agentpr(&["--json", "show", run]).ok().json();
        shown["state"].as_str().unwrap().to_owned()
    }

    /// Looks for every secret, as it is and turned, in what was said, in every file of the world but where it belongs, and in
    /// every object of every repository; gives the places.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut look = |place: &str, bytes: &[u8]| {
            for (name, value) in &self.secrets {
                for form in [value.clone(), turned(value)] {
                    if bytes.windows(form.len()).any(|window| window == form.as_bytes()) {
                        found.push(format!("{name} in {place}"));
                    }
                }
            }
        };
        look("what was said", self.said.borrow().as_bytes());
        let mut folders = vec![self.sandbox.path().join("data"), self.sandbox.path().join("work")];
        folders.push(self.remote.clone());
        while let Some(folder) = folders.pop() {
            // The clones were spoiled by the test itself, and borrow what they like.
            let is_engines = !folder.starts_with(self.sandbox.path().join("work"));
            if is_engines && folder.join("HEAD").is_file() && folder.join("objects").is_dir() {
                let objects = git::ask(&folder, &["cat-file", "--batch-all-objects", "--batch"]);
                look(&folder.display().to_string(), objects.unwrap_or_default().as_bytes());
                if git::ask(&folder, &["cat-file", "-e", &self.stolen]).is_some() {
                    look(&folder.display().to_string(), self.secrets.last().unwrap().1.as_bytes());
                }
            }
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let kind = entry.file_type().unwrap();
                let is_source = self.secrets.iter().any(|(name, _)| path.ends_with(name));
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && !is_source && entry.metadata().unwrap().len() < 50_000_000 {
                    look(&path.display().to_string(), &fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    /// Everything that the logs of a run say.
    pub(crate) fn logs(&self, run: &str) -> String {
        let mut text = String::new();
        for folder in [self.sandbox.path().join("data/artifacts").join(run)] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_file() {
                    text.push_str(&String::from_utf8_lossy(&fs::read(entry.path()).unwrap()));
                }
            }
        }
        text
    }
}

/// A value that no redaction can guess by its shape.
fn secret() -> String {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).unwrap();
    let letters = bytes.iter().map(|byte| char::from(b'a' + byte % 26));
    format!("CANARY{}", letters.collect::<String>())
}

/// Each letter thirteen places on.
pub(crate) fn turned(text: &str) -> String {
    let turn = |c: char, from: u8| char::from((c as u8 - from + 13) % 26 + from);
    let one = |c: char| match c {
        'a'..='z' => turn(c, b'a'),
        'A'..='Z' => turn(c, b'A'),
        other => other,
    };
    text.chars().map(one).collect()
}
