//! The absolute difference of the missing ratios.
//!
//! No distance of values can see that a feature stopped arriving; this one sees nothing else.

use super::{Comparison, Evidence, Measure, Score};

pub struct Missing;

impl Measure for Missing {
    fn name(&self) -> &'static str {
        "missing"
    }

    fn default_threshold(&self) -> Option<f64> {
        Some(0.1)
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (reference, current) = comparison.tallies();
        if reference.rows == 0 || current.rows == 0 {
            return None;
        }
        let ratio = |missing: u64, rows: u64| missing as f64 / rows as f64;
        let difference =
            ratio(current.missing(), current.rows) - ratio(reference.missing(), reference.rows);
        Some(difference.abs().into())
    }

    /// All rows speak, not only those with a value, and there are two bins: missing or not.
    fn evidence(&self, comparison: &Comparison<'_>) -> Evidence {
        let (reference, current) = comparison.tallies();
        comparison.evidence(reference.rows, current.rows, 2)
    }
}
