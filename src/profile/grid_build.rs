//! Cutting a numeric grid from the sorted values of a reference.
//!
//! Up to [`ATOMS_MAX`] distinct values each get an atom of their own, and every score on the grid
//! is exact. Beyond, a frequent value is an atom and the rest are cut into cells of at most a
//! thousandth of the rows, which bounds the error of `ks` by a thousandth.

use super::extremes::without_negative_zero;
use super::finder::TableKey;
use super::grid::{GridParts, NumericGrid};
use super::wide_cells::WIDE_BITS;

/// Distinct finite values up to which each is an atom.
pub const ATOMS_MAX: usize = 1_000;

/// A cell holds at most one part in this many of the reference's present rows.
const CELLS_PER_REFERENCE: u64 = 1_000;

/// Cells that one wide cell is cut into, at most, and edges that this may take for a grid.
const NARROWING_PARTS_MAX: u64 = 256;
const NARROWING_EDGES_MAX: usize = 3_000;

/// Steps that finding a value may take for it.
const NARROWING_STEPS: usize = 2;

/// A grid seldom has more edges before wide cells are cut.
const EDGES_USUAL: usize = 2 * ATOMS_MAX + 256;

/// Guard edges on either side; w·2^64 reaches far beyond anything but an error of units.
const GUARDS: i32 = 64;

/// A value with at least one tenth of the present rows is a bin of its own.
pub(super) const HEAVY_PARTS: u64 = 10;

/// The present values of a reference.
#[derive(Debug, Clone, Copy)]
pub struct SortedReference<'a> {
    /// Ascending, −0.0 as 0.0.
    pub finite: &'a [f64],
    pub negative_infinities: u64,
    pub positive_infinities: u64,
}

struct Run {
    value: f64,
    rows: u64,
}

impl SortedReference<'_> {
    pub fn present(&self) -> u64 {
        self.negative_infinities + self.finite.len() as u64 + self.positive_infinities
    }

    /// The value at a rank among all present values, the infinities at the ends.
    fn at(&self, rank: u64) -> f64 {
        match rank.checked_sub(self.negative_infinities) {
            None => f64::NEG_INFINITY,
            Some(rank) => self.finite.get(rank as usize).copied().unwrap_or(f64::INFINITY),
        }
    }

    /// Deciles by linear interpolation (Hyndman and Fan's type 7), with the ranks in integers.
    /// A decile between a finite value and an infinity does not exist.
    fn deciles(&self) -> Vec<f64> {
        let Some(last) = self.present().checked_sub(1) else { return Vec::new() };
        (1..10)
            .map(|d| {
                let (rank, rest) = (d * last / 10, d * last % 10);
                let value = self.at(rank);
                if rest == 0 {
                    value
                } else {
                    value + rest as f64 / 10.0 * (self.at(rank + 1) - value)
                }
            })
            .filter(|decile| decile.is_finite())
            .collect()
    }

    /// Equal values together; as many as there are values, so they are never collected.
    fn runs(&self) -> impl Iterator<Item = Run> + Clone {
        let chunks = self.finite.chunk_by(|a, b| a == b);
        chunks.map(|run| Run { value: run[0], rows: run.len() as u64 })
    }

    /// The grid of these values, with bins that end where they say.
    pub fn grid(&self) -> NumericGrid {
        self.grid_with_cuts(&self.cuts()).into()
    }

    /// The same with bins that end where a user says; without ends, as above.
    pub fn grid_with_bins(&self, own_ends: &[f64]) -> GridParts {
        match own_ends {
            [] => self.grid_with_cuts(&self.cuts()),
            ends => self.grid_with_cuts(ends),
        }
    }

    fn grid_with_cuts(&self, cuts: &[f64]) -> GridParts {
        let present = self.present();
        let mut edges = Vec::with_capacity(EDGES_USUAL);
        edges.push(f64::NEG_INFINITY);
        let range = self.finite.first().copied().zip(self.finite.last().copied());
        let guards = range.map(|(min, max)| guard_edges(min, max)).unwrap_or_default();
        let (below, above): (Vec<f64>, Vec<f64>) =
            guards.into_iter().partition(|edge| range.is_some_and(|(min, _)| *edge < min));
        edges.extend(below.into_iter().rev());
        edges.extend(range.map(|(min, _)| min.next_down()));
        add_cell_edges(&mut edges, self.runs(), present);
        edges.extend(above);
        edges.push(f64::MAX);
        edges.retain(|edge| *edge < f64::INFINITY);
        let mut edges = merged(edges, cuts.to_vec());
        edges.dedup();
        if let Some(range) = range {
            let narrowing = narrowing_edges(&edges, range);
            edges = merged(edges, narrowing);
        }
        GridParts::new(edges, cuts, range)
    }

    /// The cuts between the bins of `psi`: deciles, and both sides of each heavy value.
    fn cuts(&self) -> Vec<f64> {
        let present = self.present();
        let is_heavy = |rows: u64| rows > 0 && rows * HEAVY_PARTS >= present;
        let heavy: Vec<f64> =
            self.runs().filter(|run| is_heavy(run.rows)).map(|run| run.value).collect();
        let mut cuts: Vec<f64> =
            self.deciles().into_iter().filter(|decile| !heavy.contains(decile)).collect();
        for value in heavy {
            cuts.extend([value.next_down(), value]);
        }
        if is_heavy(self.negative_infinities) {
            cuts.push(f64::NEG_INFINITY);
        }
        if is_heavy(self.positive_infinities) {
            cuts.push(f64::MAX);
        }
        // An interpolated decile can be −0.0 too.
        cuts.iter_mut().for_each(|cut| *cut = without_negative_zero(*cut));
        cuts.sort_unstable_by(f64::total_cmp);
        cuts.dedup();
        cuts
    }
}

/// Both, in their order; each mostly ascends already.
fn merged(mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    for own in [&mut a, &mut b].into_iter().filter(|own| !own.is_sorted_by(is_before)) {
        own.sort_unstable_by(f64::total_cmp);
    }
    let mut all = Vec::with_capacity(a.len() + b.len());
    let mut rest = &a[..];
    for edge in b {
        let before = rest.iter().take_while(|own| is_before(own, &edge)).count();
        let (less, others) = rest.split_at(before);
        all.extend_from_slice(less);
        all.push(edge);
        rest = others;
    }
    all.extend_from_slice(rest);
    all
}

fn is_before(a: &f64, b: &f64) -> bool {
    a.total_cmp(b).is_lt()
}

/// Adds the edges of atoms and cells between least and greatest value.
fn add_cell_edges(edges: &mut Vec<f64>, runs: impl Iterator<Item = Run> + Clone, present: u64) {
    let atom = |edges: &mut Vec<f64>, value: f64| edges.extend([value.next_down(), value]);
    if runs.clone().take(ATOMS_MAX + 1).count() <= ATOMS_MAX {
        runs.for_each(|run| atom(edges, run.value));
        return;
    }
    let rows_max = (present / CELLS_PER_REFERENCE).max(1);
    let mut rows_open = 0;
    let mut last = f64::NAN;
    for run in runs {
        let is_atom = run.rows * CELLS_PER_REFERENCE > present;
        if rows_open > 0 && (is_atom || rows_open + run.rows > rows_max) {
            edges.push(last);
            rows_open = 0;
        }
        if is_atom {
            atom(edges, run.value);
        } else {
            rows_open += run.rows;
        }
        last = run.value;
    }
    if rows_open > 0 {
        edges.push(last);
    }
}

/// Edges that cut wide cells between least and greatest value into narrow ones, so that their
/// percentiles are right whatever a window does; but only where finding a value takes no more
/// steps for it. A cell that would have to be cut into very many stays wide.
fn narrowing_edges(edges: &[f64], range: (f64, f64)) -> Vec<f64> {
    let key = TableKey::choose(edges, Some(range));
    let mut room = key.map(|key| key.room(edges, NARROWING_STEPS));
    let first = range.0.next_down();
    let inside = edges.windows(2).filter(|pair| first <= pair[0] && pair[1] <= range.1);
    let one_sign = inside.filter(|pair| (pair[0] > 0.0) == (pair[1] > 0.0) && pair[0] != 0.0);
    let mut cut = Vec::new();
    for pair in one_sign.filter(|pair| pair[0].next_up() < pair[1] && pair[1] != 0.0) {
        let (start, end) = (pair[0].to_bits(), pair[1].to_bits());
        let span = start.abs_diff(end);
        let parts = span.div_ceil(WIDE_BITS);
        if !(2..=NARROWING_PARTS_MAX).contains(&parts) || cut.len() > NARROWING_EDGES_MAX {
            continue;
        }
        let at = |part: u64| {
            let offset = u128::from(span) * u128::from(part) / u128::from(parts);
            let bits = if end > start { start + offset as u64 } else { start - offset as u64 };
            f64::from_bits(bits)
        };
        let own: Vec<f64> = (1..parts).map(at).collect();
        if room.as_mut().is_none_or(|room| room.take(&own)) {
            cut.extend(own);
        }
    }
    cut
}

/// Edges beyond least and greatest value, each twice as far out as the one before.
pub(super) fn guard_edges(min: f64, max: f64) -> Vec<f64> {
    let width = if min < max {
        // Halves first: max − min may exceed the largest double.
        (max / 8.0) - (min / 8.0)
    } else {
        2f64.powi(-10) * max.abs().max(1.0)
    };
    (1..=GUARDS)
        .flat_map(|k| {
            let reach = width * (2f64.powi(k) - 1.0);
            [max + reach, min - reach]
        })
        .filter(|edge| edge.is_finite())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(finite: &[f64]) -> NumericGrid {
        SortedReference { finite, negative_infinities: 0, positive_infinities: 0 }.grid()
    }

    #[test]
    fn a_constant_has_three_bins() {
        let grid = grid(&[5.0; 100]);
        assert_eq!(grid.n_bins(), 3);
        let bin = |value: f64| {
            let mut counts = vec![0; grid.n_cells()];
            counts[grid.cell(value)] = 1;
            grid.bins(&counts)
        };
        assert_eq!([bin(4.0), bin(5.0), bin(6.0)], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
    }

    #[test]
    fn few_distinct_values_are_atoms() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let grid = grid(&values);
        assert!(values.iter().all(|&v| grid.atom(grid.cell(v)) == Some(v)));
    }

    #[test]
    fn many_distinct_values_share_cells_of_a_thousandth() {
        let values: Vec<f64> = (0..10_000).map(f64::from).collect();
        let grid = grid(&values);
        let mut counts = vec![0; grid.n_cells()];
        values.iter().for_each(|&v| counts[grid.cell(v)] += 1);
        assert_eq!(counts.iter().max(), Some(&10));
        let n_filled = counts.iter().filter(|&&n| n > 0).count();
        assert!((1_000..1_500).contains(&n_filled), "{n_filled}");
    }

    #[test]
    fn infinities_and_extremes_do_not_break_the_grid() {
        for finite in [&[][..], &[f64::MAX], &[f64::MIN, f64::MAX], &[-0.0, 0.0], &[5e-324]] {
            let reference =
                SortedReference { finite, negative_infinities: 3, positive_infinities: 2 };
            let grid = reference.grid();
            assert_eq!(grid.cell(f64::NEG_INFINITY), 0);
            assert_eq!(grid.cell(f64::INFINITY), grid.n_cells() - 1);
        }
    }
}
