//! Cutting a numeric grid anew by what a window has counted on it, for a window that becomes a
//! reference.
//!
//! Values are gone, and counts are not. So every edge of the new grid is one at which the rows
//! below are known: an edge of the old grid, the end of a cell of logarithms where the old grid was
//! wide, or the least and the greatest value. No row is placed by guessing, and whoever counts the
//! same rows on the new grid comes to the same counts. What is lost is fineness: values in one cell
//! of the old grid, at most a thousandth of the first reference or 2 % wide, stay in one cell.

use super::extremes::{Extremes, without_negative_zero};
use super::grid::NumericGrid;
use super::grid_build::{HEAVY_PARTS, guard_edges};
use super::log_cells::LogCells;
use arrow_buffer::BooleanBuffer;
use std::collections::BTreeMap;
use std::ops::Range;

/// A grid, and the rows in each of its cells.
#[derive(Debug)]
pub struct RecutGrid {
    pub grid: NumericGrid,
    pub counts: Vec<u64>,
}

impl RecutGrid {
    /// By the rows in each cell of `grid`, and by their logarithms where those were counted; bins
    /// that a user has cut stay.
    pub fn new(
        grid: &NumericGrid,
        counts: &[u64],
        (log, extremes): (&LogCells, &Extremes),
        are_own_bins: bool,
    ) -> Self {
        let below = known_edges(grid, counts, log);
        let range = extremes.min().zip(extremes.max());
        let mut below = within(below, counts, range);
        if are_own_bins {
            below.extend(grid.cuts().map(|cut| own_cut(grid, counts, range, cut)));
        }
        let (mut edges, mut cells, mut before) = (Vec::new(), Vec::new(), 0);
        for (edge, rows) in &below {
            edges.push(edge.0);
            cells.push(rows - before);
            before = *rows;
        }
        cells.push(counts.iter().sum::<u64>() - before);
        let cuts = if are_own_bins { grid.bin_ends() } else { cuts(&edges, &cells) };
        RecutGrid { grid: NumericGrid::new(edges, &cuts, range), counts: cells }
    }
}

/// A cut of a user's, with the rows up to it. Beyond the least and the greatest value, which may
/// have come in more digits than the cells hold, it has none or all of the finite ones below it.
fn own_cut(
    grid: &NumericGrid,
    counts: &[u64],
    range: Option<(f64, f64)>,
    cut: usize,
) -> (Edge, u64) {
    let edge = grid.edges()[cut];
    let finite: u64 = counts[..counts.len() - 1].iter().sum();
    let rows = match range {
        Some((min, _)) if edge < min => counts[0],
        Some((_, max)) if edge >= max => finite,
        _ => counts[..=cut].iter().sum(),
    };
    (Edge(edge), rows)
}

/// A double, in the order of its values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Edge(f64);

impl Eq for Edge {}

impl Ord for Edge {
    fn cmp(&self, other: &Edge) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Edge {
    fn partial_cmp(&self, other: &Edge) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Rows up to and with each edge at which that is known.
type RowsBelow = BTreeMap<Edge, u64>;

/// The edges of the grid, but for those inside of a cell of logarithms, and the ends of such cells.
fn known_edges(grid: &NumericGrid, counts: &[u64], log: &LogCells) -> RowsBelow {
    let (edges, wide) = (grid.edges(), grid.wide().by_cell());
    let upto = edges.iter().zip(counts).scan(0, |rows, (edge, own)| {
        *rows += own;
        Some((Edge(*edge), *rows))
    });
    let mut below: RowsBelow = upto.collect();
    let in_wide: u64 = counts.iter().zip(wide).filter(|(_, wide)| *wide).map(|(n, _)| n).sum();
    // Profiles of before did not count logarithms, and rows of other widths had other wide cells.
    if in_wide != log.total() {
        return below;
    }
    let filled = log.stretches();
    for cells in wide_stretches(wide) {
        let (start, end) = (edges[cells.start - 1], edges[cells.end - 1]);
        let inside: Vec<_> =
            filled.iter().filter(|own| own.upper > start && own.lower < end).collect();
        let rows: u64 = counts[cells.clone()].iter().sum();
        // Others may be of another stretch as well.
        if rows != inside.iter().map(|own| own.rows).sum::<u64>() {
            continue;
        }
        let mut rows = below.get(&Edge(start)).copied().unwrap_or(0);
        for own in inside {
            let (lower, upper) = (own.lower.max(start), own.upper.min(end));
            let within: Vec<Edge> =
                below.range(Edge(lower)..Edge(upper)).map(|(edge, _)| *edge).collect();
            within.iter().filter(|edge| edge.0 > lower).for_each(|edge| _ = below.remove(edge));
            below.insert(Edge(lower), rows);
            rows += own.rows;
            below.insert(Edge(upper), rows);
        }
    }
    below
}

/// Finite cells next to each other that are wide.
fn wide_stretches(wide: &BooleanBuffer) -> Vec<Range<usize>> {
    let finite = 1..wide.len() - 1;
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for cell in finite.filter(|cell| wide.value(*cell)) {
        match stretches.last_mut() {
            Some(last) if last.end == cell => last.end += 1,
            _ => stretches.push(cell..cell + 1),
        }
    }
    stretches
}

/// The edges between the least and the greatest value, with guards beyond them.
fn within(mut below: RowsBelow, counts: &[u64], range: Option<(f64, f64)>) -> RowsBelow {
    let (negative, all) = (counts[0], counts.iter().sum::<u64>());
    let finite = all - counts[counts.len() - 1];
    if let Some((min, max)) = range {
        let first = min.next_down();
        below.retain(|edge, _| first <= edge.0 && edge.0 <= max);
        below.extend([(Edge(without_negative_zero(first)), negative), (Edge(max), finite)]);
        let guards = guard_edges(min, max).into_iter().filter(|edge| *edge < f64::INFINITY);
        below.extend(guards.map(|edge| (Edge(edge), if edge < min { negative } else { finite })));
    }
    below.insert(Edge(f64::NEG_INFINITY), negative);
    below.insert(Edge(f64::MAX), finite);
    below
}

/// The cuts between the bins of `psi`: the upper ends of the cells that the deciles lie in, and
/// both ends of each cell that holds a tenth of the rows.
fn cuts(edges: &[f64], counts: &[u64]) -> Vec<f64> {
    let all: u64 = counts.iter().sum();
    let is_heavy = |cell: usize| counts[cell] > 0 && counts[cell] * HEAVY_PARTS >= all;
    let mut cuts = Vec::new();
    let mut below = 0;
    for (cell, rows) in counts.iter().enumerate() {
        let deciles = |rows: u64| rows * 10 / all.max(1);
        if is_heavy(cell) {
            cuts.extend(cell.checked_sub(1).map(|before| edges[before]));
            cuts.extend(edges.get(cell));
        } else if deciles(below + rows) > deciles(below) {
            cuts.extend(edges.get(cell));
        }
        below += rows;
    }
    cuts.sort_unstable_by(f64::total_cmp);
    cuts.dedup();
    // Nothing lies beyond, unless infinities are many.
    let last = counts.len() - 1;
    cuts.retain(|cut| *cut < f64::MAX || is_heavy(last));
    cuts.retain(|cut| *cut > f64::NEG_INFINITY || is_heavy(0));
    cuts
}

#[cfg(test)]
mod tests {
    use super::super::Accumulator;
    use super::super::extremes::Span;
    use super::super::grid_build::SortedReference;
    use super::*;
    use proptest::prelude::*;

    /// What a window of these values leaves, on the grid of a reference.
    fn counted(reference: &[f64], values: &[f64]) -> (NumericGrid, Vec<u64>, LogCells, Extremes) {
        let sorted =
            SortedReference { finite: reference, negative_infinities: 0, positive_infinities: 0 };
        let grid = sorted.grid();
        let (mut counts, mut log) = (vec![0; grid.n_cells()], LogCells::default());
        let mut extremes = Extremes::default();
        for value in values {
            let cell = grid.cell(*value);
            counts[cell] += 1;
            if value.is_finite() {
                extremes.update(Span { min: *value, max: *value, exact: None });
                if grid.wide().by_cell().value(cell) {
                    log.update(&[*value]);
                }
            }
        }
        (grid, counts, log, extremes)
    }

    fn recut(reference: &[f64], values: &[f64]) -> RecutGrid {
        let (grid, counts, log, extremes) = counted(reference, values);
        RecutGrid::new(&grid, &counts, (&log, &extremes), false)
    }

    fn count(grid: &NumericGrid, values: &[f64]) -> Vec<u64> {
        let mut counts = vec![0; grid.n_cells()];
        values.iter().for_each(|value| counts[grid.cell(*value)] += 1);
        counts
    }

    proptest! {
        #![proptest_config(crate::testing::cases(128))]

        /// Whatever a window holds: its values, counted on the new grid, are the counts that were
        /// known of them.
        #[test]
        fn no_row_is_placed_by_guessing(
            mut reference in prop::collection::vec(-50.0..50.0f64, 1..1_500),
            near in prop::collection::vec(-60.0..60.0f64, 0..300),
            far in prop::collection::vec(any::<f64>(), 0..60),
            scale in prop::sample::select(vec![1.0, 0.001, 12.0, 1e6]),
        ) {
            reference.sort_by(f64::total_cmp);
            let far = far.into_iter().filter(|value| !value.is_nan());
            let values = near.iter().map(|value| value * scale).chain(far);
            let values: Vec<f64> = values.map(without_negative_zero).collect();
            let RecutGrid { grid, counts } = recut(&reference, &values);
            prop_assert_eq!(count(&grid, &values), counts);
            let finite = values.iter().copied().filter(|value| value.is_finite());
            let range = finite.clone().reduce(f64::min).zip(finite.reduce(f64::max));
            prop_assert_eq!(grid.range(), range);
            prop_assert_eq!(grid.out_of_range(&count(&grid, &values)),
                values.iter().filter(|value| value.is_infinite()).count() as u64);
        }
    }

    /// A feature that is ten times what it was has ten bins again.
    #[test]
    fn what_moved_far_has_bins_of_its_own() {
        let reference: Vec<f64> = (0..5_000).map(|n| f64::from(n) / 100.0 + 1.0).collect();
        let values: Vec<f64> = reference.iter().map(|value| value * 10.0 + 1_000.0).collect();
        let (grid, counts, ..) = counted(&reference, &values);
        assert_eq!(grid.bins(&counts).iter().filter(|rows| **rows > 0).count(), 1);
        let RecutGrid { grid, counts } = recut(&reference, &values);
        let bins = grid.bins(&counts);
        assert!((9..=11).contains(&bins.len()), "{bins:?}");
        // As even as cells 2 % wide allow.
        assert!(bins[..10].iter().all(|rows| (250..750).contains(rows)), "{bins:?}");
    }

    #[test]
    fn a_value_that_most_rows_have_is_a_bin() {
        let reference: Vec<f64> = (0..100).map(f64::from).collect();
        let values = [vec![7.0; 60], vec![200.0; 30], (0..10).map(f64::from).collect()].concat();
        let RecutGrid { grid, counts } = recut(&reference, &values);
        let bins = grid.bins(&counts);
        assert!(bins.contains(&61) && bins.contains(&30), "{bins:?}");
        assert_eq!(grid.range(), Some((0.0, 200.0)));
    }

    #[test]
    fn infinities_alone_have_a_grid() {
        let values = [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY];
        let RecutGrid { grid, counts } = recut(&[1.0, 2.0], &values);
        assert_eq!((grid.range(), grid.bins(&counts)), (None, vec![1, 0, 2]));
    }
}
