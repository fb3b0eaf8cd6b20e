//! Scoring a window: every feature on its own, then the window as a whole.

use super::figures::{FeatureFigures, WindowFigures};
use super::reference::Reference;
use crate::drift::Comparison;
use crate::drift::verdict::{DriftConfig, judge};
use crate::profile::Mismatch;
use crate::time::Timestamp;
use crate::window::pane::Pane;
use rayon::prelude::*;

/// Which window the rows are.
#[derive(Debug, Clone)]
pub struct WindowLabel {
    pub window: String,
    pub slot: u64,
    pub closed: Option<Timestamp>,
}

/// Scores and judges the rows of one window.
pub fn score(
    reference: &Reference,
    pane: &Pane,
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
            let comparison = Comparison::new(&feature.grid, &feature.profile, current)?;
            let comparison = match pane.clusters.get(index) {
                None => comparison,
                Some(clusters) => {
                    let bins = current.cluster_bins(&feature.grid);
                    comparison.with_design_effect(clusters.design_effect(&bins))
                }
            };
            let verdict = judge(&comparison, config);
            Ok(FeatureFigures::new(&feature.grid, current, verdict))
        })
        .collect::<Result<Vec<_>, Mismatch>>()?;
    let WindowLabel { window, slot, closed } = label;
    let (rows, rows_kept) = (pane.rows, pane.rows_kept);
    Ok(WindowFigures { window, slot, start: None, end: None, closed, rows, rows_kept, features })
}
