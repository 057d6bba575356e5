//! The verification contract of a run: read at the base commit when the run is prepared, or named by a person, checked, and
//! copied. What is pinned is the copy; an agent that edits `pipeline.yml` changes nothing about how it is judged.

use sha2::{Digest as _, Sha256};

use super::execute::{By, Executed};
use super::{App, AppError};
use crate::domain::command::Command;
use crate::domain::evidence::Prepared;
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::domain::verification::PinnedSpec;

pub use crate::ports::check::Contract;

/// Bytes that are read: four times the longest contract, so that the reader says itself what is too long.
const MAX_BYTES: u64 = 1024 * 1024;

/// Which contract to pin.
#[derive(Debug, Clone)]
pub enum PinOrder {
    /// The one at the run's base commit, under the path of the run's policy.
    AtBase,
    /// These bytes of a file a person named.
    File {
        /// The file, as the person wrote it.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// None: the run is judged by its own commands, or by those that are detected.
    Withdraw,
}

impl App {
    /// Reads a contract strictly.
    ///
    /// # Errors
    /// [`AppError::Contract`] with every problem.
    pub fn read_contract(&self, origin: &str, bytes: &[u8]) -> Result<Contract, AppError> {
        self.ports
            .checks
            .read_contract(bytes)
            .map_err(|problems| AppError::Contract { origin: origin.to_owned(), problems })
    }

    /// The contract at the base commit of a run that is being prepared, checked and copied; `None` when there is none.
    ///
    /// The copy is durable when this returns; the same bytes give the same copy.
    ///
    /// # Errors
    /// [`AppError::Contract`] with every problem; [`AppError::Secret`]; the workspace's when the commit cannot be read; the artifacts'.
    pub async fn contract_at_base(
        &self,
        run: &Run,
        prepared: &Prepared,
    ) -> Result<Option<PinnedSpec>, AppError> {
        let path = run.spec.policy.pipeline.as_str();
        if path.is_empty() {
            return Ok(None);
        }
        let workspace = &self.ports.workspace;
        let file = workspace.read_file(&run.spec.repo, &prepared.base_sha, path, MAX_BYTES).await?;
        let origin = format!("{path} at {}", prepared.base_sha.short());
        file.map(|bytes| self.copy_contract(&run.id, origin, &bytes)).transpose()
    }

    /// Pins a contract, or withdraws it: a person's act, recorded with their name.
    ///
    /// # Errors
    /// [`AppError::Contract`] with every problem; [`AppError::NoWorkspace`] or [`AppError::Invalid`] when there is none at
    /// the base commit; what [`App::execute`] says.
    pub async fn pin_contract(
        &self,
        run_id: &RunId,
        order: &PinOrder,
        by: &By,
    ) -> Result<Executed, AppError> {
        let spec = match order {
            PinOrder::Withdraw => None,
            PinOrder::File { name, bytes } => {
                // A run that does not exist gets no directory.
                let run = self.run(run_id)?;
                Some(self.copy_contract(&run.id, name.clone(), bytes)?)
            }
            PinOrder::AtBase => {
                let run = self.run(run_id)?;
                let prepared = run.prepared.as_ref().ok_or_else(|| AppError::NoWorkspace(run_id.clone()))?;
                let found = self.contract_at_base(&run, prepared).await?;
                Some(found.ok_or_else(|| {
                    AppError::Invalid(format!(
                        "the base commit {} has no `{}`; name a file, or withdraw the contract with --none",
                        prepared.base_sha.short(),
                        run.spec.policy.pipeline
                    ))
                })?)
            }
        };
        self.execute(run_id, &Command::PinVerifySpec { spec }, by)
    }

    fn copy_contract(&self, run: &RunId, origin: String, bytes: &[u8]) -> Result<PinnedSpec, AppError> {
        self.read_contract(&origin, bytes)?;
        // The copy must be the very bytes that were judged, so nothing in it can be masked.
        self.refuse_secret(&format!("verification contract `{origin}`"), &String::from_utf8_lossy(bytes))?;
        // Named by its bytes: the copy an older event names is never written over with others.
        let digest: String = hex::encode(Sha256::digest(bytes)).chars().take(12).collect();
        let kept = self.ports.artifacts.write(run, &format!("pipeline-{digest}.yml"), bytes)?;
        Ok(PinnedSpec { origin, sha256: kept.sha256, copy: kept.path })
    }
}
