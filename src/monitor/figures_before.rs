//! Figures of closed windows as versions 3 to 5 of the format wrote them, in one value.

use super::figures::{
    BaselineFigures, ComparisonFigures, FeatureFigures, MeasureFigures, Statistics,
    VariationFigures, WindowFigures,
};
use crate::error::Fault;
use crate::feature::{Kind, Status};
use crate::profile::codec::{Content, decode_versions, version};
use crate::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The figures of a closed window.
pub fn decode(body: &[u8]) -> Result<WindowFigures, Fault> {
    match version(body) {
        Some(..5) => of_version::<FeatureFiguresOf4>(3, 4, body),
        _ => of_version::<FeatureFiguresOf5>(5, 5, body),
    }
}

fn of_version<F>(from: u16, to: u16, body: &[u8]) -> Result<WindowFigures, Fault>
where
    F: DeserializeOwned + Into<FeatureFigures>,
{
    let window: WindowFiguresBefore<F> = decode_versions(from..=to, Content::Window, body)?;
    Ok(window.into())
}

#[derive(Deserialize)]
struct WindowFiguresBefore<F> {
    window: String,
    slot: u64,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    closed: Option<Timestamp>,
    rows: u64,
    rows_kept: u64,
    baselines: Vec<BaselineFigures>,
    features: Vec<F>,
}

#[derive(Deserialize)]
struct FeatureFiguresOf4 {
    name: String,
    kind: Kind,
    status: Status,
    drifted: Option<bool>,
    statistics: Statistics,
    measures: Vec<MeasureFiguresBefore>,
    others: Vec<ComparisonFiguresBefore>,
}

#[derive(Deserialize)]
struct FeatureFiguresOf5 {
    name: String,
    kind: Kind,
    status: Status,
    drifted: Option<bool>,
    statistics: Statistics,
    measures: Vec<MeasureFigures>,
    others: Vec<ComparisonFigures>,
    variation: Option<VariationFigures>,
}

#[derive(Deserialize)]
struct ComparisonFiguresBefore {
    status: Status,
    drifted: Option<bool>,
    measures: Vec<MeasureFiguresBefore>,
}

#[derive(Deserialize)]
struct MeasureFiguresBefore {
    measure: String,
    score: f64,
    p_value: Option<f64>,
    threshold: Option<f64>,
    decides: bool,
    error: Option<f64>,
}

impl<F: Into<FeatureFigures>> From<WindowFiguresBefore<F>> for WindowFigures {
    fn from(before: WindowFiguresBefore<F>) -> WindowFigures {
        let WindowFiguresBefore {
            window,
            slot,
            start,
            end,
            closed,
            rows,
            rows_kept,
            baselines,
            features,
        } = before;
        let features = features.into_iter().map(F::into).collect();
        WindowFigures { window, slot, start, end, closed, rows, rows_kept, baselines, features }
    }
}

impl From<FeatureFiguresOf4> for FeatureFigures {
    fn from(before: FeatureFiguresOf4) -> FeatureFigures {
        let FeatureFiguresOf4 { name, kind, status, drifted, statistics, measures, others } =
            before;
        let measures = measures.into_iter().map(MeasureFigures::from).collect();
        let others = others.into_iter().map(ComparisonFigures::from).collect();
        let variation = None;
        FeatureFiguresOf5 { name, kind, status, drifted, statistics, measures, others, variation }
            .into()
    }
}

impl From<FeatureFiguresOf5> for FeatureFigures {
    /// Nobody kept the bins, or said what moved.
    fn from(before: FeatureFiguresOf5) -> FeatureFigures {
        let FeatureFiguresOf5 {
            name,
            kind,
            status,
            drifted,
            statistics,
            measures,
            others,
            variation,
        } = before;
        FeatureFigures {
            name,
            kind,
            status,
            drifted,
            persistent: None,
            statistics,
            measures,
            others,
            variation,
            bins: Vec::new(),
            explanation: None,
        }
    }
}

impl From<ComparisonFiguresBefore> for ComparisonFigures {
    fn from(before: ComparisonFiguresBefore) -> ComparisonFigures {
        let ComparisonFiguresBefore { status, drifted, measures } = before;
        let measures = measures.into_iter().map(MeasureFigures::from).collect();
        ComparisonFigures { status, drifted, measures }
    }
}

impl From<MeasureFiguresBefore> for MeasureFigures {
    /// Nobody noted which of them called.
    fn from(before: MeasureFiguresBefore) -> MeasureFigures {
        let MeasureFiguresBefore { measure, score, p_value, threshold, decides, error } = before;
        let measure = measure.into();
        MeasureFigures { measure, score, p_value, threshold, decides, error, calls: None }
    }
}
