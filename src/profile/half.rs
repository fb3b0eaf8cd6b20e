//! A grid for values that came as half floats, made of the grid that they are compared with.
//!
//! Eleven binary digits tell few values apart, and rounding to them moves whatever lies between
//! two of them. So where one side came as halves, the other is counted as if it had, too.

use super::cells::Cells;
use super::grid::NumericGrid;
use crate::feature::Width;
use half::f16;

/// The greatest half that is not above a value, and the next one. Beyond what halves hold, a value
/// stands for itself.
fn neighbours(value: f64) -> (f64, f64) {
    let nearest = f16::from_f64(value);
    if !nearest.is_finite() {
        return (value, value);
    }
    let below = if nearest.to_f64() > value { previous(nearest) } else { nearest };
    (below.to_f64(), next(below).to_f64())
}

fn next(value: f16) -> f16 {
    match value.to_bits() {
        0x8000 => f16::from_bits(1),
        bits if bits < 0x8000 => f16::from_bits(bits + 1),
        bits => f16::from_bits(bits - 1),
    }
}

fn previous(value: f16) -> f16 {
    -next(-value)
}

/// The grid for values that are halves: an edge of `grid` becomes the half below it, an atom the
/// half that it is rounded to.
pub fn half_grid(grid: &NumericGrid) -> NumericGrid {
    let round = |value: f64| Width::F16.round(value) + 0.0;
    let edges = grid.edges();
    let mut rounded: Vec<f64> = edges.to_vec();
    for (place, edge) in edges.iter().enumerate() {
        rounded[place] = match grid.atom(place) {
            Some(value) => round(value),
            None if grid.atom(place + 1).is_some() => round(edge.next_up()).next_down(),
            None if edge.is_finite() && *edge < f64::MAX => neighbours(*edge).0 + 0.0,
            None => *edge,
        };
    }
    let mut cuts: Vec<f64> = grid.cuts().map(|cut| rounded[cut]).collect();
    cuts.sort_unstable_by(f64::total_cmp);
    cuts.dedup();
    let range = grid.range().map(|(min, max)| (round(min), round(max)));
    if let Some((min, max)) = range {
        rounded.extend([min.next_down(), max]);
    }
    rounded.sort_unstable_by(f64::total_cmp);
    rounded.dedup();
    NumericGrid::new(rounded, &cuts, range)
}

/// Counts on `grid` as if every value had come as a half. Exact where each has a cell of its own;
/// inside a cell, values are taken to lie evenly.
pub fn half_cells(half: &NumericGrid, grid: &NumericGrid, cells: &Cells) -> Cells {
    let counts = cells.counts();
    let last = counts.len() - 1;
    let mut upto = Vec::with_capacity(half.n_cells());
    let (mut cell, mut below) = (0, 0);
    for edge in half.edges() {
        let (down, up) = neighbours(*edge);
        // Up to here, values are rounded down.
        let boundary = if edge.is_finite() { down / 2.0 + up / 2.0 } else { *edge };
        while cell < last && grid.edges()[cell] <= boundary {
            below += counts[cell];
            cell += 1;
        }
        let inside = match cell {
            0 => 0.0,
            _ if cell == last || grid.atom(cell).is_some() => 0.0,
            _ => {
                let (lower, upper) = grid.bounds(cell);
                let share = (boundary - lower) / (upper - lower);
                counts[cell] as f64 * if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
            }
        };
        upto.push(below + inside as u64);
    }
    upto.push(cells.total());
    let mut before = 0;
    Cells::of_counts(upto.into_iter().map(|upto| {
        let own = upto.saturating_sub(before);
        before = before.max(upto);
        own
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Accumulator;
    use super::super::cells::Placed;
    use super::super::grid_build::SortedReference;
    use super::super::survey::survey;
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    fn grid(finite: &[f64]) -> NumericGrid {
        SortedReference { finite, negative_infinities: 0, positive_infinities: 0 }.grid()
    }

    fn counted(grid: &NumericGrid, values: &[f64]) -> Cells {
        let mut cells = Cells::new(grid);
        let span = survey(values).range.unwrap();
        cells.update(Placed { grid, finder: &grid.finder(), values, span });
        cells
    }

    /// The greatest difference of the two distributions.
    fn distance(a: &Cells, b: &Cells) -> f64 {
        let (a, b) = (a.counts(), b.counts());
        let (n_a, n_b) = (a.iter().sum::<u64>() as f64, b.iter().sum::<u64>() as f64);
        let (mut sum_a, mut sum_b, mut greatest) = (0, 0, 0.0f64);
        for (a, b) in a.iter().zip(b.iter()) {
            (sum_a, sum_b) = (sum_a + a, sum_b + b);
            greatest = greatest.max((sum_a as f64 / n_a - sum_b as f64 / n_b).abs());
        }
        greatest
    }

    #[test]
    fn rounding_the_counts_is_counting_the_rounded() {
        let mut random = StdRng::seed_from_u64(7);
        let shapes: [fn(f64) -> f64; 5] = [
            |x| x * 4.0 - 2.0,
            |x| 1_000.0 + x,
            |x| (x * 20.0 - 10.0).exp(),
            |x| (x * 7.0).floor() / 10.0,
            |x| x * 1e6 - 5e5,
        ];
        for shape in shapes {
            let mut values: Vec<f64> = (0..40_000).map(|_| shape(random.random())).collect();
            values.sort_unstable_by(f64::total_cmp);
            let native = grid(&values);
            let half = half_grid(&native);
            let rounded: Vec<f64> = values.iter().map(|v| Width::F16.round(*v) + 0.0).collect();
            let (expected, found) =
                (counted(&half, &rounded), half_cells(&half, &native, &counted(&native, &values)));
            assert_eq!(found.total(), expected.total());
            assert!(distance(&found, &expected) < 0.002, "{}", distance(&found, &expected));
        }
    }

    #[test]
    fn atoms_are_rounded_exactly() {
        let values: Vec<f64> = [0.1, 0.2, 0.3, 0.7].repeat(50);
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let native = grid(&sorted);
        let half = half_grid(&native);
        let rounded: Vec<f64> = values.iter().map(|v| Width::F16.round(*v)).collect();
        let found = half_cells(&half, &native, &counted(&native, &values));
        assert_eq!(found, counted(&half, &rounded));
        assert_eq!(half.n_bins(), native.n_bins());
    }
}
