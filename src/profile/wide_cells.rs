//! The cells of a grid that are too wide to find a percentile in: its values are counted by their
//! logarithm as well.
//!
//! They lie around zero, beyond the reference's values, and in its tails; a grid is cut so that few
//! values of the reference are in one.

use arrow_buffer::BooleanBuffer;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// A cell is wide when its values differ by more than this, in parts of the least.
const WIDE: f64 = 0.02;

/// The same as a difference of the bits of two doubles of one sign: at least as narrow.
pub const WIDE_BITS: u64 = (WIDE * (1u64 << 52) as f64) as u64;

/// Stretches of values that are looked for in every block; with more, the cell of every value is
/// asked instead.
const STRETCHES_MAX: usize = 3;

/// Which cells of a grid are wide.
#[derive(Debug, Clone)]
pub struct WideCells {
    by_cell: BooleanBuffer,
    /// Lower end, exclusive, and upper end, inclusive; none when there are many.
    stretches: Option<Vec<(f64, f64)>>,
}

impl WideCells {
    /// Of the cells between ascending edges.
    pub fn of(edges: &[f64]) -> WideCells {
        let is_wide = |pair: &[f64]| {
            let (lower, upper) = (pair[0].next_up(), pair[1]);
            let is_across = lower < 0.0 && upper >= 0.0;
            let least = lower.abs().min(upper.abs());
            lower < upper && (is_across || upper - lower > least * WIDE)
        };
        let mut cells: Vec<bool> = edges.windows(2).map(is_wide).collect();
        let stretches = join(&mut cells, edges);
        let by_cell = BooleanBuffer::collect_bool(edges.len() + 1, |cell| {
            (1..edges.len()).contains(&cell) && cells[cell - 1]
        });
        let ends = |stretch: Range<usize>| (edges[stretch.start], edges[stretch.end]);
        let stretches = stretches.map(|own| own.into_iter().map(ends).collect());
        WideCells { by_cell, stretches }
    }

    /// By cell, the two of the infinities included.
    pub fn by_cell(&self) -> &BooleanBuffer {
        &self.by_cell
    }

    /// Whether values in wide cells are found without asking for the cell of each.
    pub fn have_stretches(&self) -> bool {
        self.stretches.is_some()
    }

    /// Adds the values that lie in wide cells. None is NaN or outside `span`.
    pub fn find(&self, values: &[f64], (min, max): (f64, f64), found: &mut Found) {
        let all = self.stretches.iter().flatten();
        for &stretch in all.filter(|(lower, upper)| min <= *upper && *lower < max) {
            Arch::new().dispatch(FindInside { values, stretch, found });
        }
    }
}

/// Values that were found in wide cells; kept by whoever looks at many blocks, so that its memory
/// is cleared once.
#[derive(Debug, Default)]
pub struct Found {
    values: Vec<f64>,
    n: usize,
}

impl Found {
    pub fn clear(&mut self) {
        self.n = 0;
    }

    pub fn push(&mut self, value: f64) {
        self.make_room(1);
        self.values[self.n] = value;
        self.n += 1;
    }

    pub fn values(&self) -> &[f64] {
        &self.values[..self.n]
    }

    /// Room for so many values, whatever is in it.
    pub fn room(&mut self, n: usize) -> &mut [f64] {
        self.clear();
        self.make_room(n);
        &mut self.values[..n]
    }

    /// Takes so many of the values in the room as found.
    pub fn keep(&mut self, n: usize) {
        self.n = n;
    }

    fn make_room(&mut self, more: usize) {
        if self.values.len() < self.n + more {
            self.values.resize(self.n + more, 0.0);
        }
    }
}

/// Looks for values inside of a stretch, in the widest vectors that the machine has.
struct FindInside<'a> {
    values: &'a [f64],
    stretch: (f64, f64),
    found: &'a mut Found,
}

/// Vectors that are compared together.
const GROUP: usize = 2;

impl WithSimd for FindInside<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let FindInside { values, stretch: (lower, upper), found } = self;
        found.make_room(values.len());
        // Written over by the next unless it stays: cheaper than a branch that nobody can predict.
        let mut take = |values: &[f64]| {
            for &value in values {
                found.values[found.n] = value;
                found.n += usize::from((lower < value) & (value <= upper));
            }
        };
        let (low, high) = (simd.splat_f64s(lower), simd.splat_f64s(upper));
        let inside = |vector: S::f64s| {
            let above = simd.less_than_f64s(low, vector);
            simd.and_m64s(above, simd.less_than_or_equal_f64s(vector, high))
        };
        let (vectors, _) = S::as_simd_f64s(values);
        let (groups, _) = vectors.as_chunks::<GROUP>();
        let (own, rest) = values.split_at(groups.len() * GROUP * S::F64_LANES);
        for (group, values) in groups.iter().zip(own.chunks_exact(GROUP * S::F64_LANES)) {
            let [a, b] = group.map(inside);
            if simd.first_true_m64s(simd.or_m64s(a, b)) < S::F64_LANES {
                take(values);
            }
        }
        take(rest);
    }
}

/// Takes few narrow cells for wide ones, too, so that the wide ones lie in few stretches; but no
/// cell of one value, which may hold most of them. None when there are many all the same.
fn join(wide: &mut [bool], edges: &[f64]) -> Option<Vec<Range<usize>>> {
    let mut gaps: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for run in wide.chunk_by(|a, b| a == b) {
        let end = start + run.len();
        if !run[0] && start > 0 && end < wide.len() {
            gaps.push(start..end);
        }
        start = end;
    }
    let is_atom = |cell: usize| edges[cell].next_up() == edges[cell + 1];
    gaps.sort_by_cached_key(|gap| (gap.clone().any(is_atom), gap.len()));
    let n_joined = (gaps.len() + 1).saturating_sub(STRETCHES_MAX);
    let joined = &gaps[..n_joined];
    if joined.last().is_some_and(|gap| gap.clone().any(is_atom)) {
        return None;
    }
    joined.iter().for_each(|gap| wide[gap.clone()].fill(true));
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for cell in (0..wide.len()).filter(|cell| wide[*cell]) {
        match stretches.last_mut() {
            Some(last) if last.end == cell => last.end = cell + 1,
            _ => stretches.push(cell..cell + 1),
        }
    }
    Some(stretches)
}

#[cfg(test)]
mod tests {
    use super::super::grid_build::SortedReference;
    use super::Found;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::testing::cases(128))]

        /// Found by stretches or by cells, they are the same.
        #[test]
        fn stretches_are_wide_cells(
            mut reference in prop::collection::vec(-5.0..50.0f64, 1_100..2_000),
            values in prop::collection::vec(prop_oneof![-60.0..60.0f64, -0.1..0.1f64], 100),
        ) {
            reference.sort_unstable_by(f64::total_cmp);
            let finite = &reference;
            let grid =
                SortedReference { finite, negative_infinities: 0, positive_infinities: 0 }.grid();
            let wide = grid.wide();
            let is_wide = |value: &f64| wide.by_cell().value(grid.cell(*value));
            let mut expected: Vec<f64> = values.iter().copied().filter(is_wide).collect();
            let mut found = Found::default();
            wide.find(&values, (-60.0, 60.0), &mut found);
            let mut found = found.values().to_vec();
            expected.sort_unstable_by(f64::total_cmp);
            found.sort_unstable_by(f64::total_cmp);
            prop_assert!(!wide.have_stretches() || found == expected);
        }
    }

    #[test]
    fn few_values_of_the_usual_shapes_are_in_wide_cells() {
        let shapes: [fn(f64) -> f64; 4] =
            [|x| x, |x| (x / (1.0 - x)).ln(), |x| -(1.0 - x).ln(), |x| 100.0 + 30.0 * x];
        for (number, shape) in shapes.into_iter().enumerate() {
            let values: Vec<f64> = (1..100_000).map(|i| shape(f64::from(i) / 1e5)).collect();
            let finite = &values;
            let grid =
                SortedReference { finite, negative_infinities: 0, positive_infinities: 0 }.grid();
            let wide = grid.wide();
            assert!(wide.have_stretches(), "{number}");
            let n = values.iter().filter(|value| wide.by_cell().value(grid.cell(**value))).count();
            assert!(n < values.len() / 8, "{n} of shape {number}");
        }
    }
}
