//! Measurements: only those a benchmark wrote anew count.

use std::fs;

use agentpr::domain::evidence::CheckOutcome;

use super::Site;

const CONTRACT: &str = "
tests: {cmd: 'true'}
benchmark:
  run_cmd: COMMAND
  metrics_path: out/metrics.json
  required_keys: [score, time]
";

fn contract(command: &str) -> String {
    CONTRACT.replace("COMMAND", &serde_json::to_string(command).unwrap())
}

const GOOD: &str = r#"{"score": 99, "time": 1}"#;

#[tokio::test]
async fn f9_a_stale_metrics_file_is_not_accepted() {
    let site = Site::new();
    site.put("out/metrics.json", GOOD);
    let seen = site.verify(&contract("true")).await;
    assert_eq!((seen.outcome(), seen.failed()), (CheckOutcome::Failed, Some("metrics")), "{seen:?}");
    assert_eq!(seen.report.metrics_errors, ["metrics_not_updated"]);
    assert_eq!(site.text("out/metrics.json"), GOOD, "a person's file is back");
}

#[tokio::test]
async fn f9_a_benchmark_that_brings_the_old_bytes_back_has_measured_nothing() {
    let site = Site::new();
    site.put("out/metrics.json", GOOD);
    let seen = site.verify(&contract(&format!("printf '%s' '{GOOD}' > out/metrics.json"))).await;
    assert_eq!(seen.report.metrics_errors, ["metrics_not_updated"]);
}

#[tokio::test]
async fn fsm_33_measurements_written_anew_pass_and_are_kept() {
    let site = Site::new();
    site.put("out/metrics.json", r#"{"score": 1, "time": 1}"#);
    let seen = site.verify(&contract(&format!("printf '%s' '{GOOD}' > out/metrics.json"))).await;
    assert_eq!(seen.outcome(), CheckOutcome::Passed, "{seen:?}");
    assert_eq!((seen.artifact("metrics.json"), site.text("out/metrics.json")), (GOOD.into(), GOOD.into()));
    assert_eq!(fs::read_dir(site.tree.join("out")).unwrap().count(), 1, "nothing else is left beside it");
}

#[tokio::test]
async fn fsm_33_each_fault_of_measurements_has_its_message() {
    let deep =
        format!("printf '%s' '{{\"score\": {}1{}}}' > out/metrics.json", "[".repeat(40), "]".repeat(40));
    let table = [
        ("true", "metrics_file_missing: out/metrics.json", false),
        ("printf '{' > out/metrics.json", "invalid_json: ", true),
        ("printf '[1]' > out/metrics.json", "metrics_json_not_object", true),
        ("printf '{\"other\": 1}' > out/metrics.json", "missing_keys: score, time", true),
        ("ln -s /etc/hostname out/metrics.json", "metrics_file_missing: out/metrics.json (", false),
        ("mkfifo out/metrics.json", "metrics_file_missing: out/metrics.json (it is not a regular", false),
        ("rm -r out; ln -s /tmp out", "metrics_file_missing: out/metrics.json (", false),
        ("head -c 1100000 /dev/zero > out/metrics.json", "invalid_json: it is larger than", true),
        (&deep, "invalid_json: it is nested deeper than 32 levels", true),
    ];
    let site = Site::new();
    for (command, wanted, kept) in table {
        let _old = fs::remove_dir_all(site.tree.join("out"));
        let _link = fs::remove_file(site.tree.join("out"));
        site.put("out/other", "");
        let seen = site.verify(&contract(command)).await;
        assert_eq!((seen.outcome(), seen.failed()), (CheckOutcome::Failed, Some("metrics")), "{command}");
        let said = &seen.report.metrics_errors;
        assert!(said.len() == 1 && said[0].starts_with(wanted), "{command}: {said:?}");
        assert_eq!(seen.artifacts.join("preflight/metrics.json").exists(), kept, "{command}");
        assert_eq!(seen.summary()["metrics_errors"][0], said[0].as_str());
    }
}
