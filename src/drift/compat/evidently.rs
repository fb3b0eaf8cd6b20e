//! Evidently's scores, of version 0.7: `psi:evidently`, `js:evidently` and `wasserstein:evidently`.
//!
//! A number of more than 20 reference values has Sturges' number of equal bins over the range of
//! both sides together; of fewer, and of categories, each value is a bin. An empty bin counts as
//! 0.0001 for psi, or as a millionth of the least share that is not 0 where that is 0.0001 or less;
//! Jensen and Shannon's is the root, in nats, so that it ends at 0.8326. NaN and infinities are
//! left out. The definitions are those of
//! `stattests/{psi,utils,jensenshannon,wasserstein_distance_norm}`.

use super::category_rows::CategoryRows;
use super::divergences::{jensen_shannon, psi};
use super::equal_bins::{EqualBins, joint_range, sturges};
use crate::drift::threshold::Threshold;
use crate::drift::{About, ByDefault, Comparison, Measure, Score, wasserstein};

pub struct EvidentlyPsi;

impl Measure for EvidentlyPsi {
    fn about(&self) -> &'static About {
        &About {
            name: "psi:evidently",
            threshold: Threshold::Score { learned: 0.1, first: 0.1 },
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (before, now): (Vec<f64>, Vec<f64>) = shares(comparison)?.into_iter().unzip();
        let filled: Vec<_> = without_zeros(&before).zip(without_zeros(&now)).collect();
        Some(psi(&filled).into())
    }
}

pub struct EvidentlyJs;

impl Measure for EvidentlyJs {
    fn about(&self) -> &'static About {
        &About {
            name: "js:evidently",
            threshold: Threshold::Score { learned: 0.1, first: 0.1 },
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        Some(jensen_shannon(&shares(comparison)?).into())
    }
}

/// In standard deviations of the reference, those over n.
pub struct EvidentlyWasserstein;

impl Measure for EvidentlyWasserstein {
    fn about(&self) -> &'static About {
        &About {
            name: "wasserstein:evidently",
            threshold: Threshold::Score { learned: 0.1, first: 0.1 },
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let n = comparison.distributions()?.0.rows();
        let variance = comparison.stddev_of_reference().unwrap_or(0.0).powi(2) * (n - 1.0) / n;
        wasserstein::distance(comparison, variance.sqrt().max(SIGMA_MIN))
    }
}

/// The least that a standard deviation counts as.
pub(super) const SIGMA_MIN: f64 = 0.001;

/// Values of the reference from which on a number has equal bins.
const VALUES_MAX: usize = 20;

/// Shares of reference and window, bin by bin.
fn shares(comparison: &Comparison<'_>) -> Option<Vec<(f64, f64)>> {
    let Some((reference, current)) = comparison.distributions() else {
        return CategoryRows::of(comparison).map(|rows| rows.shares());
    };
    let (r, c) = (reference.rows(), current.rows());
    if reference.n_values().is_some_and(|n| n <= VALUES_MAX) {
        return by_value(comparison, (r, c));
    }
    let range = joint_range(reference, current);
    // numpy gives whole numbers no bin that is narrower than 1.
    let width_min = if comparison.are_whole_numbers() { 1.0 } else { 0.0 };
    let bins = EqualBins::new(range, sturges(r + c, range, width_min));
    let sides = bins.rows(reference).into_iter().zip(bins.rows(current));
    Some(sides.map(|(before, now)| (before / r, now / c)).collect())
}

/// Shares by value, of which the reference has few; new ones between two of its own count as one.
fn by_value(comparison: &Comparison<'_>, (r, c): (f64, f64)) -> Option<Vec<(f64, f64)>> {
    let cells = comparison.cells()?;
    let finite = 1..cells.reference.len() - 1;
    let rows = cells.reference[finite.clone()].iter().zip(&cells.current[finite]);
    let filled = rows.filter(|(before, now)| **before + **now > 0);
    Some(filled.map(|(before, now)| (*before as f64 / r, *now as f64 / c)).collect())
}

/// One side with a small share in each of its empty bins.
fn without_zeros(shares: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let least = shares.iter().copied().filter(|own| *own > 0.0).fold(f64::INFINITY, f64::min);
    let small = if least <= 1e-4 { least / 1e6 } else { 1e-4 };
    shares.iter().map(move |own| if *own > 0.0 { *own } else { small })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_bins_count_as_little() {
        let filled: Vec<f64> = without_zeros(&[0.5, 0.0, 0.5]).collect();
        assert_eq!(filled, [0.5, 1e-4, 0.5]);
        let filled: Vec<f64> = without_zeros(&[0.99995, 0.0, 0.00005]).collect();
        assert_eq!(filled, [0.99995, 0.00005 / 1e6, 0.00005]);
    }
}
