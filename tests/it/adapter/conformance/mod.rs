//! UNI-11: one list of facts that hold for every agent, whatever its program speaks.
//!
//! A [`Subject`] puts an agent into the scene of a [`Deed`]; the facts look at nothing but the port. Agents by name have some
//! facts more. A new agent, or a real program behind a stub model server, is one more subject and one more line at the end.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use agentpr::domain::agent::class::OutcomeClass;
use agentpr::domain::agent::record::{AgentRecord, Session};
use agentpr::domain::agent::role::Role;
use agentpr::domain::agent::usage::Tokens;
use agentpr::domain::confine::LimitKind;
use agentpr::domain::evidence::{AttemptOutcome, ProcessRef};
use agentpr::domain::id::AttemptNo;
use agentpr::domain::spec::agent_name;
use agentpr::ports::artifact::Artifacts;
use agentpr::ports::worker::{Listener, WorkReport, Worker, WorkerError};
use tokio_util::sync::CancellationToken;

use super::world::until;
use scene::{Deed, Scene, Subject};

pub(super) mod lines;
pub(super) mod player;
mod recorded;
pub(super) mod scene;

/// Writes down what it hears.
#[derive(Default)]
struct Ears {
    started: Mutex<Vec<ProcessRef>>,
    sessions: Mutex<Vec<String>>,
}

impl Listener for Ears {
    fn started(&self, process: ProcessRef) {
        self.started.lock().unwrap().push(process);
    }

    fn session(&self, session: &Session) {
        self.sessions.lock().unwrap().push(session.id.clone());
    }
}

async fn run(scene: &Scene) -> (WorkReport, Ears) {
    let ears = Ears::default();
    let report = scene.workers.run(&scene.order, &ears, &CancellationToken::new()).await.unwrap();
    (report, ears)
}

async fn refusal(scene: &Scene) -> WorkerError {
    let ears = Ears::default();
    let refused = scene.workers.run(&scene.order, &ears, &CancellationToken::new()).await.unwrap_err();
    assert!(ears.started.lock().unwrap().is_empty(), "it was started all the same");
    refused
}

fn record(report: &WorkReport) -> &AgentRecord {
    report.evidence.agent.as_deref().expect("every attempt of an agent has its record")
}

/// The program whose number the agent wrote down is gone.
fn is_gone(workspace: &Path) -> bool {
    let pid = std::fs::read_to_string(workspace.join("child")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')))
}

async fn it_starts_and_its_end_is_on_record(subject: &dyn Subject) {
    let scene = subject.scene(Deed::Succeed);
    let (report, ears) = run(&scene).await;
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    assert_eq!(ears.started.lock().unwrap().len(), 1, "one start is told once");
    assert_eq!(std::fs::read_to_string(scene.order.workspace.join("made")).unwrap(), "yes\n");
    let record = record(&report);
    assert_eq!((record.class, record.trouble, record.role), (OutcomeClass::Succeeded, None, Role::Build));
    assert!(Path::new(&record.identity.program).is_absolute(), "{:?}", record.identity);
    assert_eq!(record.model.as_deref(), Some("stub/small"));
    assert_eq!(report.evidence.worker, agent_name(&scene.order.agent));
    assert!(report.evidence.tier.is_some());
    let log = report.evidence.log.as_ref().expect("its output is kept");
    assert!(!scene.world.artifacts.read_tail(&log.path, 10_000).unwrap().is_empty());
    assert!(report.last_message.contains(subject.last_words()), "{}", report.last_message);
    assert_eq!(record.last_words, report.last_message);
}

async fn what_it_says_is_kept_while_it_runs(subject: &dyn Subject) {
    let scene = subject.scene(Deed::Pause);
    let log = format!("{}/attempt-{}.log", scene.order.run, scene.order.attempt);
    let look = async {
        let heard = || {
            let bytes = scene.world.artifacts.read_tail(&log, 100_000).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(subject.spoken())
        };
        until("its words are in the log while it runs", heard).await;
        std::fs::write(scene.order.workspace.join("go"), "").unwrap();
    };
    let ((report, _), ()) = tokio::join!(run(&scene), look);
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
}

async fn a_stop_ends_all_of_it(subject: &dyn Subject) {
    let scene = subject.scene(Deed::Hang);
    let (ears, stop) = (Ears::default(), CancellationToken::new());
    let child = scene.order.workspace.join("child");
    let pull = async {
        until("it runs and has a child", || child.exists()).await;
        stop.cancel();
        Instant::now()
    };
    let (report, pulled) = tokio::join!(scene.workers.run(&scene.order, &ears, &stop), pull);
    let report = report.unwrap();
    assert!(pulled.elapsed() < Duration::from_secs(10), "a stop took {:?}", pulled.elapsed());
    assert_eq!(report.outcome, AttemptOutcome::Stopped);
    assert_eq!((record(&report).class, record(&report).trouble), (OutcomeClass::Killed, None));
    assert!(is_gone(&scene.order.workspace), "a program it started lives on");
}

async fn the_time_limit_ends_it(subject: &dyn Subject) {
    let mut scene = subject.scene(Deed::Hang);
    scene.order.limits.wall = subject.patience();
    let (report, _) = run(&scene).await;
    assert_eq!(report.outcome, AttemptOutcome::TimedOut, "{}", report.evidence.message);
    assert_eq!(record(&report).class, OutcomeClass::TimedOut);
    assert!(is_gone(&scene.order.workspace), "a program it started lives on");
}

async fn silence_ends_it(subject: &dyn Subject) {
    let mut scene = subject.scene(Deed::Hang);
    scene.order.limits.silence = Some(subject.patience());
    let (report, _) = run(&scene).await;
    assert_eq!(report.outcome, AttemptOutcome::OverLimit, "{}", report.evidence.message);
    assert_eq!(report.evidence.limit, Some(LimitKind::Silence));
    assert_eq!(record(&report).class, OutcomeClass::TimedOut);
    assert!(is_gone(&scene.order.workspace), "a program it started lives on");
}

async fn what_it_used_is_on_record(subject: &dyn Subject) {
    let scene = subject.scene(Deed::Succeed);
    let (report, _) = run(&scene).await;
    let usage = record(&report).usage;
    assert_eq!(usage.tokens, subject.usage());
    // The price table of the scene has one dollar for a million of input and two for output.
    assert_eq!(usage.micros, usage.tokens.input + 2 * usage.tokens.output);
    assert_ne!(usage.tokens, Tokens::default());
    assert!(usage.turns > 0);
}

async fn every_end_has_its_class(subject: &dyn Subject) {
    let endings = subject.endings();
    assert!(endings.contains(&OutcomeClass::Succeeded) && endings.contains(&OutcomeClass::AgentError));
    for class in endings {
        let (report, _) = run(&subject.scene(Deed::End(*class))).await;
        assert_eq!(record(&report).class, *class, "{}", report.evidence.message);
        let is_success = report.outcome == AttemptOutcome::Succeeded;
        assert_eq!(is_success, *class == OutcomeClass::Succeeded, "{class:?}: {}", report.evidence.message);
    }
}

async fn what_it_left_running_is_ended(subject: &dyn Subject) {
    let scene = subject.scene(Deed::LeaveChild);
    let (report, _) = run(&scene).await;
    assert_eq!(report.outcome, AttemptOutcome::Succeeded, "{}", report.evidence.message);
    assert!(is_gone(&scene.order.workspace), "a program it left lives on");
}

async fn a_missing_program_is_refused_before_anything_starts(subject: &dyn Subject) {
    let scene = subject.scene(Deed::Absent);
    let refused = refusal(&scene).await.to_string();
    assert!(refused.contains("there is no program"), "{refused}");
    assert_eq!(scene.workers.probe(&scene.order.agent).unwrap_err().to_string(), refused);
}

async fn it_goes_on_with_the_conversation_it_is_given(subject: &dyn Subject) {
    let mut scene = subject.scene(Deed::Succeed);
    let (first, ears) = run(&scene).await;
    let Some(session) = record(&first).session.clone() else {
        assert!(!subject.has_sessions(), "it named no conversation");
        return;
    };
    assert_eq!(*ears.sessions.lock().unwrap(), [session.id.as_str()], "told once, before the end");
    assert_eq!(session.agent, scene.order.agent);
    let total = session.total;
    scene.order.resume = Some(session.clone());
    scene.order.attempt = AttemptNo(2);
    let (second, _) = run(&scene).await;
    let again = record(&second).session.clone().unwrap();
    assert_eq!(again.id, session.id);
    assert!(again.total.total() > total.total(), "{again:?} after {session:?}");
    assert_eq!(record(&second).usage.tokens, subject.usage(), "what was used before is not counted again");
}

async fn a_program_too_old_is_refused_before_anything_starts(subject: &dyn Subject) {
    let scene = subject.scene(Deed::TooOld);
    let refused = refusal(&scene).await;
    assert!(matches!(&refused, WorkerError::Unavailable(_)), "{refused}");
    let refused = refused.to_string();
    assert!(refused.contains("is older than") && refused.contains("install the newest with"), "{refused}");
    assert_eq!(scene.workers.probe(&scene.order.agent).unwrap_err().to_string(), refused);
}

async fn a_program_without_an_option_is_refused_before_anything_starts(subject: &dyn Subject) {
    let scene = subject.scene(Deed::Lacking);
    let refused = refusal(&scene).await;
    assert!(matches!(&refused, WorkerError::Unavailable(_)), "{refused}");
    let refused = refused.to_string();
    assert!(refused.contains("does not know `--") && refused.contains("install the newest"), "{refused}");
}

async fn the_program_is_on_record_with_version_and_digest(subject: &dyn Subject) {
    let scene = subject.scene(Deed::Succeed);
    let (report, _) = run(&scene).await;
    let identity = &record(&report).identity;
    assert!(identity.version.as_deref().is_some_and(|told| told.contains('.')), "{identity:?}");
    let bytes = std::fs::read(&identity.program).unwrap();
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes));
    assert_eq!(identity.sha256.as_ref().unwrap().as_str(), digest);
    assert!(record(&report).pool.is_some());
}

/// The facts of every agent, for a subject. One that cannot be played here says so itself and is `None`.
macro_rules! every_agent {
    ($module:ident, $subject:expr, [$($fact:ident),* $(,)?]) => {
        mod $module {
            $(#[tokio::test]
            async fn $fact() {
                if let Some(subject) = $subject {
                    super::$fact(&subject).await;
                }
            })*
        }
    };
    ($module:ident, $subject:expr) => {
        every_agent!($module, $subject, [
            it_starts_and_its_end_is_on_record,
            what_it_says_is_kept_while_it_runs,
            a_stop_ends_all_of_it,
            the_time_limit_ends_it,
            silence_ends_it,
            what_it_used_is_on_record,
            every_end_has_its_class,
            what_it_left_running_is_ended,
            a_missing_program_is_refused_before_anything_starts,
        ]);
    };
}

/// The facts that only agents by name have.
macro_rules! agent_by_name {
    ($module:ident, $subject:expr) => {
        every_agent!(
            $module,
            $subject,
            [
                it_goes_on_with_the_conversation_it_is_given,
                a_program_too_old_is_refused_before_anything_starts,
                a_program_without_an_option_is_refused_before_anything_starts,
                the_program_is_on_record_with_version_and_digest,
            ]
        );
    };
}

every_agent!(uni_11_command, Some(super::player::Command));
every_agent!(uni_11_lines, Some(super::lines::LinesPlayer));
agent_by_name!(uni_11_lines_by_name, Some(super::lines::LinesPlayer));
every_agent!(uni_11_codex, Some(super::recorded::CODEX));
agent_by_name!(uni_11_codex_by_name, Some(super::recorded::CODEX));
every_agent!(uni_11_claude, Some(super::recorded::CLAUDE));
agent_by_name!(uni_11_claude_by_name, Some(super::recorded::CLAUDE));
every_agent!(uni_11_aider, Some(super::recorded::AIDER));
// No version of aider is known to be unsafe, so none is too old.
every_agent!(
    uni_11_aider_by_name,
    Some(super::recorded::AIDER),
    [
        it_goes_on_with_the_conversation_it_is_given,
        a_program_without_an_option_is_refused_before_anything_starts,
        the_program_is_on_record_with_version_and_digest,
    ]
);
