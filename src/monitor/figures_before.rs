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
        Some(..5) => of_version::<FeatureFiguresBefore<MeasureFiguresOf4>>(3, 4, body),
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
    baselines: Vec<BaselineFiguresBefore>,
    features: Vec<F>,
}

#[derive(Deserialize)]
struct BaselineFiguresBefore {
    name: String,
    rows: u64,
}

impl From<BaselineFiguresBefore> for BaselineFigures {
    fn from(BaselineFiguresBefore { name, rows }: BaselineFiguresBefore) -> BaselineFigures {
        BaselineFigures { name, rows, decides: false }
    }
}

/// Nobody kept the bins, or said what moved.
#[derive(Deserialize)]
struct FeatureFiguresBefore<M> {
    name: String,
    kind: Kind,
    status: Status,
    drifted: Option<bool>,
    statistics: Statistics,
    measures: Vec<M>,
    others: Vec<ComparisonFiguresBefore<M>>,
}

#[derive(Deserialize)]
struct FeatureFiguresOf5 {
    before: FeatureFiguresBefore<MeasureFiguresOf5>,
    variation: Option<VariationFigures>,
}

#[derive(Deserialize)]
struct ComparisonFiguresBefore<M> {
    status: Status,
    drifted: Option<bool>,
    measures: Vec<M>,
}

#[derive(Deserialize)]
struct MeasureFiguresOf4 {
    measure: String,
    score: f64,
    p_value: Option<f64>,
    threshold: Option<f64>,
    decides: bool,
    error: Option<f64>,
}

#[derive(Deserialize)]
struct MeasureFiguresOf5 {
    before: MeasureFiguresOf4,
    calls: Option<bool>,
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
        let baselines = of_all(baselines);
        let file = None;
        WindowFigures {
            window,
            slot,
            file,
            compared: None,
            start,
            end,
            closed,
            rows,
            rows_kept,
            baselines,
            rules: Vec::new(),
            features,
        }
    }
}

impl<M: Into<MeasureFigures>> From<FeatureFiguresBefore<M>> for FeatureFigures {
    fn from(before: FeatureFiguresBefore<M>) -> FeatureFigures {
        let FeatureFiguresBefore { name, kind, status, drifted, statistics, measures, others } =
            before;
        FeatureFigures {
            name,
            kind,
            status,
            drifted,
            persistent: None,
            statistics,
            measures: of_all(measures),
            others: of_all(others),
            decided_by: None,
            variation: None,
            bins: Vec::new(),
            histogram: None,
            cells: None,
            explanation: None,
        }
    }
}

impl From<FeatureFiguresOf5> for FeatureFigures {
    fn from(FeatureFiguresOf5 { before, variation }: FeatureFiguresOf5) -> FeatureFigures {
        FeatureFigures { variation, ..before.into() }
    }
}

impl<M: Into<MeasureFigures>> From<ComparisonFiguresBefore<M>> for ComparisonFigures {
    fn from(before: ComparisonFiguresBefore<M>) -> ComparisonFigures {
        let ComparisonFiguresBefore { status, drifted, measures } = before;
        ComparisonFigures { status, drifted, measures: of_all(measures) }
    }
}

fn of_all<B: Into<T>, T>(before: Vec<B>) -> Vec<T> {
    before.into_iter().map(B::into).collect()
}

impl From<MeasureFiguresOf4> for MeasureFigures {
    fn from(before: MeasureFiguresOf4) -> MeasureFigures {
        let MeasureFiguresOf4 { measure, score, p_value, threshold, decides, error } = before;
        MeasureFigures {
            measure: measure.into(),
            score,
            p_value,
            threshold,
            decides,
            error,
            p_value_min: None,
            noise: None,
            calls: None,
        }
    }
}

impl From<MeasureFiguresOf5> for MeasureFigures {
    fn from(MeasureFiguresOf5 { before, calls }: MeasureFiguresOf5) -> MeasureFigures {
        MeasureFigures { calls, ..before.into() }
    }
}
