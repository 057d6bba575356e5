//! Why a run is where it is: the words of a move, and of a failure.

use super::event::{Event, SentBack};
use super::id::EventSeq;

/// Why a run is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The event that brought it there.
    pub seq: EventSeq,
    /// A stable word.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// A failure, shown as `step:reason_code:message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// The step.
    pub step: String,
    /// A stable word.
    pub reason_code: String,
    /// What happened.
    pub message: String,
}

/// The reason a move is shown with.
pub(super) fn reason_of(event: &Event) -> (String, String) {
    let (code, message) = match event {
        Event::HumanReviewRequested(body) => (body.reason.clone(), body.message.clone()),
        Event::StepFailed(body) => {
            (body.reason_code.clone(), format!("{}: {}", body.step, body.error_message))
        }
        Event::TimedOut(body) => ("timeout".to_owned(), format!("{} ran out of time", body.step)),
        Event::FixRequested(body) => (body.reason.clone(), format!("fix round {} was ordered", body.round)),
        Event::DiscoveryStarted(_) => ("discovery_started".to_owned(), "discovery began".to_owned()),
        Event::PlanReady(_) => ("plan_ready".to_owned(), "the contract was accepted".to_owned()),
        Event::ImplementationStarted(_) => {
            ("implementation_started".to_owned(), "implementation began".to_owned())
        }
        Event::ValidationStarted(_) => {
            ("validation_started".to_owned(), "a change is there to be checked".to_owned())
        }
        Event::Pushed(body) => {
            ("pushed".to_owned(), format!("`{}` is at the remote as {}", body.branch, body.sha.short()))
        }
        Event::PrLinked(body) => {
            ("pr_linked".to_owned(), format!("pull request {} is linked", body.pr_number))
        }
        Event::CheckRecorded(body) => (
            format!("check_{}", body.conclusion),
            format!("the forge's checks ended with {}", body.conclusion),
        ),
        Event::ReviewRecorded(body) => {
            (format!("review_{}", body.state), format!("a review ended with {}", body.state))
        }
        Event::ChecksPassed(_) => {
            ("checks_passed".to_owned(), "every check of the pull request passed".to_owned())
        }
        Event::ChecksPending(_) => {
            ("checks_pending".to_owned(), "checks of the pull request are waited for".to_owned())
        }
        Event::SentBack(body) => ("sent_back".to_owned(), sent_back(body)),
        Event::HeadMoved(body) => {
            let who = body.by.as_deref().unwrap_or("somebody else");
            (
                "head_moved".to_owned(),
                format!("{who} moved the branch of the pull request to {}", body.sha.short()),
            )
        }
        Event::PrClosed(body) => {
            let by = body.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            match body.merged {
                true => ("merged".to_owned(), format!("the pull request was merged{by}")),
                false => {
                    ("closed".to_owned(), format!("the pull request was closed{by} without being merged"))
                }
            }
        }
        Event::MarkedDone(_) => ("marked_done".to_owned(), "it was called done".to_owned()),
        Event::PausedByPerson(_) => ("paused".to_owned(), "a person paused it".to_owned()),
        Event::Resumed(_) => ("resumed".to_owned(), "a person resumed it".to_owned()),
        Event::Retried(_) => ("retried".to_owned(), "a person ordered another try".to_owned()),
        Event::Cancelled(body) => ("cancelled".to_owned(), or(&body.reason, "a person cancelled it")),
        Event::Skipped(body) => ("skipped".to_owned(), or(&body.reason, "a person skipped it")),
        // Facts move nothing and give no reason.
        Event::RunCreated(_)
        | Event::WorkspacePrepared(_)
        | Event::VerifySpecPinned(_)
        | Event::AuthGranted(_)
        | Event::GuardViolated(_)
        | Event::ActionsRequested(_)
        | Event::ActionsDecided(_)
        | Event::ActionsExecuted(_)
        | Event::PolicyScanned(_)
        | Event::AttemptStarted(_)
        | Event::ProcessStarted(_)
        | Event::SessionNamed(_)
        | Event::QuotaParked(_)
        | Event::QuotaLifted(_)
        | Event::AttemptEnded(_)
        | Event::ChangeCaptured(_)
        | Event::ChecksFinished(_)
        | Event::VerdictRendered(_)
        | Event::PrRequested(_)
        | Event::TokenRefused(_)
        | Event::PrRequestCancelled(_)
        | Event::PrApproved(_)
        | Event::CommentRecorded(_)
        | Event::PullChanged(_)
        | Event::HeadSeen(_)
        | Event::RepositoryChanged(_)
        | Event::ForgeParked(_)
        | Event::ArtifactRegistered(_) => (event.name().to_owned(), String::new()),
    };
    (code, message)
}

fn sent_back(body: &SentBack) -> String {
    let failed = match body.checks.as_slice() {
        [] => String::new(),
        checks => format!("checks failed: {}", checks.join(", ")),
    };
    let asked = match body.reviewers.as_slice() {
        [] => String::new(),
        reviewers => format!("changes were asked for by {}", reviewers.join(", ")),
    };
    let parts: Vec<&str> =
        [failed.as_str(), asked.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

impl LastError {
    /// The failure an event reports, if it reports one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only two events report a failure")]
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::StepFailed(body) => Some(Self {
                step: body.step.clone(),
                reason_code: body.reason_code.clone(),
                message: body.error_message.clone(),
            }),
            Event::TimedOut(body) => Some(Self {
                step: body.step.clone(),
                reason_code: "timeout".to_owned(),
                message: format!("{} ran out of time", body.step),
            }),
            _ => None,
        }
    }
}

impl std::fmt::Display for LastError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.step, self.reason_code, self.message)
    }
}
