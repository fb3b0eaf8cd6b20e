//! How much a feature varies, from the steps between neighbouring closed windows.
//!
//! A step is a squared difference of two windows in units of what independent rows give, so that
//! its mean is 1 for those. Steps and not levels: a change that stays makes one step and is not
//! learned, and steps into and out of a drifted window are left out. The mean of the last steps,
//! the two largest replaced by the third, tells the design effect; the excess over 1 is multiplied
//! by Student's factor, since few steps tell it badly. Which numbers, and how many false alarms
//! they give, is in the README.

use super::drift_config::STEPS_MIN;
use super::evidence::Evidence;
use crate::drift::design_effects::DesignEffects;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::sync::LazyLock;

/// What the mean loses to replacing the two largest, for a χ² of one degree of freedom.
const REPLACED: f64 = 1.1;

/// Standard errors that a series must exceed to be believed once there are all steps.
const GATE: f64 = 1.5;

/// Steps that the largest replaced by the third need.
const REPLACE_MIN: usize = 3;

/// Student's factor is kept for so many steps; beyond, it hardly changes.
const FACTORS: usize = 1_000;

/// Variances of ranks and of their distances over the reference's rows; 0 of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankVariances {
    pub ranks: f64,
    pub distances: f64,
}

/// Squared differences of two windows. Absent of values when a window has none.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    values: Option<ValueStep>,
    missing: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct ValueStep {
    centre: f64,
    spread: f64,
    bins: f64,
    by_bin: Vec<f64>,
    /// Rows with a value of the later window.
    present: u64,
}

/// What a feature has shown so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    pub effects: DesignEffects,
    /// Steps of values that it was learned from.
    pub steps: usize,
}

/// Learns from closed windows, oldest first, none of which is the one that is judged and all of
/// which stand for different rows. `current` are the rows with a value of the window that is
/// judged, and `used_bins` the bins that the reference has rows in. None before [`STEPS_MIN`]
/// steps of values.
pub fn learn(
    past: &[Evidence],
    variances: RankVariances,
    (current, used_bins): (u64, usize),
    history: usize,
) -> Option<Learned> {
    let steps: Vec<Step> = past
        .windows(2)
        .filter(|pair| pair[0].is_called == pair[1].is_called)
        .filter(|pair| pair[0].rows > 0 && pair[1].rows > 0)
        .map(|pair| Step::between(&pair[0], &pair[1], variances))
        .collect();
    let values: Vec<&ValueStep> = steps.iter().filter_map(|step| step.values.as_ref()).collect();
    let values = &values[values.len().saturating_sub(history)..];
    let missing = &steps[steps.len().saturating_sub(history)..];
    if values.len() < STEPS_MIN {
        return None;
    }
    let excess = |of: &dyn Fn(&ValueStep) -> f64| excess(values.iter().map(|step| of(step)));
    let (centre, spread) = (excess(&|step| step.centre), excess(&|step| step.spread));
    let bins = excess(&|step| step.bins);
    let noise = GATE * (3.0 / values.len() as f64).sqrt();
    let of_bins = noise / (used_bins.saturating_sub(1).max(1) as f64).sqrt();
    let is_quiet = centre <= noise && spread <= noise && bins <= of_bins;
    let mut effects = DesignEffects::default();
    if values.len() < history || !is_quiet {
        let factor = scale(values, current) * student(values.len());
        let effect = |excess: f64| 1.0 + excess.max(0.0) * factor;
        let n_bins = values.iter().map(|step| step.by_bin.len()).max().unwrap_or(0);
        let of_bin =
            |bin: usize| effect(excess(&|step| step.by_bin.get(bin).copied().unwrap_or(0.0)));
        effects = DesignEffects::of_bins(effect(bins), (0..n_bins).map(of_bin).collect());
        (effects.centre, effects.spread) = (effect(centre), effect(spread));
    }
    let of_missing = self::excess(missing.iter().map(|step| step.missing));
    if missing.len() < history || of_missing > GATE * (3.0 / missing.len() as f64).sqrt() {
        let factor = scale(values, current) * student(missing.len());
        effects.missing = 1.0 + of_missing.max(0.0) * factor;
    }
    Some(Learned { effects, steps: values.len() })
}

impl Step {
    fn between(before: &Evidence, after: &Evidence, variances: RankVariances) -> Step {
        let samples = samples(before, after);
        let missing = samples.iter().map(|(sign, own)| (*sign, own.missing, own.rows));
        Step { values: ValueStep::of(&samples, variances), missing: of_share(missing) }
    }
}

/// What the change of is a step: two windows and, where a season before decides, the seasons before
/// both, so that only what they do not share is a step.
fn samples<'a>(before: &'a Evidence, after: &'a Evidence) -> Vec<(f64, &'a Evidence)> {
    let mut samples = vec![(1.0, after), (-1.0, before)];
    if let (Some(of_before), Some(of_after)) = (&before.beside, &after.beside) {
        samples.extend([(-1.0, &**of_after), (1.0, &**of_before)]);
    }
    samples
}

impl ValueStep {
    fn of(samples: &[(f64, &Evidence)], variances: RankVariances) -> Option<ValueStep> {
        let present: Vec<u64> = samples.iter().map(|(_, own)| own.present()).collect();
        let n_bins = samples[0].1.bins.len();
        let is_like = |own: &Evidence| own.bins.len() == n_bins;
        if present.contains(&0) || !samples.iter().all(|(_, own)| is_like(own)) {
            return None;
        }
        let width: f64 = present.iter().map(|n| 1.0 / *n as f64).sum();
        let all = present.iter().sum::<u64>() as f64;
        let of_mean = |of: &dyn Fn(&(f64, f64)) -> f64, variance: f64| {
            let means = samples.iter().map(|(sign, own)| own.ranks.as_ref().map(|r| sign * of(r)));
            let change: Option<f64> = means.sum();
            change.filter(|_| variance > 0.0).map_or(0.0, |own| own.powi(2) / (variance * width))
        };
        let centre = of_mean(&|ranks| ranks.0, variances.ranks);
        let spread = of_mean(&|ranks| ranks.1, variances.distances);
        let (mut x2, mut n_used) = (0.0, 0);
        let mut by_bin = Vec::with_capacity(n_bins);
        for bin in 0..n_bins {
            let rows = samples.iter().zip(&present);
            let rows = rows.map(|((sign, own), n)| (*sign, own.bins[bin], *n));
            by_bin.push(of_share(rows.clone()));
            let pooled = rows.clone().map(|(_, rows, _)| rows).sum::<u64>() as f64 / all;
            if pooled > 0.0 {
                let change: f64 = rows.map(|(sign, rows, n)| sign * rows as f64 / n as f64).sum();
                x2 += change.powi(2) / (pooled * width);
                n_used += 1;
            }
        }
        let bins = if n_used > 1 { x2 / f64::from(n_used - 1) } else { 1.0 };
        Some(ValueStep { centre, spread, bins, by_bin, present: present[0] })
    }
}

/// The squared change of a share, of signed samples of so many rows of so many, in units of its
/// variance without drift; 0 where none or all rows have the property.
fn of_share(samples: impl Iterator<Item = (f64, u64, u64)> + Clone) -> f64 {
    let sums = samples.clone().fold((0, 0), |(x, n), (_, rows, of)| (x + rows, n + of));
    let (rows, all) = sums;
    if rows == 0 || rows == all || samples.clone().any(|(.., of)| of == 0) {
        return 0.0;
    }
    let pooled = rows as f64 / all as f64;
    let width: f64 = samples.clone().map(|(.., of)| 1.0 / of as f64).sum();
    let change: f64 = samples.map(|(sign, rows, of)| sign * rows as f64 / of as f64).sum();
    change.powi(2) / (pooled * (1.0 - pooled) * width)
}

/// By how much the mean of steps exceeds 1, the two largest replaced by the third.
fn excess(steps: impl Iterator<Item = f64>) -> f64 {
    let mut steps: Vec<f64> = steps.collect();
    if steps.len() < REPLACE_MIN {
        return 0.0;
    }
    let from = steps.len() - REPLACE_MIN;
    steps.select_nth_unstable_by(from, f64::total_cmp);
    let third = steps[from];
    let sum: f64 = steps.iter().map(|step| step.min(third)).sum();
    REPLACED * sum / steps.len() as f64 - 1.0
}

/// What varies from window to window grows with the rows of a window where noise does not.
fn scale(values: &[&ValueStep], current: u64) -> f64 {
    let mut present: Vec<u64> = values.iter().map(|step| step.present).collect();
    let middle = present.len() / 2;
    let (_, median, _) = present.select_nth_unstable(middle);
    (current as f64 / *median as f64).max(1.0)
}

/// (t/z)², of the quantiles for 1 in 100,000 of Student's law with a third of the steps as its
/// degrees of freedom, and of the normal one.
pub(super) fn student(steps: usize) -> f64 {
    static FACTORS_BY_STEPS: LazyLock<Vec<f64>> = LazyLock::new(|| {
        // `scipy.stats.norm.isf(5e-6)`.
        const NORMAL: f64 = 4.417_173_413_467_604;
        let factor = |steps: usize| {
            let freedom = steps.max(REPLACE_MIN) as f64 / 3.0;
            let law = StudentsT::new(0.0, 1.0, freedom).expect("one degree of freedom or more");
            (law.inverse_cdf(1.0 - 5e-6) / NORMAL).powi(2)
        };
        (0..=FACTORS).map(factor).collect()
    });
    FACTORS_BY_STEPS[steps.min(FACTORS)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-4, "{got} is not {expected}");
    }

    #[test]
    fn two_windows_make_a_step() {
        let of = |bins: &[u64]| Evidence { rows: 100, bins: bins.to_vec(), ..Evidence::default() };
        let variances = RankVariances { ranks: 0.0, distances: 0.0 };
        let step = Step::between(&of(&[90, 10]), &of(&[70, 30]), variances).values.unwrap();
        close(step.bins, 12.5);
        close(step.by_bin[0], 12.5);
    }

    /// What the season before has as well is no step.
    #[test]
    fn seasons_are_no_steps() {
        let of = |own: &[u64], beside: &[u64]| {
            let window =
                |bins: &[u64]| Evidence { rows: 100, bins: bins.to_vec(), ..Evidence::default() };
            Evidence { beside: Some(Box::new(window(beside))), ..window(own) }
        };
        let variances = RankVariances { ranks: 0.0, distances: 0.0 };
        let step = |before, after| Step::between(&before, &after, variances).values.unwrap();
        let same = step(of(&[90, 10], &[90, 10]), of(&[70, 30], &[70, 30]));
        close(same.bins, 0.0);
        // (0.2)² over 0.85 · 0.15 · 4/100.
        let other = step(of(&[90, 10], &[90, 10]), of(&[70, 30], &[90, 10]));
        close(other.by_bin[0], 0.04 / (0.85 * 0.15 * 0.04));
        close(other.bins, other.by_bin[0]);
    }

    /// `(scipy.stats.t.isf(5e-6, m / 3) / scipy.stats.norm.isf(5e-6)) ** 2`, 1.17.1.
    #[test]
    fn students_factor_agrees_with_scipy() {
        for (steps, factor) in [(20, 7.2103), (30, 3.4045), (40, 2.4162), (50, 1.9894)] {
            close(student(steps), factor);
        }
    }

    #[test]
    fn the_two_largest_steps_are_replaced() {
        let steps = [
            0.1, 0.5, 2.0, 1.2, 3.0, 0.2, 0.05, 0.9, 4.5, 0.3, 7.0, 0.6, 0.02, 1.5, 2.2, 0.4, 9.0,
            0.7, 0.1, 1.1,
        ];
        let excess = excess(steps.into_iter());
        close(excess, 0.56035);
        close(1.0 + excess * student(20), 5.0403);
    }

    /// Windows of two bins whose share of the first goes up and down by `by` of 1,000 rows.
    fn up_and_down(n: usize, by: u64, is_called: impl Fn(usize) -> bool) -> Vec<Evidence> {
        let window = |i: usize| {
            let up = 500 + by * (i % 2) as u64;
            let bins = vec![up, 1_000 - up];
            Evidence { rows: 1_000, bins, is_called: is_called(i), ..Evidence::default() }
        };
        (0..n).map(window).collect()
    }

    fn learned(past: &[Evidence]) -> Option<Learned> {
        let variances = RankVariances { ranks: 0.0, distances: 0.0 };
        learn(past, variances, (1_000, 2), 50)
    }

    #[test]
    fn twenty_steps_are_enough_and_fifty_quiet_ones_say_one() {
        assert_eq!(learned(&up_and_down(20, 22, |_| false)), None);
        let twenty = learned(&up_and_down(21, 32, |_| false)).unwrap();
        assert_eq!(twenty.steps, 20);
        // (0.032)² / (0.516 · 0.484 · 2/1000) = 2.0500993.
        close(twenty.effects.bins, 1.0 + (1.1 * 2.0500993 - 1.0) * student(20));
        let quiet = learned(&up_and_down(51, 22, |_| false)).unwrap();
        assert_eq!(quiet.effects, DesignEffects::default());
    }

    #[test]
    fn steps_into_and_out_of_drift_are_left_out() {
        let past = up_and_down(60, 300, |i| i % 2 == 1);
        assert_eq!(learned(&past), None);
        let quiet = up_and_down(60, 300, |i| i < 30);
        assert_eq!(learned(&quiet).unwrap().steps, 50);
    }
}
