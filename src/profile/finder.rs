//! Finding the cell of a value: a short table where the reference's distribution allows, a binary
//! search otherwise.
//!
//! A table cuts the reference's range into buckets by a monotone key: the edges in lower buckets
//! are less than the value without a look, and those of its own bucket are compared one by one,
//! always the same few, without a branch to mispredict. The key is linear in the value, or close to
//! its logarithm, which suits long tails.

/// Buckets of a table: 16 KiB of starts, which stay in the first cache beside the edges.
const BUCKETS: usize = 8_192;

const LAST: usize = BUCKETS - 1;

/// From here on doubles are whole numbers, which stand in their last bits: 2^52.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// Edges that may share a bucket; with more, searching is as fast.
const STEPS_MAX: usize = 4;

/// Values that are searched in step.
const GROUP: usize = 8;

/// The key of a table, and how many edges share one of its buckets, at most.
#[derive(Debug, Clone, Copy)]
pub struct TableKey {
    key: Key,
    range: (f64, f64),
    steps: usize,
}

/// How the values of one grid are found.
#[derive(Debug, Clone)]
pub enum Finder {
    Search,
    LookupTable(LookupTable),
}

/// Where to start among the edges, by bucket.
#[derive(Debug, Clone)]
pub struct LookupTable {
    key: Key,
    /// Values that have a bucket.
    range: (f64, f64),
    /// Edges in lower buckets and below the range.
    starts: Box<[u16; BUCKETS]>,
    /// Edges in any one bucket, at most.
    steps: usize,
}

#[derive(Debug, Clone, Copy)]
enum Key {
    Linear(Linear),
    Logarithmic(Logarithmic),
}

/// A number below [`BUCKETS`] that never falls when a value of the range grows.
trait Bucket: Copy {
    fn of(self, value: f64) -> usize;
}

#[derive(Debug, Clone, Copy)]
struct Linear {
    per_unit: f64,
    offset: f64,
}

impl Bucket for Linear {
    #[inline(always)]
    fn of(self, value: f64) -> usize {
        // Beside 2^52 the sum is rounded to a whole number; a cast would have to ask for NaN and
        // what is out of range.
        (value * self.per_unit + self.offset).to_bits() as usize & LAST
    }
}

/// The bits of a positive double as an integer, which are close to its logarithm.
#[derive(Debug, Clone, Copy)]
struct Logarithmic {
    offset: f64,
    low: u64,
    shift: u32,
}

impl Bucket for Logarithmic {
    #[inline(always)]
    fn of(self, value: f64) -> usize {
        let bits = (value + self.offset).to_bits();
        (bits.wrapping_sub(self.low) >> self.shift) as usize & LAST
    }
}

impl Key {
    fn linear((min, max): (f64, f64)) -> Option<Key> {
        let per_unit = (LAST - 1) as f64 / (max - min);
        let offset = WHOLE - min * per_unit;
        let place = |value: f64| value * per_unit + offset;
        let fits = per_unit.is_normal() && WHOLE <= place(min) && place(max) <= WHOLE + LAST as f64;
        fits.then_some(Key::Linear(Linear { per_unit, offset }))
    }

    fn logarithmic((min, max): (f64, f64), offset: f64) -> Option<Key> {
        let (low, high) = (min + offset, max + offset);
        if !(low > 0.0 && high.is_finite()) {
            return None;
        }
        let low = low.to_bits();
        let span = high.to_bits() - low;
        let shift = (span / BUCKETS as u64 + 1).next_power_of_two().trailing_zeros();
        Some(Key::Logarithmic(Logarithmic { offset, low, shift }))
    }

    /// All that may suit edges within their range. Below the knee, which an offset puts at one of
    /// the edges, a logarithm is as good as linear.
    fn candidates(edges: &[f64], range: (f64, f64)) -> impl Iterator<Item = Key> {
        let knees = [100, 10, 2].map(|part| edges.get(edges.len() / part));
        let offsets = knees.into_iter().flatten().map(move |knee| knee - range.0 - range.0);
        let logarithmic = std::iter::once(0.0).chain(offsets);
        let logarithmic = logarithmic.filter_map(move |offset| Key::logarithmic(range, offset));
        Key::linear(range).into_iter().chain(logarithmic)
    }

    fn bucket(self, value: f64) -> usize {
        match self {
            Key::Linear(key) => key.of(value),
            Key::Logarithmic(key) => key.of(value),
        }
    }

    /// The most of the ascending `edges` that share a bucket; none where those are more than
    /// `most`.
    fn steps(self, edges: &[f64], most: usize) -> Option<usize> {
        let (mut steps, mut run, mut last) = (1, 0, usize::MAX);
        for edge in edges {
            let bucket = self.bucket(*edge);
            run = if bucket == last { run + 1 } else { 1 };
            last = bucket;
            steps = steps.max(run);
            if steps > most {
                return None;
            }
        }
        Some(steps)
    }
}

impl TableKey {
    /// The fastest for ascending `edges` and values that mostly lie in `range`; none where
    /// searching is as fast.
    pub fn choose(edges: &[f64], range: Option<(f64, f64)>) -> Option<TableKey> {
        let range = range.filter(|_| edges.len() <= usize::from(u16::MAX))?;
        let first = edges.partition_point(|edge| *edge < range.0);
        let end = edges.partition_point(|edge| *edge <= range.1);
        // Steps must not lead beyond the last edge.
        let mut most = STEPS_MAX.min(edges.len() - end);
        let mut best = None;
        for key in Key::candidates(&edges[first..end], range) {
            if let Some(steps) = key.steps(&edges[first..end], most) {
                most = steps - 1;
                best = Some(TableKey { key, range, steps });
            }
        }
        best
    }

    /// The room for more edges, if no value is to take more than so many steps.
    pub fn room(self, edges: &[f64], steps: usize) -> Room {
        let mut taken = vec![0; BUCKETS];
        let inside = |edge: &&f64| self.range.0 <= **edge && **edge <= self.range.1;
        edges.iter().filter(inside).for_each(|edge| taken[self.key.bucket(*edge)] += 1);
        Room { key: self.key, taken, steps: steps.max(self.steps) }
    }
}

impl Finder {
    /// A table of the edges that the key was chosen for.
    pub fn table(TableKey { key, range, steps }: TableKey, edges: &[f64]) -> Finder {
        let first = edges.partition_point(|edge| *edge < range.0);
        let end = edges.partition_point(|edge| *edge <= range.1);
        let mut starts = Box::new([0u16; BUCKETS]);
        edges[first..end].iter().for_each(|edge| starts[key.bucket(*edge)] += 1);
        let mut before = first as u16;
        starts.iter_mut().for_each(|start| before += std::mem::replace(start, before));
        Finder::LookupTable(LookupTable { key, range, starts, steps })
    }

    /// Folds each value and how many of the ascending `edges` are less. No value is NaN or lies
    /// outside `span`.
    ///
    /// What is folded stays in a register, where what a closure holds on to would not.
    #[inline]
    pub fn fold_cells<A>(
        &self,
        edges: &[f64],
        values: &[f64],
        span: (f64, f64),
        start: A,
        f: impl FnMut(A, usize, f64) -> A,
    ) -> A {
        match self {
            Finder::Search => search_fold(edges, values, start, f),
            Finder::LookupTable(table) => match table.key {
                Key::Linear(key) => table.fold_cells(key, edges, values, span, start, f),
                Key::Logarithmic(key) => table.fold_cells(key, edges, values, span, start, f),
            },
        }
    }
}

/// How many edges each bucket of a table can still take.
pub struct Room {
    key: Key,
    taken: Vec<usize>,
    steps: usize,
}

impl Room {
    /// Takes room for all of these edges, or for none.
    pub fn take(&mut self, edges: &[f64]) -> bool {
        let Room { key, taken, steps } = self;
        edges.iter().for_each(|edge| taken[key.bucket(*edge)] += 1);
        let fits = edges.iter().all(|edge| taken[key.bucket(*edge)] <= *steps);
        if !fits {
            edges.iter().for_each(|edge| taken[key.bucket(*edge)] -= 1);
        }
        fits
    }
}

impl LookupTable {
    #[inline]
    fn fold_cells<A>(
        &self,
        key: impl Bucket,
        edges: &[f64],
        values: &[f64],
        span: (f64, f64),
        start: A,
        f: impl FnMut(A, usize, f64) -> A,
    ) -> A {
        // The number of steps is known when this is compiled, so that a value stays in registers.
        match self.steps {
            1 => self.walk_fold::<1, A>(key, edges, values, span, start, f),
            2 => self.walk_fold::<2, A>(key, edges, values, span, start, f),
            3 => self.walk_fold::<3, A>(key, edges, values, span, start, f),
            _ => self.walk_fold::<STEPS_MAX, A>(key, edges, values, span, start, f),
        }
    }

    #[inline]
    fn walk_fold<const STEPS: usize, A>(
        &self,
        key: impl Bucket,
        edges: &[f64],
        values: &[f64],
        span: (f64, f64),
        start: A,
        mut f: impl FnMut(A, usize, f64) -> A,
    ) -> A {
        let (min, max) = self.range;
        let cell = |value: f64| self.walk::<STEPS>(key, edges, value);
        if min <= span.0 && span.1 <= max {
            return values.iter().fold(start, |folded, value| f(folded, cell(*value), *value));
        }
        values.chunks(GROUP).fold(start, |folded, group| {
            if group.iter().fold(true, |all, value| all & (min <= *value) & (*value <= max)) {
                group.iter().fold(folded, |folded, value| f(folded, cell(*value), *value))
            } else {
                search_fold(edges, group, folded, &mut f)
            }
        })
    }

    #[inline(always)]
    fn walk<const STEPS: usize>(&self, key: impl Bucket, edges: &[f64], value: f64) -> usize {
        let start = usize::from(self.starts[key.of(value)]);
        let own = &edges[start..start + STEPS];
        start + own.iter().map(|edge| usize::from(*edge < value)).sum::<usize>()
    }
}

fn search_fold<A>(
    edges: &[f64],
    values: &[f64],
    start: A,
    mut f: impl FnMut(A, usize, f64) -> A,
) -> A {
    let (groups, rest) = values.as_chunks::<GROUP>();
    let folded = groups.iter().fold(start, |folded, group| {
        let found = search(edges, group).into_iter().zip(group);
        found.fold(folded, |folded, (cell, value)| f(folded, cell, *value))
    });
    rest.iter().fold(folded, |folded, value| f(folded, search(edges, &[*value])[0], *value))
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
    use super::super::survey::survey;
    use super::*;
    use proptest::prelude::*;

    fn any_double() -> impl Strategy<Value = f64> {
        any::<f64>().prop_filter("NaN has no cell", |x| !x.is_nan())
    }

    /// One shape each: by number, with many ties, on both sides of zero or of one sign.
    fn reference() -> impl Strategy<Value = Vec<f64>> {
        let many = 1..1_500;
        prop_oneof![
            prop::collection::vec(any_double(), many.clone()),
            prop::collection::vec(-100.0..100.0f64, many.clone()),
            prop::collection::vec((-50..50i32).prop_map(f64::from), many.clone()),
            prop::collection::vec((0..50i32).prop_map(f64::from), many.clone()),
            prop::collection::vec((-20.0..20.0f64).prop_map(f64::exp), many.clone()),
            prop::collection::vec((-5.0..5.0f64).prop_map(|x| x.powi(9)), many),
        ]
    }

    fn sorted(reference: &[f64]) -> Vec<f64> {
        let finite = reference.iter().copied().filter(|x| x.is_finite());
        let mut finite: Vec<f64> = finite.map(|x| x + 0.0).collect();
        finite.sort_unstable_by(f64::total_cmp);
        finite
    }

    proptest! {
        #![proptest_config(crate::testing::cases(64))]

        /// Whatever the finder, the cell is the number of lesser edges.
        #[test]
        fn every_value_is_found(
            reference in reference(),
            values in prop::collection::vec(any_double(), 100),
        ) {
            let finite = sorted(&reference);
            let sorted =
                SortedReference { finite: &finite, negative_infinities: 1, positive_infinities: 1 };
            let grid = sorted.grid();
            let near = grid.edges().iter().flat_map(|e| [*e, e.next_up(), e.next_down()]);
            let ends = [f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
            let all: Vec<f64> =
                values.iter().chain(&finite).copied().chain(near).chain(ends).collect();
            let expected = |value| grid.edges().partition_point(|edge| *edge < value);
            for &value in &all {
                prop_assert_eq!(grid.cell(value), expected(value), "{}", value);
            }
            // Together too, whether or not some lie outside the reference.
            for values in [&all, &finite] {
                let span = survey(values).range.unwrap_or_default();
                let add = |mut found: Vec<_>, cell, value| {
                    found.push((cell, value));
                    found
                };
                let found = grid.finder().fold_cells(grid.edges(), values, span, Vec::new(), add);
                let expected: Vec<_> = values.iter().map(|v| (expected(*v), *v)).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_table_suits_the_usual_shapes() {
        let finder = |shape: fn(f64) -> f64| {
            let reference: Vec<f64> = (1..10_000).map(|i| shape(f64::from(i) / 1e4)).collect();
            let finite = &sorted(&reference)[..];
            let grid = SortedReference { finite, negative_infinities: 0, positive_infinities: 0 };
            let grid = grid.grid();
            TableKey::choose(grid.edges(), grid.range())
        };
        let key = |found: Option<TableKey>| found.map(|own| own.key);
        assert!(matches!(key(finder(|x| x - 0.5)), Some(Key::Linear(_))));
        assert!(matches!(key(finder(|x| (20.0 * x).exp())), Some(Key::Logarithmic(_))));
        assert!(matches!(key(finder(|x| (20.0 * x).exp() - 1.5)), Some(Key::Logarithmic(_))));
        assert!(key(finder(|x| if x < 0.5 { x * 1e-6 } else { x * 1e6 })).is_none());
    }
}
