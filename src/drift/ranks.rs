//! Where a value stands among the reference's, as a number that is the same in every unit.
//!
//! The rank of a cell is the share of the reference below it plus half of its own, so that the
//! reference's mean rank is ½ whatever its distribution. M. Fraser's and I. Bross's ridits; on
//! ungrouped values the mean rank of a window is what F. Wilcoxon (1945) tests.

use statrs::function::erf::erfc;
use std::f64::consts::FRAC_2_PI;

/// A number per row, by its cell: its mean and variance over the reference, and how far the mean
/// of other rows lies from the reference's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankMoments {
    pub mean: f64,
    pub variance: f64,
    shift: f64,
}

/// Ranks in [0, 1], and their distances from the middle, in [0, 1] as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranks {
    pub ranks: RankMoments,
    pub distances: RankMoments,
}

/// Below, a reference counts as constant.
const VARIANCE_MIN: f64 = 1e-9;

impl Ranks {
    /// Of counts by cell, of which at least one is not 0 on either side.
    pub fn new(reference: &[u64], current: &[u64]) -> Ranks {
        let (r, c) = (reference.iter().sum::<u64>(), current.iter().sum::<u64>());
        let sums = match r.max(c) <= EXACT_ROWS {
            true => exact_sums(reference, current, r).map(|sum| sum as f64),
            false => sums(reference, current, r as f64),
        };
        let (r, c) = (r as f64, c as f64);
        let [squares, sizes, now, now_sizes] = sums;
        let (mean, squares) = (sizes / (r * r), squares / (r * r * r));
        Ranks {
            ranks: RankMoments { mean: 0.5, variance: squares / 4.0, shift: now / (2.0 * r * c) },
            distances: RankMoments {
                mean,
                variance: (squares - mean * mean).max(0.0),
                shift: now_sizes / (r * c) - mean,
            },
        }
    }
}

/// So many rows on either side, and no sum of [`exact_sums`] is beyond 2^63.
const EXACT_ROWS: u64 = 1 << 20;

/// Σ p·x², Σ p·|x|, Σ q·x and Σ q·|x|, where x is a cell's rank less ½, times 2R: a whole number,
/// which adds up to 0 over the reference.
fn exact_sums(reference: &[u64], current: &[u64], r: u64) -> [i64; 4] {
    let mut sums = [0; 4];
    let mut below = -(r as i64);
    for (&p, &q) in reference.iter().zip(current) {
        let (p, q) = (p as i64, q as i64);
        let x = below + p;
        let (of_reference, of_current) = (p * x, q * x);
        let terms = [of_reference * x, of_reference.abs(), of_current, of_current.abs()];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        below = x + p;
    }
    sums
}

/// The same of more rows.
fn sums(reference: &[u64], current: &[u64], r: f64) -> [f64; 4] {
    let mut sums = [0.0; 4];
    let mut below = 0u64;
    for (&in_reference, &in_current) in reference.iter().zip(current) {
        let x = (2 * below + in_reference) as f64 - r;
        let (p, q) = (in_reference as f64, in_current as f64);
        let terms = [p * x * x, p * x.abs(), q * x, q * x.abs()];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        below += in_reference;
    }
    sums
}

impl RankMoments {
    /// How far the mean of the other rows lies from the reference's; absent where the reference
    /// has one value only.
    pub fn shift(&self) -> Option<f64> {
        (self.variance > VARIANCE_MIN).then_some(self.shift)
    }

    /// The mean distance of other rows' mean from the reference's by chance alone, of a normal law.
    pub fn noise(&self, effective_rows: f64) -> Option<f64> {
        self.shift()?;
        Some((FRAC_2_PI * self.variance / effective_rows).sqrt())
    }

    /// The two-sided p-value of a shift, by the normal law, at so many effective rows RC/(R+C).
    pub fn p_value(&self, shift: f64, effective_rows: f64) -> f64 {
        let z = shift.abs() * (effective_rows / self.variance).sqrt();
        erfc(z / std::f64::consts::SQRT_2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four values with 400, 300, 200 and 100 rows; a window of 30, 30, 25 and 15. Their ranks are
    /// 0.2, 0.55, 0.8 and 0.95.
    #[test]
    fn ranks_are_shares_below() {
        let Ranks { ranks, distances } = Ranks::new(&[400, 300, 200, 100], &[30, 30, 25, 15]);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-8, "{a} is not {b}");
        close(ranks.variance, 0.075);
        close(ranks.shift().unwrap(), 0.0675);
        let n = 1_000.0 * 100.0 / 1_100.0;
        close(ranks.p_value(0.0675, n), 0.01877097);
        close(distances.mean, 0.48);
        close(distances.variance, 0.0696);
        let shift = distances.shift().unwrap();
        close(shift.abs(), 0.015);
        close(distances.p_value(shift, n), 0.58774026);
    }

    /// At the most rows that are added exactly, in the cells that make the sums greatest.
    #[test]
    fn sums_are_the_same_of_few_and_many_rows() {
        let half = EXACT_ROWS / 2;
        for (reference, current) in [
            ([half, half], [0, EXACT_ROWS]),
            ([1, EXACT_ROWS - 1], [EXACT_ROWS, 0]),
            ([EXACT_ROWS, 0], [7, 5]),
        ] {
            let r = reference.iter().sum::<u64>();
            let exact = exact_sums(&reference, &current, r).map(|sum| sum as f64);
            for (exact, sum) in exact.iter().zip(sums(&reference, &current, r as f64)) {
                assert!((exact - sum).abs() <= 1e-12 * sum.abs(), "{exact} is not {sum}");
            }
        }
    }

    #[test]
    fn a_constant_has_no_ranks_to_shift() {
        assert_eq!(Ranks::new(&[0, 7, 0], &[0, 3, 4]).ranks.shift(), None);
    }
}
