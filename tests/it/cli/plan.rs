//! The closed loop on a plan file, by hand.

use std::os::unix::fs::PermissionsExt;

use crate::harness::Sandbox;

const PLAN: &str = "# PLAN\n\n## Acceptance\n- [ ] TEST_CMD passes: `make test`\n\n## Next (exactly ONE item)\n\
                    - [ ] (STEP_ID=1) one\n\n## Backlog\n- [ ] (STEP_ID=2) two\n- [ ] (STEP_ID=3) three\n\n## Done\n";

#[test]
fn a_plan_is_worked_through_by_hand() {
    let sandbox = Sandbox::empty();
    let file = sandbox.write("PLAN.md", PLAN);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let _right = sandbox.agentpr(&["plan", "check", "PLAN.md", "--test-cmd", "make test"]).ok();
    let shown = sandbox.agentpr(&["plan", "done", "PLAN.md", "1"]).ok().stdout;
    assert!(shown.contains("Next is step 2."), "{shown}");
    let said = sandbox.json(&["plan", "block", "PLAN.md", "2", "--reason", "needs a key"]);
    assert_eq!((&said["next"]["id"], &said["blocked"][0]["id"]), (&"3".into(), &"2".into()));
    let said = sandbox.json(&["plan", "done", "PLAN.md", "3"]);
    assert_eq!((&said["finished"], &said["done"][1]["text"]), (&false.into(), &"three".into()));
    let shown = sandbox.agentpr(&["plan", "show", "PLAN.md"]).ok().stdout;
    assert!(shown.contains("blocked steps need a person"), "{shown}");
    assert!(std::fs::read_to_string(&file).unwrap().contains("  Blocked: needs a key\n"));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_wrong_plan_ends_with_2_and_its_codes() {
    let sandbox = Sandbox::empty();
    let file = sandbox.write("PLAN.md", &PLAN.replace("## Backlog\n", ""));
    let answer = sandbox.agentpr(&["plan", "check", "PLAN.md"]).code(2);
    for words in ["missing_backlog_section", "line 9: next_count_not_one", "hint: "] {
        assert!(answer.stderr.contains(words), "{words}: {}", answer.stderr);
    }
    let said = sandbox.agentpr(&["--json", "plan", "check", "PLAN.md"]).code(2).json();
    assert_eq!((&said["ok"], &said["faults"][0]["code"]), (&false.into(), &"missing_backlog_section".into()));
    let before = std::fs::read_to_string(&file).unwrap();
    let _refused = sandbox.agentpr(&["plan", "done", "PLAN.md", "1"]).code(2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    let right = sandbox.write("right.md", PLAN);
    let other = sandbox.agentpr(&["plan", "check", right.to_str().unwrap(), "--test-cmd", "make"]).code(2);
    assert!(other.stderr.contains("missing_acceptance_test_cmd"), "{}", other.stderr);
    let _wrong_step = sandbox.agentpr(&["plan", "done", right.to_str().unwrap(), "2"]).code(2);
}
