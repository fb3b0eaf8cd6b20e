//! What is said of a metric: name, kind, labels, help, and the family that it is exported with.

/// What a metric's samples mean over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Gauge,
    Counter,
    /// Of the rows of one window: a later one may have fewer in a bucket.
    GaugeHistogram,
}

impl MetricKind {
    pub fn name(self) -> &'static str {
        match self {
            MetricKind::Gauge => "gauge",
            MetricKind::Counter => "counter",
            MetricKind::GaugeHistogram => "histogram",
        }
    }
}

/// Groups of per-feature metrics that are exported together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Drift,
    Quality,
    Moments,
    Percentiles,
    Reference,
    PValues,
    Evidence,
    Distributions,
    /// What `export.cells` names.
    Cells,
}

impl Family {
    /// All that can be chosen by name.
    pub const ALL: [Family; 8] = [
        Family::Drift,
        Family::Quality,
        Family::Moments,
        Family::Percentiles,
        Family::Reference,
        Family::PValues,
        Family::Evidence,
        Family::Distributions,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Family::Drift => "drift",
            Family::Quality => "quality",
            Family::Moments => "moments",
            Family::Percentiles => "percentiles",
            Family::Reference => "reference",
            Family::PValues => "p_values",
            Family::Evidence => "evidence",
            Family::Distributions => "distributions",
            Family::Cells => "cells",
        }
    }
}

/// One metric: everything that is said of it anywhere.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    /// None for metrics that are always exported.
    pub family: Option<Family>,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

pub const FEATURE: &[&str] = &["model_name", "model_version", "window", "feature"];
pub const MEASURE: &[&str] =
    &["model_name", "model_version", "window", "feature", "baseline", "measure"];
pub const BIN: &[&str] = &["model_name", "model_version", "window", "feature", "grid", "bin"];
pub const UP_TO: &[&str] = &["model_name", "model_version", "window", "feature", "grid", "le"];
pub const WINDOW: &[&str] = &["model_name", "model_version", "window"];
pub const BASELINE: &[&str] = &["model_name", "model_version", "window", "baseline"];
pub const SOURCE: &[&str] = &["model_name", "model_version", "source"];

pub const fn gauge(
    name: &'static str,
    family: Option<Family>,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Gauge, family, labels, help }
}

pub const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Counter, family: None, labels, help }
}

/// Rows of one side by cell.
pub const fn cells(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    gauge(name, Some(Family::Cells), labels, help)
}

/// Of a feature's values; always by the labels of a feature.
pub const fn histogram(name: &'static str, help: &'static str) -> Metric {
    let (kind, family) = (MetricKind::GaugeHistogram, Some(Family::Distributions));
    Metric { name, kind, family, labels: FEATURE, help }
}
