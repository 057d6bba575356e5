//! Reads a verification contract, `pipeline.yml`, into [`Pipeline`]: every field of `docs/pipeline_spec.md` and no other.
//!
//! All problems are collected. Warnings name what is allowed and probably not meant.

use std::collections::BTreeMap;

use super::fields::{Fields, Notes};
use super::reader::{Value, parse};
use super::rules::{path_inside, pattern, variable};
use crate::domain::pipeline::{
    Auth, Benchmark, Commands, Deploy, KubectlDump, Pipeline, Problem, Security, StageSettings,
    TeardownPolicy,
};
use crate::domain::policy::CommandMode;

/// The longest time that can be given: a day. What takes longer is no check of a change.
const MAX_SECONDS: i64 = 86_400;

/// The most tries besides the first.
const MAX_RETRIES: i64 = 10;

/// Items of a list at most.
const MAX_ITEMS: usize = 200;

const SECTIONS: [&str; 8] =
    ["version", "security", "tests", "auth", "deploy", "benchmark", "artifacts", "tooling"];
const SECURITY: [&str; 7] =
    ["mode", "allowlist", "denylist", "max_cmd_seconds", "max_total_seconds", "max_run_seconds", "network"];
const SETTINGS: [&str; 4] = ["timeout_seconds", "retries", "env", "workdir"];
const TESTS: [&str; 2] = ["cmd", "cmds"];
const AUTH: [&str; 4] = ["cmd", "cmds", "steps", "interactive"];
const DEPLOY: [&str; 8] = [
    "setup_cmd",
    "setup_cmds",
    "health_cmd",
    "health_cmds",
    "teardown_cmd",
    "teardown_cmds",
    "teardown_policy",
    "kubectl_dump",
];
const KUBECTL: [&str; 4] = ["enabled", "namespace", "label_selector", "include_logs"];
const BENCHMARK: [&str; 4] = ["run_cmd", "run_cmds", "metrics_path", "required_keys"];
const ARTIFACTS: [&str; 1] = ["out_dir"];
const TOOLING: [&str; 4] = ["ensure_tools", "ensure_kind_cluster", "kind_cluster_name", "kind_config"];

/// Reads a contract.
///
/// # Errors
/// Every problem, at most a hundred, in the order of the file as far as it can be told.
pub fn read(bytes: &[u8]) -> Result<Pipeline, Vec<Problem>> {
    examine(bytes).map(|(pipeline, _)| pipeline)
}

/// Reads a contract, and says what is allowed and probably not meant.
///
/// # Errors
/// As [`read`].
pub fn examine(bytes: &[u8]) -> Result<(Pipeline, Vec<Problem>), Vec<Problem>> {
    let root = parse(bytes)?;
    let mut notes = Notes::default();
    let top = Fields::of(&root, "", &SECTIONS, &mut notes);
    if let Some(node) = top.get("version")
        && node.value != Value::Int(1)
    {
        let message = format!("must be the number 1, and it is {}", node.value.kind());
        notes.problem("version", node.place, message);
    }
    let pipeline = Pipeline {
        security: security(&top, &mut notes),
        auth: auth(&top, &mut notes),
        tests: tests(&top, &mut notes),
        deploy: deploy(&top, &mut notes),
        benchmark: benchmark(&top, &mut notes),
        out_dir: top
            .fields("artifacts", &ARTIFACTS, &mut notes)
            .and_then(|artifacts| path(&artifacts, "out_dir", &mut notes)),
    };
    if top.fields("tooling", &TOOLING, &mut notes).is_some() {
        let place = top.place_of("tooling");
        notes.warning("tooling", place, "is accepted and ignored; tools are installed by action requests");
    }
    let evidence = [&pipeline.tests.cmds, &pipeline.deploy.health_cmds, &pipeline.benchmark.commands.cmds];
    if evidence.iter().all(|cmds| cmds.is_empty()) {
        let message = "it has no command under tests, deploy.health_cmds or benchmark, so no change can pass by it alone";
        notes.warning("", top.place, message);
    }
    let Notes { mut problems, warnings } = notes;
    problems.sort_by_key(|problem| problem.place);
    if problems.is_empty() { Ok((pipeline, warnings)) } else { Err(problems) }
}

fn security(top: &Fields<'_>, notes: &mut Notes) -> Security {
    let Some(fields) = top.fields("security", &SECURITY, notes) else { return Security::default() };
    let modes = [("safe", CommandMode::Safe), ("system", CommandMode::System)];
    Security {
        mode: fields.choice("mode", &modes, notes).unwrap_or_default(),
        allowlist: patterns(&fields, "allowlist", notes),
        denylist: patterns(&fields, "denylist", notes),
        max_cmd_seconds: seconds(&fields, "max_cmd_seconds", notes),
        max_total_seconds: seconds(&fields, "max_total_seconds", notes),
        max_run_seconds: seconds(&fields, "max_run_seconds", notes),
        network: match fields.get("network").map(|node| &node.value) {
            // YAML 1.2 reads these two words as text.
            Some(Value::Text(word)) if word == "on" => true,
            Some(Value::Text(word)) if word == "off" => false,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                let message = format!("must be `on` or `off`, and it is {}", other.kind());
                let place = fields.get("network").map_or(fields.place, |node| node.place);
                notes.problem(fields.path("network"), place, message);
                false
            }
            None => false,
        },
    }
}

fn tests(top: &Fields<'_>, notes: &mut Notes) -> Commands {
    let known = [&TESTS[..], &SETTINGS].concat();
    let Some(fields) = top.fields("tests", &known, notes) else { return Commands::default() };
    Commands { cmds: commands(&fields, &["cmds"], "cmd", notes), settings: settings(&fields, notes) }
}

fn auth(top: &Fields<'_>, notes: &mut Notes) -> Auth {
    let known = [&AUTH[..], &SETTINGS].concat();
    let Some(fields) = top.fields("auth", &known, notes) else { return Auth::default() };
    let cmds = commands(&fields, &["cmds", "steps"], "cmd", notes);
    let interactive = fields.boolean("interactive", notes).unwrap_or_default();
    if interactive && cmds.is_empty() {
        let place = fields.place_of("interactive");
        notes.warning(fields.path("interactive"), place, "has no effect: auth has no commands");
    }
    Auth { commands: Commands { cmds, settings: settings(&fields, notes) }, interactive }
}

fn deploy(top: &Fields<'_>, notes: &mut Notes) -> Deploy {
    let known = [&DEPLOY[..], &SETTINGS].concat();
    let Some(fields) = top.fields("deploy", &known, notes) else { return Deploy::default() };
    let policies = [
        ("always", TeardownPolicy::Always),
        ("on_success", TeardownPolicy::OnSuccess),
        ("on_failure", TeardownPolicy::OnFailure),
        ("never", TeardownPolicy::Never),
    ];
    let deploy = Deploy {
        setup_cmds: commands(&fields, &["setup_cmds"], "setup_cmd", notes),
        health_cmds: commands(&fields, &["health_cmds"], "health_cmd", notes),
        teardown_cmds: commands(&fields, &["teardown_cmds"], "teardown_cmd", notes),
        teardown_policy: fields.choice("teardown_policy", &policies, notes).unwrap_or_default(),
        settings: settings(&fields, notes),
        kubectl_dump: fields
            .fields("kubectl_dump", &KUBECTL, notes)
            .and_then(|fields| kubectl_dump(&fields, notes)),
    };
    if deploy.setup_cmds.is_empty() && !deploy.teardown_cmds.is_empty() {
        let message = "never run: a teardown follows a setup, and there are no setup commands";
        notes.warning(fields.path("teardown_cmds"), fields.place_of("teardown_cmds"), message);
    }
    deploy
}

fn kubectl_dump(fields: &Fields<'_>, notes: &mut Notes) -> Option<KubectlDump> {
    let enabled = fields.boolean("enabled", notes).unwrap_or_default();
    let dump = KubectlDump {
        namespace: fields.text("namespace", notes),
        label_selector: fields.text("label_selector", notes),
        include_logs: fields.boolean("include_logs", notes).unwrap_or_default(),
    };
    for (key, value) in [("namespace", &dump.namespace), ("label_selector", &dump.label_selector)] {
        // It becomes the value of an option of kubectl; a line break or a blank is in no name and no selector.
        if value.as_ref().is_some_and(|value| value.starts_with('-') || value.contains(['\n', '\t', '\0'])) {
            notes.problem(
                fields.path(key),
                fields.place_of(key),
                "must be one line that does not begin with `-`",
            );
        }
    }
    if enabled && dump.include_logs && dump.label_selector.is_none() {
        let message = "has no effect: logs are written down only with a label_selector";
        notes.warning(fields.path("include_logs"), fields.place_of("include_logs"), message);
    }
    enabled.then_some(dump)
}

fn benchmark(top: &Fields<'_>, notes: &mut Notes) -> Benchmark {
    let known = [&BENCHMARK[..], &SETTINGS].concat();
    let Some(fields) = top.fields("benchmark", &known, notes) else { return Benchmark::default() };
    let benchmark = Benchmark {
        commands: Commands {
            cmds: commands(&fields, &["run_cmds"], "run_cmd", notes),
            settings: settings(&fields, notes),
        },
        metrics_path: path(&fields, "metrics_path", notes),
        required_keys: fields
            .texts("required_keys", MAX_ITEMS, notes)
            .unwrap_or_default()
            .into_iter()
            .map(|(key, _, _)| key)
            .collect(),
    };
    // Commands that could not be read are a problem already.
    let nothing = Value::List(Vec::new());
    let unread =
        ["run_cmd", "run_cmds"].iter().any(|key| fields.get(key).is_some_and(|node| node.value != nothing));
    if fields.get("metrics_path").is_some() && benchmark.commands.cmds.is_empty() && !unread {
        let message = "needs benchmark.run_cmds: only they can write it anew";
        notes.problem(fields.path("metrics_path"), fields.place_of("metrics_path"), message);
    }
    if !benchmark.required_keys.is_empty() && fields.get("metrics_path").is_none() {
        let message = "needs benchmark.metrics_path: the keys are looked for in that file";
        notes.problem(fields.path("required_keys"), fields.place_of("required_keys"), message);
    }
    benchmark
}

/// The commands of a stage. The first list that is given wins over the other lists and over the single command.
fn commands(fields: &Fields<'_>, lists: &[&str], single: &str, notes: &mut Notes) -> Vec<String> {
    let mut found: Option<(&str, Vec<String>)> = None;
    for key in lists {
        if fields.get(key).is_none() {
            continue;
        }
        let given = fields.texts(key, MAX_ITEMS, notes).unwrap_or_default();
        match &found {
            Some((first, _)) => unused(fields, key, first, notes),
            None => found = Some((key, given.into_iter().map(|(command, _, _)| command).collect())),
        }
    }
    let command = fields.text(single, notes);
    match found {
        Some((list, commands)) => {
            if fields.get(single).is_some() {
                unused(fields, single, list, notes);
            }
            commands
        }
        None => command.into_iter().collect(),
    }
}

fn unused(fields: &Fields<'_>, key: &str, winner: &str, notes: &mut Notes) {
    let message =
        format!("is not used, because `{}` is given as well; remove one of them", fields.path(winner));
    notes.warning(fields.path(key), fields.place_of(key), message);
}

fn settings(fields: &Fields<'_>, notes: &mut Notes) -> StageSettings {
    let mut env = BTreeMap::new();
    for (name, (value, path, place)) in fields.text_map("env", notes) {
        match variable(&name, &value) {
            Ok(()) => {
                env.insert(name, value);
            }
            Err(why) => notes.problem(path, place, why),
        }
    }
    let retries = fields.number("retries", 0..=MAX_RETRIES, "", notes);
    StageSettings {
        timeout_seconds: seconds(fields, "timeout_seconds", notes),
        retries: retries.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        env,
        workdir: inside(fields, "workdir", notes).unwrap_or_default(),
    }
}

fn seconds(fields: &Fields<'_>, key: &str, notes: &mut Notes) -> Option<u64> {
    fields.number(key, 1..=MAX_SECONDS, " of seconds", notes)
}

fn patterns(fields: &Fields<'_>, key: &str, notes: &mut Notes) -> Vec<String> {
    let mut good = Vec::new();
    for (text, path, place) in fields.texts(key, MAX_ITEMS, notes).unwrap_or_default() {
        match pattern(&text) {
            Ok(()) => good.push(text),
            Err(why) => notes.problem(path, place, why),
        }
    }
    good
}

/// A path of something below the repository.
fn path(fields: &Fields<'_>, key: &str, notes: &mut Notes) -> Option<String> {
    let path = inside(fields, key, notes)?;
    if path.is_empty() {
        notes.problem(
            fields.path(key),
            fields.place_of(key),
            "is the repository itself; name something in it",
        );
        return None;
    }
    Some(path)
}

fn inside(fields: &Fields<'_>, key: &str, notes: &mut Notes) -> Option<String> {
    let text = fields.text(key, notes)?;
    match path_inside(&text) {
        Ok(path) => Some(path),
        Err(why) => {
            let place = fields.get(key).map_or(fields.place, |node| node.place);
            notes.problem(fields.path(key), place, why);
            None
        }
    }
}
