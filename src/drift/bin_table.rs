//! Counts of two sides over the same bins.

use ndarray::{Array2, ArrayView2, Axis};

/// Two rows, reference and current, and a column per bin.
pub fn table(reference: &[u64], current: &[u64]) -> Array2<u64> {
    assert_eq!(reference.len(), current.len(), "both sides have the same bins");
    let counts = [reference, current].concat();
    Array2::from_shape_vec((2, reference.len()), counts).expect("two rows of equal length")
}

/// One less than there are bins with rows.
pub fn freedom(table: ArrayView2<'_, u64>) -> f64 {
    let used = table.columns().into_iter().filter(|bin| bin[0] + bin[1] > 0).count();
    used.saturating_sub(1) as f64
}

/// The shares (p, q) of each bin, in bin order.
pub fn shares(table: ArrayView2<'_, u64>) -> impl Iterator<Item = (f64, f64)> {
    let totals = table.sum_axis(Axis(1));
    let (r, c) = (totals[0] as f64, totals[1] as f64);
    let columns: Vec<(u64, u64)> =
        table.columns().into_iter().map(|bin| (bin[0], bin[1])).collect();
    columns.into_iter().map(move |(p, q)| (p as f64 / r, q as f64 / c))
}
