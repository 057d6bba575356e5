//! The plan file: what is read, what is refused by which word, and what the engine writes into it.

use agentpr::domain::plan::check::acceptance_of;
use agentpr::domain::plan::edit::{EditError, template};
use agentpr::domain::plan::{Code, Fault, MAX_BYTES, Plan, SectionName, Step};
use proptest::prelude::*;
use proptest::sample::select;

const PLAN: &str = "\
# PLAN

## Goal
- make it work

## Acceptance
- [ ] TEST_CMD passes: `cargo test -q`
- [ ] the README says so

## Next (exactly ONE item)
- [ ] (STEP_ID=2) second
  with a detail

## Backlog
Some words about it.
- [ ] (STEP_ID=3) third
* [ ] (STEP_ID=4) fourth

## Done
- [x] (STEP_ID=1) first

## Notes
- [a link](x)
";

#[track_caller]
fn plan(text: &str) -> Plan {
    Plan::parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"))
}

#[track_caller]
fn codes(text: &str) -> Vec<(Code, usize)> {
    Plan::parse(text.as_bytes()).unwrap_err().iter().map(|fault| (fault.code, fault.line)).collect()
}

fn ids(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.id.as_str()).collect()
}

/// The plan with one piece of text replaced, which must be there.
#[track_caller]
fn with(from: &str, to: &str) -> String {
    assert!(PLAN.contains(from), "{from}");
    PLAN.replacen(from, to, 1)
}

#[test]
fn a_plan_is_read_with_its_steps() {
    let plan = plan(PLAN);
    assert_eq!((plan.next().unwrap().text.as_str(), plan.next().unwrap().line), ("second", 11));
    assert_eq!(ids(plan.steps(SectionName::Backlog)), ["3", "4"]);
    assert_eq!(ids(plan.steps(SectionName::Done)), ["1"]);
    assert_eq!(plan.acceptance()[1].text, "the README says so");
    assert!(!plan.is_finished());
    assert_eq!(plan.text(), PLAN);
}

#[test]
fn fsm_10_each_code_of_the_parser_has_its_text() {
    let table: &[(&str, &[(Code, usize)])] = &[
        (&with("## Next (exactly ONE item)", "## Nextcloud"), &[(Code::MissingNextSection, 0)]),
        (&with("## Backlog", "## Later"), &[(Code::MissingBacklogSection, 0)]),
        (
            &with("- [ ] (STEP_ID=2) second", "- [ ] (STEP_ID=x) second"),
            &[(Code::NextMissingWhileBacklogOpen, 10), (Code::BadNextLine, 11)],
        ),
        (&with("  with a detail", "- [ second"), &[(Code::BadNextLine, 12)]),
        (&with("  with a detail", "- [] (STEP_ID=8) x"), &[(Code::BadNextLine, 12)]),
        (&with("  with a detail", "- [ ] (STEP_ID=8)"), &[(Code::BadNextLine, 12)]),
        (&with("  with a detail", "- [ ] (STEP_ID=8) x"), &[(Code::NextCountNotOne, 12)]),
        (&with("- [ ] (STEP_ID=2)", "- [X] (STEP_ID=2)"), &[(Code::NextIsChecked, 11)]),
        (&with("- [ ] (STEP_ID=2) second\n", ""), &[(Code::NextMissingWhileBacklogOpen, 10)]),
        (&with("(STEP_ID=4)", "(STEP_ID=3)"), &[(Code::DuplicateStepId, 17)]),
        (&with("(STEP_ID=1)", "(STEP_ID=2)"), &[(Code::DuplicateStepId, 20)]),
        (&with("* [ ] (STEP_ID=4) fourth", "- [ ] fourth"), &[(Code::BadBacklogLine, 17)]),
        (&with("* [ ] (STEP_ID=4) fourth", "* [ ] (STEP_ID=four) x"), &[(Code::BadBacklogLine, 17)]),
        (&with("## Notes", "## Done"), &[(Code::DuplicateSection, 22)]),
        ("", &[(Code::MissingNextSection, 0), (Code::MissingBacklogSection, 0)]),
    ];
    for (text, wanted) in table {
        assert_eq!(codes(text), *wanted, "{text}");
    }
    assert_eq!(codes(&format!("{PLAN}{}", " ".repeat(MAX_BYTES))), [(Code::PlanTooLarge, 0)]);
    assert_eq!(Plan::parse(b"\xff").unwrap_err()[0].code, Code::NotText);
    let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert!(names.contains(&"next_count_not_one") && names.contains(&"step_lost"));
    let told = Fault { code: Code::NextCountNotOne, line: 12, about: "8".to_owned() }.to_string();
    assert!(told.starts_with("line 12: next_count_not_one (`8`): keep one step"), "{told}");
}

#[test]
fn fsm_10_what_is_no_step_is_left_alone() {
    for text in [
        with("Some words", "```\n- [ ] (STEP_ID=2) in a block\n## Done\n```\nSome words"),
        with("Some words", "~~~~\n```\n- [ broken\n~~~~\nSome words"),
        with("Some words", "  - a nested note\nSome words"),
        with("## Notes", "## Nextcloud\n- [ broken\n\n## Notes"),
        PLAN.replace('\n', "\r\n"),
        with("## Done", "## Done (all of it)"),
        with("- [ ] (STEP_ID=2) second", "  +  [ ]  (STEP_ID=2)   second"),
        with("## Done\n- [x] (STEP_ID=1) first\n\n", ""),
        "## Next\n## Backlog".to_owned(),
    ] {
        let plan = plan(&text);
        assert_eq!(plan.text(), text);
        assert!(plan.next().is_none_or(|step| step.text == "second"), "{text}");
    }
    assert!(plan("## Next\n## Backlog").is_finished());
}

#[test]
fn fsm_11_a_fresh_plan_parses_and_names_the_test_command() {
    let text = template("make it\nwork", Some("cargo test -q"), &["the deployment is healthy".to_owned()]);
    let fresh = plan(&text);
    assert_eq!(
        (fresh.next().unwrap().id.as_str(), ids(fresh.steps(SectionName::Done))),
        ("001", vec!["000"])
    );
    assert_eq!(fresh.check_acceptance("cargo test -q"), Ok(()));
    assert!(text.contains("- [ ] TEST_CMD passes: `cargo test -q`\n- [ ] the deployment"), "{text}");
    let without = plan(&text.replace("- [ ] TEST_CMD passes: `cargo test -q`\n", ""));
    let fault = without.check_acceptance("cargo test -q").unwrap_err();
    assert_eq!((fault.code, fault.line), (Code::MissingAcceptanceTestCmd, 6));
    assert!(fresh.check_acceptance("cargo test").is_err(), "another command is another line");
}

#[test]
fn f28_the_acceptance_is_looked_at_and_ticked_by_the_engine() {
    let ticked = plan(PLAN).accept_tests("cargo test -q").unwrap();
    assert_eq!(ticked.text(), with("- [ ] TEST_CMD", "- [x] TEST_CMD"));
    assert_eq!(ticked.check_acceptance("cargo test -q"), Ok(()));
    assert_eq!(ticked.accept_tests("cargo test -q").unwrap(), ticked);
    let absent = plan(PLAN).accept_tests("make").unwrap_err();
    assert_eq!(absent, EditError::NoSuchCriterion(acceptance_of("make")));
}

#[test]
fn fsm_12_a_passed_step_goes_to_done_and_one_is_promoted() {
    let after = plan(PLAN).mark_done("2").unwrap();
    let wanted = PLAN
        .replace("- [ ] (STEP_ID=2) second\n  with a detail\n", "- [ ] (STEP_ID=3) third\n")
        .replacen("words about it.\n- [ ] (STEP_ID=3) third\n", "words about it.\n", 1)
        .replace("(STEP_ID=1) first\n", "(STEP_ID=1) first\n- [x] (STEP_ID=2) second\n  with a detail\n");
    assert_eq!(after.text(), wanted);
    let last = after.mark_done("3").unwrap().mark_done("4").unwrap();
    assert_eq!((last.next(), ids(last.steps(SectionName::Done))), (None, vec!["1", "2", "3", "4"]));
    assert!(last.is_finished());
    assert_eq!(last.mark_done("4").unwrap_err(), EditError::NothingNext);
    let other = plan(PLAN).mark_done("3").unwrap_err();
    assert_eq!(other.to_string(), "the next step is `2`, not `3`");
}

#[test]
fn f18_book_keeping_needs_no_agent_and_breaks_nothing() {
    let short = "## Next\n- [ ] (STEP_ID=7) only\n## Backlog";
    assert_eq!(
        plan(short).mark_done("7").unwrap().text(),
        "## Next\n## Backlog\n\n## Done\n- [x] (STEP_ID=7) only\n\n"
    );
    let last_line = "## Backlog\n## Done\n\n## Next\n- [ ] (STEP_ID=7) only";
    let after = plan(last_line).mark_done("7").unwrap();
    assert_eq!(after.text(), "## Backlog\n## Done\n- [x] (STEP_ID=7) only\n\n## Next\n");
    let windows = PLAN.replace('\n', "\r\n");
    let after = plan(&windows).block("3", "no key").unwrap().text();
    assert!(!after.replace("\r\n", "").contains('\n'), "{after:?}");
    let fenced = "## Next\n- [ ] (STEP_ID=7) only\n## Backlog\n```\nnever closed\n";
    assert_eq!(plan(fenced).mark_done("7").unwrap_err(), EditError::OpenFence);
}

#[test]
fn f17_a_blocked_step_stays_in_sight_and_keeps_the_plan_open() {
    let after = plan(PLAN).block("2", "needs a key\nfor the\u{7} service").unwrap();
    assert_eq!(after.next().unwrap().id, "3");
    assert_eq!(ids(after.steps(SectionName::Blocked)), ["2"]);
    let shown = "## Blocked\n- [ ] (STEP_ID=2) second\n  with a detail\n  Blocked: needs a key for the service\n\n## Done\n";
    assert!(after.text().contains(shown), "{}", after.text());
    let rest = after.mark_done("3").unwrap().mark_done("4").unwrap();
    assert_eq!((rest.next(), rest.open_backlog().count()), (None, 0));
    assert!(!rest.is_finished(), "a blocked step is not done");
    let waiting = plan(PLAN).block("4", "later").unwrap();
    assert_eq!(waiting.next().unwrap().id, "2");
    assert_eq!(plan(PLAN).block("1", "x").unwrap_err(), EditError::NoSuchStep("1".to_owned()));
}

#[test]
fn fsm_10_a_plan_is_compared_with_what_it_was() {
    let before = plan(PLAN);
    let faults = |text: &str| {
        let found = plan(text).compare(&before).faults;
        found.into_iter().map(|fault| (fault.code, fault.about)).collect::<Vec<_>>()
    };
    assert_eq!(faults(PLAN), []);
    assert_eq!(faults(&with("- [x] (STEP_ID=1) first\n", "")), [(Code::DoneItemRemoved, "1".to_owned())]);
    assert_eq!(
        faults(&with("- [x] (STEP_ID=1)", "- [ ] (STEP_ID=1)")),
        [(Code::DoneItemReopened, "1".to_owned())]
    );
    let moved = with("- [x] (STEP_ID=1) first\n", "")
        .replace("* [ ] (STEP_ID=4)", "- [ ] (STEP_ID=1) first\n- [ ] (STEP_ID=4)");
    assert_eq!(faults(&moved), [(Code::DoneItemReopened, "1".to_owned())]);
    assert_eq!(
        faults(&with("(STEP_ID=1) first", "(STEP_ID=1) other")),
        [(Code::StepIdChangedText, "1".to_owned())]
    );
    assert_eq!(faults(&with("* [ ] (STEP_ID=4) fourth\n", "")), [(Code::StepLost, "4".to_owned())]);
    let split = with("(STEP_ID=4) fourth", "(STEP_ID=5) half (from STEP_ID=4)");
    assert_eq!(faults(&split), []);
    let no_split = with("(STEP_ID=4) fourth", "(STEP_ID=5) half (from STEP_ID=44)");
    assert_eq!(faults(&no_split), [(Code::StepLost, "4".to_owned())]);
    let reworded = plan(&with("(STEP_ID=3) third", "(STEP_ID=3) other words")).compare(&before);
    assert_eq!((reworded.faults.len(), reworded.reworded), (0, vec!["3".to_owned()]));
    assert_eq!(faults(&with("(STEP_ID=1) first", "(STEP_ID=1)   first")), [], "blanks say nothing");
}

/// Texts made of the pieces plans are made of.
fn almost_plans() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "## Next\n",
        "## Next (exactly ONE item)\n",
        "## Backlog\n",
        "## Done\n",
        "## Blocked\n",
        "## Notes\n",
        "## Acceptance\n",
        "## Other\n",
        "- [ ] (STEP_ID=1) a\n",
        "- [ ] (STEP_ID=2) b\n",
        "* [x] (STEP_ID=3) c\n",
        "  + [ ] (STEP_ID=4) d",
        "- [ ] (STEP_ID=5) [ ] e\r\n",
        "  detail\n",
        "\tmore",
        "```\n",
        "~~~\n",
        "- [ broken\n",
        "- [x] (STEP_ID=6) f\n",
        "\n",
        "\r\n",
        "é",
        "# PLAN\n",
        "- [ ] TEST_CMD passes: `x`\n",
        "##",
        " ",
        "- [ ] (STEP_ID=",
        "\u{2028}",
    ]);
    proptest::collection::vec(pieces, 0..14)
        .prop_map(|pieces| format!("## Backlog\n## Next\n{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fsm_10_any_bytes_give_a_plan_or_codes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        match Plan::parse(&bytes) {
            Ok(plan) => prop_assert_eq!(plan.text().into_bytes(), bytes),
            Err(faults) => prop_assert!(!faults.is_empty()),
        }
    }

    #[test]
    fn fsm_12_an_edit_of_any_plan_gives_a_plan_with_the_same_steps(text in almost_plans()) {
        let Ok(before) = Plan::parse(text.as_bytes()) else { return Ok(()) };
        prop_assert_eq!(before.text(), &*text);
        let Some(next) = before.next() else { return Ok(()) };
        let edits = [before.mark_done(&next.id), before.block(&next.id, "why")];
        for (edited, place) in edits.into_iter().zip([SectionName::Done, SectionName::Blocked]) {
            let after = match edited {
                Ok(after) => after,
                Err(EditError::OpenFence) => continue,
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            };
            prop_assert!(ids(after.steps(place)).contains(&next.id.as_str()));
            prop_assert_eq!(after.open_backlog().count(), before.open_backlog().count().saturating_sub(1));
            prop_assert_eq!(after.next().map(|step| &step.id), before.open_backlog().next().map(|step| &step.id));
            let comparison = after.compare(&before);
            prop_assert_eq!(comparison.faults, []);
            let all = |plan: &Plan| SectionName::ALL.iter().map(|name| plan.steps(*name).len()).sum::<usize>();
            prop_assert_eq!(all(&after), all(&before));
        }
    }
}
