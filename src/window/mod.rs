//! Windows: which rows are looked at together.
//!
//! Every row goes to one pane, and a window is a merge of panes. Nothing is taken out of one,
//! except when a file is rewritten.
//! A pane is named by the slot of every window that is cut by rows and, where there are windows by
//! event time, by the number of its stretch of time, so that all windows share one count.
//! The plan is made from positions and times alone, before any feature is decoded, and is shared
//! by all column tasks.

pub mod baseline;
pub mod cursor;
pub mod open;
pub mod pane;
pub mod pane_sums;
pub mod period;
pub mod plan;
pub mod sampling;
pub mod slots;

use period::Period;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `[[model.window]]`, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowConfig {
    /// Label `window`.
    pub name: String,
    pub kind: WindowKind,
}

/// When a window closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowKind {
    /// With its file; rows of a stream after some rows or some time, whichever comes first.
    Batch { rows_max: u64, every: Duration },
    /// After this many rows, across files.
    Rows { size: u64 },
    /// When its stretch of event time is over.
    Time(Period),
}
