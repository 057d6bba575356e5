//! Who may name whom: the layers of `docs/architecture.md`, and the one place of each outside crate.

use super::name::{Name, module_of, names_in};
use super::{Source, assert_accepted, assert_refused, refuse_in_program};

/// The modules at the root of the crate each layer may name, besides itself. `*` is everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ports", &["domain"]),
    ("app", &["ports", "domain", "crash_point"]),
    ("adapters", &["ports", "domain", "crash_point"]),
    ("surfaces", &["app", "domain", "config"]),
    ("config", &["domain"]),
    ("crash_point", &[]),
    ("telemetry", &["config"]),
    ("daemon", &["*"]),
    // The crate map and the program itself: `src/lib.rs`, `src/main.rs`.
    ("", &["*"]),
];

/// The adapters that others may name: starting programs and speaking git are done in one place each.
const SHARED_ADAPTERS: &[&str] = &["process", "git", "yaml"];

/// Outside crates (or parts of one) and the places, as path prefixes under `src/`, that may name them.
const PLACES: &[(&str, &[&str])] = &[
    ("rusqlite", &["adapters/store/"]),
    ("std::process::Command", &["adapters/process"]),
    ("tokio::process", &["adapters/process"]),
    ("clap", &["surfaces/cli", "main.rs"]),
    ("clap_complete", &["surfaces/cli", "main.rs"]),
    ("comfy_table", &["surfaces/cli"]),
    ("indicatif", &["surfaces/cli"]),
    ("minijinja", &["app/prompt"]),
    ("toml", &["config", "adapters/probe"]),
    ("landlock", &["adapters/process"]),
    ("saphyr", &["adapters/yaml"]),
    ("saphyr_parser", &["adapters/yaml"]),
    ("reqwest", &["adapters/"]),
    ("octocrab", &["adapters/forge"]),
    ("ring", &["adapters/forge"]),
    ("hmac", &["surfaces/http"]),
    ("axum", &["surfaces/http"]),
    ("hyper", &["surfaces/http"]),
    ("hyper_util", &["surfaces/http"]),
];

/// The outside crates that the pure layers may name; nothing else comes in there.
const PURE_CRATES: &[(&str, &[&str])] = &[
    ("domain", &["std", "serde", "serde_json", "thiserror", "subtle", "regex"]),
    ("ports", &["std", "serde", "thiserror", "async_trait", "tokio_util"]),
];

/// Crates whose names are looked for in the pure layers: everything in `Cargo.toml` that does something.
const CRATES: &[&str] = &[
    "anstream",
    "anstyle",
    "anyhow",
    "async_trait",
    "axum",
    "base64",
    "clap",
    "comfy_table",
    "getrandom",
    "globset",
    "hex",
    "hmac",
    "http_body_util",
    "hyper",
    "hyper_util",
    "indicatif",
    "jiff",
    "landlock",
    "minijinja",
    "octocrab",
    "regex",
    "reqwest",
    "ring",
    "rusqlite",
    "rustix",
    "saphyr",
    "saphyr_parser",
    "serde",
    "serde_json",
    "sha2",
    "shell_words",
    "std",
    "subtle",
    "tempfile",
    "thiserror",
    "tokio",
    "tokio_util",
    "toml",
    "tower",
    "tracing",
    "tracing_subscriber",
];

/// Parts of the standard library that reach outside a pure function.
const IMPURE_STD: &[&str] = &["fs", "net", "process", "env", "thread", "os"];

fn layer_rule(source: &Source) -> Vec<String> {
    let module = module_of(&source.path);
    let layer = module.first().map_or("", String::as_str);
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![format!("{}: layer rule: `{layer}` is in no row of LAYERS", source.path)];
    };
    faults(source, "layer rule", |name| {
        let [root, target, rest @ ..] = name else { return None };
        if root != "crate" || allowed.contains(&"*") {
            return None;
        }
        if target != layer {
            return (!allowed.contains(&target.as_str()))
                .then(|| format!("`{layer}` may not name `{target}`"));
        }
        let (Some(own), Some(other)) = (module.get(1), rest.first()) else { return None };
        let is_foreign = layer == "adapters" && own != other && !SHARED_ADAPTERS.contains(&other.as_str());
        is_foreign.then(|| format!("adapter `{own}` may not name adapter `{other}`"))
    })
}

fn place_rule(source: &Source) -> Vec<String> {
    let inside = source.path.trim_start_matches("src/");
    faults(source, "one place for each outside crate", |name| {
        let joined = name.join("::");
        PLACES.iter().find_map(|(outside, places)| {
            let is_it = joined == *outside || joined.starts_with(&format!("{outside}::"));
            let is_here = places.iter().any(|place| inside.starts_with(place));
            (is_it && !is_here).then(|| format!("`{outside}` belongs in {}", places.join(", ")))
        })
    })
}

fn purity_rule(source: &Source) -> Vec<String> {
    let module = module_of(&source.path);
    let layer = module.first().map_or("", String::as_str);
    let Some((_, crates)) = PURE_CRATES.iter().find(|(name, _)| *name == layer) else { return Vec::new() };
    faults(source, "purity", |name| {
        let first = name.first()?.as_str();
        if CRATES.contains(&first) && !crates.contains(&first) {
            return Some(format!("`{layer}` is pure and may not name the crate `{first}`"));
        }
        if layer != "domain" {
            return None;
        }
        if first == "std" && name.get(1).is_some_and(|part| IMPURE_STD.contains(&part.as_str())) {
            return Some("the domain reaches for nothing outside itself".to_owned());
        }
        let clock = name.iter().find(|part| matches!(part.as_str(), "Instant" | "SystemTime"))?;
        Some(format!("`{clock}` reads a clock; the domain is handed the time"))
    })
}

/// One fault for each name that `judge` objects to.
fn faults(source: &Source, rule: &str, judge: impl Fn(&[String]) -> Option<String>) -> Vec<String> {
    let fault =
        |name: &Name| judge(name).map(|why| format!("{}: {rule}: `{}`: {why}", source.path, name.join("::")));
    names_in(source).iter().filter_map(fault).collect()
}

#[test]
fn layers_name_only_what_lies_below_them() {
    refuse_in_program(layer_rule);
}

#[test]
fn each_outside_crate_has_one_place() {
    refuse_in_program(place_rule);
}

#[test]
fn domain_and_ports_are_pure() {
    refuse_in_program(purity_rule);
}

#[test]
fn the_layer_rule_has_teeth() {
    let refused = |path, text, words: &[&str]| assert_refused(layer_rule, path, text, words);
    refused(
        "src/domain/run.rs",
        "use crate::ports::store::EventStore;",
        &["layer rule", "crate::ports::store"],
    );
    refused(
        "src/ports/clock.rs",
        "use crate::{domain::id::RunId, app::App};",
        &["`ports` may not name `app`"],
    );
    refused("src/app/engine.rs", "use crate::adapters::clock::SystemClock;", &["`adapters`"]);
    refused("src/adapters/clock.rs", "fn f() { crate::config::load(); }", &["`config`"]);
    refused("src/adapters/worker/mod.rs", "use super::store::SqliteStore;", &["adapter `worker`", "`store`"]);
    refused("src/surfaces/cli/run.rs", "fn f(s: &dyn crate::ports::store::EventStore) {}", &["`ports`"]);
    refused("src/surfaces/cli/ui.rs", "fn f() { print!(\"{}\", crate::daemon::NAME); }", &["`daemon`"]);
    refused("src/drawer/mod.rs", "", &["LAYERS"]);
    let accepted = |path, text| assert_accepted(layer_rule, path, text);
    accepted(
        "src/adapters/worker/mod.rs",
        "use super::{git::Git, process::Group}; use crate::domain::id::RunId;",
    );
    accepted("src/adapters/store/sqlite/mod.rs", "use super::codec; use crate::crash_point;");
    accepted("src/daemon.rs", "use crate::{adapters::clock, config, surfaces};");
    accepted("src/main.rs", "use agentpr::{config, daemon};");
}

#[test]
fn the_place_rule_has_teeth() {
    let refused = |path, text, words: &[&str]| assert_refused(place_rule, path, text, words);
    refused("src/app/engine.rs", "use rusqlite::Connection;", &["`rusqlite` belongs in adapters/store/"]);
    refused("src/adapters/git.rs", "use tokio::{process::Command, sync::mpsc};", &["`tokio::process`"]);
    refused("src/adapters/check.rs", "fn f() { std::process::Command::new(\"sh\"); }", &["adapters/process"]);
    refused("src/app/list.rs", "use comfy_table::Table;", &["surfaces/cli"]);
    assert_accepted(place_rule, "src/adapters/store/sqlite/mod.rs", "use rusqlite::Connection;");
    assert_accepted(place_rule, "src/main.rs", "use std::process::ExitCode;");
}

#[test]
fn the_purity_rule_has_teeth() {
    let refused = |text, words: &[&str]| assert_refused(purity_rule, "src/domain/run.rs", text, words);
    refused("use std::{fmt, fs};", &["purity", "std::fs"]);
    refused("fn f() { std::env::var(\"HOME\"); }", &["std::env::var"]);
    refused("use std::time::{Duration, SystemTime};", &["reads a clock"]);
    refused("use std::time; fn f() { time::Instant::now(); }", &["`Instant` reads a clock"]);
    refused("use tokio::sync::mpsc;", &["crate `tokio`"]);
    refused("fn f() { assert!(rusqlite::version() > 3); }", &["crate `rusqlite`"]);
    assert_refused(purity_rule, "src/ports/store.rs", "use rusqlite::Error;", &["crate `rusqlite`"]);
    assert_accepted(purity_rule, "src/domain/run.rs", "use std::time::Duration; use serde::Serialize;");
}
