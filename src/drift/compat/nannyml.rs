//! NannyML's scores, of version 0.13: `js:nannyml`, `hellinger:nannyml`, `ks:nannyml`,
//! `wasserstein:nannyml` and `linf:nannyml`.
//!
//! A number has Doane's number of equal bins over the reference's range, and one bin for all that
//! lies outside; a category has a bin per value of the reference, and one for all others. Jensen
//! and Shannon's is the root, to base 2. From 10,000 reference rows on, Kolmogorov and Smirnov's is
//! taken at the edges of 10,000 equal bins; Wasserstein's, in the unit of the feature, then loses
//! what lies inside such a bin there, and not here. Rows without a value are left out. The
//! definitions are those of `drift/univariate/methods.py`.

use super::category_rows::CategoryRows;
use super::divergences::{hellinger, jensen_shannon, l_infinity};
use super::equal_bins::{EqualBins, doane};
use crate::drift::threshold::Threshold;
use crate::drift::{About, ByDefault, Comparison, Measure, Score, ks, wasserstein};
use crate::profile::value_distribution::ValueDistribution;
use std::f64::consts::LN_2;

pub struct NannymlJs;

impl Measure for NannymlJs {
    fn about(&self) -> &'static About {
        &About { name: "js:nannyml", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let bits = jensen_shannon(&shares(comparison)?) / LN_2.sqrt();
        Some(bits.into())
    }
}

pub struct NannymlHellinger;

impl Measure for NannymlHellinger {
    fn about(&self) -> &'static About {
        &About {
            name: "hellinger:nannyml",
            threshold: Threshold::None,
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        Some(hellinger(&shares(comparison)?).into())
    }
}

pub struct NannymlKs;

impl Measure for NannymlKs {
    fn about(&self) -> &'static About {
        &About { name: "ks:nannyml", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (reference, current) = comparison.distributions()?;
        match reference.rows() < EXACT_ROWS {
            true => ks::Ks.score(comparison),
            false => Some(largest_at_edges(reference, current).into()),
        }
    }
}

pub struct NannymlWasserstein;

impl Measure for NannymlWasserstein {
    fn about(&self) -> &'static About {
        &About {
            name: "wasserstein:nannyml",
            threshold: Threshold::None,
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        wasserstein::distance(comparison, 1.0)
    }
}

/// Of categories, over the values of both sides.
pub struct NannymlLInfinity;

impl Measure for NannymlLInfinity {
    fn about(&self) -> &'static About {
        &About { name: "linf:nannyml", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let rows = CategoryRows::of(comparison)?;
        Some(l_infinity(&rows.shares()).into())
    }
}

/// Rows of the reference from which on numbers are put into equal bins …
const EXACT_ROWS: f64 = 10_000.0;
/// … so many of them.
const KS_BINS: usize = 10_000;

/// Shares of reference and window, bin by bin.
fn shares(comparison: &Comparison<'_>) -> Option<Vec<(f64, f64)>> {
    let Some((reference, current)) = comparison.distributions() else {
        return CategoryRows::of(comparison).map(|rows| rows.shares_with_leftover());
    };
    let bins = EqualBins::new(reference.range(), doane(reference));
    let (before, now) = (bins.rows(reference), bins.rows(current));
    let outside = (current.rows() - now.iter().sum::<f64>()).max(0.0);
    let (r, c) = (reference.rows(), current.rows());
    let inside = before.into_iter().zip(now).map(|(before, now)| (before / r, now / c));
    Some(inside.chain([(0.0, outside / c)]).collect())
}

/// The largest difference of the distribution functions at the edges of equal bins.
fn largest_at_edges(reference: &ValueDistribution, current: &ValueDistribution) -> f64 {
    let bins = EqualBins::new(reference.range(), KS_BINS);
    let (mut below, mut largest) = ((0.0, bins.rows_before(current)), 0.0f64);
    for (before, now) in bins.rows(reference).into_iter().zip(bins.rows(current)) {
        below = (below.0 + before, below.1 + now);
        let apart: f64 = below.0 / reference.rows() - below.1 / current.rows();
        largest = largest.max(apart.abs());
    }
    largest
}
