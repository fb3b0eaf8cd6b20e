//! How far the middle moved: the mean rank of the window's values among the reference's, less ½.
//!
//! |Σ q·u − ½|, with u the ranks of the reference's cells, in [0, ½]; it equals |P(a value of the
//! window is above one of the reference) − ½|, the effect size of F. Wilcoxon's test (1945) as R.
//! Mann and D. Whitney (1947) have it. 0.025 is a normal's shift by 0.09 standard deviations.

use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};

pub struct Centre;

impl Measure for Centre {
    fn about(&self) -> &'static About {
        &About {
            name: "centre",
            threshold: Threshold::Score { learned: 0.025, first: 0.15 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        Some(comparison.ranks()?.ranks.shift()?.abs().into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let rows = comparison.effective_rows() / effects.centre;
        Some(comparison.ranks()?.ranks.p_value(score.score, rows))
    }

    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        let rows = comparison.effective_rows() / effects.centre;
        comparison.ranks()?.ranks.noise(rows)
    }
}
