//! Programs of agents: found, asked once, asked again when they changed, and refused before anything starts.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agentpr::adapters::worker::agent::{Agent, Installed, Key, Setup, Stage};
use agentpr::adapters::worker::{WorkerSettings, Workers};
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::known::KnownAgent;
use agentpr::domain::agent::usage::Price;
use agentpr::domain::evidence::{AttemptOutcome, ProcessRef};
use agentpr::ports::worker::{AgentStatus, Login, WorkOrder, WorkReport, Worker, WorkerError};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::conformance::lines::{LINES, Lines, SUCCESS, player};
use super::conformance::scene::{order, workers};
use super::world::{World, ignore, put, until};

fn agents() -> Vec<Box<dyn Agent>> {
    vec![Box::new(Lines)]
}

fn settings(world: &World, setup: Setup) -> WorkerSettings {
    let cache = Some(world.root.path().join("data/agents/programs.json"));
    WorkerSettings { setups: [("lines".to_owned(), setup)].into(), cache, ..WorkerSettings::default() }
}

/// Workers whose agent `lines` is the program at `program`.
fn workers_for(world: &World, program: &Path) -> Workers {
    let setup = Setup { program: Some(program.to_owned()), ..Setup::default() };
    workers(world, settings(world, setup), agents())
}

/// Every start of a player so far: its arguments.
fn starts(program: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(program.with_file_name("starts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn work(workers: &Workers, order: &WorkOrder) -> Result<OutcomeClass, WorkerError> {
    let report = workers.run(order, &ignore, &CancellationToken::new()).await?;
    Ok(report.evidence.agent.unwrap().class)
}

fn installed(world: &World) -> PathBuf {
    player(SUCCESS).install(world.root.path(), "lines")
}

const QUESTIONS: [&str; 3] = ["--version", "--help", "go --help"];

#[tokio::test]
async fn a_program_is_asked_once_by_all_processes_together() {
    let world = World::new();
    let program = installed(&world);
    let (one, order) = (workers_for(&world, &program), order(&world, "lines"));
    one.probe("lines").unwrap();
    assert!(starts(&program).is_empty(), "a probe starts nothing");
    assert_eq!(work(&one, &order).await.unwrap(), OutcomeClass::Succeeded);
    assert_eq!(work(&one, &order).await.unwrap(), OutcomeClass::Succeeded);
    let another = workers_for(&world, &program);
    assert_eq!(work(&another, &order).await.unwrap(), OutcomeClass::Succeeded);
    let wanted: Vec<&str> = QUESTIONS.into_iter().chain(["go --lines"; 3]).collect();
    assert_eq!(starts(&program), wanted);
}

#[tokio::test]
async fn b11_a_program_that_changed_is_asked_again_before_it_runs() {
    let world = World::new();
    let program = installed(&world);
    let (workers, order) = (workers_for(&world, &program), order(&world, "lines"));
    assert_eq!(work(&workers, &order).await.unwrap(), OutcomeClass::Succeeded);
    let mut other = player(SUCCESS);
    other.version = "lines 1.3.0".to_owned();
    other.install(world.root.path(), "lines");
    let report = workers.run(&order, &ignore, &CancellationToken::new()).await.unwrap();
    assert_eq!(report.evidence.agent.unwrap().identity.version.as_deref(), Some("lines 1.3.0"));
    assert_eq!(starts(&program).iter().filter(|start| *start == "--version").count(), 2);
    other.version = "lines 1.1.0".to_owned();
    other.install(world.root.path(), "lines");
    let refused = work(&workers, &order).await.unwrap_err().to_string();
    assert!(refused.contains("it sang before") && refused.contains("make lines"), "{refused}");
    assert_eq!(starts(&program).iter().filter(|start| start.starts_with("go --lines")).count(), 2);
}

#[tokio::test]
async fn garbage_in_the_memory_is_asked_again_and_the_file_is_the_owners_alone() {
    let world = World::new();
    let program = installed(&world);
    let order = order(&world, "lines");
    let cache = world.root.path().join("data/agents/programs.json");
    let mut asked = 0;
    for garbage in
        ["", "{", "[]", "{\"format\":2,\"programs\":[]}", "\u{0}\u{1}", "{\"format\":1,\"programs\":[{}]}"]
    {
        put(&cache, garbage);
        assert_eq!(work(&workers_for(&world, &program), &order).await.unwrap(), OutcomeClass::Succeeded);
        asked += 1;
        assert_eq!(starts(&program).iter().filter(|start| *start == "--version").count(), asked, "{garbage}");
    }
    assert_eq!(cache.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&cache).unwrap();
    let moved = text.replace("\"program\":\"", "\"program\":\"/elsewhere");
    assert_ne!(text, moved);
    put(&cache, &moved);
    assert_eq!(work(&workers_for(&world, &program), &order).await.unwrap(), OutcomeClass::Succeeded);
    let folder: Vec<_> = std::fs::read_dir(cache.parent().unwrap()).unwrap().collect();
    assert_eq!(folder.len(), 1, "nothing is left beside it: {folder:?}");
}

#[tokio::test]
async fn a_question_sees_nothing_of_the_operators_and_leaves_nothing() {
    let world = World::new();
    let mut asked = player(SUCCESS);
    let seen = world.root.path().join("seen");
    asked.version = "lines 1.2.3'; env >> '".to_owned()
        + seen.to_str().unwrap()
        + "'; mkdir -p \"$HOME/.lines\" \"$XDG_CACHE_HOME\"; echo '";
    let program = asked.install(world.root.path(), "lines");
    let status = workers_for(&world, &program).survey().await.remove(0);
    assert_eq!(status.version.as_deref(), Some("lines 1.2.3"));
    let env = std::fs::read_to_string(seen).unwrap();
    assert!(!env.contains("canary-secret") && !env.contains("CARGO"), "{env}");
    let home = env.lines().find_map(|line| line.strip_prefix("HOME=")).unwrap();
    assert!(Path::new(home).starts_with(world.root.path().join("data")), "{home}");
    assert!(!Path::new(home).exists(), "its home is still there");
}

#[tokio::test]
async fn a_program_that_says_nothing_of_itself_is_not_run() {
    let world = World::new();
    let program = world.root.path().join("lines");
    put(&program, "#!/bin/sh\necho broken >&2\nexit 3\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let workers = workers_for(&world, &program);
    let refused = work(&workers, &order(&world, "lines")).await.unwrap_err().to_string();
    assert!(refused.contains("ended with code 3: broken") && refused.contains("make lines"), "{refused}");
    let status = workers.survey().await.remove(0);
    assert_eq!((status.program, status.problems.len()), (None, 1));
    assert!(status.problems[0].blocks, "{:?}", status.problems);
}

#[tokio::test]
async fn a_name_stands_alone_and_an_unknown_one_is_told_the_others() {
    let world = World::new();
    let program = installed(&world);
    let workers = workers_for(&world, &program);
    for (name, wanted) in [
        ("lines:--fast", "write `lines`"),
        ("lines --fast", "write `lines`"),
        ("singer", "the names are `lines`; any other program is `command:PROGRAM ARGS`"),
        ("", "the names are `lines`"),
    ] {
        let refused = workers.probe(name).unwrap_err();
        assert!(matches!(refused, WorkerError::UnknownAgent { .. }), "{refused}");
        assert!(refused.to_string().contains(wanted), "{name}: {refused}");
    }
    assert_eq!(workers.pool("lines").unwrap().as_str(), "lines:default");
    assert_eq!(workers.pool("command:true"), None);
}

#[tokio::test]
async fn a_relative_program_is_refused_and_a_name_is_looked_for_on_the_search_path() {
    let world = World::new();
    let relative = workers_for(&world, Path::new("bin/lines"));
    let refused = relative.probe("lines").unwrap_err().to_string();
    assert!(refused.contains("is a relative path"), "{refused}");
    let nowhere = workers(&world, WorkerSettings::default(), agents());
    let refused = nowhere.probe("lines").unwrap_err().to_string();
    assert!(refused.contains("no program `lines` on the search path"), "{refused}");
    assert!(refused.contains("make lines") && refused.contains("AGENTPR_LINES_BIN"), "{refused}");
}

async fn look(world: &World, change: impl FnOnce(&mut WorkerSettings, &mut Setup)) -> AgentStatus {
    let mut setup = Setup { program: Some(installed(world)), ..Setup::default() };
    let mut settings = settings(world, Setup::default());
    settings.home = Some(world.root.path().join("home"));
    change(&mut settings, &mut setup);
    settings.setups.insert("lines".to_owned(), setup);
    workers(world, settings, agents()).survey().await.remove(0)
}

#[tokio::test]
async fn a_survey_says_how_an_agent_is_logged_in_and_never_with_what() {
    let world = World::new();
    let none = look(&world, |_, _| {}).await;
    assert_eq!((none.login, none.problems.len()), (Login::Missing, 0));
    assert_eq!(none.capabilities, ["--lines", "--resume"]);
    assert_eq!((none.version.as_deref(), none.sha256.is_some()), (Some("lines 1.2.3"), true));

    let login = world.root.path().join("home/.lines/login.json");
    put(&login, "{}");
    let hint = look(&world, |_, _| {}).await;
    assert_eq!((&hint.login, hint.problems.len()), (&Login::Missing, 1));
    assert!(!hint.problems[0].blocks);
    let line = format!("add `login = \"{}\"` to `[agents.lines]`", login.display());
    assert_eq!(hint.problems[0].mend, line);

    let file = look(&world, |_, setup| setup.login = Some(login.clone())).await;
    assert_eq!((file.login, file.problems.len()), (Login::File { path: login.clone() }, 0));

    let gone = look(&world, |_, setup| setup.login = Some(login.with_extension("old"))).await;
    assert_eq!((&gone.login, gone.problems.len(), gone.problems[0].blocks), (&Login::Missing, 1, true));

    let key = Key { variable: "LINES_API_KEY".to_owned(), value: "a-key-nobody-sees".to_owned() };
    let keyed = look(&world, |_, setup| setup.key = Some(key)).await;
    assert_eq!(keyed.login, Login::Key { variable: "LINES_API_KEY".to_owned() });
    assert_eq!(keyed.pool.as_ref().unwrap().as_str(), "lines:LINES_API_KEY");
    assert!(!format!("{keyed:?}").contains("a-key-nobody-sees"));

    let local = look(&world, |settings, setup| {
        settings.home = None;
        setup.base_url = Some("http://127.0.0.1:1/v1".to_owned());
    });
    assert_eq!(local.await.login, Login::Own);
}

#[tokio::test]
async fn a_login_that_is_gone_stops_a_run_before_it_starts() {
    let world = World::new();
    let program = installed(&world);
    let setup = Setup {
        program: Some(program.clone()),
        login: Some(world.root.path().join("gone.json")),
        ..Setup::default()
    };
    let workers = workers(&world, settings(&world, setup), agents());
    let refused = work(&workers, &order(&world, "lines")).await.unwrap_err().to_string();
    assert!(refused.contains("gone.json` of `lines` is not there"), "{refused}");
    assert!(!starts(&program).iter().any(|start| start.starts_with("go --lines")));
}

#[test]
fn a_key_from_a_file_is_among_the_secrets_and_prices_go_by_model() {
    let key = Key { variable: "LINES_API_KEY_FILE".to_owned(), value: "from-a-file".to_owned() };
    let setup = Setup {
        key: Some(key),
        server_login: Some(("user".to_owned(), "a-password".to_owned())),
        ..Setup::default()
    };
    let mut settings =
        WorkerSettings { setups: [("lines".to_owned(), setup)].into(), ..WorkerSettings::default() };
    assert_eq!(settings.secrets(), ["from-a-file", "a-password"]);
    let folder = tempfile::tempdir().unwrap();
    let login = folder.path().join("login.json");
    let token = "tok-0123456789abcdefghij";
    put(&login, &format!("{{\"kind\":\"oauth\",\"all\":[{{\"access\":\"{token}\",\"until\":17}}]}}"));
    settings.setups.insert("other".to_owned(), Setup { login: Some(login), ..Setup::default() });
    assert_eq!(settings.secrets(), ["from-a-file", "a-password", token]);
    assert!(!format!("{settings:?}").contains("from-a-file"));
    let price = |input| Price { input, ..Price::default() };
    settings.prices.insert("small".to_owned(), price(1));
    settings.prices.insert("dear/small".to_owned(), price(2));
    assert_eq!(settings.price("small"), Some(price(1)));
    assert_eq!(settings.price("cheap/small"), Some(price(1)));
    assert_eq!(settings.price("dear/small"), Some(price(2)));
    assert_eq!(settings.price("large"), None);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_answer() {
    let world = World::new();
    let mut slow = player(SUCCESS);
    let (begun, over) = (world.root.path().join("begun"), world.root.path().join("over"));
    slow.version = format!("1.2'; touch {}; sleep 2; touch {}; echo '3", begun.display(), over.display());
    let program = slow.install(world.root.path(), "lines");
    let (workers, order) = (workers_for(&world, &program), order(&world, "lines"));
    let stop = CancellationToken::new();
    let pull = async {
        until("it is asked", || begun.exists()).await;
        stop.cancel();
    };
    let (report, ()) = tokio::join!(workers.run(&order, &ignore, &stop), pull);
    let report = report.unwrap();
    assert!(!over.exists(), "the stop waited for the answer");
    assert_eq!(report.outcome, AttemptOutcome::Stopped);
    assert_eq!(report.evidence.agent.unwrap().class, OutcomeClass::Killed);
}

/// An agent that is there as soon as its stage is set.
struct Stopwatch(Arc<Mutex<Option<Instant>>>);

#[async_trait]
impl Agent for Stopwatch {
    fn known(&self) -> &'static KnownAgent {
        &LINES
    }

    fn help_args(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    fn capabilities(&self, _: &Installed) -> Vec<&'static str> {
        Vec::new()
    }

    fn needs(&self) -> &'static [&'static str] {
        &[]
    }

    fn login_file(&self) -> Option<&'static str> {
        None
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<WorkReport, WorkerError> {
        assert!(stage.home.starts_with(&stage.runtime) && stage.home.is_dir());
        assert_eq!(stage.home.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        *self.0.lock().unwrap() = Some(Instant::now());
        Err(WorkerError::Unavailable("nothing more".to_owned()))
    }
}

#[tokio::test]
async fn a_large_program_is_not_read_again_for_a_start() {
    let world = World::new();
    let program = installed(&world);
    // As large as the real ones: its digest alone takes longer than a start may.
    let size = 200 * 1024 * 1024;
    std::fs::OpenOptions::new().append(true).open(&program).unwrap().set_len(size).unwrap();
    let reached = Arc::new(Mutex::new(None));
    let setup = Setup { program: Some(program), ..Setup::default() };
    let agents: Vec<Box<dyn Agent>> = vec![Box::new(Stopwatch(Arc::clone(&reached)))];
    let (workers, order) = (workers(&world, settings(&world, setup), agents), order(&world, "lines"));
    let mut took = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        work(&workers, &order).await.unwrap_err();
        took.push(reached.lock().unwrap().unwrap().duration_since(begun));
    }
    let first = took.remove(0);
    let quickest = took.into_iter().min().unwrap();
    assert!(
        quickest < Duration::from_millis(50) && quickest < first / 2,
        "warm {quickest:?}, cold {first:?}"
    );
}

#[tokio::test]
async fn with_a_warm_memory_a_start_costs_no_question() {
    let world = World::new();
    let program = installed(&world);
    let (workers, order) = (workers_for(&world, &program), order(&world, "lines"));
    work(&workers, &order).await.unwrap();
    let mut quickest = Duration::MAX;
    for _ in 0..10 {
        let begun = Instant::now();
        let told = Mutex::new(None);
        let listener = |_: ProcessRef| *told.lock().unwrap() = Some(begun.elapsed());
        workers.run(&order, &listener, &CancellationToken::new()).await.unwrap();
        quickest = quickest.min(told.lock().unwrap().unwrap());
    }
    assert_eq!(starts(&program).iter().filter(|start| *start == "--version").count(), 1);
    assert!(quickest < Duration::from_millis(100), "a start took {quickest:?}");
}
