//! The strict reader of verification contracts: what it takes, and what it says about the rest.

use std::path::Path;

use agentpr::adapters::yaml::pipeline::{examine, read};
use agentpr::domain::pipeline::{Pipeline, Problem, TeardownPolicy};
use agentpr::domain::policy::CommandMode;
use agentpr::domain::verification::Stage;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const FULL: &str = include_str!("../../../examples/pipeline.full.yml");

/// The one problem of a text, as a person reads it.
#[track_caller]
fn refused(text: &str) -> String {
    let problems = read(text.as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    problems[0].to_string()
}

#[track_caller]
fn accepted(text: &str) -> Pipeline {
    read(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn warnings(text: &str) -> Vec<String> {
    examine(text.as_bytes()).unwrap().1.iter().map(Problem::to_string).collect()
}

#[test]
fn every_field_is_read() {
    let full = accepted(FULL);
    assert_eq!(full.security.mode, CommandMode::Safe);
    assert_eq!((full.security.allowlist.len(), full.security.denylist.len()), (3, 1));
    assert_eq!(
        (full.security.max_cmd_seconds, full.security.max_total_seconds, full.security.max_run_seconds),
        (Some(1200), Some(3600), Some(10800))
    );
    assert!(full.security.network && full.auth.interactive);
    assert_eq!(full.auth.commands.settings.timeout_seconds, Some(300));
    assert_eq!(full.tests.cmds, ["make lint", "python -m pytest -q"]);
    assert_eq!((full.tests.settings.retries, full.tests.settings.workdir.as_str()), (1, "services/api"));
    assert_eq!(full.tests.settings.env["PYTHONHASHSEED"], "0");
    assert_eq!((full.deploy.settings.retries, full.deploy.settings.workdir.as_str()), (2, ""));
    assert_eq!(full.deploy.teardown_policy, TeardownPolicy::Always);
    let dump = full.deploy.kubectl_dump.clone().unwrap();
    assert_eq!((dump.namespace.as_deref(), dump.include_logs), (Some("preview"), true));
    assert_eq!(full.benchmark.metrics_path.as_deref(), Some("target/bench/metrics.json"));
    assert_eq!(full.benchmark.required_keys, ["requests_per_second", "p99_ms"]);
    assert_eq!(full.out_dir.as_deref(), Some("target/verification"));
    let stages: Vec<&str> = full.stages().iter().map(|(stage, _)| stage.name()).collect();
    let all = ["auth", "tests", "deploy_setup", "deploy_health", "benchmark", "metrics", "deploy_teardown"];
    assert_eq!(stages, all);
    assert_eq!(accepted("tests: {cmd: make}\n").stages(), [(Stage::Tests, 1)]);
    assert_eq!(accepted("{}"), Pipeline::default());
}

#[test]
fn f11_an_unknown_key_is_an_error_that_names_the_nearest_known_one() {
    let told = refused("version: 1\ntest:\n  cmd: make\n");
    assert_eq!(told, "line 2, column 1: `test`: unknown key `test`; did you mean `tests`?");
    let told = refused("tests: {cmd: make}\nsecurity:\n  alowlist: ['make']\n");
    assert_eq!(
        told,
        "line 3, column 3: `security.alowlist`: unknown key `alowlist`; did you mean `allowlist`?"
    );
    for (text, near) in [
        ("tests: {timeout: 5}", "known are"),
        ("tests: {timeout_second: 5}", "`timeout_seconds`"),
        ("deploy: {kubectl_dump: {enable: true}}", "`enabled`"),
        ("benchmark: {run_cmdss: [x]}", "`run_cmds`"),
        ("vresion: 1", "`version`"),
        ("tooling: {install: x}", "known are"),
        ("something_else: 1", "known are version, security"),
    ] {
        let told = refused(text);
        assert!(told.contains("unknown key") && told.contains(near), "{text}: {told}");
    }
}

#[test]
fn fsm_30_values_of_the_wrong_type_or_range_are_errors_with_path_and_place() {
    let told = refused("tests:\n  cmd: make\n  timeout_seconds: 0\n");
    let wanted = "line 3, column 20: `tests.timeout_seconds`: must be a whole number of seconds from 1 to 86400, \
                  and it is the number 0";
    assert_eq!(told, wanted);
    for (text, path) in [
        ("version: 2", "version"),
        ("version: '1'", "version"),
        ("version: 1.0", "version"),
        ("security: {mode: strict}", "security.mode"),
        ("security: {mode: true}", "security.mode"),
        ("security: {network: maybe}", "security.network"),
        ("security: {network: 1}", "security.network"),
        ("security: {max_cmd_seconds: 1.5}", "security.max_cmd_seconds"),
        ("security: {max_total_seconds: -1}", "security.max_total_seconds"),
        ("security: {max_run_seconds: 999999999}", "security.max_run_seconds"),
        ("security: {max_run_seconds: 99999999999999999999999}", "security.max_run_seconds"),
        ("security: {allowlist: make}", "security.allowlist"),
        ("tests: {retries: -1}", "tests.retries"),
        ("tests: {retries: 11}", "tests.retries"),
        ("tests: {retries: '1'}", "tests.retries"),
        ("tests: {retries: true}", "tests.retries"),
        ("tests: {cmd: true}", "tests.cmd"),
        ("tests: {cmd: 5}", "tests.cmd"),
        ("tests: {cmd: ''}", "tests.cmd"),
        ("tests: {cmd: ' '}", "tests.cmd"),
        ("tests: {cmd: [make]}", "tests.cmd"),
        ("tests: {cmd: \"a\\0b\"}", "tests.cmd"),
        ("tests: {cmds: make}", "tests.cmds"),
        ("tests: {cmds: [make, '']}", "tests.cmds[1]"),
        ("tests: {cmds: [make, 7]}", "tests.cmds[1]"),
        ("tests: {cmds: [make, {a: b}]}", "tests.cmds[1]"),
        ("tests: {cmds: [make, null]}", "tests.cmds[1]"),
        ("tests: {env: [A]}", "tests.env"),
        ("tests: {env: {PORT: 8080}}", "tests.env.PORT"),
        ("tests: {env: {A-B: x}}", "tests.env.A-B"),
        ("tests: {env: {AGENTPR_CHILD_OF_RUN: x}}", "tests.env.AGENTPR_CHILD_OF_RUN"),
        ("tests: make", "tests"),
        ("tests:", "tests"),
        ("tests: {cmd: }", "tests.cmd"),
        ("auth: {interactive: yes}", "auth.interactive"),
        ("auth: {interactive: 1}", "auth.interactive"),
        ("deploy: {teardown_policy: sometimes}", "deploy.teardown_policy"),
        ("deploy: {kubectl_dump: true}", "deploy.kubectl_dump"),
        ("deploy: {kubectl_dump: {namespace: --all}}", "deploy.kubectl_dump.namespace"),
        ("artifacts: {out_dir: 5}", "artifacts.out_dir"),
        ("tooling: all", "tooling"),
    ] {
        let told = refused(text);
        assert!(told.contains(&format!("`{path}`: ")), "{text}: {told}");
        assert!(told.starts_with("line 1, column "), "{text}: {told}");
    }
}

#[test]
fn f25_a_timeout_of_nothing_and_negative_retries_are_errors() {
    assert!(refused("tests: {timeout_seconds: 0}").contains("from 1 to"));
    assert!(refused("tests: {retries: -3}").contains("from 0 to 10"));
}

#[test]
fn fsm_31_fields_that_need_each_other_are_checked_together() {
    for (text, path, word) in [
        ("benchmark: {run_cmd: x, required_keys: [score]}", "benchmark.required_keys", "metrics_path"),
        ("benchmark: {metrics_path: m.json}", "benchmark.metrics_path", "run_cmds"),
        ("benchmark: {metrics_path: m.json, run_cmds: []}", "benchmark.metrics_path", "run_cmds"),
        ("security: {denylist: ['a(b']}", "security.denylist[0]", "regular expression"),
        ("security: {allowlist: ['x', '(?=a)']}", "security.allowlist[1]", "regular expression"),
        ("security: {allowlist: ['(a{1000}){1000}']}", "security.allowlist[0]", "regular expression"),
        ("tests: {workdir: /tmp}", "tests.workdir", "out of the repository"),
        ("tests: {workdir: ../other}", "tests.workdir", "out of the repository"),
        ("tests: {workdir: a/../../b}", "tests.workdir", "out of the repository"),
        ("tests: {workdir: ~/x}", "tests.workdir", "out of the repository"),
        ("benchmark: {run_cmd: x, metrics_path: /m}", "benchmark.metrics_path", "out of the repository"),
        ("benchmark: {run_cmd: x, metrics_path: .}", "benchmark.metrics_path", "repository itself"),
        ("benchmark: {run_cmd: x, metrics_path: .git/m}", "benchmark.metrics_path", "`.git`"),
        ("artifacts: {out_dir: ../out}", "artifacts.out_dir", "out of the repository"),
    ] {
        let told = refused(text);
        assert!(told.contains(&format!("`{path}`: ")) && told.contains(word), "{text}: {told}");
    }
    assert_eq!(accepted("tests: {cmd: x, workdir: a/./b/../c/}").tests.settings.workdir, "a/c");
}

#[test]
fn f10_metrics_nobody_would_look_at_are_an_error() {
    assert!(
        refused("benchmark: {run_cmd: x, required_keys: [score]}").contains("needs benchmark.metrics_path")
    );
    assert!(refused("benchmark: {metrics_path: m}").contains("needs benchmark.run_cmds"));
    accepted("benchmark: {run_cmd: x, metrics_path: m, required_keys: [score]}");
}

#[test]
fn f12_a_contract_that_proves_nothing_is_told_to_be_one() {
    for text in ["{}", "tests: {cmds: []}", "auth: {cmd: login}", "deploy: {setup_cmd: up}"] {
        let told = warnings(text);
        assert!(told.iter().any(|warning| warning.contains("no change can pass")), "{text}: {told:?}");
    }
    assert_eq!(warnings("tests: {cmd: make}"), [""; 0]);
    assert!(accepted("tests: {cmds: []}").stages().is_empty());
}

#[test]
fn a_list_wins_over_a_single_command_and_a_warning_says_so() {
    let both = "tests: {cmd: one, cmds: [two, three]}";
    assert_eq!(accepted(both).tests.cmds, ["two", "three"]);
    let told = warnings(both);
    assert!(told[0].contains("`tests.cmd`: is not used, because `tests.cmds`"), "{told:?}");
    let auth = accepted("auth: {cmd: one, steps: [two], cmds: [three]}\ntests: {cmd: x}");
    assert_eq!(auth.auth.commands.cmds, ["three"]);
    assert_eq!(accepted("auth: {steps: [two]}").auth.commands.cmds, ["two"]);
    assert_eq!(warnings("auth: {cmd: one, steps: [two], cmds: [three]}\ntests: {cmd: x}").len(), 2);
}

#[test]
fn what_has_no_effect_is_told() {
    for (text, path) in [
        ("auth: {interactive: true}", "`auth.interactive`"),
        ("deploy: {teardown_cmds: [x]}", "`deploy.teardown_cmds`"),
        ("deploy: {kubectl_dump: {enabled: true, include_logs: true}}", "`deploy.kubectl_dump.include_logs`"),
        ("tooling: {ensure_tools: [kind]}", "`tooling`"),
    ] {
        let told = warnings(text);
        assert!(told.iter().any(|warning| warning.contains(path)), "{text}: {told:?}");
    }
}

#[test]
fn the_network_is_a_word_or_a_boolean() {
    for (word, wanted) in [("on", true), ("off", false), ("true", true), ("false", false)] {
        assert_eq!(accepted(&format!("security: {{network: {word}}}")).security.network, wanted, "{word}");
    }
}

#[test]
fn what_yaml_can_do_besides_is_refused() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\ntests: *c\n";
    let problems = read(bomb.as_bytes()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("aliases")), "{problems:?}");
    for (text, word) in [
        ("tests: &t {cmd: x}", "anchors"),
        ("tests: {cmd: !!str 5}", "tags"),
        ("tests: !mine {cmd: x}", "tags"),
        ("tests: {<<: {cmd: x}}", "merge keys"),
        ("tests: {cmd: x}\ntests: {cmd: y}", "given twice, first in line 1"),
        ("tests: {cmd: x, cmd: y}", "given twice"),
        ("tests: {cmd: x}\n---\ntests: {cmd: y}", "second document"),
        ("1: x", "a key must be a word"),
        ("{[a]: x}", "a key must be a word"),
        ("tests: [", "not YAML"),
        ("tests:\n\t cmd: x", "not YAML"),
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("- a", "must be a mapping"),
        ("just words", "must be a mapping"),
    ] {
        let told = refused(text);
        assert!(told.contains(word), "{text}: {told}");
    }
    let nested = |levels: usize| format!("tests: {{cmd: {}x{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(refused(&nested(20)).contains("nested deeper"));
    assert!(refused(&nested(50_000)).contains("recursion limit"));
    let deep: String = (0..50_000).map(|_| "- ").collect();
    assert!(refused(&deep).contains("nested deeper"));
    let long = format!("tests: {{cmd: '{}'}}", "x".repeat(300_000));
    assert!(refused(&long).contains("are the most"));
    let problems = read(b"tests:\n  cmd: \xff\n").unwrap_err();
    assert_eq!(problems[0].message, "line 2 is not UTF-8 text");
    accepted("\u{feff}tests: {cmd: x}\r\n");
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = "version: 3\nsecurity:\n  mode: none\ntest: x\nbenchmark:\n  retries: -1\n  run_cmd: 5\n";
    let problems = read(text.as_bytes()).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|problem| problem.place.line).collect();
    assert_eq!(lines, [1, 3, 4, 6, 7], "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.to_string().contains('\n')));
    let many: String = (0..500).map(|n| format!("key{n}: 1\n")).collect();
    assert_eq!(read(many.as_bytes()).unwrap_err().len(), 100);
}

#[test]
fn fsm_59_every_field_of_a_contract_is_documented() {
    let text = include_str!("../../../docs/pipeline_spec.md");
    let mut fields = vec!["version".to_owned(), "artifacts.out_dir".to_owned(), "auth.steps".to_owned()];
    let mut add =
        |section: &str, keys: &[&str]| fields.extend(keys.iter().map(|key| format!("{section}.{key}")));
    add("security", &["mode", "allowlist", "denylist", "max_cmd_seconds", "max_total_seconds"]);
    add("security", &["max_run_seconds", "network"]);
    for section in ["tests", "auth", "deploy", "benchmark"] {
        add(section, &["timeout_seconds", "retries", "env", "workdir"]);
    }
    add("tests", &["cmd", "cmds"]);
    add("auth", &["cmd", "cmds", "interactive"]);
    add("deploy", &["setup_cmd", "setup_cmds", "health_cmd", "health_cmds", "teardown_cmd", "teardown_cmds"]);
    add("deploy", &["teardown_policy"]);
    add("deploy.kubectl_dump", &["enabled", "namespace", "label_selector", "include_logs"]);
    add("benchmark", &["run_cmd", "run_cmds", "metrics_path", "required_keys"]);
    add("tooling", &["ensure_tools", "ensure_kind_cluster", "kind_cluster_name", "kind_config"]);
    for field in &fields {
        assert!(text.contains(&format!("| `{field}` |")), "`{field}` has no row");
        // The reader knows every one of them: what it says is never that the key is unknown.
        let nested = field.split('.').rev().fold("1".to_owned(), |inner, key| format!("{{{key}: {inner}}}"));
        let problems = read(nested.as_bytes()).err().unwrap_or_default();
        assert!(
            !problems.iter().any(|problem| problem.message.contains("unknown key")),
            "{field}: {problems:?}"
        );
    }
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter(|line| line.contains('.') || line.contains("version"));
    for row in rows {
        let name = row.trim_start_matches("| `").split('`').next().unwrap_or_default();
        if name.split('.').all(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            && name.contains('.')
        {
            assert!(fields.iter().any(|field| field == name), "`{name}` is documented and not a field");
        }
    }
}

/// Every shipped example.
pub(super) fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn the_examples_read_without_a_warning_and_their_commands_pass_their_own_rules() {
    let examples = examples();
    assert_eq!(examples.len(), 3);
    for (name, text) in examples {
        let (pipeline, warnings) =
            examine(text.as_bytes()).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        assert_eq!(warnings, [], "{name}");
        let security = &pipeline.security;
        let rules = agentpr::domain::command_policy::CommandPolicy {
            mode: security.mode,
            allowlist: security.allowlist.clone(),
            denylist: security.denylist.clone(),
        };
        let deploy = &pipeline.deploy;
        let lists = [
            &pipeline.auth.commands.cmds,
            &pipeline.tests.cmds,
            &deploy.setup_cmds,
            &deploy.health_cmds,
            &deploy.teardown_cmds,
            &pipeline.benchmark.commands.cmds,
        ];
        for command in lists.into_iter().flatten() {
            assert_eq!(rules.judge(command), Ok(()), "{name}: {command}");
        }
    }
}

/// Texts that look like contracts: lines of one with pieces of others in between.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let pieces = select(vec![
        "*a",
        "&a ",
        "!!int ",
        "<<: ",
        "- ",
        "? ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "'",
        "\"",
        "\\x",
        "\t",
        "\0",
        "\u{feff}",
        "\u{2028}",
        "#",
        "@",
        "`",
        "0x7fffffffffffffffff",
        "-1",
        "1e999",
        ".nan",
        "null",
        "~",
        "yes",
        "é",
        "\r",
        "\r\n",
        ",",
        "%",
        "\u{85}",
    ]);
    (proptest::collection::vec((any::<Index>(), pieces, 0..4_usize), 0..8)).prop_map(|edits| {
        let mut text: Vec<char> = FULL.chars().collect();
        for (at, piece, removed) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed * 7).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect::<String>().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fsm_30_no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(is_told(&bytes));
    }

    #[test]
    fn fsm_30_no_mutated_contract_makes_the_reader_panic(bytes in mutated()) {
        prop_assert!(is_told(&bytes));
    }
}

/// Says whether bytes are either a contract or problems that each fit on a line.
fn is_told(bytes: &[u8]) -> bool {
    match read(bytes) {
        Ok(_) => true,
        Err(problems) => {
            !problems.is_empty()
                && problems.len() <= 100
                && problems.iter().all(|problem| !problem.to_string().contains('\n'))
        }
    }
}
