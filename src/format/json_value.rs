//! Values of JSON, and of texts, as values of a feature of some kind.

use crate::feature::Kind;
use crate::profile::instants;
use crate::profile::texts::number_text;
use std::borrow::Cow;

/// What writers of CSV put where a number, a time or a truth value is missing.
const MISSING_WORDS: [&str; 6] = ["na", "n/a", "null", "none", "\\n", "-"];

/// Times that are told apart to the microsecond: until the year 140,000.
const MICROS_MAX: f64 = 4.4e18;

/// A value of JSON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JsonValue<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
    /// An array or an object.
    Nested,
}

impl JsonValue<'_> {
    fn as_f64(self) -> Option<f64> {
        match self {
            JsonValue::Integer(number) => Some(number as f64),
            JsonValue::Unsigned(number) => Some(number as f64),
            JsonValue::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The value that a text stands for, to a feature of some kind; the text itself where it stands
    /// for none. A missing value is written as nothing.
    pub fn of_text(text: &str, kind: Kind) -> JsonValue<'_> {
        let trimmed = text.trim();
        let number = || trimmed.parse().ok().filter(|own: &f64| own.is_finite());
        let is_missing = || MISSING_WORDS.iter().any(|word| trimmed.eq_ignore_ascii_case(word));
        let value = match kind {
            _ if trimmed.is_empty() => Some(JsonValue::Null),
            Kind::Categorical | Kind::Unsupported => None,
            Kind::Numeric | Kind::Temporal if number().is_some() => number().map(JsonValue::Float),
            _ if is_missing() => Some(JsonValue::Null),
            Kind::Numeric => no_finite_number(trimmed),
            Kind::Temporal => None,
            Kind::Boolean => match trimmed.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "1" => Some(JsonValue::Bool(true)),
                "false" | "f" | "no" | "0" => Some(JsonValue::Bool(false)),
                _ => None,
            },
        };
        value.unwrap_or(JsonValue::Text(text))
    }
}

fn no_finite_number<'a>(text: &str) -> Option<JsonValue<'a>> {
    Some(JsonValue::Float(match text.to_ascii_lowercase().as_str() {
        "nan" => f64::NAN,
        "inf" | "+inf" | "infinity" | "+infinity" => f64::INFINITY,
        "-inf" | "-infinity" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

/// What one value is to a feature of some kind.
pub enum ReadValue<T> {
    Value(T),
    Null,
    WrongType,
}

/// Appends the value, or a null; true when it was of the wrong type.
pub fn append<T>(reading: ReadValue<T>, push: impl FnOnce(Option<T>)) -> bool {
    let (value, is_wrong) = match reading {
        ReadValue::Value(value) => (Some(value), false),
        ReadValue::Null => (None, false),
        ReadValue::WrongType => (None, true),
    };
    push(value);
    is_wrong
}

/// JSON has no words for what is not a finite number; these three are Protobuf's.
pub fn number(value: JsonValue<'_>) -> ReadValue<f64> {
    match value {
        JsonValue::Null => ReadValue::Null,
        JsonValue::Text("NaN") => ReadValue::Value(f64::NAN),
        JsonValue::Text("Infinity") => ReadValue::Value(f64::INFINITY),
        JsonValue::Text("-Infinity") => ReadValue::Value(f64::NEG_INFINITY),
        value => value.as_f64().map_or(ReadValue::WrongType, ReadValue::Value),
    }
}

/// A time as seconds since 1970, or as ISO 8601 writes it. What is not finite or beyond all
/// calendars is none.
pub fn time(value: JsonValue<'_>) -> ReadValue<i64> {
    let micros = match value {
        JsonValue::Null => return ReadValue::Null,
        JsonValue::Text(text) => instants::parse(text, None).map(|time| time.0 as f64),
        value => value.as_f64().map(|seconds| seconds * 1e6),
    };
    let is_time = |micros: &f64| micros.abs() < MICROS_MAX;
    micros.filter(is_time).map_or(ReadValue::WrongType, |micros| ReadValue::Value(micros as i64))
}

pub fn text(value: JsonValue<'_>, declared: bool) -> ReadValue<Cow<'_, str>> {
    ReadValue::Value(match value {
        JsonValue::Null => return ReadValue::Null,
        JsonValue::Text(text) => text.into(),
        _ if !declared => return ReadValue::WrongType,
        // Integers to their last digit, which a double would lose.
        JsonValue::Integer(number) => number.to_string().into(),
        JsonValue::Unsigned(number) => number.to_string().into(),
        JsonValue::Float(number) => number_text(number).into(),
        JsonValue::Bool(value) => if value { "true" } else { "false" }.into(),
        JsonValue::Nested => return ReadValue::WrongType,
    })
}

pub fn boolean(value: JsonValue<'_>, declared: bool) -> ReadValue<bool> {
    match value {
        JsonValue::Null => ReadValue::Null,
        JsonValue::Bool(value) => ReadValue::Value(value),
        value if declared && value.as_f64() == Some(0.0) => ReadValue::Value(false),
        value if declared && value.as_f64() == Some(1.0) => ReadValue::Value(true),
        _ => ReadValue::WrongType,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pandas writes, and what people write by hand.
    #[test]
    fn a_text_is_what_its_feature_is() {
        use JsonValue::{Bool, Float, Null, Text};
        for (text, kind, expected) in [
            ("1.50", Kind::Numeric, Float(1.5)),
            (" 7 ", Kind::Numeric, Float(7.0)),
            ("-1e-300", Kind::Numeric, Float(-1e-300)),
            ("inf", Kind::Numeric, Float(f64::INFINITY)),
            ("-Infinity", Kind::Numeric, Float(f64::NEG_INFINITY)),
            ("1e999", Kind::Numeric, Text("1e999")),
            ("", Kind::Numeric, Null),
            ("NA", Kind::Numeric, Null),
            ("\\N", Kind::Temporal, Null),
            ("-", Kind::Boolean, Null),
            ("1,5", Kind::Numeric, Text("1,5")),
            ("True", Kind::Boolean, Bool(true)),
            ("0", Kind::Boolean, Bool(false)),
            ("2", Kind::Boolean, Text("2")),
            ("007", Kind::Categorical, Text("007")),
            ("NA", Kind::Categorical, Text("NA")),
            ("", Kind::Categorical, Null),
            ("1700000000", Kind::Temporal, Float(1.7e9)),
            ("2026-01-31", Kind::Temporal, Text("2026-01-31")),
        ] {
            assert_eq!(JsonValue::of_text(text, kind), expected, "{text:?} of {kind:?}");
        }
        assert!(matches!(
            JsonValue::of_text("nan", Kind::Numeric),
            Float(number) if number.is_nan()
        ));
    }
}
