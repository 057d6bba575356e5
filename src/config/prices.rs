//! The tables `[prices."MODEL"]`, and sums of money as they are written: exact, in millionths of a dollar.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::ConfigError;
use super::layer::{Layers, Origin};
use crate::domain::agent::budget::micros;
use crate::domain::agent::role::check_model;
use crate::domain::agent::usage::{Price, Prices};

/// A sum in dollars, written as a number or as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dollars(pub(super) u64);

/// What one table says, in dollars for a million tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePrice {
    input: Dollars,
    /// That of `input` when left out: rather too much than too little.
    #[serde(default)]
    cached: Option<Dollars>,
    /// The same.
    #[serde(default)]
    cache_write: Option<Dollars>,
    output: Dollars,
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DollarsVisitor)
    }
}

struct DollarsVisitor;

impl Visitor<'_> for DollarsVisitor {
    type Value = Dollars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sum in dollars with at most six decimals, such as 1.25 or \"1.25\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Dollars, E> {
        micros(text).map(Dollars).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Dollars, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Dollars, E> {
        // The shortest text that means this number is the one that was written, for every sum of up to 15 digits.
        self.visit_str(&number.to_string())
    }
}

/// Checks the names, and puts the table together.
pub(super) fn read(layers: &Layers<'_>, tables: &BTreeMap<String, FilePrice>) -> Result<Prices, ConfigError> {
    let price = |(model, table): (&String, &FilePrice)| {
        check_model(model).map_err(|rule| ConfigError::Value {
            name: format!("prices.{model:?}"),
            origin: layers.in_file(),
            why: rule.to_owned(),
        })?;
        let price = Price {
            input: table.input.0,
            cached: table.cached.unwrap_or(table.input).0,
            cache_write: table.cache_write.unwrap_or(table.input).0,
            output: table.output.0,
        };
        Ok((model.clone(), price))
    };
    tables.iter().map(price).collect()
}

/// Each price as name, shown value and origin.
pub(super) fn rows(prices: &Prices, origin: &Origin) -> Vec<(String, String, Origin)> {
    let of_model = |(model, price): (&String, &Price)| {
        [
            ("input", price.input),
            ("cached", price.cached),
            ("cache_write", price.cache_write),
            ("output", price.output),
        ]
        .map(|(name, sum)| (format!("prices.\"{model}\".{name}"), shown(sum), origin.clone()))
    };
    prices.iter().flat_map(of_model).collect()
}

/// A sum as it would be written in the file.
pub(super) fn shown(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
