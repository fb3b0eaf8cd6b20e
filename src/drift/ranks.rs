//! Where a value stands among the reference's, as a number that is the same in every unit.
//!
//! The rank of a cell is the share of the reference below it plus half of its own, so that the
//! reference's mean rank is ½ whatever its distribution. M. Fraser's and I. Bross's ridits; on
//! ungrouped values the mean rank of a window is what F. Wilcoxon (1945) tests.

use statrs::function::erf::erfc;

/// A number per cell, with the reference's mean and variance.
#[derive(Debug, Clone)]
pub struct CellScores {
    pub by_cell: Vec<f64>,
    pub mean: f64,
    pub variance: f64,
}

impl CellScores {
    /// Ranks in [0, 1], of counts of which one at least is not 0.
    pub fn ranks(reference: &[u64]) -> CellScores {
        let all = reference.iter().sum::<u64>() as f64;
        let mut below = 0u64;
        let rank = |&count: &u64| {
            let middle = below as f64 + count as f64 / 2.0;
            below += count;
            middle / all
        };
        let by_cell: Vec<f64> = reference.iter().map(rank).collect();
        CellScores::new(reference, by_cell)
    }

    /// Distances of ranks from the middle, in [0, 1].
    pub fn distances(reference: &[u64]) -> CellScores {
        let ranks = CellScores::ranks(reference).by_cell;
        CellScores::new(reference, ranks.into_iter().map(|u| (2.0 * u - 1.0).abs()).collect())
    }

    fn new(reference: &[u64], by_cell: Vec<f64>) -> CellScores {
        let mean = mean(reference, &by_cell);
        let squares: Vec<f64> = by_cell.iter().map(|score| (score - mean).powi(2)).collect();
        let variance = self::mean(reference, &squares);
        CellScores { by_cell, mean, variance }
    }

    /// How far the mean of other counts lies from the reference's; absent where the reference has
    /// one value only.
    pub fn shift(&self, current: &[u64]) -> Option<f64> {
        (self.variance > VARIANCE_MIN).then(|| mean(current, &self.by_cell) - self.mean)
    }

    /// The two-sided p-value of a shift, by the normal law, at so many effective rows RC/(R+C).
    pub fn p_value(&self, shift: f64, effective_rows: f64) -> f64 {
        let z = shift.abs() * (effective_rows / self.variance).sqrt();
        erfc(z / std::f64::consts::SQRT_2)
    }
}

/// Below, a reference counts as constant.
const VARIANCE_MIN: f64 = 1e-9;

fn mean(counts: &[u64], by_cell: &[f64]) -> f64 {
    let (mut sum, mut rows) = (0.0, 0u64);
    for (count, score) in counts.iter().zip(by_cell).filter(|(count, _)| **count > 0) {
        sum += *count as f64 * score;
        rows += count;
    }
    sum / rows as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four values with 400, 300, 200 and 100 rows; a window of 30, 30, 25 and 15.
    #[test]
    fn ranks_are_shares_below() {
        let (reference, current) = ([400, 300, 200, 100], [30, 30, 25, 15]);
        let ranks = CellScores::ranks(&reference);
        assert_eq!(ranks.by_cell, [0.2, 0.55, 0.8, 0.95]);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-8, "{a} is not {b}");
        close(ranks.mean, 0.5);
        close(ranks.variance, 0.075);
        close(ranks.shift(&current).unwrap(), 0.0675);
        let n = 1_000.0 * 100.0 / 1_100.0;
        close(ranks.p_value(0.0675, n), 0.01877097);
        let distances = CellScores::distances(&reference);
        close(distances.mean, 0.48);
        close(distances.variance, 0.0696);
        let shift = distances.shift(&current).unwrap();
        close(shift.abs(), 0.015);
        close(distances.p_value(shift, n), 0.58774026);
    }

    #[test]
    fn a_constant_has_no_ranks_to_shift() {
        assert_eq!(CellScores::ranks(&[0, 7, 0]).shift(&[0, 3, 4]), None);
    }
}
