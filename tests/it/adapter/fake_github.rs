//! The fake GitHub itself: what its answers look like, and that git, forks and pull requests behave as GitHub's do.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::git::{commit_on, git, tip};
use crate::harness::github::{FakeGitHub, Reply};

/// A commit id that no repository has; checks are kept for it all the same.
const SHA: &str = "1234567890123456789012345678901234567890";

/// Method and body, path (`R` stands for the repository), status, and a place in the answer with what is there.
type Row = ((&'static str, Option<Value>), String, u16, &'static str, Value);

/// `Owner/Repo` with a fork of alice's that has one more commit on `work`; gives her token and that commit.
fn forked() -> (FakeGitHub, String, String) {
    let github = FakeGitHub::start();
    let token = github.user("alice");
    github.admin("forks", &json!({"looks": 0}));
    github.repository("Owner/Repo", &[("a", "1\n")]);
    let forks = "/api/v3/repos/Owner/Repo/forks";
    assert_eq!(github.call("POST", forks, Some(&token), Some(&json!({}))).status, 202);
    let sha = github.push_by_other("alice/Repo", "work", "alice", ("a", "2\n"));
    (github, token, sha)
}

fn open(github: &FakeGitHub, token: &str, head: &str, base: &str) -> Reply {
    let body = json!({"title": "Change a", "head": head, "base": base, "body": "why", "draft": true});
    github.call("POST", "/api/v3/repos/Owner/Repo/pulls", Some(token), Some(&body))
}

#[test]
fn every_row_of_the_contract_is_answered_in_githubs_shape() {
    let (github, token, sha) = forked();
    github.allow("Owner/Repo", "alice", "admin");
    assert_eq!(open(&github, &token, "alice:work", "main").status, 201);
    let check = json!({"sha": SHA, "name": "test", "conclusion": "failure", "title": "2 failed", "log": "boom\n",
        "annotations": [{"path": "a", "start_line": 7, "message": "wrong"}]});
    let run = github.check("Owner/Repo", &check)["id"].clone();
    github.act("Owner/Repo", "statuses", &json!({"sha": SHA, "state": "pending", "context": "jenkins"}));
    github.review("Owner/Repo", 1, "bob", "changes_requested", "no");
    let remark = json!({"by": "bob", "body": "here", "path": "a", "line": 3});
    github.pull_act("Owner/Repo", 1, "review_comment", &remark);
    let hook = github.hook("Owner/Repo", "http://127.0.0.1:9/none", "secret", &["push"]);
    github.flush();
    let url = "http://127.0.0.1:9/other";
    let id = github.state()["repositories"]["Owner/Repo"]["id"].clone();
    let post = |body: Value| ("POST", Some(body));
    let get = || ("GET", None);
    let rows: Vec<Row> = vec![
        (get(), "/user".into(), 200, "/login", json!("alice")),
        (get(), "R".into(), 200, "/permissions/admin", json!(true)),
        (get(), format!("/repositories/{id}"), 200, "/full_name", json!("Owner/Repo")),
        (get(), "/repos/alice/repo".into(), 200, "/parent/full_name", json!("Owner/Repo")),
        (post(json!({"default_branch_only": true})), "R/forks".into(), 202, "/owner/login", json!("alice")),
        (get(), "/repos/alice/Repo/git/ref/heads/work".into(), 200, "/object/sha", json!(sha)),
        (get(), "R/git/ref/heads/none".into(), 404, "/message", json!("Not Found")),
        (get(), "/repos/alice/Repo/branches/work".into(), 200, "/commit/sha", json!(sha)),
        (
            get(),
            "R/pulls?state=all&head=alice:work&base=main".into(),
            200,
            "/0/head/label",
            json!("alice:work"),
        ),
        (get(), "R/pulls?state=all&head=bob:work".into(), 200, "", json!([])),
        (get(), "R/pulls?head=nonsense".into(), 200, "/0/number", json!(1)),
        (get(), "R/pulls/1".into(), 200, "/merged", json!(false)),
        (("PATCH", Some(json!({"title": "T"}))), "R/pulls/1".into(), 200, "/title", json!("T")),
        (post(json!({"labels": ["ai"]})), "R/issues/1/labels".into(), 200, "/0/name", json!("ai")),
        (post(json!({"body": "hello"})), "R/issues/1/comments".into(), 201, "/user/login", json!("alice")),
        (get(), "R/issues/1/comments".into(), 200, "/0/body", json!("hello")),
        (get(), "R/pulls/1/reviews".into(), 200, "/0/state", json!("CHANGES_REQUESTED")),
        (get(), "R/pulls/1/comments".into(), 200, "/0/line", json!(3)),
        (get(), format!("R/commits/{SHA}/check-runs"), 200, "/check_runs/0/conclusion", json!("failure")),
        (get(), format!("R/commits/{SHA}/check-suites"), 200, "/check_suites/0/status", json!("completed")),
        (get(), format!("R/commits/{SHA}/status"), 200, "/state", json!("pending")),
        (get(), format!("R/check-runs/{run}/annotations"), 200, "/0/start_line", json!(7)),
        (get(), "R/hooks".into(), 200, "/0/config/secret", json!("********")),
        (get(), format!("R/hooks/{hook}"), 200, "/id", json!(hook)),
        (post(json!({"config": {"url": url}})), "R/hooks".into(), 201, "/events/0", json!("push")),
        (post(json!({})), format!("R/hooks/{hook}/pings"), 204, "", Value::Null),
        (get(), format!("R/hooks/{hook}/deliveries"), 200, "/0/event", json!("ping")),
        (get(), "/rate_limit".into(), 200, "/resources/core/limit", json!(5_000)),
        (get(), "/app".into(), 401, "/message", json!("A JSON web token could not be decoded")),
    ];
    for ((method, body), path, status, pointer, wanted) in rows {
        let full =
            format!("/api/v3{}", path.replacen('R', "/repos/Owner/Repo", usize::from(path.starts_with('R'))));
        let reply = github.call(method, &full, Some(&token), body.as_ref());
        assert_eq!(reply.status, status, "{method} {full}: {}", reply.json());
        assert_eq!(reply.json().pointer(pointer), Some(&wanted), "{method} {full}: {}", reply.json());
        assert!(reply.header("x-ratelimit-remaining").is_some(), "{full}");
    }
    let log =
        github.call("GET", &format!("/api/v3/repos/Owner/Repo/actions/jobs/{run}/logs"), Some(&token), None);
    let place = log.header("location").unwrap();
    assert!(log.status == 302 && place.starts_with("http://localhost:"), "{place}");
    let path = &place[place.find("/_blob/").unwrap()..];
    assert_eq!(github.call("GET", path, None, None).body, b"boom\n");
    assert_eq!(github.call("GET", path, Some(&token), None).status, 400, "a stranger must not see the token");
    assert_eq!(
        github.call("GET", "/api/v3/user", Some("nonsense"), None).json()["message"],
        "Bad credentials"
    );
    assert_eq!(github.call("GET", "/api/v3/user", None, None).status, 401);
}

#[test]
fn one_query_tells_all_about_many_pull_requests_and_names_what_is_missing() {
    let (github, token, sha) = forked();
    open(&github, &token, "alice:work", "main");
    github.check("Owner/Repo", &json!({"sha": sha, "name": "test", "status": "in_progress"}));
    github.act("Owner/Repo", "suites", &json!({"sha": sha, "app": "other", "conclusion": "action_required"}));
    github.review("Owner/Repo", 1, "bob", "approved", "fine");
    github.review("Owner/Repo", 1, "eve", "changes_requested", "");
    github.pull_act("Owner/Repo", 1, "dismiss", &json!({"by": "eve", "actor": "bob"}));
    let body = json!({"query": "query($o0: String!) { p0: repository(owner: $o0) { id } }", "variables":
        {"o0": "owner", "n0": "repo", "p0": 1, "o1": "Owner", "n1": "Repo", "p1": 2, "o2": "no", "n2": "no", "p2": 1}});
    let answer = github.call("POST", "/api/graphql", Some(&token), Some(&body)).json();
    let pull = &answer["data"]["p0"]["pullRequest"];
    assert_eq!((&pull["state"], &pull["headRefOid"]), (&json!("OPEN"), &json!(sha)), "{answer}");
    assert_eq!(pull["reviewDecision"], "APPROVED", "a dismissed review counts no more: {pull}");
    assert_eq!(pull["reviews"]["nodes"][1]["state"], "DISMISSED");
    let commit = &pull["commits"]["nodes"][0]["commit"];
    assert_eq!(commit["statusCheckRollup"]["state"], "PENDING");
    assert_eq!(commit["statusCheckRollup"]["contexts"]["nodes"][0]["status"], "IN_PROGRESS");
    assert_eq!(commit["checkSuites"]["nodes"][1]["conclusion"], "ACTION_REQUIRED");
    let paths: Vec<&Value> =
        answer["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, [&json!(["p1", "pullRequest"]), &json!(["p2"])]);
    assert_eq!((&answer["data"]["p2"], &answer["data"]["rateLimit"]["cost"]), (&Value::Null, &json!(1)));
}

/// Pushes over HTTP with the token from the program git asks, as agentpr does.
fn push(tree: &Path, url: &str, token: &str, refspec: &str) -> bool {
    let ask = tree.join("../askpass");
    std::fs::write(&ask, "#!/bin/sh\ncase $1 in User*) echo x-access-token;; *) echo \"$TOKEN\";; esac\n")
        .unwrap();
    Command::new("chmod").arg("+x").arg(&ask).status().unwrap();
    let mut command = Command::new("git");
    command.current_dir(tree).args(["push", "--quiet", url, refspec]).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", tree);
    command.env("GIT_ASKPASS", ask).env("TOKEN", token).env("GIT_TERMINAL_PROMPT", "0");
    command.output().unwrap().status.success()
}

#[test]
fn a_push_needs_a_token_that_may_push_there() {
    let (github, token, _) = forked();
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    git(dir.path(), &["clone", "--quiet", &github.git_url("owner", "repo"), "tree"]);
    std::fs::write(tree.join("a"), "3\n").unwrap();
    git(&tree, &["commit", "--quiet", "--all", "--message", "Three"]);
    let sha = git(&tree, &["rev-parse", "HEAD"]);
    let (fork, upstream) = (github.git_url("alice", "Repo"), github.git_url("Owner", "Repo"));
    assert!(!push(&tree, &fork, "nonsense", "HEAD:refs/heads/mine"), "an unknown token");
    assert!(!push(&tree, &upstream, &token, "HEAD:refs/heads/mine"), "no right in that repository");
    assert!(push(&tree, &fork, &token, "HEAD:refs/heads/mine"));
    let seen = github.call("GET", "/api/v3/repos/alice/Repo/git/ref/heads/mine", Some(&token), None);
    assert_eq!(seen.json()["object"]["sha"], json!(sha));
    assert!(!push(&tree, &fork, &token, "HEAD:refs/pull/1/head"), "these are the server's own");
    github.act("alice/Repo", "archive", &json!({}));
    assert!(!push(&tree, &fork, &token, "HEAD:refs/heads/late"), "an archived repository");
}

#[test]
fn a_fork_is_not_there_before_it_is_ready_and_is_made_once() {
    let github = FakeGitHub::start();
    let token = github.user("alice");
    github.repository("Owner/Repo", &[("a", "1\n")]);
    github.act("Owner/Repo", "commits", &json!({"branch": "more", "files": {"b": "1\n"}}));
    github.admin("forks", &json!({"looks": 2}));
    let ask = |body: Value| github.call("POST", "/api/v3/repos/Owner/Repo/forks", Some(&token), Some(&body));
    let first = ask(json!({"default_branch_only": true}));
    assert_eq!(open(&github, &token, "alice:main", "main").json()["errors"][0]["field"], "head");
    let look = || github.call("GET", "/api/v3/repos/alice/Repo", Some(&token), None).status;
    let git = github.call("GET", "/alice/Repo.git/info/refs?service=git-upload-pack", None, None);
    assert_eq!((git.status, look(), look()), (404, 404, 200));
    assert_eq!(ask(json!({})).json()["id"], first.json()["id"], "the same fork");
    let refs = &github.state()["repositories"]["alice/Repo"]["refs"];
    assert_eq!(refs.as_object().unwrap().len(), 1, "only the default branch: {refs}");
}

#[test]
fn refusals_of_a_pull_request_are_githubs_own() {
    let (github, token, _) = forked();
    github.push_by_other("alice/Repo", "other", "alice", ("b", "1\n"));
    commit_orphan(&github);
    let first = |reply: &Reply| (reply.status, reply.json()["errors"][0].clone());
    let custom = |words: &str| (422, json!({"resource": "PullRequest", "code": "custom", "message": words}));
    let invalid = |field: &str| (422, json!({"resource": "PullRequest", "code": "invalid", "field": field}));
    let ask = |head: &str, base: &str| first(&open(&github, &token, head, base));
    assert_eq!(ask("alice:none", "main"), invalid("head"));
    assert_eq!(ask("bob:work", "main"), invalid("head"));
    assert_eq!(ask("alice:work", "none"), invalid("base"));
    assert_eq!(ask("alice:main", "main"), custom("No commits between Owner:main and alice:main"));
    let words = "The alice:orphan branch has no history in common with Owner:main";
    assert_eq!(ask("alice:orphan", "main"), custom(words));
    assert_eq!(ask("alice:work", "main").0, 201);
    assert_eq!(ask("alice:work", "main"), custom("A pull request already exists for alice:work."));
    github.close("Owner/Repo", 1);
    assert_eq!(ask("alice:work", "main").0, 201, "only open ones are in the way");
    let reopened = json!({"state": "open"});
    let path = "/api/v3/repos/Owner/Repo/pulls/1";
    assert_eq!(github.call("PATCH", path, Some(&token), Some(&reopened)).status, 422);
    github.act("Owner/Repo", "archive", &json!({}));
    assert_eq!(open(&github, &token, "alice:other", "main").status, 403);
}

/// A branch that shares nothing with the others.
fn commit_orphan(github: &FakeGitHub) {
    let dir = github.state()["repositories"]["alice/Repo"]["dir"].as_str().unwrap().to_owned();
    commit_on(Path::new(&dir), "orphan", "Begin anew", &[("c", "1\n")]);
    github.act("alice/Repo", "look", &json!({}));
}

#[test]
fn a_pull_request_follows_its_branch_and_a_merge_makes_the_base_contain_it() {
    let (github, token, first) = forked();
    open(&github, &token, "alice:work", "main");
    let dir = github.state()["repositories"]["Owner/Repo"]["dir"].as_str().unwrap().to_owned();
    let dir = Path::new(&dir);
    assert_eq!(tip(dir, "refs/pull/1/head"), Some(first.clone()));
    let second = github.push_by_other("alice/Repo", "work", "mallory", ("b", "2\n"));
    assert_ne!(first, second);
    assert_eq!(github.pulls("Owner/Repo")[0]["head"]["sha"], json!(second));
    assert_eq!(tip(dir, "refs/pull/1/head"), Some(second.clone()));
    github.push_by_other("Owner/Repo", "main", "Owner", ("c", "3\n"));
    let commit = github.merge("Owner/Repo", 1);
    assert_eq!(tip(dir, "refs/heads/main"), Some(commit.clone()));
    git(dir, &["merge-base", "--is-ancestor", &second, "main"]);
    let pull = github.call("GET", "/api/v3/repos/Owner/Repo/pulls/1", Some(&token), None).json();
    assert_eq!(
        (&pull["merged"], &pull["state"], &pull["draft"]),
        (&json!(true), &json!("closed"), &json!(false))
    );
    assert_eq!((&pull["merge_commit_sha"], &pull["merged_by"]["login"]), (&json!(commit), &json!("Owner")));
    assert_eq!(github.call("GET", "/api/v3/repos/Owner/Repo/pulls", Some(&token), None).json(), json!([]));
}

#[test]
fn a_renamed_repository_is_found_by_its_number() {
    let (github, token, _) = forked();
    github.act("Owner/Repo", "rename", &json!({"name": "Other"}));
    let id = github.state()["repositories"]["Owner/Other"]["id"].clone();
    let moved = github.call("GET", "/api/v3/repos/owner/repo/pulls?state=all", Some(&token), None);
    let there = format!("{}/repositories/{id}/pulls?state=all", github.api());
    assert_eq!((moved.status, moved.header("location")), (301, Some(there.as_str())));
    let path = "/api/v3/repos/Owner/Repo/issues/1/labels";
    assert_eq!(github.call("POST", path, Some(&token), Some(&json!({}))).status, 307);
    let path = there.trim_start_matches(&github.web()).to_owned();
    assert_eq!(github.call("GET", &path, Some(&token), None).json(), json!([]));
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["clone", "--quiet", &github.git_url("Owner", "Repo"), "tree"]);
    github.repository("Owner/Repo", &[("new", "1\n")]);
    let taken = github.call("GET", "/api/v3/repos/Owner/Repo", Some(&token), None);
    assert_eq!(taken.status, 200, "the name is somebody else's now");
    assert_ne!(taken.json()["id"], id);
    github.act("Owner/Other", "delete", &json!({}));
    assert_eq!(github.call("GET", &path, Some(&token), None).status, 404);
}

#[test]
fn an_app_gets_a_token_for_its_signed_word_alone() {
    let github = FakeGitHub::start();
    github.repository("Owner/Repo", &[("a", "1\n")]);
    github.admin("clock", &json!({"now_ms": 1_800_000_000_000_i64}));
    let key = include_str!("../data/github/app-key.pem");
    let installations = json!([{"id": 5, "account": "Owner"}]);
    let app = json!({"id": 77, "slug": "agentpr", "public_key": key, "installations": installations});
    github.admin("apps", &app);
    // Signed once with a key that was thrown away, for the hour at which the clock above is held.
    let jwt = include_str!("../data/github/app.jwt").trim();
    let path = "/api/v3/app/installations/5/access_tokens";
    let ask = |jwt: &str| github.call("POST", path, Some(jwt), Some(&json!({})));
    let token = ask(jwt);
    assert_eq!((token.status, &token.json()["expires_at"]), (201, &json!("2027-01-15T09:00:00Z")));
    let token = token.json()["token"].as_str().unwrap().to_owned();
    let look = || github.call("GET", "/api/v3/repos/Owner/Repo", Some(&token), None);
    assert_eq!(look().json()["permissions"]["push"], false, "rights are shown to people");
    let (rest, last) = jwt.split_at(jwt.len() - 8);
    assert_eq!(ask(&format!("{rest}{}", last.replace(|letter| letter != 'A', "A"))).status, 401);
    github.admin("clock", &json!({"now_ms": 1_800_003_601_000_i64}));
    assert_eq!((look().status, ask(jwt).status), (401, 401), "both have ended");
}

#[test]
fn a_repository_tells_when_it_was_pushed_to_and_changed() {
    let (github, _, _) = forked();
    let token = github.user("Owner");
    let hook = github.hook("Owner/Repo", &format!("{}/nowhere", github.web()), "secret", &["push"]);
    let at = |seconds: i64| github.admin("clock", &json!({"now_ms": (1_800_000_000 + seconds) * 1_000}));
    let times = |name: &str| {
        let shape = github.call("GET", &format!("/api/v3/repos/Owner/{name}"), Some(&token), None).json();
        [shape["pushed_at"].clone(), shape["updated_at"].clone()]
    };
    at(0);
    let sha = github.push_by_other("Owner/Repo", "main", "eve", ("b", "x\n"));
    let pushed = json!("2027-01-15T08:00:00Z");
    assert_eq!(times("Repo"), [pushed.clone(), pushed.clone()]);
    at(60);
    github.act("Owner/Repo", "rename", &json!({"name": "Other"}));
    assert_eq!(times("Other"), [pushed.clone(), json!("2027-01-15T08:01:00Z")]);
    at(120);
    github.act("Owner/Other", "archive", &json!({"archived": true}));
    assert_eq!(times("Other"), [pushed, json!("2027-01-15T08:02:00Z")]);
    github.admin("hooks/flush", &json!({}));
    let deliveries = format!("/api/v3/repos/Owner/Other/hooks/{hook}/deliveries");
    let ask = |path: &str| github.call("GET", path, Some(&token), None).json();
    let all = ask(&deliveries);
    let push = all.as_array().unwrap().iter().find(|one| one["event"] == "push").unwrap();
    let payload = ask(&format!("{deliveries}/{}", push["id"]))["request"]["payload"].clone();
    assert_eq!(payload["head_commit"]["id"], sha);
    let committed: jiff::Timestamp = payload["head_commit"]["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(committed.as_second(), 1_800_000_000);
    assert_eq!(payload["repository"]["pushed_at"], 1_800_000_000, "in seconds, as pushes alone have it");
}
