//! Logins: without a person nothing of an interactive contract runs.

use agentpr::domain::evidence::CheckOutcome;
use agentpr::ports::verify::Unattended;

use super::{Seen, Site, listing};

const CONTRACT: &str = "
auth: {cmd: 'test -t 0 && test -t 1 && test -t 2 && tty > where && touch logged-in', interactive: true}
tests: {cmd: touch tested}
";

#[tokio::test]
async fn f15_fsm_37_an_interactive_login_is_refused_up_front_without_a_person() {
    let site = Site::new();
    let seen = site.verify(CONTRACT).await;
    let blocked = seen.report.blocked.clone().unwrap();
    assert_eq!((seen.outcome(), blocked.code.as_str()), (CheckOutcome::Blocked, "interactive_auth_required"));
    assert!(blocked.detail.contains("--unattended guided") && blocked.detail.contains("agentpr auth RUN"));
    assert_eq!([site.has("logged-in"), site.has("tested")], [false, false], "no stage began");
    assert_eq!(listing(&seen.artifacts.join("preflight")), ["summary.json"]);
    assert_eq!(seen.summary()["blocked"]["code"], "interactive_auth_required");
}

#[tokio::test]
async fn f26_fsm_38_a_guided_login_has_a_terminal_and_leaves_its_output() {
    let site = Site::new();
    let mut order = site.order(Some(&CONTRACT.replace("&& touch", "&& echo Welcome && touch")));
    order.unattended = Unattended::Guided;
    let seen = Seen::of(site.carry_out(&order).await);
    assert_eq!(seen.outcome(), CheckOutcome::Passed, "{seen:?}");
    assert!(site.text("where").starts_with("/dev/pts/"));
    assert!(seen.artifact("auth_cmd01_try01_stdout.txt").contains("Welcome"));
    assert!(seen.artifact("auth_result.json").contains("\"rc\": 0"));
}
