//! Windows: which rows are looked at together.
//!
//! Every row goes to one pane; a window is a merge of panes, and nothing is ever taken out of one.
//! A pane is named by one slot per configured window, so that several windows share one count.
//! The plan is made from positions alone, before any feature is decoded, and is shared by all
//! column tasks.

pub mod cursor;
pub mod pane;
pub mod plan;
pub mod sampling;

use std::time::Duration;

/// `[[model.window]]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowConfig {
    /// Label `window`.
    pub name: String,
    pub kind: WindowKind,
}

/// When a window closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// With its file; rows of a stream after some rows or some time, whichever comes first.
    Batch { rows_max: u64, every: Duration },
    /// After this many rows, across files.
    Rows { size: u64 },
}
