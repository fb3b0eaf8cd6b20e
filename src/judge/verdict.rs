//! A verdict: is there enough to judge, and has the feature drifted?

use super::drift_config::DriftConfig;
use super::variation::Variation;
use crate::drift::{Comparison, Measure, Score};
use crate::feature::Status;
use crate::profile::tally::Tally;

/// An all-missing window is news when the reference would have had at least this many values in
/// it; with none by chance at odds of e^-12, 6 in 1,000,000.
const VALUES_EXPECTED_MIN: f64 = 12.0;

/// One measure of one feature, with what it is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    pub measure: &'static dyn Measure,
    pub score: Score,
    pub p_value: Option<f64>,
    /// The least that it may be without the cells' loss of detail.
    pub p_value_min: Option<f64>,
    /// What the score comes to by chance alone.
    pub noise: Option<f64>,
    pub threshold: Option<f64>,
    /// Whether it can call the feature drifted.
    pub decides: bool,
    /// Whether it does; absent unless it decides and there are rows enough to say.
    pub calls: Option<bool>,
}

/// What is said of one feature in one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub status: Status,
    /// Absent when the feature is not judged.
    pub drifted: Option<bool>,
    pub measured: Vec<Measured>,
}

impl Verdict {
    /// The same without a word on drift.
    pub fn muted(self) -> Verdict {
        let silent = |measured: Measured| Measured { calls: None, ..measured };
        let measured = self.measured.into_iter().map(silent).collect();
        Verdict { status: Status::Muted, drifted: None, measured }
    }
}

/// Scores one feature by all configured measures, and judges it.
pub fn judge(comparison: &Comparison<'_>, variation: &Variation, config: &DriftConfig) -> Verdict {
    if let Some(unscored) = comparison.grid().unscored {
        return judge_unscored(unscored, comparison, config);
    }
    let measured = config.measures.iter();
    let measured: Vec<Measured> = measured
        .filter_map(|measure| measured_by(*measure, comparison, variation, config))
        .collect();
    let (reference, current) = comparison.tallies();
    let rows = comparison.effective_rows() / variation.effects.bins;
    let status = status(reference, current, config.suffices(rows, variation.stage));
    let mut calls = measured.iter().filter_map(|own| own.calls).peekable();
    let is_judged = calls.peek().is_some();
    let is_drifted = calls.any(|calls| calls);
    let drifted = match status {
        Status::Absent | Status::NoValues | Status::Retyped => {
            is_newly_empty(reference, current, config.rows_min).then_some(true)
        }
        Status::Ok if is_judged => Some(is_drifted),
        // Values too few to judge because so many are missing: that much can be said.
        Status::TooFewRows if is_drifted => Some(true),
        _ => None,
    };
    Verdict { status, drifted, measured }
}

fn measured_by(
    measure: &'static dyn Measure,
    comparison: &Comparison<'_>,
    variation: &Variation,
    config: &DriftConfig,
) -> Option<Measured> {
    let Variation { stage, effects, .. } = variation;
    let score = measure.score(comparison)?;
    // Of clusters that cannot be told apart, nobody knows what a row tells.
    let is_known = effects.of_values().is_finite();
    let of_known = |p: Option<f64>| p.filter(|p| is_known && !p.is_nan());
    let p_value = of_known(measure.p_value(comparison, &score, effects));
    let p_value_min = of_known(measure.p_value_min(comparison, &score, effects));
    let noise = measure.noise(comparison, effects).filter(|noise| noise.is_finite());
    let threshold = config.threshold(&comparison.grid().name, measure, &score, *stage);
    let decides = config.decide.contains(&measure.name());
    let is_judged = decides && config.suffices(measure.effective_rows(comparison, effects), *stage);
    let is_rare = p_value.is_none_or(|p| p <= config.p_max);
    let calls = threshold.filter(|_| is_judged);
    let calls = calls.map(|threshold| score.score >= threshold && is_rare);
    Some(Measured { measure, score, p_value, p_value_min, noise, threshold, decides, calls })
}

/// Of a type that is not scored, only that it is gone can be said. An identifier or a date may
/// well be in the training data and not in the logs.
fn judge_unscored(unscored: Status, comparison: &Comparison<'_>, config: &DriftConfig) -> Verdict {
    let (reference, current) = comparison.tallies();
    let is_gone = unscored == Status::Unsupported
        && reference.present() > 0
        && current.rows > 0
        && current.present() == 0;
    if !is_gone {
        return Verdict { status: unscored, drifted: None, measured: Vec::new() };
    }
    let drifted = is_newly_empty(reference, current, config.rows_min).then_some(true);
    Verdict { status: status(reference, current, false), drifted, measured: Vec::new() }
}

fn status(reference: Tally, current: Tally, values_judged: bool) -> Status {
    match () {
        () if reference.present() == 0 => Status::NoReference,
        () if current.rows == 0 => Status::TooFewRows,
        () if current.absent == current.rows => Status::Absent,
        () if current.present() == 0 && current.wrong_type > 0 => Status::Retyped,
        () if current.present() == 0 => Status::NoValues,
        () if values_judged => Status::Ok,
        () => Status::TooFewRows,
    }
}

/// A window without any value is a finding, unless it is small or the reference hardly had any.
fn is_newly_empty(reference: Tally, current: Tally, rows_min: u64) -> bool {
    let share_present = reference.present() as f64 / reference.rows as f64;
    current.rows.min(reference.rows) >= rows_min
        && share_present * current.rows as f64 >= VALUES_EXPECTED_MIN
}
