//! What facts about a machine mean, and how findings make a report.

use std::path::Path;
use std::time::Duration;

use agentpr::app::doctor::profile::Check;
use agentpr::app::doctor::{Finding, Profile, Report, Severity, judge};
use agentpr::domain::confine::{Confinement, SandboxMode, Tier};
use agentpr::domain::time::Timestamp;
use agentpr::ports::probe::{Reach, SandboxFacts, Version};

fn reached(answer: &Reach) -> Finding {
    judge::reached("http://host.test/", answer, Duration::from_millis(1500))
}

#[test]
fn f33_200_to_499_is_reachable_and_nothing_else_is() {
    for status in [200, 204, 301, 401, 403, 404, 429, 499] {
        assert!(reached(&Reach::Answered(status)).ok, "{status}");
    }
    for (answer, passing) in [
        (Reach::Answered(500), true),
        (Reach::Answered(503), true),
        (Reach::Answered(101), false),
        (Reach::Silent, true),
        (Reach::Broken("x".to_owned()), true),
        (Reach::Unusable("x".to_owned()), false),
    ] {
        let finding = reached(&answer);
        assert!(finding.is_failure() && finding.transient == passing, "{answer:?}: {finding:?}");
        assert!(finding.remedy.starts_with("curl "), "{finding:?}");
    }
    assert_eq!(reached(&Reach::Silent).detail, "no answer within 1.5 s");
}

#[test]
fn a_failure_is_passing_only_when_everything_in_the_way_is() {
    let report = |findings: &[Finding]| Report { findings: findings.to_vec(), ..Report::default() };
    let (silent, hard) = (reached(&Reach::Silent), reached(&Reach::Unusable("x".to_owned())));
    let warning = Finding::bad(Severity::Warning, "w", "x", "y");
    let good = Finding::good("g", "x");
    assert!(report(&[good.clone(), silent.clone(), warning.clone()]).is_transient_failure());
    assert!(!report(&[silent, hard.clone()]).is_transient_failure());
    assert!(!report(&[hard]).is_transient_failure());
    let fine = report(&[good, warning]);
    assert!(fine.is_ok() && !fine.is_transient_failure(), "nothing is in the way");
    assert_eq!((fine.failures().len(), fine.warnings()), (0, vec!["w: x".to_owned()]));
}

#[test]
fn the_clock_is_judged_by_the_newest_event() {
    let now = Timestamp(1_800_000_000_000);
    let at = |seconds: i64| Some(Timestamp(now.0 + seconds * 1000));
    assert!(judge::clock(now, None).ok && judge::clock(now, at(-86_400)).ok && judge::clock(now, at(299)).ok);
    assert!(judge::clock(now, at(301)).is_failure());
    assert!(judge::clock(Timestamp(0), None).is_failure());
    assert!(judge::clock(Timestamp(4_200_000_000_000), None).is_failure());
}

#[test]
fn a_required_tier_that_is_not_reached_makes_work_impossible() {
    let facts = |tier| SandboxFacts { tier, detail: "d".to_owned(), remedy: "r".to_owned() };
    let of = |tier, mode, required| {
        judge::sandbox("sandbox", &facts(tier), &Confinement { mode, required, network: true })
    };
    let missing = of(Tier::Landlock, SandboxMode::Auto, Tier::Bubblewrap);
    assert!(missing.is_failure() && missing.remedy == "r", "{missing:?}");
    assert!(of(Tier::Open, SandboxMode::ReadOnly, Tier::Open).is_failure(), "the mode stands for tier 1");
    let none = of(Tier::Bubblewrap, SandboxMode::DangerFullAccess, Tier::Landlock);
    assert!(none.is_failure() && none.detail.contains("danger-full-access"), "{none:?}");
    let weak = of(Tier::Open, SandboxMode::Auto, Tier::Open);
    assert!(!weak.ok && weak.severity == Severity::Warning, "{weak:?}");
    assert!(of(Tier::Bubblewrap, SandboxMode::Auto, Tier::Bubblewrap).ok);
}

#[test]
fn room_has_a_floor_and_a_warning_above_it() {
    let of = |mib: u64| judge::room("space.data", Path::new("/d"), mib * 1024 * 1024);
    assert!(of(199).is_failure());
    assert_eq!((of(200).ok, of(200).severity), (false, Severity::Warning));
    assert_eq!((of(2047).ok, of(2048).ok), (false, true));
}

#[test]
fn a_version_is_read_out_of_what_a_program_says() {
    let read = agentpr::domain::agent::known::numbers;
    assert_eq!(read("git version 2.47.3"), Some(vec![2, 47, 3]));
    assert_eq!(read("git version 2.39.5 (Apple Git-154)"), Some(vec![2, 39, 5]));
    assert_eq!(read("codex-cli 0.23.0-alpha.1"), Some(vec![0, 23, 0]));
    assert_eq!(read("2.1.128 (Claude Code)"), Some(vec![2, 1, 128]));
    assert_eq!(read("v1.0.216."), Some(vec![1, 0, 216]));
    assert_eq!(read("aider"), None);
    assert_eq!(read("1.99999999999999999999999.0"), None, "no number, no version");
    let said = |line: &str| Version::Said { path: "/bin/git".into(), line: line.to_owned() };
    assert!(judge::git(&said("git version 2.28.0")).unwrap().ok);
    assert!(judge::git(&said("git version 2.27.9")).unwrap().is_failure());
    assert!(judge::git(&said("git version unknown")).unwrap().is_failure());
    assert_eq!(judge::git(&Version::Absent), None);
}

#[test]
fn no_gate_asks_for_what_its_commands_do_not_need() {
    for profile in Profile::ALL {
        let checks = profile.checks();
        for always in [Check::Workspace, Check::Git, Check::Shell] {
            assert!(checks.contains(&always), "{}", profile.name());
        }
        let speaks = matches!(profile, Profile::Github | Profile::Manager);
        assert_eq!(checks.contains(&Check::ForgeLogin), speaks, "{}", profile.name());
        assert_eq!(checks.contains(&Check::TelegramToken), profile == Profile::Telegram);
        assert_eq!(checks.contains(&Check::WebhookSecret), profile == Profile::Webhook);
    }
}
