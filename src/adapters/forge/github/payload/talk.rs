//! What people and bots say of a change: verdicts and comments.

use super::super::text;
use super::body::{Body, Comment, Review, needed};
use crate::domain::forge::delivery::Address;
use crate::domain::forge::fact::{CommentFact, CommentKind, ForgeFact, ReviewFact};
use crate::domain::id::PrNumber;
use crate::ports::payload::{Reading, Told};

/// What happens to comments.
const ACTIONS: [&str; 3] = ["created", "edited", "deleted"];

pub(super) fn review(body: &Body) -> Result<Reading, String> {
    let review = needed(body.review.as_ref(), "review")?;
    let number = needed(body.pull_request.as_ref(), "pull_request")?.number;
    body.home()?;
    if !["submitted", "edited", "dismissed"].contains(&body.action()) {
        return Ok(Reading::Nothing("nothing that is kept of a review"));
    }
    let state = text::word(&review.state);
    let fact = match state.as_str() {
        "approved" | "changes_requested" | "dismissed" => verdict(review, state)?,
        "commented" => match remark(review, body.action() == "edited")? {
            Some(remark) => remark,
            None => return Ok(Reading::Nothing("a review without words")),
        },
        _ => return Ok(Reading::Nothing("a review that decides nothing")),
    };
    told(body, number, fact)
}

fn verdict(review: &Review, state: String) -> Result<ForgeFact, String> {
    Ok(ForgeFact::Review(ReviewFact {
        id: review.id,
        reviewer: text::login(review.user.as_ref().and_then(|user| user.login.as_deref())),
        state,
        commit: review.commit_id.as_deref().map(text::commit).transpose()?,
        at: needed(review.submitted_at.0, "submitted_at")?,
        body: text::body(review.body.as_deref()),
        association: text::word(review.author_association.as_deref().unwrap_or("none")),
    }))
}

/// What a reviewer wrote without a verdict; nothing where nothing was written, unless it was taken back.
fn remark(review: &Review, is_edited: bool) -> Result<Option<ForgeFact>, String> {
    let body = text::body(review.body.as_deref());
    if body.trim().is_empty() && !is_edited {
        return Ok(None);
    }
    Ok(Some(ForgeFact::Comment(CommentFact {
        kind: CommentKind::Review,
        id: review.id,
        author: text::login(review.user.as_ref().and_then(|user| user.login.as_deref())),
        association: text::word(review.author_association.as_deref().unwrap_or_default()),
        path: None,
        line: None,
        deleted: body.trim().is_empty(),
        body,
        at: needed(review.updated_at.0.or(review.submitted_at.0), "submitted_at")?,
    })))
}

pub(super) fn line_comment(body: &Body) -> Result<Reading, String> {
    let number = needed(body.pull_request.as_ref(), "pull_request")?.number;
    comment(body, number, CommentKind::Line)
}

pub(super) fn issue_comment(body: &Body) -> Result<Reading, String> {
    let issue = needed(body.issue.as_ref(), "issue")?;
    if issue.pull_request.is_none() {
        return Ok(Reading::Nothing("an issue that is no pull request"));
    }
    comment(body, issue.number, CommentKind::Issue)
}

fn comment(body: &Body, number: PrNumber, kind: CommentKind) -> Result<Reading, String> {
    let Comment { id, user, path, line, .. } = needed(body.comment.as_ref(), "comment")?;
    let comment = needed(body.comment.as_ref(), "comment")?;
    body.home()?;
    if !ACTIONS.contains(&body.action()) {
        return Ok(Reading::Nothing("nothing that is kept of a comment"));
    }
    let deleted = body.action() == "deleted";
    let is_line = kind == CommentKind::Line;
    let fact = CommentFact {
        kind,
        id: *id,
        author: text::login(user.as_ref().and_then(|user| user.login.as_deref())),
        association: text::word(comment.author_association.as_deref().unwrap_or_default()),
        path: path.as_deref().filter(|_| is_line).map(text::name),
        line: line.filter(|_| is_line),
        body: if deleted { String::new() } else { text::body(comment.body.as_deref()) },
        at: needed(comment.updated_at.0.or(comment.created_at.0), "updated_at")?,
        deleted,
    };
    told(body, number, ForgeFact::Comment(fact))
}

/// For the run of the pull request, and no other: a text is no proof of a commit.
fn told(body: &Body, number: PrNumber, fact: ForgeFact) -> Result<Reading, String> {
    let (repo_id, repo) = body.home()?;
    let address =
        Address { repo_id: Some(repo_id), repo: Some(repo.key()), pr: Some(number), ..Address::default() };
    Ok(Reading::Facts(vec![Told { address, facts: vec![fact] }]))
}
