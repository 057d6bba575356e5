//! The contract of a run: read from its pinned copy and nowhere else, and only if it is still what was pinned.

use sha2::{Digest as _, Sha256};

use crate::adapters::yaml::pipeline::read;
use crate::domain::id::Digest;
use crate::domain::pipeline::{Pipeline, Problem};
use crate::domain::verification::{Blocked, PinnedSpec};
use crate::ports::artifact::Artifacts;

/// Bytes of a contract that are read; the reader refuses far smaller ones.
const CAP: u64 = 4 * 1024 * 1024;

/// Problems that are told in the reason; all of them are in the answer of `agentpr pipeline-spec check`.
const TOLD: usize = 10;

/// A contract with the bytes it was read from.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) pipeline: Pipeline,
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

/// Reads the pinned copy.
///
/// # Errors
/// Why nothing may run: the copy is gone or is another one (`contract_changed`), or makes no sense (`invalid_contract`).
pub(super) fn pinned(artifacts: &dyn Artifacts, spec: &PinnedSpec) -> Result<Loaded, Blocked> {
    let changed = |why: &str| Blocked {
        code: "contract_changed".to_owned(),
        detail: format!(
            "the pinned copy of `{}` {why}; pin it again with `agentpr pipeline-spec pin`",
            spec.origin
        ),
    };
    let bytes =
        artifacts.read_tail(&spec.copy, CAP).map_err(|err| changed(&format!("cannot be read ({err})")))?;
    let loaded = given(bytes)?;
    if loaded.0 != spec.sha256 {
        return Err(changed("has other bytes than were pinned"));
    }
    parse(loaded)
}

/// Reads the bytes of a contract.
///
/// # Errors
/// `invalid_contract`.
pub(super) fn of_bytes(bytes: Vec<u8>) -> Result<Loaded, Blocked> {
    parse(given(bytes)?)
}

fn given(bytes: Vec<u8>) -> Result<(Digest, Vec<u8>), Blocked> {
    let digest = Digest::new(hex::encode(Sha256::digest(&bytes))).map_err(|err| invalid(&err.to_string()))?;
    Ok((digest, bytes))
}

fn parse((digest, bytes): (Digest, Vec<u8>)) -> Result<Loaded, Blocked> {
    match read(&bytes) {
        Ok(pipeline) => Ok(Loaded { pipeline, digest, bytes }),
        Err(problems) => Err(invalid(&told(&problems))),
    }
}

fn invalid(why: &str) -> Blocked {
    Blocked { code: "invalid_contract".to_owned(), detail: why.to_owned() }
}

fn told(problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems.iter().take(TOLD).map(ToString::to_string).collect();
    if problems.len() > TOLD {
        lines.push(format!("and {} more", problems.len() - TOLD));
    }
    lines.join("; ")
}
