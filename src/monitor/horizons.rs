//! Which panes of a model are still needed.

use crate::time::Timestamp;
use crate::window::baseline::BaselineConfig;
use crate::window::cursor::{Cursor, PaneLayout};
use crate::window::pane::Horizons;

/// The oldest that open windows and their baselines can need.
pub fn horizons(cursors: &[Cursor], layout: &PaneLayout, baselines: &[BaselineConfig]) -> Horizons {
    let reach = baselines.iter().map(|baseline| baseline.kind.slots_reach()).max().unwrap_or(0);
    let slots = cursors.iter().filter_map(Cursor::slots);
    let slots = slots.map(|cursor| cursor.oldest_open().saturating_sub(reach)).collect();
    // The first stretch of time that does not begin before the oldest time.
    let first = |oldest: Timestamp| layout.bucket(Timestamp(oldest.0.saturating_sub(1))) + 1;
    let bucket = oldest_time(cursors, baselines).filter(|oldest| oldest.0 > 0).map_or(0, first);
    Horizons { slots, bucket }
}

/// None while all that was counted is needed.
fn oldest_time(cursors: &[Cursor], baselines: &[BaselineConfig]) -> Option<Timestamp> {
    let oldest = cursors.iter().filter_map(Cursor::period).map(|cursor| {
        let period = &cursor.period;
        let reaches = baselines.iter().map(|baseline| baseline.kind.reach(period));
        let start = period.start(cursor.closed()?.plus(period.slide));
        Some(start.minus(reaches.max().unwrap_or_default()))
    });
    oldest.min().flatten()
}
