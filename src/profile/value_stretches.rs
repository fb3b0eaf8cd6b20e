//! Where the finite values of one side lie, as closely as its counts tell.
//!
//! A cell that can hold one value only is a stretch without width. Another lies between its edges,
//! as far as there are values; where it is wide its rows were counted by logarithm as well, which
//! cuts it into pieces of 2 % of the value.

use super::extremes::Extremes;
use super::grid::NumericGrid;
use super::log_cells::{LogCells, LogStretch};

/// Rows whose values lie above `lower` and up to `upper`; all at `upper` where these are equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueStretch {
    pub lower: f64,
    pub upper: f64,
    pub rows: u64,
}

/// The filled stretches of finite values, ascending; none overlaps another.
pub(super) fn stretches(
    grid: &NumericGrid,
    counts: &[u64],
    log: &LogCells,
    extremes: &Extremes,
) -> Vec<ValueStretch> {
    let Some((min, max)) = extremes.min().zip(extremes.max()) else { return Vec::new() };
    let wide = grid.wide().by_cell();
    let in_wide = counts.iter().zip(wide).filter(|(_, is_wide)| *is_wide);
    let is_counted = in_wide.map(|(rows, _)| rows).sum::<u64>() == log.total();
    let mut pieces = Pieces { left: log.stretches().into_iter().collect() };
    let mut found = Vec::new();
    for (cell, &rows) in counts.iter().enumerate().skip(1).take(counts.len() - 2) {
        if rows == 0 {
            continue;
        }
        if let Some(value) = grid.atom(cell) {
            found.push(ValueStretch { lower: value, upper: value, rows });
            continue;
        }
        // Values of another width than they are compared in may lie a rounding outside.
        let (lower, upper) = grid.bounds(cell);
        let ends = (lower.clamp(min, max), upper.clamp(min, max));
        match wide.value(cell) && is_counted {
            true => pieces.take(rows, ends, &mut found),
            false => found.push(ValueStretch { lower: ends.0, upper: ends.1, rows }),
        }
    }
    with_extremes(found, (min, max))
}

/// One row at least has the least value, and one the greatest.
fn with_extremes(mut found: Vec<ValueStretch>, (min, max): (f64, f64)) -> Vec<ValueStretch> {
    let is_open = |own: &ValueStretch| own.lower < own.upper && own.rows > 0;
    let value = |value: f64| ValueStretch { lower: value, upper: value, rows: 1 };
    if let Some(last) = found.last_mut().filter(|own| is_open(own) && own.upper == max) {
        last.rows -= 1;
        found.push(value(max));
    }
    if let Some(first) = found.first_mut().filter(|own| is_open(own) && own.lower == min) {
        first.rows -= 1;
        found.insert(0, value(min));
    }
    found.retain(|own| own.rows > 0);
    found
}

/// What wide cells hold, by logarithm, ascending. As many rows are in both, in one order, so that
/// the rows of a cell are the next ones.
struct Pieces {
    left: std::collections::VecDeque<LogStretch>,
}

impl Pieces {
    fn take(&mut self, mut rows: u64, (lower, upper): (f64, f64), found: &mut Vec<ValueStretch>) {
        while let Some(piece) = self.left.front_mut().filter(|_| rows > 0) {
            let own = piece.rows.min(rows);
            let ends = (piece.lower.clamp(lower, upper), piece.upper.clamp(lower, upper));
            found.push(ValueStretch { lower: ends.0, upper: ends.1, rows: own });
            rows -= own;
            piece.rows -= own;
            if piece.rows == 0 {
                self.left.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Accumulator;
    use super::super::extremes::Span;
    use super::*;

    fn stretch(lower: f64, upper: f64, rows: u64) -> ValueStretch {
        ValueStretch { lower, upper, rows }
    }

    #[test]
    fn atoms_cells_and_wide_cells_are_stretches() {
        let edges = vec![f64::NEG_INFINITY, 1f64.next_down(), 1.0, 1.01, 64.0, f64::MAX];
        let grid = NumericGrid::new(edges, &[], Some((1.0, 64.0)));
        let mut extremes = Extremes::default();
        extremes.update(Span { min: 1.0, max: 50.0, exact: None });
        let mut log = LogCells::default();
        log.update(&[2.0, 50.0, 50.0]);
        let found = stretches(&grid, &[7, 0, 4, 5, 3, 0, 9], &log, &extremes);
        assert_eq!(found[..2], [stretch(1.0, 1.0, 4), stretch(1.0, 1.01, 5)]);
        assert_eq!([found[2].rows, found[3].rows], [1, 1]);
        assert!(found[2].lower < 2.0 && found[2].upper >= 2.0 && found[2].upper < 2.05);
        assert!(found[3].lower > 49.0 && found[3].upper == 50.0);
        assert_eq!(found[4], stretch(50.0, 50.0, 1));
        // Counted before logarithms were, it is the cell.
        let found = stretches(&grid, &[7, 0, 4, 5, 3, 0, 9], &LogCells::default(), &extremes);
        assert_eq!(found[2..], [stretch(1.01, 50.0, 2), stretch(50.0, 50.0, 1)]);
    }
}
