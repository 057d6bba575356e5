//! Checks: the commands that decide, run by the engine on exactly one commit in a clean checkout, or where a person asks.
//!
//! `plan` decides what runs, `sequence` in which order, `site` runs one command, `record` keeps what came of it.
//! Nothing an agent left lying around takes part: the checkout, the home and the caches are made for this run of the checks
//! and removed after it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::adapters::git::control::ControlRepos;
use crate::adapters::process::environment::ChildEnvironment;
use crate::adapters::process::group::Supervisor;
use crate::adapters::process::tree::private_dir;
use crate::adapters::yaml;
use crate::domain::evidence::{CheckReport, CheckSource};
use crate::domain::id::Digest;
use crate::domain::pipeline::{Pipeline, Problem};
use crate::domain::verification::Blocked;
use crate::ports::artifact::Artifacts;
use crate::ports::check::{CheckOrder, Checks, ChecksError, Contract};
use crate::ports::verify::{OnProgress, TreeOrder, TreeReport, Verifier};
use crate::ports::worker::OnStart;

mod budget;
mod capture;
mod checkout;
mod contract;
mod detect;
mod excerpt;
mod exclude;
mod gather;
mod in_place;
mod kubectl;
mod login;
mod metrics;
mod place;
mod plan;
mod reach;
mod record;
mod sequence;
mod site;
mod versions;

pub use detect::detect;
pub use excerpt::excerpt;

use checkout::{LeftBehind, blocking, check_out, clear};
use contract::Loaded;
use plan::{Login, Plan};
use record::Record;
use site::{Logs, Site};

/// Runs checks in checkouts of control repositories.
pub struct CheckRunner {
    environment: ChildEnvironment,
    control: ControlRepos,
    artifacts: Arc<dyn Artifacts>,
    supervisor: Supervisor,
}

/// What is done in a checkout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// The whole verification.
    Checks,
    /// The login alone, at a terminal.
    Login,
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

    /// Makes a checkout, does the work in it, and removes it on every way out.
    async fn in_checkout(
        &self,
        work: Work,
        order: &CheckOrder,
        seen: Seen<'_>,
    ) -> Result<CheckReport, ChecksError> {
        // What an earlier try left there goes with it: one run has one try at a time.
        let place = self.environment.scratch_dir(&order.run).join("checks");
        let fresh = place.clone();
        blocking(move || clear(&fresh)).await?;
        let left = LeftBehind(place.clone());
        let report = self.run_in(&place, work, order, seen).await;
        blocking(move || {
            drop(left);
            Ok(())
        })
        .await?;
        report
    }

    async fn run_in(
        &self,
        place: &Path,
        work: Work,
        order: &CheckOrder,
        seen: Seen<'_>,
    ) -> Result<CheckReport, ChecksError> {
        let tree = place.join("tree");
        let (control, checkout, wanted) = (self.control.clone(), tree.clone(), order.clone());
        blocking(move || check_out(&control, &checkout, &wanted)).await?;
        let run_dir = self.artifacts.absolute(order.run.as_str());
        let name = match work {
            Work::Checks => format!("verify-{}", order.attempt),
            Work::Login => "auth".to_owned(),
        };
        private_dir(&run_dir).map_err(unavailable)?;
        let record =
            Record::below(&run_dir, Path::new(&name), self.supervisor.redactor()).map_err(unavailable)?;
        let loaded = match &order.contract {
            None => None,
            Some(spec) => match contract::pinned(&*self.artifacts, spec) {
                Ok(loaded) => Some(loaded),
                Err(blocked) => {
                    let empty = CheckReport::empty(order.head_sha.clone(), CheckSource::Contract);
                    return Ok(nothing_ran(&record, empty, blocked));
                }
            },
        };
        let runtime = place.join("runtime");
        let login = match work {
            Work::Login => Login::AtTerminal,
            Work::Checks if order.auth_granted => Login::Granted,
            Work::Checks => Login::Engine,
        };
        let kept = login::kept(&self.environment, &order.run);
        if login == Login::Granted {
            let (kept, runtime) = (kept.clone(), runtime.clone());
            blocking(move || login::copy(&kept, &runtime).map_err(unavailable)).await?;
        }
        let mut env = self.environment.make(&order.run, &tree, &runtime).map_err(unavailable)?;
        let given = site::add_common(&mut env, &tree, &runtime).map_err(unavailable)?;
        let head = order.head_sha.to_string();
        keep_facts(&record, loaded.as_ref(), Some(head), &env).await?;
        let mut plan = Plan::of(&order.commands, pair(loaded), order.command_mode, login, &tree);
        plan.known_failures.clone_from(&order.known_failures);
        let mut confinement = order.confinement;
        confinement.network |= plan.pipeline.security.network;
        let logs =
            Logs { artifacts: Arc::clone(&self.artifacts), run: order.run.clone(), attempt: order.attempt };
        let site = Site {
            supervisor: &self.supervisor,
            tree,
            runtime: runtime.clone(),
            env,
            record,
            confinement,
            limits: order.limits,
            logs: (work == Work::Checks).then_some(logs),
            started: seen.started,
            tell: seen.tell,
            stop: seen.stop,
        };
        match work {
            Work::Checks => {
                let report = sequence::carry_out(&site, &plan, order.head_sha.clone()).await;
                gather::gather(&given, &site.record);
                report
            }
            Work::Login => {
                let report = sequence::log_in(&site, &plan, order.head_sha.clone()).await?;
                if login::succeeded(&report) {
                    blocking(move || login::replace(&runtime, &kept).map_err(unavailable)).await?;
                }
                Ok(report)
            }
        }
    }
}

/// Who is told of what happens, and what ends it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    started: OnStart<'a>,
    tell: OnProgress<'a>,
    stop: &'a CancellationToken,
}

#[async_trait]
impl Checks for CheckRunner {
    fn read_contract(&self, bytes: &[u8]) -> Result<Contract, Vec<Problem>> {
        let (pipeline, warnings) = yaml::pipeline::examine(bytes)?;
        Ok(Contract { pipeline, warnings })
    }

    async fn run(
        &self,
        order: &CheckOrder,
        started: OnStart<'_>,
        stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        self.in_checkout(Work::Checks, order, Seen { started, tell: &|_| {}, stop }).await
    }
}

#[async_trait]
impl Verifier for CheckRunner {
    async fn verify(
        &self,
        order: &TreeOrder,
        tell: OnProgress<'_>,
        stop: &CancellationToken,
    ) -> Result<TreeReport, ChecksError> {
        in_place::verify(self, order, Seen { started: &|_| {}, tell, stop }).await
    }

    async fn log_in(
        &self,
        order: &CheckOrder,
        started: OnStart<'_>,
        tell: OnProgress<'_>,
        stop: &CancellationToken,
    ) -> Result<CheckReport, ChecksError> {
        self.in_checkout(Work::Login, order, Seen { started, tell, stop }).await
    }
}

/// Writes down which contract counted and which programs were there.
async fn keep_facts(
    record: &Record,
    loaded: Option<&Loaded>,
    head: Option<String>,
    env: &BTreeMap<String, String>,
) -> Result<(), ChecksError> {
    if let Some(loaded) = loaded {
        record.write("pipeline.yml", &loaded.bytes);
    }
    let env = env.clone();
    let found = blocking(move || Ok(versions::versions(head.as_deref(), &env))).await?;
    record.document("versions.json", &found);
    Ok(())
}

fn nothing_ran(record: &Record, mut report: CheckReport, blocked: Blocked) -> CheckReport {
    report.blocked = Some(blocked);
    sequence::note_blocked(record, &report);
    report
}

fn pair(loaded: Option<Loaded>) -> Option<(Pipeline, Digest)> {
    loaded.map(|loaded| (loaded.pipeline, loaded.digest))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`, which passes by value")]
fn unavailable(err: std::io::Error) -> ChecksError {
    ChecksError::Unavailable(err.to_string())
}
