//! Verification of a directory as it is, in place: what `agentpr verify` does. What commands change there stays changed.

use std::path::{Path, PathBuf};

use super::checkout::{LeftBehind, blocking, clear};
use super::contract::{Loaded, of_bytes};
use super::gather::gather;
use super::plan::{Login, Plan};
use super::record::Record;
use super::site::{self, Site};
use super::{CheckRunner, Seen, exclude, keep_facts, nothing_ran, pair, sequence, unavailable};
use crate::adapters::git::program::Git;
use crate::adapters::process::redact::Redactor;
use crate::adapters::process::tree::private_dir;
use crate::domain::evidence::{CheckReport, CheckSource};
use crate::domain::policy::CommandMode;
use crate::ports::check::ChecksError;
use crate::ports::verify::{TreeOrder, TreeReport, Unattended, no_commit};

/// Where artifacts go when nobody says otherwise, relative to the directory.
const PLACE: &str = ".aider_fsm/artifacts";

/// Verifies a directory.
pub(super) async fn verify(
    runner: &CheckRunner,
    order: &TreeOrder,
    seen: Seen<'_>,
) -> Result<TreeReport, ChecksError> {
    let tree = order.tree.canonicalize().map_err(|err| {
        ChecksError::Unavailable(format!("`{}` cannot be entered: {err}", order.tree.display()))
    })?;
    let loaded = order.contract.clone().map(of_bytes).transpose();
    let out_dir =
        loaded.as_ref().ok().and_then(Option::as_ref).and_then(|found| found.pipeline.out_dir.clone());
    let (hidden, wanted, around) = (tree.clone(), order.clone(), tree.clone());
    let redactor = runner.supervisor.redactor().clone();
    let base = blocking(move || {
        if let Err(err) = exclude::hide(&hidden) {
            tracing::warn!(%err, "`.aider_fsm/` cannot be kept out of `git status`");
        }
        open_record(&around, &wanted, out_dir.as_deref(), &redactor)
    })
    .await?;
    let record = base.inner("preflight").map_err(unavailable)?;
    let artifacts = base.path().to_owned();
    let empty = CheckReport::empty(no_commit()?, CheckSource::Contract);
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(blocked) => {
            return Ok(TreeReport { report: nothing_ran(&record, empty, blocked), artifacts });
        }
    };
    let report = in_tree(runner, order, seen, Opened { tree, base, record, loaded }).await?;
    Ok(TreeReport { report, artifacts })
}

/// What was opened for a verification.
struct Opened {
    tree: PathBuf,
    base: Record,
    record: Record,
    loaded: Option<Loaded>,
}

async fn in_tree(
    runner: &CheckRunner,
    order: &TreeOrder,
    seen: Seen<'_>,
    opened: Opened,
) -> Result<CheckReport, ChecksError> {
    let Opened { tree, base, record, loaded } = opened;
    let place = runner.environment.scratch_dir(&order.id);
    let fresh = place.clone();
    blocking(move || clear(&fresh)).await?;
    let left = LeftBehind(place.clone());
    let runtime = place.join("runtime");
    let mut env = runner.environment.make(&order.id, &tree, &runtime).map_err(unavailable)?;
    let given = site::add_common(&mut env, &tree, &runtime).map_err(unavailable)?;
    let (git, asked) = (runner.control.git().clone(), tree.clone());
    let head = blocking(move || Ok(head(&git, &asked))).await?;
    keep_facts(&base, loaded.as_ref(), head, &env).await?;
    let login = match order.unattended {
        Unattended::Strict => Login::Engine,
        Unattended::Guided => Login::AtTerminal,
    };
    // The contract is the person's own here, so its own mode counts; without one the rules are the strict ones.
    let mode = if loaded.is_some() { CommandMode::System } else { CommandMode::Safe };
    let plan = Plan::of(&order.commands, pair(loaded), mode, login, &tree);
    let mut confinement = order.confinement;
    confinement.network |= plan.pipeline.security.network;
    let site = Site {
        supervisor: &runner.supervisor,
        tree,
        runtime,
        env,
        record,
        confinement,
        limits: order.limits,
        logs: None,
        started: seen.started,
        tell: seen.tell,
        stop: seen.stop,
    };
    let report = sequence::carry_out(&site, &plan, no_commit()?).await;
    gather(&given, &site.record);
    blocking(move || {
        drop(left);
        Ok(())
    })
    .await?;
    report
}

/// Opens the directory of artifacts: the person's, the contract's, or the usual one.
fn open_record(
    tree: &Path,
    order: &TreeOrder,
    out_dir: Option<&str>,
    redactor: &Redactor,
) -> Result<Record, ChecksError> {
    let id = Path::new(order.id.as_str());
    let (root, relative) = match &order.artifacts {
        Some(given) => {
            private_dir(given).map_err(unavailable)?;
            (given.canonicalize().map_err(unavailable)?, id.to_owned())
        }
        None => (tree.to_owned(), Path::new(out_dir.unwrap_or(PLACE)).join(id)),
    };
    Record::below(&root, &relative, redactor).map_err(|err| {
        let place = root.join(&relative);
        ChecksError::Unavailable(format!(
            "artifacts cannot be written to `{}`: {err}; name another place with `--artifacts-dir DIR`",
            place.display()
        ))
    })
}

/// The commit that is checked out, where there is one.
fn head(git: &Git, tree: &Path) -> Option<String> {
    let answer = git.anywhere(tree).run(["rev-parse", "--verify", "--quiet", "HEAD"]).output().ok()?;
    let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
