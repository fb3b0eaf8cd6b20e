//! Counts per cell of one numeric grid.
//!
//! A file of few rows fills few of a grid's thousand cells. While that is so only those are held,
//! which is all that distinguishes the two forms: they are equal when their counts are.

use super::finder::Finder;
use super::grid::NumericGrid;
use super::small_counts::SmallCounts;
use super::wide_cells::Found;
use super::{Accumulator, Mismatch, merge_counts, sparse};
use crate::feature::Width;
use arrow_buffer::BooleanBuffer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Ascending values that are passed one by one on the way from an edge to the next; where there are
/// more, they are searched.
const STEPS_PER_EDGE: usize = 16;

/// Only filled cells are held while they are no more than one in so many.
const SPARSE_PARTS: usize = 8;

/// One count per cell of a [`NumericGrid`].
#[derive(Debug, Clone)]
pub struct Cells(Counts);

#[derive(Debug, Clone)]
enum Counts {
    Dense(Vec<u64>),
    /// Cell and count of those that are filled, in the order of the cells.
    Sparse {
        cells: u32,
        filled: Vec<(u32, u64)>,
    },
    /// Those that nothing is added to.
    Small(SmallCounts),
}

/// Values to place on the grid that the counts were made for.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    pub grid: &'a NumericGrid,
    /// That of the grid.
    pub finder: &'a Finder,
    /// No NaN.
    pub values: &'a [f64],
    /// None of them lies outside.
    pub span: (f64, f64),
}

impl Placed<'_> {
    /// Folds each value and its cell.
    #[inline]
    fn fold<A>(self, start: A, f: impl FnMut(A, usize, f64) -> A) -> A {
        self.finder.fold_cells(self.grid.edges(), self.values, self.span, start, f)
    }

    /// Adds the values whose cell is wide.
    pub fn find_wide(&self, found: &mut Found) {
        let wide = self.grid.wide();
        if wide.have_stretches() {
            wide.find(self.values, self.span, found);
            return;
        }
        let by_cell = wide.by_cell();
        self.fold((), |(), cell, value| {
            if by_cell.value(cell) {
                found.push(value);
            }
        });
    }
}

impl Cells {
    pub fn new(grid: &NumericGrid) -> Cells {
        Cells(Counts::Sparse { cells: grid.n_cells() as u32, filled: Vec::new() })
    }

    /// Counts values that ascend, by their edges instead of one by one.
    pub fn of_sorted(edges: &[f64], ascending: &[f64]) -> Cells {
        let mut below = 0;
        let mut count = |upto: usize| (upto - std::mem::replace(&mut below, upto)) as u64;
        // From where the edge before was, a step at a time where there are few values for each.
        let is_long = ascending.len() > STEPS_PER_EDGE * edges.len();
        let mut end = 0;
        let ends = edges.iter().map(|edge| {
            let rest = &ascending[end..];
            end += match is_long {
                true => rest.partition_point(|value| value <= edge),
                false => rest.iter().take_while(|value| *value <= edge).count(),
            };
            end
        });
        let counts = ends.chain([ascending.len()]).map(&mut count).collect();
        Cells(Counts::Dense(counts))
    }

    fn n_cells(&self) -> usize {
        match &self.0 {
            Counts::Dense(counts) => counts.len(),
            Counts::Sparse { cells, .. } => *cells as usize,
            Counts::Small(counts) => counts.len(),
        }
    }

    /// Holds its counts in as few bytes as they take; until more is added to them.
    pub fn rest(&mut self) {
        if let Counts::Dense(counts) = &self.0
            && let Some(small) = SmallCounts::of(counts)
        {
            self.0 = Counts::Small(small);
        }
    }

    /// The count of every cell.
    pub fn counts(&self) -> Cow<'_, [u64]> {
        match &self.0 {
            Counts::Dense(counts) => Cow::Borrowed(counts),
            Counts::Sparse { cells, filled } => Cow::Owned(spread(*cells, filled)),
            Counts::Small(counts) => Cow::Owned(counts.to_counts()),
        }
    }

    /// Cells that are filled, with their counts, in order.
    pub fn filled(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let (all, sparse): (Cow<'_, [u64]>, &[(u32, u64)]) = match &self.0 {
            Counts::Dense(_) | Counts::Small(_) => (self.counts(), &[]),
            Counts::Sparse { filled, .. } => (Cow::Borrowed(&[]), filled),
        };
        let all = (0..all.len()).map(move |cell| (cell, all[cell]));
        all.filter(|(_, count)| *count > 0)
            .chain(sparse.iter().map(|(cell, count)| (*cell as usize, *count)))
    }

    /// Bytes that the counts take in memory.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Counts::Dense(counts) => size_of_val(counts.as_slice()),
            Counts::Sparse { filled, .. } => size_of_val(filled.as_slice()),
            Counts::Small(counts) => counts.bytes(),
        }
    }

    pub fn total(&self) -> u64 {
        match &self.0 {
            Counts::Dense(counts) => counts.iter().sum(),
            Counts::Sparse { filled, .. } => filled.iter().map(|(_, count)| count).sum(),
            Counts::Small(counts) => counts.to_counts().iter().sum(),
        }
    }

    pub fn infinities(&self) -> u64 {
        let last = self.n_cells() - 1;
        let of_ends = |counts: &[u64]| counts[0] + counts[last];
        match &self.0 {
            Counts::Dense(counts) => of_ends(counts),
            Counts::Sparse { filled, .. } => {
                let ends = filled.iter().filter(|(cell, _)| [0, last].contains(&(*cell as usize)));
                ends.map(|(_, count)| count).sum()
            }
            Counts::Small(counts) => of_ends(&counts.to_counts()),
        }
    }

    /// Counts values, and finds those of some cells.
    pub fn update_and_find(
        &mut self,
        placed: Placed<'_>,
        cells: &BooleanBuffer,
        found: &mut Found,
    ) {
        let room = found.room(placed.values.len());
        // Written over by the next unless it stays, as in `wide_cells.rs`.
        let n = self.place(placed, |n: usize, cell, value| {
            room[n] = value;
            n + usize::from(cells.value(cell))
        });
        found.keep(n);
    }

    /// Counts values that stand in several rows each, and hands each over with its cell and rows.
    pub fn update_repeated(
        &mut self,
        placed: Placed<'_>,
        rows: &[u64],
        mut f: impl FnMut(usize, f64, u64),
    ) {
        assert_eq!(self.n_cells(), placed.grid.n_cells(), "cells belong to their grid");
        let mut rows = rows.iter();
        let mut next = || *rows.next().expect("every value has its rows");
        if let Counts::Sparse { cells, filled } = &mut self.0
            && (filled.len() + placed.values.len()) * SPARSE_PARTS <= *cells as usize
        {
            return placed.fold((), |(), cell, value| {
                let rows = next();
                add(filled, cell as u32, rows);
                f(cell, value, rows);
            });
        }
        let counts = self.dense();
        placed.fold((), |(), cell, value| {
            let rows = next();
            counts[cell] += rows;
            f(cell, value, rows);
        });
    }

    /// The counts of all cells, in their order.
    pub(super) fn of_counts(counts: impl Iterator<Item = u64>) -> Cells {
        Cells(Counts::Dense(counts.collect()))
    }

    /// Counts values, and folds them with their cells.
    #[inline]
    fn place<A: Default>(
        &mut self,
        placed: Placed<'_>,
        mut f: impl FnMut(A, usize, f64) -> A,
    ) -> A {
        let Placed { grid, values, .. } = placed;
        assert_eq!(self.n_cells(), grid.n_cells(), "cells belong to their grid");
        if let Counts::Sparse { cells, filled } = &mut self.0
            && (filled.len() + values.len()) * SPARSE_PARTS <= *cells as usize
        {
            filled.reserve(values.len());
            return placed.fold(A::default(), |folded, cell, value| {
                add(filled, cell as u32, 1);
                f(folded, cell, value)
            });
        }
        let counts = &mut self.dense()[..];
        placed.fold(A::default(), |folded, cell, value| {
            counts[cell] += 1;
            f(folded, cell, value)
        })
    }

    /// The counts of all cells, from here on.
    fn dense(&mut self) -> &mut Vec<u64> {
        if let Counts::Sparse { .. } | Counts::Small(_) = &self.0 {
            self.0 = Counts::Dense(self.counts().into_owned());
        }
        match &mut self.0 {
            Counts::Dense(counts) => counts,
            Counts::Sparse { .. } | Counts::Small(_) => unreachable!("it was just spread"),
        }
    }

    pub fn add_infinities(&mut self, negative: u64, positive: u64) {
        let counts = self.dense();
        let last = counts.len() - 1;
        counts[0] += negative;
        counts[last] += positive;
    }

    /// Adds the counts of another grid of the same feature, each cell as if all its values lay at
    /// its upper edge rounded to a float. Exact for atoms; a window needs it only when its files
    /// differ in width.
    pub fn merge_rounded(&mut self, grid: &NumericGrid, other: &Cells, other_grid: &NumericGrid) {
        let last = other.n_cells() - 1;
        let counts = self.dense();
        for (index, count) in other.filled() {
            let upper = if index == last { f64::INFINITY } else { other_grid.edges()[index] };
            counts[grid.cell(Width::F32.round(upper))] += count;
        }
    }
}

fn spread(cells: u32, filled: &[(u32, u64)]) -> Vec<u64> {
    let mut counts = vec![0; cells as usize];
    filled.iter().for_each(|(cell, count)| counts[*cell as usize] = *count);
    counts
}

/// Adds to the count of one cell.
fn add(filled: &mut Vec<(u32, u64)>, cell: u32, count: u64) {
    match filled.binary_search_by_key(&cell, |(cell, _)| *cell) {
        Ok(at) => filled[at].1 += count,
        Err(at) => filled.insert(at, (cell, count)),
    }
}

/// Both, in the order of the cells.
fn union(a: &[(u32, u64)], b: &[(u32, u64)]) -> Vec<(u32, u64)> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(&&(in_a, from_a)), Some(&&(in_b, from_b))) = (a.peek(), b.peek()) {
        all.push(match in_a.cmp(&in_b) {
            Ordering::Less => *a.next().expect("it was peeked at"),
            Ordering::Greater => *b.next().expect("it was peeked at"),
            Ordering::Equal => {
                a.next();
                b.next();
                (in_a, from_a + from_b)
            }
        });
    }
    all.extend(a.chain(b));
    all
}

impl PartialEq for Cells {
    fn eq(&self, other: &Cells) -> bool {
        self.n_cells() == other.n_cells() && self.filled().eq(other.filled())
    }
}

impl Serialize for Cells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Counts::Dense(_) | Counts::Small(_) => sparse::serialize(&self.counts(), serializer),
            Counts::Sparse { cells, filled } => {
                sparse::serialize_filled(*cells, filled, serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cells, D::Error> {
        Ok(Cells(match sparse::deserialize(deserializer)? {
            sparse::Stored::All(counts) => Counts::Dense(counts),
            sparse::Stored::Filled { cells, filled }
                if filled.len() * SPARSE_PARTS > cells as usize =>
            {
                Counts::Dense(spread(cells, &filled))
            }
            sparse::Stored::Filled { cells, filled } => Counts::Sparse { cells, filled },
        }))
    }
}

impl Accumulator for Cells {
    type Input<'a> = Placed<'a>;

    fn update(&mut self, placed: Placed<'_>) {
        self.place(placed, |(), _, _| ());
    }

    fn merge(&mut self, other: &Cells) -> Result<(), Mismatch> {
        if self.n_cells() != other.n_cells() {
            return Err(Mismatch);
        }
        if let Counts::Small(_) = &self.0 {
            self.dense();
        }
        match (&mut self.0, &other.0) {
            (_, Counts::Small(_)) => return merge_counts(self.dense(), &other.counts()),
            (Counts::Dense(into), Counts::Dense(from)) => return merge_counts(into, from),
            (Counts::Dense(into), Counts::Sparse { filled, .. }) => {
                filled.iter().for_each(|(cell, count)| into[*cell as usize] += count);
            }
            (Counts::Sparse { .. }, Counts::Dense(from)) => {
                return merge_counts(self.dense(), from);
            }
            (Counts::Sparse { cells, filled }, Counts::Sparse { filled: from, .. }) => {
                *filled = union(filled, from);
                if filled.len() * SPARSE_PARTS > *cells as usize {
                    self.dense();
                }
            }
            (Counts::Small(_), _) => unreachable!("it was just spread"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::grid_build::SortedReference;
    use super::super::survey::survey;
    use super::*;
    use proptest::prelude::*;

    fn grid(mut reference: Vec<f64>) -> NumericGrid {
        reference.sort_unstable_by(f64::total_cmp);
        let finite = &reference;
        SortedReference { finite, negative_infinities: 0, positive_infinities: 0 }.grid()
    }

    fn placed<'a>(grid: &'a NumericGrid, values: &'a [f64]) -> Placed<'a> {
        Placed {
            grid,
            finder: &Finder::Search,
            values,
            span: survey(values).range.unwrap_or_default(),
        }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        /// Few values or many, the counts are those of one pass.
        #[test]
        fn both_forms_count_alike(
            reference in prop::collection::vec(-100.0..100.0f64, 600..1_500),
            parts in prop::collection::vec(prop::collection::vec(-130.0..130.0f64, 0..120), 1..6),
        ) {
            let grid = grid(reference);
            let mut dense = Cells::new(&grid);
            dense.dense();
            let (mut updated, mut merged) = (Cells::new(&grid), Cells::new(&grid));
            for part in &parts {
                dense.update(placed(&grid, part));
                updated.update(placed(&grid, part));
                let mut own = Cells::new(&grid);
                own.update(placed(&grid, part));
                let bytes = postcard::to_stdvec(&own).unwrap();
                merged.merge(&postcard::from_bytes(&bytes).unwrap()).unwrap();
            }
            prop_assert_eq!(&updated, &dense);
            prop_assert_eq!(&merged, &dense);
            prop_assert_eq!(updated.counts(), dense.counts());
            prop_assert_eq!(updated.total(), dense.total());
            prop_assert_eq!(updated.infinities(), dense.infinities());
        }

        #[test]
        fn sorted_values_count_alike(
            mut reference in prop::collection::vec(-100.0..100.0f64, 1..3_000),
            mut values in prop::collection::vec(-120.0..120.0f64, 0..300),
        ) {
            reference.iter_mut().step_by(2).for_each(|value| *value = value.round() + 0.0);
            let grid = grid(reference);
            values.extend(grid.edges().iter().step_by(7));
            values.sort_unstable_by(f64::total_cmp);
            let mut one_by_one = Cells::new(&grid);
            one_by_one.update(placed(&grid, &values));
            prop_assert_eq!(Cells::of_sorted(grid.edges(), &values), one_by_one);
        }
    }
}
