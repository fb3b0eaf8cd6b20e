//! How much rows resemble those next to them, from short stretches of rows in their order.
//!
//! Rows of one request or one minute are alike, so that a window of them tells less than as many
//! rows drawn alone. How much less is seen from how far the means of runs of neighbouring rows lie
//! apart: m·Var(mean of m rows)/Var(row) is 1 for independent rows and grows with m where they are
//! not, up to the design effect. W. G. Cochran, "Sampling Techniques" (1977), section 8.3, has it
//! for systematic samples. What runs are too short for is taken from neighbours: J. von Neumann's
//! ratio (1941) of squared steps from row to row to the variance tells how much one row remembers
//! of the one before. Numbers are taken by their bin of `psi`, as its number and its distance from
//! the middle one; categories as themselves, as far as they are told apart.
//!
//! The sums are whole numbers, so that they are the same in whatever order stretches are merged.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows of a stretch, at most.
const STRETCH: usize = 256;
/// After a stretch, so many of the rows up to there are passed over, one in so many: of few rows
/// most are looked at, of many few.
const PASSED: usize = 2;
/// Rows of the runs whose means are compared, besides whole stretches; each divides the next, and
/// the last the length of every stretch.
const RUNS: [usize; 3] = [8, 32, 64];
const STRETCH_MIN: usize = RUNS[2];
/// Binary digits after the point of a squared sum that is divided by the length of its stretch.
const FRACTION: u32 = 8;
/// Rows are sorted when neighbours change this part of the times that they would by chance.
const SORTED: f64 = 0.005;
/// Fewer runs tell too little of how far they lie apart.
const RUNS_MIN: u64 = 6;

/// Bins or values that are told apart.
const CLASSES: usize = 256;

/// What a row of a number stands for, its bin's number and the distance of that from the middle;
/// a category is itself, in place of both.
const SERIES: usize = 2;

/// Sums over stretches of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOrder {
    sums: Option<Box<Sums>>,
    /// Rows that have come to this accumulator itself …
    #[serde(skip)]
    rows: usize,
    /// … and where the next stretch of them starts.
    #[serde(skip)]
    next: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sums {
    /// Whether the bins have an order.
    are_numbers: bool,
    /// Rows by bin.
    bins: Vec<u64>,
    stretches: u64,
    /// Neighbours in different bins.
    changes: u64,
    /// Σ of squared differences of neighbours, by what a row stands for.
    steps: [u64; SERIES],
    /// Σ over runs of (Σ of a run)², by the length of the run and what a row stands for.
    runs: [[u64; SERIES]; RUNS.len()],
    /// The same of whole stretches, each divided by its length; in steps of 2^−8.
    whole: [u64; SERIES],
}

/// Picks the rows of stretches out of rows that come one by one.
pub struct StretchCollector<'a> {
    order: &'a mut RowOrder,
    stretch: Vec<u8>,
}

impl<'a> StretchCollector<'a> {
    pub fn new(order: &'a mut RowOrder) -> StretchCollector<'a> {
        StretchCollector { order, stretch: Vec::with_capacity(STRETCH) }
    }

    #[inline]
    pub fn push(&mut self, bin: u8) {
        if self.order.rows >= self.order.next {
            self.stretch.push(bin);
            if self.stretch.len() == STRETCH {
                self.finish();
            }
        }
        self.order.rows += 1;
    }

    /// Adds what has been collected.
    pub fn finish(&mut self) {
        if !self.stretch.is_empty() {
            self.order.update_categories(&self.stretch);
            self.order.pass_over();
            self.stretch.clear();
        }
    }
}

impl RowOrder {
    /// The parts of the next `n` rows that are looked at.
    pub fn stretches(&mut self, n: usize) -> Vec<Range<usize>> {
        let first = self.rows;
        self.rows += n;
        let mut stretches = Vec::new();
        while self.next < self.rows {
            let start = self.next - first;
            let length = (n - start).min(STRETCH) / STRETCH_MIN * STRETCH_MIN;
            if length > 0 {
                stretches.push(start..start + length);
            }
            self.pass_over();
        }
        stretches
    }

    fn pass_over(&mut self) {
        self.next += STRETCH + self.next / PASSED;
    }

    /// Adds categories of stretches of the next `n` rows; those without a bin are left out.
    pub fn update_rows(&mut self, n: usize, bin_of_row: impl Fn(usize) -> Option<u8>) {
        for stretch in self.stretches(n) {
            let bins: Vec<u8> = stretch.filter_map(&bin_of_row).collect();
            self.update_categories(&bins);
        }
    }

    /// Adds the bins of neighbouring rows, as far as runs divide them.
    pub fn update_categories(&mut self, bins: &[u8]) {
        let whole = bins.len() / STRETCH_MIN * STRETCH_MIN;
        if whole > 0 {
            let sums = self.sums.get_or_insert_default();
            sums.update(&bins[..whole], |run, rows| [sum_of_squares(run, rows), 0]);
            // A row is in one bin, and then in another: two numbers of one in each bin change.
            sums.steps[0] = 2 * sums.changes;
        }
    }

    /// Adds the bins of the numbers of one stretch, as [`RowOrder::stretches`] gives it.
    pub fn update_numbers(&mut self, stretch: &[u8]) {
        let sums = self.sums.get_or_insert_default();
        sums.are_numbers = true;
        sums.update(stretch, |run, _| {
            let sum: u32 = run.iter().map(|bin| u32::from(*bin)).sum();
            let far: u32 = run.iter().map(|bin| distance(*bin)).sum();
            [sum, far].map(|sum| u64::from(sum).pow(2))
        });
        let [mut near, mut far] = [0u32; SERIES];
        for (bin, next) in stretch.iter().zip(&stretch[1..]) {
            near += u32::from(bin.abs_diff(*next)).pow(2);
            far += distance(*bin).abs_diff(distance(*next)).pow(2);
        }
        sums.steps[0] += u64::from(near);
        sums.steps[1] += u64::from(far);
    }
}

impl Sums {
    /// Adds the squares of the runs of a stretch, by a function of a run and of room for a count of
    /// each bin, all 0.
    #[inline]
    fn update(&mut self, stretch: &[u8], squares: impl Fn(&[u8], &mut [u8]) -> [u64; SERIES]) {
        let room = &mut [0; CLASSES];
        for (length, into) in RUNS.into_iter().zip(&mut self.runs) {
            for run in stretch.chunks_exact(length) {
                let squares = squares(run, room);
                into.iter_mut().zip(squares).for_each(|(into, square)| *into += square);
            }
        }
        let squares = squares(stretch, room);
        for (into, square) in self.whole.iter_mut().zip(squares) {
            *into += (square << FRACTION) / stretch.len() as u64;
        }
        let n_bins = stretch.iter().max().map_or(0, |most| usize::from(*most) + 1);
        self.bins.resize(self.bins.len().max(n_bins), 0);
        self.changes += stretch.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64;
        stretch.iter().for_each(|bin| self.bins[usize::from(*bin)] += 1);
        self.stretches += 1;
    }
}

impl RowOrder {
    /// Adds other stretches.
    pub fn merge(&mut self, other: &RowOrder) {
        let Some(from) = &other.sums else { return };
        let into = self.sums.get_or_insert_default();
        into.bins.resize(into.bins.len().max(from.bins.len()), 0);
        into.bins.iter_mut().zip(&from.bins).for_each(|(into, rows)| *into += rows);
        into.stretches += from.stretches;
        into.changes += from.changes;
        let all = into.runs.iter_mut().zip(&from.runs).flat_map(|(a, b)| a.iter_mut().zip(b));
        let whole = into.whole.iter_mut().zip(&from.whole);
        let steps = into.steps.iter_mut().zip(&from.steps);
        all.chain(whole).chain(steps).for_each(|(into, from)| *into += from);
        into.are_numbers |= from.are_numbers;
    }
}

/// Twice the middle of ten bins, which most numbers have.
const MIDDLE: u32 = 9;

fn distance(bin: u8) -> u32 {
    (2 * u32::from(bin)).abs_diff(MIDDLE)
}

/// Σ over bins of the square of their rows.
fn sum_of_squares(run: &[u8], rows: &mut [u8]) -> u64 {
    let mut sum = 0;
    for bin in run {
        let own = &mut rows[usize::from(*bin)];
        // (n + 1)² − n².
        sum += 2 * u64::from(*own) + 1;
        *own = own.wrapping_add(1);
    }
    run.iter().for_each(|bin| rows[usize::from(*bin)] = 0);
    sum
}

impl RowOrder {
    /// So many rows tell as much as one that was drawn alone, as far as neighbours show: 1 or more.
    /// None without rows to tell, and where all are in one bin, or sorted by it.
    pub fn design_effect(&self) -> Option<f64> {
        let sums = self.sums.as_deref().filter(|sums| !sums.are_sorted())?;
        let series = if sums.are_numbers { 0..SERIES } else { 0..1 };
        let effects = series.filter_map(|series| sums.design_effect(series));
        effects.reduce(f64::max).map(|effect| effect.max(1.0))
    }
}

impl Sums {
    /// Whether somebody has put equal rows together, as in a folder for each value: that tells
    /// nothing of how rows came.
    fn are_sorted(&self) -> bool {
        let rows = self.bins.iter().sum::<u64>() as f64;
        let same: f64 = self.bins.iter().map(|own| (*own as f64 / rows).powi(2)).sum();
        let by_chance = (1.0 - same) * (rows - self.stretches as f64);
        (self.changes as f64) < SORTED * by_chance
    }

    fn design_effect(&self, series: usize) -> Option<f64> {
        let rows = self.bins.iter().sum::<u64>() as f64;
        let (square_of_mean, variance) = self.moments(series, rows);
        if variance <= 0.0 {
            return None;
        }
        // (Σ over runs of the squared sum) / length is what a sum of squares about 0 is to one row.
        let apart =
            |squares: f64, runs: f64| (squares - rows * square_of_mean) / ((runs - 1.0) * variance);
        let pairs = rows - self.stretches as f64;
        let ratio = self.steps[series] as f64 / (pairs * variance);
        let mut most: f64 = of_neighbours(1.0 - ratio / 2.0, rows);
        for (length, squares) in RUNS.into_iter().zip(self.runs) {
            let runs = rows / length as f64;
            if runs >= RUNS_MIN as f64 {
                most = most.max(apart(squares[series] as f64 / length as f64, runs));
            }
        }
        if self.stretches >= RUNS_MIN {
            let squares = self.whole[series] as f64 / f64::from(1 << FRACTION);
            most = most.max(apart(squares, self.stretches as f64));
        }
        Some(most)
    }

    /// The square of the mean, and the variance, of what a row stands for.
    fn moments(&self, series: usize, rows: f64) -> (f64, f64) {
        if !self.are_numbers {
            let same: f64 = self.bins.iter().map(|own| (*own as f64 / rows).powi(2)).sum();
            return (same, 1.0 - same);
        }
        let number = |bin: u8| match series {
            0 => f64::from(bin),
            _ => f64::from(distance(bin)),
        };
        let mean_of = |of: &dyn Fn(u8) -> f64| {
            let bins = (0u8..=u8::MAX).zip(&self.bins);
            bins.map(|(bin, rows)| of(bin) * *rows as f64).sum::<f64>() / rows
        };
        let mean = mean_of(&number);
        (mean * mean, mean_of(&|bin| (number(bin) - mean).powi(2)))
    }
}

/// The design effect of rows each of which depends on the one before it alone, (1+ρ)/(1−ρ), where
/// ρ is more than noise; ρ itself comes out too small by (1+3ρ)/n (M. G. Kendall, 1954).
fn of_neighbours(rho: f64, rows: f64) -> f64 {
    if rho <= 3.0 / rows.sqrt() {
        return 1.0;
    }
    let rho = (rho + (1.0 + 3.0 * rho) / rows).min(0.999);
    (1.0 + rho) / (1.0 - rho)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers from 0 to 1 that look random.
    fn noise(seed: u64) -> impl Iterator<Item = f64> {
        let next = move |i: u64| {
            let bits = (i ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let bits = (bits ^ (bits >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (bits >> 11) as f64 / (1u64 << 53) as f64
        };
        (1u64..).map(next)
    }

    fn effect(rows: &[u8], are_numbers: bool) -> f64 {
        let mut order = RowOrder::default();
        rows.chunks_exact(STRETCH).for_each(|stretch| match are_numbers {
            true => order.update_numbers(stretch),
            false => order.update_categories(stretch),
        });
        order.design_effect().unwrap()
    }

    #[test]
    fn rows_of_one_bin_tell_nothing() {
        let mut order = RowOrder::default();
        order.update_categories(&[1; 256]);
        assert_eq!(order.design_effect(), None);
        // A folder for each value.
        order.update_categories(&[2; 64]);
        assert_eq!(order.design_effect(), None);
        let mixed: Vec<u8> = (0..64).map(|i| i % 2).collect();
        order.update_categories(&mixed);
        assert!(order.design_effect().is_some());
        // Sorted by the number itself.
        let mut order = RowOrder::default();
        (0..10).for_each(|bin| order.update_numbers(&[bin; 256]));
        assert_eq!(order.design_effect(), None);
    }

    #[test]
    fn independent_rows_stand_for_themselves() {
        let rows: Vec<u8> = noise(7).take(65_536).map(|u| (u * 10.0) as u8).collect();
        for are_numbers in [true, false] {
            let effect = effect(&rows, are_numbers);
            assert!((1.0..1.25).contains(&effect), "{effect}");
        }
    }

    /// Requests of 16 rows of one value: 16 rows tell as much as one.
    #[test]
    fn rows_of_one_request_are_one_row() {
        let rows = noise(3).take(4_096).flat_map(|u| [(u * 10.0) as u8; 16]);
        let rows: Vec<u8> = rows.collect();
        for are_numbers in [true, false] {
            let effect = effect(&rows, are_numbers);
            assert!((16.0..40.0).contains(&effect), "{effect}");
        }
    }

    /// AR(1) with 0.9: (1+ρ)/(1−ρ) = 19 for the values themselves, a little less for their bins.
    #[test]
    fn a_series_that_remembers_is_recognised() {
        let mut x: f64 = 0.0;
        let mut uniform = noise(11);
        let rows: Vec<u8> = (0..65_536)
            .map(|_| {
                let normal: f64 = uniform.by_ref().take(12).sum::<f64>() - 6.0;
                x = 0.9 * x + 0.19f64.sqrt() * normal;
                // The normal law's deciles, nearly.
                ((1.0 / (1.0 + (-1.7 * x).exp())) * 10.0) as u8
            })
            .collect();
        let effect = effect(&rows, true);
        assert!((14.0..24.0).contains(&effect), "{effect}");
    }

    proptest! {
        #![proptest_config(crate::testing::cases(64))]

        #[test]
        fn stretches_merge_in_any_order(
            stretches in prop::collection::vec(prop::collection::vec(0..20u8, 64), 1..20),
            at in any::<prop::sample::Index>(),
        ) {
            let of = |stretches: &[Vec<u8>]| {
                let mut order = RowOrder::default();
                stretches.iter().for_each(|stretch| order.update_numbers(stretch));
                order
            };
            let (a, b) = stretches.split_at(at.index(stretches.len()));
            let mut merged = of(b);
            merged.merge(&of(a));
            prop_assert_eq!(merged, of(&stretches));
        }
    }
}
