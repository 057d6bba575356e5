//! Turns at asking: one call at a time over all processes of this machine, none before a limit is over, writes a gap apart.
//!
//! GitHub wants its API asked serially. It also is what makes "nothing before `retry-after`" true: a call that was under way beside the
//! one that was told to wait would arrive too early. Locks are `flock`s, so they end with their process. What a turn learned is on disk
//! before the next one begins. A write is marked before it is sent; whoever finds the mark of one that never ended waits the whole gap
//! from then on, because nobody knows when it arrived.
//!
//! Nothing here blocks the runtime: locks are tried, files are written on a thread for it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use super::deadline::{Deadline, elapsed};
use super::limit::{Scope, Told};
use super::remembered::Remembered;
use crate::domain::time::Moment;
use crate::ports::clock::Clock;
use crate::ports::forge::ForgeError;

/// The pause between two tries of a lock, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(20));

/// Turns of the longest length that are waited for; a caller learns then that it is crowded, and comes back.
const PATIENCE: u32 = 4;

/// Hands out turns at one host.
#[derive(Debug)]
pub(super) struct Meter {
    folder: PathBuf,
    host: String,
    gap: Duration,
    longest: Duration,
    /// The turns of this process, and what could not be written down.
    turn: Arc<Mutex<Option<Remembered>>>,
    write: Arc<Mutex<()>>,
}

/// Whether a turn is for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It changes nothing at GitHub.
    Read,
    /// It may.
    Write,
}

/// How a call went, as far as the meter is concerned.
#[derive(Debug)]
pub(super) enum Course {
    /// An answer came.
    Answered(Told),
    /// None came, or one that says that GitHub is not well.
    Failed(Told),
}

/// The right to ask once. Dropped before its end it counts as a call of which nothing is known.
#[derive(Debug)]
pub(super) struct Turn {
    place: PathBuf,
    login: String,
    scope: Scope,
    purpose: Purpose,
    remembered: Remembered,
    locks: Locks,
}

#[derive(Debug)]
struct Locks {
    unsaved: OwnedMutexGuard<Option<Remembered>>,
    _turn: File,
    _write: Option<(OwnedMutexGuard<()>, File)>,
}

impl Meter {
    /// A meter of `host`, which is good for a file's name, with its files in `folder`, which is made when it is needed. A turn takes
    /// `longest` at most.
    pub(super) fn new(folder: &Path, host: &str, gap: Duration, longest: Duration) -> Self {
        Self {
            folder: folder.to_owned(),
            host: host.to_owned(),
            gap,
            longest,
            turn: Arc::default(),
            write: Arc::default(),
        }
    }

    /// Waits for a turn of `login` at `scope`.
    ///
    /// # Errors
    /// [`ForgeError::Limited`] at once when nothing may be asked now; [`ForgeError::Unavailable`] when what must be remembered cannot be.
    pub(super) async fn turn(
        &self,
        login: &str,
        scope: Scope,
        purpose: Purpose,
        clock: &dyn Clock,
    ) -> Result<Turn, ForgeError> {
        let crowded = |now: &Moment| ForgeError::Limited {
            until: now.wall.plus(self.longest),
            why: "too many calls wait for their turn".to_owned(),
        };
        let write = match purpose {
            Purpose::Read => None,
            Purpose::Write => {
                // What is limited is told before it waits.
                check(&self.load(clock)?, login, scope, purpose, &clock.now())?;
                let waited = self.longest.saturating_mul(PATIENCE).saturating_add(self.gap);
                let lock = timeout(waited, self.lock(&self.write, "write.lock")).await;
                let lock = lock.map_err(|_| crowded(&clock.now()))?.map_err(|err| unkept(&err))?;
                sleep(self.gap_left(clock)?).await;
                Some(lock)
            }
        };
        let turn = timeout(self.longest.saturating_mul(PATIENCE), self.lock(&self.turn, "lock")).await;
        let (unsaved, file) = turn.map_err(|_| crowded(&clock.now()))?.map_err(|err| unkept(&err))?;
        let now = clock.now();
        let mut remembered = match &*unsaved {
            Some(unsaved) => unsaved.clone(),
            None => self.load(clock)?,
        };
        check(&remembered, login, scope, purpose, &now)?;
        if purpose == Purpose::Write {
            remembered.is_writing = true;
            remembered.last_write = Some(now);
            remembered.save(&self.place(), false).map_err(|err| unkept(&err))?;
        }
        let locks = Locks { unsaved, _turn: file, _write: write };
        Ok(Turn { place: self.place(), login: login.to_owned(), scope, purpose, remembered, locks })
    }

    fn place(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.host))
    }

    fn load(&self, clock: &dyn Clock) -> Result<Remembered, ForgeError> {
        Remembered::load(&self.place(), &clock.now()).map_err(|err| unkept(&err))
    }

    /// How long the next write waits; the lock for writes must be held, so that a mark is one of a dead process.
    fn gap_left(&self, clock: &dyn Clock) -> Result<Duration, ForgeError> {
        let remembered = self.load(clock)?;
        let now = clock.now();
        Ok(match remembered.last_write {
            _ if remembered.is_writing => self.gap,
            Some(last) => self.gap.saturating_sub(elapsed(&last, &now)),
            None => Duration::ZERO,
        })
    }

    /// Waits for a lock: in this process first, where it is fair, then among processes.
    async fn lock<T>(&self, mutex: &Arc<Mutex<T>>, name: &str) -> io::Result<(OwnedMutexGuard<T>, File)> {
        let guard = Arc::clone(mutex).lock_owned().await;
        // Made here and not with the meter: a command that asks nothing leaves nothing.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.folder.join(format!("{}.{name}", self.host));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let (mut pause, longest) = PAUSE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok((guard, file)),
                Err(rustix::io::Errno::WOULDBLOCK) => sleep(pause).await,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            pause = pause.saturating_mul(2).min(longest);
        }
    }
}

impl Turn {
    /// How many waits in a row had no length of GitHub's.
    pub(super) fn blind(&self) -> u32 {
        self.remembered.logins.get(&self.login).map_or(0, |limits| limits.blind)
    }

    /// Ends the turn: what was learned is on disk when this returns, a limit durably.
    ///
    /// # Errors
    /// [`ForgeError::Limited`] when the call was refused by a limit.
    pub(super) async fn end(mut self, course: Course, clock: &dyn Clock) -> Result<(), ForgeError> {
        let now = clock.now();
        let before = self.remembered.clone();
        let told = match course {
            Course::Answered(told) => {
                self.remembered.breaker.answered();
                told
            }
            Course::Failed(told) => {
                self.remembered.breaker.failed(&now);
                told
            }
        };
        if self.purpose == Purpose::Write {
            self.remembered.is_writing = false;
            self.remembered.last_write = Some(now.clone());
        }
        let limits = self.remembered.logins.entry(self.login.clone()).or_default();
        limits.blind = match told.refused {
            Some(_) if told.is_blind => limits.blind.saturating_add(1),
            Some(_) => limits.blind,
            None => 0,
        };
        let is_limit = !told.waits.is_empty();
        for (scope, wait) in told.waits {
            let old = limits.not_before.remove(&scope);
            limits.not_before.insert(scope, Deadline::after(&now, wait).later(old, &now));
        }
        self.remembered.tidy(&now);
        let refusal = told.refused.map(|why| ForgeError::Limited {
            until: until(&self.remembered, &self.login, self.scope, self.purpose, &now)
                .map_or(now.wall, |(left, _)| now.wall.plus(left)),
            why: why.to_owned(),
        });
        if self.remembered != before {
            let durable = is_limit || self.remembered.breaker.left(&now).is_some();
            self.keep(durable).await;
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Writes it down on a thread that holds the locks, so that a caller who goes away meanwhile lets nobody in.
    async fn keep(self, durable: bool) {
        let Self { place, remembered, mut locks, .. } = self;
        let kept = tokio::task::spawn_blocking(move || match remembered.save(&place, durable) {
            Ok(()) => *locks.unsaved = None,
            Err(err) => {
                tracing::warn!(file = %place.display(), %err, "limits of GitHub cannot be kept for other processes");
                *locks.unsaved = Some(remembered);
            }
        });
        if let Err(err) = kept.await {
            tracing::warn!(%err, "limits of GitHub were not kept");
        }
    }
}

/// Refuses what may not be asked now.
fn check(
    remembered: &Remembered,
    login: &str,
    scope: Scope,
    purpose: Purpose,
    now: &Moment,
) -> Result<(), ForgeError> {
    match until(remembered, login, scope, purpose, now) {
        None => Ok(()),
        Some((left, why)) => Err(ForgeError::Limited { until: now.wall.plus(left), why: why.to_owned() }),
    }
}

/// How long nothing is asked, and why.
fn until(
    remembered: &Remembered,
    login: &str,
    scope: Scope,
    purpose: Purpose,
    now: &Moment,
) -> Option<(Duration, &'static str)> {
    let of = |wanted: Scope, why| {
        let limits = remembered.logins.get(login)?;
        Some((limits.not_before.get(&wanted)?.left(now)?, why))
    };
    let reads = match (scope, purpose) {
        (Scope::Core, Purpose::Read) => {
            of(Scope::CoreReads, "the rest of this hour's requests is kept for writes")
        }
        _ => None,
    };
    let closed = remembered.closed.as_ref().and_then(|closed| closed.left(now));
    [
        of(Scope::All, "GitHub asked to wait"),
        of(scope, "the requests of this hour are used up"),
        reads,
        remembered
            .breaker
            .left(now)
            .map(|left| (left, "GitHub failed several times in a row and is left alone")),
        closed.map(|left| (left, "what was remembered of limits is damaged")),
    ]
    .into_iter()
    .flatten()
    .max()
}

fn unkept(err: &io::Error) -> ForgeError {
    ForgeError::Unavailable(format!(
        "GitHub's limits cannot be kept in the data directory ({err}); make room or let it be written"
    ))
}
