//! Why GitHub did not make a pull request: the 422 answers, told apart.

use serde_json::Value;

use crate::domain::forge::fact::plain;

/// Longest words of GitHub's that are repeated, in bytes.
const MOST_SAID: usize = 400;

/// What GitHub objects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objection {
    /// An open pull request for this head and base.
    AlreadyThere,
    /// The head has nothing that the base has not.
    NoCommits,
    /// It does not know the head, which may have been pushed a moment ago.
    Head,
    /// It does not know the base.
    Base,
    /// We may not let maintainers push to the head.
    ForkCollaboration,
    /// It takes no drafts there: private repositories have them on paid plans only.
    Draft,
    /// Something else.
    Other,
}

/// Reads `errors[]` of a 422.
pub(super) fn objection(body: &Value) -> Objection {
    let errors = body["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let word = |error: &Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
    for error in errors {
        let message = word(error, "message").to_ascii_lowercase();
        let found = match (word(error, "field").as_str(), word(error, "code").as_str()) {
            _ if message.starts_with("a pull request already exists") => Objection::AlreadyThere,
            _ if message.starts_with("no commits between") => Objection::NoCommits,
            _ if message.starts_with("draft pull requests are not supported") => Objection::Draft,
            _ if message.contains("fork collab") => Objection::ForkCollaboration,
            ("fork_collab", _) => Objection::ForkCollaboration,
            ("head", "invalid") => Objection::Head,
            ("base", "invalid") => Objection::Base,
            _ => continue,
        };
        return found;
    }
    Objection::Other
}

/// What GitHub said, for people.
pub(super) fn said(body: &Value) -> String {
    let errors = body["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let detail = errors.iter().filter_map(|error| match error {
        Value::String(text) => Some(text.clone()),
        error => match error["message"].as_str() {
            Some(text) => Some(text.to_owned()),
            None => Some(format!("`{}` is {}", error["field"].as_str()?, error["code"].as_str()?)),
        },
    });
    let message = body["message"].as_str().unwrap_or("GitHub says no").to_owned();
    let all: Vec<String> = std::iter::once(message).chain(detail).collect();
    plain(&all.join("; "), MOST_SAID).replace('\n', " ")
}
