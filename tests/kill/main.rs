//! The kill test: the program is ended by SIGKILL at every named point of a full run, and at random moments, again and
//! again; after each death the log is audited and the next start goes on.
//!
//! `AGENTPR_KILL_CYCLES` says how many random deaths there are (150 unless set, beside some 60 named ones); `AGENTPR_KILL_SEED`
//! repeats a sequence that failed. The receiver of webhooks dies by itself in [`webhook`]. Two thousand by hand: `AGENTPR_KILL_CYCLES=2000 cargo test --test kill`.

#![expect(clippy::disallowed_methods, reason = "a test reads its own variables and starts real programs")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::print_stdout, reason = "what was survived is said, and the seed that repeats it")]

#[path = "../it/harness/deliveries.rs"]
mod deliveries;
#[path = "../it/harness/git.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod git;
#[path = "../it/store/life.rs"]
mod life;
#[path = "../it/harness/receiver.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod receiver;
#[path = "../it/harness/sandbox.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod sandbox;

mod audit;
mod story;
mod webhook;

use agentpr::crash_point::POINTS;
use story::{Death, Story};

/// Deaths of one kind after which a sequence of the same death ends: a run passes no point more often than this.
const MOST_PASSES: u32 = 100;

#[test]
fn a_death_at_any_named_point_loses_nothing_and_the_next_start_goes_on() {
    let mut story = Story::new("named");
    let mut deaths = 0;
    for point in POINTS.iter().filter(|point| !webhook::POINTS.contains(point)) {
        let before = deaths;
        for nth in 1..MOST_PASSES {
            let died = story.whole_run(&Death::At { point, nth });
            deaths += died;
            if died == 0 {
                break;
            }
        }
        assert!(deaths > before, "no run passed `{point}`");
    }
    println!(
        "{deaths} deaths at {} named points, {} runs, {} events",
        POINTS.len() - webhook::POINTS.len(),
        story.runs(),
        story.events()
    );
}

#[test]
fn a_violation_that_was_found_before_a_death_is_in_the_log_once() {
    let sandbox = sandbox::Sandbox::new();
    let files = [("answer.txt", "41\n"), ("check.sh", "grep -qx 42 answer.txt\n")];
    sandbox.with_remote("acme", "parser", &files);
    let agent = sandbox.fake_agent("fix.script", "write answer.txt 42\nwrite pipeline.yml x\nprint done\n");
    for point in ["phase_judged", "phase_ended"] {
        let order =
            ["submit", "--owner", "acme", "--repo", "parser", "--task", "Say 42", "--check", "sh check.sh"];
        let args = [&order[..], &["--run-id", point, "--agent", &agent]].concat();
        let _submitted = sandbox.agentpr(&args).ok();
        let tick = ["manager-tick", "--run-id", point];
        let mut command = sandbox.command(&tick);
        let died = command
            .env("AGENTPR_CRASH_AT", format!("{point}#1"))
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!(died.status.code(), None, "it did not die at `{point}`");
        let _went_on = sandbox.agentpr(&tick);
        let events = sandbox.agentpr(&["--json", "events", point]).ok().stdout;
        let of_first = events
            .lines()
            .filter(|line| line.contains("guard.violated") && line.contains("\"attempt\":3,"))
            .count();
        assert_eq!(of_first, 1, "{point}: {events}");
    }
}

#[test]
fn deaths_at_random_moments_lose_nothing_and_every_run_comes_to_an_end() {
    let cycles: u32 = number("AGENTPR_KILL_CYCLES").unwrap_or(150);
    let seed = number("AGENTPR_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("AGENTPR_KILL_SEED={seed}");
    let mut story = Story::new("random");
    let mut chance = Chance(seed | 1);
    let mut deaths = 0;
    while deaths < cycles {
        deaths += story.some_steps(&mut || Death::After { micros: chance.below(700_000) });
    }
    story.finish_all();
    println!("{deaths} deaths at random moments, {} runs, {} events", story.runs(), story.events());
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// A small generator whose whole sequence is its seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
