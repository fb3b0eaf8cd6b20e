//! Hellinger distance: how far apart the roots of the shares are.
//!
//! √(½ Σ (√q − √p)²) on the bins of psi, in [0, 1]; exact. E. Hellinger, "Neue Begründung der
//! Theorie quadratischer Formen von unendlichvielen Veränderlichen" (1909).

use super::bin_table::shares;
use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score, bins_test};
use ndarray::ArrayView2;

pub struct Hellinger;

impl Measure for Hellinger {
    fn about(&self) -> &'static About {
        &About { name: "hellinger", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        comparison.bins().map(|bins| distance(bins).into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        _: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        bins_test::p_value(comparison, effects)
    }

    /// Its square is an eighth of psi where both are small.
    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        Some((bins_test::noise_of_psi(comparison, effects)? / 8.0).sqrt())
    }

    fn effective_rows(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
        bins_test::effective_rows(comparison, effects)
    }
}

fn distance(bins: ArrayView2<'_, u64>) -> f64 {
    let squares = shares(bins).map(|(p, q)| (q.sqrt() - p.sqrt()).powi(2));
    (squares.sum::<f64>() / 2.0).sqrt().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    /// The case of Evidently's tests, which give five digits.
    #[test]
    fn agrees_with_evidently() {
        let bins = table(&[16, 18, 16, 14, 12, 12], &[16, 16, 16, 16, 16, 8]);
        assert!((distance(bins.view()) - 0.0681277).abs() < 1e-7);
    }

    #[test]
    fn disjoint_sides_are_one_apart() {
        assert_eq!(distance(table(&[3, 0], &[0, 9]).view()), 1.0);
        assert_eq!(distance(table(&[3, 6], &[1, 2]).view()), 0.0);
    }
}
