//! Walls that hold: what a program can reach behind each tier, tried with real programs.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentpr::adapters::process::environment::ChildEnvironment;
use agentpr::adapters::process::group::{Ending, GroupOrder, GroupReport, Supervisor};
use agentpr::adapters::process::overrides::Overrides;
use agentpr::adapters::process::redact::Redactor;
use agentpr::adapters::process::sandbox::{Sandbox, SandboxSettings};
use agentpr::domain::confine::{Confinement, ProcessLimits, SandboxMode, Tier};
use agentpr::domain::id::RunId;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::world::{ignore, parent, put, run, supervisor};
use crate::harness::skip::skipped;

/// A home, a data directory and a workspace in one folder, and a supervisor that hides the first two.
pub(super) struct Place {
    pub(super) root: TempDir,
    supervisor: Supervisor,
    environment: ChildEnvironment,
    run: RunId,
    pub(super) mode: SandboxMode,
    pub(super) network: bool,
    pub(super) required: Tier,
    pub(super) limits: ProcessLimits,
}

impl Place {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        put(&at("home/canary"), "canary-of-the-home");
        put(&at("data/agentpr.db"), "canary-of-the-data");
        put(&at("work/other/secret"), "canary-of-another-run");
        std::fs::create_dir_all(at("work/own")).unwrap();
        let mut parent = parent();
        // Toolchains stay those of whoever runs the tests; only what is hidden is another home.
        let environment = ChildEnvironment::new(at("data"), &parent, Overrides::default());
        parent.insert("HOME".to_owned(), at("home").display().to_string());
        let hidden = vec![at("home"), at("data"), at("work")];
        Self {
            supervisor: supervisor(hidden),
            environment,
            run: run().0,
            root,
            mode: SandboxMode::Auto,
            network: true,
            required: Tier::Open,
            limits: ProcessLimits::wall(Duration::from_secs(20)),
        }
    }

    /// A box with the given tier in force, or `None` where this machine does not have it.
    pub(super) fn of(tier: Tier) -> Option<Self> {
        let mut found = Self::new();
        let probe = found.supervisor.sandbox().probe().clone();
        found.required = tier;
        match tier {
            Tier::Open => found.mode = SandboxMode::DangerFullAccess,
            Tier::Landlock if probe.landlock.is_none() => {
                skipped("landlock not found");
                return None;
            }
            Tier::Landlock => found.supervisor = without_bwrap(&found),
            Tier::Bubblewrap if probe.tier < tier => {
                skipped("bwrap that works not found");
                return None;
            }
            Tier::Bubblewrap => {}
        }
        Some(found)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn order(&self, program: &Path, args: &[&str]) -> GroupOrder {
        let workspace = self.at("work/own");
        let runtime = self.environment.runtime_dir(&self.run);
        let env: BTreeMap<String, String> = self.environment.make(&self.run, &workspace, &runtime).unwrap();
        GroupOrder {
            program: program.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            dir: workspace.clone(),
            env,
            stdin: None,
            workspace,
            runtime,
            readable: Vec::new(),
            confinement: Confinement { mode: self.mode, required: self.required, network: self.network },
            limits: self.limits,
            grace: Duration::from_millis(300),
            log: Some(self.at("data/artifacts/log")),
            lines: None,
            sink: None,
            signs: None,
        }
    }

    pub(super) async fn run(&self, order: &GroupOrder) -> GroupReport {
        self.supervisor.run(order, &ignore, &CancellationToken::new()).await.unwrap()
    }

    /// Why an order is not carried out.
    pub(super) async fn refused(&self, order: &GroupOrder) -> String {
        self.supervisor.run(order, &ignore, &CancellationToken::new()).await.unwrap_err().0
    }

    /// Runs a line of shell, says what it printed, and makes sure that it came to its end by itself.
    pub(super) async fn sh(&self, line: &str) -> String {
        let report = self.run(&self.order(Path::new("/bin/sh"), &["-c", line])).await;
        let text = String::from_utf8(report.output.bytes).unwrap();
        assert!(matches!(report.ending, Ending::Exited(_)), "{:?}: {text}", report.ending);
        assert_eq!(report.tier, self.required, "{text}");
        text
    }
}

/// The same supervisor on a machine without bubblewrap.
fn without_bwrap(found: &Place) -> Supervisor {
    let launcher = PathBuf::from(env!("CARGO_BIN_EXE_agentpr"));
    supervisor_of(found, launcher, "/nowhere".to_owned())
}

/// The same supervisor with another launcher.
fn launched_by(found: &Place, launcher: PathBuf) -> Supervisor {
    let is_there = found.required == Tier::Bubblewrap;
    supervisor_of(found, launcher, if is_there { parent()["PATH"].clone() } else { "/nowhere".to_owned() })
}

fn supervisor_of(found: &Place, launcher: PathBuf, search_path: String) -> Supervisor {
    let hidden = ["home", "data", "work"].map(|name| found.at(name)).to_vec();
    let settings = SandboxSettings { search_path, hidden, readable: Vec::new() };
    Supervisor::new(launcher, Sandbox::new(settings), Redactor::none())
}

/// The tiers with a wall that this machine has.
pub(super) fn walls() -> Vec<Place> {
    [Tier::Landlock, Tier::Bubblewrap].into_iter().filter_map(Place::of).collect()
}

#[tokio::test]
async fn a_program_writes_its_workspace_and_its_own_folders_and_nothing_else() {
    for place in walls() {
        let outside = place.at("outside");
        let line = format!(
            "echo w > made && echo t > \"$TMPDIR/made\" && echo h > \"$HOME/made\" && \
             echo c > \"${{CARGO_HOME:-$HOME}}/made\" && echo fine; \
             echo x > /usr/made || echo kept-out; echo x > /etc/made || echo kept-out; \
             echo x > {}; echo x > {}/agentpr.db; true",
            outside.display(),
            place.at("data").display()
        );
        let text = place.sh(&line).await;
        assert!(
            text.contains("fine") && text.matches("kept-out").count() == 2,
            "{:?}: {text}",
            place.required
        );
        assert!(!outside.exists());
        assert_eq!(std::fs::read_to_string(place.at("work/own/made")).unwrap(), "w\n");
        assert_eq!(std::fs::read_to_string(place.at("data/agentpr.db")).unwrap(), "canary-of-the-data");
    }
}

#[tokio::test]
async fn a_program_reads_no_home_no_data_directory_and_no_other_workspace() {
    for place in walls() {
        let names = ["home/canary", "data/agentpr.db", "work/other/secret"];
        let paths = names.map(|name| place.at(name).display().to_string()).join(" ");
        let text = place.sh(&format!("cat {paths}; ls {} ; true", place.at("data").display())).await;
        assert!(!text.contains("canary-of"), "{:?}: {text}", place.required);
        assert!(!text.contains("agentpr.db\n"), "{:?}: {text}", place.required);
    }
}

#[tokio::test]
async fn no_environment_but_its_own_can_be_read() {
    for place in walls() {
        // Written so that the words do not stand in the program's own arguments.
        let line = "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done 2>/dev/null | sort -u";
        let text = place.sh(line).await;
        let own = place.order(Path::new("/bin/sh"), &[]).env;
        let foreign: Vec<&str> = text
            .lines()
            .filter(|line| line.split_once('=').is_some_and(|(name, _)| name.starts_with("CARGO_MANIFEST")))
            .collect();
        assert!(foreign.is_empty(), "{:?}: {foreign:?}", place.required);
        assert!(text.contains(&format!("HOME={}", own["HOME"])), "{:?}: {text}", place.required);
        if place.required == Tier::Bubblewrap {
            let known = |line: &&str| {
                line.split_once('=').is_none_or(|(name, value)| {
                    ["PWD", "OLDPWD", "_", "SHLVL", "CARGO_HOME", "GOPATH"].contains(&name)
                        || own.get(name).is_some_and(|own| own == value)
                })
            };
            let unknown: Vec<&str> = text.lines().filter(|line| !known(line)).collect();
            assert!(unknown.is_empty(), "{unknown:?}");
        }
    }
}

#[tokio::test]
async fn the_engine_cannot_be_seen_or_signalled() {
    for place in walls() {
        let own = std::process::id();
        let text =
            place.sh(&format!("kill -0 {own} && echo reached; ls /proc | grep -c '^[0-9]'; true")).await;
        assert!(!text.contains("reached"), "{:?}: {text}", place.required);
        if place.required == Tier::Bubblewrap {
            let seen: u32 = text.lines().find_map(|line| line.parse().ok()).unwrap();
            assert!(seen < 8, "{text}");
        }
    }
}

/// A line that tries to reach a port of this machine.
fn knock(port: u16) -> String {
    format!(
        "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 3).close(); print(\"reached\")' || echo unreachable"
    )
}

#[tokio::test]
async fn the_network_is_there_when_it_is_on_and_not_when_it_is_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for mut place in walls() {
        let text = place.sh(&knock(port)).await;
        if text.contains("not found") {
            skipped("python3 not found");
            return;
        }
        assert!(text.contains("reached"), "{:?}: {text}", place.required);
        place.network = false;
        let text = place.sh(&knock(port)).await;
        let has = place.supervisor.sandbox().probe().landlock.is_some_and(|version| version >= 4);
        if place.required == Tier::Landlock && !has {
            skipped("this Landlock has no rule for the network");
            continue;
        }
        assert!(text.contains("unreachable"), "{:?}: {text}", place.required);
    }
}

#[tokio::test]
async fn a_workspace_that_may_only_be_read_is_not_written() {
    for mut place in walls() {
        place.mode = SandboxMode::ReadOnly;
        put(&place.at("work/own/there"), "text");
        let text = place.sh("cat there; echo x > there || echo kept-out; echo x > new || echo kept-out; rm there || echo kept-out").await;
        assert!(
            text.contains("text") && text.matches("kept-out").count() == 3,
            "{:?}: {text}",
            place.required
        );
        assert_eq!(std::fs::read_to_string(place.at("work/own/there")).unwrap(), "text");
    }
}

#[tokio::test]
async fn the_tools_of_a_project_work_behind_every_wall() {
    for place in walls() {
        let tools = "git --version; python3 --version; node --version; cargo --version; \
                     git init -q . && git -c user.name=a -c user.email=a@localhost commit -q --allow-empty -m x && git log --oneline";
        let text = place.sh(tools).await;
        for (tool, word) in
            [("git", "git version"), ("python3", "Python 3"), ("node", "v"), ("cargo", "cargo 1")]
        {
            if text.contains(&format!("{tool}: not found")) {
                skipped(&format!("{tool} not found"));
            } else {
                assert!(
                    text.lines().any(|line| line.starts_with(word)),
                    "{:?} {tool}: {text}",
                    place.required
                );
            }
        }
        assert!(text.lines().last().unwrap().ends_with(" x"), "{:?}: {text}", place.required);
    }
}

#[tokio::test]
async fn a_tier_that_is_required_and_not_there_is_refused_with_what_to_do() {
    let place = Place::new();
    let mut order = place.order(Path::new("/bin/sh"), &["-c", ":"]);
    order.confinement.required = Tier::Bubblewrap;
    let refused = without_bwrap(&place).run(&order, &ignore, &CancellationToken::new()).await.unwrap_err();
    assert!(
        refused.0.contains("tier 2 (bubblewrap) is required") && refused.0.contains("install"),
        "{refused}"
    );
    order.confinement.mode = SandboxMode::DangerFullAccess;
    let refused = place.supervisor.run(&order, &ignore, &CancellationToken::new()).await.unwrap_err();
    assert!(refused.0.contains("danger-full-access"), "{refused}");
}

#[tokio::test]
async fn a_data_directory_below_a_folder_of_the_system_stays_hidden() {
    let place = Place::new();
    let Some(found) = Place::of(Tier::Landlock) else { return };
    // The operator makes the folder around everything readable; what is hidden in it stays so.
    for tier in [Tier::Landlock, Tier::Bubblewrap] {
        if Place::of(tier).is_none() {
            continue;
        }
        let settings = SandboxSettings {
            search_path: if tier == Tier::Bubblewrap { parent()["PATH"].clone() } else { String::new() },
            hidden: vec![found.at("data"), found.at("work")],
            readable: vec![found.root.path().to_owned()],
        };
        let launcher = PathBuf::from(env!("CARGO_BIN_EXE_agentpr"));
        let supervisor = Supervisor::new(launcher, Sandbox::new(settings), Redactor::none());
        let line = format!(
            "cat {} {}; echo x > own",
            found.at("home/canary").display(),
            found.at("data/agentpr.db").display()
        );
        let mut order = found.order(Path::new("/bin/sh"), &["-c", &line]);
        order.confinement.required = tier;
        let report = supervisor.run(&order, &ignore, &CancellationToken::new()).await.unwrap();
        let text = String::from_utf8(report.output.bytes).unwrap();
        assert!(
            text.contains("canary-of-the-home") && !text.contains("canary-of-the-data"),
            "{tier:?}: {text}"
        );
        assert!(found.at("work/own/own").exists(), "{tier:?}: {text}");
    }
    drop(place);
}

#[tokio::test]
async fn a_cargo_project_with_a_cached_dependency_is_tested_without_the_network() {
    for mut place in walls() {
        place.network = false;
        place.limits.wall = Duration::from_secs(120);
        // This very program was built with it, so it is in the cache.
        put(
            &place.at("work/own/Cargo.toml"),
            "[package]\nname = \"p\"\nedition = \"2021\"\n[dependencies]\nhex = \"0.4\"\n[workspace]\n",
        );
        put(
            &place.at("work/own/src/lib.rs"),
            "#[test]\nfn it_works() { assert_eq!(hex::encode([255]), \"ff\"); }\n",
        );
        let text = place.sh("cargo test 2>&1").await;
        if text.contains("cargo: not found") {
            skipped("cargo not found");
            return;
        }
        assert!(text.contains("1 passed"), "{:?}: {text}", place.required);
        put(
            &place.at("work/own/Cargo.toml"),
            "[package]\nname = \"p\"\nedition = \"2021\"\n[dependencies]\nno-such-crate-anywhere = \"9\"\n[workspace]\n",
        );
        std::fs::remove_file(place.at("work/own/Cargo.lock")).unwrap();
        let text = place.sh("cargo test 2>&1").await;
        assert!(
            text.contains("no matching package") && text.contains("offline"),
            "{:?}: {text}",
            place.required
        );
    }
}

#[tokio::test]
async fn an_upgrade_that_takes_the_launchers_file_away_stops_no_program() {
    use std::os::fd::AsRawFd;
    for place in walls() {
        let copy = place.at("agentpr");
        std::fs::copy(env!("CARGO_BIN_EXE_agentpr"), &copy).unwrap();
        let running = std::fs::File::open(&copy).unwrap();
        std::fs::remove_file(&copy).unwrap();
        // What the system's own link to a running program leads to once its file is gone.
        let launcher = format!("/proc/self/fd/{}", running.as_raw_fd());
        let supervisor = launched_by(&place, launcher.into());
        let order = place.order(Path::new("/bin/sh"), &["-c", "echo it runs"]);
        let report = supervisor.run(&order, &ignore, &CancellationToken::new()).await.unwrap();
        let text = String::from_utf8(report.output.bytes).unwrap();
        assert_eq!(
            (report.ending, text.as_str(), report.tier),
            (Ending::Exited(0), "it runs\n", place.required)
        );
    }
}

#[tokio::test]
async fn a_program_gets_no_file_that_whoever_started_the_engine_had_open() {
    let mut places = walls();
    places.extend(Place::of(Tier::Open));
    for place in places {
        let open = std::fs::File::open(place.at("home")).unwrap();
        // Kept open over an exec, as a shell's `exec 7</folder` does.
        rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
        let text = place.sh("ls -l /proc/self/fd; cat /proc/self/fd/*/canary").await;
        assert!(!text.contains("/home") && !text.contains("canary-of"), "{:?}: {text}", place.required);
    }
}

#[tokio::test]
async fn links_that_an_agent_leaves_in_its_own_folders_lead_the_engine_nowhere() {
    for place in walls() {
        let precious = place.at("home/precious");
        put(&precious, "precious");
        put(&place.at("shared-cargo/config.toml"), "[net]\n");
        let mut order = place.order(Path::new("/bin/sh"), &["-c", "true"]);
        order.env.insert("CARGO_HOME".to_owned(), place.at("shared-cargo").display().to_string());
        place.run(&order).await;
        let config = order.runtime.join("cargo/config.toml");
        assert_eq!(std::fs::read_to_string(&config).unwrap(), "[net]\n", "{:?}", place.required);

        std::fs::remove_file(&config).unwrap();
        std::os::unix::fs::symlink(&precious, &config).unwrap();
        std::fs::remove_dir_all(order.runtime.join("cache")).unwrap();
        std::os::unix::fs::symlink(place.at("home"), order.runtime.join("cache")).unwrap();
        std::fs::remove_dir_all(order.runtime.join("home")).unwrap();
        put(&order.runtime.join("home"), "a file in the place of a folder");
        place.order(Path::new("/bin/sh"), &[]);
        place.run(&order).await;
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious", "{:?}", place.required);
        assert!(!place.at("home/pip").exists(), "{:?}", place.required);
        assert!(order.runtime.join("home").is_dir() && order.runtime.join("cache/pip").is_dir());
    }
}
