//! What a report says first: the conclusion of a window, and the features that matter most.

use crate::feature::Status;
use crate::monitor::figures::{FeatureFigures, MeasureFigures, WindowFigures, WindowVerdict};

/// What a window came to, in a sentence.
pub fn conclusion(figures: &WindowFigures) -> String {
    match figures.verdict() {
        WindowVerdict::Drifted => {
            format!("{} of {} judged features drifted", figures.drifted(), figures.judged())
        }
        WindowVerdict::Ok => format!("no drift in {} judged features", figures.judged()),
        WindowVerdict::Unjudged if !decides(figures) => {
            "no measure decides: nothing is called drift".to_owned()
        }
        WindowVerdict::Unjudged => "too few rows to judge any feature".to_owned(),
    }
}

/// Whether any measure could call drift; without any measure nobody knows.
pub fn decides(figures: &WindowFigures) -> bool {
    let mut measures = figures.features.iter().flat_map(|feature| &feature.measures).peekable();
    measures.peek().is_none() || measures.any(|measured| measured.decides)
}

/// Rows seen, and of how many if not all were counted.
pub fn rows(figures: &WindowFigures) -> String {
    match (figures.rows, figures.rows_kept) {
        (seen, kept) if seen == kept => format!("{seen}"),
        (seen, kept) => format!("{kept} of {seen}"),
    }
}

/// The verdict on a feature, with the status that is a reason for it.
pub fn verdict(feature: &FeatureFigures) -> String {
    let status = feature.status.name();
    match feature.drifted {
        Some(true) if feature.status == Status::Ok => "DRIFTED".to_owned(),
        Some(true) => format!("DRIFTED ({status})"),
        Some(false) => "ok".to_owned(),
        None => status.to_owned(),
    }
}

/// The deciding measure that comes nearest to its threshold, or exceeds it most, and its score in
/// thresholds.
pub fn worst(feature: &FeatureFigures) -> Option<(&MeasureFigures, f64)> {
    let deciding = feature.measures.iter().filter(|measured| measured.decides);
    let ratios = deciding.filter_map(|measured| {
        let threshold = measured.threshold.filter(|threshold| *threshold > 0.0)?;
        Some((measured, measured.score / threshold))
    });
    // The first of equals.
    ratios.reduce(|worst, next| if next.1 > worst.1 { next } else { worst })
}

/// Drifted features first, then by their worst measure.
pub fn sort_worst_first(features: &mut [&FeatureFigures]) {
    let excess = |feature: &FeatureFigures| {
        let first = if feature.drifted == Some(true) { 1e9 } else { 0.0 };
        first + worst(feature).map_or(-1.0, |(_, ratio)| ratio)
    };
    features.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
}

/// How a window's conclusion is marked on a page.
pub fn window_class(figures: &WindowFigures) -> &'static str {
    match figures.verdict() {
        WindowVerdict::Drifted => "drifted",
        WindowVerdict::Ok => "ok",
        WindowVerdict::Unjudged => "soft",
    }
}

/// How a feature's verdict is marked on a page.
pub fn verdict_class(feature: &FeatureFigures) -> &'static str {
    match feature.drifted {
        Some(true) => "drifted",
        Some(false) => "ok",
        None => "soft",
    }
}
