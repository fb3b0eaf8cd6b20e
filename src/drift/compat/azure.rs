//! The scores of Azure ML's monitors, as azureml-assets of 2026 has them: `psi:azure`, `js:azure`
//! and `wasserstein:azure`.
//!
//! A number has ⌈log₂ min(R, C) + 1⌉ equal bins over the range of both sides together; a category
//! has one per value, and one more for rows without any. For psi every bin has one row more than it
//! has, and the rows of its side as many more as there are bins; Jensen and Shannon's is the root,
//! to base 2, and knows no such rows. Wasserstein's is in standard deviations of the reference,
//! over n − 1. The definitions are those of `numerical_data_drift_metrics.py` and
//! `histogram_utils.py`.

use super::category_rows::CategoryRows;
use super::divergences::{jensen_shannon, psi};
use super::equal_bins::{EqualBins, joint_range};
use super::evidently::SIGMA_MIN;
use crate::drift::threshold::Threshold;
use crate::drift::{About, ByDefault, Comparison, Measure, Score, wasserstein};
use std::f64::consts::LN_2;

pub struct AzurePsi;

impl Measure for AzurePsi {
    fn about(&self) -> &'static About {
        &About { name: "psi:azure", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let rows = rows(comparison)?;
        let (r, c) = sums(&rows);
        let bins = rows.len() as f64;
        let smooth = |(p, q): &(f64, f64)| ((p + 1.0) / (r + bins), (q + 1.0) / (c + bins));
        Some(psi(&rows.iter().map(smooth).collect::<Vec<_>>()).into())
    }
}

pub struct AzureJs;

impl Measure for AzureJs {
    fn about(&self) -> &'static About {
        &About {
            name: "js:azure",
            threshold: Threshold::Score { learned: 0.1, first: 0.1 },
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let rows = rows(comparison)?;
        let (r, c) = sums(&rows);
        let shares: Vec<_> = rows.iter().map(|(p, q)| (p / r, q / c)).collect();
        Some((jensen_shannon(&shares) / LN_2.sqrt()).into())
    }
}

pub struct AzureWasserstein;

impl Measure for AzureWasserstein {
    fn about(&self) -> &'static About {
        &About {
            name: "wasserstein:azure",
            threshold: Threshold::Score { learned: 0.1, first: 0.1 },
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let sigma = comparison.stddev_of_reference().unwrap_or(0.0);
        wasserstein::distance(comparison, sigma.max(SIGMA_MIN))
    }
}

/// Rows of reference and window, bin by bin.
fn rows(comparison: &Comparison<'_>) -> Option<Vec<(f64, f64)>> {
    if let Some((reference, current)) = comparison.distributions() {
        let fewer = reference.rows().min(current.rows());
        let n = (fewer.log2() + 1.0).ceil() as usize;
        let bins = EqualBins::new(joint_range(reference, current), n);
        return Some(bins.rows(reference).into_iter().zip(bins.rows(current)).collect());
    }
    let values = CategoryRows::of(comparison)?;
    let (before, now) = comparison.tallies();
    let none = (before.missing(), now.missing());
    let all = values.known.iter().chain(&values.unseen).chain([&none]);
    let filled = all.filter(|(before, now)| before + now > 0);
    Some(filled.map(|(before, now)| (*before as f64, *now as f64)).collect())
}

fn sums(rows: &[(f64, f64)]) -> (f64, f64) {
    rows.iter().fold((0.0, 0.0), |sums, own| (sums.0 + own.0, sums.1 + own.1))
}
