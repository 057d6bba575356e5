//! The card: everything a person is shown before a pull request is confirmed, in one fixed order.

use std::time::Duration;

use super::ui::{BAD, FAINT, GOOD, NOTICE, PLAIN, STRONG, Ui};
use super::{cost, words};
use crate::app::usage::UsageTotal;
use crate::domain::evidence::CheckOutcome;
use crate::domain::gate::PrRequest;
use crate::domain::projection::UsageRow;

/// Paths printed before the rest is counted.
const SHOWN_PATHS: usize = 20;

impl Ui {
    /// Prints the card of a request; `used` is what the run's agents used.
    pub(super) fn card(&self, request: &PrRequest, used: &[UsageRow]) {
        let (binding, card) = (&request.binding, &request.card);
        self.pieces(&[(STRONG, "Pull request ".into()), (STRONG, request.title.as_str().into())]);
        self.field("repository", binding.repo.to_string());
        self.field("into", format!("{} at {}", binding.base_branch, binding.base_sha.short()));
        self.field("from", format!("{} at {}", binding.head_branch, binding.head_sha.short()));
        self.field("change", words::diffstat(&card.stat));
        for path in card.paths.iter().take(SHOWN_PATHS) {
            self.field("", path);
        }
        let files = usize::try_from(card.stat.files).unwrap_or(usize::MAX);
        let shown = card.paths.len().min(SHOWN_PATHS);
        if files > shown {
            self.field("", format!("and {} more", files - shown));
        }
        self.protected(request);
        self.checks(request);
        if !used.is_empty() {
            self.field("cost", cost::line(&UsageTotal::of(used)));
        }
        if request.draft {
            self.field("draft", "yes");
        }
        self.field("asked by", request.requester.to_string());
        let until = request.issued.wall.plus(Duration::from_secs(request.ttl_secs));
        self.field(
            "open until",
            format!("{} ({})", words::when(until), words::span(Duration::from_secs(request.ttl_secs))),
        );
        self.field("request", request.id.as_str());
        if !request.body.trim().is_empty() {
            self.styled(STRONG, "Body");
            for line in request.body.lines() {
                self.line(format!("  {line}"));
            }
        }
    }

    fn protected(&self, request: &PrRequest) {
        for (index, path) in request.card.protected.iter().enumerate() {
            let name = if index == 0 { "protected" } else { "" };
            self.pieces(&[(FAINT, format!("  {name:<14}").into()), (BAD, path.as_str().into())]);
        }
    }

    fn checks(&self, request: &PrRequest) {
        let (style, words) = match request.card.checks {
            Some(CheckOutcome::Passed) => (GOOD, "passed on this commit".to_owned()),
            Some(CheckOutcome::Failed) => (BAD, "failed on this commit".to_owned()),
            Some(CheckOutcome::Blocked) => (BAD, "could not run as the contract asks".to_owned()),
            Some(CheckOutcome::NoEvidence) => (NOTICE, "nothing was found to check with".to_owned()),
            None => (NOTICE, "did not run on this commit".to_owned()),
        };
        self.pieces(&[(FAINT, format!("  {:<14}", "checks").into()), (style, words.into())]);
        if let Some(tier) = request.card.tier {
            self.field("sandbox", format!("the checks ran under tier {} ({})", tier.number(), tier.name()));
        }
        self.findings(&request.card.findings, request.card.blocking);
        if let Some(why) = &request.card.accepted_because {
            self.pieces(&[(FAINT, format!("  {:<14}", "accepted").into()), (PLAIN, why.as_str().into())]);
        }
    }
}
