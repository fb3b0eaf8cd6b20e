//! How much wider or narrower values lie: the mean distance of the window's ranks from the middle,
//! less that of the reference's.
//!
//! |Σ q·a − Σ p·a|, with a = |2u − 1| and u the ranks of the reference's cells, in [0, ½]: the
//! statistic of A. R. Ansari and R. A. Bradley, "Rank-sum tests for dispersions" (1960), on the
//! reference's ranks.

use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};

pub struct Spread;

impl Measure for Spread {
    fn about(&self) -> &'static About {
        &About {
            name: "spread",
            threshold: Threshold::Score { learned: 0.025, first: 0.15 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        Some(comparison.ranks()?.distances.shift()?.abs().into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let rows = comparison.effective_rows() / effects.spread;
        Some(comparison.ranks()?.distances.p_value(score.score, rows))
    }

    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        let rows = comparison.effective_rows() / effects.spread;
        comparison.ranks()?.distances.noise(rows)
    }
}
