//! Rows of both sides by cell, with the labels that tell cells apart, for whoever adds up what
//! several daemons have counted.
//!
//! Scores of parts do not add, and counts do. What is here is all that `psi`, `js` and `ks` are
//! computed from.

use super::label::upper_end;
use crate::drift::Comparison;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// Rows of the reference and of a window, in the order that they are compared in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellRows {
    /// Tells cells apart: only rows of the same can be added.
    pub grid: String,
    /// By bin of `psi`, which are numbered from 0.
    pub bins: Vec<(String, SideRows)>,
    /// Up to and with each of these values, ascending; the last is infinite. Empty of categories.
    ///
    /// They are the ends of cells that the reference has rows in, and what lies right below such
    /// cells: between two of them the reference's share does not change, so that the greatest
    /// distance is at one of them whatever a window holds.
    pub up_to: Vec<(String, SideRows)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideRows {
    pub reference: u64,
    pub window: u64,
}

impl CellRows {
    /// None where either side has no values, or the feature is not scored.
    pub fn of(comparison: &Comparison<'_>) -> Option<CellRows> {
        let bins = comparison.bins()?;
        let sides = bins.row(0).into_iter().zip(bins.row(1)).enumerate();
        let bins = sides.map(|(bin, (reference, window))| {
            (bin.to_string(), SideRows { reference: *reference, window: *window })
        });
        let up_to = up_to(comparison);
        let mut hash = Xxh3::new();
        hash.update(&comparison.grid().id.0.to_le_bytes());
        // Windows of narrower numbers are compared over other cells.
        up_to.iter().for_each(|(end, _)| hash.update(&end.to_bits().to_le_bytes()));
        if comparison.grid().own_bins.has_missing {
            hash.update(b"missing");
        }
        let up_to = up_to.into_iter().map(|(end, rows)| (upper_end(end), rows));
        Some(CellRows {
            grid: format!("{:016x}", hash.digest()),
            bins: bins.collect(),
            up_to: up_to.collect(),
        })
    }
}

fn up_to(comparison: &Comparison<'_>) -> Vec<(f64, SideRows)> {
    let Some(cells) = comparison.cells() else { return Vec::new() };
    let (reference, window) = (&cells.reference, &cells.current);
    let last = reference.len() - 1;
    let (mut below, mut ends) = (SideRows::default(), Vec::new());
    for cell in 0..=last {
        below.reference += reference[cell];
        below.window += window[cell];
        let is_told = cell == last || reference[cell] > 0 || reference[cell + 1] > 0;
        let end = match cell {
            0 => f64::NEG_INFINITY,
            cell if cell == last => f64::INFINITY,
            cell => cells.grid.bounds(cell).1,
        };
        ends.extend(is_told.then_some((end, below)));
    }
    ends
}
