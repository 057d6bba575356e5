//! Exit codes: a promise to scripts.

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It did what it is for.
    Ok,
    /// It failed, did not pass, or cannot follow from the run's state.
    Failed,
    /// What was typed or configured makes no sense.
    Usage,
    /// The gate said no, or only a person may.
    Gate,
    /// It is not there.
    NotFound,
    /// Something else is on record, or what was approved has moved.
    Conflict,
    /// Machine or workspace is not ready.
    NotReady,
    /// The same call may succeed in a moment.
    Later,
    /// A signal ended it.
    Interrupted,
}

impl Exit {
    /// The number the system gets.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Gate => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
            Self::NotReady => 7,
            Self::Later => 75,
            Self::Interrupted => 130,
        }
    }
}
