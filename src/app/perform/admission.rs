//! Whether an agent may begin now: its allowance is there, and the budgets have something left.

use super::{Detail, Order};
use crate::app::budget::Granted;
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
        let is_ordered = !matches!(order.detail, Detail::Unattended);
        match self.allowance_of(&run, None)? {
            Granted::Free => Ok(Admission::Admitted(Admitted::default())),
            Granted::Limited { allowance, reserved } => {
                Ok(Admission::Admitted(Admitted { allowance, reserved: Some(reserved) }))
            }
            Granted::UsedUp { scope, what } if is_ordered => Err(AppError::Invalid(format!(
                "{}; `agentpr usage` shows by what",
                Granted::used_up(scope, &what)
            ))),
            Granted::Busy { scope } if is_ordered => Err(AppError::Invalid(format!(
                "what is left of the budget of {} is reserved by attempts under way; try again when they have ended",
                scope.words()
            ))),
            Granted::UsedUp { scope, what } => {
                let message = Granted::used_up(scope, &what);
                let command = Command::Escalate { reason: "budget_exhausted".to_owned(), message };
                let asked = self.execute(&run.id, &command, &hold.by(&order.actor))?;
                Ok(Admission::HeldBack(Box::new(asked)))
            }
            // Nothing is recorded: it is asked again later.
            Granted::Busy { .. } => Ok(Admission::HeldBack(Box::new(Executed { run, events: Vec::new() }))),
        }
    }

    /// What an attempt may use whose reservation is in the log; `None` when another one was faster and nothing is left for it.
    pub(super) fn confirmed(&self, run: &Run, admitted: &Admitted) -> Result<Option<Allowance>, AppError> {
        if admitted.reserved.is_none() {
            return Ok(Some(admitted.allowance));
        }
        Ok(match self.allowance_of(run, Some(run.last_seq))? {
            Granted::Free => Some(Allowance::default()),
            Granted::Limited { allowance, .. } => Some(allowance),
            Granted::Busy { .. } | Granted::UsedUp { .. } => None,
        })
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
