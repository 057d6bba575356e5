//! What becomes of a delivery whose name is known already, and how long deliveries are kept: one rule for every store.

use crate::domain::forge::delivery::{DeliveryOrigin, DeliveryStatus};
use crate::domain::time::Timestamp;
use crate::ports::inbox::{DeliveryRow, Taken};

/// Deliveries that are listed where the asker sets no limit.
pub const MOST_DELIVERIES: usize = 1_000;

/// Incidents that are kept: enough for a person to see what is going on, however often it does.
pub const MOST_INCIDENTS: usize = 1_000;

/// How much longer than others a delivery is kept whose work is not done: what waits for a pull request nobody links, and what failed
/// while nobody ran to try it again.
const UNDONE_KEPT: i64 = 30 * 86_400_000;

/// What is known of a delivery of that name.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// How it came in.
    pub origin: DeliveryOrigin,
    /// What became of it.
    pub status: DeliveryStatus,
    /// Whether it has the bytes of the one that comes.
    pub same_bytes: bool,
}

/// The answer to a delivery that is not kept; `None` where it takes the place of the known one.
///
/// Bytes that were made again from a forge's list are never quite those that were signed, so only deliveries that were both sent
/// here are compared.
pub fn answer(known: Known, coming: DeliveryOrigin) -> Option<Taken> {
    let both_sent = known.origin == DeliveryOrigin::Webhook && coming == DeliveryOrigin::Webhook;
    if both_sent && !known.same_bytes {
        return Some(Taken::OtherBody);
    }
    known.status.is_settled().then_some(Taken::Duplicate)
}

/// Says whether a delivery that takes the place of one with the same bytes leaves those where they are: it did not bring them again,
/// and they may be needed for another try.
pub fn keeps_body(coming: &DeliveryRow) -> bool {
    coming.body.is_none() && coming.status != DeliveryStatus::Ignored
}

/// Before which moment a delivery of that status must have come in to be forgotten with those from before `before`.
pub fn forgotten_before(status: DeliveryStatus, before: Timestamp) -> Timestamp {
    match status {
        DeliveryStatus::Waiting | DeliveryStatus::Failed => Timestamp(before.0.saturating_sub(UNDONE_KEPT)),
        DeliveryStatus::Processed
        | DeliveryStatus::Ignored
        | DeliveryStatus::Dead
        | DeliveryStatus::Replayed => before,
    }
}
