//! Counts per cell of one numeric grid.

use super::grid::NumericGrid;
use super::{Accumulator, Mismatch, merge_counts, sparse};
use serde::{Deserialize, Serialize};

/// Values that are searched in step.
const GROUP: usize = 8;

/// One count per cell of a [`NumericGrid`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells(#[serde(with = "sparse")] Vec<u64>);

impl Cells {
    pub fn new(grid: &NumericGrid) -> Cells {
        Cells(vec![0; grid.n_cells()])
    }

    /// Counts values that ascend, by their edges instead of one by one.
    pub fn of_sorted(grid: &NumericGrid, ascending: &[f64]) -> Cells {
        let mut below = 0;
        let mut count = |upto: usize| (upto - std::mem::replace(&mut below, upto)) as u64;
        let edges = grid.edges().iter();
        let ends = edges.map(|edge| ascending.partition_point(|value| value <= edge));
        let counts = ends.chain([ascending.len()]).map(&mut count).collect();
        Cells(counts)
    }

    pub fn counts(&self) -> &[u64] {
        &self.0
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub fn infinities(&self) -> u64 {
        self.0[0] + self.0[self.0.len() - 1]
    }

    /// Counts values that are not NaN, and hands over those whose cell can hold others as well.
    pub fn update_and(&mut self, grid: &NumericGrid, values: &[f64], mut shared: impl FnMut(f64)) {
        self.place(grid, values, |cells, values| {
            // Where every value has a cell of its own, a group has none to hand over.
            if cells.iter().fold(false, |any, cell| any | grid.is_shared(*cell)) {
                let placed = cells.iter().zip(values);
                placed.filter(|(cell, _)| grid.is_shared(**cell)).for_each(|(_, v)| shared(*v));
            }
        });
    }

    #[inline]
    fn place(
        &mut self,
        grid: &NumericGrid,
        values: &[f64],
        mut placed: impl FnMut(&[usize], &[f64]),
    ) {
        assert_eq!(self.0.len(), grid.n_cells(), "cells belong to their grid");
        let (groups, rest) = values.as_chunks::<GROUP>();
        for group in groups {
            let cells = grid.cells(group);
            cells.iter().for_each(|cell| self.0[*cell] += 1);
            placed(&cells, group);
        }
        for value in rest {
            let cell = grid.cell(*value);
            self.0[cell] += 1;
            placed(&[cell], &[*value]);
        }
    }

    pub fn add_infinities(&mut self, negative: u64, positive: u64) {
        let last = self.0.len() - 1;
        self.0[0] += negative;
        self.0[last] += positive;
    }

    /// Adds the counts of another grid of the same feature, each cell as if all its values lay at
    /// its upper edge. Exact for atoms; a window needs it only when its files differ in width.
    pub fn merge_rounded(&mut self, grid: &NumericGrid, other: &Cells, other_grid: &NumericGrid) {
        let last = other.0.len() - 1;
        for (index, &count) in other.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let upper = if index == last { f64::INFINITY } else { other_grid.edges()[index] };
            self.0[grid.cell(narrow(upper))] += count;
        }
    }
}

impl Accumulator for Cells {
    /// Values that are not NaN, placed on the grid that the counts were made for.
    type Input<'a> = (&'a NumericGrid, &'a [f64]);

    fn update(&mut self, (grid, values): (&NumericGrid, &[f64])) {
        self.place(grid, values, |_, _| ());
    }

    fn merge(&mut self, other: &Cells) -> Result<(), Mismatch> {
        merge_counts(&mut self.0, &other.0)
    }
}

/// Rounds to single precision. A finite value beyond its range stays what it is: it is far out,
/// not infinite.
pub fn narrow(value: f64) -> f64 {
    let rounded = f64::from(value as f32);
    if rounded.is_infinite() { value } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::super::grid_build::SortedReference;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorted_values_count_alike(
            mut reference in prop::collection::vec(-100.0..100.0f64, 1..3_000),
            mut values in prop::collection::vec(-120.0..120.0f64, 0..300),
        ) {
            reference.iter_mut().step_by(2).for_each(|value| *value = value.round() + 0.0);
            reference.sort_unstable_by(f64::total_cmp);
            let sorted = SortedReference {
                finite: &reference,
                negative_infinities: 0,
                positive_infinities: 0,
            };
            let grid = sorted.grid();
            values.extend(grid.edges().iter().step_by(7));
            values.sort_unstable_by(f64::total_cmp);
            let mut one_by_one = Cells::new(&grid);
            one_by_one.update((&grid, &values));
            prop_assert_eq!(Cells::of_sorted(&grid, &values), one_by_one);
        }
    }
}
