//! `usage` and `quota`, and what `show` and `why` say of cost: the same numbers for people and for machines.

use agentpr::adapters::store::SqliteStore;
use agentpr::domain::actor::Actor;
use agentpr::domain::agent::budget::Allowance;
use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::quota::Pool;
use agentpr::domain::agent::record::{AgentRecord, Identity};
use agentpr::domain::agent::usage::{MoneySource, Tokens, Usage};
use agentpr::domain::event::{
    AttemptEnded, AttemptStarted, Event, HumanReviewRequested, Pushed, QuotaParked,
};
use agentpr::domain::evidence::{AttemptEvidence, AttemptOutcome, Step};
use agentpr::domain::id::{AttemptNo, CommitSha, RunId, Version};
use agentpr::domain::run::Run;
use agentpr::domain::time::Timestamp;
use agentpr::ports::store::{Append, EventStore};

use crate::harness::sandbox::finish;
use crate::harness::{Sandbox, git};

use super::agents::fake_codex;
use super::create;

/// Appends events to a run, each with the state it leads to.
pub(super) fn add(sandbox: &Sandbox, run: &str, at: i64, events: Vec<Event>) {
    let store = SqliteStore::open(&sandbox.db()).unwrap();
    let run = RunId::new(run).unwrap();
    for event in events {
        let fold = Run::fold(&store.events_of(&run, Version(0)).unwrap()).unwrap().unwrap();
        let state = fold.state_after(&event).unwrap();
        let append = Append {
            run: run.clone(),
            expected: fold.version,
            fence: None,
            actor: Actor::engine(),
            at: Timestamp(at),
            cause: None,
            key: None,
            events: vec![(event, state)],
        };
        store.append(&append).unwrap();
    }
}

fn started(no: u32) -> Event {
    let reserved = Some(Allowance { tokens: Some(5_000), ..Allowance::default() });
    AttemptStarted { attempt: AttemptNo(no), step: Step::Agent, generation: 1, reserved }.into()
}

/// An attempt that used so much.
fn attempt(no: u32, model: &str, input: u64, micros: u64, source: MoneySource) -> Vec<Event> {
    let tokens = Tokens { input, cached: input / 2, output: 30, reasoning: 10, ..Tokens::default() };
    let record = AgentRecord {
        identity: Identity { version: Some("0.169.0".to_owned()), ..Identity::default() },
        model: Some(model.to_owned()),
        usage: Usage { tokens, micros, source, turns: 3 },
        ..AgentRecord::of(OutcomeClass::NoOp, None)
    };
    let evidence = AttemptEvidence {
        worker: "codex".to_owned(),
        duration_ms: 61_000,
        agent: Some(Box::new(record)),
        ..AttemptEvidence::default()
    };
    let outcome = AttemptOutcome::Succeeded;
    let ended = AttemptEnded { attempt: AttemptNo(no), step: Step::Agent, outcome, evidence };
    vec![started(no), ended.into()]
}

pub(super) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A store with two runs: one of known money, one with a part nobody knows, that nobody read, and that goes on.
fn with_usage() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        let _made = create(&sandbox, name);
    }
    add(&sandbox, "a", now(), attempt(1, "model-1", 1_000, 12_345, MoneySource::Table));
    add(&sandbox, "a", now(), attempt(2, "model-2", 500, 2_000, MoneySource::Reported));
    add(&sandbox, "b", now(), attempt(1, "model-1", 100, 0, MoneySource::Unknown));
    let cut_off = AttemptEnded {
        attempt: AttemptNo(2),
        step: Step::Agent,
        outcome: AttemptOutcome::Interrupted,
        evidence: AttemptEvidence::default(),
    };
    add(&sandbox, "b", now(), vec![started(2), cut_off.into()]);
    sandbox
}

#[test]
fn the_attempts_of_a_run_are_told_with_their_money_and_its_source() {
    let sandbox = with_usage();
    let told = sandbox.json(&["usage", "--run", "a"]);
    assert_eq!(told["by"], "attempt");
    let (second, first) = (&told["rows"][0], &told["rows"][1]);
    assert_eq!((&first["attempt"], &second["attempt"]), (&1.into(), &2.into()), "the newest comes first");
    assert_eq!((&first["model"], &first["version"]), (&"model-1".into(), &"0.169.0".into()));
    assert_eq!((&first["class"], &first["role"]), (&"no_op".into(), &"build".into()));
    assert_eq!(first["usage"]["tokens"]["total"], 1_030);
    assert_eq!(first["usage"]["cost"]["dollars"], "0.0123");
    assert_eq!(second["usage"]["cost"]["source"], "reported");
    assert_eq!(told["total"]["cost"]["micros"], 14_345);
    assert_eq!(told["total"]["cost"]["source"], "mixed");
    let text = sandbox.agentpr(&["usage", "--run", "a"]).ok().stdout;
    for words in ["$0.0123", "$0.0020 (reported)", "$0.0143 (partly reported)", "model-2", "1 min 1 s"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.lines().last().unwrap().starts_with(" total"), "{text}");
}

#[test]
fn what_nobody_knows_and_nobody_read_is_said() {
    let sandbox = with_usage();
    let text = sandbox.agentpr(&["usage", "--run", "b"]).ok().stdout;
    for words in ["unknown", "not read", "for 0 under way and 1 not read: 5000 tokens"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let told = sandbox.json(&["usage", "--run", "b"]);
    assert_eq!(told["rows"][0]["usage"], serde_json::Value::Null);
    assert_eq!(told["total"]["not_read"], 1);
    assert_eq!(told["total"]["reserved"]["tokens"], 5_000);
    assert_eq!(told["total"]["cost"]["attempts_of_unknown_cost"], 1);
    add(&sandbox, "b", now(), vec![started(3)]);
    assert_eq!(sandbox.json(&["usage", "--run", "b"])["total"]["under_way"], 1);
}

#[test]
fn use_is_added_up_by_run_repository_day_and_agent() {
    let sandbox = with_usage();
    add(&sandbox, "b", now() - 3 * 86_400_000, attempt(3, "model-1", 40, 0, MoneySource::Unknown));
    let groups = |args: &[&str], by: &str| -> Vec<(String, u64)> {
        let told = sandbox.json(&[&["usage"][..], args].concat());
        let rows = told["rows"].as_array().unwrap();
        let group = |row: &serde_json::Value| {
            (row[by].as_str().unwrap().to_owned(), row["total"]["attempts"].as_u64().unwrap())
        };
        rows.iter().map(group).collect()
    };
    let pair = |name: &str, attempts| (name.to_owned(), attempts);
    assert_eq!(groups(&["--repo", "O/R"], "run"), [pair("b", 3), pair("a", 2)]);
    assert_eq!(groups(&["--days", "7", "--by", "repository"], "repository"), [pair("o/r", 5)]);
    assert_eq!(groups(&["--days", "2", "--by", "repository"], "repository"), [pair("o/r", 4)]);
    let days = groups(&[], "day");
    assert_eq!(days.iter().map(|(_, attempts)| *attempts).collect::<Vec<_>>(), [1, 4]);
    assert!(days.iter().all(|(day, _)| day.len() == 10), "{days:?}");
    let agents = [pair("codex model-1", 3), pair("not known yet", 1), pair("codex model-2", 1)];
    assert_eq!(groups(&["--by", "agent"], "agent"), agents);
    let text = sandbox.agentpr(&["usage", "--repo", "o/r"]).ok().stdout;
    assert!(text.contains("at least $0.0143 (partly reported)"), "{text}");
    assert!(!text.contains("pull request"), "no run has one: {text}");
    assert!(sandbox.agentpr(&["usage", "--repo", "o/other"]).ok().stdout.contains("No agent was used."));
    let _unknown = sandbox.agentpr(&["usage", "--run", "nobody"]).code(4);
    let _both = sandbox.agentpr(&["usage", "--run", "a", "--repo", "o/r"]).code(2);
}

#[test]
fn an_opened_pull_request_has_its_price() {
    let sandbox = with_usage();
    for args in [
        &["start-discovery", "--run-id", "a"][..],
        &["mark-plan-ready", "--run-id", "a", "--contract-path", "c.md"],
        &["start-implementation", "--run-id", "a"],
        &["mark-local-validated", "--run-id", "a"],
    ] {
        let _done = sandbox.agentpr(args).ok();
    }
    let sha = CommitSha::new("1".repeat(40)).unwrap();
    let pushed = Pushed { branch: "agentpr/a".parse().unwrap(), sha, request: None };
    add(&sandbox, "a", now(), vec![pushed.into()]);
    let _linked = sandbox.agentpr(&["link-pr", "--run-id", "a", "--pr-number", "5"]).ok();
    let told = sandbox.json(&["usage", "--repo", "o/r"]);
    assert_eq!(
        (&told["runs_with_pull_request"], &told["micros_per_pull_request"]),
        (&1.into(), &14_345.into())
    );
    let text = sandbox.agentpr(&["usage", "--days", "1"]).ok().stdout;
    let line = "at least $0.0143 (partly reported) for each opened pull request, over 1 run with one.";
    assert_eq!(text.lines().last(), Some(line));
}

#[test]
fn show_has_cost_and_agents() {
    let sandbox = with_usage();
    let shown = sandbox.json(&["show-run", "--run-id", "a"]);
    assert_eq!(shown["usage"]["total"]["tokens"]["input"], 1_500);
    assert_eq!(shown["usage"]["attempts"][0]["attempt"], 1, "the oldest comes first, as among attempts");
    assert_eq!(shown["usage"]["attempts"][1]["model"], "model-2");
    let text = sandbox.agentpr(&["show", "a"]).ok().stdout;
    let cost =
        "$0.0143 (partly reported); 1500 tokens in (750 cached), 60 out (20 reasoning); 6 turns; 2 min 2 s";
    assert!(text.contains(cost), "{text}");
    assert!(text.contains("0.169.0"), "{text}");
    assert_eq!(sandbox.json(&["replay", "--run-id", "a"]), shown, "the log alone says the same");
}

#[test]
fn why_says_what_was_used_when_a_budget_is_the_reason() {
    let sandbox = with_usage();
    let _begun = sandbox.agentpr(&["start-discovery", "--run-id", "b"]).ok();
    assert!(!sandbox.agentpr(&["why", "b"]).ok().stdout.contains("What its agents used"));
    let message = "the budget of this run is used up: 5130 of 5000 tokens".to_owned();
    let over = HumanReviewRequested { reason: "budget_exhausted".to_owned(), message: message.clone() };
    add(&sandbox, "b", now(), vec![over.into()]);
    let text = sandbox.agentpr(&["why", "b"]).ok().stdout;
    assert!(text.contains(&message), "{text}");
    assert!(text.contains("What its agents used: cost unknown; 100 tokens in"), "{text}");
    assert!(text.contains("agentpr usage --run b"), "{text}");
    let told = sandbox.json(&["why", "b"]);
    assert_eq!(told["usage"]["tokens"]["total"], 130);
    assert!(told["budgets"].is_object(), "{told}");
}

#[test]
fn a_used_up_allowance_is_told_with_who_waits_until_a_person_lifts_it() {
    let sandbox = Sandbox::new();
    for name in ["a", "b", "c"] {
        let _made = create(&sandbox, name);
        let _begun = sandbox.agentpr(&["start-discovery", "--run-id", name]).ok();
    }
    assert!(sandbox.agentpr(&["quota"]).ok().stdout.contains("No allowance is used up."));
    let pool = Pool::new("codex:CODEX_API_KEY");
    let parked = |ahead: i64| -> Event {
        let at = |secs: i64| Timestamp(now() + secs * 1_000);
        QuotaParked { pool: pool.clone(), reset_at: Some(at(3_600)), until: at(ahead), times: 1 }.into()
    };
    add(&sandbox, "a", now(), vec![parked(3_610)]);
    add(&sandbox, "b", now(), vec![parked(3_620)]);
    let told = sandbox.json(&["quota"]);
    let view = &told["pools"][0];
    assert_eq!((&view["pool"], &view["met_by"]), (&"codex:CODEX_API_KEY".into(), &"b".into()));
    assert!((3_500..=3_600).contains(&view["secs_left"].as_u64().unwrap()), "{view}");
    let waiting: Vec<&str> =
        view["waiting"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!(waiting, ["b", "a"], "the run that met nothing does not wait");
    let text = sandbox.agentpr(&["quota"]).ok().stdout;
    for words in ["codex:CODEX_API_KEY", "59 min", "b, a", "agentpr quota --clear codex:CODEX_API_KEY"] {
        assert!(text.contains(words), "{words}: {text}");
    }

    let _other = sandbox.agentpr(&["quota", "--clear", "claude:KEY"]).code(4);
    let lifted = sandbox.json(&["--actor", "grace", "quota", "--clear", "codex:CODEX_API_KEY"]);
    assert_eq!(lifted["runs"], serde_json::json!(["b", "a"]));
    assert_eq!(sandbox.json(&["quota"])["pools"], serde_json::json!([]));
    let events = sandbox.agentpr(&["events", "a", "--json"]).ok().stdout;
    let last: serde_json::Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event_type"], &last["actor"]), (&"quota.lifted".into(), &"cli:grace".into()));
    let _again = sandbox.agentpr(&["quota", "--clear", "codex:CODEX_API_KEY"]).code(4);
}

#[test]
fn an_allowance_is_lifted_although_the_run_that_met_it_has_ended() {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        let _made = create(&sandbox, name);
        let _begun = sandbox.agentpr(&["start-discovery", "--run-id", name]).ok();
    }
    let until = Timestamp(now() + 60_000);
    let parked = QuotaParked { pool: Pool::new("codex:KEY"), reset_at: None, until, times: 1 };
    add(&sandbox, "a", now(), vec![parked.into()]);
    let _ended = sandbox.agentpr(&["cancel", "a"]).ok();
    assert_eq!(sandbox.json(&["quota", "--clear", "codex:KEY"])["runs"], serde_json::json!(["b"]));
    assert_eq!(sandbox.json(&["quota"])["pools"], serde_json::json!([]));
}

#[test]
fn a_run_that_waits_for_an_allowance_says_whose_until_when_and_what_to_type() {
    let sandbox = super::step::implementing_with(&["--agent", "command:true"]);
    let until = Timestamp(now() + 3_610_000);
    let parked = QuotaParked { pool: Pool::new("codex:KEY"), reset_at: None, until, times: 1 };
    add(&sandbox, "a", now(), vec![parked.into()]);
    let why = sandbox.agentpr(&["why", "a"]).ok().stdout;
    for words in [
        "waits for the allowance of `codex:KEY` to come back at 2",
        "(in 1 h 0 min)",
        "next: agentpr quota\n",
        "next: agentpr quota --clear codex:KEY\n",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
    let shown = sandbox.json(&["show", "a"]);
    let told = shown["waits_until"].as_str().unwrap();
    assert_eq!(told.parse::<jiff::Timestamp>().unwrap().as_millisecond(), until.0);
    assert_eq!(sandbox.json(&["why", "a"])["waits_until"], told);
    assert!(shown["pulse"].is_null(), "no agent is at work: {shown}");
}

#[test]
fn a_run_in_the_foreground_that_has_to_wait_for_an_allowance_says_so_and_is_to_be_tried_later() {
    let sandbox = Sandbox::new();
    let _made = create(&sandbox, "a");
    let _begun = sandbox.agentpr(&["start-discovery", "--run-id", "a"]).ok();
    let until = Timestamp(now() + 3_600_000);
    let parked =
        QuotaParked { pool: Pool::new("codex:CODEX_API_KEY"), reset_at: Some(until), until, times: 1 };
    add(&sandbox, "a", now(), vec![parked.into()]);
    git::git(sandbox.path(), &["init", "--quiet", "own"]);
    let own = sandbox.path().join("own");
    git::git(&own, &["commit", "--quiet", "--allow-empty", "-m", "begin"]);
    let program = fake_codex(&sandbox, "codex-cli 9.9.9", "--json --config --model --sandbox resume");
    let args =
        ["run", "--repo", "own", "--task", "t", "--agent", "codex", "--check", "true", "--run-id", "mine"];
    let mut command = sandbox.command(&args);
    command.env("AGENTPR_CODEX_BIN", program).env("CODEX_API_KEY", "zzcanaryvalue1");
    let answer = finish(command.spawn().unwrap()).code(75);
    for words in
        ["`codex:CODEX_API_KEY` is used up", "run-manager-loop --run-id mine", "agentpr quota --clear codex:"]
    {
        assert!(answer.stderr.contains(words), "{words}: {}", answer.stderr);
    }
    assert!(!answer.stderr.contains("zzcanary") && !answer.stdout.contains("zzcanary"));
}
