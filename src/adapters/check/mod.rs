//! Checks: the commands that decide, run by the engine on exactly one commit in a clean checkout.
//!
//! Nothing an agent left lying around takes part: the checkout, the home and the caches are made for this run of the checks
//! and removed after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::adapters::git::control::{ControlRepos, show};
use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::{Ending, GRACE, GroupOrder, GroupReport, Supervisor};
use crate::adapters::process::tree::{private_dir, remove_tree};
use crate::domain::evidence::{CheckReport, CheckResult, CheckSource, LogRef};
use crate::domain::verification::Stage;
use crate::ports::artifact::Artifacts;
use crate::ports::check::{CheckOrder, Checks, ChecksError};
use crate::ports::worker::OnStart;

mod detect;
mod excerpt;

pub use detect::detect;
pub use excerpt::excerpt;

/// Runs checks in checkouts of control repositories.
pub struct CheckRunner {
    environment: ChildEnvironment,
    control: ControlRepos,
    artifacts: Arc<dyn Artifacts>,
    supervisor: Supervisor,
}

impl CheckRunner {
    /// Puts it together: children get `environment`, commits come from `control`, logs go to `artifacts`,
    /// `supervisor` runs the commands.
    pub fn new(
        environment: ChildEnvironment,
        control: ControlRepos,
        artifacts: Arc<dyn Artifacts>,
        supervisor: Supervisor,
    ) -> Self {
        Self { environment, control, artifacts, supervisor }
    }

    async fn run_in(
        &self,
        place: &Path,
        order: &CheckOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        let tree = place.join("tree");
        let (control, checkout, wanted) = (self.control.clone(), tree.clone(), order.clone());
        blocking(move || check_out(&control, &checkout, &wanted)).await?;
        let (source, commands) = if order.commands.is_empty() {
            let found = detect(&tree);
            (
                found.as_ref().map_or(CheckSource::Nothing, |_| CheckSource::Detected),
                found.into_iter().collect(),
            )
        } else {
            (CheckSource::Given, order.commands.clone())
        };
        let mut results = Vec::new();
        for command in commands {
            let path = format!("{}/check-{}-{}.log", order.run, order.attempt, results.len() + 1);
            let mut group = self.group_order(place, order, &command)?;
            group.log = Some(self.artifacts.absolute(&path));
            let report = self
                .supervisor
                .run(&group, started, stop)
                .await
                .map_err(|refused| ChecksError::Unavailable(refused.to_string()))?;
            if report.ending == Ending::Stopped {
                return Err(ChecksError::Stopped);
            }
            let result = result(path, command, &report);
            let passed = result.passed();
            results.push(result);
            if !passed {
                break;
            }
        }
        Ok(CheckReport { results, ..CheckReport::empty(order.head_sha.clone(), source) })
    }

    fn group_order(
        &self,
        place: &Path,
        order: &CheckOrder,
        command: &str,
    ) -> Result<GroupOrder, ChecksError> {
        let tree = place.join("tree");
        let mut env = self
            .environment
            .make(&order.run, &tree, &place.join("runtime"))
            .map_err(|err| ChecksError::Unavailable(err.to_string()))?;
        env.insert("CI".to_owned(), "true".to_owned());
        env.insert("FORCE_COLOR".to_owned(), "0".to_owned());
        Ok(GroupOrder {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), command.to_owned()],
            dir: tree.clone(),
            env,
            stdin: None,
            workspace: tree,
            runtime: place.join("runtime"),
            readable: Vec::new(),
            confinement: order.confinement,
            mask_agent_config: false,
            limits: order.limits,
            grace: GRACE,
            log: None,
            lines: None,
        })
    }
}

#[async_trait]
impl Checks for CheckRunner {
    fn read_contract(&self, _bytes: &[u8]) -> Result<(), Vec<String>> {
        Ok(())
    }

    async fn run(
        &self,
        order: &CheckOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        // What an earlier try left there goes with it: one run has one try at a time.
        let place = self.environment.scratch_dir(&order.run).join("checks");
        let fresh = place.clone();
        blocking(move || clear(&fresh)).await?;
        let left = LeftBehind(place.clone());
        let report = self.run_in(&place, order, started, stop).await;
        blocking(move || {
            drop(left);
            Ok(())
        })
        .await?;
        report
    }
}

/// Removes the checkout when dropped, so that a caller who goes away leaves none behind.
struct LeftBehind(PathBuf);

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Err(err) = remove_tree(&self.0) {
            tracing::warn!(path = %self.0.display(), %err, "cannot remove a checkout; the next checks of the run try again");
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChecksError> + Send + 'static,
) -> Result<T, ChecksError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|err| Err(ChecksError::Unavailable(err.to_string())))
}

fn clear(place: &Path) -> Result<(), ChecksError> {
    let unavailable = |err: std::io::Error| ChecksError::Unavailable(format!("`{}`: {err}", place.display()));
    remove_tree(place).map_err(unavailable)?;
    private_dir(place).map_err(unavailable)
}

/// Makes a repository of its own with the one commit, so that tools that ask git find an answer.
fn check_out(control: &ControlRepos, tree: &Path, order: &CheckOrder) -> Result<(), ChecksError> {
    let unavailable = |err: &dyn std::fmt::Display| ChecksError::Unavailable(err.to_string());
    private_dir(tree).map_err(|err| unavailable(&err))?;
    let git = control.git();
    git.anywhere(tree)
        .run(["init", "--quiet", "--template=", "--initial-branch=checked", "--"])
        .arg(show(tree))
        .output()
        .map_err(|err| unavailable(&err))?;
    git.in_tree(tree)
        .transfer()
        .run(["fetch", "--quiet", "--no-tags", "--depth=1", "--no-write-fetch-head", "--"])
        .arg(show(&control.path(&order.repo)))
        .arg(order.head_sha.as_str())
        .output()
        .map_err(|err| unavailable(&err))?;
    git.in_tree(tree)
        .transfer()
        .run(["reset", "--quiet", "--hard"])
        .arg(order.head_sha.as_str())
        .output()
        .map_err(|err| unavailable(&err))?;
    Ok(())
}

fn result(path: String, command: String, report: &GroupReport) -> CheckResult {
    CheckResult {
        command,
        exit_code: match report.ending {
            Ending::Exited(code) => Some(code),
            _ => None,
        },
        duration_ms: millis(report.duration),
        timed_out: report.ending == Ending::TimedOut,
        log: report.log.clone().map(|log| LogRef {
            path,
            sha256: log.sha256,
            bytes: log.bytes,
            truncated: log.truncated,
        }),
        excerpt: match &report.ending {
            Ending::CouldNotStart(why) => why.clone(),
            _ => excerpt(&report.output.bytes),
        },
        stage: Stage::Tests,
        tries: 1,
        limit: match report.ending {
            Ending::OverLimit(kind) => Some(kind),
            _ => None,
        },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
