//! Points in time, and the clock as an argument.
//!
//! Not the system clock: the pure part never reads one. The daemon passes the real one in.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Microseconds since 1970-01-01 UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Seconds since 1970, the unit of Prometheus.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// So much later; the end of time, if that is beyond it.
    #[must_use]
    pub fn plus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// So much earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Time since `earlier`; zero when the clock went backwards.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

/// As in ISO 8601, in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} µs", self.0),
        }
    }
}

/// What an epoch number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EpochUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl EpochUnit {
    pub const ALL: [(&'static str, EpochUnit); 4] = [
        ("s", EpochUnit::Seconds),
        ("ms", EpochUnit::Milliseconds),
        ("us", EpochUnit::Microseconds),
        ("ns", EpochUnit::Nanoseconds),
    ];

    pub fn per_second(self) -> f64 {
        match self {
            EpochUnit::Seconds => 1.0,
            EpochUnit::Milliseconds => 1e3,
            EpochUnit::Microseconds => 1e6,
            EpochUnit::Nanoseconds => 1e9,
        }
    }

    /// The unit in which a number of this size is a time between 1973 and 5138.
    pub fn by_size(number: f64) -> EpochUnit {
        match number.abs() {
            n if n < 1e11 => EpochUnit::Seconds,
            n if n < 1e14 => EpochUnit::Milliseconds,
            n if n < 1e17 => EpochUnit::Microseconds,
            _ => EpochUnit::Nanoseconds,
        }
    }
}

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}
