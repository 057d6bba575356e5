//! Values as columns hold them.

use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::error::Trouble;
use crate::domain::id::PrNumber;
use crate::domain::state::State;

/// A count as SQLite holds it; no log is long enough for the difference.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(int: i64) -> Result<u64, Trouble> {
    u64::try_from(int).map_err(|_| Trouble::Row(format!("{int} where a count should be")))
}

pub(super) fn pull(stored: i64) -> Result<PrNumber, Trouble> {
    PrNumber::new(number(stored)?).ok_or_else(|| Trouble::Row("pull request 0".to_owned()))
}

pub(super) fn state(name: &str) -> Result<State, Trouble> {
    let found = State::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| Trouble::Row(format!("unknown state `{name}`")))
}

/// Reads a word as the domain spells it in event bodies.
pub(super) fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, Trouble> {
    let deserializer: StrDeserializer<'_, WordError> = word.into_deserializer();
    T::deserialize(deserializer).map_err(|err| Trouble::Row(err.to_string()))
}
