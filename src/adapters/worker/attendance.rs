//! Everything that happens beside an agent while it works: its session is told, its pulse written, its circles noticed, its end
//! awaited.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::agent::Stage;
use super::fingerprint::Fingerprint;
use super::pulse::{Beat, pulse, wall_ms};
use super::recorder::{Circling, Recorder};
use crate::domain::agent::class::{Judgement, Trouble};
use crate::domain::agent::liveness::pulse_path;
use crate::domain::agent::repetition::Repetition;

/// Time a program has to exit after it said its end. claude was seen to stay for ever after its result when a tool of its left
/// something running; the others are gone within a second.
pub const END_GRACE: Duration = Duration::from_secs(10);

/// Calls that have to be finished between two looks at the files: as many as lie between a suspicion and its proof.
const BETWEEN_LOOKS: u64 = 2;

/// Calls after which a first look that led to nothing is too old.
const STALE: u64 = 20;

/// Does `work`, which runs the stage's program and hands its signals to `recorder`, and attends to it until it is over.
///
/// The work ends soon after [`Recorder::halt_token`] is triggered, and is dropped when this is.
pub async fn attend<T>(stage: &Stage<'_>, recorder: &Recorder, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let mut beat = Beat::new(stage.artifacts.absolute(&pulse_path(&stage.order.run, stage.order.attempt)));
    let mut circles = Circles::new(stage.order.workspace.clone());
    let done = loop {
        let leave_at = recorder.ended_at().map(|ended| ended + END_GRACE);
        tokio::select! {
            biased;
            done = &mut work => break done,
            () = recorder.stirred() => {
                tell(stage, recorder);
                circles.suspect(recorder);
            }
            () = wait_until(leave_at), if !recorder.halt_token().is_cancelled() => recorder.leave(),
            (baseline, look) = circles.looked() => circles.compare(recorder, baseline, look),
            () = sleep_until(beat.at()) => beat.put(pulse(stage, recorder, false)),
        }
    };
    tell(stage, recorder);
    beat.last(pulse(stage, recorder, true)).await;
    done
}

async fn wait_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn tell(stage: &Stage<'_>, recorder: &Recorder) {
    if let Some(session) = recorder.new_session() {
        stage.listener.session(&session);
    }
}

/// Looks at the files while calls repeat.
struct Circles {
    workspace: PathBuf,
    since: i64,
    baseline: Option<Look>,
    looking: Option<Looking>,
}

/// A look at the files, and what the calls looked like when it began; of a first look, how many there were when it ended.
struct Look {
    fingerprint: Fingerprint,
    at: Circling,
}

struct Looking {
    task: JoinHandle<Fingerprint>,
    at: Circling,
}

impl Circles {
    fn new(workspace: PathBuf) -> Self {
        Self { workspace, since: wall_ms() / 1_000, baseline: None, looking: None }
    }

    /// Begins to look when the calls give reason to.
    fn suspect(&mut self, recorder: &Recorder) {
        let Some(now) = recorder.circling().filter(|_| self.looking.is_none()) else { return };
        if self.baseline.as_ref().is_some_and(|first| now.finished > first.at.finished + STALE) {
            self.baseline = None;
        }
        let is_due = match (&now.finding, &self.baseline) {
            (_, None) => true,
            (Repetition::Repeated { .. }, Some(first)) => now.finished >= first.at.finished + BETWEEN_LOOKS,
            (_, Some(_)) => false,
        };
        if is_due {
            let (workspace, since) = (self.workspace.clone(), self.since);
            let task = tokio::task::spawn_blocking(move || Fingerprint::of(&workspace, since));
            self.looking = Some(Looking { task, at: now });
        }
    }

    /// Waits for a look to end; gives the one before it, too. Never ready while nobody looks. Safe to drop.
    async fn looked(&mut self) -> (Option<Look>, Option<Look>) {
        let Some(looking) = &mut self.looking else { return std::future::pending().await };
        let found = (&mut looking.task).await;
        let look = self.looking.take().zip(found.ok());
        (self.baseline.take(), look.map(|(looking, fingerprint)| Look { fingerprint, at: looking.at }))
    }

    fn compare(&mut self, recorder: &Recorder, first: Option<Look>, second: Option<Look>) {
        let (first, second) = match (first, second) {
            (Some(first), Some(second)) => (first, second),
            (None, Some(mut second)) => {
                // Files may have changed up to the end of the look.
                (second.at.finished, second.at.edits) = recorder.counts();
                self.baseline = Some(second);
                return;
            }
            (first, None) => {
                self.baseline = first;
                return;
            }
        };
        // Where not every file is looked at, the agent's own word that it edited one counts, too.
        let is_whole = first.fingerprint.is_whole() && second.fingerprint.is_whole();
        let is_edited = !is_whole && first.at.edits != second.at.edits;
        if is_edited || !first.fingerprint.is_same(&second.fingerprint) {
            recorder.forgive();
        } else if let Repetition::Repeated { what } = second.at.finding {
            let doing = recorder.progress().1;
            let message =
                format!("the agent goes in circles: {what}, and no file changed; the newest is `{doing}`");
            recorder.halt(Judgement::trouble(Trouble::Loop, message));
        }
    }
}
