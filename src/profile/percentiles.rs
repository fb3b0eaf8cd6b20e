//! Percentiles read from cell counts; reference and window use the same routine.

use super::extremes::Extremes;
use super::grid::NumericGrid;
use super::log_cells::LogCells;

/// The percentiles that are exported.
pub const PERCENTILES: [u8; 7] = [1, 5, 25, 50, 75, 95, 99];

/// Error of a percentile, in parts of its value.
const WITHIN: f64 = 0.01;

/// The finite values of one feature in their order, by cells.
pub struct OrderedCells<'a> {
    grid: &'a NumericGrid,
    counts: &'a [u64],
    log: &'a LogCells,
    extremes: &'a Extremes,
    /// Finite rows up to the end of each finite cell.
    upto: Vec<u64>,
}

impl<'a> OrderedCells<'a> {
    pub fn new(
        grid: &'a NumericGrid,
        counts: &'a [u64],
        log: &'a LogCells,
        extremes: &'a Extremes,
    ) -> OrderedCells<'a> {
        let upto = running_rows(counts).collect();
        OrderedCells { grid, counts, log, extremes, upto }
    }

    /// The value below which `percent` of the finite values lie: within 1 % of the value, or within
    /// 0.1 % of the rows where the values of the cell are no more than that.
    ///
    /// The first cell whose cumulative count reaches p·n; an atom gives its value. In a wide cell
    /// it is the value of its rank among all values in wide cells, as far as these were counted;
    /// another cell is cut linearly between its ends. Both are clamped to the cell, and to the
    /// least and greatest finite value seen.
    pub fn percentile(&self, percent: u8) -> Option<f64> {
        // In hundredths of a row, so that the comparison is one of integers.
        let rows = self.upto.last().copied().unwrap_or(0);
        self.at(u128::from(rows) * u128::from(percent))
    }

    /// The value of a rank, the least being 1: as near as a percentile.
    pub fn of_rank(&self, rank: u64) -> Option<f64> {
        self.at(u128::from(rank) * 100)
    }

    fn at(&self, target: u128) -> Option<f64> {
        let OrderedCells { grid, counts, log, extremes, .. } = self;
        let place = find(&self.upto, target)?;
        let linear = place.value(grid, counts, extremes)?;
        let wide = grid.wide().by_cell();
        if !wide.value(place.cell) {
            let (lower, upper) = place.bounds(grid, extremes)?;
            return Some(near_both(linear, lower, upper));
        }
        let rows = |cells: &[u64]| -> u64 {
            cells.iter().zip(wide).filter(|(_, wide)| *wide).map(|(rows, _)| rows).sum()
        };
        // Profiles of before did not count them, and lanes of other grids have other wide cells.
        if rows(counts) != log.total() {
            return Some(linear);
        }
        let below = rows(&counts[..place.cell]);
        let value = log.at(below + place.rank())?;
        let (lower, upper) = place.bounds(grid, extremes)?;
        Some(value.clamp(lower, upper))
    }
}

/// The value nearest to `value` that is within 1 % of both ends of a cell, if there is one.
fn near_both(value: f64, lower: f64, upper: f64) -> f64 {
    let (least, greatest) = (lower.abs().min(upper.abs()), lower.abs().max(upper.abs()));
    let (from, to) = (greatest * (1.0 - WITHIN), least * (1.0 + WITHIN));
    if from > to { value } else { value.abs().clamp(from, to).copysign(value) }
}

/// Percentiles from the cells alone; absent without finite values.
pub fn percentiles_in_cells<const N: usize>(
    grid: &NumericGrid,
    counts: &[u64],
    extremes: &Extremes,
    percents: [u8; N],
) -> Option<[f64; N]> {
    let upto: Vec<u64> = running_rows(counts).collect();
    let rows = u128::from(*upto.last()?);
    let value = |percent| find(&upto, rows * u128::from(percent))?.value(grid, counts, extremes);
    let found = percents.map(value);
    found.iter().all(Option::is_some).then(|| found.map(Option::unwrap_or_default))
}

/// Finite rows up to the end of each finite cell.
fn running_rows(counts: &[u64]) -> impl Iterator<Item = u64> {
    let finite = counts[1..counts.len() - 1].iter();
    finite.scan(0, |rows, count| {
        *rows += count;
        Some(*rows)
    })
}

/// Where a percentile lies.
struct Place {
    cell: usize,
    /// Hundredths of rows inside the cell, up to the target.
    inside: u128,
}

/// The first cell up to which there are so many hundredths of finite rows.
fn find(upto: &[u64], target: u128) -> Option<Place> {
    let is_before = |rows: &u64| *rows == 0 || u128::from(*rows) * 100 < target;
    let index = upto.partition_point(is_before);
    let below = if index == 0 { 0 } else { upto[index - 1] };
    let inside = target - u128::from(below) * 100;
    (index < upto.len()).then_some(Place { cell: index + 1, inside })
}

impl Place {
    /// Which of the cell's values, counted from 1.
    fn rank(&self) -> u64 {
        self.inside.div_ceil(100).max(1) as u64
    }

    /// The ends of the cell, as far as there are values.
    fn bounds(&self, grid: &NumericGrid, extremes: &Extremes) -> Option<(f64, f64)> {
        let (min, max) = extremes.min().zip(extremes.max())?;
        let (lower, upper) = grid.bounds(self.cell);
        Some((lower.clamp(min, max), upper.clamp(min, max)))
    }

    fn value(&self, grid: &NumericGrid, counts: &[u64], extremes: &Extremes) -> Option<f64> {
        let (lower, upper) = self.bounds(grid, extremes)?;
        if let Some(value) = grid.atom(self.cell) {
            return Some(value);
        }
        let rows = self.inside as f64 / 100.0;
        Some(lower + rows / counts[self.cell] as f64 * (upper - lower))
    }
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
        let found = percentiles_in_cells(&grid, &counts, &extremes, [25, 50, 75]);
        assert_eq!(found, Some([5.0, 10.0, 20.0]));
    }
}
