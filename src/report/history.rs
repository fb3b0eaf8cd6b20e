//! Closed windows as JSON, oldest first: what each came to, or one feature through all of them.

use super::json::{Beside, Feature, SCHEMA, Window, to_line};
use crate::explain::phrases::ShownValues;
use crate::monitor::figures::{
    BaselineFigures, ReferenceFeatureFigures, WindowFigures, WindowSummary,
};
use serde::Serialize;

/// Something of the past of a model.
#[derive(Debug, Clone)]
pub struct Past<T> {
    pub model: String,
    pub version: String,
    pub what: T,
}

impl<T> Past<T> {
    /// All of one model.
    pub fn of(model: &str, version: &str, all: Vec<T>) -> impl Iterator<Item = Past<T>> {
        let own = |what| Past { model: model.to_owned(), version: version.to_owned(), what };
        all.into_iter().map(own)
    }
}

#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    windows: Vec<T>,
}

/// What one window came to.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    model: &'a str,
    version: &'a str,
    window: Window<'a>,
    rows: u64,
    rows_kept: u64,
    verdict: &'static str,
    features_judged: usize,
    features_drifted: usize,
    features_drifted_ratio: Option<f64>,
    drifted: &'a [String],
    baselines: &'a [BaselineFigures],
}

impl<'a> Summary<'a> {
    pub fn of(model: &'a str, version: &'a str, what: &'a WindowSummary) -> Summary<'a> {
        let WindowSummary { figures, judged, drifted, drifted_features } = what;
        Summary {
            model,
            version,
            window: figures.into(),
            rows: figures.rows,
            rows_kept: figures.rows_kept,
            verdict: what.verdict().name(),
            features_judged: *judged,
            features_drifted: *drifted,
            features_drifted_ratio: what.drifted_ratio(),
            drifted: drifted_features,
            baselines: &figures.baselines,
        }
    }
}

#[derive(Serialize)]
struct OfFeature<'a> {
    model: &'a str,
    version: &'a str,
    window: Window<'a>,
    feature: Feature<'a>,
}

/// What each window came to.
pub fn windows(past: &[Past<WindowSummary>]) -> String {
    let windows =
        past.iter().map(|Past { model, version, what }| Summary::of(model, version, what));
    to_line(&Document { schema: SCHEMA, windows: windows.collect() })
}

/// One feature of a window, and what it was compared with.
pub type FeatureOfWindow = (WindowFigures, Option<ReferenceFeatureFigures>);

/// One feature in every window that has it, with its bins or not, and with shares of bins and
/// values or not.
pub fn feature(
    past: &[Past<FeatureOfWindow>],
    (has_bins, is_open): (bool, bool),
    role: Option<&'static str>,
    shown: ShownValues,
) -> String {
    let windows = past.iter().filter_map(|Past { model, version, what: (figures, reference) }| {
        let beside = Beside { reference: reference.as_ref(), role, has_bins, is_open, shown };
        let feature = Feature::new(figures.features.first()?, &figures.baselines, beside);
        Some(OfFeature { model, version, window: figures.into(), feature })
    });
    to_line(&Document { schema: SCHEMA, windows: windows.collect() })
}
