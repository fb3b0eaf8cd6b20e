//! Figures of closed windows as versions up to 4 of the format wrote them.

use super::figures::{
    BaselineFigures, ComparisonFigures, FeatureFigures, MeasureFigures, Statistics, WindowFigures,
};
use crate::feature::{Kind, Status};
use crate::time::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct WindowFiguresBefore {
    window: String,
    slot: u64,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    closed: Option<Timestamp>,
    rows: u64,
    rows_kept: u64,
    baselines: Vec<BaselineFigures>,
    features: Vec<FeatureFiguresBefore>,
}

#[derive(Deserialize)]
struct FeatureFiguresBefore {
    name: String,
    kind: Kind,
    status: Status,
    drifted: Option<bool>,
    statistics: Statistics,
    measures: Vec<MeasureFiguresBefore>,
    others: Vec<ComparisonFiguresBefore>,
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

impl From<WindowFiguresBefore> for WindowFigures {
    fn from(before: WindowFiguresBefore) -> WindowFigures {
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
        let features = features.into_iter().map(FeatureFigures::from).collect();
        WindowFigures { window, slot, start, end, closed, rows, rows_kept, baselines, features }
    }
}

impl From<FeatureFiguresBefore> for FeatureFigures {
    fn from(before: FeatureFiguresBefore) -> FeatureFigures {
        let FeatureFiguresBefore { name, kind, status, drifted, statistics, measures, others } =
            before;
        FeatureFigures {
            name,
            kind,
            status,
            drifted,
            statistics,
            measures: measures.into_iter().map(MeasureFigures::from).collect(),
            others: others.into_iter().map(ComparisonFigures::from).collect(),
            variation: None,
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
        MeasureFigures { measure, score, p_value, threshold, decides, error, calls: None }
    }
}
