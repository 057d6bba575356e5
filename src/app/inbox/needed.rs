//! The events a hook has to send for runs to learn everything by themselves.

/// Every event that [`receive`](crate::app::App::receive) takes something from.
pub const NEEDED: [&str; 10] = [
    "check_run",
    "check_suite",
    "status",
    "workflow_run",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "issue_comment",
    "push",
    "repository",
];

/// Those that a hook which sends `events` leaves out; `*` sends all.
pub fn missing(events: &[String]) -> Vec<&'static str> {
    if events.iter().any(|event| event == "*") {
        return Vec::new();
    }
    NEEDED.into_iter().filter(|needed| !events.iter().any(|event| event == needed)).collect()
}
