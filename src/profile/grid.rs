//! The cells of one numeric feature, fixed by the reference.
//!
//! Every boundary is an inclusive upper edge: cell `i` is `(edges[i-1], edges[i]]`. The first edge
//! is −∞ and the last is `f64::MAX`, so that −∞ and +∞ have the first and the last cell of their
//! own. "Below v" is the edge `v.next_down()`, hence the cell that holds exactly one double is an
//! atom. One search places any value.

use super::finder::{Finder, TableKey};
use super::wide_cells::WideCells;
use arrow_buffer::BooleanBuffer;
use pulp::{Arch, Simd, WithSimd, bytemuck};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::Xxh3;

/// The identity of a grid: profiles compare and merge only within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GridId(pub u128);

/// Stands where versions 1 and 2 of the format repeated the grid of a feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repeated;

impl Serialize for Repeated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u128(0)
    }
}

impl<'de> Deserialize<'de> for Repeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Repeated, D::Error> {
        u128::deserialize(deserializer).map(|_| Repeated)
    }
}

/// Upper edges of the cells, and which of them separate the bins of `psi`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "GridParts", into = "GridParts")]
pub struct NumericGrid {
    /// Ascending; −∞ first, `f64::MAX` last.
    edges: Box<[f64]>,
    /// Indexes into `edges`, ascending: a bin ends at each.
    cuts: Box<[u32]>,
    /// Cells of finite reference values; outside them lie the guards.
    range: Option<(f64, f64)>,
    /// How its values are found; chosen when they are first counted.
    key: OnceLock<Option<TableKey>>,
    /// By cell, whether it can hold more than one finite value.
    shared: BooleanBuffer,
    wide: WideCells,
    /// No other grid but copies of this one have it.
    number: u64,
}

/// The parts of a grid that others follow from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GridParts {
    pub edges: Vec<f64>,
    pub cuts: Vec<u32>,
    pub range: Option<(f64, f64)>,
}

impl From<GridParts> for NumericGrid {
    fn from(GridParts { edges, cuts, range }: GridParts) -> NumericGrid {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let is_shared = |cell: usize| {
            (1..edges.len()).contains(&cell) && edges[cell - 1].next_up() < edges[cell]
        };
        let shared = BooleanBuffer::collect_bool(edges.len() + 1, is_shared);
        let wide = WideCells::of(&edges);
        let (edges, cuts, key) = (edges.into(), cuts.into(), OnceLock::new());
        NumericGrid { edges, cuts, range, key, shared, wide, number }
    }
}

impl From<NumericGrid> for GridParts {
    fn from(NumericGrid { edges, cuts, range, .. }: NumericGrid) -> GridParts {
        GridParts { edges: edges.into(), cuts: cuts.into(), range }
    }
}

impl NumericGrid {
    /// `edges` must be ascending from −∞ to `f64::MAX`, and `cuts` values among them.
    pub fn new(edges: Vec<f64>, cuts: &[f64], range: Option<(f64, f64)>) -> NumericGrid {
        GridParts::new(edges, cuts, range).into()
    }
}

impl GridParts {
    /// As [`NumericGrid::new`].
    pub fn new(edges: Vec<f64>, cuts: &[f64], range: Option<(f64, f64)>) -> GridParts {
        assert!(edges.first() == Some(&f64::NEG_INFINITY) && edges.last() == Some(&f64::MAX));
        assert!(edges.is_sorted_by(|a, b| a < b), "edges ascend");
        let index = |cut: &f64| edges.partition_point(|edge| edge < cut) as u32;
        let cuts: Vec<u32> = cuts.iter().map(index).collect();
        assert!(cuts.is_sorted_by(|a, b| a < b), "cuts ascend");
        GridParts { edges, cuts, range }
    }
}

impl NumericGrid {
    /// How many cells there are, the two of the infinities included.
    pub fn n_cells(&self) -> usize {
        self.edges.len() + 1
    }

    pub fn n_bins(&self) -> usize {
        self.cuts.len() + 1
    }

    /// Least and greatest finite reference value.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// The cell of a value that is not NaN.
    pub fn cell(&self, value: f64) -> usize {
        self.edges.partition_point(|edge| *edge < value)
    }

    /// What finds the cells of many values; not kept, since it is larger than all else here.
    pub fn finder(&self) -> Finder {
        let key = self.key.get_or_init(|| TableKey::choose(&self.edges, self.range));
        key.map_or(Finder::Search, |key| Finder::table(key, &self.edges))
    }

    /// What tells it from others.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Lower end, exclusive, and upper end, inclusive, of a finite cell.
    pub fn bounds(&self, cell: usize) -> (f64, f64) {
        (self.edges[cell - 1], self.edges[cell])
    }

    /// The only value that a cell can hold, when there is only one.
    pub fn atom(&self, cell: usize) -> Option<f64> {
        if cell == 0 || cell == self.edges.len() {
            return None;
        }
        let (lower, upper) = self.bounds(cell);
        (lower.next_up() == upper).then_some(upper)
    }

    /// By cell, whether it can hold more than one finite value.
    pub fn shared(&self) -> &BooleanBuffer {
        &self.shared
    }

    /// The cells that are too wide for a percentile inside.
    pub fn wide(&self) -> &WideCells {
        &self.wide
    }

    /// Indexes of the edges that separate the bins.
    pub(super) fn cuts(&self) -> impl Iterator<Item = usize> + '_ {
        self.cuts.iter().map(|&cut| cut as usize)
    }

    /// The values that bins end at, inclusive; the last has no end.
    pub fn bin_ends(&self) -> Vec<f64> {
        self.cuts().map(|cut| self.edges[cut]).collect()
    }

    /// Sums cell counts into the bins of `psi`, in bin order.
    pub fn bins(&self, counts: &[u64]) -> Vec<u64> {
        let ends = self.cuts.iter().map(|&cut| cut as usize + 1).chain([counts.len()]);
        let mut start = 0;
        ends.map(|end| counts[std::mem::replace(&mut start, end)..end].iter().sum()).collect()
    }

    /// The bins of values that are not NaN; there are hardly more than thirty.
    pub fn bins_of(&self, values: &[f64]) -> Vec<u8> {
        Arch::new().dispatch(CountLess { ends: &self.bin_ends(), values })
    }

    /// The bin that a cell is in.
    pub fn bin_of_cell(&self, cell: usize) -> usize {
        self.cuts.partition_point(|cut| (*cut as usize) < cell)
    }

    /// The cells from the reference's least finite value to its greatest.
    pub fn cells_inside(&self) -> Range<usize> {
        let Some((min, max)) = self.range else { return 0..0 };
        let cell = |value: f64| self.edges.partition_point(|edge| *edge < value);
        cell(min.next_down()) + 1..cell(max) + 1
    }

    /// Values outside the reference's least and greatest, infinities included.
    pub fn out_of_range(&self, counts: &[u64]) -> u64 {
        let inside = self.cells_inside();
        counts[..inside.start].iter().chain(&counts[inside.end..]).sum()
    }

    pub fn hash_into(&self, hash: &mut Xxh3) {
        hash_edges(self.edges.iter().copied(), &self.cuts, hash);
    }

    pub(super) fn edges(&self) -> &[f64] {
        &self.edges
    }
}

/// Hashes what tells one grid from another; all bytes together, since a call for each edge takes
/// longer than hashing it.
pub(super) fn hash_edges(edges: impl Iterator<Item = f64>, cuts: &[u32], hash: &mut Xxh3) {
    let mut bytes = Vec::with_capacity(EDGES_USUAL * size_of::<f64>());
    edges.for_each(|edge| bytes.extend_from_slice(&edge.to_bits().to_le_bytes()));
    cuts.iter().for_each(|cut| bytes.extend_from_slice(&cut.to_le_bytes()));
    hash.update(&bytes);
}

/// A grid seldom has more edges.
const EDGES_USUAL: usize = 4_096;

/// How many of some ends are less than each value, in the widest vectors that the machine has.
struct CountLess<'a> {
    ends: &'a [f64],
    values: &'a [f64],
}

impl WithSimd for CountLess<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<u8> {
        let (vectors, rest) = S::as_simd_f64s(self.values);
        let (zero, one) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0));
        let mut counts = Vec::with_capacity(self.values.len());
        for vector in vectors {
            let less = self.ends.iter().fold(zero, |less, end| {
                let is_less = simd.less_than_f64s(simd.splat_f64s(*end), *vector);
                simd.add_f64s(less, simd.select_f64s(is_less, one, zero))
            });
            let less: &[f64] = bytemuck::cast_slice(std::slice::from_ref(&less));
            counts.extend(less.iter().map(|less| *less as u8));
        }
        let less = |value: &f64| self.ends.iter().filter(|end| **end < *value).count() as u8;
        counts.extend(rest.iter().map(less));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> NumericGrid {
        let edges = vec![f64::NEG_INFINITY, 0.0, 1f64.next_down(), 1.0, 4.0, f64::MAX];
        NumericGrid::new(edges, &[1f64.next_down(), 1.0], Some((0.5, 4.0)))
    }

    #[test]
    fn every_value_has_one_cell() {
        let grid = grid();
        for (value, cell) in [
            (f64::NEG_INFINITY, 0),
            (f64::MIN, 1),
            (0.0, 1),
            (f64::MIN_POSITIVE, 2),
            (1.0, 3),
            (1f64.next_up(), 4),
            (4.0, 4),
            (4.1, 5),
            (f64::MAX, 5),
            (f64::INFINITY, 6),
        ] {
            assert_eq!(grid.cell(value), cell, "{value}");
        }
        assert_eq!(grid.n_cells(), 7);
    }

    #[test]
    fn an_atom_is_a_cell_of_one_double() {
        let grid = grid();
        assert_eq!(grid.atom(3), Some(1.0));
        assert!([0, 1, 2, 4, 5, 6].into_iter().all(|cell| grid.atom(cell).is_none()));
    }

    #[test]
    fn values_and_cells_have_the_same_bins() {
        let grid = grid();
        let ends = grid.edges().iter().flat_map(|e| [e.next_down(), *e, e.next_up()]);
        let values: Vec<f64> = ends.filter(|value| !value.is_nan()).collect();
        let bins: Vec<u8> =
            values.iter().map(|value| grid.bin_of_cell(grid.cell(*value)) as u8).collect();
        assert_eq!(grid.bins_of(&values), bins);
        assert!(bins.contains(&0) && bins.contains(&2));
    }

    #[test]
    fn bins_are_sums_of_cells() {
        assert_eq!(grid().bins(&[1, 2, 4, 8, 16, 32, 64]), [7, 8, 112]);
    }
}
