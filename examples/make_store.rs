//! Writes a sound store of any size, by the way every event goes in: `make_store PATH --runs N --events M`.

#![expect(clippy::unwrap_used, reason = "a tool for measurements may stop where it stands")]
#![expect(clippy::print_stdout, reason = "its output is for the person who started it")]

mod fill;
#[path = "../tests/it/store/life.rs"]
mod life;

use std::path::PathBuf;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().unwrap())
    };
    let path = PathBuf::from(arguments.first().expect("make_store PATH --runs N --events M"));
    let (runs, events) = (option("--runs", 10_000), option("--events", 1_000_000));
    let written = fill::fill(&path, runs, events);
    println!("{runs} runs, {written} events in `{}`", path.display());
}
