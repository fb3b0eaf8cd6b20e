//! Closed windows as JSON, oldest first: what each came to, or one feature through all of them.

use super::json::{Beside, Feature, SCHEMA, Window, to_line};
use crate::explain::phrases::ShownValues;
use crate::monitor::figures::{BaselineFigures, WindowFigures};
use serde::Serialize;

/// A closed window and whose it is.
#[derive(Debug, Clone)]
pub struct Past {
    pub model: String,
    pub version: String,
    pub figures: WindowFigures,
}

impl Past {
    /// The closed windows of one model.
    pub fn of(
        model: &str,
        version: &str,
        windows: Vec<WindowFigures>,
    ) -> impl Iterator<Item = Past> {
        windows.into_iter().map(move |figures| Past {
            model: model.to_owned(),
            version: version.to_owned(),
            figures,
        })
    }
}

#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    windows: Vec<T>,
}

#[derive(Serialize)]
struct Summary<'a> {
    model: &'a str,
    version: &'a str,
    window: Window<'a>,
    rows: u64,
    rows_kept: u64,
    verdict: &'static str,
    features_judged: usize,
    features_drifted: usize,
    features_drifted_ratio: Option<f64>,
    drifted: Vec<&'a str>,
    baselines: &'a [BaselineFigures],
}

#[derive(Serialize)]
struct OfFeature<'a> {
    model: &'a str,
    version: &'a str,
    window: Window<'a>,
    feature: Feature<'a>,
}

/// What each window came to.
pub fn windows(past: &[Past]) -> String {
    let windows = past.iter().map(|Past { model, version, figures }| Summary {
        model,
        version,
        window: figures.into(),
        rows: figures.rows,
        rows_kept: figures.rows_kept,
        verdict: figures.verdict().name(),
        features_judged: figures.judged(),
        features_drifted: figures.drifted(),
        features_drifted_ratio: figures.drifted_ratio(),
        drifted: figures.drifted_features().collect(),
        baselines: &figures.baselines,
    });
    to_line(&Document { schema: SCHEMA, windows: windows.collect() })
}

/// One feature in every window that has it.
pub fn feature(past: &[Past], name: &str, shown: ShownValues) -> String {
    let windows = past.iter().filter_map(|Past { model, version, figures }| {
        let feature = figures.features.iter().find(|feature| feature.name == name)?;
        let beside = Beside { reference: None, has_bins: false, shown };
        let feature = Feature::new(feature, &figures.baselines, beside);
        Some(OfFeature { model, version, window: figures.into(), feature })
    });
    to_line(&Document { schema: SCHEMA, windows: windows.collect() })
}
