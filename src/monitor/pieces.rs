//! Counting a table whose rows go to more panes than memory should hold at once: it is read several
//! times, and each time so many panes are counted, encoded and let go of.

use super::count::{Delta, count_and_encode};
use super::reference::Reference;
use super::table::Table;
use crate::error::{Fault, Result};
use crate::settings::units::bytes_text;
use crate::window::plan::Plan;

/// Counts of features in panes that are held at a time: some hundred bytes each, and more the more
/// of their cells are filled. Few in tests, so that the simulation has files on both sides of it.
const COUNTS_MAX: usize = if cfg!(test) { 2 } else { 500_000 };

/// Bytes that the counts of one table may take where they wait to be written.
const BODIES_BYTES_MAX: usize = 1 << 30;

/// Panes that are counted with each reading; none when all are at once.
pub fn panes_per_piece(plan: &Plan, features: usize) -> Option<usize> {
    let panes = (COUNTS_MAX / features.max(1)).max(1);
    (plan.panes.len() > panes).then_some(panes)
}

/// Counts `panes` panes of the plan with each reading; all counts come as they are stored.
pub fn count_in_pieces(
    reference: &Reference,
    table: &dyn Table,
    plan: &Plan,
    panes: usize,
) -> Result<Delta, Fault> {
    let pieces = plan.panes.len().div_ceil(panes);
    let mut whole = Delta::default();
    let mut bytes = 0;
    for start in (0..plan.panes.len()).step_by(panes) {
        let end = (start + panes).min(plan.panes.len());
        let piece = count_and_encode(reference, table, &plan.piece(start..end))?;
        let own = piece.bodies.values().map(Vec::len).sum::<usize>();
        bytes += own;
        // What is clear after the first piece is not found out after the last.
        let expected = if start == 0 { own.saturating_mul(pieces - 1) } else { bytes };
        if expected > BODIES_BYTES_MAX {
            return Err(Fault::unreadable(format!(
                "its rows go to {} panes of {} features, whose counts take more than {} where they \
                 wait to be written; larger windows or smaller files are the remedy",
                plan.panes.len(),
                reference.features.len(),
                bytes_text(BODIES_BYTES_MAX as u64)
            )));
        }
        whole.bodies.extend(piece.bodies);
        whole.stored.extend(piece.panes.0.into_iter().map(|(key, pane)| (key, pane.rows)));
    }
    Ok(whole)
}
