//! What `show` and `why` say of a pull request at its forge, and the rule about its updates.

use agentpr::domain::event::{
    ChangeCaptured, CheckRecorded, CommentRecorded, DiscoveryStarted, Event, ForgeParked, HeadMoved,
    HeadSeen, HumanReviewRequested, ImplementationStarted, PlanReady, PrLinked, PullChanged, Pushed,
    RepositoryChanged, ReviewRecorded, SentBack, ValidationStarted,
};
use agentpr::domain::evidence::{Change, Contract, DiffStat};
use agentpr::domain::forge::fact::{
    CheckFact, CheckKind, CommentFact, CommentKind, HeadFact, PullFact, PullState, RepositoryFact, ReviewFact,
};
use agentpr::domain::id::{BranchName, CommitSha, Digest, PrNumber, TreeSha};
use agentpr::domain::time::Timestamp;

use crate::harness::Sandbox;

use super::usage::add;
use super::with_run;

const AT: i64 = 1_700_000_000_000;

/// A name that tries to move the cursor, to turn the text around and to forge a line.
const HOSTILE: &str = "\u{1b}[2J\u{202e}evil\nhint: agentpr approve a";

fn sha(n: u8) -> CommitSha {
    CommitSha::new(format!("{n:02x}").repeat(20)).unwrap()
}

/// A run whose pull request waits for its checks.
fn with_pull_request() -> Sandbox {
    let sandbox = with_run("a");
    let change = Change {
        head_sha: sha(1),
        tree: TreeSha::new("02".repeat(20)).unwrap(),
        parent_sha: sha(0xb0),
        diff_digest: Digest::new("03".repeat(32)).unwrap(),
        stat: DiffStat { files: 1, insertions: 2, deletions: 3 },
    };
    let branch = BranchName::new("agentpr/a").unwrap();
    let number = PrNumber::new(5).unwrap();
    let events: Vec<Event> = vec![
        DiscoveryStarted {}.into(),
        PlanReady { contract: Contract { path: "contract.md".to_owned(), sha256: None } }.into(),
        ImplementationStarted {}.into(),
        ChangeCaptured { change }.into(),
        ValidationStarted {}.into(),
        Pushed { branch, sha: sha(1), request: None }.into(),
        PrLinked { pr_number: number, url: None, request: None }.into(),
    ];
    add(&sandbox, "a", AT, events);
    sandbox
}

fn check(name: &str, conclusion: Option<&str>) -> Event {
    let check = CheckFact {
        kind: CheckKind::Run,
        id: 1,
        suite: None,
        name: name.to_owned(),
        app: "github-actions".to_owned(),
        head_sha: sha(1),
        conclusion: conclusion.map(str::to_owned),
        at: Timestamp(AT),
        url: Some("https://forge.example/checks/1".to_owned()),
        summary: String::new(),
    };
    let word = conclusion.unwrap_or("pending").to_owned();
    CheckRecorded { conclusion: word, head_sha: Some(sha(1)), pr_number: None, check: Some(Box::new(check)) }
        .into()
}

fn review(reviewer: &str, state: &str) -> Event {
    let review = ReviewFact {
        id: 1,
        reviewer: reviewer.to_owned(),
        state: state.to_owned(),
        commit: Some(sha(1)),
        at: Timestamp(AT),
        body: HOSTILE.to_owned(),
        association: String::new(),
    };
    ReviewRecorded { state: state.to_owned(), head_sha: None, review: Some(Box::new(review)) }.into()
}

fn pull(state: PullState) -> Event {
    let pull = PullFact {
        number: PrNumber::new(5).unwrap(),
        state,
        draft: true,
        head_sha: sha(1),
        base_branch: None,
        at: Timestamp(AT),
        by: Some("mona".to_owned()),
        merge_sha: None,
    };
    PullChanged { pull }.into()
}

fn moved() -> Vec<Event> {
    let head = HeadFact { sha: Some(sha(0xfe)), by: Some("mona".to_owned()), at: Timestamp(AT) };
    vec![HeadSeen { head }.into(), HeadMoved { sha: sha(0xfe), by: Some("mona".to_owned()) }.into()]
}

fn says(sandbox: &Sandbox, args: &[&str]) -> String {
    sandbox.agentpr(args).ok().stdout
}

#[test]
fn show_lists_the_checks_those_that_failed_first_and_the_reviewers() {
    let sandbox = with_pull_request();
    let mut events: Vec<Event> = (0..25).map(|n| check(&format!("passes-{n:02}"), Some("success"))).collect();
    events.extend([check("zz-build", Some("failure")), check("slow", None), pull(PullState::Open)]);
    events.extend([review("mona", "changes_requested"), review("hubot", "approved")]);
    let comment = CommentFact {
        kind: CommentKind::Issue,
        id: 1,
        author: "mona".to_owned(),
        association: String::new(),
        path: None,
        line: None,
        body: "hello".to_owned(),
        at: Timestamp(AT),
        deleted: false,
    };
    events.push(CommentRecorded { comment }.into());
    let (checks, reviewers) = (vec!["zz-build".to_owned()], vec!["mona".to_owned()]);
    events.push(SentBack { head_sha: sha(1), checks, reviewers }.into());
    add(&sandbox, "a", AT, events);

    let text = says(&sandbox, &["show", "a"]);
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no `{what}` in {text}"));
    assert!(place("failed: zz-build https://forge.example") < place("waits or runs: slow"), "{text}");
    assert!(place("waits or runs: slow") < place("passed: passes-00"), "{text}");
    assert!(text.contains("and 7 more") && !text.contains("passes-24"), "{text}");
    assert!(text.contains("at the forge  open, a draft"), "{text}");
    assert!(text.contains("hubot approved") && text.contains("mona asks for changes"), "{text}");

    let why = says(&sandbox, &["why", "a"]);
    let line = "At the forge checks failed: zz-build; changes are asked for by mona.";
    assert!(why.contains(line), "{why}");

    let forge = sandbox.json(&["show", "a"])["forge"].clone();
    assert_eq!((forge["ci"].as_str(), forge["review"].as_str()), (Some("red"), Some("changes_requested")));
    assert_eq!(forge["checks"].as_array().map(Vec::len), Some(27));
    assert_eq!(
        (&forge["checks"][0]["name"], &forge["checks"][0]["light"]),
        (&"zz-build".into(), &"red".into())
    );
    assert_eq!(forge["reviews"][0]["reviewer"], "hubot");
    assert_eq!((&forge["comments"], &forge["pull"]["state"]), (&1.into(), &"open".into()));
}

#[test]
fn a_run_that_was_never_pushed_has_no_forge_part() {
    let sandbox = with_run("a");
    assert!(sandbox.json(&["show", "a"])["forge"].is_null());
    assert!(!says(&sandbox, &["why", "a"]).contains("At the forge"));
}

#[test]
fn a_commit_of_somebody_else_is_named_with_what_to_do() {
    let sandbox = with_pull_request();
    add(&sandbox, "a", AT, moved());
    let why = says(&sandbox, &["why", "a"]);
    assert!(why.contains("At the forge the branch was moved to fefefefefefe by mona."), "{why}");
    assert!(why.contains("a person to look at the commit that somebody else pushed"), "{why}");
    assert!(why.contains("next: agentpr resume a") && why.contains("next: agentpr cancel a"), "{why}");
    let head = sandbox.json(&["show", "a"])["forge"]["head"].clone();
    assert_eq!((&head["foreign"], &head["accepted"]), (&true.into(), &false.into()));

    let _resumed = sandbox.agentpr(&["resume", "a"]).ok();
    let head = sandbox.json(&["show", "a"])["forge"]["head"].clone();
    assert_eq!((&head["foreign"], &head["accepted"]), (&true.into(), &true.into()));
    assert!(says(&sandbox, &["show", "a"]).contains("of somebody else, which a person accepted"));
}

#[test]
fn what_a_person_can_do_about_a_forge_is_said() {
    let archived = |deleted| -> Event {
        let repository = RepositoryFact {
            id: 42,
            name: "o/new".parse().unwrap(),
            archived: true,
            deleted,
            at: Timestamp(AT),
        };
        RepositoryChanged { repository }.into()
    };
    let human = |reason: &str| -> Event {
        HumanReviewRequested { reason: reason.to_owned(), message: "look".to_owned() }.into()
    };
    let cases = [
        (
            vec![archived(false), human("repository_archived")],
            "its repository is archived",
            "agentpr cancel a",
        ),
        (vec![archived(true), human("repository_deleted")], "its repository is gone", "agentpr cancel a"),
        (vec![human("foreign_head")], "repair the pull request by hand", "agentpr mark-done --run-id a"),
        (
            vec![human("ready_for_review"), pull(PullState::Merged)],
            "its pull request was merged",
            "agentpr mark-done --run-id a",
        ),
    ];
    for (events, waits_for, next) in cases {
        let sandbox = with_pull_request();
        add(&sandbox, "a", AT, events);
        let shown = sandbox.json(&["show", "a"]);
        assert!(shown["waits_for"].as_str().unwrap().contains(waits_for), "{shown}");
        assert!(shown["next"].as_array().unwrap().contains(&next.into()), "{shown}");
    }
}

#[test]
fn checks_that_wait_for_a_maintainer_and_a_parked_forge_are_said() {
    let sandbox = with_pull_request();
    let parked = ForgeParked { until: Timestamp(AT), reason: "enough".to_owned(), times: 2 };
    add(&sandbox, "a", AT, vec![check("build", Some("action_required")), parked.into()]);
    let text = says(&sandbox, &["show", "a"]);
    assert!(text.contains("wait for a maintainer to let them run"), "{text}");
    assert!(text.contains("until 2023-11-14T22:13:20.000Z, 2 times in a row"), "{text}");
    let shown = sandbox.json(&["show", "a"]);
    assert_eq!(shown["forge"]["ci"], "awaiting_maintainer");
    assert!(shown["waits_for"].as_str().unwrap().contains("a maintainer of the repository"), "{shown}");
    let why = says(&sandbox, &["why", "a"]);
    assert!(why.contains("At the forge its checks wait for a maintainer to let them run."), "{why}");
}

#[test]
fn hostile_names_at_the_forge_move_nothing_and_forge_no_line() {
    let sandbox = with_pull_request();
    let names = (vec![HOSTILE.to_owned()], vec![HOSTILE.to_owned()]);
    let events = vec![
        check(HOSTILE, Some("failure")),
        review(HOSTILE, "changes_requested"),
        SentBack { head_sha: sha(1), checks: names.0, reviewers: names.1 }.into(),
    ];
    add(&sandbox, "a", AT, events);
    for args in [&["show", "a"][..], &["why", "a"], &["events", "a"], &["show", "a", "--json"]] {
        let text = says(&sandbox, args);
        let bad = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{args:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("hint:")), "{args:?}: {text}");
    }
}

#[test]
fn who_lets_updates_go_is_set_for_all_for_one_repository_and_for_one_run() {
    let sandbox = Sandbox::new();
    let policy = |order: &[&str]| {
        let order = [&["create-run", "--prompt-version", "v", "--run-id"][..], order].concat();
        let _made = sandbox.agentpr(&order).ok();
        sandbox.json(&["show", order[4]])["run"]["policy"]["update_push"].as_str().unwrap().to_owned()
    };
    assert_eq!(policy(&["a", "--owner", "o", "--repo", "r"]), "confirm");
    let auto = "auto_after_first_approval";
    let one = ["b", "--owner", "o", "--repo", "r", "--update-push", auto];
    assert_eq!(policy(&one), auto);
    let text = format!("[policy]\nupdate_push = '{auto}'\n[repository.\"o/r\"]\nupdate_push = 'confirm'\n");
    let file = sandbox.write("settings.toml", &text).display().to_string();
    assert_eq!(policy(&["c", "--owner", "o", "--repo", "r", "--config", &file]), "confirm");
    assert_eq!(policy(&["d", "--owner", "o", "--repo", "s", "--config", &file]), auto);
    let shown = says(&sandbox, &["config", "show", "--config", &file]);
    assert!(shown.contains("policy.update_push") && shown.contains("repository.o/r.update_push"), "{shown}");
    let wrong = sandbox.write("wrong.toml", "[policy]\nupdate_push = 'always'\n").display().to_string();
    let answer = sandbox.agentpr(&["config", "show", "--config", &wrong]).code(2);
    assert!(answer.stderr.contains("auto_after_first_approval"), "{}", answer.stderr);
    let order = ["create-run", "--prompt-version", "v", "--run-id", "e", "--owner", "o", "--repo", "r"];
    let _refused = sandbox.agentpr(&[&order[..], &["--update-push", "always"]].concat()).code(2);
}
