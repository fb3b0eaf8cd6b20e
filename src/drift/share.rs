//! The value, or the cell, whose share of rows changed most: a sensor that sticks, a filled gap, a
//! category that went.
//!
//! max |q − p| where |h(q, p)| is largest, in [0, 1], over the cells inside the reference's range,
//! or the categories with a name. The p-value is that of one cell times the number of cells, since
//! the largest of many was taken (C. E. Bonferroni, 1936).

use super::design_effects::DesignEffects;
use super::threshold::{RateChange, Threshold};
use super::{About, Comparison, Measure, Score};
use crate::stats::rates::{Rate, cohens_h, p_of_gain};

pub struct Share;

impl Measure for Share {
    fn about(&self) -> &'static About {
        &About { name: "share", threshold: Threshold::Rate { h: 0.1 }, decides: true }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (r, c) = comparison.present();
        let rates = |(now, before)| (Rate::new(now, c), Rate::new(before, r));
        let named = comparison.named_cells()?;
        let (per_current, per_reference) = (1.0 / c as f64, 1.0 / r as f64);
        let (mut most, mut found) = (-1.0, None);
        for cell in named.cells {
            let (in_current, in_reference) = (named.current[cell], named.reference[cell]);
            // asin rises by less than √2 per step up to √½, and |√q − √p| is at most
            // |q − p| / √(q + p), so that most need not be asked for.
            let (q, p) = (in_current as f64 * per_current, in_reference as f64 * per_reference);
            let is_less = 8.0 * (q - p).powi(2) <= most * most * (q + p) * (1.0 - 1e-12);
            if is_less && most >= 0.0 && q.max(p) < 0.49 {
                continue;
            }
            let (now, before) = rates((in_current, in_reference));
            let (q, p) = (now.share(), before.share());
            let apart = cohens_h(q, p).abs();
            // The first of equals.
            if apart > most {
                (most, found) = (apart, Some((cell, RateChange { before, now, is_level: false })));
            }
        }
        let (cell, change) = found?;
        Some(Score { cell: Some(cell), ..change.into() })
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let (cell, change) = (score.cell?, score.change?);
        let RateChange { before, now, .. } = change;
        let mut effect = effects.of_bin(comparison.bin_of_cell(cell)?);
        if change.is_loss() {
            effect = effect.max(effects.loss);
        }
        let is_bounded = comparison.is_many_valued(cell) && before.rows > 0.0;
        let prior = if is_bounded { 0.0 } else { 1.0 };
        let p = match change.is_rise() {
            true => p_of_gain(now, before, effect, prior),
            false => p_of_gain(before, now, effect, 1.0),
        };
        Some((p * comparison.n_named_cells() as f64).min(1.0))
    }
}
