//! The site of a verification: one command after another is run here, judged first, capped in time, and written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::capture::Capture;
use super::excerpt::excerpt;
use super::plan::Plan;
use super::reach;
use super::record::{Ended, Entry, Record};
use crate::adapters::process::environment;
use crate::adapters::process::group::{Ending, GroupOrder, GroupReport, Supervisor};
use crate::adapters::process::terminal::Terminal;
use crate::adapters::process::tree::private_dir;
use crate::domain::command_policy::Refusal;
use crate::domain::confine::{Confinement, ProcessLimits, SandboxMode, Tier};
use crate::domain::evidence::{CheckResult, LogRef};
use crate::domain::id::{AttemptNo, RunId};
use crate::domain::pipeline::StageSettings;
use crate::domain::verification::Stage;
use crate::ports::artifact::Artifacts;
use crate::ports::check::ChecksError;
use crate::ports::verify::{OnProgress, Progress};
use crate::ports::worker::OnStart;

/// Time between TERM and KILL for a check: it has no session to write down, as an agent has.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes kept of what a terminal showed.
const TERMINAL_CAP: usize = 512 * 1024;

/// Exit codes as scripts know them, for what has none of its own.
const RC_TIMEOUT: i32 = 124;
const RC_REFUSED: i32 = 126;
const RC_NOT_STARTED: i32 = 127;

/// Where the durable log of each command goes.
pub(super) struct Logs {
    pub(super) artifacts: Arc<dyn Artifacts>,
    pub(super) run: RunId,
    pub(super) attempt: AttemptNo,
}

/// Where and how commands run.
pub(super) struct Site<'a> {
    pub(super) supervisor: &'a Supervisor,
    pub(super) tree: PathBuf,
    /// The folder for everything of the commands that is not the repository.
    pub(super) runtime: PathBuf,
    /// The environment that all stages share.
    pub(super) env: BTreeMap<String, String>,
    pub(super) record: Record,
    pub(super) confinement: Confinement,
    pub(super) limits: ProcessLimits,
    pub(super) logs: Option<Logs>,
    pub(super) started: OnStart<'a>,
    pub(super) tell: OnProgress<'a>,
    pub(super) stop: &'a CancellationToken,
}

/// One command of a stage.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) stage: Stage,
    /// Its number in the stage, starting at 1.
    pub(super) number: usize,
    /// How many commands came before it in the whole verification.
    pub(super) before: usize,
    pub(super) command: &'a str,
    pub(super) dir: &'a Path,
    pub(super) retries: u32,
    pub(super) budget: Budget,
}

/// How a command ended in the end.
pub(super) struct Done {
    pub(super) result: CheckResult,
    pub(super) refusal: Option<Refusal>,
    pub(super) rc: i32,
    /// Whether it was started at all.
    pub(super) ran: bool,
    /// The tier it ran under.
    pub(super) tier: Option<Tier>,
}

impl Site<'_> {
    /// Judges a command, runs it until it passes or its tries are used up, and writes down every try.
    ///
    /// # Errors
    /// [`ChecksError`]: it was stopped, or its log could not be kept. A failed command is no error.
    pub(super) async fn run(
        &self,
        plan: &Plan,
        job: Job<'_>,
        stop: &CancellationToken,
    ) -> Result<Done, ChecksError> {
        if let Err(refusal) = judge(plan, job) {
            return Ok(self.refused(job, refusal));
        }
        let mut tries = 1;
        loop {
            let Some(limit) = job.budget.next() else { return Ok(self.spent(job, tries)) };
            (self.tell)(&Progress::Began { command: job.command, attempt: tries });
            let mut order = self.order(job, plan.stage(job.stage).1, !plan.is_at_terminal(job.stage));
            order.limits.wall = limit;
            order.log = self.logs.as_ref().map(|logs| logs.live(job));
            let (report, streams) = match plan.is_at_terminal(job.stage) {
                true => self.start_at_terminal(order, job.command, stop).await?,
                false => self.start(order, stop).await?,
            };
            self.write_down(job, tries, &report, &streams);
            if report.ending == Ending::Stopped {
                return Err(ChecksError::Stopped);
            }
            let result = self.result(job, tries, &report);
            if result.passed() || result.ran_nothing() || tries > job.retries {
                (self.tell)(&Progress::Ended(&result));
                return Ok(Done {
                    result,
                    refusal: None,
                    rc: ended(&report).rc,
                    ran: true,
                    tier: Some(report.tier),
                });
            }
            tries += 1;
        }
    }

    /// Runs what was ordered and keeps its two outputs apart.
    ///
    /// # Errors
    /// [`ChecksError::Unavailable`] when its tier is not to be had or its log cannot be written.
    pub(super) async fn start(
        &self,
        mut order: GroupOrder,
        stop: &CancellationToken,
    ) -> Result<(GroupReport, (Vec<u8>, Vec<u8>)), ChecksError> {
        let capture = Capture::default();
        order.sink = Some(capture.sink());
        let report = self.supervisor.run(&order, self.started, stop).await;
        let report = report.map_err(|refused| ChecksError::Unavailable(refused.to_string()))?;
        Ok((report, capture.take()))
    }

    /// Runs what was ordered at this process's terminal, and keeps what was shown there.
    ///
    /// It runs in tier 0, where this terminal can be reached at all; nobody is silent too long who reads and types.
    async fn start_at_terminal(
        &self,
        mut order: GroupOrder,
        command: &str,
        stop: &CancellationToken,
    ) -> Result<(GroupReport, (Vec<u8>, Vec<u8>)), ChecksError> {
        let lost = |err: &dyn std::fmt::Display| ChecksError::Unavailable(format!("no terminal: {err}"));
        let terminal = Terminal::open().map_err(|err| lost(&err))?;
        order.args = terminal.arguments(command);
        order.confinement.mode = SandboxMode::DangerFullAccess;
        order.limits.silence = None;
        let ended = Arc::new(AtomicBool::new(false));
        let (seen, redactor) = (Arc::clone(&ended), self.supervisor.redactor().clone());
        let relay = tokio::task::spawn_blocking(move || terminal.relay(&redactor, &seen, TERMINAL_CAP));
        let ran = {
            // Also when whoever waits goes away: the relay would hold the person's terminal otherwise.
            let _over = SetOnDrop(&ended);
            self.start(order, stop).await
        };
        let shown = relay.await.map_err(|err| lost(&err))?;
        let (mut report, (mut stdout, stderr)) = ran?;
        stdout.extend_from_slice(&shown.bytes);
        report.output = shown;
        Ok((report, (stdout, stderr)))
    }

    /// The order for a command of a stage, without its times.
    pub(super) fn order(&self, job: Job<'_>, settings: &StageSettings, unattended: bool) -> GroupOrder {
        let mut env = self.env.clone();
        if unattended {
            environment::unattended(&mut env);
        }
        env.insert("AIDER_FSM_STAGE".to_owned(), job.stage.name().to_owned());
        env.extend(settings.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        GroupOrder {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), job.command.to_owned()],
            dir: job.dir.to_owned(),
            env,
            stdin: None,
            workspace: self.tree.clone(),
            runtime: self.runtime.clone(),
            readable: Vec::new(),
            confinement: self.confinement,
            limits: self.limits,
            grace: GRACE,
            log: None,
            lines: None,
            sink: None,
            signs: None,
        }
    }

    fn refused(&self, job: Job<'_>, refusal: Refusal) -> Done {
        let ended = Ended { rc: RC_REFUSED, timed_out: false };
        self.without_output(job, 1, &refusal.why, ended);
        let result = result(job, 1, Some(RC_REFUSED), refusal.why.clone());
        (self.tell)(&Progress::Ended(&result));
        Done { result, refusal: Some(refusal), rc: RC_REFUSED, ran: false, tier: None }
    }

    fn spent(&self, job: Job<'_>, tries: u32) -> Done {
        let why = "no time was left for it: `max_total_seconds` or `max_run_seconds` was spent before";
        self.without_output(job, tries, why, Ended { rc: RC_TIMEOUT, timed_out: true });
        let result = CheckResult { timed_out: true, ..result(job, tries, None, why.to_owned()) };
        (self.tell)(&Progress::Ended(&result));
        Done { result, refusal: None, rc: RC_TIMEOUT, ran: tries > 1, tier: None }
    }

    fn without_output(&self, job: Job<'_>, tries: u32, why: &str, ended: Ended) {
        let stderr = format!("{why}\n");
        let entry = Entry { command: job.command, stdout: b"", stderr: stderr.as_bytes(), ended };
        self.both(job, tries, &entry);
    }

    fn write_down(&self, job: Job<'_>, tries: u32, report: &GroupReport, streams: &(Vec<u8>, Vec<u8>)) {
        let not_started;
        let (stdout, stderr) = match &report.ending {
            Ending::CouldNotStart(why) => {
                not_started = format!("{why}\n");
                (&b""[..], not_started.as_bytes())
            }
            _ => (&*streams.0, &*streams.1),
        };
        self.both(job, tries, &Entry { command: job.command, stdout, stderr, ended: ended(report) });
    }

    /// The files of this try, and those of the stage, which are the last try's in the end.
    fn both(&self, job: Job<'_>, tries: u32, entry: &Entry<'_>) {
        let stage = job.stage.name();
        self.record.entry(&format!("{stage}_cmd{:02}_try{tries:02}", job.number), entry);
        self.record.entry(stage, entry);
    }

    fn result(&self, job: Job<'_>, tries: u32, report: &GroupReport) -> CheckResult {
        let excerpt = match &report.ending {
            Ending::CouldNotStart(why) => why.clone(),
            _ => excerpt(&report.output.bytes),
        };
        let exit_code = match report.ending {
            Ending::Exited(code) => Some(code),
            _ => None,
        };
        let mut result = CheckResult {
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            timed_out: report.ending == Ending::TimedOut,
            log: self.logs.as_ref().and_then(|logs| logs.kept(job, report)),
            limit: match report.ending {
                Ending::OverLimit(kind) => Some(kind),
                _ => None,
            },
            ..result(job, tries, exit_code, excerpt)
        };
        // Without a wall the network was there, whatever was ordered.
        if !result.passed() && !self.confinement.network && report.tier != Tier::Open {
            result.excerpt = reach::explain(result.excerpt, &report.output.bytes);
        }
        result
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Logs {
    fn path(&self, job: Job<'_>) -> String {
        format!("{}/check-{}-{}.log", self.run, self.attempt, job.before + 1)
    }

    fn live(&self, job: Job<'_>) -> PathBuf {
        self.artifacts.absolute(&self.path(job))
    }

    fn kept(&self, job: Job<'_>, report: &GroupReport) -> Option<LogRef> {
        let log = report.log.clone()?;
        Some(LogRef { path: self.path(job), sha256: log.sha256, bytes: log.bytes, truncated: log.truncated })
    }
}

/// Adds what every command of a verification knows about where it is, and makes the folder for what it wants to keep.
///
/// # Errors
/// What the file system says.
pub(super) fn add_common(
    env: &mut BTreeMap<String, String>,
    tree: &Path,
    runtime: &Path,
) -> std::io::Result<PathBuf> {
    let given = runtime.join("artifacts");
    private_dir(&given)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    env.insert("FORCE_COLOR".to_owned(), "0".to_owned());
    env.insert("AIDER_FSM_ARTIFACTS_DIR".to_owned(), text(&given));
    env.insert("AIDER_FSM_REPO_ROOT".to_owned(), text(tree));
    Ok(given)
}

fn judge(plan: &Plan, job: Job<'_>) -> Result<(), Refusal> {
    plan.rules.judge(job.command)?;
    if plan.is_at_terminal(job.stage) { Ok(()) } else { plan.rules.judge_unattended(job.command) }
}

fn result(job: Job<'_>, tries: u32, exit_code: Option<i32>, excerpt: String) -> CheckResult {
    CheckResult {
        command: job.command.to_owned(),
        exit_code,
        duration_ms: 0,
        timed_out: false,
        log: None,
        excerpt,
        stage: job.stage,
        tries,
        limit: None,
        known_failure: None,
    }
}

pub(super) fn ended(report: &GroupReport) -> Ended {
    let rc = match report.ending {
        Ending::TimedOut | Ending::OverLimit(_) | Ending::Stopped => RC_TIMEOUT,
        Ending::Exited(code) => code,
        Ending::Signalled(signal) => 128 + signal,
        Ending::CouldNotStart(_) => RC_NOT_STARTED,
    };
    Ended { rc, timed_out: report.ending == Ending::TimedOut }
}
