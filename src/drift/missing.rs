//! The absolute difference of the missing ratios, in [0, 1].
//!
//! No distance of values can see that a feature stopped arriving; this one sees nothing else.

use super::design_effects::DesignEffects;
use super::threshold::{RateChange, Threshold};
use super::{About, ByDefault, Comparison, Measure, Score, effective_rows};
use crate::stats::rates::{Rate, p_of_change};
use std::f64::consts::FRAC_2_PI;

pub struct Missing;

impl Measure for Missing {
    fn about(&self) -> &'static About {
        &About {
            name: "missing",
            threshold: Threshold::Rate { h: 0.1 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (reference, current) = comparison.tallies();
        if reference.rows == 0 || current.rows == 0 {
            return None;
        }
        let before = Rate::new(reference.missing(), reference.rows);
        let now = Rate::new(current.missing(), current.rows);
        Some(RateChange { before, now, is_level: false }.into())
    }

    fn p_value(&self, _: &Comparison<'_>, score: &Score, effects: &DesignEffects) -> Option<f64> {
        let change = score.change?;
        let effect = match change.is_loss() {
            true => effects.missing.max(effects.loss),
            false => effects.missing,
        };
        Some(p_of_change(change.now, change.before, effect))
    }

    /// Of a normal law with both sides' ratio in common.
    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        let (reference, current) = comparison.tallies();
        let rows = self.effective_rows(comparison, effects);
        let missing = (reference.missing() + current.missing()) as f64;
        let ratio = missing / (reference.rows + current.rows) as f64;
        Some((FRAC_2_PI * ratio * (1.0 - ratio) / rows).sqrt())
    }

    /// All rows speak, not only those with a value.
    fn effective_rows(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
        let (reference, current) = comparison.tallies();
        effective_rows(reference.rows, current.rows) / effects.missing
    }
}
