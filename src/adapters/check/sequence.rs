//! The order of a verification: login, tests, setup, health, benchmark, measurements; then, whatever happened, what is known
//! of the cluster, and the teardown. The first failure ends the first part and names its stage.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, run_end};
use super::plan::{Login, Plan};
use super::record::{Ended, Entry, Record};
use super::site::{Done, Job, Site};
use super::{kubectl, metrics, place};
use crate::domain::evidence::{CheckOutcome, CheckReport, CheckResult};
use crate::domain::id::CommitSha;
use crate::domain::known_failure::is_known;
use crate::domain::pipeline::TeardownPolicy;
use crate::domain::verification::{Blocked, Stage};
use crate::ports::check::ChecksError;
use crate::ports::verify::Progress;

/// Time for a teardown command after a person stopped the verification: nobody waits for minutes then.
const STOPPED_TEARDOWN: Duration = Duration::from_secs(20);

/// Exit code of what makes no sense, such as a directory that is not there.
const RC_MALFORMED: i32 = 2;

/// Carries out a plan and says what came of it; the summary is written in any case.
///
/// # Errors
/// [`ChecksError`] when it was stopped or a log could not be kept; the teardown ran all the same.
pub(super) async fn carry_out(
    site: &Site<'_>,
    plan: &Plan,
    head_sha: CommitSha,
) -> Result<CheckReport, ChecksError> {
    let mut sequence = Sequence::new(site, plan, head_sha);
    if plan.lacks_person() {
        sequence.report.blocked = Some(Blocked {
            code: "interactive_auth_required".to_owned(),
            detail: "`auth.interactive` asks for a person at a terminal: `agentpr verify --unattended guided` for a \
                     directory, `agentpr auth RUN` for a run"
                .to_owned(),
        });
        write_summary(&site.record, plan, &sequence.report, &sequence.codes);
        return Ok(sequence.report);
    }
    let ended = sequence.stages().await;
    if !matches!(ended, Err(ChecksError::Stopped)) {
        kubectl::dump(site, plan).await;
    }
    sequence.teardown(&ended).await;
    write_summary(&site.record, plan, &sequence.report, &sequence.codes);
    ended.map(|_| sequence.report)
}

/// Carries out the login of a plan and nothing else.
///
/// # Errors
/// As [`carry_out`].
pub(super) async fn log_in(
    site: &Site<'_>,
    plan: &Plan,
    head_sha: CommitSha,
) -> Result<CheckReport, ChecksError> {
    let mut sequence = Sequence::new(site, plan, head_sha);
    let ended = sequence.stage(Stage::Auth).await;
    write_summary(&site.record, plan, &sequence.report, &sequence.codes);
    ended.map(|_| sequence.report)
}

struct Sequence<'a> {
    site: &'a Site<'a>,
    plan: &'a Plan,
    report: CheckReport,
    run_end: Option<Instant>,
    /// The exit code of the last command of each stage that ran.
    codes: BTreeMap<Stage, i32>,
    /// Whether a command that brings something up was started.
    setup_begun: bool,
}

impl<'a> Sequence<'a> {
    fn new(site: &'a Site<'a>, plan: &'a Plan, head_sha: CommitSha) -> Self {
        let mut report = CheckReport::empty(head_sha, plan.source);
        report.contract.clone_from(&plan.contract);
        let run_end = run_end(&plan.pipeline.security);
        Self { site, plan, report, run_end, codes: BTreeMap::new(), setup_begun: false }
    }

    /// Runs everything that can fail; says whether all of it passed.
    async fn stages(&mut self) -> Result<bool, ChecksError> {
        let login = (self.plan.login != Login::Granted).then_some(Stage::Auth);
        let stages = [Stage::Tests, Stage::DeploySetup, Stage::DeployHealth];
        for stage in login.into_iter().chain(stages) {
            if !self.stage(stage).await? {
                return Ok(false);
            }
        }
        self.benchmark().await
    }

    async fn benchmark(&mut self) -> Result<bool, ChecksError> {
        let benchmark = &self.plan.pipeline.benchmark;
        let Some(path) = benchmark.metrics_path.as_deref().filter(|_| !benchmark.commands.cmds.is_empty())
        else {
            return self.stage(Stage::Benchmark).await;
        };
        let tree = &self.site.tree;
        let before = match metrics::put_aside(tree, path) {
            Ok(before) => before,
            Err(why) => {
                self.report.metrics_errors.push(format!("metrics_not_updated: {why}"));
                return Ok(false);
            }
        };
        if !self.stage(Stage::Benchmark).await? {
            return Ok(false);
        }
        let found = metrics::look(tree, path, &benchmark.required_keys, &before);
        if let Some(bytes) = &found.bytes {
            self.site.record.write("metrics.json", bytes);
        }
        self.report.metrics_errors = found.errors;
        Ok(self.report.metrics_errors.is_empty())
    }

    /// Runs the commands of a stage until one fails; says whether none did.
    async fn stage(&mut self, stage: Stage) -> Result<bool, ChecksError> {
        let (commands, settings) = self.plan.stage(stage);
        let Some(first) = commands.first() else { return Ok(true) };
        (self.site.tell)(&Progress::Stage(stage));
        let budget =
            Budget::of_stage(&self.plan.pipeline.security, settings, self.site.limits.wall, self.run_end);
        let dir = match place::directory(&self.site.tree, &settings.workdir) {
            Ok(dir) => dir,
            Err(why) => {
                let result = self.no_directory(stage, first, why);
                self.report.results.push(result);
                return Ok(false);
            }
        };
        for (index, command) in commands.iter().enumerate() {
            let before = self.report.results.len();
            let retries = settings.retries;
            let job = Job { stage, number: index + 1, before, command, dir: &dir, retries, budget };
            let done = self.site.run(self.plan, job, self.site.stop).await;
            // One that was stopped had begun.
            let ran = done.as_ref().map_or(true, |done| done.ran);
            self.setup_begun |= ran && stage == Stage::DeploySetup;
            let Done { result, refusal, rc, tier, ran: _ } = done?;
            self.report.tier = self.report.tier.into_iter().chain(tier).min();
            self.codes.insert(stage, rc);
            let mut result = result;
            if stage.is_evidence() && !result.is_acceptable() && refusal.is_none() {
                let known = is_known(&self.plan.known_failures, &result.excerpt);
                result.known_failure = known.map(str::to_owned);
            }
            let went_well = result.is_acceptable();
            self.report.results.push(result);
            if let Some(refusal) = refusal {
                let detail = format!("{}: `{command}` ({})", stage.name(), refusal.why);
                self.report.blocked = Some(Blocked { code: refusal.code.to_owned(), detail });
            }
            if !went_well {
                self.site.record.stage(stage, Some(index + 1), index + 1);
                return Ok(false);
            }
        }
        self.site.record.stage(stage, None, commands.len());
        Ok(true)
    }

    fn no_directory(&mut self, stage: Stage, command: &str, why: String) -> CheckResult {
        let stderr = format!("{why}\n");
        let ended = Ended { rc: RC_MALFORMED, timed_out: false };
        let entry = Entry { command, stdout: b"", stderr: stderr.as_bytes(), ended };
        self.site.record.entry(&format!("{}_workdir_error", stage.name()), &entry);
        self.site.record.stage(stage, Some(1), 0);
        self.codes.insert(stage, RC_MALFORMED);
        let result = CheckResult {
            command: command.to_owned(),
            exit_code: Some(RC_MALFORMED),
            duration_ms: 0,
            timed_out: false,
            log: None,
            excerpt: why,
            stage,
            tries: 1,
            limit: None,
            known_failure: None,
        };
        (self.site.tell)(&Progress::Ended(&result));
        result
    }

    /// Takes down what the setup began to bring up, when the policy says so. What fails is told and changes no answer.
    ///
    /// The budget of the whole verification does not count here: what is up costs somebody money.
    async fn teardown(&mut self, ended: &Result<bool, ChecksError>) {
        let deploy = &self.plan.pipeline.deploy;
        let passed = matches!(ended, Ok(true));
        let wanted = match deploy.teardown_policy {
            TeardownPolicy::Always => true,
            TeardownPolicy::OnSuccess => passed,
            TeardownPolicy::OnFailure => !passed,
            TeardownPolicy::Never => false,
        };
        if !wanted || !self.setup_begun || deploy.teardown_cmds.is_empty() {
            return;
        }
        (self.site.tell)(&Progress::Stage(Stage::DeployTeardown));
        let stopped = matches!(ended, Err(ChecksError::Stopped));
        let mut settings = deploy.settings.clone();
        if stopped {
            let seconds = STOPPED_TEARDOWN.as_secs();
            settings.timeout_seconds =
                Some(settings.timeout_seconds.map_or(seconds, |given| given.min(seconds)));
        }
        let budget = Budget::of_stage(&self.plan.pipeline.security, &settings, self.site.limits.wall, None);
        let failed = match place::directory(&self.site.tree, &deploy.settings.workdir) {
            Ok(dir) => self.take_down(&dir, budget).await,
            Err(why) => {
                let first = deploy.teardown_cmds.first().map(String::as_str).unwrap_or_default();
                self.no_directory(Stage::DeployTeardown, first, why.clone());
                vec![why]
            }
        };
        if !failed.is_empty() {
            self.site.record.text("deploy_teardown_warning.txt", (failed.join("\n") + "\n").as_bytes());
        }
        for warning in failed {
            let warning = format!("teardown_failed: {warning}");
            (self.site.tell)(&Progress::Warning(&warning));
            self.report.warnings.push(warning);
        }
    }

    /// Runs every teardown command, also after one that failed: each may take down something of its own.
    async fn take_down(&mut self, dir: &std::path::Path, budget: Budget) -> Vec<String> {
        let stage = Stage::DeployTeardown;
        let commands = &self.plan.pipeline.deploy.teardown_cmds;
        let mut failed = Vec::new();
        let mut first_failed = None;
        // A stop ends what is checked. What is up has to come down all the same.
        let own = CancellationToken::new();
        for (index, command) in commands.iter().enumerate() {
            let before = self.report.results.len() + index;
            let job = Job { stage, number: index + 1, before, command, dir, retries: 0, budget };
            let (rc, why) = match self.site.run(self.plan, job, &own).await {
                Ok(done) if done.result.passed() => (done.rc, None),
                Ok(done) => (done.rc, Some(format!("`{command}` ended with {}", done.rc))),
                Err(err) => (RC_MALFORMED, Some(format!("`{command}`: {err}"))),
            };
            self.codes.insert(stage, rc);
            if why.is_some() {
                first_failed.get_or_insert(index + 1);
            }
            failed.extend(why);
        }
        self.site.record.stage(stage, first_failed, commands.len());
        failed
    }
}

/// Writes down that nothing was run.
pub(super) fn note_blocked(record: &Record, report: &CheckReport) {
    let summary = json!({
        "ok": false,
        "outcome": report.outcome().name(),
        "failed_stage": null,
        "blocked": report.blocked,
        "warnings": report.warnings,
        "metrics_errors": [],
    });
    record.document("summary.json", &summary);
}

fn write_summary(record: &Record, plan: &Plan, report: &CheckReport, codes: &BTreeMap<Stage, i32>) {
    let rc = |stage: Stage| codes.get(&stage);
    let summary = json!({
        "ok": report.outcome() == CheckOutcome::Passed,
        "outcome": report.outcome().name(),
        "failed_stage": report.failed_stage().map(Stage::name),
        "auth_rc": rc(Stage::Auth),
        "test_rc": rc(Stage::Tests),
        "deploy_setup_rc": rc(Stage::DeploySetup),
        "deploy_health_rc": rc(Stage::DeployHealth),
        "benchmark_rc": rc(Stage::Benchmark),
        "deploy_teardown_rc": rc(Stage::DeployTeardown),
        "metrics_path": plan.pipeline.benchmark.metrics_path,
        "metrics_errors": report.metrics_errors,
        "warnings": report.warnings,
        "blocked": report.blocked,
        "source": report.source,
        "contract": report.contract,
        "head_sha": report.head_sha,
        "tier": report.tier,
    });
    record.document("summary.json", &summary);
}
