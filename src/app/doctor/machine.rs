//! The look at the machine: places, programs, room, clock, walls, modes.

use std::time::Duration;

use super::judge::{self, install};
use super::profile::Check;
use super::report::{Finding, Report, Severity, quoted};
use crate::app::App;
use crate::domain::id::{EventSeq, RunId};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::ports::store::RunQuery;

/// How long after its end a run's workspace is called stale: what `gc` removes without being asked for younger ones.
const STALE: Duration = Duration::from_secs(30 * 86_400);

/// What must be there although nothing configured needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// The program `codex`, and the registries it gets packages from.
    Codex,
    /// `AGENTPR_TELEGRAM_BOT_TOKEN`.
    TelegramToken,
    /// `AGENTPR_GITHUB_WEBHOOK_SECRET`.
    WebhookSecret,
    /// A login at GitHub, when a remote there is in use.
    GithubLogin,
}

/// What a doctor is told.
#[derive(Debug, Clone)]
pub struct DoctorOrder {
    /// What must be there.
    pub required: Vec<Requirement>,
    /// How long hosts may take to answer; `None` asks none.
    pub network: Option<Duration>,
}

impl DoctorOrder {
    /// Whether something must be there.
    pub fn requires(&self, requirement: Requirement) -> bool {
        self.required.contains(&requirement)
    }
}

impl App {
    /// Looks at everything: the whole table of `docs/operations.md`.
    ///
    /// Takes seconds when programs or hosts do not answer. Changes nothing but for a probe file that is gone afterwards.
    pub async fn doctor(&self, order: &DoctorOrder) -> Report {
        let begin = self.now().monotonic_ms;
        let mut look = Look::new(self);
        look.check(Check::Workspace, None);
        look.git();
        look.check(Check::Shell, None);
        look.space();
        look.store();
        look.clock();
        look.sandbox();
        look.modes();
        look.agents(order.requires(Requirement::Codex)).await;
        look.hidden_home();
        look.stale_workspaces();
        look.webhooks();
        if order.requires(Requirement::GithubLogin) {
            look.login_in_use();
        }
        for (requirement, check) in [
            (Requirement::TelegramToken, Check::TelegramToken),
            (Requirement::WebhookSecret, Check::WebhookSecret),
        ] {
            if order.requires(requirement) {
                look.check(check, None);
            }
        }
        match order.network {
            Some(limit) => look.network(order, limit).await,
            None => look.report.note("the network was not asked: --skip-network-check was given"),
        }
        look.finish(begin)
    }
}

/// One look, as it goes on.
pub(super) struct Look<'a> {
    pub(super) app: &'a App,
    pub(super) report: Report,
}

impl<'a> Look<'a> {
    pub(super) fn new(app: &'a App) -> Self {
        Self { app, report: Report::default() }
    }

    pub(super) fn finish(mut self, begin: u64) -> Report {
        self.report.duration_ms = self.app.now().monotonic_ms.saturating_sub(begin);
        self.report
    }

    /// One check of a gate.
    pub(super) fn check(&mut self, check: Check, run: Option<&RunId>) {
        match check {
            Check::Workspace => self.workspace(),
            Check::Git => self.program("git"),
            Check::Shell => self.program("sh"),
            Check::Space => self.space(),
            Check::ForgeLogin => self.login_of(run),
            Check::TelegramToken => self.variable("AGENTPR_TELEGRAM_BOT_TOKEN"),
            Check::WebhookSecret => self.variable("AGENTPR_GITHUB_WEBHOOK_SECRET"),
        }
    }

    fn workspace(&mut self) {
        let root = &self.app.settings.workspace_root;
        let shown = root.display().to_string();
        self.report.add(match self.app.ports.probe.writable(root) {
            Ok(()) => Finding::good("workspace.write", shown),
            Err(err) => {
                let place = quoted(root);
                let mend = format!("sudo install -d -m 700 -o \"$(id -un)\" {place}");
                Finding::bad(Severity::Error, "workspace.write", format!("{shown}: {err}"), mend)
            }
        });
    }

    pub(super) fn program(&mut self, name: &str) {
        self.report.add(match self.app.ports.probe.program(name) {
            Some(path) => Finding::good(format!("cmd.{name}"), path.display().to_string()),
            None => Finding::bad(Severity::Error, format!("cmd.{name}"), "not found on PATH", install(name)),
        });
    }

    pub(super) fn variable(&mut self, name: &str) {
        let probe = &self.app.ports.probe;
        self.report.add(if probe.is_set(name) || probe.is_set(&format!("{name}_FILE")) {
            Finding::good(format!("env.{name}"), "set")
        } else {
            Finding::bad(
                Severity::Error,
                format!("env.{name}"),
                "not set",
                format!("read -rs {name} && export {name}"),
            )
        });
    }

    fn git(&mut self) {
        self.program("git");
        let asked = self.app.ports.probe.versions(&["git"]);
        if let Some(finding) = asked.first().and_then(judge::git) {
            self.report.add(finding);
        }
    }

    fn space(&mut self) {
        let probe = &self.app.ports.probe;
        let data = probe.data_dir().to_owned();
        for (name, place) in [("space.data", &data), ("space.workspaces", &self.app.settings.workspace_root)]
        {
            let finding = match probe.free_space(place) {
                Ok(free) => judge::room(name, place, free),
                Err(err) => {
                    let why = format!("{}: {err}", place.display());
                    Finding::bad(Severity::Warning, name, why, format!("df -h {}", quoted(place)))
                }
            };
            self.report.add(finding);
        }
    }

    fn clock(&mut self) {
        let newest = self.newest_event();
        self.report.add(judge::clock(self.app.now().wall, newest));
    }

    fn newest_event(&self) -> Option<Timestamp> {
        let store = &self.app.ports.store;
        let last = store.last_seq().ok()?;
        let before = EventSeq(last.0.saturating_sub(1));
        Some(store.events_after(before, 1).ok()?.last()?.at)
    }

    fn sandbox(&mut self) {
        let facts = self.app.ports.probe.sandbox();
        let settings = &self.app.settings;
        self.report.add(judge::sandbox("sandbox", &facts, &settings.policy.agent_confinement()));
        for (repository, policy) in &settings.repository_policies {
            let finding =
                judge::sandbox(&format!("sandbox.{repository}"), &facts, &policy.agent_confinement());
            // A warning would say once more what the first finding says.
            if finding.is_failure() {
                self.report.add(finding);
            }
        }
    }

    fn modes(&mut self) {
        let loose = self.app.ports.probe.loose_modes();
        if loose.is_empty() {
            self.report.add(Finding::good("modes", "nobody else may read store, logs and settings"));
        }
        for place in loose {
            let why = format!("{} has mode {:04o}: others get in", place.path.display(), place.mode);
            let mend = format!("chmod {:o} {}", place.wanted, quoted(&place.path));
            self.report.add(Finding::bad(Severity::Error, "modes", why, mend));
        }
    }

    fn hidden_home(&mut self) {
        let Some(hidden) = self.app.ports.probe.hidden_home() else { return };
        let why = format!(
            "{}: logins of agents under ~/.codex, ~/.claude and ~/.config are not reached from this service",
            hidden.how
        );
        let mend = format!(
            "sudo mkdir -p /etc/systemd/system/agentpr.service.d && printf '[Service]\\nProtectHome=tmpfs\\nBindReadOnlyPaths=-{home}/.codex -{home}/.claude -{home}/.config\\n' | sudo tee /etc/systemd/system/agentpr.service.d/home.conf && sudo systemctl daemon-reload && sudo systemctl restart agentpr",
            home = hidden.home.display()
        );
        self.report.add(Finding::bad(Severity::Warning, "home.hidden", why, mend));
    }

    fn stale_workspaces(&mut self) {
        let states = State::ALL.into_iter().filter(|state| state.is_terminal()).collect();
        let ports = &self.app.ports;
        let now = self.app.now().wall;
        let rows = ports.store.run_rows(&RunQuery { states, limit: None }).unwrap_or_default();
        let over = rows.iter().filter(|row| now.since(row.updated_at) >= STALE);
        let stale = over.filter(|row| ports.probe.exists(&ports.workspace.path(&row.repo, &row.run))).count();
        if stale > 0 {
            let why = format!("{stale} workspaces of runs that ended more than 30 days ago");
            self.report.add(Finding::bad(Severity::Warning, "workspaces.stale", why, "agentpr gc"));
        }
    }
}
