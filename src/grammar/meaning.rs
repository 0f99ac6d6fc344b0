//! What a match means: a small tree of values, as scripts make it and results tell it.

use serde::{Serialize, Serializer};

/// What a match means: the semantic result of a grammar's tags.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// A text; without tags, the words themselves.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Nothing, by a script's `null` or `undefined`.
    Null,
    /// Values in a row.
    Array(Vec<Self>),
    /// Properties in the order of their first assignment.
    Object(Vec<(String, Self)>),
}

impl Meaning {
    /// The text of what is no array and no object, as ECMAScript writes it.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number_text(*number)),
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Null => Some("null".to_owned()),
            Self::Array(_) | Self::Object(_) => None,
        }
    }
}

/// Largest number up to which every whole number is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number as ECMAScript writes it, less its exponents: whole ones without a point.
pub(super) fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    number.to_string()
}

impl Serialize for Meaning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < EXACT => {
                #[allow(clippy::cast_possible_truncation, reason = "whole and in range, as the guard says")]
                let whole = *number as i64;
                serializer.serialize_i64(whole)
            }
            // What JSON has no number for (NaN, Infinity) is written as null.
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Null => serializer.serialize_unit(),
            Self::Array(values) => serializer.collect_seq(values),
            Self::Object(properties) => serializer.collect_map(properties.iter().map(|(name, value)| (name, value))),
        }
    }
}
