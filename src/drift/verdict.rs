//! From scores to a verdict: is there enough to judge, and has the feature drifted?
//!
//! Scoring and judging are two steps, so that later judges (of false discoveries, of seasons) can
//! look at all features of a model at once.

use super::{Comparison, Evidence, Measure, Score};
use crate::feature::Status;
use crate::profile::tally::Tally;
use std::collections::BTreeMap;

/// `[model.drift]`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftConfig {
    /// Which measures are computed.
    pub measures: Vec<&'static dyn Measure>,
    /// Names of those that can call a feature drifted.
    pub decide: Vec<&'static str>,
    /// Effective rows, RC/(R+C), below which nothing is judged.
    pub rows_min: u64,
    /// By measure; a measure that is not listed has no threshold.
    pub thresholds: BTreeMap<&'static str, f64>,
    /// By feature and measure, over `thresholds`.
    pub feature_thresholds: BTreeMap<String, BTreeMap<&'static str, f64>>,
}

/// Effective rows that each bin needs, so that the expected noise of `psi` stays below 0.1.
const ROWS_PER_BIN: usize = 10;

/// An all-missing window is news when the reference would have had at least this many values in
/// it; with none by chance at odds of e^-10.
const VALUES_EXPECTED_MIN: f64 = 10.0;

impl Default for DriftConfig {
    fn default() -> DriftConfig {
        let measures = super::MEASURES.to_vec();
        let thresholds = measures
            .iter()
            .filter_map(|measure| Some((measure.name(), measure.default_threshold()?)))
            .collect();
        DriftConfig {
            measures,
            decide: vec!["psi", "ks", "missing"],
            rows_min: 500,
            thresholds,
            feature_thresholds: BTreeMap::new(),
        }
    }
}

impl DriftConfig {
    /// Whether the rows are enough to tell drift from noise.
    fn suffices(&self, evidence: Evidence) -> bool {
        let rows_needed = self.rows_min.max((ROWS_PER_BIN * evidence.bins) as u64);
        evidence.effective_rows() >= rows_needed as f64
    }

    pub fn threshold(&self, feature: &str, measure: &str) -> Option<f64> {
        let own = self.feature_thresholds.get(feature).and_then(|own| own.get(measure));
        own.or_else(|| self.thresholds.get(measure)).copied()
    }
}

/// One measure of one feature, with what it is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    pub measure: &'static str,
    pub score: Score,
    pub threshold: Option<f64>,
    /// Whether it can call the feature drifted.
    pub decides: bool,
}

/// What is said of one feature in one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub status: Status,
    /// Absent when the feature is not judged.
    pub drifted: Option<bool>,
    pub measured: Vec<Measured>,
}

/// Scores one feature by all configured measures, and judges it.
pub fn judge(comparison: &Comparison<'_>, config: &DriftConfig) -> Verdict {
    if let Some(unscored) = comparison.grid().unscored {
        return judge_unscored(unscored, comparison, config);
    }
    let feature = &comparison.grid().name;
    let mut measured = Vec::new();
    // Whether each deciding measure that has the rows to speak calls drift.
    let mut calls = Vec::new();
    for measure in &config.measures {
        let Some(score) = measure.score(comparison) else { continue };
        let name = measure.name();
        let threshold = config.threshold(feature, name);
        let decides = config.decide.contains(&name);
        measured.push(Measured { measure: name, score, threshold, decides });
        let speaks = decides && config.suffices(measure.evidence(comparison));
        calls.extend(threshold.filter(|_| speaks).map(|threshold| score.score >= threshold));
    }
    let (reference, current) = comparison.tallies();
    let (r, c) = comparison.present();
    let values = comparison.evidence(r, c, comparison.n_bins());
    let status = status(reference, current, config.suffices(values));
    let is_drifted = calls.contains(&true);
    let drifted = match status {
        Status::Absent | Status::NoValues | Status::Retyped => {
            is_newly_empty(reference, current, config.rows_min).then_some(true)
        }
        Status::Ok if !calls.is_empty() => Some(is_drifted),
        // Values too few to judge because so many are missing: that much can be said.
        Status::TooFewRows if is_drifted => Some(true),
        _ => None,
    };
    Verdict { status, drifted, measured }
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
    current.rows >= rows_min && share_present * current.rows as f64 >= VALUES_EXPECTED_MIN
}
