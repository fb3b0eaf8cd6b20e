//! The report as JSON, schema 2. A number that does not exist is null.
//!
//! The shapes here are for readers outside and stay stable; the figures inside may change.

use super::Report;
use super::why::{BinRows, Why, bin_rows};
use crate::explain::phrases::ShownValues;
use crate::monitor::figures::{
    BaselineFigures, FeatureFigures, MeasureFigures, ReferenceFeatureFigures,
    Statistics as StatisticsFigures, VariationFigures, WindowFigures,
};
use crate::profile::extremes::Exact;
use crate::profile::percentiles::PERCENTILES;
use crate::quality::rule::RuleFigures;
use crate::time::Timestamp;
use crate::window::baseline::REFERENCE;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

/// Version 2 has the reference's figures beside the window's, bins, and what moved.
pub(super) const SCHEMA: u32 = 2;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    driftd: &'static str,
    reports: Vec<WindowReport<'a>>,
}

#[derive(Serialize)]
struct WindowReport<'a> {
    model: &'a str,
    version: &'a str,
    window: Window<'a>,
    /// What verdicts are against.
    baseline: &'a str,
    reference: Rows,
    current: CurrentRows,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    baselines: &'a [BaselineFigures],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<RuleEntry<'a>>,
    features_judged: usize,
    features_drifted: usize,
    features_drifted_ratio: Option<f64>,
    features: Vec<Feature<'a>>,
}

/// What is told of a feature besides its own figures.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    /// Where it is known.
    pub reference: Option<&'a ReferenceFeatureFigures>,
    pub role: Option<&'static str>,
    pub has_bins: bool,
    /// Whether shares of bins and values may be told.
    pub is_open: bool,
    /// How values of categories are told.
    pub shown: ShownValues,
}

/// Which window; seconds since 1970.
#[derive(Serialize)]
pub(super) struct Window<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    start: Option<f64>,
    end: Option<f64>,
    closed: Option<f64>,
}

impl<'a> From<&'a WindowFigures> for Window<'a> {
    fn from(figures: &'a WindowFigures) -> Window<'a> {
        Window {
            name: &figures.window,
            file: figures.file.as_deref(),
            start: figures.start.map(Timestamp::as_seconds),
            end: figures.end.map(Timestamp::as_seconds),
            closed: figures.closed.map(Timestamp::as_seconds),
        }
    }
}

/// What a rule of quality came to.
#[derive(Serialize)]
struct RuleEntry<'a> {
    #[serde(flatten)]
    figures: &'a RuleFigures,
    /// None where the window tells nothing of it.
    violated: Option<bool>,
}

#[derive(Serialize)]
struct Rows {
    rows: Option<u64>,
}

#[derive(Serialize)]
struct CurrentRows {
    rows: u64,
    rows_kept: u64,
}

#[derive(Serialize)]
pub(super) struct Feature<'a> {
    name: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    status: &'static str,
    drifted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistent: Option<bool>,
    #[serde(flatten)]
    statistics: Statistics<'a>,
    /// The reference's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Statistics<'a>>,
    /// The measures that call drift; absent of windows that were judged without noting it.
    #[serde(skip_serializing_if = "Option::is_none")]
    called: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variation: Option<Variation>,
    /// What moved; of drifted features.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Why>,
    measures: Measures<'a>,
    /// Rows by bin of `psi` on both sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    bins: Option<Vec<BinRows>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    baselines: BTreeMap<&'a str, Comparison<'a>>,
}

/// One side's figures.
#[derive(Serialize)]
struct Statistics<'a> {
    rows: u64,
    missing_ratio: Option<f64>,
    null_ratio: Option<f64>,
    nan_ratio: Option<f64>,
    infinite_ratio: Option<f64>,
    zero_ratio: Option<f64>,
    mean: Option<f64>,
    stddev: Option<f64>,
    min: Option<Number>,
    max: Option<Number>,
    percentiles: Option<Percentiles<'a>>,
    distinct: Option<u64>,
    unseen_ratio: Option<f64>,
    out_of_range_ratio: Option<f64>,
    outlier_ratio: Option<f64>,
}

impl<'a> From<&'a StatisticsFigures> for Statistics<'a> {
    fn from(s: &'a StatisticsFigures) -> Statistics<'a> {
        Statistics {
            rows: s.rows,
            missing_ratio: s.missing_ratio,
            null_ratio: s.null_ratio,
            nan_ratio: s.nan_ratio,
            infinite_ratio: s.infinite_ratio,
            zero_ratio: s.zero_ratio,
            mean: s.mean,
            stddev: s.stddev,
            min: Number::new(s.min, s.exact.map(|(min, _)| min)),
            max: Number::new(s.max, s.exact.map(|(_, max)| max)),
            percentiles: s.percentiles.as_ref().map(Percentiles),
            distinct: s.distinct,
            unseen_ratio: s.unseen_ratio,
            out_of_range_ratio: s.out_of_range_ratio,
            outlier_ratio: s.outlier_ratio,
        }
    }
}

/// How much rows were taken to tell.
#[derive(Serialize)]
struct Variation {
    /// Between closed windows; null when it is not learned from them.
    steps: Option<u64>,
    effective_rows: f64,
    design_effects: DesignEffects,
}

#[derive(Serialize)]
struct DesignEffects {
    centre: f64,
    spread: f64,
    bins: f64,
    missing: f64,
}

impl From<&VariationFigures> for Variation {
    fn from(figures: &VariationFigures) -> Variation {
        let VariationFigures { steps, centre, spread, bins, missing, effective_rows } = *figures;
        let design_effects = DesignEffects { centre, spread, bins, missing };
        Variation { steps, effective_rows, design_effects }
    }
}

/// Against another baseline than the reference.
#[derive(Serialize)]
struct Comparison<'a> {
    status: &'static str,
    drifted: Option<bool>,
    measures: Measures<'a>,
}

#[derive(Serialize)]
struct Measure {
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_value: Option<f64>,
    /// Less by what the cells' loss of detail may make of it; of ks.
    #[serde(skip_serializing_if = "Option::is_none")]
    p_value_min: Option<f64>,
    threshold: Option<f64>,
    /// What the score comes to by chance alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    noise: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<bool>,
}

/// A number with all its digits, also where a double has too few.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Exact(Box<RawValue>),
    Double(f64),
}

impl Number {
    fn new(double: Option<f64>, exact: Option<Exact>) -> Option<Number> {
        let written = exact.and_then(|exact| RawValue::from_string(exact.to_string()).ok());
        written.map(Number::Exact).or(double.map(Number::Double))
    }
}

struct Percentiles<'a>(&'a [f64; PERCENTILES.len()]);

impl Serialize for Percentiles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(PERCENTILES.iter().map(u8::to_string).zip(self.0))
    }
}

struct Measures<'a>(&'a [MeasureFigures]);

impl Serialize for Measures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|m| {
            let measure = Measure {
                score: m.score,
                p_value: m.p_value,
                p_value_min: m.p_value_min,
                threshold: m.threshold,
                noise: m.noise,
                error: m.error,
                calls: m.calls,
            };
            (&m.measure, measure)
        }))
    }
}

impl<'a> Feature<'a> {
    pub(super) fn new(
        figures: &'a FeatureFigures,
        baselines: &'a [BaselineFigures],
        beside: Beside<'a>,
    ) -> Feature<'a> {
        let others = baselines.iter().zip(&figures.others).map(|(baseline, other)| {
            let (status, drifted) = (other.status.name(), other.drifted);
            let measures = Measures(&other.measures);
            (baseline.name.as_str(), Comparison { status, drifted, measures })
        });
        let bins = beside.reference.filter(|_| beside.has_bins);
        Feature {
            name: &figures.name,
            kind: figures.kind.name(),
            role: beside.role,
            status: figures.status.name(),
            drifted: figures.drifted,
            persistent: figures.persistent,
            statistics: (&figures.statistics).into(),
            reference: beside.reference.map(|own| (&own.statistics).into()),
            called: figures.variation.map(|_| figures.called().collect()),
            variation: figures.variation.as_ref().map(Variation::from),
            why: match beside.is_open {
                true => Why::of(figures, beside.shown),
                false => Why::in_words(figures),
            },
            measures: Measures(&figures.measures),
            bins: bins.and_then(|own| bin_rows(own, &figures.bins, beside.shown)),
            baselines: others.collect(),
        }
    }
}

fn deciding(figures: &WindowFigures) -> &str {
    let deciding = figures.baselines.iter().find(|baseline| baseline.decides);
    deciding.map_or(REFERENCE, |baseline| &baseline.name)
}

impl<'a> From<&'a RuleFigures> for RuleEntry<'a> {
    fn from(figures: &'a RuleFigures) -> RuleEntry<'a> {
        RuleEntry { figures, violated: figures.ratio.map(|_| figures.is_violated()) }
    }
}

fn features<'a>(report: &Report<'a>) -> Vec<Feature<'a>> {
    let Report { figures, has_bins, shown, .. } = *report;
    let reference = report.reference.iter().flat_map(|reference| &reference.features);
    let reference: HashMap<&str, &ReferenceFeatureFigures> =
        reference.map(|own| (own.name.as_str(), own)).collect();
    let features = figures.features.iter().map(|feature| {
        let reference = reference.get(feature.name.as_str()).copied();
        let role = report.role(&feature.name);
        Feature::new(
            feature,
            &figures.baselines,
            Beside { reference, role, has_bins, is_open: has_bins, shown },
        )
    });
    features.collect()
}

/// The document of all reports, on one line.
pub fn json(reports: &[Report<'_>]) -> String {
    let reports = reports.iter().map(|report| {
        let figures = report.figures;
        WindowReport {
            model: report.model,
            version: report.version,
            window: figures.into(),
            baseline: deciding(figures),
            reference: Rows { rows: report.reference.map(|reference| reference.rows) },
            current: CurrentRows { rows: figures.rows, rows_kept: figures.rows_kept },
            features_judged: figures.judged(),
            features_drifted: figures.drifted(),
            features_drifted_ratio: figures.drifted_ratio(),
            baselines: &figures.baselines,
            rules: figures.rules.iter().map(RuleEntry::from).collect(),
            features: features(report),
        }
    });
    let document =
        Document { schema: SCHEMA, driftd: env!("CARGO_PKG_VERSION"), reports: reports.collect() };
    to_line(&document)
}

pub(super) fn to_line(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("plain data has a JSON form") + "\n"
}
