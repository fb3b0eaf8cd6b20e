//! What a closed window leaves for judging those after it: a few numbers per feature.

use crate::drift::Comparison;
use crate::drift::ranks::CellScores;
use serde::{Deserialize, Serialize};

/// One feature of one closed window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub rows: u64,
    pub missing: u64,
    /// Means over the present rows of the reference's ranks and of their distances from the
    /// middle; none of categories, and where the reference has one value only.
    pub ranks: Option<(f64, f64)>,
    /// Present rows by bin of `psi`; empty without any.
    pub bins: Vec<u64>,
    /// Whether the feature was called drifted.
    pub is_called: bool,
}

impl Evidence {
    /// Of the current side of a comparison with the reference.
    pub fn of(comparison: &Comparison<'_>, is_called: bool) -> Evidence {
        let (_, tally) = comparison.tallies();
        let mean = |scores: CellScores, counts: &[u64]| {
            scores.shift(counts).map(|shift| shift + scores.mean)
        };
        let ranks = comparison.cells().and_then(|cells| {
            let centre = mean(CellScores::ranks(&cells.reference), &cells.current)?;
            let spread = mean(CellScores::distances(&cells.reference), &cells.current);
            Some((centre, spread.unwrap_or(0.0)))
        });
        let bins = comparison.bins().map(|bins| bins.row(1).to_vec()).unwrap_or_default();
        Evidence { rows: tally.rows, missing: tally.missing(), ranks, bins, is_called }
    }

    /// Rows with a value.
    pub fn present(&self) -> u64 {
        self.bins.iter().sum()
    }
}

/// All features of one closed window, in the reference's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowEvidence {
    /// Numbered from 0 per window.
    pub slot: u64,
    pub features: Vec<Evidence>,
}
