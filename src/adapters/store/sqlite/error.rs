//! What can go wrong inside, and how it is told outside.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::domain::event::UnreadableEvent;
use crate::domain::id::InvalidId;
use crate::domain::run::Unfoldable;
use crate::ports::store::StoreError;

/// A failure inside this folder, before it is known which file it is about.
#[derive(Debug)]
pub(super) enum Trouble {
    /// SQLite said no.
    Sql(rusqlite::Error),
    /// A stored value makes no sense.
    Row(String),
    /// The port's own answer.
    Refused(StoreError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(err: rusqlite::Error) -> Self {
        Self::Sql(err)
    }
}

impl From<StoreError> for Trouble {
    fn from(err: StoreError) -> Self {
        Self::Refused(err)
    }
}

impl From<Unfoldable> for Trouble {
    fn from(err: Unfoldable) -> Self {
        Self::Refused(err.into())
    }
}

impl From<InvalidId> for Trouble {
    fn from(err: InvalidId) -> Self {
        Self::Row(err.to_string())
    }
}

impl From<UnreadableEvent> for Trouble {
    fn from(err: UnreadableEvent) -> Self {
        Self::Row(err.to_string())
    }
}

impl Trouble {
    /// The same failure with the place it was met at, where it is about a stored value.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Self::Row(why) => Self::Row(format!("{place}: {why}")),
            Self::Sql(_) | Self::Refused(_) => self,
        }
    }
}

/// Turns a failure into the port's error about the file at `path`; `action` is `read` or `written`.
pub(super) fn edge(path: &Path, action: &'static str) -> impl Fn(Trouble) -> StoreError {
    move |trouble| match trouble {
        Trouble::Refused(err) => err,
        Trouble::Row(why) => StoreError::Damaged { path: path.to_owned(), why },
        Trouble::Sql(err) => sql(&err, path, action),
    }
}

/// As [`edge`], for an error that several callers are told about.
pub(super) fn sql(err: &rusqlite::Error, path: &Path, action: &'static str) -> StoreError {
    let damaged = match err {
        // A broken constraint means that the projections are not what the events say, or that two events claim one place.
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation
        ),
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    };
    let why = err.to_string();
    if damaged {
        StoreError::Damaged { path: path.to_owned(), why }
    } else {
        StoreError::Unavailable { action, why }
    }
}
