//! Values of JSON, and of texts, as values of a feature of some kind.

use crate::feature::Kind;
use crate::profile::instants;
use crate::profile::texts::number_text;
use serde_json::{Number, Value};

/// What writers of CSV put where a number, a time or a truth value is missing.
const MISSING_WORDS: [&str; 6] = ["na", "n/a", "null", "none", "\\n", "-"];

/// Times that are told apart to the microsecond: until the year 140,000.
const MICROS_MAX: f64 = 4.4e18;

/// What one value is to a feature of some kind.
pub enum Reading<T> {
    Value(T),
    Null,
    WrongType,
}

/// Appends the value, or a null; true when it was of the wrong type.
pub fn append<T>(reading: Reading<T>, push: impl FnOnce(Option<T>)) -> bool {
    let (value, is_wrong) = match reading {
        Reading::Value(value) => (Some(value), false),
        Reading::Null => (None, false),
        Reading::WrongType => (None, true),
    };
    push(value);
    is_wrong
}

/// The value that a text stands for, to a feature of some kind; the text itself where it stands for
/// none. A missing value is written as nothing.
pub fn of_text(text: &str, kind: Kind) -> Value {
    let trimmed = text.trim();
    let word = trimmed.to_ascii_lowercase();
    let number = || trimmed.parse().ok().and_then(Number::from_f64).map(Value::Number);
    let value = match kind {
        _ if trimmed.is_empty() => Some(Value::Null),
        Kind::Categorical | Kind::Unsupported => None,
        _ if MISSING_WORDS.contains(&word.as_str()) => Some(Value::Null),
        Kind::Numeric => number().or_else(|| match word.as_str() {
            "nan" => Some("NaN".into()),
            "inf" | "+inf" | "infinity" | "+infinity" => Some("Infinity".into()),
            "-inf" | "-infinity" => Some("-Infinity".into()),
            _ => None,
        }),
        Kind::Temporal => number(),
        Kind::Boolean => match word.as_str() {
            "true" | "t" | "yes" | "1" => Some(true.into()),
            "false" | "f" | "no" | "0" => Some(false.into()),
            _ => None,
        },
    };
    value.unwrap_or_else(|| text.into())
}

/// JSON has no words for what is not a finite number; these three are Protobuf's.
pub fn number(value: &Value) -> Reading<f64> {
    match value {
        Value::Null => Reading::Null,
        Value::Number(number) => number.as_f64().map_or(Reading::WrongType, Reading::Value),
        Value::String(text) => match text.as_str() {
            "NaN" => Reading::Value(f64::NAN),
            "Infinity" => Reading::Value(f64::INFINITY),
            "-Infinity" => Reading::Value(f64::NEG_INFINITY),
            _ => Reading::WrongType,
        },
        _ => Reading::WrongType,
    }
}

/// A time as seconds since 1970, or as ISO 8601 writes it. What is not finite or beyond all
/// calendars is none.
pub fn time(value: &Value) -> Reading<i64> {
    let micros = match value {
        Value::Null => return Reading::Null,
        Value::Number(number) => number.as_f64().map(|seconds| seconds * 1e6),
        Value::String(text) => instants::parse(text, None).map(|time| time.0 as f64),
        _ => None,
    };
    let is_time = |micros: &f64| micros.abs() < MICROS_MAX;
    micros.filter(is_time).map_or(Reading::WrongType, |micros| Reading::Value(micros as i64))
}

pub fn text(value: &Value, declared: bool) -> Reading<String> {
    match value {
        Value::Null => Reading::Null,
        Value::String(text) => Reading::Value(text.clone()),
        // Integers to their last digit, which a double would lose.
        Value::Number(number) if declared && (number.is_i64() || number.is_u64()) => {
            Reading::Value(number.to_string())
        }
        Value::Number(number) if declared => {
            number.as_f64().map_or(Reading::WrongType, |number| Reading::Value(number_text(number)))
        }
        Value::Bool(value) if declared => Reading::Value(value.to_string()),
        _ => Reading::WrongType,
    }
}

pub fn boolean(value: &Value, declared: bool) -> Reading<bool> {
    match value {
        Value::Null => Reading::Null,
        Value::Bool(value) => Reading::Value(*value),
        Value::Number(number) if declared && number.as_f64() == Some(0.0) => Reading::Value(false),
        Value::Number(number) if declared && number.as_f64() == Some(1.0) => Reading::Value(true),
        _ => Reading::WrongType,
    }
}
