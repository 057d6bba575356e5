//! What the documents tell a person to type: every verb and every option they name is there.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::Sandbox;

/// Commands in a text: words after `agentpr` at the start of a line of a code block, in backticks, or after a path.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.trim_start().starts_with("```");
        for (at, _) in line.match_indices("agentpr ") {
            let starts_a_command = match line[..at].chars().last() {
                None => in_block,
                Some(before) => before == '`' || before == '/' && !line[at..].contains(" agentpr "),
            };
            if starts_a_command {
                let command =
                    line[at + "agentpr ".len()..].split(['`', '#', '|', '>']).next().unwrap_or_default();
                // Quoted words are the person's own, such as an agent's command line.
                found.push(shell_words::split(command).unwrap_or_default());
            }
        }
    }
    found
}

#[test]
fn every_command_in_the_documents_is_there_with_its_options() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for folder in ["docs", "docs/decisions", "deploy/systemd", "deploy/supervisord"] {
        files.extend(std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let sandbox = Sandbox::empty();
    let mut help: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for file in files.iter().filter(|file| file.is_file()) {
        for command in commands(&std::fs::read_to_string(file).unwrap()) {
            let Some(verb) =
                command.first().filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            else {
                continue;
            };
            let has_verbs_of_its_own =
                ["config", "pipeline-spec", "plan", "webhook"].contains(&verb.as_str());
            let words = if has_verbs_of_its_own { 2 } else { 1 };
            let mut asked: Vec<&str> = command.iter().take(words).map(String::as_str).collect();
            asked.push("--help");
            let text = help.entry(asked.join(" ")).or_insert_with(|| sandbox.agentpr(&asked).ok().stdout);
            for option in command.iter().filter_map(|word| word.strip_prefix("--")) {
                let name = option.split(['=', ')', ',', '.', ';', ']']).next().unwrap_or_default();
                assert!(
                    text.contains(&format!("--{name}")),
                    "{}: `agentpr {verb}` has no --{name}",
                    file.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} commands were found in the documents");
}

#[test]
fn every_prompt_is_in_its_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/prompts.md")).unwrap();
    for entry in std::fs::read_dir(root.join("prompts")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(document.contains(&format!("| `{name}` |")), "docs/prompts.md does not list {name}");
    }
}
