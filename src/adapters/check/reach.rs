//! A failure that is only a closed network: said beside it, for people would look for it in the code.

/// What programs say when they cannot reach a host, in lower case.
const WORDS: [&str; 12] = [
    "could not resolve",
    "couldn't resolve",
    "temporary failure in name resolution",
    "name or service not known",
    "nodename nor servname",
    "network is unreachable",
    "failed to lookup address",
    "dns error",
    "no such host",
    "enotfound",
    "eai_again",
    "failed to establish a new connection",
];

/// What is told.
const SENTENCE: &str = "note: the network is off for this command, and it could not reach a host; \
     `security.network: on` in the contract or `--network` opens it";

/// Adds the sentence to an excerpt when the output speaks of a host that was not reached.
pub(super) fn explain(excerpt: String, output: &[u8]) -> String {
    let lower = String::from_utf8_lossy(output).to_lowercase();
    if !WORDS.iter().any(|word| lower.contains(word)) {
        return excerpt;
    }
    let room = super::excerpt::CHARACTERS.saturating_sub(SENTENCE.chars().count() + 1);
    let kept: String = excerpt.chars().take(room).collect();
    if kept.is_empty() { SENTENCE.to_owned() } else { format!("{kept}\n{SENTENCE}") }
}
