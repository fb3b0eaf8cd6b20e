//! Samples of a snapshot: scores, statistics, windows.

use super::ExportConfig;
use super::distribution::Distribution;
use super::metric::{Family, Metric};
use super::metrics::{self, STATISTICS};
use super::sample::{Sample, Samples, Value};
use crate::monitor::cell_rows::CellRows;
use crate::monitor::figures::{
    BaselineFigures, FeatureFigures, MeasureFigures, ReferenceFeatureFigures, Statistics,
    VariationFigures, WindowFigures, WindowVerdict,
};
use crate::monitor::snapshot::{ModelSnapshot, Snapshot, WindowSnapshot};
use crate::profile::percentiles::PERCENTILES;
use crate::quality::rule::RuleFigures;
use crate::totals::{OF_WINDOWS, ROWS_LATE};
use crate::window::baseline::REFERENCE;
use std::collections::HashMap;

/// The samples of one feature of one window, kept apart until the series are counted.
struct FeatureSamples<'a> {
    name: &'a str,
    samples: Vec<Sample<'a>>,
    /// p-values of measures that do not decide as well.
    all_p: bool,
}

impl<'a> FeatureSamples<'a> {
    fn new(name: &'a str, config: &ExportConfig) -> FeatureSamples<'a> {
        let all_p = config.families.contains(&Family::PValues);
        FeatureSamples { name, samples: Vec::new(), all_p }
    }
}

/// All samples of a snapshot.
pub fn samples<'a>(snapshot: &'a Snapshot, config: &ExportConfig) -> Samples<'a> {
    let mut samples = Samples::default();
    let mut features: Vec<FeatureSamples<'_>> = Vec::new();
    for model in &snapshot.models {
        if let Some(own) = &model.accepted {
            let labels = [model.name.as_str(), &model.version];
            samples.add(&metrics::REFERENCE_ACCEPTED, &labels, own.accepted.as_seconds());
        }
        model.windows.iter().for_each(|window| add_window(&mut samples, model, window));
        features.extend(of_features(model, config));
    }
    // The budget goes to features in name order, so that the same ones are always there.
    features.sort_by(|a, b| a.name.cmp(b.name));
    let (mut kept, mut dropped) = (0, 0);
    for same_name in features.chunk_by(|a, b| a.name == b.name) {
        let series: usize =
            same_name.iter().flat_map(|feature| &feature.samples).map(Sample::series).sum();
        if dropped > 0 || kept + series > config.series_max {
            dropped += series;
            continue;
        }
        kept += series;
        same_name.iter().flat_map(|feature| &feature.samples).for_each(|s| samples.push(*s));
    }
    samples.add(&metrics::SERIES_DROPPED, &[], dropped as f64);
    samples
}

fn of_features<'a>(model: &'a ModelSnapshot, config: &ExportConfig) -> Vec<FeatureSamples<'a>> {
    let mut features = Vec::new();
    let of_reference = [Family::Reference, Family::Distributions];
    for window in &model.windows {
        let labels = [model.name.as_str(), &model.version, &window.name];
        if let Some(latest) = &window.latest {
            let reference = model.compared_with(latest);
            let mut rules: HashMap<&str, Vec<&RuleFigures>> = HashMap::new();
            for rule in &latest.rules {
                let own = rule.feature.as_deref().unwrap_or_default();
                rules.entry(own).or_default().push(rule);
            }
            features.extend(latest.features.iter().enumerate().map(|(at, feature)| {
                let mut out = FeatureSamples::new(&feature.name, config);
                out.add_feature(labels, &latest.baselines, feature);
                for rule in rules.get(feature.name.as_str()).into_iter().flatten() {
                    of_rule(rule)
                        .for_each(|(metric, v)| out.push(metric, labels, &[&rule.rule], v));
                }
                let reference = reference.and_then(|own| own.features.get(at));
                let own = reference.and_then(|own| Distribution::of_window(own, feature));
                out.add_distribution(&metrics::FEATURE_DISTRIBUTION, labels, own);
                out
            }));
        }
        if of_reference.iter().any(|family| config.families.contains(family)) {
            let reference = model.reference.iter().flat_map(|reference| &reference.features);
            features.extend(reference.map(|feature| {
                let mut out = FeatureSamples::new(&feature.name, config);
                out.add_reference(labels, feature);
                out
            }));
        }
    }
    // What cells there are has been chosen by feature.
    let is_chosen = |f: Family| f == Family::Cells || config.families.contains(&f);
    let exports = |metric: &Metric| metric.family.is_none_or(is_chosen);
    features.iter_mut().for_each(|f| f.samples.retain(|sample| exports(sample.metric)));
    features
}

impl<'a> FeatureSamples<'a> {
    fn push(&mut self, metric: &'static Metric, window: [&'a str; 3], rest: &[&'a str], v: f64) {
        let labels = window.iter().copied().chain([self.name]).chain(rest.iter().copied());
        self.samples.push(Sample::new(metric, labels, Value::Number(v)));
    }

    fn add_feature(
        &mut self,
        window: [&'a str; 3],
        baselines: &'a [BaselineFigures],
        feature: &'a FeatureFigures,
    ) {
        let of_reference = feature.drifted.filter(|_| feature.decided_by.is_none());
        self.add_comparison(window, REFERENCE, of_reference, &feature.measures);
        for (baseline, other) in baselines.iter().zip(&feature.others) {
            self.add_comparison(window, &baseline.name, other.drifted, &other.measures);
        }
        if let Some(persistent) = feature.persistent {
            let value = f64::from(u8::from(persistent));
            let deciding = feature.decided_by.map_or(REFERENCE, |at| &baselines[at].name);
            self.push(&metrics::DRIFT_PERSISTENT, window, &[deciding], value);
        }
        for reason in feature.reasons() {
            self.push(&metrics::DRIFT_REASON, window, &[reason], 1.0);
        }
        self.push(&metrics::FEATURE_STATUS, window, &[feature.status.name()], 1.0);
        if let Some(variation) = &feature.variation {
            self.add_variation(window, variation);
        }
        for statistic in STATISTICS {
            if let Some(value) = (statistic.value)(&feature.statistics) {
                self.push(&statistic.feature, window, &[], value);
            }
        }
        self.add_percentiles(&metrics::FEATURE_PERCENTILE, window, &feature.statistics);
        if let Some(cells) = &feature.cells {
            self.add_cells(window, cells);
        }
    }

    fn add_cells(&mut self, window: [&'a str; 3], cells: &'a CellRows) {
        for (of_window, of_reference, rows) in [
            (&metrics::FEATURE_BIN_ROWS, &metrics::REFERENCE_BIN_ROWS, &cells.bins),
            (&metrics::FEATURE_CUMULATIVE_ROWS, &metrics::REFERENCE_CUMULATIVE_ROWS, &cells.up_to),
        ] {
            for (label, rows) in rows {
                let labels = [cells.grid.as_str(), label];
                self.push(of_window, window, &labels, rows.window as f64);
                self.push(of_reference, window, &labels, rows.reference as f64);
            }
        }
    }

    fn add_variation(&mut self, window: [&'a str; 3], variation: &VariationFigures) {
        let VariationFigures { steps, centre, spread, bins, missing, effective_rows: _ } =
            *variation;
        for (series, effect) in
            [("centre", centre), ("spread", spread), ("bins", bins), ("missing", missing)]
        {
            // Of clusters that cannot be told apart it is not known.
            if effect.is_finite() {
                self.push(&metrics::DESIGN_EFFECT, window, &[series], effect);
            }
        }
        if let Some(steps) = steps {
            self.push(&metrics::HISTORY_STEPS, window, &[], steps as f64);
        }
    }

    fn add_comparison(
        &mut self,
        window: [&'a str; 3],
        baseline: &'a str,
        drifted: Option<bool>,
        measures: &'a [MeasureFigures],
    ) {
        for measured in measures {
            let labels = [baseline, &*measured.measure];
            self.push(&metrics::DRIFT_SCORE, window, &labels, measured.score);
            if let Some(threshold) = measured.threshold {
                self.push(&metrics::DRIFT_THRESHOLD, window, &labels, threshold);
            }
            if let Some(p_value) = measured.p_value.filter(|_| measured.decides || self.all_p) {
                self.push(&metrics::DRIFT_P_VALUE, window, &labels, p_value);
            }
            if let Some(noise) = measured.noise {
                self.push(&metrics::DRIFT_NOISE, window, &labels, noise);
            }
            if let Some(calls) = measured.calls {
                let value = f64::from(u8::from(calls));
                self.push(&metrics::DRIFT_CALLED, window, &labels, value);
            }
        }
        if let Some(drifted) = drifted {
            let value = f64::from(u8::from(drifted));
            self.push(&metrics::DRIFT_DETECTED, window, &[baseline], value);
        }
    }

    fn add_reference(&mut self, window: [&'a str; 3], feature: &'a ReferenceFeatureFigures) {
        let statistics = &feature.statistics;
        for statistic in STATISTICS {
            if let Some(value) = (statistic.value)(statistics) {
                self.push(&statistic.reference, window, &[], value);
            }
        }
        self.add_percentiles(&metrics::REFERENCE_PERCENTILE, window, statistics);
        let own = Distribution::of_reference(feature);
        self.add_distribution(&metrics::REFERENCE_DISTRIBUTION, window, own);
    }

    fn add_distribution(
        &mut self,
        metric: &'static Metric,
        window: [&'a str; 3],
        distribution: Option<Distribution<'a>>,
    ) {
        let labels = window.into_iter().chain([self.name]);
        let value = distribution.map(Value::Distribution);
        self.samples.extend(value.map(|value| Sample::new(metric, labels, value)));
    }

    fn add_percentiles(
        &mut self,
        metric: &'static Metric,
        window: [&'a str; 3],
        statistics: &Statistics,
    ) {
        const NAMES: [&str; PERCENTILES.len()] = ["1", "5", "25", "50", "75", "95", "99"];
        for (name, &value) in NAMES.into_iter().zip(statistics.percentiles.iter().flatten()) {
            self.push(metric, window, &[name], value);
        }
    }
}

fn add_window<'a>(samples: &mut Samples<'a>, model: &'a ModelSnapshot, window: &'a WindowSnapshot) {
    let labels = [model.name.as_str(), &model.version, &window.name];
    let [name, version, window_name] = labels;
    samples.add(&metrics::OPEN_WINDOW_ROWS, &labels, window.open_rows as f64);
    if let Some(reference) = &model.reference {
        samples.add(&metrics::FEATURES_MONITORED, &labels, reference.features.len() as f64);
    }
    let total = |name: &str| model.totals.get(OF_WINDOWS, window_name, name) as f64;
    for verdict in WindowVerdict::ALL {
        let labels = [name, version, window_name, verdict.name()];
        samples.add(&metrics::WINDOWS_CLOSED, &labels, total(verdict.name()));
    }
    samples.add(&metrics::WINDOW_LATE, &labels, total(ROWS_LATE));
    if let Some(latest) = &window.latest {
        add_latest(samples, labels, latest);
    }
}

fn add_latest<'a>(samples: &mut Samples<'a>, labels: [&'a str; 3], latest: &'a WindowFigures) {
    let [name, version, window] = labels;
    samples.add(&metrics::WINDOW_ROWS, &labels, latest.rows as f64);
    samples.add(&metrics::WINDOW_ROWS_KEPT, &labels, latest.rows_kept as f64);
    for (metric, time) in [
        (&metrics::WINDOW_START, latest.start),
        (&metrics::WINDOW_END, latest.end),
        (&metrics::WINDOW_CLOSED, latest.closed),
    ] {
        if let Some(time) = time {
            samples.add(metric, &labels, time.as_seconds());
        }
    }
    for rule in latest.rules.iter().filter(|rule| rule.feature.is_none()) {
        let labels = [name, version, window, "", &rule.rule];
        for (metric, value) in of_rule(rule) {
            samples.add(metric, &labels, value);
        }
    }
    let deciding = latest.baselines.iter().find(|baseline| baseline.decides);
    if deciding.is_none() {
        add_verdicts(samples, labels, REFERENCE, latest.judged(), latest.drifted());
    }
    let deciding = deciding.map_or(REFERENCE, |baseline| &baseline.name);
    samples.add(&metrics::BASELINE_DECIDES, &[name, version, window, deciding], 1.0);
    for (index, baseline) in latest.baselines.iter().enumerate() {
        let verdicts = || latest.features.iter().filter_map(|f| f.others.get(index)?.drifted);
        let drifted = verdicts().filter(|drifted| *drifted).count();
        add_verdicts(samples, labels, &baseline.name, verdicts().count(), drifted);
    }
}

/// What is told of a rule; nothing where a window tells nothing.
fn of_rule(rule: &RuleFigures) -> impl Iterator<Item = (&'static Metric, f64)> {
    let violated = f64::from(u8::from(rule.is_violated()));
    let values = |ratio| [(&metrics::RULE_VIOLATED, violated), (&metrics::RULE_RATIO, ratio)];
    rule.ratio.map(values).into_iter().flatten()
}

fn add_verdicts<'a>(
    samples: &mut Samples<'a>,
    [name, version, window]: [&'a str; 3],
    baseline: &'a str,
    judged: usize,
    drifted: usize,
) {
    let labels = [name, version, window, baseline];
    samples.add(&metrics::FEATURES_JUDGED, &labels, judged as f64);
    samples.add(&metrics::FEATURES_DRIFTED, &labels, drifted as f64);
    if judged > 0 {
        samples.add(&metrics::FEATURES_DRIFTED_RATIO, &labels, drifted as f64 / judged as f64);
    }
}
