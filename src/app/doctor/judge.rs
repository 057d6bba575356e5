//! What facts mean: plain functions from what was found to a finding.

use std::path::Path;
use std::time::Duration;

use super::report::{Finding, Severity};
use crate::domain::agent::known::{KnownAgent, numbers};
use crate::domain::confine::{Confinement, SandboxMode, Tier};
use crate::domain::time::Timestamp;
use crate::ports::forge::{Access, ForgeError};
use crate::ports::probe::{Reach, SandboxFacts, Version};

/// Room below which nothing is begun: a small clone, its checkout for the checks, and the log's next megabytes.
const SPACE_FLOOR: u64 = 200 * 1024 * 1024;

/// Room below which somebody should know: one run with a build.
const SPACE_LOW: u64 = 2 * 1024 * 1024 * 1024;

/// The oldest git whose options the engine uses: `init --initial-branch` came with 2.28 (2020), the newest of them;
/// `add --pathspec-from-file` with 2.25.
const GIT_FLOOR: [u64; 2] = [2, 28];

/// Somebody should know when less than one in so many requests is left.
const LEFT: u64 = 20;

/// Milliseconds at the beginning of 2024: this program did not exist before, so a clock that says less is wrong.
const YEAR_2024: i64 = 1_704_067_200_000;

/// Milliseconds at the beginning of 2100.
const YEAR_2100: i64 = 4_102_444_800_000;

/// Milliseconds by which the newest event may lie ahead: clocks of several machines differ by less.
const AHEAD: i64 = 300_000;

/// What the version of git means; `None` where there is no git, which is another finding.
pub fn git(version: &Version) -> Option<Finding> {
    let bad = |why: String| Finding::bad(Severity::Error, "git.version", why, install("git"));
    match version {
        Version::Absent => None,
        Version::Mute { why, .. } => Some(bad(why.clone())),
        Version::Said { line, .. } => Some(match numbers(line) {
            Some(found) if found.as_slice() >= GIT_FLOOR.as_slice() => Finding::good("git.version", line),
            _ => {
                let [major, minor] = GIT_FLOOR;
                bad(format!("{line}: `git init --initial-branch` needs {major}.{minor}"))
            }
        }),
    }
}

/// What the wall clock means beside the newest event of the store.
pub fn clock(now: Timestamp, newest: Option<Timestamp>) -> Finding {
    let bad = |why: &str| Finding::bad(Severity::Error, "clock", why, "sudo timedatectl set-ntp true");
    if !(YEAR_2024..YEAR_2100).contains(&now.0) {
        bad("the clock says a year before 2024 or after 2099: approvals would expire at once or never")
    } else if newest.is_some_and(|at| at.0.saturating_sub(now.0) > AHEAD) {
        bad("the newest event of the store lies more than 5 minutes in the future: the clock went back")
    } else {
        Finding::good("clock", "not before the newest event")
    }
}

/// What the strongest wall means where a policy applies.
pub fn sandbox(name: &str, facts: &SandboxFacts, wished: &Confinement) -> Finding {
    let required = wished.lowest();
    let shown = format!("tier {} ({}): {}", facts.tier.number(), facts.tier.name(), facts.detail);
    if wished.mode == SandboxMode::DangerFullAccess && required > Tier::Open {
        let why = format!(
            "the sandbox `{}` is no wall, and tier {} is required",
            wished.mode.name(),
            required.number()
        );
        return Finding::bad(Severity::Error, name, why, "${EDITOR:-vi} \"$(agentpr config path)\"");
    }
    if facts.tier < required {
        let why = format!("{shown}; tier {} ({}) is required", required.number(), required.name());
        Finding::bad(Severity::Error, name, why, facts.remedy.clone())
    } else if facts.tier == Tier::Bubblewrap {
        Finding::good(name, shown)
    } else {
        Finding::bad(Severity::Warning, name, shown, facts.remedy.clone())
    }
}

/// What an answer means: any status from 200 to 499 comes from a host that is there.
pub fn reached(url: &str, answer: &Reach, limit: Duration) -> Finding {
    let name = format!("net.{url}");
    let (why, transient) = match answer {
        Reach::Answered(status @ 200..=499) => return Finding::good(name, format!("HTTP {status}")),
        Reach::Answered(status) => (format!("HTTP {status}"), *status >= 500),
        Reach::Silent => (format!("no answer within {} s", limit.as_secs_f64()), true),
        Reach::Broken(why) => (why.clone(), true),
        Reach::Unusable(why) => (why.clone(), false),
    };
    let mend = format!("curl -sSIv --max-time 10 {}", shell_words::quote(url));
    Finding { transient, ..Finding::bad(Severity::Error, name, why, mend) }
}

/// What a login at a forge is good for.
pub fn access(access: &Access) -> Vec<Finding> {
    let mut findings = vec![Finding::good("forge.login", format!("the login of {} is taken", access.login))];
    if let Some(repository) = &access.repository {
        let name = format!("forge.{}", repository.name);
        findings.push(if repository.is_closed {
            let why = "it is archived or disabled, and takes no pull request";
            Finding::bad(Severity::Warning, name, why, "agentpr list")
        } else if repository.may_push {
            Finding::good(name, "may be pushed to")
        } else {
            Finding::info(name, "may not be pushed to: branches go to a fork, unless `fork` is `never`")
        });
    }
    for limit in &access.limits {
        let name = format!("forge.limit.{}", limit.name);
        let shown = format!("{} of {} requests are left", limit.left, limit.of);
        findings.push(if limit.left.saturating_mul(LEFT) < limit.of {
            let why = format!("{shown}: what is asked waits until the hour is over");
            Finding { transient: true, ..Finding::bad(Severity::Warning, name, why, "agentpr doctor") }
        } else {
            Finding::info(name, shown)
        });
    }
    findings
}

/// What it means that a forge does not say what a login is good for; `login` is where it comes from, unless that is `gh`.
pub fn no_access(err: &ForgeError, login: Option<&str>) -> Finding {
    let (transient, mend) = match err {
        ForgeError::Limited { .. } | ForgeError::Unavailable(_) => (true, "agentpr doctor"),
        // A token of the settings is taken before any that `gh` has.
        _ if login.is_some() => (false, "agentpr config show"),
        _ => (false, "gh auth login"),
    };
    let severity = if transient { Severity::Warning } else { Severity::Error };
    Finding { transient, ..Finding::bad(severity, "forge.login", err.to_string(), mend) }
}

/// What so much room means.
pub fn room(name: &str, place: &Path, free: u64) -> Finding {
    let shown = format!("{} MiB free at {}", free / (1024 * 1024), place.display());
    let severity = match free {
        0..SPACE_FLOOR => Severity::Error,
        SPACE_FLOOR..SPACE_LOW => Severity::Warning,
        SPACE_LOW.. => return Finding::good(name, shown),
    };
    Finding::bad(severity, name, shown, "agentpr gc --older-than-days 7")
}

/// The command that brings a program.
pub fn install(program: &str) -> String {
    if let Some(agent) = KnownAgent::of(program) {
        return agent.install.to_owned();
    }
    match program {
        "sh" => "sudo apt-get install -y dash".to_owned(),
        "node" => "sudo apt-get install -y nodejs".to_owned(),
        "go" => "sudo apt-get install -y golang-go".to_owned(),
        "bun" | "pnpm" | "yarn" => format!("npm install -g {program}"),
        "poetry" | "hatch" | "uv" | "tox" | "rye" => format!("pipx install {program}"),
        other => format!("sudo apt-get install -y {other}"),
    }
}
