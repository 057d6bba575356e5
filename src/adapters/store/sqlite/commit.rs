//! Group commit without a thread of its own: of the callers that wait, one leads and works for all of them.
//!
//! Each caller queues its request. The first leads: it takes what is queued, performs it as one, answers the others and
//! hands leadership to the first who came meanwhile. While one group is flushed to disk the next one gathers, so the
//! number of flushes does not grow with the number of callers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Gathers requests `Q` that are answered together with one `A` each.
pub struct Group<Q, A> {
    queue: Mutex<Queue<Q, A>>,
    cap: usize,
}

struct Queue<Q, A> {
    waiting: VecDeque<(Q, Arc<Slot<A>>)>,
    /// Whether a caller leads now. While one does, new callers wait.
    led: bool,
}

/// Where one caller waits.
struct Slot<A> {
    stage: Mutex<Stage<A>>,
    moved: Condvar,
}

enum Stage<A> {
    Waiting,
    /// The caller leads the next group; its own request is the first in the queue.
    Leads,
    Answered(A),
    /// The leader went away without an answer.
    Lost,
}

impl<Q, A> Group<Q, A> {
    /// Makes an empty one whose groups hold at most `cap` requests, and at least one.
    pub fn new(cap: usize) -> Self {
        Self { queue: Mutex::new(Queue { waiting: VecDeque::new(), led: false }), cap: cap.max(1) }
    }

    /// How many requests are queued behind the group that is being performed.
    pub fn waiting(&self) -> usize {
        lock(&self.queue).waiting.len()
    }

    /// Has `request` performed, alone or with others, on this thread or on that of another caller.
    ///
    /// `perform` gets the requests in the order they came and returns their answers in that order; it is called by one
    /// caller at a time. Returns `None` when this request got no answer: `perform` panicked, or returned too few.
    pub fn submit(&self, request: Q, perform: impl FnOnce(Vec<Q>) -> Vec<A>) -> Option<A> {
        let slot = Arc::new(Slot { stage: Mutex::new(Stage::Waiting), moved: Condvar::new() });
        let leads = {
            let mut queue = lock(&self.queue);
            queue.waiting.push_back((request, Arc::clone(&slot)));
            !std::mem::replace(&mut queue.led, true)
        };
        if !leads && let Some(outcome) = slot.wait() {
            return outcome;
        }
        let (requests, turn) = Turn::take(self);
        turn.finish(perform(requests));
        match std::mem::replace(&mut *lock(&slot.stage), Stage::Lost) {
            Stage::Answered(answer) => Some(answer),
            Stage::Waiting | Stage::Leads | Stage::Lost => None,
        }
    }
}

/// The time in which one caller leads. However it ends, nobody is left waiting.
struct Turn<'a, Q, A> {
    group: &'a Group<Q, A>,
    slots: VecDeque<Arc<Slot<A>>>,
}

impl<'a, Q, A> Turn<'a, Q, A> {
    fn take(group: &'a Group<Q, A>) -> (Vec<Q>, Self) {
        let mut queue = lock(&group.queue);
        let taken = queue.waiting.len().min(group.cap);
        let (requests, slots) = queue.waiting.drain(..taken).unzip();
        (requests, Self { group, slots })
    }

    /// Answers first and hands on by being dropped: whoever was answered may be back in time for the next group, and
    /// larger groups save more than an early start (measured, `docs/performance.md`).
    fn finish(mut self, answers: Vec<A>) {
        for answer in answers {
            if let Some(slot) = self.slots.pop_front() {
                slot.set(Stage::Answered(answer));
            }
        }
    }

    fn hand_on(&self) {
        let mut queue = lock(&self.group.queue);
        match queue.waiting.front() {
            Some((_, slot)) => slot.set(Stage::Leads),
            None => queue.led = false,
        }
    }
}

impl<Q, A> Drop for Turn<'_, Q, A> {
    fn drop(&mut self) {
        for slot in self.slots.drain(..) {
            slot.set(Stage::Lost);
        }
        self.hand_on();
    }
}

impl<A> Slot<A> {
    fn set(&self, stage: Stage<A>) {
        *lock(&self.stage) = stage;
        self.moved.notify_one();
    }

    /// Waits for an answer, or for the lead: then `None`.
    fn wait(&self) -> Option<Option<A>> {
        let mut stage = lock(&self.stage);
        loop {
            match std::mem::replace(&mut *stage, Stage::Waiting) {
                Stage::Waiting => stage = self.moved.wait(stage).unwrap_or_else(PoisonError::into_inner),
                Stage::Leads => return None,
                Stage::Answered(answer) => return Some(Some(answer)),
                Stage::Lost => return Some(None),
            }
        }
    }
}

/// No lock here is held while foreign code runs, so a poisoned one guards nothing half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
