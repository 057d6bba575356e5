//! Named places where a test may kill this process, to prove that the log alone is enough to go on.
//!
//! Without the feature `test-fakes` every call is nothing. With it, `AGENTPR_CRASH_AT=<point>#<n>` ends the process by
//! SIGKILL when the point is passed for the n-th time: no destructor runs and no buffer is flushed, as in a power cut.

#![cfg_attr(
    feature = "test-fakes",
    expect(clippy::disallowed_methods, reason = "only a test build reads this one variable")
)]

/// Every point, in the order of a run's life; the kill test visits each.
pub const POINTS: &[&str] = &[
    "before_append",
    "after_append",
    "attempt_started",
    "process_started",
    "agent_ended",
    "phase_judged",
    "phase_ended",
    "change_captured",
    "checks_ended",
    "effect_done",
    "before_push",
    "after_push",
    "before_open_pr",
    "after_open_pr",
    "before_outcome",
    "after_outcome",
    "before_delivery",
    "after_delivery",
];

/// Passes a point.
#[cfg(not(feature = "test-fakes"))]
pub fn pass(_point: &'static str) {}

/// Passes a point, and dies here when the environment says so.
#[cfg(feature = "test-fakes")]
pub fn pass(point: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PLAN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    debug_assert!(POINTS.contains(&point), "`{point}` is not a named crash point");
    let plan = PLAN.get_or_init(|| {
        let text = std::env::var("AGENTPR_CRASH_AT").ok()?;
        let (name, nth) = text.split_once('#')?;
        Some((name.to_owned(), nth.parse().ok()?))
    });
    if let Some((name, nth)) = plan
        && name == point
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        let this = rustix::process::getpid();
        // The kernel does not return from this.
        let _unreached = rustix::process::kill_process(this, rustix::process::Signal::KILL);
    }
}
