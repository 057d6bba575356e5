//! A server and its end: one of our own for each start of the agent, supervised like any program, or the operator's.
//!
//! Sessions are aborted before a server of ours is ended: ended alone, it leaves the commands of its agent running.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::arguments;
use super::client::{Client, Model};
use super::drive::{Drive, Driven, Patience, judged};
use super::journal::Journal;
use crate::adapters::process::group::{Ending, GroupOrder, GroupReport, Supervisor};
use crate::adapters::process::lines::LineSink;
use crate::adapters::process::output::Captured;
use crate::adapters::worker::agent::Stage;
use crate::adapters::worker::attendance::attend;
use crate::adapters::worker::conversation;
use crate::adapters::worker::recorder::Recorder;
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::confine::{LimitKind, Tier};
use crate::ports::worker::{WorkReport, WorkerError};

/// What a server prints before its address. With port 0 it takes 4096 where that is free, so the line must be read.
const LISTENING: &str = "opencode server listening on ";

/// Between two looks at the health of a server that begins.
const HEALTH_LOOK: Duration = Duration::from_millis(100);

/// What the server uses of one processor while it only waits for a model: 5 to 6 percent, measured on 1.18.33, and room for slower
/// machines.
const IDLE_PERCENT: u8 = 15;

/// Characters of a server's last output in a message.
const TAIL: usize = 400;

/// Everything of one start.
pub(super) struct Performance<'a> {
    /// What is asked.
    pub(super) stage: &'a Stage<'a>,
    /// How patient it is.
    pub(super) patience: Patience,
}

impl Performance<'_> {
    /// Runs it on a server of ours.
    ///
    /// # Errors
    /// [`WorkerError::Unavailable`] when it cannot be started.
    pub(super) async fn own(&self) -> Result<WorkReport, WorkerError> {
        let stage = self.stage;
        if !stage.order.confinement.network && stage.tier > Tier::Open {
            let why = "opencode is spoken to over the loopback network, which this confinement takes away; give the run the network, \
                       or another agent";
            return Err(WorkerError::Unavailable(why.to_owned()));
        }
        let model = arguments::model(stage).map_err(WorkerError::Unavailable)?;
        let password = password().map_err(WorkerError::Unavailable)?;
        let launch = arguments::launch(stage, &password).map_err(WorkerError::Unavailable)?;
        let recorder = Recorder::new(stage);
        let (journal, end) = (self.journal()?, CancellationToken::new());
        let (sink, address) = announcement();
        let mut order = conversation::group_order(stage, launch, Some(sink));
        order.log = None;
        recorder.signs().idles_at(IDLE_PERCENT);
        order.signs = Some(recorder.signs().clone());
        order.sink = Some(journal.sink());
        if stage.stop.is_cancelled() {
            end.cancel();
        }
        let login = Some((arguments::USER.to_owned(), password));
        let act = async {
            let driven = self.act(&recorder, &journal, model.as_ref(), address, login).await;
            end.cancel();
            driven
        };
        let work = self.beside(stage.supervisor, &order, &end, act);
        let (report, driven) = Box::pin(attend(stage, &recorder, work)).await?;
        self.report(&recorder, &journal, report, driven).await
    }

    /// Runs the server while `act` goes on; when it ends first, `act` is dropped.
    async fn beside(
        &self,
        supervisor: &Supervisor,
        order: &GroupOrder,
        end: &CancellationToken,
        act: impl Future<Output = Driven>,
    ) -> Result<(GroupReport, Option<Driven>), WorkerError> {
        let started = |process| self.stage.listener.started(process);
        let running = supervisor.run(order, &started, end);
        tokio::pin!(running, act);
        let refused =
            |err: crate::adapters::process::group::Refused| WorkerError::Unavailable(err.to_string());
        let driven = tokio::select! {
            report = &mut running => return Ok((report.map_err(refused)?, None)),
            driven = &mut act => driven,
        };
        Ok((running.await.map_err(refused)?, Some(driven)))
    }

    async fn act(
        &self,
        recorder: &Recorder,
        journal: &Journal,
        model: Option<&Model>,
        address: oneshot::Receiver<String>,
        login: Option<(String, String)>,
    ) -> Driven {
        let base = tokio::select! {
            base = timeout(self.patience.health, address) => base.ok().and_then(Result::ok),
            () = recorder.halt_token().cancelled() => return Driven::Halted,
        };
        let Some(base) = base else {
            let why = format!("opencode's server did not say its address within {:?}", self.patience.health);
            return Driven::Done(Judgement::trouble(Trouble::Server, why));
        };
        let client = match Client::new(&base, login, &self.stage.order.workspace) {
            Ok(client) => client,
            Err(why) => return Driven::Done(Judgement::trouble(Trouble::Protocol, why)),
        };
        // The supervisor watches over time and silence of a server of ours.
        let limits = Limits { wall: None, silence: None };
        let driven = self.perform(recorder, journal, model, &client, limits).await;
        let _late = timeout(self.patience.farewell, client.dispose()).await;
        driven
    }

    /// Runs it on the operator's server, which is left running.
    ///
    /// # Errors
    /// [`WorkerError::Unavailable`] when its address is none, or the log cannot be written.
    pub(super) async fn foreign(&self, url: &str) -> Result<WorkReport, WorkerError> {
        let stage = self.stage;
        let model = arguments::model(stage).map_err(WorkerError::Unavailable)?;
        let client = Client::new(url, stage.setup.server_login.clone(), &stage.order.workspace)
            .map_err(|why| WorkerError::Unavailable(format!("opencode's server: {why}")))?;
        let (recorder, journal) = (Recorder::new(stage), self.journal()?);
        let begun = Instant::now();
        let limits =
            Limits { wall: Some(conversation::wall(stage.order)), silence: stage.order.limits.silence };
        let work = self.perform(&recorder, &journal, model.as_ref(), &client, limits);
        let driven = Box::pin(attend(stage, &recorder, work)).await;
        let report = GroupReport {
            ending: Ending::Stopped,
            exit_code: None,
            signal: None,
            duration: begun.elapsed(),
            output: Captured::default(),
            log: None,
            tier: Tier::Open,
            vitals: None,
        };
        self.report(&recorder, &journal, report, Some(driven)).await
    }

    /// Waits for a server's health, drives it, and aborts whatever it still does.
    async fn perform(
        &self,
        recorder: &Recorder,
        journal: &Journal,
        model: Option<&Model>,
        client: &Client,
        limits: Limits,
    ) -> Driven {
        let sessions = Arc::new(Mutex::new(BTreeSet::new()));
        let drive = Drive {
            stage: self.stage,
            recorder,
            client,
            model,
            journal,
            patience: self.patience,
            silence: limits.silence,
            sessions: Arc::clone(&sessions),
        };
        let driving = async {
            match self.healthy(client).await {
                Ok(()) => drive.run().await,
                Err(judgement) => Driven::Done(judgement),
            }
        };
        let over = async {
            match limits.wall {
                Some(wall) => sleep(wall).await,
                None => std::future::pending().await,
            }
        };
        let driven = tokio::select! {
            driven = driving => driven,
            () = recorder.halt_token().cancelled() => Driven::Halted,
            () = over => Driven::TimedOut,
        };
        let is_natural = matches!(&driven, Driven::Done(judgement) if judgement.trouble.is_none());
        if !is_natural {
            let begun = std::mem::take(&mut *sessions.lock().unwrap_or_else(PoisonError::into_inner));
            let aborting = async {
                for session in begun {
                    let _gone = client.abort(&session).await;
                }
            };
            let _late = timeout(self.patience.farewell, aborting).await;
        }
        driven
    }

    async fn healthy(&self, client: &Client) -> Result<(), Judgement> {
        let begun = Instant::now();
        loop {
            let Ok(answered) = timeout(self.patience.health, client.health()).await else {
                let why = format!("opencode's server was not healthy within {:?}", self.patience.health);
                return Err(Judgement::trouble(Trouble::Server, why));
            };
            let Err(err) = answered else { return Ok(()) };
            let judgement = judged(client, &err);
            if judgement.trouble == Some(Trouble::Auth) {
                return Err(judgement);
            }
            if begun.elapsed() >= self.patience.health {
                let why =
                    format!("opencode's server was not healthy within {:?}: {err}", self.patience.health);
                return Err(Judgement::trouble(Trouble::Server, why));
            }
            sleep(HEALTH_LOOK).await;
        }
    }

    fn journal(&self) -> Result<Journal, WorkerError> {
        let path = self.stage.artifacts.absolute(&conversation::log_path(self.stage));
        Journal::begin(&path).map_err(|err| {
            WorkerError::Unavailable(format!("cannot write the log `{}`: {err}", path.display()))
        })
    }

    /// What came of it. A server of ours is ended by ourselves when its work is done, so its own ending says little; limits, a stop and a
    /// halt keep their meaning.
    async fn report(
        &self,
        recorder: &Recorder,
        journal: &Journal,
        mut report: GroupReport,
        driven: Option<Driven>,
    ) -> Result<WorkReport, WorkerError> {
        let (log, captured) = journal
            .finish()
            .await
            .map_err(|err| WorkerError::Unavailable(format!("the log cannot be kept: {err}")))?;
        let never_ran = matches!(report.ending, Ending::CouldNotStart(_));
        let judgement = match driven {
            None => gone(&report),
            Some(Driven::Done(judgement)) => {
                if report.ending == Ending::Stopped && recorder.heard().halted.is_none() {
                    report.ending = Ending::Exited(0);
                    (report.exit_code, report.signal) = (None, None);
                }
                judgement
            }
            Some(Driven::Halted) => {
                // A server that went before it could be ended was to be ended all the same.
                if matches!(report.ending, Ending::Exited(_) | Ending::Signalled(_)) {
                    report.ending = Ending::Stopped;
                }
                Judgement::trouble(Trouble::Protocol, "opencode was ended")
            }
            Some(Driven::Silent) => {
                report.ending = Ending::OverLimit(LimitKind::Silence);
                Judgement::trouble(Trouble::Protocol, "opencode was silent")
            }
            Some(Driven::TimedOut) => {
                report.ending = Ending::TimedOut;
                Judgement::trouble(Trouble::Protocol, "opencode took too long")
            }
        };
        report.output = captured;
        report.log = (!never_ran).then_some(log);
        conversation::report(self.stage, recorder, report, judgement).await
    }
}

/// Limits that the driver itself keeps.
#[derive(Debug, Clone, Copy)]
struct Limits {
    wall: Option<Duration>,
    silence: Option<Duration>,
}

/// What it means that a server of ours ended by itself.
fn gone(report: &GroupReport) -> Judgement {
    let text = String::from_utf8_lossy(&report.output.bytes);
    let code = report.exit_code.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
    let start = text.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
    let tail = text.get(start..).unwrap_or_default().trim();
    if text.contains(LISTENING) {
        let why = format!("opencode's server ended with {code} before its work was done: {tail}");
        return Judgement::trouble(Trouble::Protocol, why);
    }
    let why = format!(
        "opencode's server ended with {code} before it listened; look at its settings and arguments: {tail}"
    );
    Judgement::trouble(Trouble::Usage, why)
}

/// A sink for a server's output, and what hears the address it says.
fn announcement() -> (LineSink, oneshot::Receiver<String>) {
    let (told, address) = oneshot::channel();
    let told = Mutex::new(Some(told));
    let sink = move |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        // What listens elsewhere than on the loopback is none that was asked for.
        let found = text.trim().strip_prefix(LISTENING).filter(|address| {
            address.strip_prefix("http://127.0.0.1:").is_some_and(|port| port.parse::<u16>().is_ok())
        });
        if let Some(found) = found
            && let Some(told) = told.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            let _nobody_waits = told.send(found.to_owned());
        }
    };
    (Arc::new(sink), address)
}

/// A password nobody has seen.
fn password() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|err| format!("no random number: {err}"))?;
    Ok(hex::encode(bytes))
}
