//! What an ending of an agent is called: what the system saw of its program, what it said itself, and which of both counts.

use super::recorder::Heard;
use crate::adapters::process::group::{Ending, GroupReport};
use crate::domain::agent::class::{Judgement, OutcomeClass, Trouble};
use crate::domain::confine::{LimitKind, Tier};
use crate::domain::evidence::AttemptOutcome;
use crate::ports::worker::WorkOrder;

/// What an ending is called, and one line about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) outcome: AttemptOutcome,
    pub(super) class: OutcomeClass,
    pub(super) trouble: Option<Trouble>,
    pub(super) message: String,
}

impl Meaning {
    fn judged(judgement: Judgement) -> Self {
        let (outcome, class) = (judgement.outcome(), judgement.class());
        Self { outcome, class, trouble: judgement.trouble, message: judgement.message }
    }

    fn killed(outcome: AttemptOutcome, class: OutcomeClass, message: String) -> Self {
        Self { outcome, class, trouble: None, message }
    }
}

/// Says whether what the protocol said decides: the program ended by itself, or stayed after it had said its end.
pub(super) fn is_judged(report: &GroupReport, heard: &Heard) -> bool {
    match &report.ending {
        Ending::CouldNotStart(_) => false,
        Ending::Stopped => heard.halted.is_none() && heard.has_left,
        Ending::TimedOut | Ending::OverLimit(LimitKind::Silence) => heard.has_ended,
        Ending::OverLimit(_) => false,
        Ending::Exited(_) | Ending::Signalled(_) => {
            heard.has_ended || (heard.halted.is_none() && signal(report).is_none())
        }
    }
}

/// What an ending is called. `judgement` is looked at only when [`is_judged`] says so.
pub(super) fn meaning(
    report: &GroupReport,
    heard: &Heard,
    judgement: Judgement,
    order: &WorkOrder,
) -> Meaning {
    if is_judged(report, heard) {
        return Meaning::judged(judgement);
    }
    match (&report.ending, heard.halted.clone()) {
        (Ending::CouldNotStart(why), _) => Meaning {
            outcome: AttemptOutcome::CouldNotStart,
            class: OutcomeClass::AgentError,
            trouble: Some(Trouble::Usage),
            message: format!("the agent could not be started: {why}"),
        },
        (Ending::TimedOut, _) => timed_out(order),
        (Ending::OverLimit(kind), _) => {
            let class =
                if *kind == LimitKind::Silence { OutcomeClass::TimedOut } else { OutcomeClass::Killed };
            let message = format!("the agent was ended because it {}", kind.words());
            Meaning::killed(AttemptOutcome::OverLimit, class, message)
        }
        (Ending::Stopped | Ending::Exited(_) | Ending::Signalled(_), Some(halt)) => Meaning::judged(halt),
        (Ending::Stopped, None) => {
            let message = "the agent was stopped by order".to_owned();
            Meaning::killed(AttemptOutcome::Stopped, OutcomeClass::Killed, message)
        }
        (Ending::Exited(_) | Ending::Signalled(_), None) => {
            let message = match signal(report) {
                Some(signal) => format!("signal {signal} ended the agent"),
                None => "something from outside ended the agent".to_owned(),
            };
            Meaning::killed(AttemptOutcome::Failed, OutcomeClass::Killed, message)
        }
    }
}

/// The time limit, which is the attempt's allowance of time where that is the tighter one.
fn timed_out(order: &WorkOrder) -> Meaning {
    let wall = order.limits.wall;
    match order.allowance.secs.filter(|secs| std::time::Duration::from_secs(*secs) < wall) {
        Some(secs) => Meaning::judged(Judgement::trouble(
            Trouble::Budget,
            format!("the agent used {secs} of {secs} seconds"),
        )),
        None => {
            let message = format!("the agent was ended at its limit of {} s", wall.as_secs());
            Meaning::killed(AttemptOutcome::TimedOut, OutcomeClass::TimedOut, message)
        }
    }
}

/// The signal that ended the program, as far as can be told.
///
/// bubblewrap gives 128 and the number (bwrap's `propagate_exit_status`), and so do shells and agents that pass a signal on; without
/// bubblewrap only the usual ones count, for a code may mean anything.
fn signal(report: &GroupReport) -> Option<i32> {
    /// HUP, INT, QUIT, KILL, TERM.
    const PASSED_ON: [i32; 5] = [1, 2, 3, 9, 15];
    /// The last real-time signal of Linux (signal(7)).
    const LAST: i32 = 64;
    match report.ending {
        Ending::Signalled(signal) => Some(signal),
        Ending::Exited(code) => {
            let number = code - 128;
            let is_one = if report.tier == Tier::Bubblewrap {
                (1..=LAST).contains(&number)
            } else {
                PASSED_ON.contains(&number)
            };
            is_one.then_some(number)
        }
        _ => None,
    }
}
