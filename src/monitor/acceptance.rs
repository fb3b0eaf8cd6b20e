//! That a window was made the reference of its model.

use crate::time::Timestamp;

/// When, by whom, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Wall clock.
    pub accepted: Timestamp,
    /// Who did it, where there are users.
    pub by: Option<String>,
    pub window: String,
    /// How many windows of this name were added up.
    pub windows: u64,
    /// Event time; none without a time column.
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub rows: u64,
    /// What the configured path of the reference held then: while it holds the same, this is the
    /// reference.
    pub in_place_of: String,
    /// Content of the reference before, against which nothing is judged any more.
    pub replaced: u128,
    /// When another reference took its place; none of the one in force.
    pub ended: Option<Timestamp>,
}
