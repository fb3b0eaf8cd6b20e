//! Cramér-von Mises distance: the mean squared difference of the distribution functions.
//!
//! ∫(F − G)² dH, with H the distribution of all rows of both sides, in [0, ⅓] about; the statistic
//! T of T. W. Anderson, "On the distribution of the two-sample Cramér-von Mises criterion" (1962),
//! over RC/(R+C), which grows with the rows. Where values are the same, F and G are what they are
//! after them. Rows of a cell of several values are taken for different ones that are mixed evenly;
//! off by at most the error.

use super::design_effects::DesignEffects;
use super::rank_steps::{RankStep, rank_steps};
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};
use crate::stats::quadratic_laws::omega2_tail;

pub struct CramerVonMises;

impl Measure for CramerVonMises {
    fn about(&self) -> &'static About {
        &About {
            name: "cramer_von_mises",
            threshold: Threshold::None,
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let present = comparison.present();
        let all = (present.0 + present.1) as f64;
        let (mut score, mut low, mut high) = (0.0, 0.0, 0.0);
        for step in rank_steps(comparison)? {
            let share = step.all_inside / all;
            let own =
                share * if step.is_shared { mean_square(&step) } else { step.apart(1.0).powi(2) };
            score += own;
            if step.is_shared {
                let (least, greatest) = step.squares();
                (low, high) = (low + own - share * least, high + share * greatest - own);
            }
        }
        Some(Score { error: Some(low.max(high)), ..Score::from(score) })
    }

    /// Its limit law, with Anderson's correction for few rows.
    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let (r, c) = comparison.present();
        let (r, c) = (r as f64, c as f64);
        let (all, product) = (r + c, r * c);
        let statistic = score.score * product / all / effects.of_values();
        let mean = (1.0 + 1.0 / all) / 6.0;
        let by_sizes = 4.0 * product * all - 3.0 * (r * r + c * c) - 2.0 * product;
        let variance = (all + 1.0) * by_sizes / (45.0 * all * all * 4.0 * product);
        (variance > 0.0)
            .then(|| omega2_tail(1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt()))
    }
}

/// The mean of (F − G)² after each of the rows of a cell, which are mixed evenly.
fn mean_square(step: &RankStep) -> f64 {
    let (n, from) = (step.all_inside, step.apart(0.0));
    let change = step.apart(1.0) - from;
    // Σ (from + change·j/n)² over the n rows.
    from * from
        + from * change * (n + 1.0) / n
        + change * change * (n + 1.0) * (2.0 * n + 1.0) / (6.0 * n * n)
}
