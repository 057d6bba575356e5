//! The look at webhooks: who sends what, and whether it comes in. Asks nobody; `agentpr webhook reconcile` does.

use super::machine::Look;
use super::report::{Finding, Severity};
use crate::app::inbox::care::HookRow;
use crate::app::inbox::needed::missing;
use crate::domain::forge::delivery::DeliveryStatus;

impl Look<'_> {
    /// Says which hooks are known, what they leave out, when a delivery came in last, and how many were given up.
    pub(super) fn webhooks(&mut self) {
        // A store that cannot be read has its own finding.
        let Ok(status) = self.app.inbox_status() else { return };
        let now = self.app.now().wall;
        let age = status.newest.as_ref().map(|newest| {
            let hours = now.since(newest.received_at).as_secs() / 3_600;
            if hours == 0 {
                "the newest delivery came less than an hour ago".to_owned()
            } else {
                format!("the newest delivery came {hours} h ago")
            }
        });
        if status.hooks.is_empty() {
            let age = age.unwrap_or_else(|| "no delivery came in".to_owned());
            self.report.add(Finding::info(
                "webhook",
                format!("no hook has said who it is, {age}: `agentpr sync-github` asks instead"),
            ));
        } else {
            let known = status.hooks.len();
            let age = age.unwrap_or_else(|| "and no delivery is kept".to_owned());
            self.report.add(Finding::good("webhook", format!("{known} known, {age}")));
        }
        for hook in &status.hooks {
            if let Some(finding) = events(hook) {
                self.report.add(finding);
            }
        }
        let dead = status.counts.iter().find(|(status, _)| *status == DeliveryStatus::Dead);
        if let Some((_, count @ 1..)) = dead {
            self.report.add(Finding::bad(
                Severity::Warning,
                "webhook.dead",
                format!("{count} deliveries could not be processed, however often they were tried"),
                "agentpr webhook list --status dead",
            ));
        }
    }
}

/// What a hook leaves out, with the call that adds it.
fn events(hook: &HookRow) -> Option<Finding> {
    let missing = missing(&hook.events);
    if missing.is_empty() {
        return None;
    }
    let whose = hook.repo.as_deref().unwrap_or("an organisation");
    let why = format!("hook {} of {whose} does not send {}", hook.id, missing.join(", "));
    let mend = match &hook.repo {
        Some(repo) => {
            let added: Vec<String> =
                missing.iter().map(|event| format!("-f 'add_events[]={event}'")).collect();
            format!("gh api --method PATCH repos/{repo}/hooks/{} {}", hook.id, added.join(" "))
        }
        None => "agentpr webhook status".to_owned(),
    };
    Some(Finding::bad(Severity::Warning, format!("webhook.events.{}", hook.id), why, mend))
}
