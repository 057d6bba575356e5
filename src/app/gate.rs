//! The gate's work: facts, requests, tokens, confirmations.
//!
//! The rules are the domain's. This file computes what they are applied to, just before they are applied.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::execute::{By, Executed};
use super::perform::Order;
use super::{App, AppError, pr_text};
use crate::domain::actor::Actor;
use crate::domain::command::{Approval, Command};
use crate::domain::decide::Rejection;
use crate::domain::evidence::Step;
use crate::domain::gate::{Drift, Gate, PolicyReport, PrBinding, PrRequest, REQUEST_TTL};
use crate::domain::id::{Digest, RequestId, RunId};
use crate::domain::next::{Due, next};
use crate::domain::policy::Severity;
use crate::domain::run::Run;
use crate::domain::secret::redacted;
use crate::ports::store::StoreError;

/// Crockford's base 32: no letter that reads like a digit, in any font on any phone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 26 digits of 5 bits hold the 128 bits a token must have, and 2 to spare.
const SECRET_DIGITS: usize = 26;

/// 30 bits tell requests apart; they guard nothing.
const REQUEST_DIGITS: usize = 6;

/// Paths a card lists before it says "and more".
const CARD_PATHS: usize = 50;

/// What a person asks for in a pull request.
#[derive(Debug, Clone, Default)]
pub struct PrText {
    /// Its title; `None` takes the run's.
    pub title: Option<String>,
    /// Its body; `None` takes the run's task and evidence.
    pub body: Option<String>,
    /// Whether it is opened as a draft; `None` leaves that to the forge's settings.
    pub draft: Option<bool>,
    /// How long the request is open, in seconds; `None` is 30 minutes.
    pub ttl_secs: Option<u64>,
    /// Why it is wanted without passed checks.
    pub accepted_because: Option<String>,
}

/// A request that was just made, with its token.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The request as recorded.
    pub request: PrRequest,
    /// The token: shown once, kept nowhere.
    pub token: String,
}

/// A confirmation as a person gives it.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The token as typed.
    pub token: String,
    /// Whether the second confirmation was given too.
    pub confirmed: bool,
    /// What a request file says, when one was named: compared with the record, never believed.
    pub claimed: Option<PrRequest>,
}

impl App {
    /// Computes what an approval is bound to, as it is now.
    pub(crate) async fn facts(
        &self,
        run: &Run,
        title: &str,
        body: &str,
        card: &PolicyReport,
    ) -> Result<PrBinding, AppError> {
        let (prepared, change) =
            run.prepared.as_ref().zip(run.change.as_ref()).ok_or_else(|| no_change(run))?;
        let forge = &self.ports.forge;
        let base_sha = forge.branch_head(&run.spec, &prepared.base_branch).await?.ok_or_else(|| {
            let gone = Rejection::Stale { drift: vec![Drift::BaseBranch] };
            super::execute::refused(&run.id, Some(run), gone)
        })?;
        let at_remote = match &run.pushed {
            Some(pushed) if pushed.sha == change.head_sha => {
                forge.branch_head(&run.spec, &pushed.branch).await?
            }
            Some(_) | None => None,
        };
        let inspection =
            self.ports.workspace.inspect(&run.spec.repo, &prepared.base_sha, &change.head_sha).await?;
        Ok(PrBinding {
            repo: run.spec.repo.clone(),
            repo_id: forge.repo_id(&run.spec).await?,
            base_branch: prepared.base_branch.clone(),
            base_sha,
            head_branch: run.spec.head_branch.clone(),
            head_sha: at_remote.unwrap_or_else(|| change.head_sha.clone()),
            tree: inspection.tree,
            diff_digest: inspection.diff_digest,
            text_digest: digest(&[title.as_bytes(), body.as_bytes()])?,
            policy_digest: policy_digest(card)?,
        })
    }

    /// What a person is shown about the newest change.
    async fn card(&self, run: &Run, accepted_because: Option<String>) -> Result<PolicyReport, AppError> {
        let (prepared, change) =
            run.prepared.as_ref().zip(run.change.as_ref()).ok_or_else(|| no_change(run))?;
        let inspection =
            self.ports.workspace.inspect(&run.spec.repo, &prepared.base_sha, &change.head_sha).await?;
        let mut findings = self
            .ports
            .workspace
            .scan(&run.spec.repo, &prepared.base_sha, &change.head_sha, &run.spec.policy)
            .await?;
        let blocking = findings.iter().filter(|finding| finding.severity == Severity::Blocking).count();
        findings.truncate(CARD_PATHS);
        for finding in &mut findings {
            finding.path = named(std::mem::take(&mut finding.path));
            finding.detail = named(std::mem::take(&mut finding.detail));
        }
        let mut paths = inspection.paths;
        paths.truncate(CARD_PATHS);
        Ok(PolicyReport {
            stat: inspection.stat,
            paths: paths.into_iter().map(named).collect(),
            protected: inspection.protected.into_iter().map(named).collect(),
            checks: run.evidence(),
            accepted_because,
            findings,
            blocking: u32::try_from(blocking).unwrap_or(u32::MAX),
            tier: run.checks.as_ref().and_then(|report| report.tier),
        })
    }

    /// The binding of a recorded request, computed again from the world.
    pub(crate) async fn facts_of(&self, run: &Run, request: &PrRequest) -> Result<PrBinding, AppError> {
        let card = self.card(run, request.card.accepted_because.clone()).await?;
        self.facts(run, &request.title, &request.body, &card).await
    }

    /// Makes a request and its token from facts computed now; nothing is recorded yet.
    pub(crate) async fn make_request(
        &self,
        run: &Run,
        text: &PrText,
        requester: &Actor,
    ) -> Result<Issued, AppError> {
        let title = text.title.clone().unwrap_or_else(|| run.spec.pr_title());
        if title.trim().is_empty() || title.contains(['\n', '\r', '\0']) {
            return Err(AppError::Invalid("a pull request needs a title of one line".to_owned()));
        }
        if title.chars().count() > pr_text::TITLE_CAP {
            let why = format!("a title has {} characters at most: make it shorter", pr_text::TITLE_CAP);
            return Err(AppError::Invalid(why));
        }
        self.refuse_secret("body of the pull request", text.body.as_deref().unwrap_or_default())?;
        let template = if text.body.is_some() { None } else { self.template(run).await };
        let body = pr_text::body(run, text.body.as_deref(), template.as_deref());
        let body = self.ports.redaction.masked(&body).into_owned();
        self.refuse_secret("title of the pull request", &title)?;
        // The card's digest is over these words: masked in the log, they would never fit it again.
        self.refuse_secret("reason", text.accepted_because.as_deref().unwrap_or_default())?;
        let card = self.card(run, text.accepted_because.clone()).await?;
        let binding = self.facts(run, &title, &body, &card).await?;
        let id = RequestId::new(self.random_digits(REQUEST_DIGITS)?)?;
        let token = format!("{id}-{}", self.random_digits(SECRET_DIGITS)?);
        let request = PrRequest {
            id,
            binding,
            title,
            body,
            draft: text.draft.unwrap_or_else(|| self.ports.forge.drafts(&run.spec)),
            requester: requester.clone(),
            issued: self.ports.clock.now(),
            ttl_secs: text.ttl_secs.unwrap_or(REQUEST_TTL.as_secs()),
            token_hash: token_hash(&token)?,
            card,
        };
        Ok(Issued { request, token })
    }

    /// What the repository wants a pull request to begin from, at the run's base commit; `None` where it says nothing.
    async fn template(&self, run: &Run) -> Option<String> {
        let base = &run.prepared.as_ref()?.base_sha;
        for path in pr_text::TEMPLATES {
            let found =
                self.ports.workspace.read_file(&run.spec.repo, base, path, pr_text::TEMPLATE_CAP).await;
            if let Ok(Some(bytes)) = found {
                return String::from_utf8(bytes).ok();
            }
        }
        None
    }

    /// Asks for a pull request: the request is recorded when this returns, and an older one is cancelled by it.
    ///
    /// # Errors
    /// [`AppError::Refused`], or what computing the facts met.
    pub async fn request_pr(
        &self,
        run_id: &RunId,
        text: &PrText,
        actor: &Actor,
    ) -> Result<(Issued, Executed), AppError> {
        let run = self.run(run_id)?;
        if run.change.is_none() || run.prepared.is_none() {
            return Err(no_change(&run));
        }
        let issued = self.make_request(&run, text, actor).await?;
        let command = Command::RequestPr { request: Box::new(issued.request.clone()) };
        let executed = self.execute(run_id, &command, &By::actor(actor.clone()))?;
        Ok((issued, executed))
    }

    /// Confirms the open request: the confirmation is recorded when this returns, the pull request is not open yet.
    ///
    /// A wrong token is recorded even when the remote cannot be asked for the facts.
    ///
    /// # Errors
    /// [`AppError::RequestFileMismatch`], [`AppError::Refused`] with the gate's reason, or what computing the facts met.
    pub async fn confirm(
        &self,
        run_id: &RunId,
        confirmation: &Confirmation,
        actor: &Actor,
    ) -> Result<Executed, AppError> {
        let run = self.run(run_id)?;
        if let (Some(claimed), Gate::Open { request, .. }) = (&confirmation.claimed, &run.gate) {
            compare_claim(claimed, request)?;
        }
        let token = normal(&confirmation.token);
        let mut approval = Approval {
            request: token.split_once('-').and_then(|(id, _)| RequestId::new(id).ok()),
            token_hash: token_hash(&token)?,
            confirmed: confirmation.confirmed,
            facts: None,
        };
        let by = By::actor(actor.clone());
        match self.execute(run_id, &Command::Approve(approval.clone()), &by) {
            Err(AppError::Refused { rejection: Rejection::FactsNeeded, .. }) => {}
            other => return other,
        }
        if let Gate::Open { request, .. } = &run.gate {
            let facts = self.facts_of(&run, request).await;
            // There are no facts to compare when the base branch is gone, and the request is over all the same.
            if let Err(AppError::Refused { rejection: Rejection::Stale { drift }, .. }) = &facts {
                let cancel = Command::CancelRequest { request: request.id.clone(), drift: drift.clone() };
                self.execute(run_id, &cancel, &by)?;
            }
            approval.facts = Some(facts?);
        }
        self.execute(run_id, &Command::Approve(approval), &by)
    }

    /// Carries an approved request out: pushes, then opens the pull request. Finishes what an earlier try began.
    ///
    /// # Errors
    /// [`StoreError::LeaseHeld`] when an engine is at it already; otherwise what the steps met.
    pub async fn complete_approved(
        &self,
        run_id: &RunId,
        shutdown: &CancellationToken,
    ) -> Result<Run, AppError> {
        let hold = self.hold(run_id, shutdown).await?;
        // Two steps, push and pull request; a third round sees that nothing is left.
        for _ in 0..3 {
            let run = self.run(run_id)?;
            match next(&run, &self.ports.clock.now()) {
                Due::Perform(step @ (Step::Push | Step::PrCreate)) => {
                    self.perform(&hold, &Order::unattended(step)).await?;
                }
                Due::Command(_) | Due::Perform(_) | Due::Wait(_) => break,
            }
        }
        self.run(run_id)
    }

    /// [`Self::complete_approved`], or waiting for the engine that is at it, up to a minute.
    ///
    /// # Errors
    /// What the steps met.
    pub async fn complete_or_wait(
        &self,
        run_id: &RunId,
        shutdown: &CancellationToken,
    ) -> Result<Run, AppError> {
        for _ in 0..300 {
            match self.complete_approved(run_id, shutdown).await {
                Err(AppError::Store(StoreError::LeaseHeld { .. })) => {}
                other => return other,
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
            }
            if !matches!(self.run(run_id)?.gate, Gate::Approved { .. }) {
                break;
            }
        }
        self.run(run_id)
    }

    fn random_digits(&self, count: usize) -> Result<String, AppError> {
        let mut bytes = vec![0_u8; count];
        self.ports.random.fill(&mut bytes)?;
        Ok(bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)))
            .map(|digit| char::from(*digit))
            .collect())
    }
}

/// A name from a repository as the card has it: without what looks like a secret.
///
/// By its shape only: the card's digest must be the same in every process, whatever secrets that holds.
fn named(text: String) -> String {
    match redacted(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(masked) => masked,
    }
}

fn no_change(run: &Run) -> AppError {
    super::execute::refused(&run.id, Some(run), Rejection::NoChange)
}

/// A token as it was meant: phones add spaces, people type small letters and read O for 0 and I or L for 1, which no token has.
fn normal(token: &str) -> String {
    let upper = token.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase());
    upper
        .map(|c| match c {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        })
        .collect()
}

fn token_hash(token: &str) -> Result<Digest, AppError> {
    digest(&[normal(token).as_bytes()])
}

/// SHA-256 over the parts, each preceded by its length, so that no two lists of parts look alike.
fn digest(parts: &[&[u8]]) -> Result<Digest, AppError> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    Ok(Digest::new(hex::encode(hasher.finalize()))?)
}

fn policy_digest(card: &PolicyReport) -> Result<Digest, AppError> {
    let text = serde_json::to_string(card).map_err(|err| AppError::Internal(err.to_string()))?;
    digest(&[text.as_bytes()])
}

/// Compares a request file with the record, field by field, so that a person hears what is forged.
fn compare_claim(claimed: &PrRequest, recorded: &PrRequest) -> Result<(), AppError> {
    let (claim, record) = (&claimed.binding, &recorded.binding);
    let fields = [
        (claimed.id == recorded.id, "id"),
        (claimed.title == recorded.title, "title"),
        (claimed.body == recorded.body, "body"),
        (claimed.draft == recorded.draft, "draft"),
        (claim.repo == record.repo && claim.repo_id == record.repo_id, "repository"),
        (claim.base_branch == record.base_branch, "base branch"),
        (claim.base_sha == record.base_sha, "base commit"),
        (claim.head_branch == record.head_branch, "head branch"),
        (claim.head_sha == record.head_sha, "head commit"),
        (claimed.token_hash == recorded.token_hash, "token hash"),
        (claimed.issued == recorded.issued && claimed.ttl_secs == recorded.ttl_secs, "expiry"),
        (claimed == recorded, "something else"),
    ];
    match fields.into_iter().find(|(same, _)| !same) {
        Some((_, field)) => Err(AppError::RequestFileMismatch { field }),
        None => Ok(()),
    }
}
