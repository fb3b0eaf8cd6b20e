//! Figures: what is shown of a window, as plain numbers.
//!
//! One shape for the report, the state, the API and the metrics. A figure that does not exist is
//! `None`, and never NaN.

use super::cell_rows::CellRows;
use super::reference::{Reference, ReferenceFeature};
use crate::drift::Comparison;
use crate::explain::Explanation;
use crate::explain::bin::Bin;
use crate::explain::phrases::ShownValues;
use crate::feature::{Kind, Status};
use crate::judge::variation::Variation;
use crate::judge::verdict::Verdict;
use crate::profile::codec::append;
use crate::profile::exponential_histogram::ExponentialHistogram;
use crate::profile::extremes::Exact;
use crate::profile::feature::{FeatureGrid, FeatureProfile, Frame, Values};
use crate::profile::numeric::NumericProfile;
use crate::profile::numeric_frame::NumericFrame;
use crate::profile::percentiles::PERCENTILES;
use crate::quality::rule::RuleFigures;
use crate::time::Timestamp;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_128;

/// Statistics of one feature on one side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Rows, missing included.
    pub rows: u64,
    pub missing_ratio: Option<f64>,
    pub null_ratio: Option<f64>,
    pub nan_ratio: Option<f64>,
    pub infinite_ratio: Option<f64>,
    pub zero_ratio: Option<f64>,
    pub mean: Option<f64>,
    pub stddev: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Least and greatest as written, for integers and decimals.
    pub exact: Option<(Exact, Exact)>,
    /// In the order of [`PERCENTILES`].
    pub percentiles: Option<[f64; PERCENTILES.len()]>,
    pub distinct: Option<u64>,
    pub unseen_ratio: Option<f64>,
    pub out_of_range_ratio: Option<f64>,
    pub outlier_ratio: Option<f64>,
}

/// A measure's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasureFigures {
    pub measure: Cow<'static, str>,
    pub score: f64,
    pub p_value: Option<f64>,
    pub threshold: Option<f64>,
    /// Whether it can call the feature drifted.
    pub decides: bool,
    pub error: Option<f64>,
    /// The least that the p-value may be, for the same reason as `error`.
    pub p_value_min: Option<f64>,
    /// What the score comes to by chance alone, about.
    #[serde(skip)]
    pub noise: Option<f64>,
    /// Whether it calls the feature drifted; absent unless it decides and there are rows enough.
    pub calls: Option<bool>,
}

/// How much rows were taken to tell: every so many as one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VariationFigures {
    /// Steps between closed windows that it was learned from; none when it was not.
    pub steps: Option<u64>,
    pub centre: f64,
    pub spread: f64,
    pub bins: f64,
    pub missing: f64,
    /// RC/(R+C) of the rows with a value, divided by that of the bins.
    pub effective_rows: f64,
}

/// One feature of one window. Measures are against the reference; so are status and verdict, unless
/// a baseline decides.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureFigures {
    pub name: String,
    pub kind: Kind,
    pub status: Status,
    pub drifted: Option<bool>,
    /// Whether it has drifted in enough of its last windows; none where that is not asked.
    pub persistent: Option<bool>,
    pub statistics: Statistics,
    pub measures: Vec<MeasureFigures>,
    /// Against the baselines of the window besides the reference, in their order.
    pub others: Vec<ComparisonFigures>,
    /// Which of `others` status, verdict and what moved are against; none of the reference.
    pub decided_by: Option<usize>,
    /// None of a feature that is not scored, and of windows that were judged without.
    pub variation: Option<VariationFigures>,
    /// Rows with a value by bin of `psi`; empty where there are none.
    pub bins: Vec<u64>,
    /// Of numbers, where distributions are exported.
    pub histogram: Option<Box<ExponentialHistogram>>,
    /// Where rows by cell are exported.
    pub cells: Option<Box<CellRows>>,
    /// What moved; of drifted features that have values.
    pub explanation: Option<Box<Explanation>>,
}

/// One feature against one baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonFigures {
    pub status: Status,
    pub drifted: Option<bool>,
    pub measures: Vec<MeasureFigures>,
}

/// What a window was compared with besides the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineFigures {
    /// Label `baseline`.
    pub name: String,
    pub rows: u64,
    /// Whether it decides in place of the reference.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decides: bool,
}

/// One closed window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFigures {
    /// Label `window`.
    pub window: String,
    /// Numbered from 0 per window.
    pub slot: u64,
    /// The file that it was made of; none of what is no one file.
    pub file: Option<String>,
    /// Content of the reference that it was compared with; none where that was not kept.
    pub compared: Option<u128>,
    /// Event time; none without a time column.
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// Wall clock; none for a one-off check.
    pub closed: Option<Timestamp>,
    /// Rows seen.
    pub rows: u64,
    /// Rows counted: fewer than were seen when rows are sampled.
    pub rows_kept: u64,
    pub baselines: Vec<BaselineFigures>,
    /// What rules of quality came to, in the order of the configuration.
    pub rules: Vec<RuleFigures>,
    pub features: Vec<FeatureFigures>,
}

/// What a closed window came to.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSummary {
    /// Without features.
    pub figures: WindowFigures,
    pub judged: usize,
    pub drifted: usize,
    pub drifted_features: Vec<String>,
}

/// The reference's side of what is shown.
#[derive(Debug, Clone, Default)]
pub struct ReferenceFigures {
    pub rows: u64,
    /// Hash of all features.
    pub content: u128,
    /// In the reference's order.
    pub features: Vec<ReferenceFeatureFigures>,
}

/// One feature of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceFeatureFigures {
    pub name: String,
    /// Hash of all the rest, and of the grid.
    pub content: u128,
    pub kind: Kind,
    pub statistics: Statistics,
    /// The bins of `psi` and the rows in each.
    pub bins: Vec<(Bin, u64)>,
    /// Of numbers, where distributions are exported. It is not stored.
    pub histogram: Option<Box<ExponentialHistogram>>,
}

impl ReferenceFigures {
    /// With histograms where distributions are exported.
    pub fn of(reference: &Reference, distributions: bool) -> ReferenceFigures {
        let features = reference.features.par_iter().map(|feature| {
            let histogram = distributions.then(|| feature.profile.histogram(&feature.grid));
            let histogram = histogram.flatten().map(Box::new);
            ReferenceFeatureFigures { histogram, ..ReferenceFeatureFigures::of(feature) }
        });
        let mut figures = ReferenceFigures { rows: reference.rows, ..ReferenceFigures::default() };
        figures.add_features(features.collect());
        figures
    }

    /// Takes more features of the same rows.
    pub fn add_features(&mut self, features: Vec<ReferenceFeatureFigures>) {
        self.features.extend(features);
        let contents = self.features.iter().flat_map(|feature| feature.content.to_le_bytes());
        self.content = xxh3_128(&contents.collect::<Vec<u8>>());
    }
}

impl ReferenceFeatureFigures {
    fn of(ReferenceFeature { grid, profile }: &ReferenceFeature) -> ReferenceFeatureFigures {
        let missing = grid.own_bins.has_missing.then(|| profile.tally.missing());
        let rows = profile.bins(grid).into_iter().chain(missing);
        let bins: Vec<(Bin, u64)> = Bin::all(grid).into_iter().zip(rows).collect();
        let (name, kind) = (grid.name.clone(), grid.kind);
        let statistics = Statistics::of(grid, profile);
        let mut bytes = Vec::new();
        append(&(&name, kind.name(), grid.id, &statistics, &bins), &mut bytes);
        let content = xxh3_128(&bytes);
        ReferenceFeatureFigures { name, content, kind, statistics, bins, histogram: None }
    }
}

/// What a window as a whole amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowVerdict {
    Drifted,
    Ok,
    Unjudged,
}

impl WindowVerdict {
    pub const ALL: [WindowVerdict; 3] =
        [WindowVerdict::Drifted, WindowVerdict::Ok, WindowVerdict::Unjudged];

    /// Of so many features that were judged, and of which so many have drifted.
    pub fn of(judged: usize, drifted: usize) -> WindowVerdict {
        match (judged, drifted) {
            (0, _) => WindowVerdict::Unjudged,
            (_, 0) => WindowVerdict::Ok,
            _ => WindowVerdict::Drifted,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            WindowVerdict::Drifted => "drifted",
            WindowVerdict::Ok => "ok",
            WindowVerdict::Unjudged => "unjudged",
        }
    }
}

impl WindowFigures {
    /// How many rules are kept, as people read it: those that the window tells nothing of are not.
    pub fn kept_rules(&self) -> String {
        let told = self.rules.iter().filter(|rule| rule.ratio.is_some()).count();
        let (kept, all) = (told - self.broken_rules().count(), self.rules.len());
        match all - told {
            0 => format!("{kept} of {all} rules are kept"),
            unknown => format!("{kept} of {all} rules are kept, and {unknown} cannot be told"),
        }
    }

    /// Rules that are broken.
    pub fn broken_rules(&self) -> impl Iterator<Item = &RuleFigures> {
        self.rules.iter().filter(|rule| rule.is_violated())
    }

    pub fn judged(&self) -> usize {
        self.features.iter().filter(|feature| feature.drifted.is_some()).count()
    }

    pub fn drifted(&self) -> usize {
        self.features.iter().filter(|feature| feature.drifted == Some(true)).count()
    }

    /// The names of the drifted features.
    pub fn drifted_features(&self) -> impl Iterator<Item = &str> {
        let drifted = self.features.iter().filter(|feature| feature.drifted == Some(true));
        drifted.map(|feature| feature.name.as_str())
    }

    /// Drifted features among the judged; none when nothing was judged.
    pub fn drifted_ratio(&self) -> Option<f64> {
        (self.judged() > 0).then(|| self.drifted() as f64 / self.judged() as f64)
    }

    pub fn verdict(&self) -> WindowVerdict {
        WindowVerdict::of(self.judged(), self.drifted())
    }

    fn without_features(&self) -> WindowFigures {
        WindowFigures {
            window: self.window.clone(),
            file: self.file.clone(),
            baselines: self.baselines.clone(),
            rules: self.rules.clone(),
            features: Vec::new(),
            ..*self
        }
    }
}

impl WindowSummary {
    pub fn of(figures: &WindowFigures) -> WindowSummary {
        WindowSummary {
            judged: figures.judged(),
            drifted: figures.drifted(),
            drifted_features: figures.drifted_features().map(str::to_owned).collect(),
            figures: figures.without_features(),
        }
    }

    /// Drifted features among the judged; none when nothing was judged.
    pub fn drifted_ratio(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.drifted as f64 / self.judged as f64)
    }

    pub fn verdict(&self) -> WindowVerdict {
        WindowVerdict::of(self.judged, self.drifted)
    }
}

impl FeatureFigures {
    /// The names of the measures that call drift.
    pub fn called(&self) -> impl Iterator<Item = &str> {
        let deciding = self.decided_by.map_or(&self.measures, |at| &self.others[at].measures);
        let called = deciding.iter().filter(|measured| measured.calls == Some(true));
        called.map(|measured| &*measured.measure)
    }

    /// Takes the verdict of a baseline, the last that was added, for its own; none of rows where
    /// there are no windows yet that it is made of.
    pub fn decide_by(
        &mut self,
        at: usize,
        comparison: Option<&Comparison<'_>>,
        variation: Option<VariationFigures>,
    ) {
        self.variation = self.variation.and(variation).or(self.variation);
        self.measures.iter_mut().for_each(|measured| measured.calls = None);
        let ComparisonFigures { status, drifted, measures } = &self.others[at];
        self.decided_by = Some(at);
        let is_told = *drifted == Some(true) && !measures.is_empty();
        match (self.status, *status) {
            // A feature that is gone is so whatever it is compared with.
            (Status::Absent | Status::NoValues | Status::Retyped | Status::Muted, _) => {}
            (Status::Ok, Status::NoReference) => {
                (self.status, self.drifted) = (Status::TooFewRows, None);
            }
            (_, Status::NoReference) => self.drifted = None,
            (_, status) => (self.status, self.drifted) = (status, *drifted),
        }
        let explained = comparison.filter(|_| is_told);
        self.explanation = explained.map(|own| Box::new(Explanation::of(own)));
    }

    /// What moved, in a few words each, most telling first.
    pub fn why(&self, shown: ShownValues) -> Vec<String> {
        let explanation = self.explanation.iter();
        explanation.flat_map(|own| own.phrases(self.called(), shown)).collect()
    }

    /// A word for each of the kinds of what moved.
    pub fn reasons(&self) -> Vec<&'static str> {
        self.explanation.iter().flat_map(|own| own.reasons(self.called())).collect()
    }

    /// Of the current side of a comparison with the reference, which decides.
    pub fn new(
        comparison: &Comparison<'_>,
        verdict: Verdict,
        variation: VariationFigures,
    ) -> FeatureFigures {
        let (grid, (_, profile)) = (comparison.grid(), comparison.profiles());
        let ComparisonFigures { status, drifted, measures } = verdict.into();
        let is_told = drifted == Some(true) && !measures.is_empty();
        FeatureFigures {
            name: grid.name.clone(),
            kind: grid.kind,
            status,
            drifted,
            persistent: None,
            statistics: Statistics::of(grid, profile),
            variation: (!measures.is_empty()).then_some(variation),
            measures,
            others: Vec::new(),
            decided_by: None,
            bins: comparison.bins().map(|bins| bins.row(1).to_vec()).unwrap_or_default(),
            histogram: None,
            cells: None,
            explanation: is_told.then(|| Box::new(Explanation::of(comparison))),
        }
    }
}

impl VariationFigures {
    pub fn new(variation: &Variation, effective_rows: f64) -> VariationFigures {
        let Variation { effects, steps, .. } = variation;
        VariationFigures {
            steps: steps.map(|steps| steps as u64),
            centre: effects.centre,
            spread: effects.spread,
            bins: effects.bins,
            missing: effects.missing,
            effective_rows: effective_rows / effects.bins,
        }
    }
}

impl ComparisonFigures {
    /// There are no windows yet that the baseline is made of.
    pub fn without_baseline() -> ComparisonFigures {
        ComparisonFigures { status: Status::NoReference, drifted: None, measures: Vec::new() }
    }
}

impl From<Verdict> for ComparisonFigures {
    fn from(verdict: Verdict) -> ComparisonFigures {
        let measures = verdict.measured.into_iter().map(|measured| MeasureFigures {
            measure: measured.measure.name().into(),
            score: measured.score.score,
            p_value: measured.p_value,
            threshold: measured.threshold,
            decides: measured.decides,
            error: measured.score.error,
            p_value_min: measured.p_value_min,
            noise: measured.noise,
            calls: measured.calls,
        });
        let measures = measures.collect();
        ComparisonFigures { status: verdict.status, drifted: verdict.drifted, measures }
    }
}

impl Statistics {
    pub fn of(grid: &FeatureGrid, profile: &FeatureProfile) -> Statistics {
        let tally = &profile.tally;
        let mut statistics = Statistics {
            rows: tally.rows,
            missing_ratio: ratio(tally.missing(), tally.rows),
            null_ratio: ratio(tally.nulls, tally.rows),
            ..Statistics::default()
        };
        match (&grid.frame, &profile.values) {
            (Frame::Numeric(frame), Values::Numeric(values)) => {
                statistics.nan_ratio = ratio(tally.nans, tally.rows);
                statistics.add_numeric(frame, values);
            }
            (Frame::Categorical(categories), Values::Categorical(counts)) => {
                let present = counts.total();
                if present > 0 {
                    statistics.distinct = Some(counts.distinct());
                }
                if categories.knows_unseen() && !categories.kept().is_empty() {
                    statistics.unseen_ratio = ratio(counts.unseen(), present);
                }
            }
            _ => {}
        }
        statistics
    }

    fn add_numeric(&mut self, frame: &NumericFrame, values: &NumericProfile) {
        let present = values.total();
        self.infinite_ratio = ratio(values.infinities(), self.rows);
        self.zero_ratio = ratio(values.zeros(), self.rows);
        self.mean = values.mean(frame);
        self.stddev = values.stddev(frame);
        self.min = values.extremes().min();
        self.max = values.extremes().max();
        self.exact = values.extremes().exact();
        let (grid, cells) = values.cells(frame);
        let counts = cells.counts();
        self.percentiles = values.percentiles(frame);
        if present > 0 {
            self.distinct = values.distinct(frame);
        }
        if grid.range().is_some() {
            self.out_of_range_ratio = ratio(grid.out_of_range(&counts), present);
        }
        self.outlier_ratio = values.outliers(frame).and_then(|rows| ratio(rows, present));
    }
}

fn ratio(rows: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| rows as f64 / of as f64)
}
