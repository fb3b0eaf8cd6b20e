//! Scoring a window: every feature on its own, then the window as a whole.

use super::figures::{BaselineFigures, ComparisonFigures, FeatureFigures, WindowFigures};
use super::reference::{Reference, ReferenceFeature};
use crate::drift::Comparison;
use crate::drift::verdict::{DriftConfig, Verdict, judge};
use crate::profile::Mismatch;
use crate::profile::feature::FeatureProfile;
use crate::time::Timestamp;
use crate::window::pane::Pane;
use rayon::prelude::*;

/// Which window the rows are.
#[derive(Debug, Clone)]
pub struct WindowLabel {
    pub window: String,
    pub slot: u64,
    /// Event time.
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub closed: Option<Timestamp>,
}

/// What a window is compared with besides the reference.
#[derive(Debug)]
pub struct Baseline {
    pub name: String,
    /// None while there are no windows that it is made of.
    pub pane: Option<Pane>,
}

/// Scores and judges the rows of one window.
pub fn score(
    reference: &Reference,
    pane: &Pane,
    baselines: &[Baseline],
    config: &DriftConfig,
    label: WindowLabel,
) -> Result<WindowFigures, Mismatch> {
    if pane.features.len() != reference.features.len() {
        return Err(Mismatch);
    }
    let features = reference
        .features
        .par_iter()
        .zip(&pane.features)
        .enumerate()
        .map(|(index, (feature, current))| {
            current.assert_complete();
            let compared = Comparison::new(&feature.grid, &feature.profile, current)?;
            let verdict = judged(compared, (index, feature, current), pane, config);
            let others = baselines.iter().map(|baseline| {
                let Some(pane_before) = &baseline.pane else {
                    return Ok(ComparisonFigures::without_baseline());
                };
                let before: &FeatureProfile = &pane_before.features[index];
                let compared = Comparison::with_window(&feature.grid, before, current)?;
                Ok(judged(compared, (index, feature, current), pane, config).into())
            });
            let others = others.collect::<Result<_, Mismatch>>()?;
            Ok(FeatureFigures::new(&feature.grid, current, verdict, others))
        })
        .collect::<Result<Vec<_>, Mismatch>>()?;
    let WindowLabel { window, slot, start, end, closed } = label;
    let (rows, rows_kept) = (pane.rows, pane.rows_kept);
    let baselines = baselines.iter().map(|baseline| BaselineFigures {
        name: baseline.name.clone(),
        rows: baseline.pane.as_ref().map_or(0, |pane| pane.rows),
    });
    let baselines = baselines.collect();
    Ok(WindowFigures { window, slot, start, end, closed, rows, rows_kept, baselines, features })
}

fn judged(
    comparison: Comparison<'_>,
    (index, feature, current): (usize, &ReferenceFeature, &FeatureProfile),
    pane: &Pane,
    config: &DriftConfig,
) -> Verdict {
    let comparison = match pane.clusters.get(index) {
        None => comparison,
        Some(clusters) => {
            let bins = current.cluster_bins(&feature.grid);
            comparison.with_design_effect(clusters.design_effect(&bins))
        }
    };
    judge(&comparison, config)
}
