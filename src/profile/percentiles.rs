//! Percentiles read from cell counts; reference and window use the same routine.

use super::extremes::Extremes;
use super::grid::NumericGrid;

/// The percentiles that are exported.
pub const PERCENTILES: [u8; 7] = [1, 5, 25, 50, 75, 95, 99];

/// The value below which `percent` of the finite values lie.
///
/// The first cell whose cumulative count reaches p·n; an atom gives its value, another cell is
/// cut linearly between its ends, both first clamped to the least and greatest finite value seen.
pub fn percentile(
    grid: &NumericGrid,
    counts: &[u64],
    extremes: &Extremes,
    percent: u8,
) -> Option<f64> {
    let (min, max) = extremes.min().zip(extremes.max())?;
    let finite = &counts[1..counts.len() - 1];
    let n: u64 = finite.iter().sum();
    // In hundredths of a row, so that the comparison is one of integers.
    let target = u128::from(n) * u128::from(percent);
    let mut below = 0u64;
    for (index, &count) in finite.iter().enumerate() {
        if count > 0 && u128::from(below + count) * 100 >= target {
            let cell = index + 1;
            if let Some(value) = grid.atom(cell) {
                return Some(value);
            }
            let (lower, upper) = grid.bounds(cell);
            let (lower, upper) = (lower.clamp(min, max), upper.clamp(min, max));
            let rows = (target as f64 - below as f64 * 100.0) / 100.0;
            return Some(lower + rows / count as f64 * (upper - lower));
        }
        below += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Accumulator;
    use super::super::extremes::Span;
    use super::*;

    #[test]
    fn cells_are_cut_linearly_and_clamped() {
        let edges = vec![f64::NEG_INFINITY, 0.0, 10.0, f64::MAX];
        let grid = NumericGrid::new(edges, &[], Some((0.0, 10.0)));
        let mut extremes = Extremes::default();
        extremes.update(Span { min: 0.0, max: 30.0, exact: None });
        let counts = [5, 0, 50, 50, 9];
        assert_eq!(percentile(&grid, &counts, &extremes, 25), Some(5.0));
        assert_eq!(percentile(&grid, &counts, &extremes, 50), Some(10.0));
        assert_eq!(percentile(&grid, &counts, &extremes, 75), Some(20.0));
    }
}
