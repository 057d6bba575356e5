//! Pull requests: opening one, and never a second one.
//!
//! Ours is looked for first ([`super::pulls`]), whatever became of an earlier try; creating is never repeated without another look.

use std::time::Duration;

use serde_json::{Value, json};

use super::body::with_evidence_of;
use super::client::{Answer, Verb};
use super::forge::{GitHubForge, shaped};
use super::pulls::{Pull, closed, ours};
use super::refused::{Objection, objection, said};
use super::repository::Repository;
use crate::adapters::forge::lease::moved;
use crate::adapters::forge::pull::with_marker;
use crate::domain::gate::Approved;
use crate::domain::id::{CommitSha, PrNumber, RepoSlug};
use crate::domain::spec::RunSpec;
use crate::ports::forge::{ForgeError, OpenedPr};

/// How long a pull request may take to show what was pushed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest wait between two looks at it.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Seconds until somebody comes again for what GitHub has not taken in yet.
const COME_AGAIN: u64 = 10;

impl GitHubForge {
    pub(super) async fn open_approved(
        &self,
        spec: &RunSpec,
        approved: &Approved,
    ) -> Result<OpenedPr, ForgeError> {
        let binding = &approved.request().binding;
        let base = self.base_of(spec).await?;
        if binding.repo != spec.repo || binding.repo_id.is_some_and(|id| id != base.id) {
            return Err(ForgeError::Refused("the approval is about another repository".to_owned()));
        }
        base.refuse_closed()?;
        let pulls = self.pulls_from(&base, &binding.head_branch).await?;
        if let Some(ours) = ours(&pulls, &binding.head_branch, approved.run())? {
            return self.refresh(&base, ours, approved).await;
        }
        // A fork under another name is found by asking for it once more.
        let head = self.head_for_push(&base, &binding.head_branch, &pulls).await?;
        let tip = self.repositories.tip(&head.name, &binding.head_branch).await?;
        if tip.as_ref() != Some(&binding.head_sha) {
            return Err(moved(&binding.head_branch, tip.as_ref()));
        }
        let mut answer = self.create(&base, &head, approved, self.settings.maintainer_can_modify).await?;
        if answer.status == 422 && objection(&answer.body) == Objection::ForkCollaboration {
            // Nothing was made; only the owner of a fork may let others push to it.
            answer = self.create(&base, &head, approved, false).await?;
        }
        match answer.status {
            200..=299 => {
                let made: Pull = shaped(answer.body, "pull request")?;
                let seen = self.settled(&base, made.number, &head.name, approved).await?;
                self.label(&base, &seen).await?;
                Ok(seen.opened(false))
            }
            422 => self.objected(&base, approved, &answer.body).await,
            404 | 410 => Err(ForgeError::Denied(format!(
                "the token may not open pull requests in `{}`: give it that right",
                base.name
            ))),
            _ => Err(ForgeError::Refused(said(&answer.body))),
        }
    }

    async fn create(
        &self,
        base: &Repository,
        head: &Repository,
        approved: &Approved,
        may_maintainers_push: bool,
    ) -> Result<Answer, ForgeError> {
        let request = approved.request();
        let mut body = json!({
            "title": request.title,
            "head": format!("{}:{}", head.name.owner(), request.binding.head_branch),
            "base": request.binding.base_branch,
            "body": with_marker(approved.run(), request),
            "draft": request.draft,
        });
        if head.id != base.id {
            body["maintainer_can_modify"] = json!(may_maintainers_push);
        }
        self.client.write(Verb::Post, &format!("/repos/{}/pulls", base.name), &body).await
    }

    /// What to make of a refusal to create.
    async fn objected(
        &self,
        base: &Repository,
        approved: &Approved,
        body: &Value,
    ) -> Result<OpenedPr, ForgeError> {
        let binding = &approved.request().binding;
        match objection(body) {
            Objection::AlreadyThere => {
                let pulls = self.pulls_from(base, &binding.head_branch).await?;
                match ours(&pulls, &binding.head_branch, approved.run())? {
                    Some(ours) => self.refresh(base, ours, approved).await,
                    None => Err(self.later(
                        COME_AGAIN,
                        format!(
                            "GitHub has a pull request for `{}` and does not list it yet",
                            binding.head_branch
                        ),
                    )),
                }
            }
            Objection::Head => {
                let why = format!("GitHub does not know `{}` yet", binding.head_branch);
                Err(self.later(COME_AGAIN, why))
            }
            Objection::Base => Err(ForgeError::Refused(format!(
                "`{}` has no branch `{}` to open a pull request to",
                base.name, binding.base_branch
            ))),
            Objection::NoCommits | Objection::ForkCollaboration | Objection::Other => {
                Err(ForgeError::Refused(said(body)))
            }
        }
    }

    /// Brings an open pull request of the run up to the approved request, and leaves to people what they wrote.
    async fn refresh(
        &self,
        base: &Repository,
        ours: &Pull,
        approved: &Approved,
    ) -> Result<OpenedPr, ForgeError> {
        let request = approved.request();
        let Some(home) = ours.head.repo.as_ref() else {
            let why = format!("the repository that pull request {} comes from is gone", ours.number);
            return Err(ForgeError::Refused(why));
        };
        let seen = self.settled(base, ours.number, &home.full_name, approved).await?;
        let body = seen.body.clone().unwrap_or_default();
        if let Some(body) = with_evidence_of(&request.body, &body) {
            let path = format!("/repos/{}/pulls/{}", base.name, ours.number);
            let answer = self.client.write(Verb::Patch, &path, &json!({"body": body})).await?;
            if answer.status >= 300 {
                return Err(ForgeError::Refused(said(&answer.body)));
            }
        }
        // Of an earlier request somebody may have taken labels off since.
        if body.contains(&format!("req={} -->", request.id)) {
            self.label(base, &seen).await?;
        }
        Ok(seen.opened(true))
    }

    /// The pull request once it shows the approved commit.
    async fn settled(
        &self,
        base: &Repository,
        number: PrNumber,
        home: &RepoSlug,
        approved: &Approved,
    ) -> Result<Pull, ForgeError> {
        let binding = &approved.request().binding;
        let begin = self.clock.now();
        let mut wait = Duration::from_millis(250);
        loop {
            let answer = self.client.get(&format!("/repos/{}/pulls/{number}", base.name)).await?;
            if answer.status != 200 {
                let why = format!("GitHub does not show pull request {number} yet");
                return Err(self.later(COME_AGAIN, why));
            }
            let pull: Pull = shaped(answer.body, "pull request")?;
            if !pull.is_open() {
                return Err(closed(number));
            }
            if pull.head.sha == binding.head_sha.as_str() {
                return Ok(pull);
            }
            let tip: Option<CommitSha> = self.repositories.tip(home, &binding.head_branch).await?;
            if tip.as_ref() != Some(&binding.head_sha) {
                return Err(moved(&binding.head_branch, tip.as_ref()));
            }
            if self.clock.now().has_passed_since(&begin, PATIENCE) {
                let why =
                    format!("pull request {number} does not show commit {} yet", binding.head_sha.short());
                return Err(self.later(30, why));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Puts the labels on that are missing. Who may not label, does without.
    async fn label(&self, base: &Repository, pull: &Pull) -> Result<(), ForgeError> {
        let has = |name: &String| pull.labels.iter().any(|label| label.name.eq_ignore_ascii_case(name));
        let missing: Vec<&String> = self.settings.labels.iter().filter(|name| !has(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let path = format!("/repos/{}/issues/{}/labels", base.name, pull.number);
        let number = pull.number;
        match self.client.write(Verb::Post, &path, &json!({"labels": missing})).await {
            Ok(answer) if answer.status < 300 => {}
            Ok(answer) => tracing::warn!("pull request {number} gets no labels: {}", said(&answer.body)),
            Err(ForgeError::Denied(why)) => tracing::warn!("pull request {number} gets no labels: {why}"),
            Err(err) => return Err(err),
        }
        Ok(())
    }
}
