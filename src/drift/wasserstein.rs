//! Wasserstein distance: how far values must move, on average, for one side to become the other.
//!
//! ∫|F − G| dx over the finite values of a numeric feature, in [0, ∞): `wasserstein` in the unit of
//! the feature, `wasserstein_sigma` in standard deviations of the reference (n − 1), absent where
//! it has none. L. V. Kantorovich (1942), L. N. Vaserstein (1969); the mover's distance of S. T.
//! Rachev's survey (1985). It is exact up to 1,000 distinct reference values whose window has no
//! others; elsewhere it is off by at most the error, half of each cell's width times its share, and
//! never below the difference of the means, which are exact. Infinities have no distance: they are
//! left out, as the means leave them out, and are told by `out_of_range`.

use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};

pub struct Wasserstein;

pub struct WassersteinSigma;

impl Measure for Wasserstein {
    fn about(&self) -> &'static About {
        &About { name: "wasserstein", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        distance(comparison, 1.0)
    }
}

impl Measure for WassersteinSigma {
    fn about(&self) -> &'static About {
        &About {
            name: "wasserstein_sigma",
            threshold: Threshold::Score { learned: 0.1, first: 0.2 },
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let sigma = comparison.stddev_of_reference().filter(|sigma| *sigma > 0.0)?;
        distance(comparison, sigma)
    }
}

/// In units of so much; none beyond the largest double.
pub(super) fn distance(comparison: &Comparison<'_>, unit: f64) -> Option<Score> {
    let (reference, current) = comparison.distributions()?;
    let of_cells = reference.gap(current).absolute / unit;
    let error = (reference.error().absolute + current.error().absolute) / unit;
    let of_means = comparison.means().map_or(0.0, |(before, now)| (now - before).abs() / unit);
    let distance = of_cells.max(of_means);
    // The widest values leave a NaN, which is no largest of two.
    let is_known = of_cells.is_finite() && distance.is_finite() && error.is_finite();
    is_known.then(|| Score { error: Some(error), ..Score::from(distance) })
}
