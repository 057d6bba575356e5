//! Two hundred secrets come near the engine in every way they can, and none is kept or shown anywhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use agentpr::adapters::store::sqlite::SqliteStore;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::domain::seeds::{ALNUM, Lot, Seed, seeds};
use crate::harness::Sandbox;
use crate::harness::sandbox::{Answer, finish};

/// A word that is no secret and goes every way the secrets go: where it does not arrive, nothing was looked at.
const MARKER: &str = "harmless-marker-of-this-test";

const SECRETS: usize = 200;

/// Names of variables the engine was started with; further ones are numbered.
const NAMES: [&str; 6] = [
    "GH_TOKEN",
    "AGENTPR_GITHUB_WEBHOOK_SECRET",
    "TELEGRAM_BOT_TOKEN",
    "MY_SERVICE_TOKEN",
    "DB_PASSWORD",
    "DEPLOY_PRIVATE_KEY",
];

/// The secrets by the way they come.
struct Ways {
    all: Vec<Seed>,
    /// Values that look like nothing: known only because the engine holds them.
    plain: Vec<String>,
}

impl Ways {
    fn new() -> Self {
        let plain = (0..8).map(|number| Lot::new(7_000 + number).of(ALNUM, 28)).collect();
        Self { all: seeds(SECRETS), plain }
    }

    /// In the engine's own environment.
    fn environment(&self) -> &[Seed] {
        &self.all[..50]
    }

    /// In files of the repository.
    fn files(&self) -> &[Seed] {
        &self.all[50..90]
    }

    /// Printed by the agent.
    fn agent(&self) -> &[Seed] {
        &self.all[90..140]
    }

    /// Printed by a check that fails.
    fn check(&self) -> &[Seed] {
        &self.all[140..165]
    }

    /// In the change.
    fn change(&self) -> &[Seed] {
        &self.all[165..185]
    }

    /// In measurements, contracts, requests and what a person types.
    fn words(&self) -> &[Seed] {
        &self.all[185..]
    }

    /// Those of them that tell by themselves what they are, wherever they stand.
    fn telling(&self) -> Vec<&str> {
        let telling = self.words().iter().filter(|seed| seed.text.starts_with("the value is"));
        telling.map(|seed| seed.secret.as_str()).collect()
    }

    fn variables(&self) -> Vec<(String, String)> {
        let values =
            self.plain.iter().cloned().chain(self.environment().iter().map(|seed| seed.secret.clone()));
        let name = |number: usize| match NAMES.get(number) {
            Some(name) => (*name).to_owned(),
            None => format!("SERVICE_{number}_TOKEN"),
        };
        values.enumerate().map(|(number, value)| (name(number), value)).collect()
    }

    /// Everything that may stand nowhere: each secret, a private key by each of its lines, and what the engine holds also as
    /// programs would encode it.
    fn forbidden(&self) -> Vec<(String, String)> {
        let mut forms = Vec::new();
        for (number, seed) in self.all.iter().enumerate() {
            let name = format!("secret {number} ({})", seed.rule);
            for line in pieces(&seed.secret) {
                forms.push((name.clone(), line.to_owned()));
            }
        }
        let own = self.plain.iter().chain(self.environment().iter().map(|seed| &seed.secret));
        for (number, value) in own.enumerate() {
            for (form, text) in encoded(value) {
                forms.push((format!("value {number} of the environment as {form}"), text));
            }
        }
        forms
    }
}

/// The parts of a secret that are secret by themselves.
fn pieces(secret: &str) -> Vec<&str> {
    if !secret.contains("PRIVATE KEY") {
        return vec![secret];
    }
    let lines = secret.split('\n').flat_map(|line| line.split("\\n"));
    lines.filter(|line| line.len() == 64).collect()
}

fn encoded(value: &str) -> Vec<(&'static str, String)> {
    let percent = value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
        text
    });
    let hex = value.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let mut forms = vec![
        ("base64", STANDARD.encode(value).trim_end_matches('=').to_owned()),
        ("base64 for addresses", URL_SAFE_NO_PAD.encode(value)),
        ("hexadecimal", hex),
        ("percent encoding", percent),
    ];
    if !value.contains('\n') {
        forms.push(("itself", value.to_owned()));
    }
    forms
}

/// The world of the story, and everything the program said in it.
struct Story {
    sandbox: Sandbox,
    ways: Ways,
    said: Vec<(String, String)>,
}

impl Story {
    fn new() -> Self {
        let mut story = Self { sandbox: Sandbox::empty(), ways: Ways::new(), said: Vec::new() };
        let _made = story.says(&["init-db"]).ok();
        let mut files: Vec<(String, String)> = vec![
            ("answer.txt".to_owned(), "41\n".to_owned()),
            ("check.sh".to_owned(), CHECK.to_owned()),
            ("failure.txt".to_owned(), failure(story.ways.check())),
        ];
        for (number, seed) in story.ways.files().iter().enumerate() {
            files.push((format!("settings/{number}.txt"), format!("{MARKER}\n{}\n", seed.text)));
        }
        let named: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        story.sandbox.with_remote("acme", "parser", &named);
        let contract = story.contract();
        let named = [named.as_slice(), &[("pipeline.yml", contract.as_str())]].concat();
        story.sandbox.with_remote("acme", "deployer", &named);
        story
    }

    /// Runs the program with the secrets in its environment, and keeps what it says.
    fn says(&mut self, args: &[&str]) -> Answer {
        let mut command = self.sandbox.command(args);
        command.envs(self.ways.variables()).env("AGENTPR_LOG", "trace").stdin(Stdio::null());
        let answer = finish(command.spawn().unwrap());
        self.said.push((format!("`agentpr {}`: result", args.join(" ")), answer.stdout.clone()));
        self.said.push((format!("`agentpr {}`: remarks", args.join(" ")), answer.stderr.clone()));
        answer
    }

    /// The same for people and for machines.
    fn tells(&mut self, args: &[&str]) {
        for flags in [&[][..], &["--json"]] {
            let _answer = self.says(&[flags, args].concat());
        }
    }

    /// A run that fails its check, repairs it, and is stopped by what is in its change.
    fn drive(&mut self, agent: &str) {
        let order =
            ["submit", "--owner", "acme", "--repo", "parser", "--run-id", "r1", "--check", "sh check.sh"];
        let task = format!("Say 42 {MARKER}");
        let _run = self.says(&[&order[..], &["--task", &task, "--agent", agent]].concat()).ok();
        let _ticked = self.says(&["manager-tick", "--run-id", "r1"]);
        let shown = self.says(&["--json", "show", "r1"]).json();
        assert_eq!(shown["state"], "NEEDS_HUMAN_REVIEW", "{shown}");
        assert_eq!(shown["reason"]["code"], "policy_findings", "{shown}");
        assert!(shown.to_string().contains(&format!("{MARKER}.txt")), "{shown}");
    }

    /// Everything that can be asked about it.
    fn around(&mut self, agent: &str) {
        for args in [
            "list",
            "show r1",
            "why r1",
            "events r1",
            "events",
            "logs r1",
            "diff r1",
            "diff r1 --stat",
            "export",
            "replay r1",
            "doctor --skip-network-check",
            "config show",
            "config show --origin",
            "config path",
            "verify-log",
            "actions r1",
            "run-preflight --run-id r1",
            "request-open-pr --run-id r1 --title Say",
            "rebuild-projections",
            "gc --dry-run",
            "plan show r1",
            "run-finish --run-id r1 --changes Say",
            "show nothing",
            "logs nothing",
        ] {
            self.tells(&args.split(' ').collect::<Vec<_>>());
        }
        for attempt in 1..=8 {
            self.tells(&["logs", "r1", "--attempt", &attempt.to_string(), "--bytes", "100000000"]);
        }
        let _file = self.says(&["export", "--output", "export.jsonl"]).ok();
        let _copy = self.says(&["backup", "copy.db"]);
        // What a person says.
        let words: Vec<Seed> = self.ways.words().to_vec();
        let order = ["create-run", "--owner", "acme", "--repo", "parser", "--prompt-version", "1"];
        for (number, seed) in words.iter().enumerate() {
            let text = seed.text.trim();
            let place = ["--task", "--check", "--title", "--agent"][number % 4];
            let value = if place == "--agent" { format!("{agent} {text}") } else { text.to_owned() };
            let given = format!("{place}={value}");
            let refused = self.says(&[&["--json"], &order[..], &[given.as_str()]].concat());
            assert_eq!(refused.json()["code"], "secret", "{refused:?}");
        }
        let asked = [
            "request-open-pr",
            "--run-id",
            "r1",
            "--title",
            "Say",
            "--accept-missing-evidence",
            &words[0].text,
        ];
        self.tells(&asked);
        self.tells(&["pause", "--run-id", "r1", "--reason", &words[1].text]);
        self.tells(&["cancel", "--run-id", "r1", "--reason", &words[2].text]);
        // A contract with a secret in it is not copied.
        let order = ["submit", "--owner", "acme", "--repo", "deployer", "--run-id", "r2", "--task", "Say 42"];
        let _run = self.says(&[&order[..], &["--agent", agent]].concat()).ok();
        let _ticked = self.says(&["manager-tick", "--run-id", "r2"]);
        for args in ["show r2", "why r2", "events r2"] {
            self.tells(&args.split(' ').collect::<Vec<_>>());
        }
    }

    /// A directory that is verified as it is, with secrets in contract, output and measurements.
    fn in_place(&mut self) {
        let at = |name: &str| format!("verified/{name}");
        let measured: serde_json::Map<String, serde_json::Value> = self
            .ways
            .words()
            .iter()
            .enumerate()
            .map(|(number, seed)| (format!("key {number} {MARKER}"), json!(seed.text)))
            .collect();
        self.sandbox.write(&at("measured.json"), &json!(measured).to_string());
        self.sandbox.write(&at("answer.txt"), "41\n");
        self.sandbox.write(&at("failure.txt"), &failure(self.ways.check()));
        self.sandbox.write(&at("check.sh"), CHECK);
        let own: String = self.ways.variables().iter().map(|(_, value)| format!("{value}\n")).collect();
        self.sandbox.write(&at("settings/own.txt"), &own);
        let secret = self.ways.telling()[2].to_owned();
        let contract = format!(
            "version: 1\ntests:\n  cmds:\n    - {}\nbenchmark:\n  run_cmds:\n    - cp measured.json m.json\n  metrics_path: m.json\n  required_keys: [{}]\n",
            json!(format!("cat settings/own.txt failure.txt; echo {secret}")),
            json!(secret),
        );
        self.sandbox.write(&at("pipeline.yml"), &contract);
        self.tells(&["pipeline-spec", "check", "verified/pipeline.yml"]);
        self.tells(&["verify", "--repo", "verified"]);
        self.tells(&[
            "verify",
            "--repo",
            "verified",
            "--test-cmd",
            &format!("sh check.sh; echo {secret}; exit 3"),
        ]);
    }

    /// The marker came everywhere, so the secrets would have come there too.
    fn arrived(&self, marked: &[String]) {
        for part in [
            "data/agentpr.db",
            "prompt.md",
            "agent",
            "check",
            "export.jsonl",
            "copy.db",
            "data/agentpr.db-wal",
        ] {
            assert!(
                marked.iter().any(|name| name.contains(part)),
                "no marker in a file called {part}: {marked:#?}"
            );
        }
        for command in [
            "show r1",
            "--json show r1",
            "events r1",
            "--json events r1",
            "logs r1",
            "diff r1",
            "--json diff r1",
            "export",
        ] {
            let said = self.said.iter().filter(|(from, _)| from.starts_with(&format!("`agentpr {command}`")));
            let text: String = said.map(|(_, text)| text.as_str()).collect();
            assert!(text.contains(MARKER), "no marker in what `agentpr {command}` says: {text}");
        }
    }

    /// A contract whose command has a secret in it.
    fn contract(&self) -> String {
        let command = format!("echo {MARKER} {} && false", self.ways.telling()[0]);
        format!("version: 1\ntests:\n  cmds:\n    - {}\n", serde_json::to_string(&command).unwrap())
    }

    /// What the agent does: everything it prints lies in files, so that no quoting changes it.
    fn agent(&self) -> String {
        let own = self.ways.variables();
        let (mut out, mut err) = (format!("{MARKER}\n"), format!("{MARKER}\n"));
        for (number, seed) in self.ways.agent().iter().enumerate() {
            match number % 4 {
                0 => writeln!(out, "{}", seed.text).unwrap(),
                1 => writeln!(err, "{}", seed.text).unwrap(),
                2 => writeln!(out, "{}", json!({ "type": "text", "part": { "text": seed.text } })).unwrap(),
                _ => writeln!(out, "{} {}", "lorem ipsum ".repeat(3_000), seed.text).unwrap(),
            }
        }
        for (_, value) in &own {
            writeln!(out, "{value}").unwrap();
            for (form, text) in encoded(value) {
                writeln!(err, "{form}: {text}").unwrap();
            }
            writeln!(out, "{}", STANDARD.encode(format!("user:{value}\n"))).unwrap();
            writeln!(out, "{}{value}", "y".repeat(40_000)).unwrap();
        }
        let change: String = self.ways.change().iter().map(|seed| format!("{}\n", seed.text)).collect();
        let words = self.ways.telling();
        let request = json!({ "version": 1, "actions": [
            { "id": "1", "kind": "run_cmd", "cmd": format!("echo {MARKER} {}", words[1]), "risk_level": "low" },
        ] });
        let name = self.file_name();
        // The walls let it see its script and nothing beside it.
        let script = format!(
            "cat <<'END'\n{out}END\ncat >&2 <<'END'\n{err}END\ndd if=\"$0\" bs=7 count=4000 2>/dev/null\n\
             if grep -qx 40 answer.txt; then\necho 42 > answer.txt\ncat > {MARKER}.txt <<'END'\n{MARKER}\n{change}END\n\
             cp {MARKER}.txt '{name}.txt'\nmkdir -p .aider_fsm\ncat > .aider_fsm/actions.yml <<'END'\n{request}\nEND\n\
             else\necho 40 > answer.txt\nfi\n"
        );
        let script = self.sandbox.write("agent.sh", &script);
        format!("command:sh {}", script.display())
    }

    /// A secret that can be the name of a file.
    fn file_name(&self) -> String {
        let fits = |seed: &&Seed| {
            seed.secret.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && seed.rule == "github_token"
        };
        self.ways.all.iter().rev().find(fits).unwrap().secret.clone()
    }
}

const CHECK: &str = "#!/bin/sh\ngrep -qx 42 answer.txt && exit 0\ncat failure.txt\ncat failure.txt settings/*.txt >&2\nexit 1\n";

fn failure(seeds: &[Seed]) -> String {
    let lines: String =
        seeds.iter().map(|seed| format!("error: {}\n", seed.text.replace('\n', "\nerror: "))).collect();
    format!("error: {MARKER}\n{lines}")
}

/// Every file below `root` but what is the agent's own.
fn files_below(root: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Finds forms in bytes, all at once.
struct Search {
    forms: Vec<(String, String)>,
    pattern: regex::bytes::Regex,
}

impl Search {
    fn new(forms: Vec<(String, String)>) -> Self {
        let words: Vec<String> = forms.iter().map(|(_, text)| regex::escape(text)).collect();
        Self { pattern: regex::bytes::Regex::new(&format!("(?-u){}", words.join("|"))).unwrap(), forms }
    }

    fn marker() -> Self {
        Self::new(vec![("the marker".to_owned(), MARKER.to_owned())])
    }

    /// Which of them stand there.
    fn found(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let hits = self.pattern.find_iter(bytes).map(|hit| hit.as_bytes());
        hits.filter_map(|hit| self.forms.iter().find(|(_, text)| text.as_bytes() == hit))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

#[test]
fn two_hundred_secrets_are_in_no_database_no_file_and_no_word() {
    let mut story = Story::new();
    // While somebody reads, the write-ahead log stays.
    let reader = SqliteStore::open_read_only(&story.sandbox.db()).unwrap();
    let agent = story.agent();
    story.drive(&agent);
    story.around(&agent);
    story.in_place();

    let search = Search::new(story.ways.forbidden());
    let marker = Search::marker();
    let mut faults = Vec::new();
    for (from, text) in &story.said {
        faults.extend(search.found(text.as_bytes()).into_iter().map(|name| format!("{from} has {name}")));
    }
    let (mut files, mut marked) = (Vec::new(), Vec::new());
    // Workspaces and what lies beside them are the agent's, and control repositories have what the repository has.
    for part in fs::read_dir(story.sandbox.path().join("data")).unwrap().flatten() {
        let name = part.file_name();
        if part.path().is_file() {
            files.push(part.path());
        } else if !["workspaces", "scratch", "control"].iter().any(|own| name == *own) {
            files_below(&part.path(), &mut files);
        }
    }
    files_below(&story.sandbox.path().join("verified/.aider_fsm"), &mut files);
    files.push(story.sandbox.path().join("export.jsonl"));
    files.push(story.sandbox.path().join("copy.db"));
    for file in &files {
        let (name, bytes) =
            (file.strip_prefix(story.sandbox.path()).unwrap().display(), fs::read(file).unwrap());
        for found in [search.found(&bytes), search.found(name.to_string().as_bytes())] {
            faults.extend(found.into_iter().map(|secret| format!("{name} has {secret}")));
        }
        if !marker.found(&bytes).is_empty() {
            marked.push(name.to_string());
        }
    }
    assert!(faults.is_empty(), "{} leaks:\n{}", faults.len(), faults.join("\n"));
    drop(reader);
    story.arrived(&marked);
}

#[test]
fn the_search_finds_each_secret_where_it_is() {
    let story = Story::new();
    let search = Search::new(story.ways.forbidden());
    let mut text = String::new();
    for (_, form) in &search.forms {
        writeln!(text, "x{form}x").unwrap();
    }
    let named: BTreeSet<&str> = search.forms.iter().map(|(name, _)| name.as_str()).collect();
    assert!(named.len() > SECRETS, "{}", named.len());
    let found = search.found(text.as_bytes());
    // A value that is hexadecimal or has no sign is the same in two forms; each is found under its first name.
    let missed: Vec<&&str> = named.difference(&found).filter(|name| !name.contains("environment")).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
