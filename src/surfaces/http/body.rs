//! Bodies of requests, read whole: never more than a cap, never slower than a person's patience, never more at once than fits.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Bytes of all bodies that are held at once: four of GitHub's largest, and some thousand of its usual ones.
const ALL: usize = 128 * 1024 * 1024;

/// A body of more than this is a large one; GitHub's usual ones have 10 to 30 KiB.
const LARGE: usize = 1024 * 1024;

/// Large bodies that are read at the same time.
const LARGE_AT_ONCE: usize = 4;

/// Bytes a second that a body must bring on the average, once [`GRACE`] is over.
const LEAST_RATE: u64 = 16 * 1024;

/// How long a body may stand still at its beginning: a lost packet is sent again after a second or two.
const GRACE: Duration = Duration::from_secs(3);

/// Room that is made for a body before any of it is here.
const FIRST_ROOM: usize = 16 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the cap, by its own word or in fact. An answer for it is 413.
    #[error("the body is too large")]
    TooLarge,
    /// It did not come in time, or too slowly. An answer for it is 408.
    #[error("the body comes too slowly")]
    TooSlow,
    /// The connection ended in it, or it breaks HTTP's rules. An answer for it is 400, if anybody still listens.
    #[error("the body ends too early")]
    Broken,
    /// Other bodies had not left room for it when its time was over. An answer for it is 503 with `Retry-After`.
    #[error("there is no room for the body now")]
    NoRoom,
}

/// The room for bodies, shared by all requests of a server; clones share it.
#[derive(Debug, Clone)]
pub struct Room {
    bytes: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A body with the room it takes, which is free again when this is dropped.
#[derive(Debug)]
pub struct HeldBody {
    bytes: Bytes,
    _room: Held,
}

/// What a body holds of the room.
#[derive(Debug, Default)]
struct Held {
    bytes: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    /// How long it was waited for, which is not the sender's fault.
    waited: Duration,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(ALL, LARGE_AT_ONCE)
    }
}

impl Deref for HeldBody {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl Room {
    /// Room for so many bytes, and so many bodies of more than 1 MiB.
    pub fn new(bytes: usize, large: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(bytes)), large: Arc::new(Semaphore::new(large)) }
    }

    /// As [`read_body`], with room taken as the bytes come in: a length that was only announced takes none.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn read(&self, body: Body, cap: usize, deadline: Duration) -> Result<HeldBody, BodyError> {
        let mut held = Held::default();
        let bytes = collect(body, cap, deadline, Some((self, &mut held))).await?;
        Ok(HeldBody { bytes, _room: held })
    }

    /// Takes room for `more` bytes of a body that then has `total`.
    async fn take(
        &self,
        held: &mut Held,
        more: usize,
        total: usize,
        until: Instant,
    ) -> Result<(), BodyError> {
        let begun = Instant::now();
        let wait = async {
            if total > LARGE && held.large.is_none() {
                held.large = Arc::clone(&self.large).acquire_owned().await.ok();
            }
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            Arc::clone(&self.bytes).acquire_many_owned(more).await.ok()
        };
        let permit = timeout_at(until, wait).await.ok().flatten().ok_or(BodyError::NoRoom)?;
        held.waited += begun.elapsed();
        match &mut held.bytes {
            Some(all) => all.merge(permit),
            None => held.bytes = Some(permit),
        }
        Ok(())
    }
}

/// Reads a body whole.
///
/// One that announces more than `cap` bytes is refused before any of it is read. It has `deadline` in all, and must bring 16 KiB a
/// second after its first three. Nothing beyond `cap` is kept at any time.
///
/// # Errors
/// [`BodyError`], but for [`BodyError::NoRoom`].
pub async fn read_body(body: Body, cap: usize, deadline: Duration) -> Result<Bytes, BodyError> {
    collect(body, cap, deadline, None).await
}

async fn collect(
    mut body: Body,
    cap: usize,
    deadline: Duration,
    mut room: Option<(&Room, &mut Held)>,
) -> Result<Bytes, BodyError> {
    let told = body.size_hint();
    let announced = usize::try_from(told.lower()).unwrap_or(usize::MAX);
    if announced > cap {
        return Err(BodyError::TooLarge);
    }
    let begun = Instant::now();
    let until = begun + deadline;
    let mut bytes = Vec::with_capacity(announced.min(FIRST_ROOM));
    loop {
        let waited = room.as_ref().map_or(Duration::ZERO, |(_, held)| held.waited);
        let patience = until.min(begun + waited + due(bytes.len()));
        let Ok(frame) = timeout_at(patience, body.frame()).await else { return Err(BodyError::TooSlow) };
        let Some(frame) = frame else { break };
        // Trailers are read over: nobody here asks for them.
        let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        let total = bytes.len().saturating_add(piece.len());
        if total > cap {
            return Err(BodyError::TooLarge);
        }
        if let Some((room, held)) = &mut room {
            room.take(held, piece.len(), total, until).await?;
        }
        if bytes.capacity() < total {
            // A large body is worth its announced room: growing by steps would move it again and again.
            let is_worth = total > LARGE && announced >= total;
            let wanted = if is_worth { announced } else { (2 * bytes.capacity()).clamp(total, cap) };
            bytes.reserve_exact(wanted - bytes.len());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// When the next byte must be here, after so many, counted from the beginning.
fn due(so_far: usize) -> Duration {
    let millis = u64::try_from(so_far).unwrap_or(u64::MAX).saturating_mul(1000) / LEAST_RATE;
    GRACE.saturating_add(Duration::from_millis(millis))
}
