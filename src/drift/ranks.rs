//! Where a value stands among the reference's, as a number that is the same in every unit.
//!
//! The rank of a cell is the share of the reference below it plus half of its own, so that the
//! reference's mean rank is ½ whatever its distribution. M. Fraser's and I. Bross's ridits; on
//! ungrouped values the mean rank of a window is what F. Wilcoxon (1945) tests.

use statrs::function::erf::erfc;

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
        let r = reference.iter().sum::<u64>() as f64;
        let c = current.iter().sum::<u64>() as f64;
        let mut below = 0u64;
        // Σ p·u and Σ p·a, Σ p·(u−½)² and Σ p·a², Σ q·u and Σ q·a, all times the rows. The first is
        // ½ but for rounding, which is the same on both sides.
        let mut sums = [0.0; 6];
        for (&in_reference, &in_current) in reference.iter().zip(current) {
            let u = (below as f64 + in_reference as f64 / 2.0) / r;
            let a = (2.0 * u - 1.0).abs();
            let (p, q) = (in_reference as f64, in_current as f64);
            let middle = u - 0.5;
            let terms = [p * u, p * a, p * middle * middle, p * a * a, q * u, q * a];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            below += in_reference;
        }
        let [rank, distance, ranks, distances, now, now_distance] = sums;
        let mean = distance / r;
        Ranks {
            ranks: RankMoments { mean: 0.5, variance: ranks / r, shift: now / c - rank / r },
            distances: RankMoments {
                mean,
                variance: (distances / r - mean * mean).max(0.0),
                shift: now_distance / c - mean,
            },
        }
    }
}

impl RankMoments {
    /// How far the mean of the other rows lies from the reference's; absent where the reference
    /// has one value only.
    pub fn shift(&self) -> Option<f64> {
        (self.variance > VARIANCE_MIN).then_some(self.shift)
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

    #[test]
    fn a_constant_has_no_ranks_to_shift() {
        assert_eq!(Ranks::new(&[0, 7, 0], &[0, 3, 4]).ranks.shift(), None);
    }
}
