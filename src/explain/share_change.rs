//! A figure on both sides, and the shares of a bin or a value.

use super::bin::Bin;
use serde::{Deserialize, Serialize};

/// A figure on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sides {
    pub reference: f64,
    pub current: f64,
}

/// A bin or a value, and its shares of the rows that have a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShareChange {
    pub bin: Bin,
    pub shares: Sides,
}

impl ShareChange {
    /// How much larger the share has become.
    pub fn gain(&self) -> f64 {
        self.shares.current - self.shares.reference
    }
}
