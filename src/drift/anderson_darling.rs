//! Anderson-Darling distance: the mean squared difference of the distribution functions, in units
//! of how much it varies where it is, so that tails count as much as the middle.
//!
//! ∫(F − G)²/(H(1 − H)) dH, with H the distribution of all rows of both sides, in [0, ∞); the
//! statistic A² of A. N. Pettitt, "A two-sample Anderson-Darling rank statistic" (1976), over
//! RC/(R+C). Where values are the same, the middle of them counts, as F. W. Scholz and M. A.
//! Stephens, "K-sample Anderson-Darling tests" (1987), have it, and scipy. Rows of a cell of
//! several values are taken for different ones that are mixed evenly; off by at most the error.

use super::design_effects::DesignEffects;
use super::rank_steps::{RankStep, rank_steps};
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};
use crate::stats::quadratic_laws::a2_tail;

pub struct AndersonDarling;

impl Measure for AndersonDarling {
    fn about(&self) -> &'static About {
        &About {
            name: "anderson_darling",
            threshold: Threshold::None,
            by_default: ByDefault::Nothing,
        }
    }

    /// None where all rows have one value.
    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let present = comparison.present();
        let all = (present.0 + present.1) as f64;
        let steps = rank_steps(comparison)?;
        let is_one_value = steps.len() == 1 && !steps[0].is_shared;
        if is_one_value || all < 2.0 {
            return None;
        }
        let (mut score, mut low, mut high) = (0.0, 0.0, 0.0);
        for step in &steps {
            let parts = if step.is_shared { step.all_inside.min(PARTS_MAX) } else { 1.0 };
            let own = (0..parts as u64).map(|part| weighed(step, part as f64, parts, all));
            let own: f64 = own.sum();
            score += own;
            if step.is_shared {
                let ((least, greatest), weight) = (step.squares(), weight(step, all));
                (low, high) = (low + own - least * weight, high + greatest * weight - own);
            }
        }
        Some(Score { error: Some(low.max(high).max(0.0)), ..Score::from(score) })
    }

    /// Its limit law, which it is close to from a hundred rows on.
    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        Some(a2_tail(score.score * comparison.effective_rows() / effects.of_values()))
    }
}

/// Cells of several values are cut into so many parts of equal rows at most.
const PARTS_MAX: f64 = 64.0;

/// What one of the equal parts of a cell adds, the middle of its rows counting for all of them.
fn weighed(step: &RankStep, part: f64, parts: f64, all: f64) -> f64 {
    let rows = step.all_inside / parts;
    let middle = step.all_below + (part + 0.5) * rows;
    let apart = step.apart((part + 0.5) / parts);
    let variance = middle * (all - middle) - all * rows / 4.0;
    // All rows in one part, which no value tells apart.
    if variance <= 0.0 { 0.0 } else { (all - 1.0) * rows * apart * apart / variance }
}

/// Σ N/(j(N−j)) over the ranks of a cell.
fn weight(step: &RankStep, all: f64) -> f64 {
    let (first, all) = (step.all_below as u64, all as u64);
    let last = (first + step.all_inside as u64).min(all - 1);
    harmonic(first, last) + harmonic(all - last - 1, all - first - 1)
}

/// Σ 1/j over from < j ≤ to.
fn harmonic(from: u64, to: u64) -> f64 {
    const EXACT: u64 = 1_000;
    if to <= from + EXACT {
        return (from + 1..=to).map(|j| 1.0 / j as f64).sum();
    }
    // Beyond so many the integral is all of it, and never less.
    harmonic(from, from + EXACT) + (to as f64 / (from + EXACT) as f64).ln()
}
