//! Which rows of a file or batch came too late, and which of them are known from an earlier version
//! of their file.

use crate::time::Timestamp;
use crate::window::cursor::{Cursor, PaneLayout};
use crate::window::pane::PaneKey;
use crate::window::plan::Plan;
use std::collections::BTreeMap;

/// What an earlier version of a file added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierVersion {
    /// Rows by pane, as far as the counts are still kept.
    pub panes: Vec<(PaneKey, u64)>,
    /// Rows by the start of their stretch of event time.
    pub rows: BTreeMap<Timestamp, u64>,
}

/// The rows of a plan by whether their windows had closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Rows that all windows by event time have closed without.
    pub late: u64,
    /// Rows whose windows have closed, with these rows of an earlier version of the file in them.
    pub again: u64,
    /// By window, the rows that it has closed without.
    pub by_window: Vec<u64>,
    /// Rows by the start of their stretch of event time, for a later version to be held against.
    pub rows: BTreeMap<Timestamp, u64>,
}

/// Finds the late rows of a plan.
pub fn lateness(
    plan: &Plan,
    cursors: &[Cursor],
    layout: &PaneLayout,
    earlier: Option<&EarlierVersion>,
) -> Lateness {
    let is_over = |start: Timestamp| {
        let mut periods = cursors.iter().filter_map(Cursor::period);
        periods.all(|cursor| cursor.is_over(start))
    };
    let by_window = cursors.iter().map(|cursor| {
        let missed = plan.buckets.iter().filter(|(bucket, _)| {
            cursor.period().is_some_and(|cursor| cursor.is_late(layout.start(**bucket)))
        });
        missed.map(|(_, rows)| rows).sum()
    });
    let mut lateness = Lateness { by_window: by_window.collect(), ..Lateness::default() };
    let known = earlier.iter().flat_map(|earlier| &earlier.rows);
    lateness.rows = known.map(|(s, n)| (*s, *n)).filter(|(start, _)| is_over(*start)).collect();
    for (bucket, &rows) in &plan.buckets {
        let start = layout.start(*bucket);
        let known = lateness.rows.entry(start).or_default();
        if is_over(start) {
            // Windows of rows count them again, in place of those that are retracted.
            lateness.again += if layout.has_slots() { 0 } else { rows.min(*known) };
            lateness.late += rows.saturating_sub(*known);
        }
        *known = rows.max(*known);
    }
    lateness
}
