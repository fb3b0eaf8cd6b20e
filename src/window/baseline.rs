//! What a window is compared with besides the reference: windows that came before it.
//!
//! All are on the reference's grid, so that a baseline is a merge of panes. The windows of a
//! baseline never overlap the window that is compared with them.

use super::period::Period;
use crate::time::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// The baseline that is always there.
pub const REFERENCE: &str = "reference";

pub const WEEK: Duration = Duration::from_hours(7 * 24);

/// `[[model.baseline]]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineConfig {
    /// Label `baseline`.
    pub name: String,
    pub kind: BaselineKind,
    /// Whether it decides in place of the reference; one does at most.
    pub decides: bool,
}

/// Which windows are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaselineKind {
    /// So many windows before.
    Rolling { windows: u32 },
    /// The same time of the week, in so many weeks before.
    SameHourOfWeek { weeks: u32 },
}

impl BaselineKind {
    /// The stretches of time that a window by event time is compared with.
    pub fn ranges(self, period: &Period, end: Timestamp) -> Vec<Range<Timestamp>> {
        let start = period.start(end);
        match self {
            BaselineKind::Rolling { windows } => vec![start.minus(period.size * windows)..start],
            BaselineKind::SameHourOfWeek { weeks } => {
                let before = |week| start.minus(WEEK * week)..end.minus(WEEK * week);
                (1..=weeks).map(before).collect()
            }
        }
    }

    /// How long before a window its oldest stretch begins.
    pub fn reach(self, period: &Period) -> Duration {
        match self {
            BaselineKind::Rolling { windows } => period.size * windows,
            BaselineKind::SameHourOfWeek { weeks } => WEEK * weeks,
        }
    }

    /// The slots before `slot` that a window of rows is compared with; windows that are cut by
    /// rows have no time of the week.
    pub fn slots(self, slot: u64) -> Range<u64> {
        match self {
            BaselineKind::Rolling { windows } => slot.saturating_sub(windows.into())..slot,
            BaselineKind::SameHourOfWeek { .. } => slot..slot,
        }
    }

    /// How many slots before a window its oldest is.
    pub fn slots_reach(self) -> u64 {
        match self {
            BaselineKind::Rolling { windows } => windows.into(),
            BaselineKind::SameHourOfWeek { .. } => 0,
        }
    }
}
