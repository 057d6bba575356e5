//! Whether an agent may begin now: its allowance is there, and the budgets have something left.

use super::{Detail, Order};
use crate::app::execute::Executed;
use crate::app::hold::Hold;
use crate::app::{App, AppError};
use crate::domain::agent::budget::Allowance;
use crate::domain::agent::quota::Exhausted;
use crate::domain::agent::role::Role;
use crate::domain::command::Command;
use crate::domain::evidence::Step;
use crate::domain::run::Run;

/// The answer.
pub(super) enum Admission {
    /// It may begin, and use this much.
    Admitted(Admitted),
    /// Not now; what was recorded says why and until when.
    HeldBack(Box<Executed>),
}

/// What an admitted attempt may use.
#[derive(Default)]
pub(super) struct Admitted {
    pub(super) allowance: Allowance,
    pub(super) reserved: Option<Allowance>,
}

impl App {
    /// Asks before an attempt of an agent begins. Every other step is always admitted.
    ///
    /// A person who orders a step is not held back by another run's quota: they may know better.
    pub(super) fn admit(&self, hold: &Hold, order: &Order) -> Result<Admission, AppError> {
        let run = self.run(hold.run())?;
        let role = match order.step {
            Step::Agent => super::agent::role_of(&run),
            Step::Plan if run.spec.is_planned_by_agent() => Role::Plan,
            _ => return Ok(Admission::Admitted(Admitted::default())),
        };
        if let Some(exhausted) = self.exhausted(&run, role, &order.detail)? {
            let by = hold.by(&order.actor);
            let parked = self.execute(&run.id, &Command::Park { exhausted }, &by)?;
            return Ok(Admission::HeldBack(Box::new(parked)));
        }
        Ok(Admission::Admitted(Admitted::default()))
    }

    /// The allowance the run's agent needs, when another run or attempt learned that it is used up.
    fn exhausted(&self, run: &Run, role: Role, detail: &Detail) -> Result<Option<Exhausted>, AppError> {
        if !matches!(detail, Detail::Unattended) {
            return Ok(None);
        }
        let Some(pool) = run.spec.choice(role).agent.and_then(|agent| self.ports.worker.pool(&agent)) else {
            return Ok(None);
        };
        let row = self.ports.ledger.pool(&pool)?;
        let now = self.ports.clock.now().wall;
        Ok(row.filter(|row| row.until > now).map(|row| Exhausted {
            pool,
            reset_at: Some(row.until),
            reset_secs: None,
        }))
    }
}
