//! psi less what chance alone makes of it.
//!
//! max(0, psi − (B−1)·(1/R + 1/C)), where B bins have rows: rows of one distribution have a psi of
//! about that on average, so that small windows score higher than large ones, and this does not. B.
//! Yurdakul and J. Naranjo, "Statistical properties of the population stability index" (2020). On
//! the bins of psi, in [0, ∞); exact. Rows that resemble each other have more: the design effect is
//! in the p-value and not in here.

use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score, bins_test, parts_of_psi};

pub struct PsiDebiased;

impl Measure for PsiDebiased {
    fn about(&self) -> &'static About {
        &About { name: "psi_debiased", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let psi = parts_of_psi(comparison.bins()?).iter().sum::<f64>();
        let noise = bins_test::noise_of_psi(comparison, &DesignEffects::default())?;
        Some((psi - noise).max(0.0).into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        _: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        bins_test::p_value(comparison, effects)
    }

    fn effective_rows(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
        bins_test::effective_rows(comparison, effects)
    }
}
