//! Counting a whole table as one pane, for whoever compares once.

use super::count::{check_rows, count};
use super::reference::Reference;
use super::row_sample::sample;
use super::table::{Table, rows};
use crate::error::{Fault, Result};
use crate::window::pane::{Pane, PaneKey};
use crate::window::plan::Plan;
use crate::window::sampling::SamplingConfig;

/// Counts all rows of `table`, or a sample of them as if they were part of a window of
/// `window_rows`.
pub fn count_whole(
    reference: &Reference,
    table: &dyn Table,
    sampling: Option<&SamplingConfig>,
    window_rows: Option<u64>,
) -> Result<Pane, Fault> {
    check_rows(reference, table)?;
    let mut plan = Plan::whole(table.row_groups());
    if let Some(config) = sampling {
        plan.sample = sample(config, table, window_rows.unwrap_or_else(|| rows(table)))?;
    }
    let mut panes = count(reference, table, &plan)?.panes;
    Ok(panes.0.remove(&PaneKey::whole()).unwrap_or_else(|| Pane::new(reference.grids())))
}
