//! Distances that are read from the bins of psi alone: they differ in one formula, and share the
//! test of the bins and the rows that they speak of.

use super::design_effects::DesignEffects;
use super::{About, Comparison, Measure, Score, bins_test};
use ndarray::ArrayView2;

/// A number that says how far two rows of counts are apart, reference above current.
pub trait BinDistance: Sync {
    fn about(&self) -> &'static About;

    fn distance(&self, bins: ArrayView2<'_, u64>) -> f64;

    /// What it comes to where psi comes to so little by chance; none where that is not known.
    fn noise_by_psi(&self, _psi: f64) -> Option<f64> {
        None
    }
}

impl<T: BinDistance> Measure for T {
    fn about(&self) -> &'static About {
        BinDistance::about(self)
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        comparison.bins().map(|bins| self.distance(bins).into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        _: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        bins_test::p_value(comparison, effects)
    }

    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        self.noise_by_psi(bins_test::noise_of_psi(comparison, effects)?)
    }

    fn effective_rows(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
        bins_test::effective_rows(comparison, effects)
    }
}
