//! Energy distance: the root of twice the squared area between the distribution functions.
//!
//! √(2 ∫(F − G)² dx) over the finite values of a numeric feature, in [0, ∞), in the root of its
//! unit; scipy's `energy_distance`. M. L. Rizzo and G. J. Székely, "Energy distance" (2016). Exact
//! where `wasserstein` is; elsewhere off by at most the error, the same of what each cell leaves
//! open.

use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};
use crate::profile::value_distribution::ValueDistribution;

pub struct Energy;

impl Measure for Energy {
    fn about(&self) -> &'static About {
        &About { name: "energy", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (reference, current) = comparison.distributions()?;
        let distance = (2.0 * reference.gap(current).squared).sqrt();
        // The root of a squared area is a distance, so that errors of both sides add up at most.
        let open = |side: &ValueDistribution| (2.0 * side.error().squared).sqrt();
        let error = open(reference) + open(current);
        (distance.is_finite() && error.is_finite())
            .then(|| Score { error: Some(error), ..Score::from(distance) })
    }
}
