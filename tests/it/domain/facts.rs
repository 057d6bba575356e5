//! Facts of a forge that the tests tell: checks, verdicts, comments, the pull request, its branch, its repository.

use agentpr::domain::command::Command;
use agentpr::domain::forge::fact::{
    CheckFact, CheckKind, CommentFact, CommentKind, ForgeFact, HeadFact, PullFact, PullState, RepositoryFact,
    ReviewFact,
};
use agentpr::domain::time::Timestamp;

use super::samples::{branch, pr, sha, start};

/// So many seconds after ten o'clock, by the forge's clock.
pub(super) fn second(n: i64) -> Timestamp {
    Timestamp(start().wall.0 + n * 1_000)
}

/// A check run of commit `n` as it was at second `at`; without a word it runs.
pub(super) fn check_run(name: &str, n: u8, word: Option<&str>, at: i64) -> CheckFact {
    CheckFact {
        kind: CheckKind::Run,
        id: u64::try_from(at).unwrap(),
        suite: Some(7),
        name: name.to_owned(),
        app: "github-actions".to_owned(),
        head_sha: sha(n),
        conclusion: word.map(str::to_owned),
        at: second(at),
        url: Some("https://example.test/checks/1".to_owned()),
        summary: String::new(),
    }
}

pub(super) fn checked(name: &str, n: u8, word: &str, at: i64) -> ForgeFact {
    ForgeFact::Check(check_run(name, n, Some(word), at))
}

pub(super) fn running(name: &str, n: u8, at: i64) -> ForgeFact {
    ForgeFact::Check(check_run(name, n, None, at))
}

/// The suite of commit `n`, as it is while a maintainer has to let it run.
pub(super) fn awaiting_maintainer(n: u8, at: i64) -> ForgeFact {
    let suite = check_run("", n, Some("action_required"), at);
    ForgeFact::Check(CheckFact { kind: CheckKind::Suite, ..suite })
}

/// A verdict about commit `n`.
pub(super) fn verdict_of(reviewer: &str, state: &str, id: u64, n: u8, at: i64) -> ReviewFact {
    ReviewFact {
        id,
        reviewer: reviewer.to_owned(),
        state: state.to_owned(),
        commit: Some(sha(n)),
        at: second(at),
        body: "please".to_owned(),
        association: String::new(),
    }
}

pub(super) fn reviewed(reviewer: &str, state: &str, id: u64, n: u8, at: i64) -> ForgeFact {
    ForgeFact::Review(verdict_of(reviewer, state, id, n, at))
}

pub(super) fn comment(id: u64, at: i64) -> CommentFact {
    CommentFact {
        kind: CommentKind::Issue,
        id,
        author: "mona".to_owned(),
        association: "member".to_owned(),
        path: None,
        line: None,
        body: "changes_requested".to_owned(),
        at: second(at),
        deleted: false,
    }
}

/// The pull request, pointing to commit `n`.
pub(super) fn pull(state: PullState, n: u8, at: i64) -> PullFact {
    PullFact {
        number: pr(5),
        state,
        draft: false,
        head_sha: sha(n),
        base_branch: Some(branch("main")),
        at: second(at),
        by: Some("mona".to_owned()),
        merge_sha: None,
    }
}

/// The branch, pointing to commit `n`.
pub(super) fn head(n: u8, at: i64) -> HeadFact {
    HeadFact { sha: Some(sha(n)), by: Some("mona".to_owned()), at: second(at) }
}

pub(super) fn repository(archived: bool, at: i64) -> RepositoryFact {
    RepositoryFact { id: 42, name: "octo/hello".parse().unwrap(), archived, deleted: false, at: second(at) }
}

pub(super) fn told(facts: impl Into<Vec<ForgeFact>>) -> Command {
    Command::Observe { facts: facts.into() }
}
