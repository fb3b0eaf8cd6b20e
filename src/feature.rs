//! Words about one feature: its kind, the width its values are compared in, its status.

use half::f16;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a feature is profiled; inferred once, from the reference, and pinned there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Ordered values on a grid of cells.
    Numeric,
    /// Strings and dictionaries: a cell per frequent value.
    Categorical,
    /// Two values; categorical in everything but its physical type.
    Boolean,
    /// Dates and timestamps, profiled as seconds since 1970; scored only when declared numeric.
    Temporal,
    /// Lists, structs, maps, binary: rows and missing values only.
    Unsupported,
}

impl Kind {
    pub const ALL: [Kind; 5] =
        [Kind::Numeric, Kind::Categorical, Kind::Boolean, Kind::Temporal, Kind::Unsupported];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Numeric => "numeric",
            Kind::Categorical => "categorical",
            Kind::Boolean => "boolean",
            Kind::Temporal => "temporal",
            Kind::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The floating-point type that values arrive in; integers and decimals count as `F64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Width {
    F32,
    F64,
    // Last, so that stored widths keep their numbers.
    F16,
}

impl Width {
    /// That of both in which fewer values can be told apart.
    #[must_use]
    pub fn narrower(self, other: Width) -> Width {
        let bits = |width| match width {
            Width::F16 => 16,
            Width::F32 => 32,
            Width::F64 => 64,
        };
        if bits(other) < bits(self) { other } else { self }
    }

    /// Rounds to this width. A finite value beyond its range stays what it is: it is far out, not
    /// infinite.
    #[inline]
    #[must_use]
    pub fn round(self, value: f64) -> f64 {
        let rounded = match self {
            Width::F64 => return value,
            Width::F32 => f64::from(value as f32),
            Width::F16 => round_to_half(value),
        };
        if rounded.is_infinite() { value } else { rounded }
    }
}

/// Not inlined, so that loops over wider values stay short.
#[inline(never)]
fn round_to_half(value: f64) -> f64 {
    f16::from_f64(value).to_f64()
}

/// What can be said of a feature in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Scored and judged.
    Ok,
    /// Scored where possible, not judged: the effective rows do not suffice.
    TooFewRows,
    /// The column is in no row of the window.
    Absent,
    /// Every value of the window is missing.
    NoValues,
    /// The column holds values of another kind than the reference's.
    Retyped,
    /// The reference has no value to compare with.
    NoReference,
    /// An identifier, a date or a timestamp: not scored unless its kind is declared.
    Identifier,
    /// A type that is not scored: lists, structs, binary.
    Unsupported,
    /// The configuration says that nothing is to be said of its drift.
    Muted,
}

impl Status {
    pub const ALL: [Status; 9] = [
        Status::Ok,
        Status::TooFewRows,
        Status::Absent,
        Status::NoValues,
        Status::Retyped,
        Status::NoReference,
        Status::Identifier,
        Status::Unsupported,
        Status::Muted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::TooFewRows => "too_few_rows",
            Status::Absent => "absent",
            Status::NoValues => "no_values",
            Status::Retyped => "retyped",
            Status::NoReference => "no_reference",
            Status::Identifier => "identifier",
            Status::Unsupported => "unsupported",
            Status::Muted => "muted",
        }
    }
}
