//! Documents say what the program does: every event, command, move, refusal and migration is named, every link resolves.

use std::collections::BTreeSet;
use std::path::Path;

use agentpr::domain::command::Command;
use agentpr::domain::event::Event;
use agentpr::domain::state::State;
use sha2::{Digest, Sha256};
use syn::visit::Visit;

use super::{Source, assert_accepted, assert_refused, refuse, root, sources};

/// SHA-256 of every migration. A released migration never changes: old stores were made by it. A new one adds a line.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_events.sql", "c607d4905a894932609703bc90eb58107786826af6237a5e52660d84e7a5e4ca"),
    ("0002_projections.sql", "97eb604098ddb87f134e2bc3b32ad569699389084e1c583aee0f0f79063d88c8"),
    ("0003_ledger.sql", "42fd382bce9e08b1dda4e7268417dd59196eb3f8ebb6af742180325728804dbb"),
    ("0004_inbox.sql", "1ec6a5818c2fd4666272b48ac44608c01273cb77fbf074f02dd34b25442c8c0d"),
];

/// The project's document at `path`.
fn document(path: &str) -> Source {
    let text =
        std::fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("cannot read {path}: {err}"));
    Source::sample(path, &text)
}

/// The cells of the first table under the heading `## section`, without its head; backticks are taken off.
fn table(source: &Source, section: &str) -> Vec<Vec<String>> {
    let heading = format!("## {section}");
    let rows = source
        .text
        .lines()
        .skip_while(|line| line.trim_end() != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells =
        |row: &str| row.trim().trim_matches('|').split('|').map(|c| c.trim().replace('`', "")).collect();
    rows.skip(2).map(cells).collect()
}

/// Compares the first column of a table with the names it must have, both ways.
fn names_rule(source: &Source, section: &str, wanted: &[&str]) -> Vec<String> {
    let rows = table(source, section);
    let written: BTreeSet<&str> = rows.iter().filter_map(|row| row.first()).map(String::as_str).collect();
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    let missing = wanted.difference(&written).map(|name| format!("`{name}` has no row"));
    let unknown = written.difference(&wanted).map(|name| format!("`{name}` is not in the program"));
    missing.chain(unknown).map(|what| format!("{}: table \"{section}\": {what}", source.path)).collect()
}

/// Compares the table of moves with `State::targets`.
fn moves_rule(source: &Source) -> Vec<String> {
    let section = "Transitions";
    let mut faults = names_rule(source, section, &State::ALL.map(State::name));
    for row in table(source, section) {
        let [name, targets, ..] = row.as_slice() else { continue };
        let Ok(state) = name.parse::<State>() else { continue };
        let written: BTreeSet<&str> = targets.split(',').map(str::trim).filter(|t| *t != "none").collect();
        let real: BTreeSet<&str> = state.targets().iter().map(|target| target.name()).collect();
        for odd in written.symmetric_difference(&real) {
            let whose =
                if real.contains(odd) { "the program allows it" } else { "the program does not allow it" };
            faults.push(format!("{}: table \"{section}\": {name} to `{odd}`: {whose}", source.path));
        }
    }
    faults
}

/// Compares the second column of the table of states with `State::phase`.
fn phase_rule(source: &Source) -> Vec<String> {
    let mut faults = names_rule(source, "States", &State::ALL.map(State::name));
    for row in table(source, "States") {
        let [name, phase, ..] = row.as_slice() else { continue };
        let Ok(state) = name.parse::<State>() else { continue };
        if state.phase().name() != phase {
            faults.push(format!("{}: {name} is of phase {}, not `{phase}`", source.path, state.phase()));
        }
    }
    faults
}

/// Every relative link leads to a file; what is in a code fence is no link.
fn link_rule(source: &Source) -> Vec<String> {
    let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
    let mut fenced = false;
    let prose = source.text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    });
    let targets = prose.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|file| !file.is_empty() && !root().join(folder).join(file).exists())
        .map(|file| format!("{}: the link to `{file}` leads nowhere", source.path))
        .collect()
}

/// Every file is pinned and every pin has its file; the folder may be absent.
fn migration_rule(files: &[Source], pins: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let digest = hex::encode(Sha256::digest(file.text.as_bytes()));
        match pins.iter().find(|(pinned, _)| *pinned == name) {
            None => faults
                .push(format!("{}: not pinned, add (\"{name}\", \"{digest}\") to MIGRATIONS", file.path)),
            Some((_, pin)) if *pin != digest => {
                faults.push(format!("{}: a migration never changes; write a new one", file.path));
            }
            Some(_) => {}
        }
    }
    let gone = pins.iter().filter(|(name, _)| !files.iter().any(|file| file.path.ends_with(name)));
    faults.extend(gone.map(|(name, _)| format!("{name}: a pinned migration is gone")));
    faults
}

/// The codes of all refusals, read from the source of `Rejection::code`.
fn rejection_codes() -> Vec<String> {
    struct Codes(Vec<String>);
    impl<'ast> Visit<'ast> for Codes {
        fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
            if function.sig.ident == "code" {
                syn::visit::visit_impl_item_fn(self, function);
            }
        }
        fn visit_arm(&mut self, arm: &'ast syn::Arm) {
            if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(code), .. }) = &*arm.body {
                self.0.push(code.value());
            }
        }
    }
    let source = document("src/domain/decide/rejection.rs");
    let file = syn::parse_file(&source.text).unwrap_or_else(|err| panic!("{}: {err}", source.path));
    let mut codes = Codes(Vec::new());
    codes.visit_file(&file);
    codes.0
}

#[test]
fn every_event_is_documented() {
    let names: Vec<&str> = Event::NAMES.iter().map(|(name, _)| *name).collect();
    refuse(&names_rule(&document("docs/events.md"), "Events", &names));
}

#[test]
fn every_command_is_documented() {
    refuse(&names_rule(&document("docs/events.md"), "Commands", Command::NAMES));
}

#[test]
fn every_state_and_move_is_documented_as_it_is() {
    let events = document("docs/events.md");
    refuse(&[phase_rule(&events), moves_rule(&events)].concat());
}

#[test]
fn every_refusal_is_documented() {
    let codes = rejection_codes();
    assert!(codes.len() >= 20, "only {codes:?} found in `Rejection::code`");
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    refuse(&names_rule(&document("docs/security.md"), "Refusals", &codes));
}

/// The reason codes in a source: literals of lower-case words joined by underscores.
fn reason_codes(source: &Source) -> BTreeSet<String> {
    struct Codes(BTreeSet<String>);
    impl<'ast> Visit<'ast> for Codes {
        fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
            let text = literal.value();
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            if text.contains('_') && text.split('_').all(is_word) {
                self.0.insert(text);
            }
        }
    }
    let file = syn::parse_file(&source.text).unwrap_or_else(|err| panic!("{}: {err}", source.path));
    let mut codes = Codes(BTreeSet::new());
    codes.visit_file(&file);
    codes.0
}

#[test]
fn every_reason_code_is_documented() {
    let page = document("docs/judging.md");
    let sources = [
        "src/domain/verdict.rs",
        "src/domain/decide/work.rs",
        "src/domain/decide/quota.rs",
        "src/domain/confine.rs",
        "src/domain/agent/class.rs",
    ];
    let codes: BTreeSet<String> = sources.iter().flat_map(|path| reason_codes(&document(path))).collect();
    assert!(codes.len() >= 20, "only {codes:?} found");
    let missing = codes.iter().filter(|code| !page.text.contains(&format!("`{code}`")));
    refuse(&missing.map(|code| format!("{}: `{code}` is not told", page.path)).collect::<Vec<_>>());
}

#[test]
fn every_relative_link_resolves() {
    let mut documents = sources(&["docs", "deploy"], "md");
    documents.extend(
        ["README.md", "CHANGELOG.md"].iter().filter(|p| root().join(p).exists()).map(|p| document(p)),
    );
    assert!(documents.len() > 5, "only {} documents found", documents.len());
    refuse(&documents.iter().flat_map(link_rule).collect::<Vec<_>>());
}

/// What a unit forbids that the walls need: bubblewrap mounts a `/proc` and names its machine, both tiers make system calls of
/// their own.
fn unit_rule(source: &Source) -> Vec<String> {
    let lines = || source.text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let calls: BTreeSet<&str> = lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
        .flat_map(str::split_whitespace)
        .collect();
    let needed = [
        "@system-service",
        "@mount",
        "sethostname",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
    ];
    let refused = needed.into_iter().filter(|call| !calls.contains(call));
    let harmful = [
        "ProtectKernelTunables=yes",
        "ProtectKernelLogs=yes",
        "ProtectHostname=yes",
        "RestrictNamespaces=",
        "ProcSubset=pid",
    ];
    let forbidden = harmful.into_iter().filter(|setting| lines().any(|line| line.starts_with(setting)));
    let refused = refused.map(|call| format!("{}: the filter refuses `{call}`", source.path));
    refused
        .chain(forbidden.map(|setting| format!("{}: `{setting}` takes a wall away", source.path)))
        .collect()
}

#[test]
fn the_service_unit_allows_what_the_walls_need() {
    let unit = document("deploy/systemd/agentpr.service");
    refuse(&unit_rule(&unit));
    let hardened = unit.text.replace("PrivateMounts=yes", "ProtectKernelLogs=yes");
    assert_refused(unit_rule, "deploy/a.service", &hardened, &["`ProtectKernelLogs=yes` takes a wall away"]);
    let narrow = unit.text.replace(" sethostname", "");
    assert_refused(unit_rule, "deploy/a.service", &narrow, &["the filter refuses `sethostname`"]);
}

#[test]
fn no_migration_has_changed() {
    refuse(&migration_rule(&sources(&["src/adapters/store/sqlite/migrations"], "sql"), MIGRATIONS));
}

#[test]
fn the_rules_of_documents_have_teeth() {
    let events = |source: &Source| names_rule(source, "Events", &["a.b", "c.d"]);
    let text = "## Events\n\nWhat happened.\n\n| name | when |\n|---|---|\n| `a.b` | x |\n| `c.d` | y |\n\n## Next\n";
    assert_accepted(events, "docs/events.md", text);
    assert_refused(events, "docs/events.md", &text.replace("| `c.d` | y |\n", ""), &["`c.d` has no row"]);
    assert_refused(
        events,
        "docs/events.md",
        &text.replace("\n\n## Next", "\n| `e` | z |\n"),
        &["`e` is not in"],
    );

    assert_refused(link_rule, "docs/a.md", "See [b](nothing.md#part).", &["`nothing.md`"]);
    assert_accepted(
        link_rule,
        "docs/a.md",
        "[x](https://example.org/y) [z](#here)\n```\n[b](nothing.md)\n```\n",
    );

    let file = [Source::sample("migrations/0001_a.sql", "select 1;")];
    let digest = hex::encode(Sha256::digest(b"select 1;"));
    assert_eq!(migration_rule(&file, &[("0001_a.sql", &digest)]), [""; 0]);
    assert!(migration_rule(&file, &[])[0].contains(&format!("(\"0001_a.sql\", \"{digest}\")")));
    assert!(migration_rule(&file, &[("0001_a.sql", "00")])[0].contains("never changes"));
    assert!(migration_rule(&[], &[("0001_a.sql", "00")])[0].contains("is gone"));
}

#[test]
fn a_table_that_says_another_move_or_phase_is_refused() {
    let rows = |wrong: &str, right: &str| {
        let row = |state: &State| {
            let targets: Vec<&str> = state.targets().iter().map(|target| target.name()).collect();
            format!("| {} | {} |\n", state.name(), targets.join(", "))
        };
        let body: String = State::ALL.iter().map(row).collect();
        format!("## Transitions\n\n| from | to |\n|---|---|\n{}", body.replacen(right, wrong, 1))
    };
    assert_accepted(moves_rule, "docs/events.md", &rows("", "").replace("|  |", "| none |"));
    let without = rows("| QUEUED | PAUSED", "| QUEUED | DISCOVERY, PAUSED");
    assert_refused(
        moves_rule,
        "docs/events.md",
        &without.replace("|  |", "| none |"),
        &["QUEUED to `DISCOVERY`"],
    );
    let phases: String = State::ALL.iter().map(|s| format!("| {} | {} |\n", s.name(), s.phase())).collect();
    let table = format!("## States\n\n| state | phase |\n|---|---|\n{phases}");
    assert_accepted(phase_rule, "docs/events.md", &table);
    assert_refused(
        phase_rule,
        "docs/events.md",
        &table.replace("CI_WAIT | PR", "CI_WAIT | DONE"),
        &["of phase PR"],
    );
}
