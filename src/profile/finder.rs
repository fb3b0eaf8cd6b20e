//! Finding the cell of a value: a short table where the reference's distribution allows, a binary
//! search otherwise.
//!
//! A table cuts the line into buckets by a monotone key: the edges in lower buckets are less than
//! the value without a look, and those of its own bucket are compared one by one, always the same
//! few, without a branch to mispredict. The key is linear in the value, or in the bits of the
//! double, which is close to its logarithm and suits long tails.

/// Buckets of a table: 8 KiB of starts, which stay in the first cache beside the edges.
const BUCKETS: usize = 4_096;

const LAST: usize = BUCKETS - 1;

/// From here on doubles are whole numbers: 2^52.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// Edges that may share a bucket; with more, searching is as fast.
const STEPS_MAX: usize = 4;

/// How the values of one grid are found.
#[derive(Debug, Clone)]
pub enum Finder {
    Search,
    Table(Table),
}

/// Where to start among the edges, by bucket.
#[derive(Debug, Clone)]
pub struct Table {
    key: Key,
    /// Edges in lower buckets.
    starts: Vec<u16>,
    /// Edges in any one bucket, at most; the two end buckets take what lies outside the range and
    /// are searched.
    steps: usize,
}

#[derive(Debug, Clone, Copy)]
enum Key {
    Linear { per_unit: f64, offset: f64 },
    Bits { low: u64, shift: u32 },
}

impl Key {
    fn linear((min, max): (f64, f64)) -> Option<Key> {
        // The ends get buckets of their own.
        let per_unit = (BUCKETS - 3) as f64 / (max - min);
        let offset = 1.0 - min * per_unit;
        (per_unit.is_normal() && offset.is_finite()).then_some(Key::Linear { per_unit, offset })
    }

    fn bits((min, max): (f64, f64)) -> Option<Key> {
        let span = ordered_bits(max) - ordered_bits(min);
        let shift = (span / (BUCKETS as u64 - 3) + 1).next_power_of_two().trailing_zeros();
        let low = ordered_bits(min).checked_sub(1 << shift)?;
        Some(Key::Bits { low, shift })
    }

    fn bucket(self, value: f64) -> usize {
        self.buckets(&[value])[0]
    }

    /// Never falls when a value grows.
    #[inline]
    fn buckets<const N: usize>(self, values: &[f64; N]) -> [usize; N] {
        match self {
            Key::Linear { per_unit, offset } => values.map(|value| {
                let place = value * per_unit + offset;
                let place = if place > 0.0 { place } else { 0.0 };
                let place = if place < LAST as f64 { place } else { LAST as f64 };
                // A whole number beside 2^52 stands in the last bits of the sum; a cast would have
                // to ask for NaN and what is out of range, and would not vectorise.
                (place + WHOLE).to_bits() as usize & LAST
            }),
            Key::Bits { low, shift } => values.map(|value| {
                let place = ordered_bits(value).saturating_sub(low) >> shift;
                (place as usize).min(LAST)
            }),
        }
    }
}

/// The bits of a double as an integer of the same order.
fn ordered_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    let sign = (bits as i64 >> 63) as u64;
    bits ^ (sign | 1 << 63)
}

impl Finder {
    /// The fastest for ascending `edges` and values that mostly lie in `range`.
    pub fn new(edges: &[f64], range: Option<(f64, f64)>) -> Finder {
        let Some(range) = range.filter(|_| edges.len() <= usize::from(u16::MAX)) else {
            return Finder::Search;
        };
        let tables = [Key::linear(range), Key::bits(range)].into_iter().flatten();
        // Beyond the last edge lies +∞, which a table must not step to.
        let tables = tables.filter(|key| key.bucket(f64::MAX) == LAST);
        let tables = tables.map(|key| Table::new(edges, key));
        let best = tables.filter(|t| t.steps <= STEPS_MAX).min_by_key(|t| t.steps);
        best.map_or(Finder::Search, Finder::Table)
    }

    /// How many of the ascending `edges` are less than each value.
    #[inline]
    pub fn cells<const N: usize>(&self, edges: &[f64], values: &[f64; N]) -> [usize; N] {
        match self {
            Finder::Search => search(edges, values),
            Finder::Table(table) => table.cells(edges, values),
        }
    }
}

impl Table {
    fn new(edges: &[f64], key: Key) -> Table {
        let mut counts = vec![0u16; BUCKETS];
        edges.iter().for_each(|edge| counts[key.bucket(*edge)] += 1);
        let steps = counts[1..LAST].iter().copied().max().unwrap_or(0).into();
        let starts = counts.iter().scan(0, |before, count| {
            let start = *before;
            *before += count;
            Some(start)
        });
        Table { key, starts: starts.collect(), steps }
    }

    // A call per group would go through memory.
    #[inline(always)]
    fn cells<const N: usize>(&self, edges: &[f64], values: &[f64; N]) -> [usize; N] {
        let buckets = self.key.buckets(values);
        let outside =
            buckets.iter().fold(false, |any, &bucket| any | (bucket == 0) | (bucket == LAST));
        match self.steps {
            _ if outside => search(edges, values),
            0 | 1 => self.walk::<1, N>(edges, values, buckets),
            2 => self.walk::<2, N>(edges, values, buckets),
            3 => self.walk::<3, N>(edges, values, buckets),
            _ => self.walk::<STEPS_MAX, N>(edges, values, buckets),
        }
    }

    /// The number of steps is known when this is compiled, so that a value stays in registers.
    #[inline]
    fn walk<const STEPS: usize, const N: usize>(
        &self,
        edges: &[f64],
        values: &[f64; N],
        buckets: [usize; N],
    ) -> [usize; N] {
        std::array::from_fn(|i| {
            let mut cell = usize::from(self.starts[buckets[i]]);
            for _ in 0..STEPS {
                cell += usize::from(edges[cell] < values[i]);
            }
            cell
        })
    }
}

/// A binary search without branches to mispredict, since neighbouring values of a feature have
/// nothing to do with one another, and in step, so that the memory accesses of one value do not
/// wait for those of another.
fn search<const N: usize>(edges: &[f64], values: &[f64; N]) -> [usize; N] {
    let mut bases = [0; N];
    let mut size = edges.len();
    while size > 1 {
        let half = size / 2;
        for (base, value) in bases.iter_mut().zip(values) {
            let middle = *base + half;
            *base = std::hint::select_unpredictable(edges[middle - 1] < *value, middle, *base);
        }
        size -= half;
    }
    for (base, value) in bases.iter_mut().zip(values) {
        *base += usize::from(edges[*base] < *value);
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::super::grid_build::SortedReference;
    use proptest::prelude::*;

    fn any_double() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>().prop_filter("NaN has no cell", |x| !x.is_nan()),
            -100.0..100.0f64,
            (-50..50i32).prop_map(f64::from),
            (-20.0..20.0f64).prop_map(f64::exp),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whatever the finder, the cell is the number of lesser edges.
        #[test]
        fn every_value_is_found(
            reference in prop::collection::vec(any_double(), 1..1_500),
            values in prop::collection::vec(any_double(), 100),
        ) {
            let mut finite: Vec<f64> =
                reference.iter().copied().filter(|x| x.is_finite()).map(|x| x + 0.0).collect();
            finite.sort_unstable_by(f64::total_cmp);
            let sorted =
                SortedReference { finite: &finite, negative_infinities: 1, positive_infinities: 1 };
            let grid = sorted.grid();
            let near = grid.edges().iter().flat_map(|e| [*e, e.next_up(), e.next_down()]);
            let ends = [f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY];
            for value in values.iter().chain(&finite).copied().chain(near).chain(ends) {
                let value = value + 0.0;
                let expected = grid.edges().iter().filter(|edge| **edge < value).count();
                prop_assert_eq!(grid.cell(value), expected, "{}", value);
            }
        }
    }
}
